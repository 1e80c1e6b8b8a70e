"""Each flaw of reads and leases meets the schedule that exposes it; sound Raft is silent."""

from __future__ import annotations

import pytest

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.raft import Raft
from systems.raft.flaws_reads import FLAWS
from systems.raft.messages import Append, Appended
from systems.raft.stagecraft import recover
from systems.scenario import Scenario, Stage, check_flaw


async def an_old_leader_is_asked(stage: Stage) -> None:
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    await stage.sleep(SECOND_NS)
    stage.isolate(old)
    new = await stage.leader(other_than=old)
    await stage.client(new).write("x", 2)
    stage.begin(stage.pinned(old).read, "x")
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def a_laggard_is_asked(stage: Stage) -> None:
    leader = await stage.leader()
    laggard, *_ = stage.others(leader)
    stage.cut(leader, laggard)
    await stage.client(leader).write("x", 1)
    stage.begin(stage.pinned(laggard).read, "x")
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def a_new_leader_is_asked_at_once(stage: Stage) -> None:
    """It has the last write in its log, but nobody has told it that this is committed; its own
    first entry gets lost on the way."""
    old = await stage.leader()
    client = stage.client(old)
    await client.write("x", 1)
    await stage.sleep(100 * MILLISECOND_NS)
    await client.write("x", 2)
    stage.crash(old)
    rule = stage.drop(Append, when=lambda message: message.entries)
    await stage.until(lambda: stage.world.leader() is not None, "another leader")
    new = stage.world.leader()
    assert new is not None
    stage.begin(stage.pinned(new).read, "x")
    await stage.sleep(100 * MILLISECOND_NS)
    rule.end()
    await recover(stage)


async def late_answers_to_an_earlier_question(stage: Stage) -> None:
    """The old leader has asked whether it still leads, and the answers are on their way while
    another one is elected and takes a write."""
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    held = stage.hold(Appended, destination=old)
    stage.begin(stage.pinned(old, timeout_ns=5 * SECOND_NS).read, "x")
    await stage.sleep(5 * MILLISECOND_NS)
    held.end()
    stage.isolate(old)
    new = await stage.leader(other_than=old)
    await stage.client(new).write("x", 2)
    late = stage.begin(stage.pinned(old).read, "x")
    await stage.sleep(MILLISECOND_NS)
    for follower in stage.others(old, new):
        stage.act(["mend", follower, old])
    held.release()
    await stage.until(lambda: late.ended, "the late read to end")
    await recover(stage)


async def slow_answers_renew_a_lease(stage: Stage) -> None:
    """The answers to a leader's last messages reach it when its followers' patience is nearly
    over."""
    old = await stage.leader()
    await stage.sleep(SECOND_NS)
    held = stage.hold(Appended, destination=old)
    leadership = stage.node(old).leadership
    last = leadership.round
    await stage.until(lambda: leadership.round > last, "a heartbeat")
    await stage.sleep(MILLISECOND_NS)
    held.end()
    for follower in stage.others(old):
        stage.cut(old, follower)
    await stage.sleep(140 * MILLISECOND_NS)
    held.release()
    await stage.sleep(MILLISECOND_NS)
    stage.isolate(old)
    await stage.leader(other_than=old)
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def a_leader_hands_over_and_hears_no_more(stage: Stage) -> None:
    old = await stage.leader()
    await stage.sleep(SECOND_NS)
    stage.order(old, "transfer", stage.others(old)[0])
    await stage.until(lambda: stage.world.goals.get("transfer-begun"), "it to hand over")
    for other in stage.others(old):
        stage.cut(other, old)
    await stage.leader(other_than=old)
    await stage.sleep(SECOND_NS)
    await recover(stage)


SCHEDULES: dict[str, tuple[Scenario, str]] = {
    "stale-read": (an_old_leader_is_asked, "linearizability"),
    "follower-read": (a_laggard_is_asked, "linearizability"),
    "no-read-barrier": (a_new_leader_is_asked_at_once, "linearizability"),
    "round-under-way": (late_answers_to_an_earlier_question, "linearizability"),
    "lease-from-receipt": (slow_answers_renew_a_lease, "lease-disjointness"),
    "endless-lease": (an_old_leader_is_asked, "linearizability"),
    "lease-kept-in-transfer": (a_leader_hands_over_and_hears_no_more, "lease-disjointness"),
}


@pytest.mark.parametrize("flaw", SCHEDULES)
def test_the_schedule_exposes_the_flaw_and_no_other(flaw: str) -> None:
    scenario, alarm = SCHEDULES[flaw]
    flawed = Raft(flaw=flaw)
    check_flaw(flawed, Raft(options=flawed.options), scenario, alarm=alarm)


def test_every_flaw_has_its_schedule() -> None:
    assert list(SCHEDULES) == [planted.flaw.name for planted in FLAWS]
