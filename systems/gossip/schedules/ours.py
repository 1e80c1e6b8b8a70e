"""What it takes to see each mistake that a system like this invites."""

from __future__ import annotations

from collections.abc import Callable

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.crdt import Objects
from systems.gossip.messages import Batch, Poll
from systems.gossip.options import HOUR_NS, GossipOptions
from systems.gossip.schedules.craft import (
    Schedule,
    acquainted,
    ask,
    contents,
    converged,
    demand,
    node,
    repaired,
)
from systems.gossip.schedules.datacake import put
from systems.scenario import Stage, tried


async def a_clock_from_the_future(stage: Stage) -> None:
    """The clock of n5 jumps a day ahead, and n5 writes."""
    await acquainted(stage)
    stage.act(["skew", 5, 24 * HOUR_NS, 0])
    await tried(put(stage, 5, "k", 1))
    stage.act(["skew", 5, -24 * HOUR_NS, 0])
    await converged(stage)


async def at_the_same_instant(stage: Stage) -> None:
    """n1 and n5 write the same key in the same millisecond."""
    await acquainted(stage)
    await stage.sleep(MILLISECOND_NS - stage.world.now_ns % MILLISECOND_NS)
    one = stage.begin(put, stage, 1, "k", "from n1")
    other = stage.begin(put, stage, 5, "k", "from n5")
    stamps = [await one.end(), await other.end()]
    assert stamps[0][:2] == stamps[1][:2], f"the clocks did not agree: {stamps}"
    await converged(stage)


async def deleted_while_one_was_away(stage: Stage) -> None:
    """n5 writes k everywhere and is cut off before anybody has repaired with it; k is deleted;
    n5 comes back."""
    await repaired(stage)
    rule = stage.drop(Poll, destination=5)
    await put(stage, 5, "k", 1, "All")
    stage.isolate(5)
    await ask(stage, 1, "del", "ks", "k", "One")
    await stage.sleep(15 * SECOND_NS)
    stage.heal()
    rule.end()
    await converged(stage)
    demand(stage, not contents(stage, 1), "no-resurrection", "what was deleted is back")


async def a_write_by_repair(stage: Stage) -> None:
    """All batches are lost, so that a write must get around by repair."""
    await acquainted(stage)
    stage.drop(Batch)
    await put(stage, 1, "k", 1)
    await stage.sleep(3 * SECOND_NS)
    await converged(stage)
    there = bool(contents(stage, 1))
    demand(stage, there, "acknowledged-lost", "an acknowledged write is nowhere")


async def a_write_at_quorum(stage: Stage) -> None:
    """n1 writes at Quorum."""
    await acquainted(stage)
    await put(stage, 1, "k", 1, "Quorum")


async def a_minority_writes(stage: Stage) -> None:
    """n4 and n5 are cut off until they believe to be alone; then n4 writes at Quorum."""
    await acquainted(stage)
    stage.isolate(4, 5)
    await stage.until(lambda: node(stage, 4).gossiper.live == (5,), "n4 to miss the others")
    await tried(put(stage, 4, "k", 1, "Quorum"))
    stage.heal()
    await converged(stage)


async def one_comes_back(stage: Stage) -> None:
    """n5 is restarted after half a minute."""
    await acquainted(stage)
    await stage.sleep(30 * SECOND_NS)
    stage.crash(5)
    await stage.until(lambda: 5 not in node(stage, 1).gossiper.live, "n5 to be missed")
    stage.restart(5)
    await stage.until(lambda: node(stage, 5).started, "n5 to start")
    await acquainted(stage)


async def says_something_new_after_a_restart(stage: Stage) -> None:
    """n5 has said much, is restarted, and says something new."""
    await acquainted(stage)
    for number in range(50):
        node(stage, 5).gossiper.membership.set("mood", number)
    everybody: Callable[[str, object], bool] = lambda key, value: all(  # noqa: E731
        node(stage, one).gossiper.membership.fact(5, key) == value for one in stage.nodes
    )
    await stage.until(lambda: everybody("mood", 49), "all to know the mood of n5")
    stage.crash(5)
    stage.restart(5)
    await stage.until(lambda: node(stage, 5).started, "n5 to start")
    node(stage, 5).gossiper.membership.set("mood", "new")
    await stage.until(lambda: everybody("mood", "new"), "all to know the new mood of n5")


async def much_to_say(stage: Stage) -> None:
    """n1 says more than fits a message."""
    await acquainted(stage)
    for number in range(30):
        node(stage, 1).gossiper.membership.set(f"fact-{number}", "x" * 20)
    await stage.until(
        lambda: all(
            node(stage, one).gossiper.membership.fact(1, f"fact-{number}")
            for one in stage.nodes
            for number in range(30)
        ),
        "all to know all facts",
    )


async def away_for_a_while(stage: Stage) -> None:
    """n5 is cut off until it is missed, and comes back."""
    await acquainted(stage)
    stage.isolate(5)
    await stage.until(lambda: 5 not in node(stage, 1).gossiper.live, "n5 to be missed")
    stage.heal()
    await acquainted(stage)


