"""The core of a failure told to somebody who has never seen a checker.

    process 0  ├─ write 5 ─┤  ├─ write 7 ─┤
    process 1                                 ├─ read → 5 ─┤ ✗
               1.000 s                                 3.100 s

    1. Process 0 wrote 5: called at 1.000 s, acknowledged at 1.100 s.
    2. Process 0 wrote 7: called at 2.100 s, after 1; acknowledged at 2.200 s.
    3. Process 1 read 5: called at 3.000 s, after 2; answered at 3.100 s.

    5 was read at 3.100 s, after 7 had been acknowledged at 2.200 s.

The last sentence names the contradiction where it has a common form; elsewhere it says what the
object could have been.

>>> from checkers.linearizability import Linearizability
>>> from checkers.notation import parse
>>> history = parse("0w5. 0w7. 1r=5")
>>> verdict = Linearizability(model="register").check(history)
>>> print(verdict.witness["conclusion"])
5 was read at 0.002 s, after 7 had been acknowledged at 0.001 s.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from checkers.diagram import WIDTH, draw
from checkers.linearizability.calls import calls_of
from checkers.linearizability.contradiction import Contradiction, Step
from checkers.linearizability.model import shown
from checkers.linearizability.problem import Problem
from checkers.linearizability.words import did, label
from harness.history import History

_LOOKS = frozenset({"read", "get", "contains", "dequeue", "pop", "add-and-get"})


class Story:
    """What can be said about the operations `core` of an illegal prefix of one key.

    `since`: see `Core`."""

    def __init__(self, prefix: Problem, core: Sequence[int], since: int | None = None) -> None:
        self.prefix = prefix
        self.since = since
        self.history = prefix.history
        self.model = prefix.model
        moments: dict[int, list[int]] = {number: [] for number in core}
        wanted = np.isin(prefix.events >> 1, list(core))
        for moment in np.flatnonzero(wanted).tolist():
            moments[int(prefix.events[moment]) >> 1].append(moment)
        self.steps = [
            Step(
                number=number,
                call=call,
                rows=(int(prefix.call_row[number]), int(prefix.return_row[number])),
                begin=moments[number][0],
                end=moments[number][-1],
            )
            for number, call in zip(core, calls_of(prefix, core), strict=True)
        ]
        self.culprit = max(self.steps, key=lambda step: step.end)

    def plain(self) -> list[dict[str, Any]]:
        """The steps as plain data: rows, the label of a bar, a sentence."""
        return [
            {
                "rows": list(step.rows),
                "label": label(self.model, step.call),
                "sentence": self._sentence(step),
            }
            for step in self.steps
        ]

    def when(self, row: int) -> str:
        """The moment of a row."""
        time_ns = int(self.history.time_ns[row])
        return f"in row {row}" if time_ns < 0 else f"at {time_ns / 1e9:.{self._decimals}f} s"

    @cached_property
    def _decimals(self) -> int:
        times = {int(self.history.time_ns[row]) for step in self.steps for row in step.rows}
        for decimals in (3, 6):
            if len({time // 10 ** (9 - decimals) for time in times}) == len(times):
                return decimals
        return 9

    def _sentence(self, step: Step) -> str:
        call_row, return_row = step.rows
        before = [other for other in self.steps if other.end < step.begin]
        after = ""
        if before:
            latest = max(before, key=lambda other: other.end)
            after = f", after the end of {self.steps.index(latest) + 1}"
        # compare-and-sets that are refused and reads are answered; what changes is acknowledged
        looks = step.call.f in _LOOKS or step.call.refused
        return (
            f"Process {int(self.history.process[call_row])} {did(self.model, step.call)}: "
            f"called {self.when(call_row)}{after}; "
            f"{'answered' if looks else 'acknowledged'} {self.when(return_row)}."
        )

    def conclusion(self, possible: str) -> str:
        """The contradiction in a sentence; `possible`: what the object could have been."""
        found = Contradiction(self.prefix, self.steps, self.when, self.since).sentence()
        if found is not None:
            return found
        who = self.steps.index(self.culprit) + 1
        if not possible.startswith("could"):
            return f"No order explains what {who} answered."
        not_this = ""
        if self.prefix.kind == "register" and self.culprit.call.f in self.model.reads:
            not_this = f", but not {shown(self.culprit.call.answer)}"
        return f"When {who} ended, the {self.model.noun} {possible}{not_this}."


def tell(
    history: History, witness: Mapping[str, Any], *, width: int = WIDTH, short: bool = False
) -> str:
    """The story of a witness that `Linearizability` found, with its diagram, as lines of text.

    `short` leaves out the numbered sentences if the diagram has room for the labels.
    """
    steps = witness["steps"]
    labels = {step["rows"][0]: step["label"] for step in steps}
    picture = draw(
        history, witness["rows"], culprit=witness["illegal_row"], labels=labels, width=width - 2
    ).splitlines()
    sentences = [step["sentence"] for step in steps]
    lines = [_heading(witness), "", *(f"  {line}" for line in picture), ""]
    if not short or not all(step["label"] in "\n".join(picture) for step in steps):
        for number, sentence in enumerate(sentences, 1):
            lines += _wrapped(sentence, width, f"  {number}. ")
        lines.append("")
    lines += _wrapped(witness["conclusion"], width, "  ")
    if not short and witness["others"]:
        lines += _wrapped(_about_the_others(witness), width, "  ")
    return "\n".join(lines)


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _heading(witness: Mapping[str, Any]) -> str:
    count, others = len(witness["steps"]), witness["others"]
    where = "" if witness["key"] is None else f" on key {shown(witness['key'])}"
    if count == 1:
        of = f" of {others + 1:,} operations" if others else ""
        return f"One{of or ' operation'}{where} cannot be explained:"
    of = f" of {count + others:,}" if others else ""
    return f"{count}{of} operations{where} contradict each other:"


def _about_the_others(witness: Mapping[str, Any]) -> str:
    others = witness["others"]
    if "since_row" in witness:
        calls = [step["rows"][0] for step in witness["steps"]]
        since = calls.index(witness["since_row"]) + 1
        text = (
            f"Of the other {others:,} operations, those that had ended before {since} was called "
            f"have no say after it. The rest do not help, whenever each of them took effect after "
            "being called, or if it never did"
        )
    elif others == 1:
        text = "The other operation does not help, whether it took effect after being called or not"
    else:
        text = (
            f"The other {others:,} operations do not help, whenever each of them took effect after "
            "being called, or if it never did"
        )
    return f"{text}. {'' if witness['irreducible'] else 'Perhaps not all of the above is needed.'}"
