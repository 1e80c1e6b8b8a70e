"""Where a moment stands in a drawing: an even time axis, and one stretched so that all is legible.

All drawings of the whole run share `LEFT`, `RIGHT` and `WIDTH`, so that a moment stands at the same
place in the timeline, the latencies and the rates. Units are those of the SVG view box.

>>> axis = TimeAxis(start_ns=0, end_ns=60_000_000_000, origin_ns=0)
>>> axis.x(30_000_000_000) == (LEFT + RIGHT) / 2
True
>>> [tick.text for tick in axis.ticks(4)]
['0 s', '20 s', '40 s', '60 s']
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10

from reports.wording import moment_text

#: The view box of drawings: names of rows stand left of LEFT.
WIDTH = 1120
LEFT = 104
RIGHT = 1108


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A labelled place on an axis."""

    x: float
    time_ns: int
    text: str


@dataclass(frozen=True, kw_only=True)
class TimeAxis:
    """Even time from `left` to `right`. `timed` is false where "times" are rows of the history."""

    start_ns: int
    end_ns: int
    origin_ns: int
    timed: bool = True
    left: float = LEFT
    right: float = RIGHT

    @property
    def span_ns(self) -> int:
        return max(self.end_ns - self.start_ns, 1)

    def x(self, time_ns: float) -> float:
        """The place of a moment; what lies outside stands at the edge."""
        share = (time_ns - self.start_ns) / self.span_ns
        return self.left + (self.right - self.left) * min(max(share, 0.0), 1.0)

    def ticks(self, about: int = 8) -> tuple[Tick, ...]:
        """Round moments, roughly `about` of them, labelled in seconds from the origin."""
        step = round_step(self.span_ns / about)
        first = -(-(self.start_ns - self.origin_ns) // step)
        last = (self.end_ns - self.origin_ns) // step
        moments = [number * step for number in range(first, last + 1)]
        return tuple(
            Tick(
                x=self.x(moment + self.origin_ns),
                time_ns=moment + self.origin_ns,
                text=_tick_text(moment, step, self.timed),
            )
            for moment in moments
        )


def _tick_text(moment: int, step: int, timed: bool) -> str:
    if not timed:
        return f"row {moment:,}"
    decimals = max(0, -floor(log10(step / 1e9) + 1e-9)) if step < 1_000_000_000 else 0
    return moment_text(moment, decimals)


def round_step(least: float) -> int:
    """The smallest 1, 2 or 5 times a power of ten that is at least `least` (and at least 1)."""
    if least <= 1:
        return 1
    power: int = 10 ** floor(log10(least))
    # A logarithm may round either way just at a power of ten; ten times covers both.
    return next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power >= least)


class StretchedAxis:
    """Time that keeps its order but not its measure: every two moments stand apart.

    Each gap between neighbours in `moments_ns` has the same least width, and the room that is left
    is dealt out by the cube root of the gaps, so that milliseconds stay visible beside minutes.

    >>> axis = StretchedAxis([0, 10, 20, 1_000_000], left=0, right=100)
    >>> [round(axis.x(moment)) for moment in (0, 10, 20, 510_010, 1_000_000)]
    [0, 11, 23, 62, 100]
    """

    def __init__(self, moments_ns: Iterable[int], *, left: float, right: float) -> None:
        self.moments = sorted(set(moments_ns)) or [0]
        gaps = [later - earlier for earlier, later in pairwise(self.moments)]
        self.places = [left]
        if gaps:
            least = min(18.0, 0.3 * (right - left) / len(gaps))
            room = (right - left) - least * len(gaps)
            shares = [gap ** (1 / 3) for gap in gaps]
            whole = sum(shares)
            for share in shares:
                self.places.append(self.places[-1] + least + room * share / whole)

    def x(self, time_ns: float) -> float:
        """The place of a moment, between its neighbours in proportion; outside: at the edge."""
        after = bisect_right(self.moments, time_ns)
        if after == 0:
            return self.places[0]
        if after == len(self.moments):
            return self.places[-1]
        earlier, later = self.moments[after - 1], self.moments[after]
        share = (time_ns - earlier) / (later - earlier)
        return self.places[after - 1] + share * (self.places[after] - self.places[after - 1])


def spread(places: Sequence[float], least: float) -> list[int]:
    """Which of ascending `places` to label so that labels keep `least` apart: first and last, too.

    >>> spread([0, 5, 40, 90, 100], 30)
    [0, 2, 4]
    """
    if not places:
        return []
    kept = [0]
    for number, place in enumerate(places[1:-1], start=1):
        if place - places[kept[-1]] >= least and places[-1] - place >= least:
            kept.append(number)
    if len(places) > 1 and places[-1] - places[kept[-1]] >= least:
        kept.append(len(places) - 1)
    return kept


def pixels(place: float) -> str:
    """A coordinate with one digit after the point, none where it is zero: what a file needs."""
    text = f"{place:.1f}"
    return text[:-2] if text.endswith(".0") else text
