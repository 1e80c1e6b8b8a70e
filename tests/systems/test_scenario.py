"""The stage: conditions at the very event, rules about messages, and what counts as an alarm."""

from __future__ import annotations

import pytest

from harness.invariant import Invariant
from harness.node import ClientReply
from harness.system import Unanswered
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.raft import Raft, RaftNode, RaftPreVote
from systems.raft.messages import Append, Appended
from systems.scenario import LATENCY_NS, Stage, play, tried


async def stale_read(stage: Stage) -> None:
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    stage.isolate(old)
    new = await stage.leader(other_than=old)
    await stage.client(new).write("x", 2)
    await tried(stage.pinned(old).read("x"))


def test_a_history_that_is_not_linearizable_is_an_alarm() -> None:
    flawed = play(Raft(flaw="stale-read"), stale_read)
    assert flawed.alarm == "linearizability"
    assert flawed.verdict is not None
    assert play(Raft(), stale_read).alarm == ""


def test_the_same_scenario_goes_the_same_way_twice() -> None:
    one, other = play(Raft(), stale_read), play(Raft(), stale_read)
    assert one.history == other.history
    assert one.stage.world.digest == other.stage.world.digest


def test_what_does_not_happen_in_time_is_an_alarm() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: False, "pigs to fly", within_ns=SECOND_NS)

    outcome = play(Raft(), scenario)
    assert outcome.alarm == "stuck"
    assert "pigs to fly" in outcome.reason


def test_no_leader_is_stuck_too() -> None:
    async def scenario(stage: Stage) -> None:
        stage.crash(1, 2, 3)
        await stage.leader(within_ns=SECOND_NS)

    assert play(Raft(), scenario).alarm == "stuck"


class Watched(Raft):
    """Raft, watched by one that does not like terms beyond 0."""

    def invariants(self) -> list[Invariant]:
        class NoTerms(Invariant):
            name = "no-terms"

            def observe(self, world, node, replica):  # type: ignore[no-untyped-def]
                if replica.term:
                    from harness.invariant import Sighting

                    now = Sighting(time_ns=world.now_ns, node=node, what="has a term")
                    raise self.violated("terms", now, now)

        return [NoTerms()]


def test_a_violated_invariant_is_an_alarm_with_its_name() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sleep(5 * SECOND_NS)

    assert play(Watched(), scenario).alarm == "no-terms"
    assert play(Watched(), scenario, invariants=False).alarm == ""


class Broken(Raft):
    """Raft whose nodes fall over when they hear of a leader."""

    def node(self, context, machine):  # type: ignore[no-untyped-def]
        class Node(RaftNode):
            def on_message(self, source, message):  # type: ignore[no-untyped-def]
                assert not isinstance(message, Append)
                super().on_message(source, message)

        return Node(context, machine, self.options)


def test_a_node_that_raises_is_an_alarm() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sleep(5 * SECOND_NS)

    assert play(Broken(), scenario).alarm == "node-failure"


def test_an_error_of_the_scenario_itself_comes_out() -> None:
    async def scenario(stage: Stage) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        play(Raft(), scenario)


def test_a_condition_is_seen_at_the_event_that_makes_it_true() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: stage.node(1).term == 1, "a term")
        first = stage.world.now_ns
        assert all(event[0] <= first for event in stage.world.trace)
        await stage.until(lambda: stage.node(2).term == 1, "the news to spread")
        assert 0 < stage.world.now_ns - first <= 2 * LATENCY_NS

    assert play(Raft(), scenario).alarm == ""


def test_dropped_messages_do_not_arrive() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        one, other, *_ = stage.others(leader)
        rule = stage.drop(Append, destination=(one, other), when=lambda m: m.entries, count=2)
        await stage.client(leader).write("x", 1)
        assert rule.taken == 2
        assert stage.node(one).log.last_index < stage.node(leader).log.last_index
        await stage.sleep(SECOND_NS)
        assert rule.taken == 2, "it has ended"
        assert stage.node(one).log.last_index == stage.node(leader).log.last_index

    assert play(Raft(), scenario).alarm == ""


def test_held_messages_arrive_after_their_release_in_their_order() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        held = stage.hold(Appended, destination=leader)
        attempt = stage.begin(stage.pinned(leader, timeout_ns=3 * SECOND_NS).write, "x", 1)
        await stage.sleep(SECOND_NS)
        assert not attempt.ended
        assert len(held.held) > 4
        held.release()
        await attempt.end()
        assert attempt.succeeded

    assert play(RaftPreVote(), scenario).alarm == ""


def test_delayed_and_doubled_messages() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        client = stage.pinned(leader)
        slow = stage.delay(100 * MILLISECOND_NS, ClientReply)
        begun_ns = stage.world.now_ns
        await client.write("x", 1)
        assert stage.world.now_ns - begun_ns >= 100 * MILLISECOND_NS
        slow.end()
        before = stage.world.delivered
        double = stage.double(20 * MILLISECOND_NS, Append, source=leader, count=4)
        await client.write("x", 2)
        await stage.sleep(40 * MILLISECOND_NS)
        assert double.taken == 4
        assert stage.world.delivered > before

    assert play(Raft(), scenario).alarm == ""


def test_a_client_becomes_a_new_process_when_it_does_not_know() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        client = stage.pinned(leader)
        first = client.process
        stage.isolate(leader)
        with pytest.raises(Unanswered):
            await client.write("x", 1)
        assert client.process != first
        stage.heal()
        assert not any(stage.world.network.cuts)
        leader = await stage.leader()
        reader = stage.client(leader)
        old = await reader.read("x")
        assert await reader.compare_and_set("x", old, 2)
        assert not await reader.compare_and_set("x", "else", 3)
        assert await stage.read_everywhere("x") == [2] * 5

    outcome = play(Raft(), scenario)
    assert outcome.alarm == ""
    kinds = [operation.type for operation in outcome.history]
    assert kinds.count("info") == 1
    assert kinds.count("fail") == 1
