"""Directed schedules for the flaws of leases."""

from __future__ import annotations

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.harpoon.messages import Appended, Vote
from systems.harpoon.schedules.craft import LEASE_NS, Schedule, elect, leads
from systems.scenario import Stage, tried


async def _another_leads(stage: Stage, old: int) -> None:
    """Whoever is elected without `old` overwrites x at once; then the old leader is asked."""
    new = await stage.leader(other_than=old)
    await stage.client(new).write("x", 2)
    await tried(stage.pinned(old).read("x"))


async def acknowledgements_take_long(stage: Stage) -> None:
    """The answers to one round are held back for nearly a lease, while the leader's messages are
    lost; then the answers arrive, and the leader is cut off."""
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    late = stage.hold(Appended, destination=old)
    await stage.until(lambda: len(late.held) >= 4, "a round to be answered")
    for other in stage.others(old):
        stage.cut(old, other)
    await stage.sleep(LEASE_NS * 3 // 4)
    late.release()
    await stage.sleep(MILLISECOND_NS)
    stage.isolate(old)
    await _another_leads(stage, old)


async def one_peer_after_the_other(stage: Stage) -> None:
    """The leader hears one peer, for a while nobody, and then another one."""
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    early, late, *others = stage.others(old)
    stage.cut_both(old, late, *others)
    await stage.sleep(250 * MILLISECOND_NS)
    stage.cut_both(old, early)
    await stage.sleep(LEASE_NS * 2 // 3)
    stage.act(["mend", old, late], ["mend", late, old])
    await stage.sleep(150 * MILLISECOND_NS)
    stage.cut_both(old, late)
    await _another_leads(stage, old)


async def late_votes(stage: Stage) -> None:
    """Two votes that are not needed any more reach the leader long after it is cut off."""
    votes = stage.hold(Vote, destination=1, source=(4, 5))
    await elect(stage, 1)
    await stage.client(1).write("x", 1)
    stage.drop(source=1, destination=stage.others(1))
    stage.drop(source=stage.others(1), destination=1)
    await stage.sleep(LEASE_NS * 3 // 4)
    votes.release()
    await _another_leads(stage, 1)


async def the_leader_is_cut_off(stage: Stage) -> None:
    """The leader is cut off, another one is elected, and the old one is asked."""
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    stage.isolate(old)
    await _another_leads(stage, old)


async def a_quorum_restarts(stage: Stage) -> None:
    """The leader is cut off while three others restart."""
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    stage.isolate(old)
    restarting = stage.others(old)[:3]
    stage.crash(*restarting)
    stage.restart(*restarting)
    await _another_leads(stage, old)


async def the_clock_is_set_back(stage: Stage) -> None:
    """The leader is cut off, and its wall clock set back by ten seconds."""
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    stage.isolate(old)
    stage.act(["skew", old, -10 * SECOND_NS, 0])
    await _another_leads(stage, old)


async def clocks_drift_within_the_bound(stage: Stage) -> None:
    """The leader's clock runs as slowly as is promised, and all others as fast."""
    old = await stage.leader()
    for node in stage.nodes:
        stage.act(["skew", node, 0, -1000 if node == old else 1000])
    await stage.sleep(SECOND_NS)
    assert leads(stage, old)


async def only_the_hub_is_heard(stage: Stage) -> None:
    """All links but those of one node break, the leader's too: that node must take over."""
    old = await stage.leader()
    hub, *others = stage.others(old)
    for number, node in enumerate([old, *others]):
        stage.cut_both(node, *[old, *others][number + 1 :])
    new = await stage.leader(other_than=old, within_ns=6 * LEASE_NS)
    assert new == hub
    await stage.client(hub).write("x", 2)


SCHEDULES = {
    "lease-from-receipt": Schedule(
        scenario=acknowledgements_take_long,
        alarm="lease-backed",
        alarm_of_clients="linearizability",
    ),
    "lease-acknowledgements-summed": Schedule(
        scenario=one_peer_after_the_other,
        alarm="lease-backed",
        alarm_of_clients="linearizability",
    ),
    "votes-extend-lease": Schedule(
        scenario=late_votes, alarm="lease-backed", alarm_of_clients="linearizability"
    ),
    "reads-by-role": Schedule(
        scenario=the_leader_is_cut_off,
        alarm="linearizability",
        alarm_of_clients="linearizability",
    ),
    "no-quarantine": Schedule(
        scenario=a_quorum_restarts, alarm="promise-kept", alarm_of_clients="linearizability"
    ),
    "wall-clock-lease": Schedule(
        scenario=the_clock_is_set_back, alarm="silence", alarm_of_clients="linearizability"
    ),
    "drift-ignored": Schedule(scenario=clocks_drift_within_the_bound, alarm="lease-backed"),
    "never-resigns": Schedule(
        scenario=only_the_hub_is_heard, alarm="silence", alarm_of_clients="stuck"
    ),
}
