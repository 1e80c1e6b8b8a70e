"""How far a counter may be: what a read surely includes, what it may include, and what two reads
of one place allow each other.

    |--- +5 ok ---|        |--- read = 12 ---|            surely in it: +5
              |------ +7 -----------|     |---- +1 ?      may be in it: +7; not: +1
                                        |--- read = 9 --|  after one of 12 it lacks 3, and
                                                           nothing took 3 away

*A place* is a replica, or the whole system if reads name no node. A read of a place

- surely includes what its own clients were told had happened before it began (all clients, if there
  is one place);
- may include whatever anybody began before it ended and that did not fail: unanswered updates, and
  those of clients of other places, which come when they come;
- includes all that an earlier read of the place included, if that had ended before it began.

The first two give the totals that the read may show (`Sums`: exactly, also with the gaps between
the bounds). The third bounds differences. Let A be a read that had ended before a read B of the
same place began. What came between is among the updates that had begun when B ended, less those
that A surely included: the sum of the positive ones bounds the increase, that of the negative ones
the decrease. And what a client of the place began after A ended, and was told of before B began,
surely came between. Each bound is a sum of terms of A and of B alone, so that the best A for every
B is found in one sweep.

Sound: only updates whose client is known to talk with the place are surely included; failed ones
are never. This assumes replicas that never forget what they showed.

>>> Reading("n1", 12, Span(3, 6)).value
12

Limits: necessary conditions, not sufficient: that one choice of updates explains all reads at once
is the question of linearizability.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from checkers.convergence.sums import Sums

#: Gaps between the bounds are looked for if there are not more pairs of a read and an update.
EXACT_PAIRS: Final = 20_000_000


class Span(NamedTuple):
    """Rows of a call and of its answer; -1 as the end of one without."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Amount:
    """An update; `place` is where its client is at home, None if that is not known."""

    place: Any
    amount: int
    span: Span


@dataclass(frozen=True, slots=True)
class Reading:
    """A read of a place, and what it showed."""

    place: Any
    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class Excess:
    """A read that is out of bounds. `after` is the earlier read that bounds it, if one does."""

    reading: Reading
    low: int
    high: int
    after: Reading | None
    gap: bool = False


class Bounds:
    """The bounds of all reads of one place."""

    def __init__(self, place: Any, amounts: Sequence[Amount]) -> None:
        self.place = place
        self.amounts = amounts
        own = [one for one in amounts if one.place == place and one.span.end >= 0]
        self._own = sorted(own, key=lambda one: one.span.end)
        self._ends = [one.span.end for one in self._own]
        self._begun = sorted(amounts, key=lambda one: one.span.begin)
        self._begins = [one.span.begin for one in self._begun]
        self._sure = _Running(one.amount for one in self._own)
        self._may = _Running(one.amount for one in self._begun)
        self._exact = True

    def of(self, reading: Reading) -> Sums:
        """The totals that a read may show on its own account."""
        sure, open_amounts = self._split(reading.span)
        return Sums(sum(sure), open_amounts)

    def _split(self, span: Span) -> tuple[list[int], list[int]]:
        sure: list[int] = []
        unsure: list[int] = []
        for one in self._begun[: bisect_left(self._begins, span.end)]:
            known = one.place == self.place and 0 <= one.span.end < span.begin
            (sure if known else unsure).append(one.amount)
        return sure, unsure

    def limits(self, reading: Reading) -> tuple[int, int]:
        """The least and the greatest total of `of`, without looking at every update."""
        sure = bisect_left(self._ends, reading.span.begin)
        may = bisect_left(self._begins, reading.span.end)
        # of what may be included, the sure part is included however it is signed
        low = self._may.negative[may] + self._sure.positive[sure]
        high = self._may.positive[may] + self._sure.negative[sure]
        return low, high

    def check(self, readings: Iterable[Reading]) -> list[Excess]:
        """The reads of this place that are out of bounds, in order of their calls."""
        in_order = sorted(readings, key=lambda one: one.span.begin)
        self._exact = len(in_order) * len(self.amounts) <= EXACT_PAIRS
        by_end = sorted(in_order, key=lambda one: one.span.end)
        found = []
        place = 0
        # of the reads that had ended: the one that bounds increases most, and decreases most
        lifts: tuple[int, Reading] | None = None
        drops: tuple[int, Reading] | None = None
        last: Reading | None = None
        for reading in in_order:
            while by_end[place].span.end < reading.span.begin:
                earlier = by_end[place]
                sure = bisect_left(self._ends, earlier.span.begin)
                lift = earlier.value - self._sure.positive[sure]
                drop = earlier.value - self._sure.negative[sure]
                lifts = min(lifts or (lift, earlier), (lift, earlier), key=lambda pair: pair[0])
                drops = max(drops or (drop, earlier), (drop, earlier), key=lambda pair: pair[0])
                if last is None or earlier.span.end > last.span.end:
                    last = earlier
                place += 1
            excess = self._alone(reading) or self._between(reading, last, lifts, drops)
            if excess is not None:
                found.append(excess)
        return found

    def _alone(self, reading: Reading) -> Excess | None:
        low, high = self.limits(reading)
        if not low <= reading.value <= high:
            return Excess(reading, low, high, None)
        if reading.value in (low, high) or not self._exact:
            return None
        sums = self.of(reading)
        if sums.reach(reading.value):
            return None
        return Excess(reading, *sums.nearest(reading.value), None, gap=True)

    def _between(
        self,
        reading: Reading,
        last: Reading | None,
        lifts: tuple[int, Reading] | None,
        drops: tuple[int, Reading] | None,
    ) -> Excess | None:
        if last is None or lifts is None or drops is None:
            return None
        may = bisect_left(self._begins, reading.span.end)
        high = lifts[0] + self._may.positive[may]
        low = drops[0] + self._may.negative[may]
        if reading.value > high:
            return Excess(reading, low, high, lifts[1])
        if reading.value < low:
            return Excess(reading, low, high, drops[1])
        return self._after(reading, last)

    def _after(self, reading: Reading, last: Reading) -> Excess | None:
        """As for any earlier read, but with what surely came after the last one."""
        sure = bisect_left(self._ends, last.span.begin)
        may = bisect_left(self._begins, reading.span.end)
        first, past = (
            bisect_left(self._ends, last.span.end),
            bisect_left(self._ends, reading.span.begin),
        )
        fresh = [one.amount for one in self._own[first:past] if one.span.begin > last.span.end]
        gained = sum(amount for amount in fresh if amount > 0)
        lost = sum(amount for amount in fresh if amount < 0)
        low = last.value + self._may.negative[may] - self._sure.negative[sure] + gained
        high = last.value + self._may.positive[may] - self._sure.positive[sure] + lost
        if low <= reading.value <= high:
            return None
        return Excess(reading, low, high, last)


class _Running:
    """Sums of the first n amounts: of the positive ones, and of the negative ones."""

    def __init__(self, amounts: Iterable[int]) -> None:
        self.positive = [0]
        self.negative = [0]
        for amount in amounts:
            self.positive.append(self.positive[-1] + max(amount, 0))
            self.negative.append(self.negative[-1] + min(amount, 0))
