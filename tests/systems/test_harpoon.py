"""Sound Harpoon, scenario by scenario: leases, silence, snapshots, clocks that break promises."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.system import Refused, Unanswered
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.harpoon import Harpoon, HarpoonOptions
from systems.harpoon.messages import Append, Install, Vote
from systems.kit import check_system
from systems.scenario import Stage, play, tried

LEASE_NS = HarpoonOptions.lease_ns


def _small_logs(**more: int) -> Harpoon:
    """Harpoon that takes a snapshot after every ten commands, and keeps no entry before it."""
    return Harpoon(options=HarpoonOptions(compact_every=10, compact_keep=0, **more))


def test_it_keeps_the_contract_of_systems() -> None:
    check_system(Harpoon)


@pytest.mark.parametrize("nodes", [1, 2, 4, 7])
def test_clusters_of_other_sizes_work(nodes: int) -> None:
    async def scenario(stage: Stage) -> None:
        client = stage.client(1)
        await client.write("x", 1)
        assert await client.compare_and_set("x", 1, 2)
        assert await client.read("x") == 2

    outcome = play(Harpoon(), scenario, nodes=nodes)
    assert outcome.alarm == "", outcome.reason


def test_a_read_under_a_valid_lease_takes_no_message_between_nodes() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        await stage.client(leader).write("x", 1)
        stage.isolate(leader)
        assert await stage.pinned(leader).read("x") == 1
        await stage.sleep(LEASE_NS)
        with pytest.raises(Refused):
            await stage.pinned(leader).read("x")

    assert play(Harpoon(), scenario).alarm == ""


def test_a_leader_without_a_quorum_steps_down_and_is_silent() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        witness, *others = stage.others(leader)
        stage.cut_both(leader, *others)
        stage.cut_both(witness, *others)
        await stage.sleep(2 * LEASE_NS)
        assert stage.node(leader).role != "leader"
        heard = stage.hold(Append, source=leader, destination=witness)
        await stage.sleep(5 * LEASE_NS)
        assert not heard.held
        assert stage.world.goals["stepped-down"] == 1

    assert play(Harpoon(), scenario).alarm == ""


def test_a_node_that_was_cut_off_does_not_depose_the_leader_when_it_comes_back() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        victim = stage.others(leader)[0]
        term = stage.node(leader).term
        stage.isolate(victim)
        await stage.sleep(5 * LEASE_NS)
        stage.heal()
        await stage.sleep(LEASE_NS)
        assert stage.node(leader).role == "leader"
        assert [stage.node(node).term for node in stage.nodes] == [term] * 5

    assert play(Harpoon(), scenario).alarm == ""


def test_a_restarted_cluster_waits_until_all_promises_are_over() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.leader()
        stage.crash(*stage.nodes)
        stage.restart(*stage.nodes)
        before_ns = stage.world.now_ns
        await stage.leader()
        assert LEASE_NS < stage.world.now_ns - before_ns < 2 * LEASE_NS

    assert play(Harpoon(), scenario).alarm == ""


def test_what_an_isolated_leader_took_gives_way_and_is_not_refused() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        stage.isolate(old)
        with pytest.raises(Unanswered):
            await stage.pinned(old).write("x", "lost")
        new = await stage.leader(other_than=old)
        await stage.client(new).write("x", "kept")
        stage.heal()
        await stage.sleep(SECOND_NS)
        assert stage.world.goals["log-truncated"] == 1
        assert await stage.client(old).read("x") == "kept"

    assert play(Harpoon(), scenario).alarm == ""


# ---- snapshots


def test_a_node_that_lags_behind_gets_a_snapshot() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        victim = stage.others(leader)[0]
        client = stage.client(leader)
        stage.isolate(victim)
        for value in range(35):
            await client.write("x", value)
        stage.heal()
        await stage.until(
            lambda: stage.node(victim).applied == stage.node(leader).applied, "it to catch up"
        )
        assert stage.world.goals["snapshot-installed"] == 1
        assert stage.node(victim).log.base_index >= 30

    outcome = play(_small_logs(), scenario)
    assert outcome.alarm == "", outcome.reason


def test_a_snapshot_comes_with_the_vote_if_the_log_is_gone() -> None:
    """The hub of a star lacks more than anybody's log still has, and must lead."""

    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        hub, *others = stage.others(old)
        stage.cut_both(hub, old)
        for value in range(35):
            await stage.client(old).write("x", value)
        stage.drop(Append, Install, destination=hub)
        stage.isolate(old)
        for number, node in enumerate(others):
            stage.cut_both(node, *others[number + 1 :])
        sent = stage.double(MILLISECOND_NS, Vote, when=lambda vote: vote.snapshot is not None)
        new = await stage.leader(other_than=old)
        assert new == hub
        assert sent.taken >= 1
        assert await stage.client(hub).read("x") == 34

    outcome = play(_small_logs(), scenario)
    assert outcome.alarm == "", outcome.reason


