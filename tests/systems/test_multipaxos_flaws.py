"""Every planted flaw of Multi-Paxos, and the schedule that exposes it.

The same schedule must raise no alarm with the sound system. Nodes wait for a minute before they
give a leader up, so that nobody leads but whom the scenario makes lead.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.paxos.multi import MultiPaxos, MultiPaxosOptions
from systems.paxos.multi.messages import Promise, Propose
from systems.paxos.stagecraft import (
    SLOW_DISK,
    a_deposed_leader_is_asked,
    a_write_on_slow_disks,
    lead,
)
from systems.scenario import Scenario, Stage, check_flaw, tried

MS = MILLISECOND_NS
QUIET = MultiPaxosOptions(round_ns=60 * SECOND_NS)


async def a_new_leader_lacks_a_value(stage: Stage) -> None:
    await lead(stage, 5)
    stage.drop(Propose, destination=1)
    await stage.client(5).write("x", 1)
    stage.isolate(5)
    await lead(stage, 1)
    await tried(stage.client(1).read("x"))


async def a_new_leader_lacks_two_values(stage: Stage) -> None:
    await lead(stage, 5)
    stage.drop(Propose, destination=(1, 4))
    await stage.client(5).write("x", 1)
    await stage.client(5).write("x", 2)
    stage.isolate(5)
    await lead(stage, 1)
    await tried(stage.client(1).read("x"))


async def two_values_were_accepted_in_one_slot(stage: Stage) -> None:
    await lead(stage, 5)
    stage.isolate(5)
    await tried(stage.pinned(5, timeout_ns=10 * MS).write("x", 1))
    stage.isolate(1)
    await lead(stage, 4)
    await stage.client(4).write("x", 2)
    stage.heal()
    stage.isolate(3, 4)
    stage.delay(5 * MS, Promise, source=2)
    await lead(stage, 1)
    await tried(stage.client(1).read("x"))


async def a_leader_with_one_follower_is_asked(stage: Stage) -> None:
    await lead(stage, 5)
    await stage.client(5).write("x", 1)
    stage.isolate(1, 5)
    await lead(stage, 4)
    await stage.client(4).write("x", 2)
    read = stage.begin(stage.pinned(5).read, "x")
    write = stage.begin(stage.pinned(5).write, "x", 3)
    await stage.until(lambda: read.ended and write.ended, "both attempts to end")


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
def test_the_schedule_exposes_the_flaw_and_no_other(
    flaw: str, scenario: Scenario, alarm: str, options: dict[str, Any]
) -> None:
    flawed = MultiPaxos(flaw=flaw, options=QUIET)
    check_flaw(flawed, MultiPaxos(options=QUIET), scenario, alarm=alarm, **options)
