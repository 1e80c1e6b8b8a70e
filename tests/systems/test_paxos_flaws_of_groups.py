"""The planted flaws of OmniPaxos in elections, quorums and configurations, each with its schedule.

The same schedule must raise no alarm with the sound system.
"""

from __future__ import annotations

import pytest

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.paxos import OmniPaxos, OmniPaxosOptions
from systems.paxos.messages import Accept, Accepted
from systems.scenario import Scenario, Stage, Stuck, check_flaw, tried

MS = MILLISECOND_NS
USUAL = OmniPaxosOptions()
THREE_OF_FIVE = OmniPaxosOptions(members=(1, 2, 3))


def reconfigure(stage: Stage, leader: int, members: list[int]) -> None:
    """Ask for other members; the answer is of no interest."""

    async def ask() -> None:
        await stage.world.port(6).call(
            leader, ("reconfigure", members), session=600, serial=1, read_only=False,
            timeout_ns=SECOND_NS,
        )  # fmt: skip

    stage.world.tasks.spawn(ask, name="reconfigure")


async def the_leader_restarts(stage: Stage) -> None:
    leader = await stage.leader()
    await stage.client(leader).write("x", 1)
    stage.crash(leader)
    stage.restart(leader)
    await stage.leader()
    await stage.sleep(SECOND_NS)


async def only_the_hub_hears_a_quorum(stage: Stage) -> None:
    leader = await stage.leader()
    rest = stage.others(leader)[1:]  # the first one is the hub
    for node in (leader, *rest):
        stage.cut_both(node, *(other for other in (leader, *rest) if other > node))
    await stage.leader(within_ns=5 * SECOND_NS)


async def two_nodes_do_not_hear_each_other(stage: Stage) -> None:
    leader = await stage.leader()
    stage.cut_both(leader, stage.others(leader)[0])
    elections = stage.world.goals["elected"]
    await stage.sleep(10 * SECOND_NS)
    if stage.world.goals["elected"] - elections > 2:
        raise Stuck("the leader changes all the time")


async def two_of_five_accept_a_write(stage: Stage) -> None:
    leader = await stage.leader()
    friend, *others = stage.others(leader)
    stage.drop(Accept, destination=others, when=lambda message: message.entries)
    await tried(stage.pinned(leader).write("x", 1))
    stage.isolate(leader, friend)
    new = await stage.leader(other_than=leader)
    await stage.client(new).read("x")


async def a_write_behind_the_stop_sign(stage: Stage) -> None:
    leader = await stage.leader()
    assert leader == 3
    await stage.client(3).write("x", 1)
    await stage.sleep(100 * MS)
    # nodes 1 and 2 accept all, but only for the stop-sign does the leader hear of it in time
    stage.drop(Accepted, destination=3, when=lambda message: message.length >= 3)
    stage.drop(Accept, destination=(1, 2), when=lambda message: message.decided >= 2)
    reconfigure(stage, 3, [3, 4, 5])
    stage.begin(stage.pinned(3).write, "x", 2)
    await stage.until(lambda: stage.node(3).configuration == 2, "the stop-sign to be decided")
    stage.isolate(1, 2)
    await stage.until(
        lambda: {stage.node(4).configuration, stage.node(5).configuration} == {2},
        "the new members to join",
    )
    stage.crash(3)
    new = await stage.leader()
    await stage.client(new).write("x", 3)
    await stage.sleep(2 * SECOND_NS)


async def a_minority_reconfigures(stage: Stage) -> None:
    leader = await stage.leader()
    friend, *others = stage.others(leader)
    await stage.client(leader).write("x", 1)
    stage.isolate(leader, friend)
    reconfigure(stage, leader, [friend, leader])
    await stage.sleep(2 * SECOND_NS)
    await tried(stage.client(friend).write("x", 2))
    await tried(stage.client(others[0]).write("x", 3))
    await tried(stage.client(others[0]).read("x"))


SCHEDULES: list[tuple[str, Scenario, str, OmniPaxosOptions]] = [
    ("ballot-reused", the_leader_restarts, "ballot-safety", USUAL),
    ("connectivity-ignored", only_the_hub_hears_a_quorum, "stuck", USUAL),
    ("happiness-ignored", two_nodes_do_not_hear_each_other, "stuck", USUAL),
    ("small-quorums", two_of_five_accept_a_write, "leader-completeness", USUAL),
    ("unsealed", a_write_behind_the_stop_sign, "state-machine-safety", THREE_OF_FIVE),
    ("early-handover", a_minority_reconfigures, "state-machine-safety", USUAL),
]


@pytest.mark.parametrize(
    ("flaw", "scenario", "alarm", "options"), SCHEDULES, ids=[row[0] for row in SCHEDULES]
)
def test_the_schedule_exposes_the_flaw_and_no_other(
    flaw: str, scenario: Scenario, alarm: str, options: OmniPaxosOptions
) -> None:
    flawed = OmniPaxos(flaw=flaw, options=options)
    check_flaw(flawed, OmniPaxos(options=options), scenario, alarm=alarm)
