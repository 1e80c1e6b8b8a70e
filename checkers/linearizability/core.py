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
the last ones. Where a value was written too often for a core of this kind to be small, there may be
one that begins with a write; see `anew`.

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
from typing import Final

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability import anew
from checkers.linearizability.codes import OPEN, READ, UPDATE, WRITE
from checkers.linearizability.condense import condensed
from checkers.linearizability.engine import Abort, Engine, Limits, Outcome
from checkers.linearizability.problem import Problem
from checkers.linearizability.relax import Mask, keeps_meaning, relaxed

#: Of the configurations that are left, one question may take this part.
_SHARE: Final = 16
_LEAST: Final = 500
#: So many operations are loaded in the time of one configuration.
_LOADING: Final = 64
#: Where no core can have fewer operations than this (see `anew`), another kind is looked for.
_READABLE: Final = 10
_FIRST_WINDOW: Final = 4
_WINDOW_FACTOR: Final = 4


@dataclass(frozen=True, kw_only=True)
class Core:
    """`operations` (numbers, in the order of their calls) contradict each other whatever the
    others in the problem did; with `irreducible`, none of them is needless.

    With `since`, the number of a write among them, the others are those that had not ended when it
    was called: what was there before is over (see `anew`). The last operation that had left the
    value in question by then is among `operations`, so that they are illegal on their own.
    """

    operations: tuple[int, ...]
    irreducible: bool
    questions: int
    since: int | None = None


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
    last = int(problem.events[(problem.events & 1) == 1][-1]) >> 1
    core = None
    if anew.least_size(problem, last) > _READABLE:
        core = _shrink_since(problem, asker, last)
    return core or _shrink(problem, asker, tuple(blamed))


def _shrink(problem: Problem, asker: Asker, blamed: tuple[int, ...]) -> Core:
    search = _Search(problem, asker)
    search.start(blamed)
    search.halve()
    operations = tuple(np.flatnonzero(search.kept).tolist())
    return Core(operations=operations, irreducible=not search.undecided, questions=asker.questions)


def _shrink_since(problem: Problem, asker: Asker, last: int) -> Core | None:
    """A core about what happened since some write, if there is one."""
    for write in anew.beginnings(problem, last):
        part, numbers = anew.beginning_with(problem, write)
        if asker.check(part).answer != "illegal":
            continue
        core = _shrink(part, asker, ())
        found = {write, *numbers[list(core.operations)].tolist()}
        writer = anew.last_writer(problem, last, write)
        if writer is not None:
            found.add(writer)
        return replace(core, operations=tuple(sorted(found)), since=write)
    return None


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
