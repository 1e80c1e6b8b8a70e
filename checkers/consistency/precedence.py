"""Which access comes before which: a graph that grows, its clocks, and its cycles.

Two kinds of edges are there from the start: the order of each session (implied), and from every
write to those who saw it. Whoever adds others says why, as a `Reason`.

The *clock* of an access counts, for each session, how many of its accesses come before (or are)
that access: whether a comes before b is one comparison, and so is "the last write of session s
before b". These are vector clocks (Fidge 1988, Mattern 1989) over sessions instead of processes.

>>> from checkers.notation import parse
>>> from checkers.consistency.accesses import Accesses
>>> graph = Precedence(Accesses.of(parse("0w1@x. 0w2@y. 1r@y=2 1r@x=nil")))
>>> graph.settle()
True
>>> graph.is_before(0, 3), graph.is_before(3, 0)
(True, False)
>>> graph.add(3, 0, Reason("initial", 3, graph.round))  # who saw nil came before all writes
>>> graph.settle(), [(step.before, step.after, step.reason.kind) for step in graph.cycle]
(False, [(3, 0, 'initial'), (0, 1, 'session'), (1, 2, 'reads'), (2, 3, 'session')])

Limits: clocks take accesses × sessions integers; above `CELLS_AT_MOST` there are none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from checkers.consistency.accesses import NOTHING, Accesses

#: Entries of the clocks of a history; four bytes each, held twice.
CELLS_AT_MOST: Final = 32_000_000

#: Cycles that are tried in search of a short one.
_TRIES = 64

#: - "session": one session did one before the other
#: - "reads": the later one saw what the earlier one wrote
#: - "initial": the earlier one saw the initial value, which the later one replaced
#: - "older": `witness` saw the later write, although the earlier one had happened before
#: - "replaced": the earlier one saw the value of `witness`, which the later one replaced
Kind = Literal["session", "reads", "initial", "older", "replaced"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one access comes before another; `round` is when that became known."""

    kind: Kind
    witness: int
    round: int


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a cycle."""

    before: int
    after: int
    reason: Reason


class Precedence:
    """A graph over accesses; those that may not have happened have no part in it.

    After `settle`, the clocks know all edges, or `cycle` says why there can be none.
    """

    def __init__(self, accesses: Accesses) -> None:
        self.accesses = accesses
        self.round = 0
        self.cycle: list[Step] = []
        self.successors: list[dict[int, Reason]] = [{} for _ in accesses.all]
        self.predecessors: list[list[int]] = [[] for _ in accesses.all]
        self._newest: list[tuple[int, int]] = []
        self._clocks: NDArray[np.int32] = np.zeros((0, 0), dtype=np.int32)
        self._changed: list[int] = []
        # the surely happened writes to a key: session -> (their places, their numbers)
        self._writes: dict[int, dict[int, tuple[list[int], list[int]]]] = {}
        for access in accesses.all:
            if not accesses.happened[access.number]:
                continue
            source = accesses.source[access.number]
            if source >= 0:
                self.add(source, access.number, Reason("reads", access.number, 0))
            if access.written != NOTHING:
                by_session = self._writes.setdefault(access.key, {})
                places, numbers = by_session.setdefault(access.session, ([], []))
                places.append(access.place)
                numbers.append(access.number)

    @property
    def fits(self) -> bool:
        """Whether the history is small enough for clocks."""
        return len(self.accesses) * len(self.accesses.sessions) <= CELLS_AT_MOST

    def add(self, before: int, after: int, reason: Reason) -> None:
        """Note that `before` comes before `after`; the first reason counts."""
        if after in self.successors[before]:
            return
        self.successors[before][after] = reason
        self.predecessors[after].append(before)
        self._newest.append((before, after))

    def settle(self) -> bool:
        """Bring the clocks up to date; False if the edges go round in a circle."""
        order = self._topological()
        if len(order) < len(self.accesses):
            self._find_cycle(set(range(len(self.accesses))) - set(order))
            return False
        old, new = self._clocks, self._new_clocks(order)
        if old.shape == new.shape:
            self._changed = np.flatnonzero((old != new).any(axis=1)).tolist()
        else:
            self._changed = order
        self._clocks = new
        self._newest = []
        self.round += 1
        return True

    @property
    def changed(self) -> list[int]:
        """The accesses whose clocks the last `settle` moved, and which surely happened."""
        return [number for number in self._changed if self.accesses.happened[number]]

    def is_before(self, one: int, other: int) -> bool:
        """Whether `one` comes before `other` or is it, as far as the clocks know."""
        access = self.accesses.all[one]
        return bool(self._clocks[other, access.session] > access.place)

    def last_writes_before(self, number: int) -> Iterator[int]:
        """The last write of each session to the same key before access `number`, itself apart."""
        access = self.accesses.all[number]
        clock = self._clocks[number].tolist()
        clock[access.session] -= 1
        for session, (places, numbers) in self._writes.get(access.key, {}).items():
            earlier = bisect_left(places, clock[session])
            if earlier:
                yield numbers[earlier - 1]

    def first_writes(self, key: int) -> Iterator[int]:
        """The first write of each session to `key`."""
        for _, numbers in self._writes.get(key, {}).values():
            yield numbers[0]

    # ---- order and clocks

    def _topological(self) -> list[int]:
        """The accesses in an order that keeps all edges; without those in or after a circle."""
        everything, sessions = self.accesses.all, self.accesses.sessions
        waits_for = [
            len(self.predecessors[access.number]) + (access.place > 0) for access in everything
        ]
        todo = [number for number, count in enumerate(waits_for) if count == 0]
        order = []
        while todo:
            number = todo.pop()
            order.append(number)
            access = everything[number]
            session = sessions[access.session]
            following = session[access.place + 1 : access.place + 2]
            for other in (*following, *self.successors[number]):
                waits_for[other] -= 1
                if waits_for[other] == 0:
                    todo.append(other)
        return order

    def _new_clocks(self, order: list[int]) -> NDArray[np.int32]:
        everything, sessions = self.accesses.all, self.accesses.sessions
        clocks = np.zeros((len(everything), len(sessions)), dtype=np.int32)
        for number in order:
            access = everything[number]
            clock = clocks[number]
            if access.place:
                clock[:] = clocks[sessions[access.session][access.place - 1]]
            for other in self.predecessors[number]:
                np.maximum(clock, clocks[other], out=clock)
            clock[access.session] = access.place + 1
        return clocks

    # ---- cycles

    def contradict(self, before: int, after: int, reason: Reason) -> None:
        """`before` would have to come before `after`, which the clocks know to be before it."""
        self.cycle = [Step(before, after, reason), *self.path(after, before, self.round)]

    def _find_cycle(self, among: set[int]) -> None:
        """A short circle through one of the newest edges; there was none without them."""
        best: list[Step] = []
        tried = 0
        for before, after in self._newest:
            if before not in among or after not in among or tried == _TRIES:
                continue
            back = self.path(after, before, self.round + 1)
            if back or before == after:
                tried += 1
                cycle = [Step(before, after, self.successors[before][after]), *back]
                if not best or len(cycle) < len(best):
                    best = cycle
        self.cycle = best

    def grounds(self, steps: Sequence[Step]) -> list[Step]:
        """What the reasons of `steps` rest on, and those of that: all the way to what was seen."""
        found: dict[tuple[int, int], Step] = {(step.before, step.after): step for step in steps}
        todo = list(steps)
        while todo:
            step = todo.pop(0)
            reason = step.reason
            if reason.kind == "older":  # the former came before the witness
                link = step.before, reason.witness
            elif reason.kind == "replaced":  # the witness came before the latter
                link = reason.witness, step.after
            else:
                continue
            for ground in self.path(*link, reason.round):
                if (ground.before, ground.after) not in found:
                    found[ground.before, ground.after] = ground
                    todo.append(ground)
        return list(found.values())[len(steps) :]

    def path(self, start: int, goal: int, until_round: int) -> list[Step]:
        """The fewest steps from `start` to `goal` by edges known before `until_round`, or none.

        Any distance within a session is one step.
        """
        everything, sessions = self.accesses.all, self.accesses.sessions
        # a node is an access and whether a step within its session led there
        came_from: dict[tuple[int, bool], tuple[int, bool] | None] = {(start, False): None}
        todo: deque[tuple[int, bool]] = deque([(start, False)])
        done: set[tuple[int, bool]] = set()
        while todo:
            node = todo.popleft()
            if node in done:
                continue
            done.add(node)
            number, by_session = node
            if number == goal:
                return self._steps(node, came_from)
            access = everything[number]
            for other in sessions[access.session][access.place + 1 : access.place + 2]:
                following = (other, True)
                if following not in done and (by_session or following not in came_from):
                    came_from[following] = node
                    (todo.appendleft if by_session else todo.append)(following)
            for other, reason in self.successors[number].items():
                following = (other, False)
                if reason.round < until_round and following not in came_from:
                    came_from[following] = node
                    todo.append(following)
        return []

    def _steps(
        self, node: tuple[int, bool], came_from: dict[tuple[int, bool], tuple[int, bool] | None]
    ) -> list[Step]:
        steps: list[Step] = []
        while (previous := came_from[node]) is not None:
            if not node[1]:
                reason = self.successors[previous[0]][node[0]]
                steps.append(Step(previous[0], node[0], reason))
            elif steps and steps[-1].reason.kind == "session" and steps[-1].before == node[0]:
                steps[-1] = Step(previous[0], steps[-1].after, steps[-1].reason)
            else:
                steps.append(Step(previous[0], node[0], Reason("session", node[0], 0)))
            node = previous
        return steps[::-1]
