"""Registers and maps in which the last writer wins, by timestamp.

| kind         | updates                   | value                                  |
|--------------|---------------------------|----------------------------------------|
| lww-register | write(value)              | the value written last, None before    |
| lww-map      | put(key, value), del(key) | [[key, value], ...] in order of keys   |

Timestamps are unique where a hybrid clock makes them. Where somebody breaks that promise the larger
encoded value wins, and a value wins over a deletion, so that replicas agree even then: a winner
that depends on who came first would make merging depend on the order.

>>> from systems.crdt.base import Timestamp
>>> here, there = LWWRegister(), LWWRegister()
>>> _ = here.update("write", ["old"], replica="a", stamp=Timestamp(1, 0, 1))
>>> _ = there.update("write", ["new"], replica="b", stamp=Timestamp(1, 0, 2))
>>> here.merge(there); there.merge(here); here.value(), there.value()
('new', 'new')
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from systems.crdt.base import ZERO, Crdt, Replica, Timestamp, pack, unpack

#: A timestamp and an encoded value, b"" for a deletion; the greater one wins.
Written = tuple[Timestamp, bytes]

_NOTHING: Written = (ZERO, b"")


class LWWRegister(Crdt):
    """A register whose last writer wins."""

    kind: ClassVar[str] = "lww-register"
    methods: ClassVar[tuple[str, ...]] = ("write",)

    def __init__(self) -> None:
        self.written = _NOTHING

    def delta(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        match method, *arguments:
            case ["write", value]:
                change = type(self)()
                change.written = (stamp, pack(value))
                return change
        raise self.unknown(method, arguments)

    def merge(self, other: Self) -> None:
        self.written = self.winner(self.written, other.written)

    def latest(self) -> Timestamp:
        return self.written[0]

    def winner(self, mine: Written, others: Written) -> Written:
        """Which of two writes stays."""
        return max(mine, others)

    def value(self) -> Any:
        packed = self.written[1]
        return unpack(packed) if packed else None

    def to_data(self) -> Any:
        stamp, packed = self.written
        return [list(stamp), packed]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        made = cls()
        made.written = (Timestamp(*data[0]), data[1])
        return made


class LWWMap(Crdt):
    """A map, each key of which is a register whose last writer wins; deletions stay as such."""

    kind: ClassVar[str] = "lww-map"
    methods: ClassVar[tuple[str, ...]] = ("put", "del")

    def __init__(self) -> None:
        self.written: dict[bytes, Written] = {}

    def delta(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        change = type(self)()
        match method, *arguments:
            case ["put", key, value]:
                change.written[pack(key)] = (stamp, pack(value))
                return change
            case ["del", key]:
                change.written[pack(key)] = (stamp, b"")
                return change
        raise self.unknown(method, arguments)

    def merge(self, other: Self) -> None:
        for key, written in other.written.items():
            self.written[key] = max(written, self.written.get(key, _NOTHING))

    def latest(self) -> Timestamp:
        return max((stamp for stamp, _ in self.written.values()), default=ZERO)

    def value(self) -> Any:
        live = sorted((key, packed) for key, (_, packed) in self.written.items() if packed)
        return [[unpack(key), unpack(packed)] for key, packed in live]

    def to_data(self) -> Any:
        return [[key, list(stamp), packed] for key, (stamp, packed) in sorted(self.written.items())]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        made = cls()
        made.written = {key: (Timestamp(*stamp), packed) for key, stamp, packed in data}
        return made
