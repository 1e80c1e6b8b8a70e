"""Members come and go while the cluster works; the leadership is handed over."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UsageError
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.raft import Raft, RaftOptions
from systems.raft.configuration import Configuration
from systems.raft.messages import Append, TimeoutNow, Vote
from systems.scenario import Stage, play

THREE = RaftOptions(voters=3)


def check(scenario: Any, options: RaftOptions = THREE, **more: Any) -> Stage:
    outcome = play(Raft(options=options), scenario, **more)
    assert outcome.alarm == "", outcome.reason
    return outcome.stage


async def settled(stage: Stage, *voters: int) -> None:
    """Wait until all these voters have committed a configuration of exactly them."""

    def done() -> bool:
        return all(
            stage.node(number).configuration.voters == voters
            and not stage.node(number).configuration.outgoing
            and stage.node(number).configuration_index <= stage.node(number).committed
            for number in voters
        )

    await stage.until(done, f"the voters to be {voters}")


async def a_removal(stage: Stage) -> tuple[int, int]:
    """The leader, and a follower whose removal all others have committed."""
    leader = await stage.leader()
    gone, *rest = stage.others(leader)
    stage.order(leader, "remove", gone)
    await settled(stage, *sorted([leader, *rest]))
    return leader, gone


def test_outsiders_take_no_part() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.client(1).write("x", 1)
        await stage.sleep(3 * SECOND_NS)
        for outsider in (4, 5):
            assert stage.node(outsider).log.last_index == 0
            assert stage.node(outsider).term == 0

    check(scenario)


def test_a_newcomer_catches_up_as_a_standby_and_then_votes() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        client = stage.client(leader)
        for value in range(200):
            await client.write("x", value)
        stage.order(leader, "assign", 4, "voter")
        await stage.until(lambda: 4 in stage.node(leader).configuration.standbys, "a standby")
        await settled(stage, 1, 2, 3, 4)
        assert stage.node(4).applied >= 200
        (one, other) = [n for n in (1, 2, 3) if n != leader]
        stage.isolate(one)
        await client.write("x", "three of four")
        stage.isolate(other)
        stage.begin(stage.pinned(leader).write, "x", "two of four")
        await stage.sleep(SECOND_NS)
        assert stage.node(4).committed <= 205, "two of four decide nothing"

    check(scenario)


def test_a_newcomer_behind_a_snapshot_joins_too() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        client = stage.client(leader)
        for value in range(60):
            await client.write("x", value)
        stage.order(leader, "assign", 5, "voter")
        await settled(stage, 1, 2, 3, 5)

    options = RaftOptions(voters=3, snapshot_threshold=20, trailing=5, chunk_bytes=20)
    assert check(scenario, options).world.goals["snapshot-installed"] == 1


@pytest.mark.parametrize("joint", [False, True])
def test_a_removed_node_is_not_needed_and_does_not_disturb(joint: bool) -> None:
    async def scenario(stage: Stage) -> None:
        leader, gone = await a_removal(stage)
        term = stage.node(leader).term
        stage.isolate(gone)
        await stage.sleep(3 * SECOND_NS)
        stage.heal()
        await stage.sleep(SECOND_NS)
        assert await stage.leader() == leader
        assert stage.node(leader).term == term

    stage = check(scenario, RaftOptions(joint=joint))
    assert stage.world.goals.get("joint-begun", 0) == joint


def test_a_leader_that_is_removed_steps_down_when_that_is_decided() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        stage.order(old, "remove", old)
        new = await stage.leader(other_than=old)
        await settled(stage, *stage.others(old))
        await stage.client(new).write("x", 1)
        assert stage.node(old).role == "follower"

    assert check(scenario, RaftOptions()).world.goals["left"] == 1


@pytest.mark.parametrize("pre_vote", [True, False])
@pytest.mark.parametrize("check_quorum", [True, False])
@pytest.mark.parametrize("nodes", [2, 4])
@pytest.mark.parametrize("demoted", [False, True])
def test_a_leader_whose_own_removal_nobody_else_has_stands_again(
    demoted: bool, nodes: int, check_quorum: bool, pre_vote: bool
) -> None:
    """Without it there is no majority of the members that the others know."""

    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        others = stage.others(old)
        await stage.client(old).write("x", 1)
        stage.isolate(old)
        if demoted:
            stage.order(old, "assign", old, "standby")
        else:
            stage.order(old, "remove", old)
        await stage.sleep(10 * MILLISECOND_NS)
        assert stage.node(old).configuration.voters == tuple(others)
        stage.crash(old, *others[: nodes // 2 - 1])
        stage.restart(old)
        stage.heal()
        await stage.leader(other_than=old)
        left = others[nodes // 2 - 1 :]
        for node in left:
            assert await stage.client(node).read("x") == 1
            assert stage.node(node).configuration.voters == tuple(others)

    check(scenario, RaftOptions(check_quorum=check_quorum, pre_vote=pre_vote), nodes=nodes)


def test_a_follower_whose_removal_only_it_and_a_dead_leader_have_stands_for_election() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        gone, *rest = stage.others(old)
        stage.cut_both(old, *rest)
        stage.order(old, "remove", gone)
        await stage.sleep(10 * MILLISECOND_NS)
        assert not stage.node(gone).configuration.has_vote(gone)
        stage.crash(old)
        new = await stage.leader()
        assert new in rest

    check(scenario, RaftOptions(), nodes=4)


def test_a_removed_node_that_restarts_does_not_disturb() -> None:
    """It does not know any more that its removal is decided, and asks whether it would win."""

    async def scenario(stage: Stage) -> None:
        leader, gone = await a_removal(stage)
        term = stage.node(leader).term
        stage.crash(gone)
        stage.restart(gone)
        await stage.until(lambda: stage.node(gone).role == "pre-candidate", "it to ask")
        await stage.sleep(3 * SECOND_NS)
        assert await stage.leader() == leader
        assert stage.node(leader).term == term

    check(scenario, RaftOptions())


def test_all_voters_are_replaced_by_joint_consensus() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.client(1).write("x", 1)
        leader = await stage.leader()
        stage.order(leader, "reconfigure", [4, 5, 6])
        await stage.until(
            lambda: stage.node(leader).configuration.outgoing == (1, 2, 3), "the joint way"
        )
        await settled(stage, 4, 5, 6)
        stage.crash(1, 2, 3)
        await stage.leader()
        assert await stage.client(4).read("x") == 1

    assert check(scenario, nodes=6).world.goals["joint-begun"] == 1


def test_a_joint_configuration_needs_both_majorities() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (one, other) = [n for n in (1, 2, 3) if n != leader]
        stage.order(leader, "reconfigure", [leader, 4, 5])
        await stage.until(lambda: stage.node(leader).configuration.outgoing, "the joint way")
        stage.isolate(one, other)
        committed = stage.node(leader).committed
        await stage.sleep(250 * MILLISECOND_NS)
        assert stage.node(leader).configuration.outgoing, "the old voters have not agreed"
        assert stage.node(leader).committed == committed
        stage.heal()
        await stage.client(await stage.leader()).write("x", 1)

    check(scenario)


def test_the_next_leader_leads_out_of_a_joint_configuration() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        others = [n for n in (1, 2, 3) if n != old]
        stage.order(old, "reconfigure", [*others, 4, 5])
        await stage.until(
            lambda: sum(bool(stage.node(n).configuration.outgoing) for n in stage.nodes) >= 4,
            "most to know the joint way",
        )
        stage.crash(old)
        await settled(stage, *others, 4, 5)

    check(scenario)


def test_one_change_at_a_time() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        held = stage.hold(Append, source=leader, when=lambda m: m.entries)
        gone, other, *_ = stage.others(leader)
        stage.order(leader, "remove", gone)
        stage.order(leader, "remove", other)
        await stage.sleep(20 * MILLISECOND_NS)
        assert stage.world.goals["order-refused"] == 1
        held.release()
        await settled(stage, *[n for n in stage.nodes if n != gone])

    check(scenario, RaftOptions())


def test_no_change_before_an_entry_of_the_own_term_is_committed() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: stage.world.leader() is not None, "an election")
        leader = stage.world.leader()
        assert leader is not None
        stage.order(leader, "remove", stage.others(leader)[0])
        await stage.sleep(1)
        assert stage.world.goals["order-refused"] == 1
        await stage.sleep(SECOND_NS)
        assert stage.node(leader).configuration == Configuration((1, 2, 3, 4, 5))

    check(scenario, RaftOptions())


def test_a_newcomer_that_is_not_there_is_given_up() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        stage.crash(4)
        stage.order(leader, "assign", 4, "voter")
        await stage.until(lambda: stage.world.goals.get("change-abandoned"), "patience to end")
        assert stage.node(leader).configuration.voters == (1, 2, 3)
        stage.order(leader, "assign", 5, "voter")
        await settled(stage, 1, 2, 3, 5)

    check(scenario)


def test_a_change_that_was_not_committed_is_taken_back() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        stage.isolate(old)
        stage.order(old, "remove", stage.others(old)[0])
        await stage.sleep(1)
        assert len(stage.node(old).configuration.voters) == 4
        await stage.leader(other_than=old)
        stage.heal()
        await settled(stage, 1, 2, 3, 4, 5)

    check(scenario, RaftOptions())


def test_members_are_remembered_in_snapshots() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        stage.order(leader, "assign", 4, "voter")
        await settled(stage, 1, 2, 3, 4)
        stage.order(leader, "assign", 5, "standby")
        client = stage.client(leader)
        for value in range(60):
            await client.write("x", value)
        stage.crash(*stage.nodes)
        stage.restart(*stage.nodes)
        for number in stage.nodes:
            configuration = stage.node(number).configuration
            assert configuration == Configuration((1, 2, 3, 4), (), (5,))
        await stage.leader()

    check(scenario, RaftOptions(voters=3, snapshot_threshold=20, trailing=5))


def test_spares_get_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        spare, *_ = stage.others(leader)
        stage.order(leader, "assign", spare, "spare")
        await stage.sleep(SECOND_NS)
        before = stage.node(spare).log.last_index
        await stage.client(leader).write("x", 1)
        await stage.sleep(SECOND_NS)
        assert stage.node(spare).log.last_index == before
        assert stage.node(leader).configuration.role_of(spare) == "spare"

    check(scenario, RaftOptions())


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        (["assign", 9, "standby"], r"names \[9\]; the nodes are \[1, 2, 3, 4, 5\]"),
        (["assign", "2", "voter"], r"names \['2'\]"),
        (["assign", 2, "boss"], "is no order"),
        (["remove", 0], r"names \[0\]"),
        (["transfer", 6], r"names \[6\]"),
        (["reconfigure", ["a", 1, [2], True]], r"names \['a', \[2\], True\]"),
        (["reconfigure", []], "is no order"),
        (["reconfigure", 3], "is no order"),
        (["fly"], "is no order"),
        ("remove", "is no order"),
        (None, "is no order"),
    ],
)
def test_a_mistyped_order_is_the_mistake_of_who_gave_it(order: Any, complaint: str) -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        before = stage.node(leader).configuration
        for node in stage.nodes:
            with pytest.raises(UsageError, match=complaint):
                stage.node(node).on_order(order)
        await stage.client(leader).write("x", 1)
        assert stage.node(leader).configuration == before

    check(scenario, RaftOptions())


# ---- handing over


@pytest.mark.parametrize("target", [0, 1])
def test_the_leadership_is_handed_over_in_no_time(target: int) -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        wanted = target and stage.others(old)[0]
        begun_ns = stage.world.now_ns
        stage.order(old, "transfer", wanted)
        new = await stage.leader(other_than=old)
        assert wanted in (0, new)
        assert stage.world.now_ns - begun_ns < 100 * MILLISECOND_NS
        await stage.client(old).write("x", 1)

    check(scenario, RaftOptions())


def test_a_transfer_waits_for_the_target_to_be_up_to_date() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        target, *_ = stage.others(old)
        slow = stage.hold(Append, destination=target)
        await stage.client(old).write("x", 1)
        stage.order(old, "transfer", target)
        await stage.sleep(40 * MILLISECOND_NS)
        assert "transfer-begun" not in stage.world.goals
        slow.release()
        assert await stage.leader(other_than=old) == target

    check(scenario, RaftOptions())


def test_a_transfer_that_fails_is_abandoned_and_writes_go_on() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        stage.drop(TimeoutNow)
        stage.order(old, "transfer", stage.others(old)[0])
        await stage.sleep(40 * MILLISECOND_NS)
        refused = stage.begin(stage.pinned(old).write, "x", 1)
        await stage.sleep(10 * MILLISECOND_NS)
        assert refused.error is not None
        await stage.until(lambda: stage.world.goals.get("transfer-abandoned"), "patience to end")
        await stage.pinned(old).write("x", 2)

    check(scenario, RaftOptions())


def test_a_transfer_to_a_node_that_loses_the_election_leaves_a_working_cluster() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        stage.drop(Vote, count=4)
        stage.order(old, "transfer", stage.others(old)[0])
        await stage.sleep(2 * SECOND_NS)
        await stage.leader()
        await stage.client(1).write("x", 1)

    check(scenario, RaftOptions())


# ---- leases and quorums


LEASES = RaftOptions(lease_reads=True)


def test_a_leader_with_a_lease_reads_without_a_message() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        await stage.client(leader).write("x", 1)
        await stage.sleep(SECOND_NS)
        node = stage.node(leader)
        round_before = node.leadership.round
        assert await stage.pinned(leader).read("x") == 1
        assert node.leadership.round == round_before
        assert node.status().lease_until_ns > 0

    check(scenario, LEASES)


def test_an_isolated_leader_reads_until_its_lease_ends_and_not_later() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        await stage.client(old).write("x", 1)
        await stage.sleep(SECOND_NS)
        stage.isolate(old)
        assert await stage.pinned(old).read("x") == 1
        await stage.sleep(160 * MILLISECOND_NS)
        late = stage.begin(stage.pinned(old).read, "x")
        new = await stage.leader(other_than=old)
        await stage.client(new).write("x", 2)
        await stage.sleep(SECOND_NS)
        assert late.error is not None

    check(scenario, LEASES)


def test_no_lease_once_the_leadership_is_being_handed_over() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        await stage.sleep(SECOND_NS)
        stage.drop(TimeoutNow)
        stage.order(old, "transfer", stage.others(old)[0])
        await stage.sleep(SECOND_NS)
        assert stage.node(old).status().lease_until_ns == 0
        assert await stage.pinned(old).read("x") is None, "by ReadIndex"

    check(scenario, LEASES)


def test_a_restarted_voter_keeps_quiet() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        await stage.sleep(SECOND_NS)
        stage.isolate(leader)
        stage.crash(*stage.others(leader))
        stage.restart(*stage.others(leader))
        begun_ns = stage.world.now_ns
        await stage.until(lambda: stage.world.goals["elected"] > 1, "another leader")
        assert stage.world.now_ns - begun_ns >= 150 * MILLISECOND_NS

    check(scenario, LEASES)


def test_the_only_voter_reads_by_its_lease() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        for value in range(20):
            await stage.client(leader).write("x", value)
            await stage.sleep(30 * MILLISECOND_NS)
            assert stage.node(leader).leadership.reads.has_lease()
            assert await stage.pinned(leader).read("x") == value

    check(scenario, LEASES, nodes=1)


def test_a_leader_that_hears_nobody_steps_down() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        for other in stage.others(leader):
            stage.cut(other, leader)
        await stage.until(
            lambda: stage.node(leader).role != "leader", "it to notice", within_ns=SECOND_NS
        )

    assert check(scenario, RaftOptions()).world.goals["quorum-lost"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"election_minimum_ns": 10},
        {"election_maximum_ns": 10},
        {"window": 0},
        {"lease_reads": True, "check_quorum": False},
    ],
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="RaftOptions"):
        RaftOptions(**wrong)
