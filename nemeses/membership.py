"""Members that leave and come back, and leaders that hand over, while the cluster works.

Fault model: nothing breaks. An operator orders the leader (or a random node, if none leads) to let
a node leave, to make it a standby, or to hand the leadership over; when the fault stops, whoever
leads is ordered to make all nodes voters again. Orders may be refused, or lost with a leader that
falls: that is part of it. Systems whose nodes take no orders are left in peace.

| draw    | among                                                     |
|---------|-----------------------------------------------------------|
| order   | remove, standby, reconfigure, transfer (equally)          |
| nodes   | one; for reconfigure a majority, which are the voters then|

At most a minority is not a voter at any time.
"""

from __future__ import annotations

from random import Random

from harness.nemesis import Fault, Nemesis, node_names
from harness.world import World

ORDERS = ("remove", "standby", "reconfigure", "transfer")


class Membership(Nemesis):
    """Lets nodes leave and join, and leaders hand over."""

    name = "membership"
    summary = "nodes leave and join, leaders hand over"
    faults = ("membership",)

    def __init__(self) -> None:
        self._changed = False

    def start(self, fault: str, world: World, random: Random) -> Fault:
        kind = random.choice(ORDERS)
        node = random.choice(world.nodes)
        majority = sorted(random.sample(list(world.nodes), len(world.nodes) // 2 + 1))
        asked = world.leader() or random.choice(world.nodes)
        meant = node_names([node])
        self._changed = kind != "transfer"
        match kind:
            case "remove":
                order = ["remove", node]
            case "standby":
                order = ["assign", node, "standby"]
            case "transfer":
                order = ["transfer", node]
            case _:
                order = ["reconfigure", majority]
                meant = node_names(majority)
        return Fault(
            value={"order": kind, "nodes": meant, "asked": node_names([asked])},
            actions=[["order", asked, order]],
        )

    def stop(self, fault: str, world: World) -> Fault:
        changed, self._changed = self._changed, False
        if not changed:
            return Fault(value=None, actions=[])
        asked = world.leader()
        orders = [["order", node, ["reconfigure", list(world.nodes)]] for node in world.nodes]
        return Fault(
            value={"order": "reconfigure", "nodes": node_names(world.nodes)},
            actions=orders if asked is None else [orders[asked - 1]],
        )
