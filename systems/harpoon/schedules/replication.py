"""Directed schedules for the flaws of replication."""

from __future__ import annotations

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.harpoon.messages import Append, Canvass
from systems.harpoon.options import HarpoonOptions
from systems.harpoon.schedules.craft import LEASE_NS, Schedule, carries_entries, elect
from systems.scenario import Stage, tried


async def only_heartbeats_arrive(stage: Stage) -> None:
    """A write reaches nobody, while heartbeats do and are answered; the leader crashes."""
    old = await stage.leader()
    stage.drop(Append, source=old, when=carries_entries)
    await tried(stage.pinned(old).write("x", 1))
    stage.crash(old)
    new = await stage.leader()
    await stage.client(new).read("x")


async def everybody_disagrees(stage: Stage) -> None:
    """A leader that was cut off with entries of its own is elected again. Its peers get nothing
    that they could accept, and say so; the leader crashes."""
    old = await stage.leader()
    base = stage.node(old).log.last_index
    nobody = stage.drop(Canvass)
    stage.isolate(old)
    for number in range(3):
        await tried(stage.pinned(old, timeout_ns=MILLISECOND_NS).write(f"lost{number}", number))
    await stage.until(lambda: stage.node(old).role != "leader", "the leader to resign")
    await stage.sleep(LEASE_NS)
    stage.drop(Append, when=lambda message: message.entries and message.previous_index <= base)
    stage.heal()
    nobody.end()
    await elect(stage, old)
    await tried(stage.pinned(old).write("x", 1))
    stage.crash(old)
    new = await stage.leader()
    await stage.client(new).read("x")


async def three_writes_at_once(stage: Stage) -> None:
    """Three writes are committed within one heartbeat; then the leader crashes."""
    old = await stage.leader()
    writes = [stage.begin(stage.client(old).write, f"x{number}", number) for number in range(3)]
    for write in writes:
        await write.end()
    await stage.sleep(SECOND_NS // 2)
    stage.crash(old)
    new = await stage.leader()
    for number in range(3):
        await stage.client(new).read(f"x{number}")


async def the_old_leader_has_a_tail(stage: Stage) -> None:
    """A leader that is cut off takes a write that nobody else gets; others go on; all is healed."""
    old = await stage.leader()
    stage.isolate(old)
    write = stage.begin(stage.pinned(old, timeout_ns=10 * SECOND_NS).write, "y", 1)
    new = await stage.leader(other_than=old)
    await stage.client(new).write("x", 2)
    await stage.client(new).write("x", 3)
    stage.heal()
    await stage.until(lambda: write.ended, "the isolated write to end")
    await stage.client(new).read("y")


async def the_successor_catches_up(stage: Stage) -> None:
    """A write is acknowledged that two nodes lack; its leader crashes before anybody hears that it
    is committed. The successor hears from those two only, who refuse what it sends."""
    old = await stage.leader()
    first, second, *behind = stage.others(old)
    lagging = stage.drop(Append, destination=behind, when=carries_entries)
    await stage.client(old).write("x", 1)
    stage.crash(old)
    lagging.end()
    end = stage.node(first).log.last_index
    stage.drop(Append, source=first, destination=second, when=carries_entries)
    stage.drop(
        Append,
        source=first,
        destination=behind,
        when=lambda message: message.entries and message.previous_index < end,
    )
    await elect(stage, first)
    await stage.sleep(20 * MILLISECOND_NS)
    await tried(stage.pinned(first).read("x"))


async def leaders_take_turns(stage: Stage) -> None:
    """Ongaro and Ousterhout's figure 8: an entry of an old term gets a majority late, its leader
    crashes, and somebody with a newer entry takes over."""
    one = await stage.leader()
    two, three, _, five = stage.others(one)
    # (a) n1 leads, its write reaches one other node only
    alone = stage.drop(Append, source=one, destination=stage.others(one, two), when=carries_entries)
    await tried(stage.pinned(one, timeout_ns=20 * MILLISECOND_NS).write("x", 1))
    entry = stage.node(one).log.last_index
    stage.crash(one)
    alone.end()
    # (b) the last one leads; what it writes stays with it
    stage.isolate(two)
    alone = stage.drop(Append, source=five, when=carries_entries)
    await elect(stage, five)
    await stage.sleep(10 * MILLISECOND_NS)
    stage.crash(five)
    alone.end()
    stage.heal()
    # (c) the first one leads again and spreads its old entry, and nothing newer
    stage.restart(one)
    stage.drop(Append, when=lambda message: message.previous_index >= entry and message.entries)
    await elect(stage, one)
    await stage.until(lambda: stage.node(three).log.last_index >= entry, "the entry to spread")
    await stage.sleep(50 * MILLISECOND_NS)
    # (d) it crashes, and the last one takes over
    stage.crash(one)
    stage.restart(five)
    stage.world.rules.clear()
    await elect(stage, five)
    new = await stage.leader()
    await stage.client(new).read("x")


SCHEDULES = {
    "acknowledgement-of-anything": Schedule(
        scenario=only_heartbeats_arrive,
        alarm="ack-soundness",
        alarm_of_clients="linearizability",
    ),
    "refusal-is-acknowledgement": Schedule(
        scenario=everybody_disagrees,
        alarm="ack-soundness",
        alarm_of_clients="linearizability",
    ),
    "applies-the-last-only": Schedule(
        scenario=three_writes_at_once,
        alarm="state-agreement",
        alarm_of_clients="linearizability",
    ),
    "divergent-tail-kept": Schedule(scenario=the_old_leader_has_a_tail, alarm="log-matching"),
    "pending-answered-by-index": Schedule(
        scenario=the_old_leader_has_a_tail,
        alarm="linearizability",
        alarm_of_clients="linearizability",
    ),
    "reads-before-no-op": Schedule(
        scenario=the_successor_catches_up,
        alarm="linearizability",
        alarm_of_clients="linearizability",
    ),
    "commits-old-terms": Schedule(
        scenario=leaders_take_turns,
        alarm="leader-completeness",
        options=HarpoonOptions(batch=1),
    ),
}