async def a_doubled_batch(stage: Stage) -> None:
    """The batch with n1's update of a counter gets to n5 twice."""
    await acquainted(stage)
    stage.double(SECOND_NS, Batch, destination=5)
    await ask(stage, 1, "update", "count", "add", 3)
    await stage.sleep(3 * SECOND_NS)
    value = await ask(stage, 5, "read", "count")
    demand(stage, value == 3, "counter-exact", f"3 was added, and n5 reads {value}", at=5)


async def one_of_two_is_removed(stage: Stage) -> None:
    """Two elements are added, and one of them removed."""
    await acquainted(stage)
    await ask(stage, 1, "update", "tags", "add", "x")
    await ask(stage, 1, "update", "tags", "add", "y")
    await ask(stage, 1, "update", "tags", "remove", "x")
    await converged(stage)
    value = await ask(stage, 5, "read", "tags")
    demand(stage, value == ["y"], "set-exact", f"y was added and stays; n5 reads {value}", at=5)


async def a_fast_clock_writes_first(stage: Stage) -> None:
    """n5, whose clock is 5 s ahead, writes; n1 reads that and writes after it."""
    await acquainted(stage)
    stage.act(["skew", 5, 5 * SECOND_NS, 0])
    await ask(stage, 5, "update", "name", "write", "old")
    await converged(stage)
    await ask(stage, 1, "update", "name", "write", "new")
    await converged(stage)
    value = await ask(stage, 1, "read", "name")
    demand(stage, value == "new", "causal-order", f"new was written after old; n1 reads {value}")


async def counts_on_with_a_new_disk(stage: Stage) -> None:
    """n1 adds 5, loses its disk, and adds 3 before it has heard of the 5."""
    await acquainted(stage)
    await ask(stage, 1, "update", "count", "add", 5)
    await converged(stage)
    stage.crash(1, mode="wipe")
    stage.restart(1)
    await stage.until(lambda: node(stage, 1).started, "n1 to start")
    await ask(stage, 1, "update", "count", "add", 3)
    await stage.sleep(3 * SECOND_NS)
    await converged(stage)
    value = await ask(stage, 1, "read", "count")
    demand(stage, value == 8, "counter-exact", f"8 was added, and n1 reads {value}")


async def a_doubled_request(stage: Stage) -> None:
    """The network doubles the request of a client."""
    await acquainted(stage)
    stage.double(100 * MILLISECOND_NS, destination=1, when=lambda m: hasattr(m, "serial"))
    await ask(stage, 1, "update", "count", "add", 3)
    await stage.sleep(SECOND_NS)
    value = await ask(stage, 1, "read", "count")
    demand(stage, value == 3, "counter-exact", f"3 was added, and n1 reads {value}")


def _counter() -> Objects:
    return Objects("pn-counter")


#: By the name of the flaw.
SCHEDULES: dict[str, Schedule] = {
    "no-drift-guard": Schedule(scenario=a_clock_from_the_future, alarm="clock-bound"),
    "draw-by-arrival": Schedule(scenario=at_the_same_instant, alarm="seen-means-held"),
    "early-purge": Schedule(scenario=deleted_while_one_was_away, alarm="seen-means-held"),
    "absent-means-deleted": Schedule(scenario=a_write_by_repair, alarm="seen-means-held"),
    "counts-itself-twice": Schedule(scenario=a_write_at_quorum, alarm="enough-copies"),
    "quorum-of-the-living": Schedule(scenario=a_minority_writes, alarm="enough-copies"),
    "acknowledges-unsynced": Schedule(
        scenario=a_write_at_quorum, alarm="enough-copies", flush_ns=(20_000_000, 20_000_000)
    ),
    "digest-without-generation": Schedule(scenario=one_comes_back, alarm="stuck"),
    "generation-reused": Schedule(scenario=says_something_new_after_a_restart, alarm="stuck"),
    "cut-loses-tail": Schedule(
        scenario=much_to_say, alarm="stuck", options=GossipOptions(gossip_bytes=400)
    ),
    "never-forgives": Schedule(scenario=away_for_a_while, alarm="stuck"),
    "counter-adds": Schedule(
        scenario=a_doubled_batch, alarm="strong-eventual", machine=lambda: Objects("g-counter")
    ),
    "removal-claims-all": Schedule(
        scenario=one_of_two_is_removed, alarm="set-exact", machine=lambda: Objects("or-set")
    ),
    "wall-clock-wins": Schedule(
        scenario=a_fast_clock_writes_first,
        alarm="causal-order",
        machine=lambda: Objects("lww-register"),
    ),
    "replica-name-reused": Schedule(
        scenario=counts_on_with_a_new_disk, alarm="strong-eventual", machine=_counter
    ),
    "doubled-update-counts": Schedule(
        scenario=a_doubled_request, alarm="counter-exact", machine=_counter
    ),
}
