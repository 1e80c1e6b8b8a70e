"""Frozen processes, as by SIGSTOP or a long garbage collection.

Fault model: a paused node does nothing and loses nothing; messages, timers and disk events wait
for it. When it resumes all of them arrive at once and its timers ring late. This is what breaks
leases and anything else that takes "I checked a moment ago" for "it is so".

Targets: one, leader, minority, majority, all, equally likely.
"""

from __future__ import annotations

from random import Random

from harness.nemesis import Fault, Nemesis, node_names
from harness.world import World
from nemeses.targets import TARGETS, pick


class Pause(Nemesis):
    """Freezes nodes and lets them go on."""

    name = "pause"
    summary = "frozen nodes that go on later as if nothing had been"
    faults = ("pause",)

    def __init__(self) -> None:
        self._paused: list[int] = []

    def start(self, fault: str, world: World, random: Random) -> Fault:
        target = random.choice(TARGETS)
        self._paused = pick(target, world.nodes, leader=world.leader(), random=random)
        return Fault(
            value={"target": target, "pause": node_names(self._paused)},
            actions=[["pause", node] for node in self._paused],
        )

    def stop(self, fault: str, world: World) -> Fault:
        resumed, self._paused = self._paused, []
        return Fault(
            value={"resume": node_names(resumed)},
            actions=[["resume", node] for node in resumed],
        )
