"""OmniPaxos: the contract of systems, reads, configurations, snapshots, quorums, priorities."""

from __future__ import annotations

from typing import Any

import pytest

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.kit import check_system
from systems.paxos import OmniPaxos, OmniPaxosHappy, OmniPaxosOptions
from systems.paxos.messages import AcceptSync, Promise, ReadReport
from systems.scenario import Stage, play

MS = MILLISECOND_NS


@pytest.mark.parametrize("system", [OmniPaxos, OmniPaxosHappy])
def test_it_keeps_the_contract_of_systems(system: type[OmniPaxos]) -> None:
    check_system(system)


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("election", ["connected", "happy"])
def test_clusters_of_other_sizes_work(nodes: int, election: str) -> None:
    async def scenario(stage: Stage) -> None:
        client = stage.client(1)
        await client.write("x", 1)
        assert await client.compare_and_set("x", 1, 2)
        assert not await client.compare_and_set("x", 1, 3)
        assert await client.read("x") == 2

    options = OmniPaxosOptions(election=election)
    assert play(OmniPaxos(options=options), scenario, nodes=nodes).alarm == ""


# ---- reads


@pytest.mark.parametrize("reads", ["index", "log", "quorum"])
def test_reads_are_linearizable_in_every_mode(reads: str) -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        await stage.client(1).write("x", 1)
        await stage.read_everywhere("x")
        stage.isolate(leader)
        new = await stage.leader(other_than=leader)
        await stage.client(new).write("x", 2)
        old_answer = stage.begin(stage.pinned(leader).read, "x")
        await stage.until(lambda: old_answer.ended, "the isolated leader's client to give up")
        assert not old_answer.succeeded
        stage.heal()
        await stage.sleep(SECOND_NS)
        await stage.read_everywhere("x")

    outcome = play(OmniPaxos(options=OmniPaxosOptions(reads=reads)), scenario)
    assert outcome.alarm == "", outcome.reason


def test_with_quorum_reads_a_follower_answers_itself() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        follower = stage.others(leader)[0]
        await stage.client(leader).write("x", 1)
        assert await stage.pinned(follower).read("x") == 1
        stage.isolate(leader)
        # all that is decided was accepted by a quorum, so that no leader is needed to read it
        assert await stage.pinned(follower).read("x") == 1

    options = OmniPaxosOptions(reads="quorum", round_ns=60 * SECOND_NS)

    async def led(stage: Stage) -> None:
        stage.node(5).election.try_to_lead()
        await scenario(stage)

    assert play(OmniPaxos(options=options), led).alarm == ""


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_quorum_read_takes_no_report_that_an_earlier_life_asked_for(forgotten: bool) -> None:
    """Nor if that life ended before the disk knew of it, so that the next one has its number."""

    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        reader, _ = stage.others(leader)
        await stage.sleep(SECOND_NS)
        if forgotten:
            stage.crash(reader)
            stage.restart(reader)
        late = stage.hold(ReadReport, destination=reader)
        stage.begin(stage.pinned(reader).read, "x")
        await stage.sleep((5 if forgotten else 15) * MS)
        assert bool(late.held) != forgotten, "a life that may be forgotten asks nobody"
        stage.crash(reader)
        late.end()
        await stage.client(leader).write("x", 1)
        stage.restart(reader)
        stage.isolate(reader)
        await stage.sleep(50 * MS)
        stage.begin(stage.pinned(reader, timeout_ns=100 * MS).read, "x")
        await stage.sleep(MS)
        stage.heal()
        lost = stage.drop(ReadReport, destination=reader)
        late.release()
        await stage.sleep(200 * MS)
        lost.end()
        assert await stage.client(reader).read("x") == 1

    outcome = play(
        OmniPaxos(options=OmniPaxosOptions(reads="quorum")),
        scenario,
        nodes=3,
        flush_ns=(10 * MS, 10 * MS),
    )
    assert outcome.alarm == "", outcome.reason


# ---- configurations


async def reconfigure(stage: Stage, node: int, members: list[int], serial: int = 1) -> Any:
    """Ask `node` for other members; its answer, or None."""
    reply = await stage.world.port(6).call(
        node, ("reconfigure", members), session=600, serial=serial, read_only=False,
        timeout_ns=SECOND_NS,
    )  # fmt: skip
    return None if reply is None else (reply.value if reply.done else reply.error)


def test_a_majority_of_members_is_replaced() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        assert leader == 3
        await stage.client(1).write("x", 1)
        assert await reconfigure(stage, leader, [3, 4, 5]) == 2
        new = await stage.leader()
        assert new in (3, 4, 5)
        assert await stage.client(new).read("x") == 1
        await stage.client(1).write("x", 2)  # clients of former members find their way
        stage.crash(1, 2, 3)
        assert await stage.client(await stage.leader()).read("x") == 2
        assert [stage.node(node).configuration for node in (4, 5)] == [2, 2]

    outcome = play(OmniPaxos(options=OmniPaxosOptions(members=(1, 2, 3))), scenario)
    assert outcome.alarm == "", outcome.reason


def test_asking_for_the_present_members_changes_nothing_and_strangers_are_refused() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        assert await reconfigure(stage, leader, [1, 2, 3]) == 1
        assert await reconfigure(stage, leader, [1, 9], serial=2) == "no such members"
        follower = stage.others(leader)[0]
        assert await reconfigure(stage, follower, [1, 2], serial=3) == "not the leader"

    options = OmniPaxosOptions(members=(1, 2, 3))
    assert play(OmniPaxos(options=options), scenario, nodes=3).alarm == ""


