"""Network partitions.

Fault model: links between nodes lose everything in one or both directions until the partition
heals; messages under way when it begins are lost as well. Clients are never cut off. One
partition at a time; healing mends exactly what was cut.

| kind             | who hears whom                                               |
|------------------|--------------------------------------------------------------|
| isolate-one      | one node hears nobody and is heard by nobody                 |
| isolate-leader   | the same, for the leader if there is one                     |
| halves           | a random half and the rest do not hear each other            |
| majorities-ring  | every node hears a majority, no two the same (from 4 nodes)  |
| bridge           | two groups that meet in one node only (from 3 nodes)         |
| one-way          | one node is deaf, or mute                                    |

All kinds that cut something in a cluster of that size are equally likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from harness.errors import unknown_name
from harness.nemesis import Fault, Nemesis, node_names
from harness.world import World
from nemeses import grudges

KINDS = ("isolate-one", "isolate-leader", "halves", "majorities-ring", "bridge", "one-way")
#: The smallest cluster in which these kinds cut a link.
NODES_MIN = {"majorities-ring": 4, "bridge": 3}


class Partition(Nemesis):
    """Starts and heals partitions of the given kinds."""

    name = "partition"
    summary = "isolated nodes, halves, rings of majorities, bridges, one-way cuts"
    faults = ("partition",)

    def __init__(self, kinds: Sequence[str] = KINDS) -> None:
        for kind in kinds:
            if kind not in KINDS:
                raise unknown_name("kind of partition", kind, KINDS)
        self.kinds = tuple(kinds)
        self._cut: list[tuple[int, int]] = []

    def start(self, fault: str, world: World, random: Random) -> Fault:
        size = len(world.nodes)
        fitting = [kind for kind in self.kinds if size >= NODES_MIN.get(kind, 2)]
        kind = random.choice(fitting or self.kinds)
        grudge = self._grudge(kind, world, random)
        self._cut = sorted(grudge.edges)
        value: dict[str, Any] = {"kind": kind, "cut": [node_names(link) for link in self._cut]}
        alone = [node for node in grudge if grudge.degree(node) == 2 * (len(grudge) - 1)]
        if len(alone) == 1:
            value["alone"] = node_names(alone)
        return Fault(value=value, actions=[["cut", *link] for link in self._cut])

    def stop(self, fault: str, world: World) -> Fault:
        mended, self._cut = self._cut, []
        return Fault(value=None, actions=[["mend", *link] for link in mended])

    def _grudge(self, kind: str, world: World, random: Random) -> grudges.Grudge:
        nodes = world.nodes
        match kind:
            case "isolate-one":
                return grudges.isolate(nodes, random)
            case "isolate-leader":
                return grudges.isolate(nodes, random, victim=world.leader())
            case "halves":
                return grudges.halves(nodes, random)
            case "majorities-ring":
                return grudges.majorities_ring(nodes, random)
            case "bridge":
                return grudges.bridge(nodes, random)
            case _:
                return grudges.one_way(nodes, random)
