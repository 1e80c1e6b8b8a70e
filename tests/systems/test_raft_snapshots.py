"""Raft's snapshots: the log is compacted, restarts begin there, and laggards are sent one."""

from __future__ import annotations

from typing import Any

import pytest

from harness.units import SECOND_NS
from systems.raft import Raft, RaftOptions
from systems.raft.messages import Append, Chunk, ChunkStored
from systems.scenario import Stage, play

SMALL = RaftOptions(snapshot_threshold=20, trailing=5, chunk_bytes=10)


async def fill(stage: Stage, writes: int, *, first: int = 0) -> None:
    client = stage.client(await stage.leader())
    for value in range(first, first + writes):
        await client.write(f"k{value % 3}", value)


async def caught_up(stage: Stage, node: int) -> None:
    leader = await stage.leader()
    await stage.until(
        lambda: stage.node(node).applied == stage.node(leader).committed, f"n{node} to catch up"
    )


def check(scenario: Any, options: RaftOptions = SMALL, **more: Any) -> Stage:
    outcome = play(Raft(options=options), scenario, **more)
    assert outcome.alarm == "", outcome.reason
    return outcome.stage


def test_logs_are_compacted_and_keep_a_tail() -> None:
    async def scenario(stage: Stage) -> None:
        await fill(stage, 70)
        await stage.sleep(SECOND_NS)
        for number in stage.nodes:
            node = stage.node(number)
            assert node.snapshot_index >= 60
            assert node.log.base_index == node.snapshot_index - 5
            assert len(node.log.entries) <= 20 + 5

    stage = check(scenario)
    assert stage.world.goals["compacted"] >= 15


def test_a_laggard_is_sent_a_snapshot_in_chunks() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (victim, *_) = stage.others(leader)
        stage.isolate(victim)
        await fill(stage, 60)
        chunks = stage.double(1, Chunk)
        stage.heal()
        await caught_up(stage, victim)
        assert chunks.taken > 2
        assert stage.world.goals["snapshot-installed"] >= 1
        assert await stage.client(victim).read("k2") == 59

    check(scenario)


@pytest.mark.parametrize("lost", [Chunk, ChunkStored, Append])
def test_lost_chunks_are_sent_again(lost: type) -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (victim, *_) = stage.others(leader)
        stage.isolate(victim)
        await fill(stage, 60)
        stage.heal()
        stage.drop(lost, source=(leader, victim), destination=(leader, victim), count=3)
        await caught_up(stage, victim)

    assert check(scenario).world.goals["snapshot-installed"] >= 1


def test_a_crash_between_chunks_begins_anew() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (victim, *_) = stage.others(leader)
        stage.isolate(victim)
        await fill(stage, 60)
        stage.heal()
        await stage.until(lambda: len(stage.node(victim)._pieces) == 20, "two chunks to arrive")
        stage.crash(victim, mode="torn")
        await stage.sleep(SECOND_NS // 2)
        stage.restart(victim)
        await caught_up(stage, victim)

    check(scenario)


@pytest.mark.parametrize("mode", ["clean", "prefix", "torn"])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_crash_right_after_installing_leaves_old_or_new(mode: str, seed: int) -> None:
    """The laggard has a tail of its own in its log, which the snapshot replaces."""

    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        stage.isolate(old)
        for value in range(5):
            stage.begin(stage.pinned(old).write, "lost", value)
        await stage.leader(other_than=old)
        await fill(stage, 60)
        stage.heal()
        await stage.until(lambda: stage.node(old).snapshot_index > 20, "the snapshot")
        stage.crash(old, mode=mode)
        await stage.sleep(SECOND_NS // 2)
        stage.restart(old)
        await caught_up(stage, old)
        assert await stage.client(old).read("k2") == 59

    check(scenario, seed=seed)


def test_all_restart_from_their_snapshots() -> None:
    async def scenario(stage: Stage) -> None:
        await fill(stage, 70)
        stage.crash(*stage.nodes)
        await stage.sleep(SECOND_NS)
        stage.restart(*stage.nodes)
        assert all(stage.node(number).applied >= 40 for number in stage.nodes)
        await fill(stage, 30, first=70)
        stage.crash(*stage.nodes)
        stage.restart(*stage.nodes)
        await stage.leader()
        assert await stage.read_everywhere("k0") == [99] * 5

    check(scenario)


def test_sessions_travel_with_the_snapshot() -> None:
    """A command that was answered before is not applied again by one who only has a snapshot."""

    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (victim, *_) = stage.others(leader)
        stage.isolate(victim)
        port = stage.world.port(0)
        call = {"session": 99, "serial": 1, "read_only": False, "timeout_ns": SECOND_NS}
        reply = await port.call(leader, ("cas", "once", None, 1), **call)
        assert reply is not None
        assert reply.value is True
        await fill(stage, 60)
        stage.heal()
        await caught_up(stage, victim)
        stage.order(leader, "transfer", victim)
        assert await stage.leader(other_than=leader) == victim
        reply = await port.call(victim, ("cas", "once", None, 1), **call)
        assert reply is not None
        assert reply.value is True, "the first answer"

    check(scenario)


def test_a_leader_that_probes_below_the_base_is_answered() -> None:
    """Entries that a follower has compacted were committed: it agrees to them unseen."""

    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (victim, *_) = stage.others(leader)
        await fill(stage, 24)
        await stage.sleep(SECOND_NS)
        follower = stage.node(victim)
        assert follower.log.base_index > 2
        before = follower.log.last_index
        first = Append(follower.term, 1, 1, (), 0, 0)
        follower.on_message(leader, first)
        assert follower.log.last_index == before

    check(scenario)


@pytest.mark.parametrize("trailing", [0, 1, 50])
def test_other_sizes_of_the_tail(trailing: int) -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (victim, *_) = stage.others(leader)
        stage.crash(victim)
        await fill(stage, 50)
        stage.restart(victim)
        await caught_up(stage, victim)
        stage.crash(*stage.nodes, mode="prefix")
        stage.restart(*stage.nodes)
        await stage.leader()
        assert await stage.read_everywhere("k1") == [49] * 5

    check(scenario, RaftOptions(snapshot_threshold=15, trailing=trailing, chunk_bytes=100))


def test_a_snapshot_replaces_a_tail_that_a_restart_has_found() -> None:
    """After a restart the first trailing entry stands for what was before it; its record, which
    no entry of the log has any more, must go as well."""

    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (victim, *_) = stage.others(leader)
        await fill(stage, 30)
        await stage.sleep(SECOND_NS)
        stage.crash(victim)
        stage.restart(victim)
        await stage.sleep(SECOND_NS)
        stage.isolate(victim)
        await fill(stage, 60)
        stage.heal()
        await caught_up(stage, victim)
        await stage.sleep(SECOND_NS)
        stage.crash(victim)
        stage.restart(victim)
        await caught_up(stage, victim)

    assert check(scenario).world.goals["snapshot-installed"] >= 1
