"""Each flaw of snapshots and members meets the schedule that exposes it; sound Raft is silent."""

from __future__ import annotations

from typing import Any

import pytest

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.raft import Raft
from systems.raft.configuration import Configuration
from systems.raft.flaws_storage import FLAWS
from systems.raft.messages import CONFIGURATION, Append, Chunk
from systems.raft.stagecraft import only_candidate, recover, stands_alone
from systems.scenario import Scenario, Stage, check_flaw


async def fill(stage: Stage, leader: int, writes: int) -> None:
    client = stage.client(leader)
    for value in range(writes):
        await client.write("x", value)


async def a_laggard_gets_a_snapshot(stage: Stage) -> None:
    leader = await stage.leader()
    laggard, *_ = stage.others(leader)
    stage.isolate(laggard)
    await stage.client(leader).write("y", "only in the snapshot")
    await fill(stage, leader, 60)
    stage.heal()
    await stage.until(
        lambda: stage.node(laggard).applied == stage.node(leader).applied,
        "the laggard to catch up",
        within_ns=5 * SECOND_NS,
    )
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def a_snapshot_comes_again(stage: Stage) -> None:
    leader = await stage.leader()
    laggard, *_ = stage.others(leader)
    stage.isolate(laggard)
    await fill(stage, leader, 30)
    stage.double(500 * MILLISECOND_NS, Chunk, destination=laggard, count=1)
    stage.heal()
    await stage.until(lambda: stage.node(laggard).snapshot_index > 0, "the snapshot")
    await fill(stage, leader, 60)
    await stage.sleep(SECOND_NS)
    await recover(stage)


async def all_but_a_laggard_have_compacted_everything(stage: Stage) -> None:
    leader = await stage.leader()
    laggard, *_ = stage.others(leader)
    await fill(stage, leader, 2)
    stage.isolate(laggard)
    while stage.node(leader).log.entries:
        await fill(stage, leader, 1)
    await stage.sleep(100 * MILLISECOND_NS)
    await stands_alone(stage, laggard, after=leader)
    await recover(stage)


async def a_long_tail_meets_a_snapshot(stage: Stage) -> None:
    old = await stage.leader()
    stage.isolate(old)
    for value in range(60):
        stage.begin(stage.pinned(old).write, "x", -value)
    new = await stage.leader(other_than=old)
    await fill(stage, new, 30)
    stage.heal()
    await stage.until(lambda: stage.node(old).committed >= 30, "the old leader to catch up")
    await recover(stage)


async def the_members_of_a_snapshot_restart(stage: Stage) -> None:
    leader = await stage.leader()
    stage.order(leader, "reconfigure", [4, 5, 6])
    after = Configuration((4, 5, 6))
    await stage.until(
        lambda: all(stage.node(node).configuration == after for node in (4, 5, 6)),
        "the new voters to know",
    )
    await fill(stage, await stage.leader(other_than=leader), 30)
    await stage.sleep(100 * MILLISECOND_NS)
    stage.crash(*stage.nodes)
    stage.restart(4, 5, 6)
    await stage.leader(within_ns=5 * SECOND_NS)
    await recover(stage)


async def two_leaders_change_a_member_each(stage: Stage) -> None:
    """One adds a node and only tells that one; the other, in the next term, removes the first
    leader before anything of its own is committed (Ongaro, raft-dev, 2015)."""
    one = await stage.leader()
    two, three, four = (node for node in (1, 2, 3, 4) if node != one)

    def makes_five_a_voter(message: Append) -> bool:
        return any(
            entry.session == CONFIGURATION and 5 in entry.command[0] for entry in message.entries
        )

    untold = stage.drop(Append, destination=(two, three, four), when=makes_five_a_voter)
    stage.order(one, "assign", 5, "voter")
    await stage.until(lambda: 5 in stage.node(5).configuration.voters, "the newcomer to know")
    stage.isolate(one, 5)
    rules = [
        only_candidate(stage, two),
        stage.drop(Append, destination=four, when=lambda message: message.entries),
    ]
    await stage.until(lambda: stage.node(two).role == "leader", "the next leader")
    stage.order(two, "remove", one)
    await stage.sleep(100 * MILLISECOND_NS)
    stage.crash(two, three)
    for rule in [*rules, untold]:
        rule.end()
    stage.heal()
    await stage.sleep(3 * SECOND_NS)
    await recover(stage)


async def old_voters_know_nothing_of_the_new_ones(stage: Stage) -> None:
    leader = await stage.leader()
    stage.order(leader, "reconfigure", [leader, 4, 5])
    await stage.until(lambda: stage.node(leader).configuration.outgoing, "the joint way")
    stage.isolate(leader, 4, 5)
    await stage.sleep(2 * SECOND_NS)
    await recover(stage)


SCHEDULES: dict[str, tuple[Scenario, str, dict[str, Any]]] = {
    "sessions-not-in-snapshot": (a_laggard_gets_a_snapshot, "state-agreement", {}),
    "snapshot-without-state": (a_laggard_gets_a_snapshot, "state-agreement", {}),
    "older-snapshot-wins": (a_snapshot_comes_again, "commit-monotone", {}),
    "last-term-forgotten": (
        all_but_a_laggard_have_compacted_everything,
        "leader-completeness",
        {},
    ),
    "no-snapshots-sent": (a_laggard_gets_a_snapshot, "stuck", {}),
    "tail-kept": (a_long_tail_meets_a_snapshot, "log-matching", {}),
    "members-not-in-snapshot": (the_members_of_a_snapshot_restart, "stuck", {"nodes": 6}),
    "hasty-change": (two_leaders_change_a_member_each, "leader-completeness", {}),
    "new-majority-alone": (
        old_voters_know_nothing_of_the_new_ones,
        "leader-completeness",
        {},
    ),
}


@pytest.mark.parametrize("flaw", SCHEDULES)
def test_the_schedule_exposes_the_flaw_and_no_other(flaw: str) -> None:
    scenario, alarm, options = SCHEDULES[flaw]
    flawed = Raft(flaw=flaw)
    check_flaw(flawed, Raft(options=flawed.options), scenario, alarm=alarm, **options)


def test_every_flaw_has_its_schedule() -> None:
    assert list(SCHEDULES) == [planted.flaw.name for planted in FLAWS]
