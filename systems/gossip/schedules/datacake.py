"""What it takes to see each defect of the original."""

from __future__ import annotations

from harness.units import SECOND_NS
from systems.crdt import Timestamp
from systems.gossip.keyspace import Key
from systems.gossip.messages import Batch, Write
from systems.gossip.options import HOUR_NS, GossipOptions
from systems.gossip.schedules.craft import (
    Schedule,
    acquainted,
    agree,
    ask,
    contents,
    converged,
    demand,
    node,
    repaired,
)
from systems.scenario import Stage, tried


async def put(stage: Stage, home: int, key: Key, value: object, level: str = "None") -> Timestamp:
    """Write to the keyspace that all of these schedules use."""
    return Timestamp(*await ask(stage, home, "put", "ks", key, value, level))


async def overtaken_by_the_next(stage: Stage) -> None:
    """n1 writes k1 for itself, then k2 for All: k2 gets to the others first, k1 in the batch."""
    await acquainted(stage)
    await put(stage, 1, "k1", "one")
    await put(stage, 1, "k2", "two", "All")
    await converged(stage)


async def late_and_older(stage: Stage) -> None:
    """The batch with an old write of n1 gets to n5 after a newer write of the same key."""
    await acquainted(stage)
    held = stage.hold(Batch, source=1, destination=5)
    await put(stage, 1, "k", "older")
    await stage.until(lambda: held.held, "the batch to be sent")
    await put(stage, 2, "k", "newer", "All")
    held.release()
    await stage.sleep(SECOND_NS)
    await converged(stage)


async def write_and_delete_in_one_batch(stage: Stage) -> None:
    """n1 writes one key and deletes another within one batch."""
    await acquainted(stage)
    await put(stage, 1, "k2", "gone soon", "All")
    await put(stage, 1, "k1", "here to stay")
    await ask(stage, 1, "del", "ks", "k2", "None")
    await converged(stage)


async def overtaken_delete(stage: Stage) -> None:
    """The batch with a deletion by n1 gets to n5 after the key was written anew."""
    await acquainted(stage)
    held = stage.hold(Batch, source=1, destination=5)
    await ask(stage, 1, "del", "ks", "k", "None")
    await stage.until(lambda: held.held, "the batch to be sent")
    await put(stage, 2, "k", "newer", "All")
    held.release()
    await stage.sleep(SECOND_NS)
    await converged(stage)


async def late_after_purge_and_restart(stage: Stage) -> None:
    """An old write is under way to n5 while its key is deleted, purged, and n5 restarted."""
    await repaired(stage)
    held = stage.hold(Batch, source=1, destination=5, count=1)
    await put(stage, 1, "k", "zombie", "One")
    await converged(stage)
    await ask(stage, 2, "del", "ks", "k", "All")
    await purged(stage)
    stage.crash(5)
    stage.restart(5)
    await stage.until(lambda: node(stage, 5).started, "n5 to start")
    held.release()
    await stage.sleep(SECOND_NS)
    demand(stage, not contents(stage, 5), "no-resurrection", "what was deleted is back", at=5)


async def purged(stage: Stage) -> None:
    """Wait until no node has a tombstone."""
    await stage.until(
        lambda: not any(node(stage, one).store.open("ks").dead for one in stage.nodes),
        "all tombstones to be purged",
    )


async def clock_back_with_a_restart(stage: Stage) -> None:
    """The clock of n1 is 10 s ahead when it writes k, and right after its restart when it does
    so again."""
    await acquainted(stage)
    stage.act(["skew", 1, 10 * SECOND_NS, 0])
    await put(stage, 1, "k", "first")
    stage.crash(1)
    stage.act(["skew", 1, -10 * SECOND_NS, 0])
    stage.restart(1)
    await stage.until(lambda: node(stage, 1).started, "n1 to start")
    await tried(put(stage, 1, "k", "second"))
    value, _ = await ask(stage, 1, "get", "ks", "k", "None")
    demand(stage, value == "second", "read-your-writes", f"wrote second, reads {value}")


async def new_key_after_clock_back(stage: Stage) -> None:
    """The same, with a new key after all have seen what n1 wrote with its clock ahead."""
    await repaired(stage)
    stage.act(["skew", 1, 10 * SECOND_NS, 0])
    stamp = await put(stage, 1, "a", 1)
    await stage.until(
        lambda: all(node(stage, one).store.seen.covers(stamp) for one in stage.nodes),
        "everybody to have seen it",
    )
    stage.crash(1)
    stage.act(["skew", 1, -10 * SECOND_NS, 0])
    stage.restart(1)
    await stage.until(lambda: node(stage, 1).started, "n1 to start")
    await put(stage, 1, "b", 2)
    await stage.sleep(5 * SECOND_NS)
    await converged(stage)
    there = ("ks", "b") in contents(stage, 1)
    demand(stage, there, "acknowledged-lost", "an acknowledged write is nowhere")


