"""Raft's figure 8, again and again: leaders that fall with entries that nobody else has.

    1  the leader A is cut off while clients write to it, then crashes
    2  the next leader B is cut off as soon as it is seen, then crashes; A comes back
    3  A leads again, and its old entries get to a majority; then it falls, and B comes back
    4  B, whose entries are of a later term, leads and replaces those of A; then A comes back
    5  if A was cut off in 3, and so remembers what it decided, B crashes, and who leads then may
       work for a while

If A took its old entries for decided in 3, because a majority had stored them, it was wrong, as 4
shows: a leader must count only entries of its own term (Ongaro and Ousterhout, "In Search of an
Understandable Consensus Algorithm", 2014, §5.4.2 and figure 8). Logs that differ in so many places
are a trial for replication in general.

Fault model: one node at a time is cut off from all others, both ways, or down, having crashed with
a torn disk. Only role, term and commit index that nodes report are looked at, so that it fits any
system with leaders. Where the leader that comes is not the one that the figure needs, or none comes
within `PATIENCE` steps, all heals and it begins anew. When the fault stops, all links are mended
and all nodes are up.

| draw                                 | among                                |
|--------------------------------------|--------------------------------------|
| time between steps                   | 0 to 60 ms                           |
| steps that a leader is alone in 1, 2 | 3 to 12                              |
| how A falls in 3                     | crash, or cut off until the end of 4 |
| steps that B leads in 4              | 5 to 30                              |
| steps that somebody leads in 5       | 20 to 60                             |

In 3, A falls at the first step at which its commit index has moved, after `PATIENCE` at the latest.
Few clients help: what they write in 3 makes A's term the latest of all.
"""

from __future__ import annotations

from random import Random
from typing import Any

from harness.generators import Generator, concat, repeat, sleep, stagger
from harness.nemesis import Fault, Nemesis, node_names
from harness.units import MILLISECOND_NS, SECOND_NS
from harness.world import Action, World

#: How long the cluster works before the first step.
WARM_UP_NS = 2 * SECOND_NS
STEP_NS = 30 * MILLISECOND_NS
#: So many steps a scene waits for its leader.
PATIENCE = 150


class Figure8(Nemesis):
    """Four scenes in turns; a step begins the next one, or waits."""

    name = "figure-8"
    summary = "leaders fall with entries of their own and come back: figure 8 of the Raft paper"
    faults = ("figure-8",)

    def __init__(self) -> None:
        self._scene = 1
        self._waited = 0
        # steps until the present leader falls; -1 while none has been seen in this scene
        self._left = -1
        # A's commit index when it was first seen to lead again, -1 before that
        self._committed = -1
        self._first = self._second = 0  # A and B
        self._alone: int | None = None
        self._down: int | None = None

    def generator(self, interval_ns: int) -> Generator:
        """Step after step; `interval_ns` plays no part."""
        step = {"f": f"shift-{self.name}"}
        return concat(
            sleep(WARM_UP_NS), {"f": f"start-{self.name}"}, stagger(STEP_NS, repeat(step))
        )

    def start(self, fault: str, world: World, random: Random) -> Fault:
        return self._step(world, random)

    def shift(self, fault: str, world: World, random: Random) -> Fault:
        return self._step(world, random)

    def stop(self, fault: str, world: World) -> Fault:
        return self._anew(world)

    # ---- scenes

    def _step(self, world: World, random: Random) -> Fault:
        if len(world.nodes) == 1:
            return Fault(value=None, actions=[])
        if self._left > 0:
            self._left -= 1
            return Fault(value=None, actions=[])
        if self._left == 0:
            return self._next_scene(world, random)
        if self._scene == 3 and self._committed >= 0:
            return self._watch_commit(world, random)
        leader = world.leader()
        self._waited += 1
        if leader is None:
            return self._anew(world) if self._waited > PATIENCE else Fault(value=None, actions=[])
        return self._enter(leader, world, random)

    def _enter(self, leader: int, world: World, random: Random) -> Fault:
        """Somebody leads: what happens to it depends on the scene."""
        wanted = {3: self._first, 4: self._second}.get(self._scene, leader)
        if leader != wanted:
            return self._anew(world)
        if self._scene <= 2:
            self._left = random.randint(3, 12)
            if self._scene == 1:
                self._first = leader
            else:
                self._second = leader
            self._alone = leader
            value = {"scene": self._scene, "alone": node_names([leader])}
            return Fault(value=value, actions=self._links("cut", world))
        if self._scene == 3:
            self._committed = _committed(world, leader)
        else:
            self._left = random.randint(5, 30) if self._scene == 4 else random.randint(20, 60)
        return Fault(value=None, actions=[])

    def _watch_commit(self, world: World, random: Random) -> Fault:
        """A leads again: it falls when it takes something for decided."""
        self._waited += 1
        if _committed(world, self._first) > self._committed or self._waited > PATIENCE:
            return self._next_scene(world, random)
        return Fault(value=None, actions=[])

    def _next_scene(self, world: World, random: Random) -> Fault:
        """The leader of this scene falls, and who is down comes back."""
        scene, returns = self._scene, self._down
        if scene == 5 or (scene == 4 and self._alone is None):
            return self._anew(world)
        falls = self._first if scene % 2 else self._second
        value: dict[str, Any] = {"scene": scene}
        if scene == 3 and random.random() < 0.5:
            self._alone, self._down = falls, None
            actions = self._links("cut", world)
            value["alone"] = node_names([falls])
        else:
            actions = [["crash", falls, "torn"], *self._mend(world)]
            self._down = falls
            value["crash"] = node_names([falls])
        if returns is not None:
            actions.append(["restart", returns])
            value["restart"] = node_names([returns])
        self._begin(scene + 1)
        return Fault(value=value, actions=actions)

    def _anew(self, world: World) -> Fault:
        """All heals, and the first scene begins."""
        actions = self._mend(world)
        returned, self._down = self._down, None
        self._begin(1)
        if returned is None:
            return Fault(value=None, actions=actions)
        return Fault(
            value={"restart": node_names([returned])}, actions=[*actions, ["restart", returned]]
        )

    def _begin(self, scene: int) -> None:
        self._scene, self._waited, self._left, self._committed = scene, 0, -1, -1

    # ---- links

    def _mend(self, world: World) -> list[Action]:
        actions = self._links("mend", world)
        self._alone = None
        return actions

    def _links(self, verb: str, world: World) -> list[Action]:
        """Do `verb` to all links of the node that is alone."""
        alone = self._alone
        if alone is None:
            return []
        others = [node for node in world.nodes if node != alone]
        return [link for node in others for link in ([verb, alone, node], [verb, node, alone])]


def _committed(world: World, node: int) -> int:
    status = world.status(node)
    return 0 if status is None else status.committed
