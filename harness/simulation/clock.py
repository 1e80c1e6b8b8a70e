"""A node's own clock: it drifts, it may step, and only the world knows true time.

>>> from types import SimpleNamespace
>>> clock = NodeClock(SimpleNamespace(now_ns=1_000_000_000), rate_ppm=100)
>>> clock.monotonic_ns()
1000100000
>>> clock.to_true_ns(1_000_100_000)
1000000000
"""

from __future__ import annotations

from typing import Protocol

PPM = 1_000_000


class TrueTime(Protocol):
    """Whoever knows what time it really is: the world."""

    @property
    def now_ns(self) -> int: ...


class NodeClock:
    """Local time = base + elapsed true time × (1 + rate_ppm / 10⁶), and a wall offset.

    `rate_ppm` is the true drift. `promised_ppm` is what the deployment promises and nodes may
    rely on; a test of leases breaks that promise on purpose as its negative control.
    """

    __slots__ = (
        "_base_local_ns",
        "_base_true_ns",
        "_true",
        "offset_ns",
        "promised_ppm",
        "rate_ppm",
    )

    def __init__(self, true: TrueTime, *, rate_ppm: int = 0, promised_ppm: int = 1000) -> None:
        self._true = true
        self._base_local_ns = 0
        self._base_true_ns = 0
        self.rate_ppm = rate_ppm
        self.offset_ns = 0
        self.promised_ppm = promised_ppm

    def monotonic_ns(self) -> int:
        """Local time since the start of the run."""
        elapsed_ns = self._true.now_ns - self._base_true_ns
        return self._base_local_ns + elapsed_ns + elapsed_ns * self.rate_ppm // PPM

    def wall_ns(self) -> int:
        """Local wall clock: monotonic time plus an offset that may jump."""
        return self.monotonic_ns() + self.offset_ns

    def drift_bound_ppm(self) -> int:
        """The promised bound of the drift, in parts per million."""
        return self.promised_ppm

    def to_true_ns(self, local_delay_ns: int) -> int:
        """How long a local delay takes in true time, rounded up: no timer rings too early."""
        return -(-local_delay_ns * PPM // (PPM + self.rate_ppm))

    def skew(self, *, offset_ns: int = 0, rate_ppm: int | None = None) -> None:
        """Step the wall clock by `offset_ns`; from now on run at `rate_ppm` if it is given."""
        self.offset_ns += offset_ns
        if rate_ppm is not None:
            self._base_local_ns = self.monotonic_ns()
            self._base_true_ns = self._true.now_ns
            self.rate_ppm = rate_ppm
