"""Every shape of partition: by a table for small clusters, by properties for all up to nine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeses.grudges import bridge, halves, isolate, majorities_ring, one_way

Shape = Callable[[Sequence[int], Random], Any]
Edges = set[tuple[int, int]]

SHAPES: dict[str, Shape] = {
    "isolate": isolate,
    "halves": halves,
    "majorities-ring": majorities_ring,
    "bridge": bridge,
    "one-way": one_way,
}

#: Enough for shapes this small, and no clock: machines may be slow.
bounded = settings(max_examples=60, deadline=None)

clusters = st.integers(2, 9).map(lambda size: list(range(1, size + 1)))
randoms = st.integers(0, 2**32).map(Random)


def cut_of(grudge: Any) -> Edges:
    return set(grudge.edges)


def both_ways(pairs: Edges) -> Edges:
    return pairs | {(b, a) for a, b in pairs}


def hears(node: int, nodes: Sequence[int], cut: Edges) -> frozenset[int]:
    """Whom `node` hears, itself included."""
    return frozenset(other for other in nodes if (other, node) not in cut)


def groups(nodes: Sequence[int], cut: Edges) -> list[frozenset[int]]:
    """The connected components of what is left, found by spreading out; links must be mutual."""
    left, found = set(nodes), []
    while left:
        group, grown = set(), {min(left)}
        while grown != group:
            group = grown
            grown = group | {b for a in group for b in nodes if b != a and (a, b) not in cut}
        found.append(frozenset(group))
        left -= group
    return found


# How many links are cut in a cluster of that size: whatever is drawn, the number is the same.
TABLE = {
    # size:             1  2  3  4   5   6   7   8   9
    "isolate":         (0, 2, 4, 6, 8, 10, 12, 14, 16),
    "halves":          (0, 2, 4, 8, 12, 18, 24, 32, 40),
    "majorities-ring": (0, 0, 0, 4, 10, 6, 14, 24, 36),
    "bridge":          (0, 0, 2, 4, 8, 12, 18, 24, 32),
    "one-way":         (0, 1, 2, 3, 4, 5, 6, 7, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_the_number_of_links_that_are_cut(name: str) -> None:
    for size, expected in enumerate(TABLE[name], 1):
        nodes = list(range(1, size + 1))
        for seed in range(20):
            assert len(cut_of(SHAPES[name](nodes, Random(seed)))) == expected, (size, seed)


@pytest.mark.parametrize("name", SHAPES)
@bounded
@given(nodes=clusters, seed=st.integers(0, 2**32))
def test_a_shape_is_decided_by_its_draws_and_stays_within_the_cluster(
    name: str, nodes: list[int], seed: int
) -> None:
    grudge = SHAPES[name](nodes, Random(seed))
    assert set(grudge.nodes) == set(nodes)
    assert cut_of(grudge) == cut_of(SHAPES[name](nodes, Random(seed)))
    assert all(a != b for a, b in grudge.edges), "nobody is cut off from himself"


@bounded
@given(nodes=clusters, random=randoms)
def test_isolate_leaves_one_alone_and_the_others_together(nodes: list[int], random: Random) -> None:
    cut = cut_of(isolate(nodes, random))
    assert cut == both_ways(cut)
    assert sorted(map(len, groups(nodes, cut))) == sorted([1, len(nodes) - 1])


@bounded
@given(nodes=clusters, data=st.data())
def test_isolate_takes_the_victim_that_it_is_given(nodes: list[int], data: Any) -> None:
    victim = data.draw(st.sampled_from(nodes))
    cut = cut_of(isolate(nodes, Random(1), victim=victim))
    assert cut == both_ways({(victim, other) for other in nodes if other != victim})


@bounded
@given(nodes=clusters, random=randoms)
def test_halves_are_two_groups_with_every_link_between_them_cut_both_ways(
    nodes: list[int], random: Random
) -> None:
    cut = cut_of(halves(nodes, random))
    parts = groups(nodes, cut)
    assert sorted(map(len, parts)) == [len(nodes) // 2, len(nodes) - len(nodes) // 2]
    one, other = parts
    assert cut == both_ways({(a, b) for a in one for b in other})


@bounded
@given(nodes=clusters, random=randoms)
def test_in_a_ring_everybody_hears_a_majority_and_links_are_mutual(
    nodes: list[int], random: Random
) -> None:
    cut = cut_of(majorities_ring(nodes, random))
    assert cut == both_ways(cut)
    heard = [hears(node, nodes, cut) for node in nodes]
    assert all(node in who for node, who in zip(nodes, heard, strict=True))
    assert all(2 * len(who) > len(nodes) for who in heard)


@bounded
@given(nodes=st.integers(4, 9).map(lambda size: list(range(1, size + 1))), random=randoms)
def test_in_a_ring_of_four_and_more_no_two_nodes_hear_the_same(
    nodes: list[int], random: Random
) -> None:
    cut = cut_of(majorities_ring(nodes, random))
    heard = [hears(node, nodes, cut) for node in nodes]
    assert len(set(heard)) == len(nodes)


@bounded
@given(random=randoms)
def test_in_a_ring_of_five_the_majorities_are_the_smallest_there_are(random: Random) -> None:
    nodes = [1, 2, 3, 4, 5]
    cut = cut_of(majorities_ring(nodes, random))
    assert all(len(hears(node, nodes, cut)) == 3 for node in nodes)
    assert len(groups(nodes, cut)) == 1, "it is one ring, not two"


@bounded
@given(nodes=st.integers(3, 9).map(lambda size: list(range(1, size + 1))), random=randoms)
def test_a_bridge_joins_two_groups_that_do_not_hear_each_other(
    nodes: list[int], random: Random
) -> None:
    cut = cut_of(bridge(nodes, random))
    assert cut == both_ways(cut)
    spans = [node for node in nodes if hears(node, nodes, cut) == set(nodes)]
    assert len(spans) == 1
    rest = [node for node in nodes if node not in spans]
    parts = groups(rest, cut)
    assert sorted(map(len, parts)) == [len(rest) // 2, len(rest) - len(rest) // 2]


@bounded
@given(nodes=clusters, random=randoms)
def test_one_way_makes_one_node_deaf_or_mute(nodes: list[int], random: Random) -> None:
    cut = cut_of(one_way(nodes, random))
    everything = set(permutations(nodes, 2))
    deaf = [n for n in nodes if cut == {link for link in everything if link[1] == n}]
    mute = [n for n in nodes if cut == {link for link in everything if link[0] == n}]
    # of two nodes, one is deaf because the other is mute
    assert len(deaf) + len(mute) == (2 if len(nodes) == 2 else 1)


@pytest.mark.parametrize("name", SHAPES)
def test_every_node_has_its_turn(name: str) -> None:
    """Drawn often enough, a shape differs from draw to draw as much as it can with five nodes."""
    nodes = [1, 2, 3, 4, 5]
    seen = {frozenset(cut_of(SHAPES[name](nodes, Random(seed)))) for seed in range(300)}
    ways = {
        "isolate": 5,
        "halves": len(list(combinations(nodes, 2))),
        "majorities-ring": 12,  # five nodes sit in a ring in 4!/2 ways
        "bridge": 5 * 3,  # the node between, and the ways to pair the other four
        "one-way": 2 * 5,
    }
    assert len(seen) == ways[name]
