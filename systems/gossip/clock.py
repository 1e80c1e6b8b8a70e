"""Hybrid logical clocks: timestamps near physical time that respect cause and effect.

    wall clock ─▶ SteadyWall ─▶ HybridClock.stamp() ─▶ (wall_ms, counter, node)
     may step     follows no        │    ▲
                  great step        ▼    │ hear(): never behind what was heard
                                  messages

A stamp is greater than every one that this node has made or heard, and equals physical time
whenever that is greater (Kulkarni, Demirbas et al., "Logical physical clocks", 2014). Two rules
keep one bad clock from dragging the others into the future:

| drift rule | what it says                                                                    |
|------------|---------------------------------------------------------------------------------|
| hear       | a timestamp more than `max_drift_ms` ahead of physical time is not accepted     |
| stamp      | nor made: if this clock was dragged ahead, it refuses until time has caught up  |
| wall       | a wall clock that departs from the monotonic one by more than half of that is   |
|            | not followed: it has jumped, and time goes on as the monotonic clock has it     |

By the third rule, nodes that started with right clocks stay within `max_drift_ms` of each other
however their wall clocks jump, so that the first two refuse nothing.

Limits: a node that *starts* with a clock wrong by more than `max_drift_ms` writes for itself alone
until it is restarted with a right one; the others do not accept what it writes.

>>> clock = HybridClock(7, lambda: 1000, max_drift_ms=500)
>>> clock.stamp(), clock.stamp()
(Timestamp(wall_ms=1000, counter=0, node=7), Timestamp(wall_ms=1000, counter=1, node=7))
>>> clock.hear(Timestamp(1200, 4, 2)), clock.stamp()
(True, Timestamp(wall_ms=1200, counter=5, node=7))
>>> clock.hear(Timestamp(1501, 0, 2)), clock.stamp()
(False, Timestamp(wall_ms=1200, counter=6, node=7))
"""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import SplitbrainError
from harness.node import Clock, NodeId
from systems.crdt.base import ZERO, Timestamp

#: The counter of the published timestamp has 16 bits; one more event moves on to the next
#: millisecond.
COUNTER_LIMIT = 0xFFFF

_MILLISECOND_NS = 1_000_000


class ClockDrift(SplitbrainError):
    """A timestamp would be further from physical time than the drift rules allow."""


class SteadyWall:
    """The wall clock in milliseconds, as long as it keeps with the monotonic clock."""

    def __init__(self, clock: Clock, *, window_ms: int) -> None:
        self._clock = clock
        self._window_ns = window_ms * _MILLISECOND_NS
        self._offset_ns = clock.wall_ns() - clock.monotonic_ns()

    def __call__(self) -> int:
        wall_ns = self._clock.wall_ns()
        expected_ns = self._clock.monotonic_ns() + self._offset_ns
        jumped = abs(wall_ns - expected_ns) > self._window_ns
        return (expected_ns if jumped else wall_ns) // _MILLISECOND_NS


class HybridClock:
    """The clock of the node `node`; `now_ms` tells physical time.

    `last` is where an earlier life may have got to: no stamp lies at or below it.
    """

    def __init__(
        self,
        node: NodeId,
        now_ms: Callable[[], int],
        *,
        max_drift_ms: int,
        last: Timestamp = ZERO,
    ) -> None:
        self.node = node
        self.now_ms = now_ms
        self.max_drift_ms = max_drift_ms
        self._wall_ms = last.wall_ms
        self._counter = last.counter
        #: The last stamp, for those who watch.
        self.issued = ZERO

    @property
    def latest(self) -> Timestamp:
        """The greatest of all that was made or heard; what to send along with messages."""
        return Timestamp(self._wall_ms, self._counter, self.node)

    def stamp(self) -> Timestamp:
        """A new timestamp, greater than all before. Raises `ClockDrift`."""
        now_ms = self.now_ms()
        wall_ms, counter = max((now_ms, -1), (self._wall_ms, self._counter))
        counter += 1
        if counter > COUNTER_LIMIT:
            wall_ms, counter = wall_ms + 1, 0
        self._check(wall_ms - now_ms)
        self._wall_ms, self._counter = wall_ms, counter
        self.issued = Timestamp(wall_ms, counter, self.node)
        return self.issued

    def advance(self) -> Timestamp:
        """A moment that no stamp so far lies above, and that every later one does."""
        self.hear(Timestamp(self.now_ms(), 0, self.node))
        return self.latest

    def hear(self, heard: Timestamp) -> bool:
        """Never stamp at or below `heard`; False if it is too far ahead to be believed."""
        if heard.wall_ms - self.now_ms() > self.max_drift_ms:
            return False
        if heard[:2] > (self._wall_ms, self._counter):
            self._wall_ms, self._counter = heard.wall_ms, heard.counter
        return True

    def _check(self, ahead_ms: int) -> None:
        if ahead_ms > self.max_drift_ms:
            raise ClockDrift(
                f"The hybrid clock of n{self.node} is {ahead_ms} ms ahead of its wall clock, and "
                f"may be {self.max_drift_ms} ms. Usually the wall clock was set back by more than "
                "that, or a timestamp from the future was accepted. It passes with time."
            )
