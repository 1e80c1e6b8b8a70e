"""Crashes and restarts.

Fault model: a crash loses the node's memory and what its disk had not synced; a random part of
that may survive, and its last record may be torn. Synced data is never lost. Stopping the fault
restarts every node that this nemesis crashed.

| draw    | among                                          |
|---------|------------------------------------------------|
| target  | one, leader, minority, majority, all (equally) |
| mode    | clean, prefix, torn (equally)                  |
"""

from __future__ import annotations

from random import Random

from harness.nemesis import Fault, Nemesis, node_names
from harness.world import World
from nemeses.targets import TARGETS, pick

MODES = ("clean", "prefix", "torn")


class Kill(Nemesis):
    """Crashes nodes and restarts them."""

    name = "kill"
    summary = "crashes with loss of unsynced data, and restarts"
    faults = ("kill",)

    def __init__(self) -> None:
        self._down: list[int] = []

    def start(self, fault: str, world: World, random: Random) -> Fault:
        target = random.choice(TARGETS)
        mode = random.choice(MODES)
        self._down = pick(target, world.nodes, leader=world.leader(), random=random)
        return Fault(
            value={"target": target, "crash": node_names(self._down), "mode": mode},
            actions=[["crash", node, mode] for node in self._down],
        )

    def stop(self, fault: str, world: World) -> Fault:
        restarted, self._down = self._down, []
        return Fault(
            value={"restart": node_names(restarted)},
            actions=[["restart", node] for node in restarted],
        )
