"""Each invariant fires on a doctored replica, and stays silent on what sound nodes do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from harness import Experiment, seconds
from harness.invariant import InvariantViolated
from harness.node import NodeStatus
from harness.runner import run
from systems.invariants import (
    AckSoundness,
    CommitMonotone,
    ElectionSafety,
    LeaderAppendOnly,
    LeaderCompleteness,
    LeaseDisjointness,
    LogMatching,
    NodeInvariant,
    StateAgreement,
    StateMachineSafety,
    TermMonotone,
    VoteOnce,
    Watch,
    of_terms,
)
from systems.raft.log import Log
from systems.raft.messages import Entry


class Replica:
    """A replica that says whatever the test wants."""

    def __init__(self, terms: str = "", **attributes: Any) -> None:
        self.role = "follower"
        self.term = 1
        self.voted_for = 0
        self.votes: set[int] = set()
        self.committed = self.applied = 0
        self.state = b""
        self.lease_until_ns = 0
        self.sessions = SimpleNamespace(snapshot=lambda: self.state)
        self.write(terms)
        self.durable = self.log.last_index
        self.set(**attributes)

    def write(self, terms: str) -> None:
        """A log with an entry of each of these terms; the entry at an index tells its term."""
        self.log = Log()
        for index, term in enumerate(terms, 1):
            self.log.append(Entry(int(term), 1, index, f"{term} at {index}"))

    def set(self, **attributes: Any) -> Replica:
        self.__dict__.update(attributes)
        return self

    def matches(self, **match: int) -> Replica:
        progress = {int(node[1:]): SimpleNamespace(match=index) for node, index in match.items()}
        self.leadership = SimpleNamespace(progress=progress)
        return self

    def status(self) -> NodeStatus:
        return NodeStatus(role=self.role, term=self.term, lease_until_ns=self.lease_until_ns)


class World:
    """A world in which time passes and one clock is fast."""

    def __init__(self) -> None:
        self.now_ns = 0

    def true_time_ns(self, node: int, local_ns: int) -> int:
        return local_ns - 50 if node == 9 else local_ns


#: What happens: (node, replica, what changes in it); None for a pause of 200 ms.
Events = Sequence[tuple[int, Replica, dict[str, Any]] | None]


def observe(invariant: NodeInvariant | Watch, events: Events) -> None:
    world = World()
    for event in events:
        if event is None:
            world.now_ns += 200_000_000
            continue
        node, replica, changes = event
        world.now_ns += 1
        if "terms" in changes:
            replica.write(changes["terms"])
        replica.set(**{name: value for name, value in changes.items() if name != "terms"})
        invariant.observe(world, node, replica)


def leads(term: int, terms: str = "", **more: Any) -> Replica:
    return Replica(terms, role="leader", term=term, **more)


def two_leaders() -> Events:
    return [(1, leads(3), {}), (2, leads(4), {}), (3, leads(3), {})]


def one_vote_for_two() -> Events:
    one = Replica(role="candidate", term=2, voted_for=1, votes={1})
    other = Replica(role="candidate", term=2, voted_for=2, votes={2, 3})
    return [(1, one, {}), (2, other, {}), (1, one, {"votes": {1, 3}})]


def votes_that_make_two_leaders() -> Events:
    one, other = leads(2, voted_for=1, votes={1, 3}), leads(2, voted_for=2, votes={2, 3})
    return [(1, one, {}), (2, other, {})]


def a_vote_of_another_term() -> Events:
    voter = Replica(term=2, voted_for=1)
    return [(3, voter, {}), (1, Replica(role="candidate", term=3, voted_for=1, votes={1, 3}), {})]


def a_vote_for_another() -> Events:
    voter = Replica(term=2, voted_for=2)
    return [(3, voter, {}), (1, Replica(role="candidate", term=2, voted_for=1, votes={1, 3}), {})]


def a_vote_is_forgotten() -> Events:
    return [
        (3, Replica(), {"term": 2, "voted_for": 1}),
        (1, Replica(role="candidate", term=2, voted_for=1, votes={1, 3}), {}),
        (3, Replica(), {"term": 2, "voted_for": 0}),
    ]


def a_term_is_forgotten() -> Events:
    return [(1, leads(2, voted_for=1, votes={1, 3}), {}), (3, Replica(), {"term": 1})]


def a_vote_is_changed() -> Events:
    voter = Replica()
    return [(3, voter, {"term": 2, "voted_for": 1}), (3, voter, {"voted_for": 2})]


def a_term_goes_back() -> Events:
    node = Replica(term=5)
    return [(1, node, {}), (1, node, {"term": 4})]


def a_leader_truncates() -> Events:
    leader = leads(2, "1122")
    return [(1, leader, {}), (1, leader, {"log": Replica("112").log})]


def a_leader_replaces() -> Events:
    leader = leads(3, "112")
    return [(1, leader, {}), (1, leader, {"terms": "113"})]


def other_entry_of_one_term() -> Events:
    strange = Replica("1")
    strange.log.append(Entry(1, 9, 9, "strange"))
    return [(1, Replica("11"), {}), (2, strange, {})]


def other_past_of_one_entry() -> Events:
    other = Replica("2")
    other.log.append(Replica("13").log.at(2))
    return [(1, Replica("13"), {}), (2, other, {})]


def replaced_unseen_below() -> Events:
    """The last entry stays, so that only the one before it tells."""
    forged = Replica("1")
    forged.log.append(Entry(1, 9, 9, "forged"))
    node = Replica("11")
    return [(1, Replica("11"), {}), (1, node, {}), (1, node, {"log": forged.log})]


def elected_without_committed() -> Events:
    return [(1, leads(1, "111"), {"committed": 2}), (2, leads(2, "1"), {})]


def elected_with_another_entry() -> Events:
    return [(1, leads(2, "12"), {"committed": 2}), (3, leads(4, "13"), {})]


def an_ack_beyond_the_disk() -> Events:
    leader = leads(1, "111").matches(n2=3)
    return [(2, Replica("111", durable=2), {}), (1, leader, {"committed": 3})]


def an_ack_for_another_entry() -> Events:
    leader = leads(3, "113", committed=0).matches(n2=3)
    return [(2, Replica("112", term=3), {}), (1, leader, {"committed": 1})]


def two_decisions() -> Events:
    return [(1, Replica("12"), {"committed": 2}), (2, Replica("13"), {"committed": 2})]


def a_decision_after_a_restart() -> Events:
    return [(1, Replica("12"), {"committed": 2}), (1, Replica("13"), {"committed": 2})]


def a_commit_taken_back() -> Events:
    node = Replica("111")
    return [(1, node, {"committed": 3, "applied": 3}), (1, node, {"committed": 2, "applied": 2})]


def committed_without_log() -> Events:
    return [(1, Replica("11"), {"committed": 3})]


def applied_before_committed() -> Events:
    return [(1, Replica("11"), {"committed": 1, "applied": 2})]


def log_shorter_than_committed() -> Events:
    node = Replica("11")
    return [(1, node, {"committed": 2}), (1, node, {"terms": "1"})]


def other_states_at_a_stride() -> Events:
    one, other = Replica(), Replica()
    return [
        (1, one, {}),
        (2, other, {}),
        (1, one, {"applied": 32, "state": b"a"}),
        (2, other, {"applied": 32, "state": b"b"}),
    ]


def other_states_at_rest() -> Events:
    one, other = Replica(applied=5, state=b"a"), Replica(applied=5, state=b"b")
    return [(1, one, {}), (2, other, {}), None, (1, one, {}), (2, other, {})]


def overlapping_leases() -> Events:
    return [(1, leads(1, lease_until_ns=100), {}), (2, leads(2, lease_until_ns=100), {})]


FIRES: dict[str, tuple[Callable[[], NodeInvariant], Callable[[], Events], str]] = {
    scenario.__name__: (invariant, scenario, reason)
    for invariant, scenario, reason in (
        (ElectionSafety, two_leaders, "two leaders"),
        (VoteOnce, one_vote_for_two, "counts for two"),
        (VoteOnce, votes_that_make_two_leaders, "counts for two"),
        (VoteOnce, a_vote_of_another_term, "not given"),
        (VoteOnce, a_vote_for_another, "not given"),
        (VoteOnce, a_vote_is_forgotten, "forgotten"),
        (VoteOnce, a_term_is_forgotten, "forgotten"),
        (VoteOnce, a_vote_is_changed, "given twice"),
        (TermMonotone, a_term_goes_back, "went back"),
        (LeaderAppendOnly, a_leader_truncates, "its own log"),
        (LeaderAppendOnly, a_leader_replaces, "its own log"),
        (LogMatching, other_entry_of_one_term, "two entries"),
        (LogMatching, other_past_of_one_entry, "two entries"),
        (LogMatching, replaced_unseen_below, "two entries"),
        (LeaderCompleteness, elected_without_committed, "lacks"),
        (LeaderCompleteness, elected_with_another_entry, "lacks"),
        (AckSoundness, an_ack_beyond_the_disk, "not true"),
        (AckSoundness, an_ack_for_another_entry, "not true"),
        (StateMachineSafety, two_decisions, "decided at one index"),
        (StateMachineSafety, a_decision_after_a_restart, "decided at one index"),
        (CommitMonotone, a_commit_taken_back, "taken back"),
        (CommitMonotone, committed_without_log, "than there is"),
        (CommitMonotone, applied_before_committed, "than there is"),
        (CommitMonotone, log_shorter_than_committed, "than there is"),
        (StateAgreement, other_states_at_a_stride, "different states"),
        (StateAgreement, other_states_at_rest, "different states"),
        (LeaseDisjointness, overlapping_leases, "one time"),
    )
}


@pytest.mark.parametrize("name", FIRES)
def test_it_fires_on_a_doctored_replica(name: str) -> None:
    make, events, reason = FIRES[name]
    with pytest.raises(InvariantViolated, match=reason) as caught:
        observe(make(), events())
    assert caught.value.invariant == make().name


@pytest.mark.parametrize("name", FIRES)
def test_it_fires_behind_a_watch_too(name: str) -> None:
    make, events, _ = FIRES[name]
    with pytest.raises(InvariantViolated):
        observe(Watch([make()]), events())


def a_restart_before_the_vote_was_sent() -> Events:
    return [
        (3, Replica(), {"term": 2, "voted_for": 1}),
        (1, Replica(role="candidate", term=2, votes={1}), {}),
        (3, Replica(), {"term": 1}),
        (3, Replica(), {"term": 2, "voted_for": 2}),
        (2, leads(2, voted_for=2, votes={2, 3}), {}),
    ]


def a_candidate_crashes_before_it_asks() -> Events:
    return [
        (1, Replica(role="candidate", term=2, voted_for=1, votes={1}), {}),
        (1, Replica(term=1), {}),
    ]


def a_follower_truncates() -> Events:
    node = Replica("112")
    return [(1, node, {"committed": 2}), (1, node, {"terms": "113", "term": 3})]


def a_leader_compacts() -> Events:
    leader = leads(1, "1111", committed=3)
    after = Log()
    after.base_index, after.base_term, after.last_index = 2, 1, 4
    after.entries = leader.log.entries[2:]
    return [(1, leader, {}), (1, leader, {"log": after}), (1, leader, {"committed": 4})]


def a_node_restarts_behind() -> Events:
    return [
        (1, Replica("111"), {"committed": 3, "applied": 3}),
        (1, Replica("111"), {"committed": 0, "applied": 0}),
    ]


def leases_one_after_the_other() -> Events:
    old = leads(1, lease_until_ns=100)
    return [(1, old, {}), None, (2, leads(2, lease_until_ns=300_000_000), {}), (1, old, {})]


def a_fast_clock_shortens_a_lease() -> Events:
    return [(9, leads(1, lease_until_ns=51), {}), (2, leads(2, lease_until_ns=100), {})]


def an_ack_of_an_earlier_term() -> Events:
    leader = leads(1, "111").matches(n2=3)
    return [(2, Replica("12", term=2), {}), (1, leader, {"committed": 3})]


def the_vote_stays_after_a_restart() -> Events:
    return [
        (1, leads(2, voted_for=1, votes={1, 3}), {}),
        (3, Replica(), {"term": 2, "voted_for": 1}),
        (3, Replica(), {"term": 3}),
    ]


@pytest.mark.parametrize(
    "events",
    [
        a_restart_before_the_vote_was_sent,
        a_candidate_crashes_before_it_asks,
        a_follower_truncates,
        a_leader_compacts,
        a_node_restarts_behind,
        leases_one_after_the_other,
        a_fast_clock_shortens_a_lease,
        an_ack_of_an_earlier_term,
        the_vote_stays_after_a_restart,
    ],
)
def test_all_are_silent_about_what_sound_nodes_do(events: Callable[[], Events]) -> None:
    played = events()
    for event in played:
        if event and not hasattr(event[1], "leadership"):
            event[1].matches()
    (watch,) = of_terms(leases=True)
    observe(watch, played)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_are_silent_about_sound_raft_under_faults(seed: int) -> None:
    experiment = Experiment(nemesis="partition,kill,pause,delay", time_limit_ns=seconds(15))
    assert run(experiment, seed).violation is None
