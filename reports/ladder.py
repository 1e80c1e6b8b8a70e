"""The ladder of consistency models: which still hold, which are ruled out, and what decides it.

    linearizability ─▶ sequential ─▶ read-your-writes, monotonic-reads,
                                     monotonic-writes, writes-follow-reads
         strongest                                        weakest

What a model implies holds where it holds; what implies it is ruled out where it is. So a verdict
about one model decides others as well, and the ladder shows where the boundary runs. All of it
follows from the definitions: one order of everything that keeps the order of each process shows
every process its own writes, in order, and never takes anything back. Checks of other names stand
on no rung.

>>> def verdict(checker, outcome):
...     return Verdict(checker=checker, outcome=outcome, reason="r")
>>> rungs = ladder([verdict("linearizability", "fail"), verdict("sequential", "pass")])
>>> [(model.name, model.state, model.decided_by) for model in rungs[0] + rungs[1]]
[('linearizability', 'ruled out', 'linearizability'), ('sequential', 'holds', 'sequential')]
>>> {model.state for model in rungs[2]}
{'holds'}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.verdict import Verdict

#: From the strongest to the weakest; each model of a rung implies all of the rungs below.
RUNGS: tuple[tuple[str, ...], ...] = (
    ("linearizability",),
    ("sequential",),
    ("read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"),
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model on the ladder; `decided_by` is the check that tells, empty if none does."""

    name: str
    state: Literal["holds", "ruled out", "not known"]
    decided_by: str


def ladder(verdicts: Sequence[Verdict]) -> tuple[tuple[Model, ...], ...]:
    """The rungs from the top, empty unless at least two models were judged."""
    outcomes = {verdict.checker: verdict.outcome for verdict in verdicts}
    judged = [name for rung in RUNGS for name in rung if outcomes.get(name) in ("pass", "fail")]
    if len(judged) < 2:
        return ()
    return tuple(
        tuple(_model(name, height, outcomes) for name in rung) for height, rung in enumerate(RUNGS)
    )


def _model(name: str, height: int, outcomes: Mapping[str, str]) -> Model:
    stronger = [other for rung in RUNGS[:height] for other in rung]
    weaker = [other for rung in RUNGS[height + 1 :] for other in rung]
    # A check of the model itself comes first.
    for other in [name, *weaker]:
        if outcomes.get(other) == "fail":
            return Model(name=name, state="ruled out", decided_by=other)
    for other in [name, *stronger]:
        if outcomes.get(other) == "pass":
            return Model(name=name, state="holds", decided_by=other)
    return Model(name=name, state="not known", decided_by="")
