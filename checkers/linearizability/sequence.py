"""A sequence that never changes and yet grows and shrinks at both ends in constant time.

Models need states that are values: to keep, to compare, to find again in a set. Tuples are, but
to append to a tuple copies it, and so a replay of n appends would take n^2 steps.

    one buffer    [ 1, 2, 3, 4, 5 ]          shared by all that grew from each other
    a sequence      ╰─ start   ╰─ end        a part of it, with the hash of that part

Whoever grows where the buffer ends extends it; whoever grows elsewhere, into other items, copies.

>>> one = Sequence()
>>> three = one.append(1).append(2).append(3)
>>> list(three), list(three.without_first()), list(three.without_last()), list(one)
([1, 2, 3], [2, 3], [1, 2], [])
>>> three.without_first() == Sequence().append(2).append(3)
True
>>> len({three, one, three.without_last().append(3)})
2

Limits: items are hashable, and equal if Python says so: `exact` values tell 1 from True.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Final

_PRIME: Final = (1 << 61) - 1
_BASE: Final = 0x0F3A95C1D27B4E68
_UNBASE: Final = pow(_BASE, -1, _PRIME)


class Sequence:
    """An immutable sequence; see above. Iterate it, index its first and last, compare it."""

    __slots__ = ("_buffer", "_end", "_hash", "_start")

    def __init__(
        self, buffer: list[Hashable] | None = None, start: int = 0, end: int = 0, code: int = 0
    ) -> None:
        self._buffer: list[Hashable] = [] if buffer is None else buffer
        self._start = start
        self._end = end
        self._hash = code  # sum of hash(item) * base^(places to the end)

    def __len__(self) -> int:
        return self._end - self._start

    def __iter__(self) -> Iterator[Any]:
        buffer = self._buffer
        return (buffer[place] for place in range(self._start, self._end))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        if self._hash != other._hash or len(self) != len(other):
            return False
        if self._buffer is other._buffer and self._start == other._start:
            return True
        mine = self._buffer[self._start : self._end]
        return mine == other._buffer[other._start : other._end]

    def __repr__(self) -> str:
        return f"Sequence({list(self)!r})"

    @property
    def first(self) -> Any:
        """The first item; there must be one."""
        return self._buffer[self._start]

    @property
    def last(self) -> Any:
        """The last item; there must be one."""
        return self._buffer[self._end - 1]

    def append(self, item: Hashable) -> Sequence:
        """The same with `item` behind it."""
        buffer, start, end = self._buffer, self._start, self._end
        if end < len(buffer) and buffer[end] != item:
            buffer, start, end = buffer[start:end], 0, end - start
        if end == len(buffer):
            buffer.append(item)
        code = (self._hash * _BASE + hash(item)) % _PRIME
        return Sequence(buffer, start, end + 1, code)

    def without_first(self) -> Sequence:
        """The same without its first item; there must be one."""
        power = pow(_BASE, len(self) - 1, _PRIME)
        code = (self._hash - hash(self.first) * power) % _PRIME
        return Sequence(self._buffer, self._start + 1, self._end, code)

    def without_last(self) -> Sequence:
        """The same without its last item; there must be one."""
        code = (self._hash - hash(self.last)) * _UNBASE % _PRIME
        return Sequence(self._buffer, self._start, self._end - 1, code)
