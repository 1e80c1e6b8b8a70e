"""Which totals a counter can show: surely counted amounts, and some that may be.

    total = sure + the sum of any subset of `open`

The bounds are the sums of the negative and of the positive open amounts. Whether a total between
them can be reached is subset sum, which is decided exactly with one big integer as a set of bits
(bit n: n above the lower bound is reachable), as long as that stays small; beyond, every total
between the bounds counts as reachable, which errs on the side of passing.

>>> sums = Sums(10, [5, 5, -2])
>>> sums.low, sums.high, [total for total in range(6, 23) if sums.reach(total)]
(8, 20, [8, 10, 13, 15, 18, 20])
>>> Sums(0, [7] * 3).reach(8), Sums(0, [7] * 3).nearest(8)
(False, (7, 14))

Source: the classical dynamic program for subset sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Exact up to so many steps of shifting (open amounts times the width in bits).
EXACT_STEPS: Final = 4_000_000


class Sums:
    """The totals that `sure` and any subset of `open_amounts` can make."""

    def __init__(self, sure: int, open_amounts: Iterable[int]) -> None:
        self.sure = sure
        self.open = [amount for amount in open_amounts if amount]
        self.low = sure + sum(amount for amount in self.open if amount < 0)
        self.high = sure + sum(amount for amount in self.open if amount > 0)
        self._bits: int | None = None

    @property
    def exact(self) -> bool:
        """Whether `reach` knows; else it takes every total between the bounds for possible."""
        return len(self.open) * (self.high - self.low + 1) <= EXACT_STEPS

    def reach(self, total: int) -> bool:
        """Whether a counter may show `total`."""
        if not self.low <= total <= self.high:
            return False
        if total in (self.low, self.high) or not self.exact:
            return True
        return bool(self._reachable() >> (total - self.low) & 1)

    def nearest(self, total: int) -> tuple[int, int]:
        """The nearest reachable totals at or below and at or above one between the bounds."""
        if self.reach(total):
            return total, total
        place, bits = total - self.low, self._reachable()
        below = (bits & ((1 << place) - 1)).bit_length() - 1
        above = bits >> place
        return self.low + below, total + (above & -above).bit_length() - 1

    def _reachable(self) -> int:
        # a negative amount that is left out is a positive one that is added to the lower bound
        if self._bits is None:
            bits = 1
            for amount in self.open:
                bits |= bits << abs(amount)
            self._bits = bits
        return self._bits
