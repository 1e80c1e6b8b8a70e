"""Raft, scenario by scenario: a cluster in the simulated world, driven action by action."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from harness.node import Command
from harness.simulation import SimulatedWorld, simulate
from harness.system import Connection, Refused, Unanswered
from systems.machines import KeyValue
from systems.raft import Raft, RaftNode

MS = 1_000_000
SECOND = 1_000 * MS


class Cluster:
    """A simulated Raft cluster with a client that can be aimed at any node."""

    def __init__(self, *, seed: int = 1, nodes: int = 5, flaw: str | None = None) -> None:
        self.raft = Raft(flaw=flaw)
        self.world = SimulatedWorld(
            seed=seed,
            nodes=nodes,
            clients=4,
            factory=lambda context: self.raft.node(context, KeyValue()),
        )
        self._processes = 0

    def node(self, number: int) -> RaftNode:
        node = self.world.node_object(number)
        assert isinstance(node, RaftNode)
        return node

    def connect(self, home: int, client: int = 0) -> Connection:
        self._processes += 1
        return self.raft.connect(
            self.world.port(client), process=self._processes, nodes=self.world.nodes, home=home
        )

    async def elect(self) -> int:
        """Wait until a leader has committed an entry of its own term."""
        while True:
            await self.world.tasks.sleep_ns(50 * MS)
            leader = self.world.leader()
            if leader is not None:
                node = self.node(leader)
                if node.log.term_at(node.committed) == node.term:
                    return leader

    def isolate(self, victim: int, verb: str = "cut") -> None:
        for peer in self.world.nodes:
            if peer != victim:
                self.world.act([verb, victim, peer])
                self.world.act([verb, peer, victim])

    def play(self, scenario: Callable[[Cluster], Any]) -> None:
        async def main() -> None:
            await scenario(self)

        simulate(self.world, main)
        self.check_logs()

    def check_logs(self) -> None:
        """State-machine safety: committed prefixes agree; log matching where terms are equal."""
        nodes = [self.node(number) for number in self.world.running]
        for one, other in pairwise(sorted(nodes, key=lambda node: node.committed)):
            shared = one.committed
            assert one.log.entries[:shared] == other.log.entries[:shared]


async def write(connection: Connection, key: str, value: Command) -> Any:
    return await connection.execute(("write", key, value))


async def read(connection: Connection, key: str) -> Any:
    return await connection.execute(("read", key), read_only=True)


def test_a_write_is_read_back_through_every_node() -> None:
    async def scenario(cluster: Cluster) -> None:
        await write(cluster.connect(1), "x", 7)
        for home in cluster.world.nodes:
            assert await read(cluster.connect(home), "x") == 7

    Cluster().play(scenario)


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 7])
def test_clusters_of_other_sizes_work(nodes: int) -> None:
    async def scenario(cluster: Cluster) -> None:
        connection = cluster.connect(1)
        await write(connection, "x", 1)
        assert await connection.execute(("cas", "x", 1, 2)) is True
        assert await connection.execute(("cas", "x", 1, 3)) is False
        assert await read(connection, "x") == 2

    Cluster(nodes=nodes).play(scenario)


def test_the_majority_elects_a_new_leader_and_the_old_one_rejoins() -> None:
    async def scenario(cluster: Cluster) -> None:
        old = await cluster.elect()
        cluster.isolate(old)
        await cluster.world.tasks.sleep_ns(SECOND)
        new = cluster.world.leader()
        assert new is not None
        assert new != old
        await write(cluster.connect(new), "x", 1)
        assert cluster.node(old).role != "leader", "CheckQuorum: it noticed"
        cluster.isolate(old, "mend")
        await cluster.world.tasks.sleep_ns(SECOND)
        assert cluster.node(old).role == "follower"
        assert cluster.node(old).committed == cluster.node(new).committed

    Cluster().play(scenario)


def test_an_isolated_leader_answers_neither_reads_nor_writes() -> None:
    async def scenario(cluster: Cluster) -> None:
        leader = await cluster.elect()
        cluster.isolate(leader)
        reply = await cluster.world.port(1).call(
            leader, ("read", "x"), session=9, serial=1, read_only=True, timeout_ns=SECOND
        )
        assert reply is None or not reply.done
        reply = await cluster.world.port(1).call(
            leader, ("write", "x", 1), session=9, serial=2, read_only=False, timeout_ns=SECOND
        )
        assert reply is None or not reply.done

    Cluster().play(scenario)


def test_entries_of_an_isolated_leader_give_way_to_those_of_its_successor() -> None:
    async def scenario(cluster: Cluster) -> None:
        old = await cluster.elect()
        cluster.isolate(old)
        with pytest.raises(Unanswered):
            await write(PinnedConnection(cluster, old), "x", "lost")
        await cluster.world.tasks.sleep_ns(SECOND)
        new = cluster.world.leader()
        assert new is not None
        await write(cluster.connect(new), "x", "kept")
        cluster.isolate(old, "mend")
        await cluster.world.tasks.sleep_ns(SECOND)
        assert cluster.world.goals["log-truncated"] >= 1
        assert await read(cluster.connect(old), "x") == "kept"

    Cluster().play(scenario)


class PinnedConnection:
    """Asks one node once, without retries."""

    def __init__(self, cluster: Cluster, node: int) -> None:
        self.cluster = cluster
        self.node = node

    async def execute(self, command: Command, *, read_only: bool = False) -> Any:
        reply = await self.cluster.world.port(2).call(
            self.node, command, session=77, serial=1, read_only=read_only, timeout_ns=200 * MS
        )
        if reply is None:
            raise Unanswered("timed out")
        return reply.value


def test_acknowledged_writes_survive_a_crash_of_all_nodes_that_loses_unsynced_data() -> None:
    async def scenario(cluster: Cluster) -> None:
        connection = cluster.connect(1)
        for value in range(20):
            await write(connection, "x", value)
        for node in cluster.world.nodes:
            cluster.world.act(["crash", node, "clean"])
        await cluster.world.tasks.sleep_ns(SECOND)
        for node in cluster.world.nodes:
            cluster.world.act(["restart", node])
        assert await read(cluster.connect(2, client=1), "x") == 19

    Cluster().play(scenario)


def test_a_repeated_command_is_applied_once() -> None:
    async def scenario(cluster: Cluster) -> None:
        leader = await cluster.elect()
        port = cluster.world.port(3)
        for _ in range(3):
            reply = await port.call(
                leader, ("cas", "x", None, 1), session=5, serial=1, read_only=False,
                timeout_ns=SECOND,
            )  # fmt: skip
            assert reply is not None
            assert reply.value is True, "the first answer, not a second attempt"

    Cluster().play(scenario)


def test_a_rejoining_node_does_not_depose_a_leader_that_works() -> None:
    """PreVote: a node that was cut off comes back with no higher term."""

    async def scenario(cluster: Cluster) -> None:
        leader = await cluster.elect()
        victim = next(node for node in cluster.world.nodes if node != leader)
        cluster.isolate(victim)
        await cluster.world.tasks.sleep_ns(5 * SECOND)
        term = cluster.node(leader).term
        cluster.isolate(victim, "mend")
        await cluster.world.tasks.sleep_ns(SECOND)
        assert cluster.world.leader() == leader
        assert cluster.node(leader).term == term

    Cluster().play(scenario)


def test_without_a_quorum_a_client_learns_that_nothing_is_known() -> None:
    async def scenario(cluster: Cluster) -> None:
        leader = await cluster.elect()
        connection = cluster.connect(leader)
        await write(connection, "x", 1)
        for node in cluster.world.nodes:
            if node != leader:
                cluster.world.act(["crash", node, "clean"])
        with pytest.raises(Unanswered):
            await write(connection, "x", 2)
        with pytest.raises(Refused):
            await read(connection, "x")

    Cluster().play(scenario)


@pytest.mark.parametrize("seed", range(12))
def test_logs_agree_whatever_happens(seed: int) -> None:
    """A short storm of crashes, pauses, cuts and loss; the safety of the logs is checked after."""

    async def scenario(cluster: Cluster) -> None:
        world = cluster.world
        random = world.stream("storm")

        async def client(number: int) -> None:
            connection = cluster.connect(number + 1, client=number)
            for value in range(40):
                try:
                    await write(connection, "x", (number, value))
                except (Refused, Unanswered):
                    connection = cluster.connect(number + 1, client=number)
                await world.tasks.sleep_ns(20 * MS)

        for number in range(3):
            world.tasks.spawn(client, number)
        for _ in range(30):
            await world.tasks.sleep_ns(random.randrange(100 * MS))
            a, b = random.sample(list(world.nodes), 2)
            world.act(
                random.choice(
                    [
                        ["crash", a, random.choice(["clean", "prefix", "torn"])],
                        ["restart", a],
                        ["pause", a],
                        ["resume", a],
                        ["cut", a, b],
                        ["mend", a, b],
                        ["slow", a, b, 50 * MS, 0.3],
                        ["fast", a, b],
                    ]
                )
            )
        for a in world.nodes:
            world.act(["restart", a])
            world.act(["resume", a])
            for b in world.nodes:
                for _ in range(30):
                    world.act(["mend", a, b])
                world.act(["fast", a, b])
        await cluster.elect()
        await world.tasks.sleep_ns(2 * SECOND)
        leader = cluster.world.leader()
        assert leader is not None
        committed = {cluster.node(node).committed for node in world.nodes}
        assert len(committed) == 1, "all have caught up"

    Cluster(seed=seed).play(scenario)
