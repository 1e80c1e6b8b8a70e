"""Consistency levels: whom a node asks besides itself, with an eye on data centres.

The node itself always writes (or reads) first, so that n acknowledgements mean n + 1 copies. *All*
that are asked must answer; nobody stands in for one that does not.

| level        | other nodes asked                                                           |
|--------------|-----------------------------------------------------------------------------|
| None         | 0                                                                           |
| One Two Three| 1, 2, 3; outside the own data centre if there are as many, spread over those|
| Quorum       | half of all, rounded down; one from each data centre in turn, whole rounds, |
|              | so that it may be more than half                                            |
| LocalQuorum  | half of the own data centre, rounded down                                   |
| EachQuorum   | half of the own, rounded down, and a majority of every other data centre    |
| All          | all others                                                                  |

These are the published counts (Datacake's `DCAwareSelector`). *Of whom* they are counted is the
caller's choice: `members` are those who count, `live` those who may be asked.

>>> members = {1: "a", 2: "a", 3: "a", 4: "b", 5: "b"}
>>> selector = Selector(1, "a", lambda bound: 0)
>>> for level in ("None", "Two", "Quorum", "LocalQuorum", "EachQuorum", "All"):
...     print(level, selector.select(level, members, [2, 3, 4, 5]))
None []
Two [4, 5]
Quorum [2, 4]
LocalQuorum [2]
EachQuorum [2, 4, 5]
All [2, 3, 4, 5]
>>> selector.select("EachQuorum", members, [2, 3, 4])
Traceback (most recent call last):
    ...
systems.gossip.levels.NotEnoughNodes: EachQuorum needs 3 other nodes, and 2 of them are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.errors import SplitbrainError, unknown_name
from harness.node import NodeId

#: By how many others are asked, roughly.
LEVELS = ("None", "One", "Two", "Three", "LocalQuorum", "Quorum", "EachQuorum", "All")

_COUNTED = {"None": 0, "One": 1, "Two": 2, "Three": 3}


class NotEnoughNodes(SplitbrainError):
    """The level cannot be reached now; nothing was done."""

    def __init__(self, level: str, live: int, required: int) -> None:
        super().__init__(f"{level} needs {required} other nodes, and {live} of them are there.")
        self.live = live
        self.required = required


def required(level: str, members: Mapping[NodeId, str], home: str) -> dict[str, int]:
    """How many nodes a level asks of each group: of data centres by name, of all together as "".

    `home` is the data centre of the node that asks, which is one of `members`. Raises UsageError
    for an unknown level.
    """
    sizes: dict[str, int] = {}
    for place in members.values():
        sizes[place] = sizes.get(place, 0) + 1
    match level:
        case "Quorum":
            return {"": len(members) // 2}
        case "LocalQuorum":
            return {home: sizes.get(home, 0) // 2}
        case "EachQuorum":
            return {place: size // 2 + (place != home) for place, size in sorted(sizes.items())}
        case "All":
            return {"": len(members) - 1}
    if level not in _COUNTED:
        raise unknown_name("consistency level", level, LEVELS)
    return {"": _COUNTED[level]}


class Selector:
    """Chooses nodes for the node `node` in the data centre `home`; `below` draws numbers."""

    def __init__(self, node: NodeId, home: str, below: Callable[[int], int]) -> None:
        self.node = node
        self.home = home
        self._below = below
        self._turns: dict[str, int] = {}  # where the last choice in a data centre ended

    def select(
        self, level: str, members: Mapping[NodeId, str], live: Sequence[NodeId]
    ) -> list[NodeId]:
        """The nodes to ask, in ascending order. Raises `NotEnoughNodes`, or UsageError."""
        counts = required(level, members, self.home)
        places: dict[str, list[NodeId]] = {}
        for node in sorted(live):
            if node != self.node and node in members:
                places.setdefault(members[node], []).append(node)
        places = dict(sorted(places.items()))
        if level in _COUNTED:
            chosen = self._spread(level, counts[""], places)
        elif "" in counts:
            chosen = self._rounds(level, counts[""], places)
        else:
            there = {place: places.get(place, [])[:count] for place, count in counts.items()}
            chosen = [node for nodes in there.values() for node in nodes]
            if len(chosen) < sum(counts.values()):
                raise NotEnoughNodes(level, len(chosen), sum(counts.values()))
        return sorted(chosen)

    def _rounds(self, level: str, count: int, places: Mapping[str, list[NodeId]]) -> list[NodeId]:
        """One of each data centre in turn, until there are `count`; the last round is whole."""
        chosen: list[NodeId] = []
        longest = max(map(len, places.values()), default=0)
        for turn in range(longest):
            if len(chosen) >= count:
                break
            chosen += [nodes[turn] for nodes in places.values() if turn < len(nodes)]
        if len(chosen) < count:
            raise NotEnoughNodes(level, len(chosen), count)
        return chosen

    def _spread(self, level: str, count: int, places: dict[str, list[NodeId]]) -> list[NodeId]:
        """`count` nodes, outside if possible, over as many data centres as possible, by turns."""
        outside = {place: nodes for place, nodes in places.items() if place != self.home}
        if sum(map(len, outside.values())) >= count:
            places = outside
        if sum(map(len, places.values())) < count:
            raise NotEnoughNodes(level, sum(map(len, places.values())), count)
        names = sorted(places, key=lambda name: (name == self.home, name))
        while len(names) > count:
            del names[self._below(len(names))]
        left = {name: self._in_turn(name, places[name]) for name in names}
        chosen: list[NodeId] = []
        while len(chosen) < count:
            for name in names:
                if left[name] and len(chosen) < count:
                    chosen.append(left[name].pop(0))
                    self._turns[name] = chosen[-1]
        return chosen

    def _in_turn(self, name: str, nodes: list[NodeId]) -> list[NodeId]:
        """The nodes after the one that was chosen last, then the others."""
        last = self._turns.get(name, 0)
        return [node for node in nodes if node > last] + [node for node in nodes if node <= last]
