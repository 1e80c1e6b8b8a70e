"""The computer's own clock and randomness, as nodes see them.

>>> clock = RealClock(drift_bound_ppm=200)
>>> clock.drift_bound_ppm(), clock.monotonic_ns() <= clock.monotonic_ns()
(200, True)
>>> 0 <= SystemRng().below(6) < 6
True
"""

from __future__ import annotations

import time
from random import SystemRandom


class RealClock:
    """Implements `harness.node.Clock`.

    `drift_bound_ppm` is what whoever deploys the nodes promises of their clocks; reads by lease
    rest on it, nothing else does.
    """

    def __init__(self, *, drift_bound_ppm: int = 1000) -> None:
        self._drift_bound_ppm = drift_bound_ppm

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()

    def drift_bound_ppm(self) -> int:
        return self._drift_bound_ppm


class SystemRng:
    """Implements `harness.node.Rng` with the operating system's randomness."""

    def __init__(self) -> None:
        self._random = SystemRandom()

    def below(self, bound: int) -> int:
        return self._random.randrange(bound)

    def uniform_ns(self, low_ns: int, high_ns: int) -> int:
        return self._random.randrange(low_ns, high_ns)
