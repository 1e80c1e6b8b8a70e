"""Quantiles by nearest rank: always a value that occurred, never one between two.

>>> [nearest_rank(range(1, 101), ratio) for ratio in (0.0, 0.5, 0.99, 1.0)]
[1, 50, 99, 100]
>>> nearest_rank([7], 0.99)
7
"""

from __future__ import annotations

import math
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)

#: What floating point adds to a product such as 0.07 * 100.
_NOISE = 1e-9


class Ordered(Protocol[T_co]):
    """A sequence, or an array, from the smallest value to the greatest."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> T_co: ...


def nearest_rank(ordered: Ordered[T_co], ratio: float) -> T_co:
    """The smallest value that a part of at least `ratio` of all values does not exceed.

    Raises IndexError if there are no values.
    """
    return ordered[max(math.ceil(ratio * len(ordered) - _NOISE) - 1, 0)]
