"""Each flaw of elections meets the schedule that exposes it; sound Raft is silent on the same."""

from __future__ import annotations

from typing import Any

import pytest

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.raft import Raft
from systems.raft.flaws_elections import FLAWS
from systems.raft.messages import Conflict, RequestVote, TimeoutNow, Vote
from systems.raft.stagecraft import only_candidate, recover, stands_alone
from systems.scenario import Scenario, Stage, check_flaw


async def a_voter_restarts(stage: Stage) -> None:
    leader = await stage.leader()
    voter = next(node for node in sorted(stage.node(leader).votes) if node != leader)
    stage.crash(voter)
    stage.restart(voter)
    await recover(stage)


async def a_voter_crashes_while_its_disk_is_busy(stage: Stage) -> None:
    def candidate() -> Any:
        return next(
            (
                stage.node(node)
                for node in stage.nodes
                if stage.node(node).role == "candidate" and len(stage.node(node).votes) > 1
            ),
            None,
        )

    await stage.until(candidate, "a vote to be counted")
    asking = candidate()
    voter = next(node for node in sorted(asking.votes) if node != asking.context.id)
    stage.crash(voter)
    stage.restart(voter)
    await recover(stage)


async def two_stand_at_once(stage: Stage) -> None:
    """The leader hands over to one node, gives that up, and hands over to another; both hear of
    it at the same instant."""
    old = await stage.leader()
    one, other, *_ = stage.others(old)
    held = stage.hold(TimeoutNow)
    stage.order(old, "transfer", one)
    await stage.until(lambda: stage.world.goals.get("transfer-abandoned"), "the first to fail")
    stage.order(old, "transfer", other)
    await stage.until(lambda: any(message[1] == other for message in held.held), "the second")
    held.release()
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def a_long_tail_comes_back(stage: Stage) -> None:
    old = await stage.leader()
    await stage.client(old).write("x", "first")
    stage.isolate(old)
    for value in range(10):
        stage.begin(stage.pinned(old).write, "x", value)
    new = await stage.leader(other_than=old)
    await stage.client(new).write("x", "kept")
    await stage.sleep(100 * MILLISECOND_NS)
    await stands_alone(stage, old, after=new)
    await recover(stage)


async def a_laggard_stands_alone(stage: Stage) -> None:
    leader = await stage.leader()
    laggard, *_ = stage.others(leader)
    stage.cut(leader, laggard)
    await stage.client(leader).write("x", 1)
    await stands_alone(stage, laggard, after=leader)
    await recover(stage)


async def two_halves(stage: Stage) -> None:
    leader = await stage.leader()
    stage.isolate(leader, stage.others(leader)[0])
    await stage.sleep(3 * SECOND_NS)
    await recover(stage)


async def doubled_votes_in_a_minority(stage: Stage) -> None:
    leader = await stage.leader()
    stage.isolate(leader, stage.others(leader)[0])
    rule = stage.double(MILLISECOND_NS, Vote)
    await stage.sleep(3 * SECOND_NS)
    rule.end()
    await recover(stage)


async def votes_come_in_the_next_term(stage: Stage) -> None:
    old = await stage.leader()
    candidate, *_ = stage.others(old)
    node = stage.node(candidate)
    rule = only_candidate(stage, candidate)
    held = stage.hold(Vote, destination=candidate)
    stage.crash(old)
    await stage.until(lambda: len(held.held) >= 2, "votes to be on their way")
    stage.isolate(candidate)
    term = node.term
    await stage.until(lambda: node.term > term, "the next attempt")
    stage.heal()
    held.release()
    await stage.sleep(SECOND_NS)
    rule.end()
    await recover(stage)


async def one_vote_at_each_attempt(stage: Stage) -> None:
    old = await stage.leader()
    candidate, _, *others = stage.others(old)
    rules = [only_candidate(stage, candidate), stage.drop(Vote, source=others)]
    stage.crash(old)
    term = stage.node(candidate).term
    await stage.until(lambda: stage.node(candidate).term >= term + 3, "three attempts")
    for rule in rules:
        rule.end()
    await recover(stage)


async def nothing_happens(stage: Stage) -> None:
    await stage.leader(within_ns=5 * SECOND_NS)


