"""What each read must have seen, and in which order writes must have taken effect, if a set of
session guarantees holds.

A system that keeps its promises is described by two things (Viotti and Vukolić, "Consistency in
non-transactional distributed storage systems", 2016, after Burckhardt): which writes are *visible*
to each read, and an *arbitration*, one order of all writes. A read returns the visible write to its
key that comes last, or the initial value if none is visible. Each guarantee (Terry et al., "Session
guarantees for weakly consistent replicated data", 1994) passes visibility on along the order of a
session:

    read-your-writes       from a write to a later read of the session
    monotonic-reads        from a read to a later read
    monotonic-writes       from a write to a later write, which also comes after it
    writes-follow-reads    from a read to a later write, which also comes after what the read saw

A write is visible to whoever reads it. If the source of every read is known, the smallest
visibility is a graph, and all else follows: each other write visible to a read, to the same key,
comes before its source. The guarantees hold together if and only if nobody read the initial value
after a write became visible, and the order has no circle. All of it takes polynomial time. (With
all four guarantees that is causal convergence, and the circles are its bad pattern CyclicCF:
Bouajjani, Enea, Guerraoui and Hamza, "On verifying causal consistency", 2017.)

>>> from checkers.notation import parse
>>> accesses = Accesses.of(parse("0w1. 0w2. 1r=2 1r=1"))
>>> explain(accesses, accesses.source, {"monotonic-reads"}) is None  # 2 may have come before 1
True
>>> broken = explain(accesses, accesses.source, {"monotonic-reads", "monotonic-writes"})
>>> [(link.kind, link.before, link.after) for link in broken.links]
[('known', 0, 1), ('conflict', 1, 0)]

Beside the guarantees there is a humbler rule, *overwrites*: a write comes after what its session
has written to the same key, or read there. It is about the order alone, and passes nothing on.

Limits: a compare-and-set comes after what it saw, but others may come between: that is no promise
to sessions. Memory grows with the square of the writes, times one bit.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from checkers.consistency.accesses import INITIAL, UNWRITTEN, Accesses

READ_YOUR_WRITES: Final = "read-your-writes"
MONOTONIC_READS: Final = "monotonic-reads"
MONOTONIC_WRITES: Final = "monotonic-writes"
WRITES_FOLLOW_READS: Final = "writes-follow-reads"

#: Each guarantee, and what it passes visibility from and to.
GUARANTEES: Final[Mapping[str, tuple[str, str]]] = {
    READ_YOUR_WRITES: ("write", "read"),
    MONOTONIC_READS: ("read", "read"),
    MONOTONIC_WRITES: ("write", "write"),
    WRITES_FOLLOW_READS: ("read", "write"),
}

#: Not a guarantee, but often taken for granted; see above.
OVERWRITES: Final = "overwrites"


@dataclass(frozen=True, slots=True)
class Link:
    """`before` takes effect before `after`, two writes.

    - "known": along `path`, a chain of accesses from the one to the other
    - "conflict": `path` leads from `before` to a read (its last access) that saw `after` instead
    """

    kind: Literal["known", "conflict"]
    before: int
    after: int
    path: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Why the guarantees cannot hold.

    - "unwritten": access `number` saw a value that nobody wrote
    - "initial": it saw the initial value, although the write at the begin of `path` was visible
    - "circle": the `links` go round in a circle
    """

    kind: Literal["unwritten", "initial", "circle"]
    number: int = -1
    path: tuple[int, ...] = ()
    links: tuple[Link, ...] = ()

    def numbers(self) -> list[int]:
        """All accesses that the reason names."""
        named = [self.number] if self.number >= 0 else []
        for link in self.links:
            named += [link.before, *link.path, link.after]
        return list(dict.fromkeys([*self.path, *named]))


def explain(
    accesses: Accesses, source: Sequence[int], guarantees: Collection[str]
) -> Broken | None:
    """Why `guarantees` (and OVERWRITES, if it is among them) do not hold together, or None.

    `source` says what each access saw, as `Accesses.source` does; reads whose source is not known
    there are passed over.
    """
    return _Graph(accesses, source, guarantees).broken()


