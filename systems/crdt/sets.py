"""The set that only grows.

| kind  | update | value                                         |
|-------|--------|-----------------------------------------------|
| g-set | add(e) | the elements, in the order of their encodings |

>>> here, there = GSet(), GSet()
>>> _ = here.update("add", [1], replica="a"), there.update("add", [[2, 3]], replica="b")
>>> here.merge(there); here.value()
[1, [2, 3]]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from systems.crdt.base import ZERO, Crdt, Replica, Timestamp, pack, unpack


class GSet(Crdt):
    """A set whose elements stay."""

    kind: ClassVar[str] = "g-set"
    methods: ClassVar[tuple[str, ...]] = ("add",)

    def __init__(self) -> None:
        self.elements: set[bytes] = set()

    def delta(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        match method, *arguments:
            case ["add", element]:
                change = type(self)()
                change.elements.add(pack(element))
                return change
        raise self.unknown(method, arguments)

    def merge(self, other: Self) -> None:
        self.elements |= other.elements

    def value(self) -> Any:
        return [unpack(packed) for packed in sorted(self.elements)]

    def to_data(self) -> Any:
        return sorted(self.elements)

    @classmethod
    def from_data(cls, data: Any) -> Self:
        made = cls()
        made.elements = set(data)
        return made
