"""Every planted flaw of OmniPaxos in promises, logs and reads, and the schedule that exposes it.

The same schedule must raise no alarm with the sound system. Elections are slowed down to a minute,
so that nobody leads but whom the scenario makes lead.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.paxos import OmniPaxos, OmniPaxosOptions
from systems.paxos.messages import Accept, AcceptSync, Prepare, Promise
from systems.paxos.stagecraft import (
    SLOW_DISK,
    a_deposed_leader_is_asked,
    a_write_on_slow_disks,
    lead,
)
from systems.scenario import Scenario, Stage, check_flaw, tried

MS = MILLISECOND_NS
QUIET = OmniPaxosOptions(round_ns=60 * SECOND_NS)


async def an_answer_to_an_earlier_promise_comes_late(stage: Stage) -> None:
    stage.isolate(3, 4)
    stage.double(200 * MS, AcceptSync, destination=1, count=1)
    stage.double(150 * MS, Prepare, destination=1, count=1)
    await lead(stage, 5)
    # node 1 has the write, but not yet the news that it is decided
    stage.drop(Accept, destination=1, when=lambda message: message.decided)
    await stage.client(5).write("x", 1)
    stage.hold(Promise, source=1)
    await stage.until(lambda: stage.node(1).acceptor.phase == "prepare", "the second Prepare")
    await stage.sleep(100 * MS)
    stage.crash(5)
    stage.heal()
    stage.world.rules.clear()
    stage.isolate(2)
    await lead(stage, 3)
    await tried(stage.client(3).read("x"))


async def the_first_promise_lacks_an_entry(stage: Stage) -> None:
    await lead(stage, 5)
    stage.drop(Accept, destination=(1, 4))
    await stage.client(5).write("x", 1)
    stage.isolate(5)
    stage.delay(5 * MS, Promise, source=(2, 3))
    await lead(stage, 4)


async def a_long_tail_of_an_old_round(stage: Stage) -> None:
    await lead(stage, 5)
    await stage.client(5).write("x", 1)
    await stage.sleep(100 * MS)
    stage.isolate(5)
    for value in range(3):
        await tried(stage.pinned(5, timeout_ns=10 * MS).write("y", value))
    stage.isolate(3)
    await lead(stage, 4)
    await stage.client(4).write("x", 2)
    stage.heal()
    stage.isolate(2, 4)
    await lead(stage, 3)


async def a_crash_between_round_and_log(stage: Stage) -> None:
    stage.isolate(3, 4)
    await lead(stage, 5)
    await stage.client(5).write("x", 1)
    stage.crash(5)
    stage.heal()
    stage.isolate(4)
    rule = stage.drop(AcceptSync, destination=1)
    stage.node(2).election.try_to_lead()
    await stage.until(lambda: stage.node(3).log.accepted_round.node == 2, "n3 to accept the log")
    await stage.sleep(300_000)  # one flush
    stage.crash(3)
    stage.isolate(2)
    rule.end()
    stage.heal()
    stage.isolate(2)
    stage.restart(3)
    await lead(stage, 4)


async def a_crash_after_a_promise(stage: Stage) -> None:
    await lead(stage, 5)
    stage.node(4).election.try_to_lead()
    await stage.until(lambda: stage.node(1).told[1].node == 4, "n1 to promise")
    stage.crash(1)
    stage.restart(1)
    await stage.leader()


async def a_former_leader_comes_back(stage: Stage) -> None:
    await lead(stage, 5)
    await stage.client(5).write("x", 1)
    stage.isolate(5)
    await lead(stage, 4)
    await stage.client(4).write("x", 2)
    stage.heal()
    await lead(stage, 5)


async def an_entry_is_lost_on_its_way(stage: Stage) -> None:
    await lead(stage, 5)
    stage.drop(Accept, destination=1, when=lambda message: message.entries)
    await stage.client(5).write("x", 1)
    await stage.client(5).read("x")  # brings the decided index to all
    await stage.sleep(200 * MS)


async def the_first_of_two_entries_is_lost(stage: Stage) -> None:
    await lead(stage, 5)
    stage.drop(Accept, destination=1, when=lambda message: message.entries, count=1)
    first = stage.begin(stage.client(5).write, "x", 1)
    second = stage.begin(stage.client(5).write, "x", 2)
    await stage.until(lambda: first.ended and second.ended, "both writes to end")
    await stage.sleep(200 * MS)


SCHEDULES: list[tuple[str, Scenario, str, dict[str, Any]]] = [
    ("stale-read", a_deposed_leader_is_asked, "linearizability", {}),
    ("stale-accept-sync", an_answer_to_an_earlier_promise_comes_late, "leader-completeness", {}),
    ("first-promise", the_first_promise_lacks_an_entry, "leader-completeness", {}),
    ("longest-log", a_long_tail_of_an_old_round, "leader-completeness", {}),
    ("round-before-log", a_crash_between_round_and_log, "leader-completeness", {}),
    ("promise-not-durable", a_crash_after_a_promise, "promise-kept", {}),
    ("accepted-not-durable", a_write_on_slow_disks, "decided-is-accepted", SLOW_DISK),
    ("old-promises", a_former_leader_comes_back, "leader-completeness", {}),
    ("decided-too-far", an_entry_is_lost_on_its_way, "node-failure", {}),
    ("gap-ignored", the_first_of_two_entries_is_lost, "round-safety", {}),
]


@pytest.mark.parametrize(
    ("flaw", "scenario", "alarm", "options"), SCHEDULES, ids=[row[0] for row in SCHEDULES]
)
def test_the_schedule_exposes_the_flaw_and_no_other(
    flaw: str, scenario: Scenario, alarm: str, options: dict[str, Any]
) -> None:
    flawed = OmniPaxos(flaw=flaw, options=QUIET)
    check_flaw(flawed, OmniPaxos(options=QUIET), scenario, alarm=alarm, **options)
