"""The irreducible core of an illegal history: few operations that contradict each other.

An operation is *optional* when nobody may rely on it: a read is gone, everything else may take
effect at any time after its call, or never. To make operations optional only adds orders, so

    all answers illegal  ──  fewer answers illegal  ──  ...  ──  the core illegal, and
                                                                 with any one more optional: legal

is a chain that can be searched for by halves (Zeller and Hildebrandt, "Simplifying and isolating
failure-inducing input", 2002), and one pass over single operations makes it irreducible. Leaving
operations out altogether would prove nothing: a read looks wrong if its write is not there.

What makes the search short: what comes after the dead end is optional from the start; the
operations that a polynomial checker blames, or texts that do not fit together, are tried first; and
then those that share a value with the operation at the dead end, together with a growing number of
the last ones.

A question that the engine cannot decide in its share of the budget counts as legal: so the core is
always illegal, and `irreducible` says whether it is surely the end of the chain.

>>> import numpy as np
>>> from checkers.linearizability.encoding import encode
>>> from checkers.linearizability.engine import find_engine
>>> from checkers.linearizability.models import find_model
>>> from checkers.notation import parse
>>> problem = encode(parse("0w1. 1r=1 0w2. 1r=2 0w3. 1r=3 0w4. 1r=1"), find_model("register"))
>>> ask = Asker(find_engine("reference"), Limits(configurations=1000), np.zeros(1, dtype=np.int32))
>>> core = shrink(problem, ask)
>>> core.operations, core.irreducible
((1, 6, 7), True)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.codes import (
    ADD,
    DISCARD,
    INSERT,
    OPEN,
    PURE,
    READ,
    REJECTED,
    REMOVE,
    UPDATE,
    WRITE,
)
from checkers.linearizability.condense import condensed
from checkers.linearizability.engine import Abort, Engine, Limits, Outcome
from checkers.linearizability.problem import Problem

Mask = NDArray[np.bool_]

#: Of the configurations that are left, one question may take this part.
_SHARE: Final = 16
_LEAST: Final = 500
#: So many operations are loaded in the time of one configuration.
_LOADING: Final = 64
_FIRST_WINDOW: Final = 4
_WINDOW_FACTOR: Final = 4
#: Objects whose operations keep their answers when they become optional: who took 5 from a queue
#: may have taken 5 or nothing. The kernel's others forget what they returned.
KEEP_ANSWERS: Final = frozenset({"queue", "stack", "bag", "priority-queue", "python"})


def keeps_meaning(kind: str) -> bool:
    """Whether an open operation means the same when it is made optional before it returns."""
    return kind in KEEP_ANSWERS or kind in ("register", "text")


@dataclass(frozen=True, kw_only=True)
class Core:
    """`operations` (numbers, in the order of their calls) contradict each other whatever the
    others in the problem did; with `irreducible`, none of them is needless."""

    operations: tuple[int, ...]
    irreducible: bool
    questions: int


class Asker:
    """An engine with limits for all questions together.

    To load a problem takes time as well, so a question costs more the longer it is.
    """

    def __init__(self, engine: Engine, limits: Limits, abort: Abort) -> None:
        self.engine, self.limits, self.abort = engine, limits, abort
        self.left = limits.configurations
        self.questions = 0

    def check(self, problem: Problem) -> Outcome:
        """The engine's answer, `unknown` at once if nothing is left."""
        if self.left <= 0:
            return Outcome(answer="unknown", reason="budget")
        # an order of all operations takes a configuration for each of them, without any detour
        share = min(self.left, max(self.left // _SHARE, 2 * len(problem), _LEAST))
        limits = replace(self.limits, configurations=share)
        outcome = self.engine.check(problem, limits, self.abort)
        self.left -= outcome.configurations + len(problem) // _LOADING
        self.questions += 1
        return outcome


def shrink(problem: Problem, asker: Asker, blamed: Iterable[int] = ()) -> Core:
    """The core of an illegal problem of one key; `blamed` operations are tried first."""
    search = _Search(problem, asker)
    search.start(tuple(blamed))
    search.halve()
    operations = tuple(np.flatnonzero(search.kept).tolist())
    return Core(operations=operations, irreducible=not search.undecided, questions=asker.questions)


def relaxed(problem: Problem, kept: Mask) -> tuple[Problem, NDArray[np.int64]]:
    """The problem in which all but the `kept` operations are optional, up to the last return that
    is left; and the numbers that its operations have in `problem`."""
    operations = problem.operations
    optional = ~kept & (operations["outcome"] != OPEN)
    looks = np.isin(operations["function"], list(PURE)) | (operations["outcome"] == REJECTED)
    stays = ~(optional & looks)
    is_return = (problem.events & 1).astype(bool)
    number = problem.events >> 1
    events_kept = stays[number] & ~(is_return & optional[number])
    last = np.flatnonzero(events_kept & is_return)
    events_kept[(last[-1] + 1 if len(last) else 0) :] = False
    stays &= False
    stays[number[events_kept]] = True
    new_number = np.cumsum(stays, dtype=np.int32) - 1
    events = problem.events[events_kept]
    changed = operations[stays]
    _make_optional(problem.kind, changed, optional[stays])
    return_row = problem.return_row[stays]
    values = problem.values
    if problem.kind == "text":  # the kernel reads all texts that there are
        used = np.zeros(len(values), dtype=bool)
        used[changed["a"]] = used[problem.initial] = True
        values = tuple(v if u else "" for v, u in zip(values, used.tolist(), strict=True))
    if problem.kind not in KEEP_ANSWERS:
        return_row = np.where(optional[stays], -1, return_row)
    part = replace(
        problem,
        operations=changed,
        events=(new_number[events >> 1] * 2 + (events & 1)).astype(np.int32),
        values=values,
        call_row=problem.call_row[stays],
        return_row=return_row,
    )
    return part, np.flatnonzero(stays)


def _make_optional(kind: str, operations: NDArray[Any], optional: Mask) -> None:
    operations["outcome"][optional] = OPEN
    function = operations["function"]
    if kind == "set":
        function[optional & (function == INSERT)] = ADD
        function[optional & (function == REMOVE)] = DISCARD
    elif kind == "counter":
        operations["b"][optional & (function == UPDATE)] = -1


class _Search:
    """What is kept so far; illegal at all times."""

    def __init__(self, problem: Problem, asker: Asker) -> None:
        self.problem, self.asker = problem, asker
        self.kept: Mask = problem.operations["outcome"] != OPEN
        self.undecided = False
        moment = np.full(len(problem), -1, dtype=np.int64)
        returns = np.flatnonzero(problem.events & 1)
        moment[problem.events[returns] >> 1] = returns
        self.end = moment  # of each operation, -1 if it is open

    def still_illegal(self, kept: Mask) -> bool:
        """Asks, and takes `kept` (and perhaps less: up to the dead end) if it is illegal."""
        part, numbers = relaxed(self.problem, kept)
        if part.kind == "text" and self.asker.engine.name == "native":
            part, lighter = condensed(part)
            numbers = numbers[lighter]
        outcome = self.asker.check(part)
        self.undecided |= outcome.answer == "unknown"
        if outcome.answer != "illegal":
            return False
        self.kept = kept
        # beyond the dead end nothing was used, not even answers, unless to be optional forgets them
        if outcome.illegal_with and keeps_meaning(self.problem.kind):
            self.kept = kept & (self.end <= self.end[numbers[outcome.operation]])
        return True

    def start(self, blamed: tuple[int, ...]) -> None:
        """Finds few operations to begin with."""
        by_end = np.flatnonzero(self.kept)
        by_end = by_end[np.argsort(self.end[by_end], kind="stable")]
        last = int(by_end[-1])
        guesses = [np.array(blamed)] if blamed else []
        if self.problem.kind == "text":
            guesses += [np.array([other, last]) for other in _at_odds(self.problem, by_end)]
        if any(self.still_illegal(self._only(guess)) for guess in guesses):
            return
        kin = self._kin(last)
        window = _FIRST_WINDOW
        while window < len(by_end):
            few = self._only(by_end[-window:]) | kin
            undecided = self.undecided
            if few.sum() < len(by_end) and self.still_illegal(few):
                break
            self.undecided = undecided  # a window too small proves nothing about the core
            window *= _WINDOW_FACTOR

    def halve(self) -> None:
        """Makes operations optional, in chunks and then one by one, the oldest first."""
        chunk = max(1, int(self.kept.sum()) // 2)
        while True:
            self.undecided = False
            candidates = np.flatnonzero(self.kept)
            for start in range(0, len(candidates), chunk):
                fewer = self.kept.copy()
                fewer[candidates[start : start + chunk]] = False
                if fewer.any() and fewer.sum() < self.kept.sum():
                    self.still_illegal(fewer)
            if chunk == 1:
                return
            chunk = max(1, min(chunk // 2, int(self.kept.sum()) // 2))

    def _only(self, numbers: NDArray[np.int64]) -> Mask:
        mask = np.zeros(len(self.kept), dtype=bool)
        mask[numbers] = True
        return mask & self.kept

    def _kin(self, number: int) -> Mask:
        """The operations that share a value with this one."""
        operations = self.problem.operations
        if self.problem.kind == "python":
            value, rows = self.problem.history.value, self.problem.call_row
            returns = self.problem.return_row
            asked, told = value[rows], np.where(returns < 0, 0, value[returns])
            shared = list({int(asked[number]), int(told[number])} - {0})
            return self.kept & (np.isin(asked, shared) | np.isin(told, shared))
        wanted = {int(operations["a"][number])}
        if self.problem.kind == "register" and operations["function"][number] == UPDATE:
            wanted.add(int(operations["b"][number]))
        updates = operations["function"] == UPDATE
        found: Mask = self.kept & (
            np.isin(operations["a"], list(wanted))
            | (updates & np.isin(operations["b"], list(wanted)))
        )
        return found


def _at_odds(problem: Problem, by_end: NDArray[np.int64]) -> Iterator[int]:
    """Operations that may contradict the last one, a get: what was got before is not a beginning
    of it, or what was appended before is not in it. The latest of each."""
    last = int(by_end[-1])
    text = problem.values[problem.operations["a"][last]]
    begin = int(np.flatnonzero(problem.events == 2 * last)[0])
    before = set((problem.events[:begin][(problem.events[:begin] & 1) == 1] >> 1).tolist())
    wanted = {READ, WRITE, UPDATE}
    for number in by_end[::-1].tolist():
        function = int(problem.operations["function"][number])
        if number not in before or function not in wanted:
            continue
        other = problem.values[problem.operations["a"][number]]
        if not text.startswith(other) if function == READ else other not in text:
            wanted.remove(function)
            yield number
