"""The contradiction between the operations of a core, in a sentence, where it has a common form.

    stale read        5 was read at 3.1 s, after 7 had been acknowledged at 2.2 s.
    from nowhere      5 was read at 3.1 s, and nobody had begun to write it by then.
    two owners        Process 1 had the lock at 3.1 s, but process 0 had it since 2.2 s, ...
    taken twice       5 was dequeued twice, but it was added once.

Every sentence follows from the intervals of the operations that it names, so it is true whether or
not it is the whole story; a core that fits no form gets none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from checkers.linearizability.codes import (
    ADD,
    EMPTY,
    READ,
    REJECTED,
    REMOVE,
    RETURNED,
    UPDATE,
    WRITE,
)
from checkers.linearizability.model import Call, shown
from checkers.linearizability.problem import Problem
from checkers.words import all_of


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation of a core: its number in the problem, its call, its rows and moments."""

    number: int
    call: Call
    rows: tuple[int, int]
    begin: int
    end: int


class Contradiction:
    """Looks for common forms; `when` says a row's moment: "at 3.1 s"; `since`: see `Core`."""

    def __init__(
        self,
        problem: Problem,
        steps: Sequence[Step],
        when: Callable[[int], str],
        since: int | None = None,
    ) -> None:
        self.problem, self.steps, self.when, self.since = problem, steps, when, since
        self.operations = problem.operations
        self.culprit = max(steps, key=lambda step: step.end)
        self.function, self.a, self.b, self.outcome = self._codes(self.culprit)
        self.moment = when(self.culprit.rows[1])
        self.before = [step for step in steps if step.end < self.culprit.begin]

    def sentence(self) -> str | None:
        """The first form that fits."""
        kind = self.problem.kind
        if kind == "register":
            is_lock = "acquire" in self.problem.model.functions
            return next(self._lock() if is_lock else self._register(), None)
        if kind == "text":
            is_list = "put" not in self.problem.model.functions
            return next(self._list() if is_list else self._text(), None)
        if kind in ("queue", "stack", "bag", "priority-queue"):
            return next(self._items(), None)
        return None

    def _codes(self, step: Step) -> tuple[int, int, int, int]:
        operation = self.operations[step.number]
        return (
            int(operation["function"]),
            int(operation["a"]),
            int(operation["b"]),
            int(operation["outcome"]),
        )

    def _value(self, number: int) -> str:
        return shown(self.problem.values[number])

    # ---- registers -----------------------------------------------------------------------------

    def _register(self) -> Iterator[str]:
        if self.outcome == REJECTED or self.function == WRITE:
            return
        value, verb = self._value(self.a), "read" if self.function == READ else "found"
        writers = self._writers()
        if self.a != self.problem.initial and not writers.any():
            yield f"{value} was {verb} {self.moment}, and nobody had begun to write it by then."
        sources = [step for step in self.steps if writers[step.number]]
        gone = [
            step
            for step in self.before
            if self._is_without(step) and all(other.end < step.begin for other in sources)
        ]
        if gone and int(writers.sum()) == len(sources):  # no other one might have written it late
            yield self._gone(value, verb, max(gone, key=lambda step: step.begin))
        once = int(writers.sum()) == (self.a != self.problem.initial)
        for other in self.before:
            function, a, b, outcome = self._codes(other)
            if once and (function, a, outcome) == (UPDATE, self.a, RETURNED) and b != self.a:
                yield (
                    f"{value} was {verb} {self.moment}, after it had been changed to "
                    f"{self._value(b)} {self.when(other.rows[1])}, and nobody wrote it again."
                )
            earlier = [s for s in self.before if self._shows(s) == self.a and s.end < other.begin]
            if once and self._shows(other) not in (None, self.a) and earlier:
                yield (
                    f"{value} was there {self.when(earlier[-1].rows[1])}, "
                    f"then {self._value(self._shows(other) or 0)} {self.when(other.rows[1])}, "
                    f"and then {value} again {self.moment}, and nobody wrote it twice."
                )

        if self.since is not None:
            yield from self._all_before(value, verb, writers)

    def _all_before(self, value: str, verb: str, writers: Any) -> Iterator[str]:
        """All that wrote the value had ended before the write that the core begins with."""
        first = next(step for step in self.steps if step.number == self.since)
        ended = self.problem.events[: first.begin]
        over = np.unique(ended[(ended & 1) == 1] >> 1)
        if np.isin(np.flatnonzero(writers), over).all():
            gone = self._gone(value, verb, first).removesuffix(".")
            yield (
                f"{gone}; and {all_of(int(writers.sum()), 'call')} that wrote {value} had ended "
                f"before the write of {self._value(self._shows(first) or 0)} began."
            )

    def _gone(self, value: str, verb: str, step: Step) -> str:
        when = self.when(step.rows[1])
        said = f"{value} was {verb} {self.moment}, after"
        if self._codes(step)[3] == REJECTED:
            return f"{said} it had been found to be gone {when}, and nobody wrote it after that."
        newer = self._value(self._shows(step) or 0)
        how = "read" if self._codes(step)[0] == READ else "acknowledged"
        return f"{said} {newer} had been {how} {when}."

    def _writers(self) -> Any:
        """Which operations of the problem, optional ones too, would write what was read."""
        function, a, b = (self.operations[name] for name in ("function", "a", "b"))
        writes = (function == WRITE) & (a == self.a)
        updates = (function == UPDATE) & (self.operations["outcome"] != REJECTED)
        found = writes | (updates & (b == self.a))
        found[self.culprit.number] = False
        return found

    def _shows(self, step: Step) -> int | None:
        """The value that a step left in a register, or saw there."""
        function, a, b, outcome = self._codes(step)
        if outcome != RETURNED:
            return None
        return b if function == UPDATE else a

    def _is_without(self, step: Step) -> bool:
        """Whether a step proves that the register held another value than was read."""
        return self._shows(step) not in (None, self.a) or (
            self._codes(step)[3] == REJECTED and self._codes(step)[1] == self.a
        )

    # ---- locks ---------------------------------------------------------------------------------

    def _lock(self) -> Iterator[str]:
        holders = [step for step in self.before if step.call.f == "acquire"]
        if self.culprit.call.f != "acquire" or not holders:
            return
        last = max(holders, key=lambda step: step.end)
        history, rows = self.problem.history, self.problem.call_row
        events = self.problem.events[last.begin : self.culprit.end]
        called = rows[events[(events & 1) == 0] >> 1]
        if "release" in [history.functions[f] for f in history.f[called].tolist()]:
            return
        yield (
            f"Process {int(history.process[self.culprit.rows[0]])} had the lock {self.moment}, but "
            f"process {int(history.process[last.rows[0]])} had it since "
            f"{self.when(last.rows[1]).removeprefix('at ')}, and nobody had begun to release it."
        )

    # ---- texts and lists -----------------------------------------------------------------------

    def _text(self) -> Iterator[str]:
        if self.function != READ:
            return
        text: str = self.problem.values[self.a]
        for step in reversed(self.before):
            function, a, _, _ = self._codes(step)
            other: str = self.problem.values[a]
            if function == READ and other.startswith(text) and other != text:
                missing = other[len(text) :]
                yield (
                    f"The text had {len(other):,} characters {self.when(step.rows[1])}, and only "
                    f"the first {len(text):,} of them {self.moment}: {shown(missing)} had gone."
                )
            elif function != READ and other not in text:
                yield (
                    f"{self._value(a)} had been acknowledged {self.when(step.rows[1])}, but is not "
                    f"in what was got {self.moment}."
                )

    def _list(self) -> Iterator[str]:
        if self.function != READ:
            return
        text: str = self.problem.values[self.a]
        for step in reversed(self.before):
            function, a, _, _ = self._codes(step)
            other: str = self.problem.values[a]
            when = self.when(step.rows[1])
            if function == READ and other.startswith(text) and other != text:
                yield (
                    f"The list had {len(other):,} elements {when}, and only the first "
                    f"{len(text):,} of them {self.moment}."
                )
            elif function != READ and other not in text:
                yield (
                    f"{shown(step.call.given)} had been acknowledged {when}, but is not in what "
                    f"was read {self.moment}."
                )

    # ---- queues and stacks ---------------------------------------------------------------------

    def _items(self) -> Iterator[str]:
        noun = self.problem.model.noun
        function, value = self.operations["function"], self.operations["a"]
        if self.function == EMPTY:
            for step in self.before:
                kind, a, _, _ = self._codes(step)
                gone = (function == REMOVE) & np.isin(value, (a, -1))
                if kind == ADD and not gone.any():
                    yield (
                        f"The {noun} was found empty {self.moment}, but {self._value(a)} had been "
                        f"added {self.when(step.rows[1])}, and nobody had begun to take it out."
                    )
        if self.function != REMOVE:
            return
        item, adds = self._value(self.a), int(((function == ADD) & (value == self.a)).sum())
        takers = sum(self._codes(step)[:2] == (REMOVE, self.a) for step in self.steps)
        past = "popped" if noun == "stack" else "dequeued"
        if not adds:
            yield f"{item} was {past} {self.moment}, and nobody had begun to add it by then."
        elif takers > adds:
            yield f"{item} was {past} {_times(takers)}, but it was added {_times(adds)}."
        else:
            if self.problem.kind != "bag":
                yield from self._not_its_turn(item, past)
            if self.problem.kind == "queue":
                yield from self._overtaken(item)

    def _not_its_turn(self, item: str, past: str) -> Iterator[str]:
        """Another item was there that should have left before."""
        function, value = self.operations["function"], self.operations["a"]
        for step in self.before:
            kind, other, _, _ = self._codes(step)
            gone = (function == REMOVE) & np.isin(value, (other, -1))
            if kind != ADD or other == self.a or gone.any():
                continue
            if self.problem.kind == "priority-queue":
                numbers = self.problem.numbers
                how = "which is less, " if numbers[other] < numbers[self.a] else ""
            else:
                how = self._before_or_above(step)
            if how:
                yield (
                    f"{item} was {past} {self.moment}, but {self._value(other)}, {how}had been "
                    f"added {self.when(step.rows[1])} and was still there."
                )

    def _before_or_above(self, step: Step) -> str:
        """How an item that surely had to leave a queue or stack first lies to the culprit's."""
        adds = (self.operations["function"] == ADD) & (self.operations["a"] == self.a)
        events = self.problem.events
        # optional ones too: they were called all the same
        called = np.flatnonzero(np.isin(events, 2 * np.flatnonzero(adds)))
        if self.problem.kind == "queue":
            return "which was first, " if step.end < called.min() else ""
        ended = [s.end for s in self.steps if adds[s.number]]
        is_above = len(ended) == int(adds.sum()) and max(ended, default=0) < step.begin
        return "on top of it, " if is_above else ""

    def _overtaken(self, item: str) -> Iterator[str]:
        """An item left a FIFO queue before another that had been added before it."""
        added = {self._codes(s)[1]: s for s in self.steps if self._codes(s)[0] == ADD}
        taken = {self._codes(s)[1]: s for s in self.steps if self._codes(s)[0] == REMOVE}
        if self.a not in added:
            return
        for other, step in taken.items():
            later = other in added and added[self.a].end < added[other].begin
            if later and step.end < self.culprit.begin:
                yield (
                    f"{self._value(other)} was dequeued before {item}, though {item} had been "
                    "enqueued before it."
                )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