class _Graph:
    """Nodes are 4 to an access: its read, its write, and what its session has read and written
    up to there. An edge passes visibility on."""

    def __init__(
        self, accesses: Accesses, source: Sequence[int], guarantees: Collection[str]
    ) -> None:
        self.accesses = accesses
        self.all = accesses.all
        self.source = source
        self.follows = {GUARANTEES[name] for name in GUARANTEES if name in guarantees}
        self.successors: list[list[int]] = [[] for _ in range(4 * len(self.all))]
        self.predecessors: list[list[int]] = [[] for _ in range(4 * len(self.all))]
        self.happened = self._happened()
        # the order of writes apart from visibility: before -> after -> why
        self.orders: dict[int, dict[int, tuple[int, ...]]] = {}  # by accesses in between
        self.conflicts: dict[int, dict[int, int]] = {}  # by a read that saw the second
        for accesses_of_session in accesses.sessions:
            session = [number for number in accesses_of_session if self.happened[number]]
            self._add_session(session)
            self._add_orders(session, OVERWRITES in guarantees)

    def _happened(self) -> list[bool]:
        """Who took effect: the answered, and whoever was seen by them, directly or not."""
        happened = [access.answered for access in self.all]
        todo = [access.number for access in self.all if access.answered]
        while todo:
            source = self.source[todo.pop()]
            if source >= 0 and not happened[source]:
                happened[source] = True
                todo.append(source)
        return happened

    def _edge(self, start: int, end: int) -> None:
        self.successors[start].append(end)
        self.predecessors[end].append(start)

    def _add_session(self, session: list[int]) -> None:
        """The edges along a session, and from the sources of its reads."""
        reads = writes = -1  # the nodes of all reads, and all writes, up to here
        follows = self.follows
        for number in session:
            access = self.all[number]
            read, write, reads_here, writes_here = range(4 * number, 4 * number + 4)
            new_reads, new_writes = reads, writes
            if not access.is_write:
                if ("read", "read") in follows and reads >= 0:
                    self._edge(reads, read)
                if ("write", "read") in follows and writes >= 0:
                    self._edge(writes, read)
                if self.source[number] >= 0:
                    self._edge(4 * self.source[number] + 1, read)
                new_reads = read
                if ("read", "read") not in follows and reads >= 0:
                    self._edge(reads, reads_here)
                    self._edge(read, reads_here)
                    new_reads = reads_here
            if not access.is_read:
                if ("write", "write") in follows and writes >= 0:
                    self._edge(writes, write)
                if ("read", "write") in follows and new_reads >= 0:
                    self._edge(new_reads, write)
                new_writes = write
                if ("write", "write") not in follows and writes >= 0:
                    self._edge(writes, writes_here)
                    self._edge(write, writes_here)
                    new_writes = writes_here
            reads, writes = new_reads, new_writes

    def _add_orders(self, session: list[int], overwrites: bool) -> None:
        """A compare-and-set comes after what it saw; a write after what its session knew."""
        known: dict[int, dict[int, tuple[int, ...]]] = {}  # key -> write -> how it is known
        for number in session:
            access, source = self.all[number], self.source[number]
            if source >= 0:
                known.setdefault(access.key, {}).setdefault(source, (source, number))
                if not access.is_read:
                    self.orders.setdefault(source, {}).setdefault(number, (source, number))
            if overwrites and not access.is_read:
                for before, path in known.get(access.key, {}).items():
                    self.orders.setdefault(before, {}).setdefault(number, (*path, number))
                known[access.key] = {number: (number,)}

    # ---- the question

    def broken(self) -> Broken | None:
        for access in self.all:
            if self.happened[access.number] and self.source[access.number] == UNWRITTEN:
                return Broken("unwritten", access.number)
        order, rest = self._order(orders=False)
        if rest:
            return self._circle(rest)
        initial = self._spread(order)
        if initial is not None:
            return initial
        _, rest = self._order(orders=True)
        return self._circle(rest) if rest else None

    def _successors(self, node: int, *, orders: bool = True) -> Iterator[int]:
        yield from self.successors[node]
        if orders and node & 3 == 1:
            for relation in (self.orders, self.conflicts):
                for after in relation.get(node >> 2, ()):
                    yield 4 * after + 1

    def _order(self, *, orders: bool) -> tuple[list[int], set[int]]:
        """The nodes in an order that keeps all edges, and those that are in or after a circle."""
        waits_for = [len(nodes) for nodes in self.predecessors]
        if orders:
            for relation in (self.orders, self.conflicts):
                for afters in relation.values():
                    for after in afters:
                        waits_for[4 * after + 1] += 1
        todo = [node for node, count in enumerate(waits_for) if count == 0]
        heapq.heapify(todo)  # about the order of time, so that few sets are alive at once
        order = []
        while todo:
            node = heapq.heappop(todo)
            order.append(node)
            for other in self._successors(node, orders=orders):
                waits_for[other] -= 1
                if waits_for[other] == 0:
                    heapq.heappush(todo, other)
        return order, set(range(len(waits_for))) - set(order)

    def _spread(self, order: Sequence[int]) -> Broken | None:
        """Find the conflicts; sets of writes are bits of integers."""
        of_key: dict[int, int] = {}
        for access in self.all:
            if not access.is_read and self.happened[access.number]:
                of_key[access.key] = of_key.get(access.key, 0) | 1 << access.number
        visible: dict[int, int] = {}
        uses = [len(nodes) for nodes in self.successors]
        before: dict[int, int] = {}  # writes that are known to come before a write to the same key
        reads = []
        for node in order:
            seen = 0
            for other in self.predecessors[node]:
                seen |= visible[other]
                uses[other] -= 1
                if uses[other] == 0:
                    del visible[other]
            number, kind = node >> 2, node & 3
            access = self.all[number]
            if kind == 1 and self.happened[number]:
                before[number] = seen & of_key.get(access.key, 0)
                seen |= 1 << number
            elif kind == 0 and self.source[number] >= 0 and self.happened[number]:
                reads.append((number, seen & of_key[access.key]))
            elif kind == 0 and self.source[number] == INITIAL and self.happened[number]:
                wrong = seen & of_key.get(access.key, 0)
                if wrong:
                    start = wrong.bit_length() - 1
                    return Broken("initial", number, self._path(4 * start + 1, node))
            if uses[node]:
                visible[node] = seen
        for number, seen in reads:
            self._conflicts_of(number, seen, before)
        return None

    def _conflicts_of(self, number: int, seen: int, before: dict[int, int]) -> None:
        source = self.source[number]
        wrong = seen & ~(1 << source) & ~before[source]
        while wrong:
            latest = wrong.bit_length() - 1  # the others are mostly known to precede it
            self.conflicts.setdefault(latest, {}).setdefault(source, number)
            before[source] |= 1 << latest | before[latest]
            wrong &= ~before[source]

    # ---- reasons

    def _path(self, start: int, goal: int) -> tuple[int, ...]:
        """The accesses on a shortest way of visibility."""
        came_from = {start: start}
        todo = deque([start])
        while todo and goal not in came_from:
            node = todo.popleft()
            for other in self.successors[node]:
                if other not in came_from:
                    came_from[other] = node
                    todo.append(other)
        nodes = [goal]
        while nodes[-1] != start:
            nodes.append(came_from[nodes[-1]])
        return tuple(dict.fromkeys(node >> 2 for node in reversed(nodes) if node & 3 < 2))

    def _circle(self, among: set[int]) -> Broken:
        """A short circle of nodes, told as links between writes."""
        best: list[int] = []
        relations: list[Mapping[int, Collection[int]]] = [self.conflicts, self.orders]
        candidates = [
            [(4 * start + 1, 4 * end + 1) for start, ends in relation.items() for end in ends]
            for relation in relations
        ]
        candidates.append([(start, end) for start in among for end in self.successors[start]])
        for edges in candidates:  # some are not on a circle, but behind one
            tried = 0
            for start, end in edges:
                if start in among and end in among and tried < _TRIES:
                    back = self._way_back(end, start, among)
                    if back:
                        tried += 1
                        if not best or len(back) < len(best):
                            best = back
            if best:
                break
        return Broken("circle", links=tuple(self._links(best)))

    def _way_back(self, start: int, goal: int, among: set[int]) -> list[int]:
        """The nodes from `start` to `goal`, which an edge leads back from; empty: no such way."""
        came_from = {start: start}
        todo = deque([start])
        while todo and goal not in came_from:
            node = todo.popleft()
            for other in self._successors(node):
                if other in among and other not in came_from:
                    came_from[other] = node
                    todo.append(other)
        if goal not in came_from:
            return []
        nodes = [goal]
        while nodes[-1] != start:
            nodes.append(came_from[nodes[-1]])
        return nodes[::-1]

    def _links(self, nodes: list[int]) -> Iterator[Link]:
        """The circle of `nodes` from write to write."""
        first = next(place for place, node in enumerate(nodes) if node & 3 == 1)
        nodes = [*nodes[first:], *nodes[: first + 1]]
        start = 0
        for place in range(1, len(nodes)):
            if nodes[place] & 3 != 1:
                continue
            before, after = nodes[start] >> 2, nodes[place] >> 2
            if place > start + 1 or nodes[place] in self.successors[nodes[start]]:
                path = (node >> 2 for node in nodes[start : place + 1] if node & 3 < 2)
                yield Link("known", before, after, tuple(dict.fromkeys(path)))
            elif after in self.orders.get(before, ()):
                yield Link("known", before, after, tuple(dict.fromkeys(self.orders[before][after])))
            else:
                read = 4 * self.conflicts[before][after]
                yield Link("conflict", before, after, self._path(nodes[start], read))
            start = place


#: Circles that are tried in search of a short one.
_TRIES: Final = 64
