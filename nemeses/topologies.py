"""Which links work in the partial-connectivity scenarios: undirected graphs, and one-way cuts.

The letters are roles, given to nodes when a scenario begins: C is the leader, A the hub, B and D
and so on the others. Links that a graph does not have are cut, in both directions.

>>> sorted(star("A", "ABCDE").edges)
[('A', 'B'), ('A', 'C'), ('A', 'D'), ('A', 'E')]
>>> sorted(cut_links(star("A", "ABC")))
[('B', 'C'), ('C', 'B')]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise, permutations
from typing import TypeAlias

import networkx as nx

Graph: TypeAlias = "nx.Graph[str]"
Link = tuple[str, str]


def full(roles: Sequence[str]) -> Graph:
    """Everybody hears everybody."""
    graph: Graph = nx.Graph()
    graph.add_nodes_from(roles)
    graph.add_edges_from(combinations(roles, 2))
    return graph


def only(roles: Sequence[str], *links: str) -> Graph:
    """Exactly the given links work; a link is two letters. Links of absent roles are ignored."""
    graph: Graph = nx.Graph()
    graph.add_nodes_from(roles)
    graph.add_edges_from((link[0], link[1]) for link in links if set(link) <= set(roles))
    return graph


def without(roles: Sequence[str], *links: str) -> Graph:
    """All links but the given ones work."""
    graph = full(roles)
    graph.remove_edges_from((link[0], link[1]) for link in links)
    return graph


def star(hub: str, roles: Sequence[str]) -> Graph:
    """Everybody hears the hub and nobody else."""
    return only(roles, *(hub + role for role in roles if role != hub))


def line(*roles: str) -> Graph:
    """Everybody hears the neighbours in the line."""
    return only(roles, *(a + b for a, b in pairwise(roles)))


def alone(role: str, roles: Sequence[str]) -> Graph:
    """One node hears nobody; the others all hear each other."""
    return without(roles, *(role + other for other in roles if other != role))


def cut_links(graph: Graph) -> Iterable[Link]:
    """The directed links that `graph` does not have."""
    return ((a, b) for a, b in permutations(graph.nodes, 2) if not graph.has_edge(a, b))
