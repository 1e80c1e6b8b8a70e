"""Each flaw of replication meets the schedule that exposes it; sound Raft is silent on the same."""

from __future__ import annotations

from typing import Any

import pytest

from harness.node import ClientReply
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.raft import Raft
from systems.raft.flaws_replication import FLAWS
from systems.raft.messages import Append, Appended
from systems.raft.stagecraft import has_entries, only_candidate, recover
from systems.scenario import Scenario, Stage, check_flaw


async def to_lead(stage: Stage, node: int) -> None:
    await stage.until(lambda: stage.node(node).role == "leader", f"n{node} to lead")


async def figure_8(stage: Stage) -> None:
    """Ongaro 2014, figure 3.7: a leader spreads what an earlier one left, and falls; a third one,
    who knows nothing of it, overwrites it."""
    one = await stage.leader()
    two, three, four, five = stage.others(one)
    await stage.client(one).write("x", 0)
    await stage.sleep(SECOND_NS)
    first_term = stage.node(one).term
    index = stage.node(one).log.last_index + 1

    rule = stage.drop(Append, source=one, destination=(three, four, five), when=has_entries)
    stage.begin(stage.pinned(one).write, "x", 1)
    await stage.until(lambda: stage.node(two).durable == index, "one copy")
    stage.crash(one)
    rule.end()

    rules = [only_candidate(stage, five), stage.drop(Append, source=five, when=has_entries)]
    await to_lead(stage, five)
    await stage.until(lambda: stage.node(five).durable == index, "its own entry there")
    stage.crash(five)
    for rule in rules:
        rule.end()

    rules = [
        only_candidate(stage, one),
        stage.drop(Append, when=lambda m: any(e.term > first_term for e in m.entries)),
    ]
    stage.restart(one)
    await to_lead(stage, one)
    await stage.until(lambda: stage.node(three).durable >= index, "a third copy")
    await stage.sleep(5 * MILLISECOND_NS)
    stage.crash(one)
    for rule in rules:
        rule.end()

    rule = only_candidate(stage, five)
    stage.restart(five)
    await to_lead(stage, five)
    rule.end()
    await recover(stage)


async def a_message_comes_again(stage: Stage) -> None:
    """Three entries are under way at once; the first message comes once more when all are stored
    and acknowledged, but not yet known to be committed."""
    leader = await stage.leader()
    follower, *_ = stage.others(leader)
    stage.double(800_000, Append, source=leader, destination=follower, when=has_entries, count=1)
    attempts = [stage.begin(stage.pinned(leader).write, "x", value) for value in (1, 2, 3)]
    for attempt in attempts:
        await attempt.end()
    await stage.client(leader).write("x", 4)
    await recover(stage)


async def an_old_tail_meets_a_new_leader(stage: Stage) -> None:
    old = await stage.leader()
    stage.isolate(old)
    for value in range(3):
        stage.begin(stage.pinned(old).write, "x", value)
    new = await stage.leader(other_than=old)
    client = stage.client(new)
    for value in range(10, 16):
        await client.write("x", value)
    stage.heal()
    await stage.sleep(200 * MILLISECOND_NS)
    await client.write("x", 20)
    await recover(stage)


async def an_old_tail_meets_the_next_but_one(stage: Stage) -> None:
    """Whoever leads now begins with its last entry, and goes back to where the old tail ends."""
    old = await stage.leader()
    stage.isolate(old)
    for value in range(3):
        stage.begin(stage.pinned(old).write, "x", value)
    new = await stage.leader(other_than=old)
    client = stage.client(new)
    for value in range(10, 16):
        await client.write("x", value)
    await stage.sleep(100 * MILLISECOND_NS)
    stage.crash(new)
    stage.heal()
    await stage.leader(other_than=new)
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def one_message_is_lost(stage: Stage) -> None:
    leader = await stage.leader()
    follower, *_ = stage.others(leader)
    stage.drop(Append, source=leader, destination=follower, when=has_entries, count=1)
    client = stage.pinned(leader)
    await client.write("x", 1)
    await client.write("x", 2)
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def a_new_leader_meets_a_laggard(stage: Stage) -> None:
    leader = await stage.leader()
    laggard, *_ = stage.others(leader)
    stage.drop(Append, source=leader, destination=laggard)
    for value in range(3):
        await stage.client(leader).write("x", value)
    await stage.sleep(100 * MILLISECOND_NS)
    stage.crash(leader)
    new = await stage.leader(other_than=leader)
    await stage.client(new).write("x", 9)
    await recover(stage)