async def a_tombstone_that_all_have_seen(stage: Stage) -> None:
    """n1 writes and deletes, and everybody lives."""
    await acquainted(stage)
    await put(stage, 1, "k", 1, "All")
    await ask(stage, 1, "del", "ks", "k", "All")
    await purged(stage)


async def repaired_in_the_wrong_order(stage: Stage) -> None:
    """n5 gets the second write of n1 by repair from others, and the first from n1 later."""
    await acquainted(stage)
    stage.drop(Batch)
    rule = stage.drop(Write, destination=5)
    await put(stage, 1, "k1", "one")
    stage.begin(put, stage, 1, "k2", "two", "All")
    await stage.until(
        lambda: all(("ks", "k2") in contents(stage, one) for one in (2, 3, 4)), "k2 to spread"
    )
    stage.isolate(1)
    rule.end()
    await stage.until(lambda: ("ks", "k2") in contents(stage, 5), "n5 to repair")
    stage.heal()
    await converged(stage)
    await stage.sleep(5 * SECOND_NS)
    there = all(("ks", "k1") in contents(stage, one) for one in stage.nodes)
    demand(stage, there, "acknowledged-lost", "an acknowledged write is nowhere")


async def one_is_dead(stage: Stage) -> None:
    """n3 is dead, batches are lost, and repair alone must bring n1's write to the others."""
    await acquainted(stage)
    stage.crash(3)
    await stage.until(
        lambda: all(3 not in node(stage, one).gossiper.live for one in stage.world.running),
        "n3 to be missed",
    )
    await stage.sleep(5 * SECOND_NS)
    stage.drop(Batch)
    await put(stage, 1, "k", 1)
    await stage.until(lambda: agree(stage), "all who live to agree")


async def joined_at_once(stage: Stage) -> None:
    """All meet between two batches; then a batch must bring n1's write to everybody."""
    await acquainted(stage)
    await stage.sleep(5 * SECOND_NS)
    await put(stage, 1, "k", 1)
    await converged(stage)


async def a_data_center_away(stage: Stage) -> None:
    """The second data centre is dead, and known to be; counting the living, All is the rest."""
    await acquainted(stage)
    await tried(put(stage, 1, "k", 0, "All"))
    stage.crash(4, 5)
    await stage.until(lambda: node(stage, 1).gossiper.live == (2, 3), "n4 and n5 to be missed")
    stamp = await tried(put(stage, 1, "k", 1, "All"))
    demand(stage, stamp is not None, "availability", "All cannot be reached by those who live")


async def many_batches(stage: Stage) -> None:
    """A write goes to four others, with permits for two."""
    await acquainted(stage)
    await put(stage, 1, "k", 1)
    await converged(stage)


async def a_jump_back(stage: Stage) -> None:
    """The clock of n1 jumps back by three hours, and is set right again."""
    await acquainted(stage)
    await put(stage, 1, "k", 0)
    stage.act(["skew", 1, -3 * HOUR_NS, 0])
    await tried(put(stage, 1, "k", 1))
    stage.act(["skew", 1, 3 * HOUR_NS, 0])
    await stage.sleep(SECOND_NS)
    stamp = await tried(put(stage, 1, "k", 2))
    demand(stage, stamp is not None, "availability", "n1 takes no writes, with a right clock")


#: By the name of the flaw.
SCHEDULES: dict[str, Schedule] = {
    "set-refuses-below-max": Schedule(scenario=overtaken_by_the_next, alarm="state-equals-storage"),
    "older-overwrites": Schedule(scenario=late_and_older, alarm="no-backward-step"),
    "removals-first": Schedule(
        scenario=write_and_delete_in_one_batch, alarm="state-equals-storage"
    ),
    "overtaken-delete-buries": Schedule(scenario=overtaken_delete, alarm="no-backward-step"),
    "seen-not-kept": Schedule(scenario=late_after_purge_and_restart, alarm="no-resurrection"),
    "silent-drop": Schedule(
        scenario=clock_back_with_a_restart, alarm="read-your-writes", watched=False
    ),
    "clock-not-kept": Schedule(
        scenario=new_key_after_clock_back, alarm="acknowledged-lost", watched=False
    ),
    "own-stamps-unseen": Schedule(scenario=a_tombstone_that_all_have_seen, alarm="stuck"),
    "repair-below-max": Schedule(
        scenario=repaired_in_the_wrong_order, alarm="acknowledged-lost", watched=False
    ),
    "left-never-leave": Schedule(scenario=one_is_dead, alarm="stuck", watched=False),
    "latest-change-only": Schedule(
        scenario=joined_at_once,
        alarm="stuck",
        watched=False,
        options=GossipOptions(batch_ns=2 * SECOND_NS, repair_ns=HOUR_NS),
    ),
    "vanished-data-center": Schedule(
        scenario=a_data_center_away,
        alarm="availability",
        options=GossipOptions(count_members="live"),
    ),
    "no-permits": Schedule(
        scenario=many_batches, alarm="permits", options=GossipOptions(batch_permits=2)
    ),
    "clock-dies": Schedule(scenario=a_jump_back, alarm="availability"),
}
