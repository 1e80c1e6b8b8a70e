"""Members that leave and come back, and leaders that hand over, while the cluster works.

Fault model: nothing breaks. An operator orders the leader (or a random node, if none leads) to let
a node leave, to make it a standby, or to hand the leadership over; when the fault stops, whoever
leads is ordered to make all nodes voters again. Orders may be refused, or lost with a leader that
falls: that is part of it. At the end of the run, when all else is healed, the last order is given
again and again until the cluster has had time to elect a leader and to follow it. Systems whose
nodes take no orders are left in peace.

| draw    | among                                                     |
|---------|-----------------------------------------------------------|
| order   | remove, standby, reconfigure, transfer (equally)          |
| nodes   | one; for reconfigure a majority, which are the voters then|

At most a minority is not a voter at any time, unless the order that should have ended a fault was
refused or lost.
"""

from __future__ import annotations

from random import Random

from harness.generators import Generator, delay, limit, repeat
from harness.nemesis import Fault, Nemesis, node_names
from harness.world import World

#: How often the last order is given, and how far apart: an election and a change fit in between.
LAST_ORDERS, PAUSE_NS = 8, 500_000_000
ORDERS = ("remove", "standby", "reconfigure", "transfer")


class Membership(Nemesis):
    """Lets nodes leave and join, and leaders hand over."""

    name = "membership"
    summary = "nodes leave and join, leaders hand over"
    faults = ("membership",)
    heals_last = True

    def __init__(self) -> None:
        # for good: whether the order that undoes it was followed cannot be seen
        self._changed = False

    def start(self, fault: str, world: World, random: Random) -> Fault:
        kind = random.choice(ORDERS)
        node = random.choice(world.nodes)
        majority = sorted(random.sample(list(world.nodes), len(world.nodes) // 2 + 1))
        asked = world.leader() or random.choice(world.nodes)
        meant = node_names([node])
        self._changed = self._changed or kind != "transfer"
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

    def final(self) -> Generator:
        return limit(LAST_ORDERS, delay(PAUSE_NS, repeat({"f": "stop-membership"})))

    def stop(self, fault: str, world: World) -> Fault:
        if not self._changed:
            return Fault(value=None, actions=[])
        asked = world.leader()
        orders = [["order", node, ["reconfigure", list(world.nodes)]] for node in world.nodes]
        return Fault(
            value={"order": "reconfigure", "nodes": node_names(world.nodes)},
            actions=orders if asked is None else [orders[asked - 1]],
        )
