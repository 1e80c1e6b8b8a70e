"""Every planted flaw of Multi-Paxos, and the schedule that exposes it.

The same schedule must raise no alarm with the sound system. Nodes wait for a minute before they
give a leader up, so that nobody leads but whom the scenario makes lead.
"""

from __future__ import annotations

from typing import Any

import pytest

from systems.paxos.multi import MultiPaxos, MultiPaxosOptions
from systems.paxos.multi.messages import Promise, Propose
from systems.scenario import MILLISECOND_NS, SECOND_NS, Scenario, Stage, Stuck, play

MS = MILLISECOND_NS
QUIET = MultiPaxosOptions(round_ns=60 * SECOND_NS)
SLOW_DISK = {"flush_ns": (5 * MS, 5 * MS)}


async def lead(stage: Stage, node: int) -> None:
    """Make `node` lead; one that was cut off may have to stand up more than once."""
    for _ in range(10):
        stage.node(node).election.try_to_lead()
        for _ in range(10):
            await stage.sleep(3 * MS)
            if stage.node(node).leads:
                return
    raise Stuck(f"n{node} cannot be made to lead")


async def attempt(stage: Stage, function: Any, *arguments: Any) -> None:
    """An operation that may succeed or not."""
    going_on = stage.begin(function, *arguments)
    await stage.until(lambda: going_on.ended, "an attempt to end")


async def a_deposed_leader_is_asked(stage: Stage) -> None:
    await lead(stage, 5)
    await stage.client(5).write("x", 1)
    stage.isolate(5)
    await lead(stage, 4)
    await stage.client(4).write("x", 2)
    await attempt(stage, stage.pinned(5).read, "x")


async def a_new_leader_lacks_a_value(stage: Stage) -> None:
    await lead(stage, 5)
    stage.drop(Propose, destination=1)
    await stage.client(5).write("x", 1)
    stage.isolate(5)
    await lead(stage, 1)
    await attempt(stage, stage.client(1).read, "x")


async def a_new_leader_lacks_two_values(stage: Stage) -> None:
    await lead(stage, 5)
    stage.drop(Propose, destination=(1, 4))
    await stage.client(5).write("x", 1)
    await stage.client(5).write("x", 2)
    stage.isolate(5)
    await lead(stage, 1)
    await attempt(stage, stage.client(1).read, "x")


async def two_values_were_accepted_in_one_slot(stage: Stage) -> None:
    await lead(stage, 5)
    stage.isolate(5)
    await attempt(stage, stage.pinned(5, timeout_ns=10 * MS).write, "x", 1)
    stage.isolate(1)
    await lead(stage, 4)
    await stage.client(4).write("x", 2)
    stage.heal()
    stage.isolate(3, 4)
    stage.delay(5 * MS, Promise, source=2)
    await lead(stage, 1)
    await attempt(stage, stage.client(1).read, "x")


async def a_leader_with_one_follower_is_asked(stage: Stage) -> None:
    await lead(stage, 5)
    await stage.client(5).write("x", 1)
    stage.isolate(1, 5)
    await lead(stage, 4)
    await stage.client(4).write("x", 2)
    read = stage.begin(stage.pinned(5).read, "x")
    write = stage.begin(stage.pinned(5).write, "x", 3)
    await stage.until(lambda: read.ended and write.ended, "both attempts to end")


async def a_write_on_slow_disks(stage: Stage) -> None:
    await lead(stage, 5)
    await stage.client(5).write("x", 1)


SCHEDULES: list[tuple[str, Scenario, str, dict[str, Any]]] = [
    ("stale-read", a_deposed_leader_is_asked, "linearizability", {}),
    ("gap-filled", a_new_leader_lacks_a_value, "leader-completeness", {}),
    ("cut-promise", a_new_leader_lacks_two_values, "leader-completeness", {}),
    ("first-value", two_values_were_accepted_in_one_slot, "leader-completeness", {}),
    ("counted-twice", a_leader_with_one_follower_is_asked, "linearizability", {}),
    ("agreed-not-durable", a_write_on_slow_disks, "decided-is-accepted", SLOW_DISK),
]


@pytest.mark.parametrize(
    ("flaw", "scenario", "alarm", "options"), SCHEDULES, ids=[row[0] for row in SCHEDULES]
)
def test_the_schedule_exposes_the_flaw(
    flaw: str, scenario: Scenario, alarm: str, options: dict[str, Any]
) -> None:
    assert play(MultiPaxos(flaw=flaw, options=QUIET), scenario, **options).alarm == alarm


@pytest.mark.parametrize(
    ("scenario", "options"), [row[1::2] for row in SCHEDULES], ids=[row[0] for row in SCHEDULES]
)
def test_the_schedule_raises_no_alarm_with_sound_multipaxos(
    scenario: Scenario, options: dict[str, Any]
) -> None:
    outcome = play(MultiPaxos(options=QUIET), scenario, **options)
    assert outcome.alarm == "", outcome.reason
