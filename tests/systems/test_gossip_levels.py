"""The published acknowledgement counts, as a table; and whom a level chooses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from systems.gossip.levels import LEVELS, NotEnoughNodes, Selector, required


def cluster(*sizes: int) -> dict[int, str]:
    """Nodes from 1 on, in data centres a, b, c, ... of these sizes."""
    places = [chr(ord("a") + index) for index, size in enumerate(sizes) for _ in range(size)]
    return dict(enumerate(places, 1))


def chosen(level: str, members: dict[int, str], node: int = 1, draw: int = 0) -> list[int]:
    selector = Selector(node, members[node], lambda bound: draw % bound)
    return selector.select(level, members, list(members))


#: Sizes of the data centres, the asking node being in the first; acknowledgements by level:
#: None, One, Two, Three, LocalQuorum, Quorum, EachQuorum, All. A dash is "not enough nodes".
COUNTS = {
    (1,): "0 - - - 0 0 0 0",
    (2,): "0 1 - - 1 1 1 1",
    (3,): "0 1 2 - 1 1 1 2",
    (4,): "0 1 2 3 2 2 2 3",
    (5,): "0 1 2 3 2 2 2 4",
    (1, 1): "0 1 - - 0 1 1 1",
    (3, 2): "0 1 2 3 1 2 3 4",
    (2, 3): "0 1 2 3 1 2 3 4",
    # one of each data centre in turn, whole rounds: Quorum asks one more than it must
    (2, 2, 1): "0 1 2 3 1 3 4 4",
    (3, 3, 3): "0 1 2 3 1 6 5 8",
    # as in the original's own account: 3 are needed, and 3 are asked
    (3, 2, 1): "0 1 2 3 1 3 4 5",
    (1, 1, 1, 1): "0 1 2 3 0 3 3 3",
}


@pytest.mark.parametrize("sizes", COUNTS)
def test_a_level_asks_as_many_as_published(sizes: tuple[int, ...]) -> None:
    found = []
    for level in ("None", "One", "Two", "Three", "LocalQuorum", "Quorum", "EachQuorum", "All"):
        try:
            found.append(str(len(chosen(level, cluster(*sizes)))))
        except NotEnoughNodes:
            found.append("-")
    assert " ".join(found) == COUNTS[sizes]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.sampled_from(LEVELS), st.data())
def test_copies_at_quorum_meet_and_nobody_is_asked_twice(
    sizes: list[int], level: str, data: st.DataObject
) -> None:
    members = cluster(*sizes)
    node = data.draw(st.sampled_from(sorted(members)))
    wanted = {"One": 1, "Two": 2, "Three": 3}.get(level, 0)
    if wanted >= len(members):
        with pytest.raises(NotEnoughNodes):
            chosen(level, members, node)
        return
    asked = chosen(level, members, node, data.draw(st.integers(0, 9)))
    assert node not in asked
    assert asked == sorted(set(asked))
    copies = [node, *asked]
    if level == "Quorum":
        assert 2 * len(copies) > len(members), "any two of them share a node"
    if level in ("LocalQuorum", "EachQuorum"):
        for place in {members[node]} if level == "LocalQuorum" else set(members.values()):
            held = sum(members[one] == place for one in copies)
            assert 2 * held > list(members.values()).count(place)
    if level == "All":
        assert sorted(copies) == sorted(members)


@pytest.mark.parametrize(("level", "asked"), [("One", [4]), ("Two", [4, 5]), ("Three", [2, 4, 5])])
def test_copies_go_to_other_data_centres_if_those_have_enough(level: str, asked: list[int]) -> None:
    assert chosen(level, cluster(3, 2)) == asked


def test_counted_levels_take_turns_within_a_data_centre() -> None:
    members = cluster(1, 3)
    selector = Selector(1, "a", lambda bound: 0)
    assert [selector.select("One", members, [2, 3, 4]) for _ in range(4)] == [[2], [3], [4], [2]]


def test_of_more_data_centres_than_copies_some_are_drawn() -> None:
    members = cluster(1, 1, 1, 1)
    assert {chosen("One", members, draw=draw)[0] for draw in range(4)} == {2, 3, 4}


@pytest.mark.parametrize(
    ("level", "live", "numbers"),
    [
        ("One", [], (0, 1)),
        ("Three", [2, 3], (2, 3)),
        ("Quorum", [2], (1, 2)),
        ("LocalQuorum", [4, 5], (0, 1)),
        ("EachQuorum", [2, 3, 4], (2, 3)),
        ("All", [2, 3, 4], (3, 4)),
    ],
)
def test_whoever_counts_but_is_not_live_is_missing(
    level: str, live: list[int], numbers: tuple[int, int]
) -> None:
    with pytest.raises(NotEnoughNodes, match=f"{level} needs {numbers[1]} other") as caught:
        Selector(1, "a", lambda bound: 0).select(level, cluster(3, 2), live)
    assert (caught.value.live, caught.value.required) == numbers


def test_counting_the_living_both_sides_of_a_partition_have_a_quorum() -> None:
    members = cluster(3, 2)
    sides = ([1, 2, 3], [4, 5])
    for side in sides:
        living = {node: members[node] for node in side}
        selector = Selector(side[0], members[side[0]], lambda bound: 0)
        assert selector.select("Quorum", living, side)


def test_an_unknown_level_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no consistency level called 'Qorum'.*'Quorum'"):
        required("Qorum", cluster(3), "a")
