"""The exact question: is there one order of all accesses that keeps each session's order and
explains every read?

A configuration says how far each session has come and what each key holds. From the beginning, any
session may make its next access if the keys allow it, until all have made theirs:

    session 0   w x=1 | r y=nil          position 1          x holds 1, y holds nil
    session 1   w y=2 | r x=1            position 0          0 may read, 1 may write

Three things keep that small, and none of them loses an order:

- A read that is possible now is made now: it changes nothing, and may as well stand here.
- So is a write that nobody wants to see, where nobody wants what it replaces either.
- A write that would replace a value which somebody must still see, and which nobody will write
  again, is not made.

Configurations that led nowhere are remembered. Among the writes that are possible, the one that was
answered first is tried first: real time is not asked for, but systems tend to follow it.

>>> from checkers.notation import parse
>>> accesses = Accesses.of(parse("0w1. 1r=1 2r=nil 2r=1"))  # session 2 lags behind
>>> found = Search(accesses).run(1000)
>>> [accesses.describe(number) for number in found.order]
['process 2 read nil', 'process 0 wrote 1', 'process 1 read 1', 'process 2 read 1']

Limits: exponential in the worst case; `run` gives up after a number of configurations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import Literal

from checkers.consistency.accesses import AMBIGUOUS, NOTHING, Accesses

Answer = Literal["order", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class Found:
    """An `order` of accesses, or that there is none, or that the budget did not suffice."""

    answer: Answer
    configurations: int
    order: tuple[int, ...] = ()


@dataclass(slots=True)
class _Frame:
    """A configuration on the way: how many accesses led there, and which writes to try from it."""

    made: int
    choices: list[int]
    signature: tuple[int, ...]


class Search:
    """One search over `accesses`; `before[n]` lists accesses that must come before n."""

    def __init__(self, accesses: Accesses, before: Sequence[Sequence[int]] = ()) -> None:
        self.accesses = accesses
        self.all = accesses.all
        self.before = before or [()] * len(accesses)
        self.positions = [0] * len(accesses.sessions)
        # all positions in one number: those of a hundred sessions take some fifty bytes
        self.code = 0
        self.weights = list(
            accumulate((len(session) + 1 for session in accesses.sessions), mul, initial=1)
        )
        self.holds = dict.fromkeys((access.key for access in self.all), accesses.initial)
        self.made: list[int] = []
        self.undo_values: list[int] = []
        # how many accesses still want to see a value; how many of them must; how many write it
        self.wanted: Counter[tuple[int, int]] = Counter()
        self.needed: Counter[tuple[int, int]] = Counter()
        self.supply: Counter[tuple[int, int]] = Counter()
        self.left = 0
        for access in self.all:
            happened = accesses.happened[access.number]
            self.left += happened
            if access.read != NOTHING:
                self.wanted[access.key, access.read] += 1
                self.needed[access.key, access.read] += happened
            if access.written != NOTHING:
                self.supply[access.key, access.written] += 1
        # elsewhere, the positions tell what a key must hold
        self.ambiguous_keys = sorted(
            {a.key for a in self.all if accesses.source[a.number] == AMBIGUOUS}
        )

    def run(self, budget: int) -> Found:
        """The answer, at the cost of at most `budget` configurations."""
        dead: set[tuple[int, ...]] = set()
        frames: list[_Frame] = []
        configurations = 0
        while True:
            self._make_all_that_is_free()
            if self.left == 0:
                return Found("order", configurations, tuple(self.made))
            configurations += 1
            signature = self._signature()
            choices = [] if signature in dead else self._choices()
            frames.append(_Frame(len(self.made), choices, signature))
            while not frames[-1].choices:
                dead.add(frames.pop().signature)
                if not frames:
                    return Found("none", configurations)
                self._back_to(frames[-1].made)
            if configurations >= budget:
                return Found("unknown", configurations)
            self._make(frames[-1].choices.pop())

    # ---- what is possible

    def _next(self) -> list[int]:
        """The next accesses of all sessions whose predecessors have been made."""
        positions, everything = self.positions, self.all
        found = []
        for session, position in zip(self.accesses.sessions, positions, strict=True):
            if position < len(session):
                number = session[position]
                for other in self.before[number]:
                    access = everything[other]
                    if positions[access.session] <= access.place:
                        break
                else:
                    found.append(number)
        return found

    def _make_all_that_is_free(self) -> None:
        progress = True
        while progress:
            progress = False
            for number in self._next():
                if self._is_free(number):
                    self._make(number)
                    progress = True

    def _is_free(self, number: int) -> bool:
        access = self.all[number]
        held = self.holds[access.key]
        if access.is_read:
            return access.read == held
        return (
            access.is_write
            and self.accesses.happened[number]
            and not self.wanted[access.key, access.written]
            and not self.wanted[access.key, held]
        )

    def _choices(self) -> list[int]:
        """The writes that may come next; the last one is tried first."""
        choices = [number for number in self._next() if self._is_possible(number)]
        far = len(self.accesses.history)
        choices.sort(key=lambda number: -(self.all[number].return_row % (far + 1)))
        return choices

    def _is_possible(self, number: int) -> bool:
        access = self.all[number]
        held = self.holds[access.key]
        if access.read not in (NOTHING, held):
            return False
        if access.written in (NOTHING, held):
            return True
        reads_it = access.read == held and self.accesses.happened[number]
        return self.needed[access.key, held] <= reads_it or self.supply[access.key, held] > 0

    def _signature(self) -> tuple[int, ...]:
        holds = [
            self.holds[key] if self.wanted[key, self.holds[key]] else NOTHING
            for key in self.ambiguous_keys
        ]
        return (self.code, *holds)

    # ---- steps

    def _make(self, number: int) -> None:
        access = self.all[number]
        happened = self.accesses.happened[number]
        self.positions[access.session] += 1
        self.code += self.weights[access.session]
        self.made.append(number)
        self.undo_values.append(self.holds[access.key])
        self.left -= happened
        if access.read != NOTHING:
            self.wanted[access.key, access.read] -= 1
            self.needed[access.key, access.read] -= happened
        if access.written != NOTHING:
            self.supply[access.key, access.written] -= 1
            self.holds[access.key] = access.written

    def _back_to(self, count: int) -> None:
        while len(self.made) > count:
            access = self.all[self.made.pop()]
            happened = self.accesses.happened[access.number]
            self.positions[access.session] -= 1
            self.code -= self.weights[access.session]
            self.holds[access.key] = self.undo_values.pop()
            self.left += happened
            if access.read != NOTHING:
                self.wanted[access.key, access.read] += 1
                self.needed[access.key, access.read] += happened
            if access.written != NOTHING:
                self.supply[access.key, access.written] += 1
