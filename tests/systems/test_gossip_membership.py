"""Scuttlebutt: everybody learns everything, whatever is cut, lost, repeated or restarted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.units import SECOND_NS
from systems.gossip.failure_detector import FailureDetector
from systems.gossip.membership import Membership
from systems.gossip.options import PUBLISHED, GossipOptions

GRACE_NS = 10
SMALL = GossipOptions(gossip_bytes=110, fact_grace_ns=GRACE_NS)


def cluster(count: int, options: GossipOptions = SMALL) -> list[Membership]:
    return [Membership(node, 1, options) for node in range(1, count + 1)]


def exchange(one: Membership, other: Membership, now_ns: int = 0) -> None:
    """The handshake, without a network between."""
    for here, there in ((one, other), (other, one)):
        there.apply(here.delta(there.digest(now_ns), now_ns), now_ns)


def facts(membership: Membership, node: int) -> dict[str, Any]:
    peer = membership.peers.get(node)
    if peer is None:
        return {}
    return {key: fact.value for key, fact in peer.facts.items() if not fact.deleted}


def everybody_knows(members: list[Membership]) -> bool:
    return all(
        facts(here, there.node) == facts(there, there.node) for here in members for there in members
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 2), st.sampled_from("abcdef"), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.integers(0, 2), st.sampled_from("abcdef")),
        st.tuples(st.just("exchange"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("half"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("late"), st.integers(0, 2), st.integers(0, 9)),
        st.tuples(st.just("restart"), st.integers(0, 2)),
        st.tuples(
            st.just("wait"),
        ),
    ),
    max_size=40,
)


@settings(max_examples=250, deadline=None)
@given(STEPS)
def test_all_learn_all_and_versions_never_go_back(steps: list[tuple[Any, ...]]) -> None:
    members = cluster(3)
    now_ns = 0
    sent: list[Any] = []
    known: dict[tuple[int, int], tuple[int, ...]] = {}

    def look() -> None:
        for here in members:
            for peer in here.peers.values():
                version = (peer.generation, peer.gc_version, peer.max_version)
                assert version >= known.get((here.node, peer.node), version)
                known[here.node, peer.node] = version

    for name, *arguments in steps:
        match name:
            case "set":
                members[arguments[0]].set(arguments[1], arguments[2])
            case "delete":
                members[arguments[0]].delete(arguments[1], now_ns)
            case "exchange":
                exchange(members[arguments[0]], members[arguments[1]], now_ns)
            case "half":
                here, there = members[arguments[0]], members[arguments[1]]
                sent.append(here.delta(there.digest(now_ns), now_ns))
                there.apply(sent[-1], now_ns)
            case "late" if arguments[1] < len(sent):
                members[arguments[0]].apply(sent[arguments[1]], now_ns)
            case "restart":
                old = members[arguments[0]]
                members[arguments[0]] = Membership(old.node, old.own.generation + 1, SMALL)
                for place in [place for place in known if place[0] == old.node]:
                    del known[place]
            case "wait":
                now_ns += GRACE_NS + 1
        for membership in members:
            membership.collect(now_ns)
        look()
    for _ in range(40):
        for one in members:
            for other in members:
                exchange(one, other, now_ns)
        look()
    assert everybody_knows(members)


def test_a_delta_is_cut_at_its_budget_and_the_rest_follows() -> None:
    here, there = cluster(2)
    for number in range(20):
        here.set(f"fact {number}", "x" * 10)
    sizes = []
    while here.delta(there.digest(0)):
        (part,) = here.delta(there.digest(0))
        sizes.append(len(part.facts))
        there.apply((part,), 0)
    assert len(sizes) > 5
    assert sum(sizes) == 20
    assert facts(there, 1) == facts(here, 1)


def test_unknown_nodes_come_first_and_then_those_of_whom_most_is_lacking() -> None:
    members = cluster(4, GossipOptions())
    here, there = members[0], members[1]
    for other in members[2:]:
        other.set("a", 1)
        exchange(here, other)
    exchange(here, there)
    for number in range(3):
        members[3].set(f"b{number}", number)
    members[2].set("c", 1)
    for other in members[2:]:
        exchange(here, other)
    newcomer = Membership(5, 1, GossipOptions())
    newcomer.set("d", 1)
    exchange(here, newcomer)
    assert [part.node for part in here.delta(there.digest(0))] == [5, 4, 3]


def test_who_lags_behind_forgotten_deletions_is_sent_everything_anew() -> None:
    here, there = cluster(2, GossipOptions(fact_grace_ns=GRACE_NS))
    here.set("stays", 1)
    here.set("goes", 1)
    exchange(here, there)
    here.delete("goes", 0)
    here.collect(GRACE_NS + 1)
    assert here.own.facts.keys() == {"stays"}
    here.set("new", 1)
    exchange(here, there)
    assert facts(there, 1) == {"stays": 1, "new": 1}, "what was deleted is not left behind"


def test_a_new_life_replaces_the_old_one_and_an_old_delta_does_not_bring_it_back() -> None:
    here, there = cluster(2)
    here.set("colour", "red")
    old = here.delta(there.digest(0))
    there.apply(old, 0)
    again = Membership(1, 2, SMALL)
    again.set("taste", "sweet")
    exchange(again, there)
    there.apply(old, 0)
    assert facts(there, 1) == {"taste": "sweet"}


def test_long_dead_nodes_are_told_of_no_more_and_then_forgotten() -> None:
    options = GossipOptions(dead_grace_ns=100)
    here, gone = cluster(2, options)
    exchange(here, gone)
    here.dead_since_ns[2] = 0
    newcomer = Membership(3, 1, options)
    assert 2 in {node for node, *_ in here.digest(50)}
    assert 2 not in {node for node, *_ in here.digest(51)}
    assert {part.node for part in here.delta(newcomer.digest(51), 51)} == {1}
    assert here.collect(100) == []
    assert here.collect(101) == [2]
    assert here.meet(2, 1, 0, 102) is None, "no newer sign of life"
    assert here.meet(2, 1, 1, 102) is not None


# ---- the failure detector


def test_by_the_published_timings_detection_takes_35_s_at_first_and_then_8() -> None:
    detector = FailureDetector(PUBLISHED)
    detector.heartbeat(1, 0)
    assert not detector.is_alive(1, 0), "one heartbeat is none"
    detector.heartbeat(1, SECOND_NS)

    def silence_ns() -> int:
        last_ns = detector._windows[1].last_ns
        return next(
            wait
            for wait in range(0, 60 * SECOND_NS, SECOND_NS // 10)
            if (detector.phi(1, last_ns + wait) or 0) > PUBLISHED.phi_threshold
        )

    assert 30 * SECOND_NS < silence_ns() < 36 * SECOND_NS
    for number in range(2, 600):
        detector.heartbeat(1, number * SECOND_NS)
    assert 8 * SECOND_NS < silence_ns() < 9 * SECOND_NS


def test_long_silences_are_not_learnt_from_and_the_dead_begin_anew() -> None:
    options = GossipOptions(phi_prior_ns=1000, phi_longest_ns=10**9)
    detector = FailureDetector(options)
    detector.heartbeat(1, 0)
    detector.heartbeat(1, 1000)
    detector.heartbeat(1, 2 * 10**9)
    assert detector.phi(1, 2 * 10**9 + 8000) == pytest.approx(8.0)
    assert not detector.is_alive(1, 3 * 10**9)
    detector.heartbeat(1, 3 * 10**9 + 1)
    assert not detector.is_alive(1, 3 * 10**9 + 1), "it takes two to live again"
    detector.heartbeat(1, 3 * 10**9 + 1000)
    assert detector.is_alive(1, 3 * 10**9 + 1000)


def test_the_window_forgets_what_is_long_past() -> None:
    detector = FailureDetector(GossipOptions(phi_window=2, phi_prior_weight=0))
    for now_ns in (0, 900, 1000, 1100):
        detector.heartbeat(1, now_ns)
    assert detector.phi(1, 1200) == pytest.approx(1.0)
