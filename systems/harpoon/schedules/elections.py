"""Directed schedules for the flaws of elections."""

from __future__ import annotations

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.harpoon.messages import Canvass, RequestVote, Vote, Willing
from systems.harpoon.schedules.craft import LEASE_NS, Schedule, leads, two_candidates
from systems.scenario import Stage, Stuck, tried


async def two_ask_at_once(stage: Stage) -> None:
    """Two candidates of one term ask the same three voters, and not each other."""
    stage.drop(RequestVote, source=(1, 2), destination=(1, 2))
    await two_candidates(stage)
    await stage.sleep(SECOND_NS)
    await stage.leader()


async def a_voter_restarts(stage: Stage) -> None:
    """A voter restarts after its vote was counted, while the election is still undecided."""
    votes = stage.drop(Vote, destination=1, source=(3, 4, 5))
    ignored = stage.drop(Canvass, source=stage.others(1))
    await stage.until(lambda: 2 in stage.node(1).votes, "the vote of n2 to be counted")
    stage.crash(2)
    stage.restart(2)
    votes.end()
    ignored.end()
    await stage.leader()


async def a_long_tail_comes_back(stage: Stage) -> None:
    """A leader that is cut off collects entries; its successor commits fewer and crashes; the
    long log comes back and is needed for a quorum."""
    old = await stage.leader()
    stage.isolate(old)
    writes = [stage.begin(stage.pinned(old).write, f"lost{i}", i) for i in range(6)]
    new = await stage.leader(other_than=old)
    await stage.client(new).write("x", 1)
    for write in writes:
        await stage.until(lambda write=write: write.ended, "an isolated write to end")  # type: ignore[misc]
    third = next(node for node in stage.others(old, new))
    stage.crash(new, third)
    stage.heal()
    last = await stage.leader(other_than=new)
    await stage.client(last).read("x")


async def a_minority_hears_double(stage: Stage) -> None:
    """From the start two nodes are cut off from the other three, and answers are duplicated."""
    stage.isolate(4, 5)
    stage.double(MILLISECOND_NS, Willing, Vote)
    await stage.leader()
    await stage.sleep(SECOND_NS)


async def one_does_not_hear_the_leader(stage: Stage) -> None:
    """One node does not hear the leader for a while, and the others hear both. If that one is
    elected, the old leader is cut off and asked."""
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    rival = stage.others(old)[0]
    stage.cut_both(old, rival)
    try:
        await stage.until(lambda: leads(stage, rival), "the rival", within_ns=3 * LEASE_NS)
    except Stuck:
        return  # a leader with a quorum stays
    stage.isolate(old)
    await stage.leader(other_than=old)
    await stage.client(rival).write("x", 2)
    await tried(stage.pinned(old).read("x"))


async def the_leader_is_deaf(stage: Stage) -> None:
    """Nothing reaches the leader any more, but everybody hears it."""
    old = await stage.leader()
    for other in stage.others(old):
        stage.cut(other, old)
    new = await stage.leader(other_than=old, within_ns=6 * LEASE_NS)
    await stage.client(new).write("x", 2)


async def a_vote_is_split(stage: Stage) -> None:
    """Two candidates get two votes each and one node is down; then all is well."""
    stage.crash(5)
    split = [
        stage.drop(RequestVote, source=1, destination=(2, 4)),
        stage.drop(RequestVote, source=2, destination=(1, 3)),
    ]
    await two_candidates(stage)
    await stage.sleep(10 * MILLISECOND_NS)
    for rule in split:
        rule.end()
    await stage.leader(within_ns=LEASE_NS * 9 // 10)


async def the_hub_lags_behind(stage: Stage) -> None:
    """One node misses a write, and then is the only one that hears a quorum."""
    old = await stage.leader()
    hub, *others = stage.others(old)
    stage.cut_both(old, hub)
    await stage.client(old).write("x", 1)
    stage.isolate(old)
    for number, node in enumerate(others):
        stage.cut_both(node, *others[number + 1 :])
    new = await stage.leader(other_than=old, within_ns=6 * LEASE_NS)
    assert new == hub
    assert await stage.client(hub).read("x") == 1


SCHEDULES = {
    "two-votes-per-term": Schedule(scenario=two_ask_at_once, alarm="vote-once"),
    "vote-forgotten": Schedule(scenario=a_voter_restarts, alarm="vote-once"),
    "term-forgotten": Schedule(scenario=a_voter_restarts, alarm="vote-once"),
    "longest-log": Schedule(
        scenario=a_long_tail_comes_back,
        alarm="log-matching",
        alarm_of_clients="linearizability",
    ),
    "votes-per-message": Schedule(scenario=a_minority_hears_double, alarm="election-safety"),
    "votes-while-bound": Schedule(
        scenario=one_does_not_hear_the_leader,
        alarm="lease-disjointness",
        alarm_of_clients="linearizability",
    ),
    "captured-by-candidates": Schedule(
        scenario=the_leader_is_deaf, alarm="stuck", alarm_of_clients="stuck"
    ),
    "vote-is-a-lease": Schedule(scenario=a_vote_is_split, alarm="stuck", alarm_of_clients="stuck"),
    "no-log-transfer": Schedule(
        scenario=the_hub_lags_behind, alarm="stuck", alarm_of_clients="stuck"
    ),
}
