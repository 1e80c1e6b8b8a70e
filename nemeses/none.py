"""No fault at all: the control of every experiment."""

from __future__ import annotations

from harness.generators import Generator
from harness.nemesis import Nemesis


class NoFault(Nemesis):
    """Leaves the system alone."""

    name = "none"
    summary = "no faults: the control"

    def generator(self, interval_ns: int) -> Generator | None:
        return None

    def final(self) -> Generator | None:
        return None
