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

from bisect import insort
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from systems.crdt.base import ZERO, Crdt, Replica, Timestamp, pack, unpack

#: So many new elements are put in their places; for more it is cheaper to sort anew.
_FEW = 8


class GSet(Crdt):
    """A set whose elements stay."""

    kind: ClassVar[str] = "g-set"
    methods: ClassVar[tuple[str, ...]] = ("add",)

    def __init__(self) -> None:
        self.elements: set[bytes] = set()
        self._ordered: list[bytes] | None = None  # the same in order, once somebody has asked

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
        news = other.elements - self.elements
        self.elements |= news
        if self._ordered is not None and len(news) < _FEW:
            for packed in sorted(news):
                insort(self._ordered, packed)
        else:
            self._ordered = None

    def value(self) -> Any:
        return [unpack(packed) for packed in self.to_data()]

    def to_data(self) -> Any:
        if self._ordered is None:
            self._ordered = sorted(self.elements)
        return list(self._ordered)

    @classmethod
    def from_data(cls, data: Any) -> Self:
        made = cls()
        made.elements = set(data)
        return made
