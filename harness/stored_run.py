"""A stored run judged once more as it was at its end: by its own checkers, for what was promised.

    history.jsonl ── plan.json beside it ─▶ StoredRun ─▶ judge(history) ─▶ verdicts

A run that broke off, or was ended by a violation, is judged as far as it came: what needs a whole
run is then skipped instead of failed.

Limits: the system and the workload must be there to say what they promise and check, just as for a
replay.

>>> from tempfile import TemporaryDirectory
>>> from harness.experiment import Experiment, seconds
>>> from harness.formats import read_history
>>> from harness.pipeline import carry_out
>>> experiment = Experiment(system="gossip-one", clients=3, time_limit_ns=seconds(1))
>>> with TemporaryDirectory() as name:
...     folder = carry_out(experiment, seed=1, store=Path(name)).folder
...     run = stored_run(folder.history)
...     [verdict.outcome for verdict in run.judge(read_history(folder.history))]
['pass', 'pass', 'pass']
>>> run.told
'Judged as the run was (gossip-one register none): convergence, repair-quiet, stats.'
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.checks import judged, judges
from harness.errors import UsageError
from harness.history import History
from harness.making import make_workload
from harness.plan import Plan
from harness.runner import LAST_MOMENT
from harness.store import RunFolder
from harness.verdict import Checker, Verdict
from harness.workload import Workload


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """What judges the history of a run in a store.

    `whole` says whether the run came to its planned end. `besides` are failures that no checker has
    found in the history: a violated invariant, a node that raised an error.
    """

    plan: Plan
    workload: Workload
    checkers: Sequence[Checker]
    whole: bool
    besides: Sequence[Verdict] = ()

    @property
    def told(self) -> str:
        """One line on what judges, and why."""
        names = ", ".join(checker.name for checker in self.checkers) or "no checker"
        early = "" if self.whole else " It was ended before its time."
        return f"Judged as the run was ({self.plan.experiment.title}): {names}.{early}"

    def judge(self, history: History) -> list[Verdict]:
        """What the checkers say. Raises what they raise, with a note that names the checker."""
        return judged(self.checkers, self.workload, history, whole=self.whole)

    def with_options(self, options: Mapping[str, Any]) -> StoredRun:
        """The same, with `options` for each checker that takes them.

        Raises UsageError for an option that none of them takes.
        """
        if not options:
            return self
        takes = [inspect.signature(type(checker)).parameters for checker in self.checkers]
        for option in options:
            if not any(option in parameters for parameters in takes):
                raise UsageError(
                    f"The option --{option.replace('_', '-')} means nothing to the checkers of "
                    f"this run: {', '.join(checker.name for checker in self.checkers)}.\n"
                    "Name a checker that takes it with --checker."
                )
        made = []
        for checker, parameters in zip(self.checkers, takes, strict=True):
            asked = {name: value for name, value in options.items() if name in parameters}
            kept = {name: vars(checker)[name] for name in parameters if name in vars(checker)}
            made.append(type(checker)(**{**kept, **asked}) if asked else checker)
        return replace(self, checkers=made)


def stored_run(history: Path) -> StoredRun | None:
    """The run whose history is in that file; None if no plan.json lies beside it.

    Raises UsageError if the plan cannot be read, or names what cannot be had here.
    """
    folder = RunFolder(history.absolute().parent)
    if not folder.plan.is_file():
        return None
    try:
        plan = Plan.decode(folder.plan.read_bytes())
        workload = make_workload(plan.experiment)
        checkers = judges(plan.experiment.checkers, workload)
    except UsageError as error:
        error.add_note(
            f"It is the plan.json beside the history that says who judges: {folder.plan}. "
            "Say --checker or --model to judge the history by something else."
        )
        raise
    verdicts = _verdicts(folder)
    stopped = any("stopped_at_row" in verdict.details for verdict in verdicts)
    ended = any(fault.f == LAST_MOMENT for fault in plan.faults)
    names = {checker.name for checker in checkers}
    return StoredRun(
        plan=plan,
        workload=workload,
        checkers=checkers,
        # without a verdict it is the digest that says that the plan is complete; a replay has one
        # from the beginning, and a recording at its end
        whole=not (stopped or ended)
        and (bool(verdicts) or bool(plan.digest and folder.recorded.is_file())),
        besides=[
            verdict
            for verdict in verdicts
            if verdict.outcome == "fail" and verdict.checker not in names
        ],
    )


def _verdicts(folder: RunFolder) -> list[Verdict]:
    """What was said at the end of the run; nothing if it was not judged."""
    from reports.loading import load_verdicts

    with suppress(FileNotFoundError, UsageError):  # or half a file, of a machine that stopped
        return load_verdicts(folder)
    return []