async def acks_of_a_reign_come_in_the_next(stage: Stage) -> None:
    one = await stage.leader()
    friend, two, *others = stage.others(one)
    last = stage.node(one).log.last_index
    rule = stage.drop(Append, source=one, destination=(two, *others), when=has_entries)
    held = stage.hold(Appended, source=friend, destination=one)
    for value in range(6):
        stage.begin(stage.pinned(one).write, "x", value)
    await stage.until(lambda: stage.node(friend).durable == last + 6, "six copies")
    await stage.sleep(5 * MILLISECOND_NS)
    held.end()
    stage.isolate(one)
    alone = only_candidate(stage, two)
    await to_lead(stage, two)
    await stage.sleep(SECOND_NS)
    alone.end()
    rule.end()
    stage.heal()
    await stage.sleep(SECOND_NS)
    stage.order(two, "transfer", one)
    await to_lead(stage, one)
    held.release()
    await stage.sleep(10 * MILLISECOND_NS)
    await stage.client(one).write("x", 9)
    await recover(stage)


async def a_write(stage: Stage) -> None:
    await stage.client(await stage.leader()).write("x", 1)
    await recover(stage)


async def a_leader_alone_answers(stage: Stage) -> None:
    old = await stage.leader()
    stage.isolate(old)
    stage.begin(stage.pinned(old).write, "x", 1)
    await stage.leader(other_than=old)
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def another_entry_at_the_same_index(stage: Stage) -> None:
    old = await stage.leader()
    await stage.client(old).write("x", 0)
    stage.isolate(old)
    stage.begin(stage.pinned(old, timeout_ns=5 * SECOND_NS).write, "x", 1)
    new = await stage.leader(other_than=old)
    for value in range(3):
        await stage.client(new).write("y", value)
    stage.heal()
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def a_leader_that_hears_nobody_steps_down(stage: Stage) -> None:
    old = await stage.leader()
    rule = stage.drop(Appended, destination=old)
    stage.begin(stage.pinned(old, timeout_ns=2 * SECOND_NS).write, "x", 1)
    await stage.until(lambda: stage.node(old).role != "leader", "the leader to step down")
    rule.end()
    await recover(stage)


async def several_writes_at_once(stage: Stage) -> None:
    leader = await stage.leader()
    attempts = [stage.begin(stage.pinned(leader).write, f"k{i}", i) for i in range(6)]
    for attempt in attempts:
        await attempt.end()
    await stage.read_everywhere("k0", "k1", "k2", "k3", "k4", "k5")


async def an_answer_is_lost(stage: Stage) -> None:
    leader = await stage.leader()
    stage.drop(ClientReply, source=leader, count=1)
    await stage.client(leader).compare_and_set("x", None, 1)
    await recover(stage)


SLOW_DISK = {"flush_ns": (20 * MILLISECOND_NS, 20 * MILLISECOND_NS)}

SCHEDULES: dict[str, tuple[Scenario, str, dict[str, Any]]] = {
    "old-terms-commit": (figure_8, "leader-completeness", {}),
    "always-truncates": (a_message_comes_again, "ack-soundness", {}),
    "whole-log-acknowledged": (an_old_tail_meets_a_new_leader, "ack-soundness", {}),
    "commits-own-tail": (an_old_tail_meets_a_new_leader, "state-machine-safety", {}),
    "any-past": (an_old_tail_meets_the_next_but_one, "log-matching", {}),
    "gaps-accepted": (one_message_is_lost, "log-matching", {}),
    "rejection-counts": (a_new_leader_meets_a_laggard, "ack-soundness", {}),
    "old-acks-count": (acks_of_a_reign_come_in_the_next, "ack-soundness", {}),
    "ack-before-sync": (a_write, "ack-soundness", SLOW_DISK),
    "reply-before-commit": (a_leader_alone_answers, "linearizability", {}),
    "answers-by-index": (another_entry_at_the_same_index, "linearizability", {}),
    "definite-refusal": (a_leader_that_hears_nobody_steps_down, "linearizability", {}),
    "last-one-applied": (several_writes_at_once, "linearizability", {}),
    "no-sessions": (an_answer_is_lost, "linearizability", {}),
}


@pytest.mark.parametrize("flaw", SCHEDULES)
def test_the_schedule_exposes_the_flaw_and_no_other(flaw: str) -> None:
    scenario, alarm, options = SCHEDULES[flaw]
    flawed = Raft(flaw=flaw)
    check_flaw(flawed, Raft(options=flawed.options), scenario, alarm=alarm, **options)


def test_every_flaw_has_its_schedule() -> None:
    assert list(SCHEDULES) == [planted.flaw.name for planted in FLAWS]
