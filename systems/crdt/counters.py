"""Counters: every replica counts for itself, and the value is the sum.

| kind        | update          | value   |
|-------------|-----------------|---------|
| g-counter   | add(n), n ≥ 0   | the sum |
| pn-counter  | add(n), any n   | the sum |

A replica's own count only grows, so that the larger of two is the later: merging takes the greater
count of each replica. A pn-counter is two of them, one for what was added and one for what was
taken away (Shapiro, Preguiça, Baquero, Zawirski, "A comprehensive study of CRDTs", 2011, §3.1).

>>> here, there = PNCounter(), PNCounter()
>>> _ = here.update("add", [5], replica="a"), there.update("add", [-2], replica="b")
>>> here.merge(there); here.value()
3
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from systems.crdt.base import ZERO, Crdt, Replica, Timestamp


class GCounter(Crdt):
    """A counter that only grows."""

    kind: ClassVar[str] = "g-counter"
    methods: ClassVar[tuple[str, ...]] = ("add",)

    def __init__(self) -> None:
        self.counts: dict[Replica, int] = {}

    def delta(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        match method, *arguments:
            case ["add", int(amount)] if amount >= 0:
                change = type(self)()
                change.counts[replica] = self.counts.get(replica, 0) + amount
                return change
        raise self.unknown(method, arguments)

    def merge(self, other: Self) -> None:
        for replica, count in other.counts.items():
            self.counts[replica] = max(count, self.counts.get(replica, 0))

    def value(self) -> int:
        return sum(self.counts.values())

    def to_data(self) -> Any:
        return [[replica, count] for replica, count in sorted(self.counts.items())]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        made = cls()
        made.counts = dict(data)
        return made


class PNCounter(Crdt):
    """A counter that goes both ways."""

    kind: ClassVar[str] = "pn-counter"
    methods: ClassVar[tuple[str, ...]] = ("add",)

    def __init__(self) -> None:
        self.added = GCounter()
        self.taken = GCounter()

    def delta(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        match method, *arguments:
            case ["add", int(amount)]:
                change = type(self)()
                if amount >= 0:
                    change.added = self.added.delta("add", [amount], replica=replica)
                else:
                    change.taken = self.taken.delta("add", [-amount], replica=replica)
                return change
        raise self.unknown(method, arguments)

    def merge(self, other: Self) -> None:
        self.added.merge(other.added)
        self.taken.merge(other.taken)

    def value(self) -> int:
        return self.added.value() - self.taken.value()

    def to_data(self) -> Any:
        return [self.added.to_data(), self.taken.to_data()]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        made = cls()
        made.added, made.taken = (GCounter.from_data(part) for part in data)
        return made
