"""Who is cut off from whom: partitions as directed graphs of the links that are cut.

A *grudge* is a networkx DiGraph over the nodes; an edge (a, b) means that nothing gets from a to
b. Clients can always reach every node.

>>> from random import Random
>>> grudge = isolate([1, 2, 3], Random(1), victim=2)
>>> sorted(grudge.edges)
[(1, 2), (2, 1), (2, 3), (3, 2)]
>>> sorted(bridge([1, 2, 3, 4, 5], Random(1)).out_degree(node) for node in range(1, 6))
[0, 2, 2, 2, 2]
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import TypeAlias

import networkx as nx

Nodes = Sequence[int]
Grudge: TypeAlias = "nx.DiGraph[int]"


def _between_groups(*groups: Nodes) -> Grudge:
    """Everything between different groups is cut, in both directions."""
    grudge: Grudge = nx.DiGraph()
    grudge.add_nodes_from(node for group in groups for node in group)
    for group, other in permutations(groups, 2):
        grudge.add_edges_from((a, b) for a in group for b in other)
    return grudge


def _shuffled(nodes: Nodes, random: Random) -> list[int]:
    return random.sample(list(nodes), len(nodes))


def isolate(nodes: Nodes, random: Random, *, victim: int | None = None) -> Grudge:
    """One node, a random one unless given, is cut off from all others."""
    alone = random.choice(list(nodes)) if victim is None else victim
    return _between_groups([alone], [node for node in nodes if node != alone])


def halves(nodes: Nodes, random: Random) -> Grudge:
    """A random half, the smaller one if they are uneven, and the rest do not hear each other."""
    order = _shuffled(nodes, random)
    middle = len(order) // 2
    return _between_groups(order[:middle], order[middle:])


def majorities_ring(nodes: Nodes, random: Random) -> Grudge:
    """Every node hears a majority, and no two nodes the same one.

    The nodes stand in a ring in random order; each keeps its links to the nearest neighbours,
    half of a majority on each side, and loses the others. Of three nodes or fewer all are
    neighbours, so that nothing is cut.
    """
    order = _shuffled(nodes, random)
    size = len(order)
    reach = (size // 2 + 1) // 2
    grudge: Grudge = nx.DiGraph()
    grudge.add_nodes_from(nodes)
    for i, j in permutations(range(size), 2):
        distance = min((i - j) % size, (j - i) % size)
        if distance > reach:
            grudge.add_edge(order[i], order[j])
    return grudge


def bridge(nodes: Nodes, random: Random) -> Grudge:
    """Two halves that do not hear each other, and one node between that hears everybody."""
    order = _shuffled(nodes, random)
    middle = (len(order) - 1) // 2
    grudge = _between_groups(order[1 : middle + 1], order[middle + 1 :])
    grudge.add_node(order[0])
    return grudge


def one_way(nodes: Nodes, random: Random) -> Grudge:
    """One node is deaf or mute: everything towards it, or everything from it, is lost."""
    victim = random.choice(list(nodes))
    others = [node for node in nodes if node != victim]
    deaf = random.random() < 0.5
    grudge: Grudge = nx.DiGraph()
    grudge.add_nodes_from(nodes)
    grudge.add_edges_from((node, victim) if deaf else (victim, node) for node in others)
    return grudge