async def a_stranger_to_the_leader_stands(stage: Stage) -> None:
    """It does not hear the leader, whom all others hear; the leader does not hear of it."""
    leader = await stage.leader()
    await stage.sleep(SECOND_NS)
    stranger, *_ = stage.others(leader)
    deaf = stage.drop(Conflict, destination=leader)
    stage.cut_both(leader, stranger)
    await stage.sleep(SECOND_NS)
    deaf.end()
    await recover(stage)


async def voters_restart_under_a_lease(stage: Stage) -> None:
    leader = await stage.leader()
    await stage.sleep(SECOND_NS)
    stranger, one, other, *_ = stage.others(leader)
    stage.cut_both(leader, stranger)
    held = stage.hold(RequestVote, source=stranger)
    await stage.until(lambda: held.held, "the stranger to stand")
    stage.isolate(leader)
    stage.crash(one, other)
    stage.restart(one, other)
    held.release()
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def the_term_is_learned_of_before_the_candidate_asks(stage: Stage) -> None:
    """A candidate's term gets to the voter by another way than its request for a vote, and both
    after the voter has heard the old leader again, which has a lease from that."""
    old = await stage.leader()
    voter, candidate = stage.others(old)
    term = stage.node(old).term
    await stage.client(old).write("x", 1)
    stage.isolate(old)
    request = stage.hold(RequestVote, source=candidate, when=lambda message: not message.trial)
    only = stage.drop(Vote, destination=voter)
    await stage.until(lambda: stage.node(candidate).term > term, "a candidate")
    only.end()
    refusal = stage.hold(Vote, source=candidate, destination=voter)
    await stage.until(lambda: refusal.held, "it to refuse a trial of the voter")
    stage.heal()
    stage.cut_both(old, candidate)
    await stage.until(stage.node(old).leadership.reads.has_lease, "a lease")
    stage.isolate(old)
    refusal.release()
    await stage.until(lambda: stage.node(voter).term > term, "the voter to learn of the term")
    request.release()
    await stage.sleep(10 * MILLISECOND_NS)
    stage.begin(stage.pinned(candidate).write, "x", 2)
    await stage.sleep(10 * MILLISECOND_NS)
    assert await stage.pinned(old).read("x") == 1, "by its lease"
    await stage.sleep(SECOND_NS)
    await recover(stage)


SCHEDULES: dict[str, tuple[Scenario, str, dict[str, Any]]] = {
    "vote-forgotten": (a_voter_restarts, "vote-once", {}),
    "term-forgotten": (a_voter_restarts, "vote-once", {}),
    "vote-before-sync": (
        a_voter_crashes_while_its_disk_is_busy,
        "vote-once",
        {"flush_ns": (20 * MILLISECOND_NS, 20 * MILLISECOND_NS)},
    ),
    "votes-again": (two_stand_at_once, "vote-once", {}),
    "longest-log-wins": (a_long_tail_comes_back, "leader-completeness", {}),
    "latest-term-wins": (a_laggard_stands_alone, "leader-completeness", {}),
    "half-is-a-quorum": (two_halves, "election-safety", {"nodes": 4}),
    "votes-counted-by-message": (doubled_votes_in_a_minority, "election-safety", {}),
    "late-votes-count": (votes_come_in_the_next_term, "vote-once", {}),
    "votes-kept": (one_vote_at_each_attempt, "vote-once", {}),
    "equal-patience": (nothing_happens, "stuck", {}),
    "disloyal-voter": (a_stranger_to_the_leader_stands, "lease-disjointness", {}),
    "fickle-voter": (
        the_term_is_learned_of_before_the_candidate_asks,
        "lease-disjointness",
        {"nodes": 3},
    ),
    "loud-after-restart": (voters_restart_under_a_lease, "lease-disjointness", {}),
}


@pytest.mark.parametrize("flaw", SCHEDULES)
def test_the_schedule_exposes_the_flaw_and_no_other(flaw: str) -> None:
    scenario, alarm, options = SCHEDULES[flaw]
    flawed = Raft(flaw=flaw)
    check_flaw(flawed, Raft(options=flawed.options), scenario, alarm=alarm, **options)


def test_every_flaw_has_its_schedule() -> None:
    assert list(SCHEDULES) == [planted.flaw.name for planted in FLAWS]
