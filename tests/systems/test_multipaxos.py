"""Multi-Paxos: the contract of systems, learning, snapshots, and what raises ballots."""

from __future__ import annotations

import pytest

from harness.units import MILLISECOND_NS, SECOND_NS
from systems.kit import check_system
from systems.paxos.multi import MultiPaxos, MultiPaxosGossip, MultiPaxosOptions
from systems.paxos.multi.messages import Learn, Propose
from systems.scenario import Stage, play

MS = MILLISECOND_NS
BOTH = pytest.mark.parametrize("system", [MultiPaxos, MultiPaxosGossip])


@BOTH
def test_it_keeps_the_contract_of_systems(system: type[MultiPaxos]) -> None:
    check_system(system)


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 7])
@BOTH
def test_clusters_of_other_sizes_work(system: type[MultiPaxos], nodes: int) -> None:
    async def scenario(stage: Stage) -> None:
        client = stage.client(1)
        await client.write("x", 1)
        assert await client.compare_and_set("x", 1, 2)
        assert await client.read("x") == 2

    assert play(system(), scenario, nodes=nodes).alarm == ""


@BOTH
def test_an_isolated_leader_is_replaced_and_answers_nobody(system: type[MultiPaxos]) -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        await stage.client(old).write("x", 1)
        stage.isolate(old)
        new = await stage.leader(other_than=old)
        await stage.client(new).write("x", 2)
        answer = stage.begin(stage.pinned(old).read, "x")
        await stage.until(lambda: answer.ended, "its client to give up")
        assert not answer.succeeded
        stage.heal()
        await stage.sleep(SECOND_NS)
        assert await stage.client(old).read("x") == 2

    outcome = play(system(), scenario)
    assert outcome.alarm == "", outcome.reason


def test_slots_that_a_follower_missed_are_learned() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        victim = stage.others(leader)[0]
        stage.drop(Propose, destination=victim, when=lambda message: message.entries, count=3)
        client = stage.client(leader)
        for value in range(6):
            await client.write("x", value)
        await stage.until(
            lambda: stage.node(victim).applied == stage.node(leader).applied == 6, "it to learn"
        )

    outcome = play(MultiPaxos(), scenario)
    assert outcome.alarm == "", outcome.reason


@BOTH
def test_a_node_that_missed_what_is_compacted_gets_a_snapshot(system: type[MultiPaxos]) -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        victim = stage.others(leader)[0]
        stage.crash(victim)
        client = stage.client(leader)
        for value in range(60):
            await client.write("x", value)
        assert len(stage.node(leader).log.entries) <= 30
        stage.restart(victim)
        await stage.until(
            lambda: stage.node(victim).applied == stage.node(leader).applied, "it to catch up"
        )
        assert stage.world.goals["snapshot-installed"] == 1

    options = MultiPaxosOptions(snapshot_entries=20, retain=5, election=system.defaults.election)
    outcome = play(system(options=options), scenario)
    assert outcome.alarm == "", outcome.reason


def test_two_leaders_that_do_not_hear_each_other_raise_their_ballots_in_turn() -> None:
    """As published of chained clusters: leaders change without end, though some work is done."""

    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        stage.cut_both(leader, stage.others(leader)[0])
        await stage.sleep(2 * SECOND_NS)
        assert stage.world.goals["ballot-raised"] > 30
        await stage.client(leader).write("x", 1)

    outcome = play(MultiPaxos(), scenario)
    assert outcome.alarm == "", outcome.reason


def test_with_an_accept_quorum_of_two_a_leader_and_one_follower_decide() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        stage.crash(*stage.others(leader)[1:])
        await stage.pinned(leader).write("x", 1)

    assert play(MultiPaxos(options=MultiPaxosOptions(accept_quorum=2)), scenario).alarm == ""


def test_acknowledged_writes_survive_a_crash_of_all_nodes() -> None:
    async def scenario(stage: Stage) -> None:
        client = stage.client(1)
        for value in range(20):
            await client.write("x", value)
        stage.crash(*stage.nodes)
        stage.restart(*stage.nodes)
        assert await stage.client(await stage.leader()).read("x") == 19

    assert play(MultiPaxos(), scenario).alarm == ""


def test_a_chosen_value_is_not_overwritten_by_a_leader_that_was_overtaken() -> None:
    """A node that has only learned the value has promised no more than the old ballot."""

    async def scenario(stage: Stage) -> None:
        stage.node(5).election.try_to_lead()
        await stage.until(lambda: stage.node(5).leads, "n5 to lead")
        stage.isolate(1, 5)
        late = stage.hold(Propose, source=5, destination=1, when=lambda message: message.entries)
        attempt = stage.begin(stage.pinned(5, timeout_ns=10 * MS).write, "x", 1)
        await stage.until(lambda: attempt.ended, "the write to fail")
        stage.node(4).election.try_to_lead()
        await stage.sleep(10 * MS)
        stage.node(4).election.try_to_lead()
        await stage.until(lambda: stage.node(4).leads, "n4 to lead")
        await stage.client(4).write("x", 2)
        entry = stage.node(4).log.at(1)
        stage.heal()
        stage.world.send_on(4, 1, Learn(0, (entry,), None))
        await stage.until(lambda: stage.node(1).committed == 1, "n1 to learn")
        assert stage.node(1).promise.node == 5
        late.release()
        await stage.sleep(5 * MS)
        assert stage.node(1).log.at(1) == entry

    options = MultiPaxosOptions(round_ns=60 * SECOND_NS, heartbeat_ns=SECOND_NS)
    outcome = play(MultiPaxos(options=options), scenario)
    assert outcome.alarm == "", outcome.reason
