"""Crashes of the whole cluster at once, as when a data centre loses its power or a bad release is
rolled out everywhere.

Fault model: that of `kill`: each node loses its memory and what its disk had not synced, of which a
random part may survive. Stopping the fault restarts all of them. No quorum is left to tell the
others what happened, so that only what is on the disks counts.

| draw | among                         |
|------|-------------------------------|
| mode | clean, prefix, torn (equally) |
"""

from __future__ import annotations

from random import Random

from harness.nemesis import Fault, Nemesis, node_names
from harness.world import World
from nemeses.kill import MODES


class KillAll(Nemesis):
    """Crashes all nodes and restarts them."""

    name = "kill-all"
    summary = "crashes of all nodes at once, and restarts"
    faults = ("kill-all",)

    def __init__(self) -> None:
        self._down: tuple[int, ...] = ()

    def start(self, fault: str, world: World, random: Random) -> Fault:
        mode = random.choice(MODES)
        self._down = world.nodes
        return Fault(
            value={"crash": node_names(self._down), "mode": mode},
            actions=[["crash", node, mode] for node in self._down],
        )

    def stop(self, fault: str, world: World) -> Fault:
        restarted, self._down = self._down, ()
        return Fault(
            value={"restart": node_names(restarted)},
            actions=[["restart", node] for node in restarted],
        )