def test_members_that_slept_through_two_configurations_catch_up() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        sleeper = stage.others(leader)[0]
        stage.isolate(sleeper)
        await stage.client(leader).write("x", 1)
        rest = [node for node in stage.nodes if node != sleeper]
        assert await reconfigure(stage, leader, rest) == 2
        leader = await stage.leader()
        assert await reconfigure(stage, leader, list(stage.nodes), serial=2) == 3
        await stage.client(await stage.leader()).write("x", 2)
        stage.heal()
        await stage.until(lambda: stage.node(sleeper).configuration == 3, "the sleeper to wake")
        await stage.until(lambda: stage.node(sleeper).role != "outsider", "it to be a member")
        await stage.sleep(SECOND_NS)
        assert stage.node(sleeper).applied == stage.node(await stage.leader()).applied

    outcome = play(OmniPaxos(), scenario)
    assert outcome.alarm == "", outcome.reason


def test_a_configuration_survives_the_restart_of_everybody() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        assert await reconfigure(stage, leader, [2, 4, 5]) == 2
        await stage.client(await stage.leader()).write("x", 1)
        stage.crash(*stage.nodes)
        stage.restart(*stage.nodes)
        new = await stage.leader()
        assert stage.node(new).log.members == (2, 4, 5)
        assert await stage.client(new).read("x") == 1

    outcome = play(OmniPaxos(), scenario)
    assert outcome.alarm == "", outcome.reason


# ---- snapshots and trimming

SMALL = OmniPaxosOptions(snapshot_entries=20, retain=5)


@pytest.mark.parametrize("members", [None, (1, 2, 4)])
def test_logs_stay_short_also_where_node_numbers_have_holes(
    members: tuple[int, ...] | None,
) -> None:
    async def scenario(stage: Stage) -> None:
        client = stage.client(1)
        for value in range(100):
            await client.write("x", value)
        await stage.sleep(200 * MS)
        for node in members or stage.nodes:
            assert len(stage.node(node).log.entries) <= 40
        assert stage.node(await stage.leader()).everywhere >= 99, "all members have everything"

    options = OmniPaxosOptions(snapshot_entries=20, retain=5, members=members)
    assert play(OmniPaxos(options=options), scenario).alarm == ""


def test_a_node_that_missed_what_is_compacted_gets_a_snapshot() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        victim = stage.others(leader)[0]
        stage.isolate(victim)
        client = stage.client(leader)
        for value in range(60):
            await client.write("x", value)
        stage.heal()
        await stage.until(
            lambda: stage.node(victim).applied == stage.node(leader).applied, "it to catch up"
        )
        assert stage.world.goals["snapshot-installed"] >= 1

    assert play(OmniPaxos(options=SMALL), scenario).alarm == ""


def test_a_leader_that_lacks_what_is_compacted_gets_a_snapshot_with_the_promises() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        hub = stage.others(leader)[0]
        stage.cut_both(hub, leader)
        rule = stage.drop(Promise, AcceptSync, destination=hub)
        client = stage.client(leader)
        for value in range(60):
            await client.write("x", value)
        rule.end()
        stage.isolate(leader)
        for _ in range(5):
            stage.node(hub).election.try_to_lead()
            await stage.sleep(50 * MS)
        await stage.until(lambda: stage.node(hub).leads, "the hub to lead")
        assert stage.world.goals["snapshot-installed"] >= 1
        assert await stage.client(hub).read("x") == 59

    options = OmniPaxosOptions(snapshot_entries=20, retain=5, election="happy")
    outcome = play(OmniPaxos(options=options), scenario)
    assert outcome.alarm == "", outcome.reason


# ---- quorums, priorities, batches


def test_with_an_accept_quorum_of_two_a_leader_and_one_follower_decide() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        friend = stage.others(leader)[0]
        stage.crash(*stage.others(leader, friend))
        await stage.pinned(leader).write("x", 1)

    options = OmniPaxosOptions(accept_quorum=2)
    assert play(OmniPaxos(options=options), scenario).alarm == ""


def test_the_node_with_the_highest_priority_is_elected_first() -> None:
    async def scenario(stage: Stage) -> None:
        assert await stage.leader() == 2

    options = OmniPaxosOptions(priorities=(0, 7, 1))
    assert play(OmniPaxos(options=options), scenario).alarm == ""


def test_what_comes_while_messages_are_under_way_is_sent_as_one_batch() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        before = stage.world.delivered
        clients = [stage.pinned(leader) for _ in range(40)]
        attempts = [
            stage.begin(client.write, f"k{number}", 1) for number, client in enumerate(clients)
        ]
        await stage.until(lambda: all(one.succeeded for one in attempts), "all writes to end")
        # alone, each would take four messages to the followers and as many back
        assert stage.world.delivered - before < 40 * 5

    assert play(OmniPaxos(), scenario).alarm == ""


def test_acknowledged_writes_survive_a_crash_of_all_nodes() -> None:
    async def scenario(stage: Stage) -> None:
        client = stage.client(1)
        for value in range(20):
            await client.write("x", value)
        stage.crash(*stage.nodes)
        stage.restart(*stage.nodes)
        assert await stage.client(await stage.leader()).read("x") == 19

    assert play(OmniPaxos(), scenario).alarm == ""
