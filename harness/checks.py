"""Which checkers judge a run, and which of them can follow it while it goes on.

A run is judged by its workload's own checkers, or by those that the experiment names. A named one
that the workload has is taken as the workload made it (with its model, say); others are made
without arguments.

An `OnlineChecker` is told each row as it happens and answers with a verdict the moment the run
cannot pass any more. A package brings one by an entry point of the group `splitbrain.online` under
the name of the checker that it stands in for: a function from that checker to the online one, or
to None where it cannot follow.

>>> from harness.experiment import Experiment
>>> from harness.making import make_workload
>>> experiment = Experiment(checkers=("monotonic-reads", "linearizability"))
>>> found = judges(experiment.checkers, make_workload(experiment))
>>> [checker.name for checker in found], len(followers(found))
(['monotonic-reads', 'linearizability'], 1)
>>> judges(["monotonic-read"], make_workload(experiment))
Traceback (most recent call last):
    ...
harness.errors.UsageError: There is no checker called 'monotonic-read'. Did you mean
'monotonic-reads' or 'monotonic-writes'?...

Limits: only what holds of every prefix of a history that it holds of can be followed. Sequential
consistency is not of that kind: a read of what somebody is yet to write violates nothing so far.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import msgspec
import numpy as np

from harness import catalog
from harness.errors import UsageError
from harness.history import History
from harness.operation import Operation
from harness.verdict import SEVERITY, Checker, Verdict
from harness.workload import Workload


class OnlineChecker(Protocol):
    """Judges a run in progress; one instance follows one run."""

    def observe(self, operation: Operation) -> Verdict | None:
        """The next row: a failure if it makes one certain, else None.

        Only what became of a client's call can do so, for a beginning contradicts nothing. The
        finished check of the rows until then must fail as well.
        """


def judges(names: Sequence[str], workload: Workload) -> Sequence[Checker]:
    """The checkers called `names`; without any, those of the workload.

    Raises UsageError for a name that no checker has.
    """
    own = workload.checkers()
    if not names:
        return own
    by_name = {checker.name: checker for checker in own}
    return [by_name[name] if name in by_name else make_checker(name) for name in names]


def judged(
    checkers: Sequence[Checker], workload: Workload, history: History, *, whole: bool = True
) -> list[Verdict]:
    """What the checkers say of a finished run; `whole` if it was not ended before its time.

    Those that are not the workload's own see it without the probes of replicas that they could make
    nothing of; these are at the end, so that rows keep their numbers.
    """
    own = {checker.name for checker in workload.checkers()}
    probes = [number for number, f in enumerate(history.functions) if f in workload.probes]
    seen = history.select(~np.isin(history.f, probes)) if probes else history
    verdicts = []
    for checker in checkers:
        try:
            verdict = verdict_of(checker, history if checker.name in own else seen)
        except Exception as error:
            error.add_note(f"It was raised by the checker {checker.name!r}, from the history.")
            raise
        if verdict.outcome == "fail" and checker.needs_whole_run and not whole:
            reason = (
                f"The run was ended before its time, so this may mean nothing: {verdict.reason}"
            )
            verdict = replace(verdict, outcome="skipped", reason=reason, witness=None)
        verdicts.append(verdict)
    if not verdicts:
        reason = (
            "Nothing was judged: the workload has no checkers, and none was named. What its "
            "`checkers` answers judges the history."
        )
        verdicts.append(Verdict(checker="none", outcome="skipped", reason=reason))
    return verdicts


def verdict_of(checker: Checker, history: History) -> Verdict:
    """The verdict of `checker`. Raises UsageError if that is none, or nothing that can be kept."""
    verdict = checker.check(history)
    complaint = "that is no harness.verdict.Verdict"
    if isinstance(verdict, Verdict):
        complaint = f"there is no outcome but {', '.join(SEVERITY)}"
        if verdict.outcome in SEVERITY:
            try:
                msgspec.json.encode((verdict.witness, verdict.details))
            except (TypeError, ValueError) as error:
                complaint = f"its witness and details are no plain JSON data: {error}"
            else:
                return verdict
    raise UsageError(
        f"The checker {checker.name!r} answered {str(verdict)[:200]}: {complaint}.\n"
        "`checkers.check_checker` is a test that finds such mistakes of a checker."
    )


def make_checker(name: str, **options: Any) -> Checker:
    """The checker of that name, made with `options`. Raises UsageError if it does not take them."""
    checker_class = catalog.load("checker", name)
    try:
        made: Checker = checker_class(**options)
    except TypeError as error:
        raise UsageError(
            f"The checker {name!r} cannot be made with the options {sorted(options)}: {error}.\n"
            "Usually it needs arguments that only a workload gives it; name it there."
        ) from error
    return made


def make_checkers(names: Sequence[str], **options: Any) -> list[Checker]:
    """The checkers called `names`, each made with those `options` (None: not given) that it takes.

    Raises UsageError for an option that none of them takes.

    >>> [checker.name for checker in make_checkers(["linearizability", "stats"], model="register")]
    ['linearizability', 'stats']
    """
    given = {option: value for option, value in options.items() if value is not None}
    takes = {name: inspect.signature(catalog.load("checker", name)).parameters for name in names}
    for option in given:
        if not any(option in parameters for parameters in takes.values()):
            raise UsageError(
                f"The option --{option.replace('_', '-')} means nothing here: "
                f"{' and '.join(names)} {'take' if len(names) > 1 else 'takes'} no such thing."
            )
    return [
        make_checker(name, **{o: value for o, value in given.items() if o in takes[name]})
        for name in names
    ]


def checker_names(given: Iterable[str]) -> tuple[str, ...]:
    """Names as the command line gives them: several times, or joined by commas.

    >>> checker_names(["stats,linearizability", "sequential", "stats"])
    ('stats', 'linearizability', 'sequential')
    """
    names = [name.strip() for text in given for name in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def followers(checkers: Iterable[Checker]) -> list[OnlineChecker]:
    """The online form of those checkers that have one.

    Raises UsageError if none has: a run that should stop early would never do so.
    """
    asked = list(checkers)
    known = catalog.names("online")
    found: list[OnlineChecker] = []
    for checker in asked:
        if checker.name in known:
            online: OnlineChecker | None = catalog.load("online", checker.name)(checker)
            if online is not None:
                found.append(online)
    if not found:
        raise UsageError(
            f"None of the checkers of this run ({', '.join(c.name for c in asked) or 'none'}) can "
            "follow it while it goes on, so that it cannot stop early.\nUsually that is because "
            "they judge the finished history only. Those that can are: "
            f"{', '.join(known) or 'none'}."
        )
    return found