@pytest.mark.parametrize("mode", ["clean", "prefix", "torn"])
def test_snapshots_and_logs_survive_crashes_at_any_moment(mode: str) -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        client = stage.client(leader)
        for value in range(60):
            await client.write("x", value)
            victim = stage.others(leader)[value % 4]
            stage.crash(victim, mode=mode)
            stage.restart(victim)
        stage.crash(*stage.nodes, mode=mode)
        stage.restart(*stage.nodes)
        await stage.leader()
        assert await stage.client(1).read("x") == 59

    outcome = play(_small_logs(), scenario)
    assert outcome.alarm == "", outcome.reason


def test_a_repetition_is_known_after_a_snapshot_and_a_restart() -> None:
    async def scenario(stage: Stage) -> None:
        port = stage.world.port(0)
        command = ("cas", "once", None, 1)
        options = {"session": 99, "serial": 1, "read_only": False, "timeout_ns": SECOND_NS}
        leader = await stage.leader()
        first = await port.call(leader, command, **options)
        for value in range(25):
            await stage.client(leader).write("x", value)
        stage.crash(*stage.nodes)
        stage.restart(*stage.nodes)
        leader = await stage.leader()
        again = await port.call(leader, command, **options)
        assert first is not None
        assert again is not None
        assert (first.value, again.value) == (True, True)

    assert play(_small_logs(), scenario).alarm == ""


# ---- clocks


async def _the_leader_is_slow(stage: Stage, rate_ppm: int) -> None:
    """The leader's clock runs at another rate; it is cut off, overtaken and asked."""
    old = await stage.leader()
    await stage.client(old).write("x", 1)
    stage.act(["skew", old, 0, rate_ppm])
    await stage.sleep(SECOND_NS // 2)
    stage.isolate(old)
    new = await stage.leader(other_than=old)
    await stage.client(new).write("x", 2)
    await tried(stage.pinned(old).read("x"))


@pytest.mark.parametrize(
    ("rate_ppm", "alarm", "alarm_of_clients"),
    [
        (-1000, "", ""),
        (1000, "", ""),
        (-3000, "lease-backed", ""),
        (-500_000, "lease-backed", "linearizability"),
    ],
)
def test_a_drift_beyond_the_promised_bound_is_caught(
    rate_ppm: int, alarm: str, alarm_of_clients: str
) -> None:
    async def scenario(stage: Stage) -> None:
        await _the_leader_is_slow(stage, rate_ppm)

    assert play(Harpoon(), scenario).alarm == alarm
    assert play(Harpoon(), scenario, invariants=False).alarm == alarm_of_clients


def test_wall_clocks_do_not_matter() -> None:
    async def scenario(stage: Stage) -> None:
        for node in stage.nodes:
            stage.act(["skew", node, (-1) ** node * 100 * SECOND_NS, 0])
        await _the_leader_is_slow(stage, 0)

    assert play(Harpoon(), scenario).alarm == ""


# ---- options


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"heartbeat_ns": LEASE_NS}, "Use a third of it at most"),
        ({"wait_minimum_ns": 10, "wait_maximum_ns": 10}, "collide for ever"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, int], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        HarpoonOptions(**options)
