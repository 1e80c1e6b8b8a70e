"""Slow and lossy links.

Fault model: on some links every message takes longer by a fixed time, and a share of them is
lost; nothing is altered. Links recover fully when the fault stops.

| draw     | among                                                                 |
|----------|-----------------------------------------------------------------------|
| links    | all, those of one node, those towards one node, those of the leader   |
| delay    | 20, 50, 100, 200 or 500 ms                                            |
| loss     | 0, 1, 10 or 30 %                                                      |
"""

from __future__ import annotations

from itertools import permutations
from random import Random

from harness.nemesis import Fault, Nemesis, node_names
from harness.units import MILLISECOND_NS
from harness.world import World

DELAYS_MS = (20, 50, 100, 200, 500)
LOSSES = (0.0, 0.01, 0.1, 0.3)
LINKS = ("all", "of-one", "towards-one", "of-leader")


class Delay(Nemesis):
    """Slows links down and lets them recover."""

    name = "delay"
    summary = "slow and lossy links"
    faults = ("delay",)

    def __init__(self) -> None:
        self._slowed: list[tuple[int, int]] = []

    def start(self, fault: str, world: World, random: Random) -> Fault:
        which = random.choice(LINKS)
        delay_ms = random.choice(DELAYS_MS)
        loss_ratio = random.choice(LOSSES)
        victim = random.choice(world.nodes)
        if which == "of-leader":
            victim = world.leader() or victim
        self._slowed = [
            (source, destination)
            for source, destination in permutations(world.nodes, 2)
            if which == "all"
            or destination == victim
            or (source == victim and which != "towards-one")
        ]
        value = {"links": which, "delay_ms": delay_ms, "loss_ratio": loss_ratio}
        if which != "all":
            value["node"] = node_names([victim])[0]
        delay_ns = delay_ms * MILLISECOND_NS
        return Fault(
            value=value, actions=[["slow", *link, delay_ns, loss_ratio] for link in self._slowed]
        )

    def stop(self, fault: str, world: World) -> Fault:
        recovered, self._slowed = self._slowed, []
        return Fault(value=None, actions=[["fast", *link] for link in recovered])
