"""What clients of the gossip system see, command by command, and what its nodes promise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from harness.errors import UsageError
from harness.node import ClientRequest
from harness.simulation.wire import Wire
from harness.system import Refused, Unanswered
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.crdt import Objects
from systems.gossip import Gossip, GossipAll, GossipOne, GossipOptions, GossipQuorum
from systems.gossip.messages import (
    MESSAGES,
    Batch,
    Fetched,
    Poll,
    ReadAnswer,
    Summary,
    Write,
    Written,
)
from systems.gossip.schedules.craft import acquainted, ask, contents, converged, node
from systems.scenario import Outcome, Stage, play

Scenario = Callable[[Stage], Awaitable[object]]


def perform(scenario: Scenario, *, nodes: int = 5, **options: Any) -> Outcome:
    """Play with every message on the wire; no alarm may be raised."""
    outcome = play(
        Gossip(options=GossipOptions(**options)),
        scenario,
        nodes=nodes,
        clients=12,
        machine=lambda: Objects({"count": "pn-counter", "name": "lww-register"}),
        wire=Wire(MESSAGES),
    )
    assert outcome.alarm == "", outcome.reason
    return outcome


def copies(stage: Stage, key: str) -> list[int]:
    return [one for one in stage.nodes if ("ks", key) in contents(stage, one)]


@pytest.mark.parametrize(
    ("level", "count"),
    [
        ("None", 1), ("One", 2), ("Two", 3), ("Three", 4),
        ("LocalQuorum", 2), ("Quorum", 3), ("EachQuorum", 4), ("All", 5),
    ],
)  # fmt: skip
def test_a_level_is_acknowledged_with_exactly_its_copies(level: str, count: int) -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.drop(Batch)
        stage.drop(Poll)
        stamp = await ask(stage, 1, "put", "ks", "k", "v", level)
        assert len(copies(stage, "k")) == count
        assert await ask(stage, 1, "get", "ks", "k", "None") == ["v", stamp]

    perform(scenario)


def test_all_commands_do_what_they_say() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        assert await ask(stage, 1, "get", "ks", "k", "All") == [None, None]
        one = await ask(stage, 1, "put", "ks", "k", {"a": [1]}, "All")
        assert await ask(stage, 5, "get", "ks", "k", "None") == [{"a": [1]}, one]
        many = await ask(stage, 2, "put_many", "ks", [[1, "x"], ["1", "y"], [1, "z"]], "All")
        assert many > one
        rows = await ask(stage, 5, "get_many", "ks", ["1", "missing", 1, "k", "k"], "Quorum")
        assert rows == [["1", "y", many], [1, "z", many], ["k", {"a": [1]}, one]]
        assert await ask(stage, 5, "keys", "ks") == [1, "1", "k"]
        gone = await ask(stage, 3, "del", "ks", "k", "All")
        assert await ask(stage, 4, "get", "ks", "k", "None") == [None, gone]
        await ask(stage, 3, "del_many", "ks", [1, "never there"], "All")
        assert await ask(stage, 4, "keys", "ks") == ["1"]
        assert await ask(stage, 4, "keys", "other") == []
        assert await ask(stage, 4, "members") == [1, 2, 3, 4, 5]
        stamps = [await ask(stage, 4, "timestamp") for _ in range(3)]
        assert sorted(stamps) == stamps
        assert len({tuple(stamp) for stamp in stamps}) == 3
        assert await ask(stage, 4, "update", "count", "add", -2) is None
        assert await ask(stage, 4, "read", "count") == -2

    perform(scenario)


def test_keyspaces_do_not_touch_each_other() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        await ask(stage, 1, "put", "one", "k", 1, "All")
        await ask(stage, 1, "put", "two", "k", 2, "All")
        await ask(stage, 2, "del", "one", "k", "All")
        assert (await ask(stage, 3, "get", "two", "k", "None"))[0] == 2
        await stage.until(
            lambda: not any(node(stage, one).store.open("one").dead for one in stage.nodes),
            "the tombstone to be purged",
        )
        assert (await ask(stage, 3, "get", "two", "k", "None"))[0] == 2

    perform(scenario)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["put", "ks", "k", 1, "Qorum"], "no consistency level called 'Qorum'"),
        (["put", "ks", 1.5, 1, "One"], "A key is a string or a whole number, not 1.5"),
        (["put", "ks", True, 1, "One"], "A key is a string or a whole number, not True"),
        (["put", "ks", "k", 1, ["One"]], "does not know the command"),
        (["put_many", "ks", [["k"]], "One"], r"a list of \[key, value\]; \['k'\] is none"),
        (["put_many", "ks", [], "One"], "does not know the command"),
        (["fly"], "does not know the command"),
        (["read", "nobody"], "no object called 'nobody'"),
        (["update", "count", "add", "x"], r"A pn-counter has no update 'add' with \['x'\]"),
    ],
)
def test_commands_that_cannot_be_are_refused_with_a_reason(
    command: list[Any], complaint: str
) -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        with pytest.raises(Refused, match=complaint):
            await ask(stage, 1, *command)
        assert contents(stage, 1) == {}

    perform(scenario)


def test_too_few_live_nodes_are_a_refusal_and_nothing_is_written() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.isolate(4, 5)
        await stage.until(lambda: node(stage, 4).gossiper.live == (5,), "n4 to miss the others")
        for level, need in (("Quorum", 2), ("EachQuorum", 3), ("All", 4)):
            with pytest.raises(Refused, match=f"{level} needs {need} other nodes, and 1 of them"):
                await ask(stage, 4, "put", "ks", "k", 1, level)
        assert contents(stage, 4) == {}
        await stage.until(lambda: node(stage, 1).gossiper.live == (2, 3), "n1 to miss n4 and n5")
        await ask(stage, 4, "put", "ks", "k", 1, "LocalQuorum")
        assert copies(stage, "k") == [4, 5]
        await ask(stage, 1, "put", "ks", "q", 1, "Quorum")

    perform(scenario)


def test_counting_the_living_as_published_both_sides_of_a_partition_write() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.isolate(4, 5)
        await stage.until(
            lambda: node(stage, 4).gossiper.live == (5,) and node(stage, 1).gossiper.live == (2, 3),
            "both sides to miss each other",
        )
        for home in (1, 4):
            await ask(stage, home, "put", "ks", "k", home, "All")
        stage.heal()
        await converged(stage)

    perform(scenario, count_members="live")


def test_a_silent_node_leaves_a_write_unfinished_and_it_spreads_all_the_same() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.drop(Write, destination=5, count=1)
        with pytest.raises(Unanswered, match="3 of 4 nodes confirmed in time"):
            await ask(stage, 1, "put", "ks", "k", 1, "All")
        await converged(stage)
        assert copies(stage, "k") == [1, 2, 3, 4, 5]

    perform(scenario)


def test_time_runs_out_for_a_level_under_load_too() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.drop(Write, destination=5)
        begun_ns = stage.world.now_ns
        attempt = stage.begin(ask, stage, 1, "put", "ks", "k", 1, "All")
        while not attempt.ended:
            stage.begin(ask, stage, 1, "get", "ks", "k", "One")
            await stage.sleep(50 * MILLISECOND_NS)
        assert isinstance(attempt.error, Unanswered)
        assert "confirmed in time" in str(attempt.error)
        assert stage.world.now_ns - begun_ns < 1300 * MILLISECOND_NS

    perform(scenario)


def test_a_read_at_quorum_sees_a_write_at_quorum_wherever_both_went() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.drop(Batch)
        stage.drop(Poll)
        for writer in stage.nodes:
            stamp = await ask(stage, writer, "put", "ks", "k", writer, "Quorum")
            for reader in stage.nodes:
                assert await ask(stage, reader, "get", "ks", "k", "Quorum") == [writer, stamp]

    perform(scenario)


def test_a_read_at_none_is_what_the_node_has() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.drop(Batch)
        stage.drop(Poll)
        await ask(stage, 1, "put", "ks", "k", 1, "None")
        assert await ask(stage, 2, "get", "ks", "k", "None") == [None, None]

    perform(scenario)


def test_repair_fetches_in_chunks_and_then_keeps_quiet() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.drop(Batch)
        fetched = stage.double(0, Fetched)  # counts them, and shows that doubling is harmless
        await ask(stage, 1, "put_many", "ks", [[number, number] for number in range(10)], "None")
        await converged(stage)
        assert fetched.taken >= 4 * 4
        await stage.sleep(2 * SECOND_NS)
        before = fetched.taken
        await stage.sleep(5 * SECOND_NS)
        assert fetched.taken == before

    perform(scenario, fetch_chunk=3)


def test_a_session_of_repair_that_stalls_is_given_up_and_begun_again() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.drop(Batch)
        lost = stage.drop(Summary, count=20)
        await ask(stage, 1, "put", "ks", "k", 1, "None")
        await converged(stage)
        assert lost.taken == 20

    perform(scenario)


def test_what_was_acknowledged_survives_the_restart_of_all() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        await ask(stage, 1, "put", "ks", "k", 1, "None")
        await ask(stage, 2, "update", "count", "add", 7)
        stamp = await ask(stage, 3, "timestamp")
        stage.crash(*stage.nodes)
        stage.restart(*stage.nodes)
        await stage.until(lambda: all(node(stage, one).started for one in stage.nodes), "a start")
        assert await ask(stage, 3, "timestamp") > stamp
        await converged(stage)
        assert (await ask(stage, 5, "get", "ks", "k", "None"))[0] == 1
        assert await ask(stage, 5, "read", "count") == 7

    perform(scenario, compact_every=3)


def test_confirmations_that_an_earlier_life_waited_for_do_not_count() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        late = stage.hold(Written, destination=1)
        stage.begin(ask, stage, 1, "put", "ks", "x", 1, "All")
        await stage.until(lambda: len(late.held) == 4, "four to confirm")
        late.end()
        stage.crash(1)
        stage.restart(1)
        await acquainted(stage)
        stage.drop(Write, Batch, source=1)
        put = stage.begin(ask, stage, 1, "put", "ks", "y", 2, "All")
        await stage.sleep(5 * MILLISECOND_NS)
        assert copies(stage, "y") == [1]
        late.release()
        with pytest.raises(Unanswered, match="0 of 4 nodes confirmed"):
            await put.end()

    perform(scenario)


def test_answers_that_an_earlier_life_waited_for_do_not_count() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        late = stage.hold(ReadAnswer, destination=1)
        stage.begin(ask, stage, 1, "get", "ks", "x", "All")
        await stage.until(lambda: len(late.held) == 4, "four to answer")
        late.end()
        stage.drop(Batch, Poll)
        await ask(stage, 2, "put", "ks", "y", 7, "One")
        stage.crash(1)
        stage.restart(1)
        await acquainted(stage)
        stage.drop(ReadAnswer, destination=1, count=4)
        get = stage.begin(ask, stage, 1, "get", "ks", "y", "All")
        await stage.sleep(5 * MILLISECOND_NS)
        late.release()
        with pytest.raises(Refused, match="0 of 4 nodes answered in time"):
            await get.end()
        assert (await ask(stage, 1, "get", "ks", "y", "All"))[0] == 7

    perform(scenario)


def test_a_session_of_repair_that_an_earlier_life_began_is_over() -> None:
    async def scenario(stage: Stage) -> None:
        late = stage.hold(Summary, destination=1)
        await stage.until(lambda: late.held, "n1 to be answered")
        late.end()
        stage.crash(1)
        stage.restart(1)
        stage.drop(Summary, destination=1)
        await stage.until(lambda: node(stage, 1).started, "n1 to start")
        await stage.until(lambda: node(stage, 1).repair.sessions, "n1 to ask again")
        late.release()
        await stage.sleep(5 * MILLISECOND_NS)
        assert node(stage, 1).repair.finished == 0

    perform(scenario, nodes=2)


def test_in_memory_a_restart_forgets_and_the_others_fill_it_again() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        await ask(stage, 1, "put", "ks", "k", 1, "All")
        await ask(stage, 1, "update", "count", "add", 7)
        await converged(stage)
        stage.crash(1)
        stage.restart(1)
        assert contents(stage, 1) == {}
        await ask(stage, 1, "update", "count", "add", 1)
        await converged(stage)
        await stage.sleep(3 * SECOND_NS)
        assert await ask(stage, 5, "read", "count") == 8
        assert copies(stage, "k") == [1, 2, 3, 4, 5]

    perform(scenario, storage="memory")


def test_a_lost_disk_is_filled_by_the_others() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        await stage.sleep(3 * SECOND_NS)
        await ask(stage, 1, "put", "ks", "k", 1, "All")
        await stage.sleep(3 * SECOND_NS)
        stage.crash(1, mode="wipe")
        stage.restart(1)
        await converged(stage)
        assert copies(stage, "k") == [1, 2, 3, 4, 5]

    perform(scenario)


def test_nothing_that_a_crash_could_undo_is_ever_shown() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        attempt = stage.begin(ask, stage, 1, "put", "ks", "k", 1, "All")
        await stage.until(lambda: copies(stage, "k") == [1], "n1 to store it")
        assert not attempt.ended
        stage.crash(1)  # before the end of the flush
        stage.restart(1)
        await stage.sleep(3 * SECOND_NS)
        assert copies(stage, "k") == [], "it never left n1"

    perform(scenario)


def test_another_cluster_is_not_listened_to() -> None:
    class Strangers(Gossip):
        def node(self, context: Any, machine: Any) -> Any:
            made: Any = super().node(context, machine)
            if context.id == 5:
                made.options = GossipOptions(cluster="other")
            return made

    async def scenario(stage: Stage) -> None:
        await stage.sleep(5 * SECOND_NS)
        assert [node(stage, one).gossiper.live for one in (1, 5)] == [(2, 3, 4), ()]

    outcome = play(Strangers(), scenario)
    assert outcome.alarm == ""
    assert outcome.stage.world.goals["other-cluster"] > 0


@pytest.mark.parametrize("nodes", [1, 2, 3, 8])
def test_clusters_of_other_sizes_work(nodes: int) -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stamp = await ask(stage, nodes, "put", "ks", "k", 1, "All")
        assert await ask(stage, 1, "get", "ks", "k", "Quorum") == [1, stamp]

    perform(scenario, nodes=nodes, data_centers=3)


def test_a_machine_that_is_no_objects_leaves_the_store_alone() -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        await ask(stage, 1, "put", "ks", "k", 1, "All")

    assert play(Gossip(), scenario).alarm == ""


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="no value of GossipOptions.count_members"):
        GossipOptions(count_members="lively")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="GossipOptions.seeds is 0"):
        GossipOptions(seeds=0)
    with pytest.raises(UsageError, match="no flaw of gossip called 'no-drift'"):
        Gossip(flaw="no-drift")


def test_requests_before_the_start_are_left_unanswered() -> None:
    async def scenario(stage: Stage) -> None:
        made = node(stage, 1)
        assert not made.started
        made.on_request(ClientRequest(6, 1, 1, 1, ["members"]))
        assert made.status().role == "starting"
        await stage.until(lambda: made.started, "n1 to start")
        assert made.status().role == "member"

    perform(scenario)


@pytest.mark.parametrize("system", [GossipOne, GossipQuorum, GossipAll])
def test_as_registers_the_store_is_read_and_written_at_one_level(system: type[Gossip]) -> None:
    async def scenario(stage: Stage) -> None:
        await acquainted(stage)
        stage.drop(Batch)
        stage.drop(Poll)
        client = stage.client(1)
        await client.write("k", 7)
        assert await client.read("k") == 7
        count = {"One": 2, "Quorum": 3, "All": 5}[str(system.level)]
        held = [one for one in stage.nodes if ("registers", "k") in contents(stage, one)]
        assert len(held) == count
        with pytest.raises(Refused, match="has no compare-and-set"):
            await ask(stage, 1, "cas", "k", 7, 8)

    assert play(system(), scenario).alarm == ""
