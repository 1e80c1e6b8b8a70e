"""The facade: an object of one's own on three nodes, in one program and in three processes."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from harness.errors import UsageError
from harness.system import System
from systems import raft as our_raft
from systems.replicated import LeaderChanged, LeadershipLost, MembersChanged, NotLeader, Raft

PROJECT = Path(__file__).parents[2]
DEADLINE_S = 40
NODES = (1, 2, 3)


class Tally:
    """Counts, and remembers in which order it was told to; somebody may wait for a total."""

    def __init__(self) -> None:
        self.total = 0
        self.names: list[str] = []
        self.applied = 0
        self._news = trio.Event()

    def apply(self, command: Any) -> Any:
        if command[0] == "add":
            self.applied += 1
            self.total += 1
            self.names.append(command[1])
        self._news.set()
        self._news = trio.Event()
        return self.total

    def snapshot(self) -> bytes:
        return json.dumps(self.names).encode()

    def restore(self, snapshot: bytes) -> None:
        self.names = json.loads(snapshot)
        self.total = len(self.names)

    async def reaches(self, total: int) -> None:
        while self.total < total:
            await self._news.wait()


class Cluster:
    """Nodes by number, each of which can be killed and started again."""

    def __init__(self, folder: Path, on: str | Callable[[], System], nursery: trio.Nursery) -> None:
        self.folder = folder
        self.on = on
        self.addresses: dict[int, Any] = {}
        self.nodes: dict[int, Raft] = {}
        self._nursery = nursery
        self._lives: dict[int, tuple[trio.CancelScope, trio.Event]] = {}

    async def open(self) -> None:
        listeners = {node: await trio.open_tcp_listeners(0, host="127.0.0.1") for node in NODES}
        self.addresses = {n: found[0].socket.getsockname() for n, found in listeners.items()}
        for node in NODES:
            await self.start(node, listeners[node])

    async def start(self, node: int, listeners: Any = None, *, timeout_s: float = 10) -> Raft:
        """A new life, with a machine that knows nothing."""
        made = Raft(
            Tally(),
            node=node,
            cluster=self.addresses,
            folder=self.folder / str(node),
            on=self.on if isinstance(self.on, str) else self.on(),
            timeout_s=timeout_s,
            listeners=listeners,
        )
        await self._nursery.start(self._live, node, made)
        return made

    async def _live(self, node: int, raft: Raft, *, task_status: trio.TaskStatus[None]) -> None:
        over = trio.Event()
        with trio.CancelScope() as scope:
            self._lives[node] = (scope, over)
            async with raft:
                self.nodes[node] = raft
                task_status.started()
                await trio.sleep_forever()
        over.set()

    async def kill(self, node: int) -> None:
        scope, over = self._lives[node]
        scope.cancel()
        await over.wait()
        del self.nodes[node]

    def tally(self, node: int) -> Tally:
        machine = self.nodes[node].machine
        assert isinstance(machine, Tally)
        return machine


Play = Callable[[Cluster], Awaitable[None]]


def on_stage(folder: Path, play: Play, on: str | Callable[[], System] = "raft") -> None:
    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                cluster = Cluster(folder, on, nursery)
                await cluster.open()
                await play(cluster)
                nursery.cancel_scope.cancel()

    trio.run(main)


def small_snapshots() -> System:
    return our_raft.Raft(options=our_raft.RaftOptions(snapshot_threshold=20, trailing=5))


@pytest.mark.parametrize("on", ["raft", "omnipaxos", "craft"])
def test_every_command_is_executed_once_on_every_node(
    tmp_path: Path, on: str, obtained: Callable[[str], type[System]]
) -> None:
    obtained(on)
    answers: list[int] = []

    async def add(raft: Raft, name: str) -> None:
        answers.append(await raft.apply(["add", name]))

    async def play(cluster: Cluster) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(60):
                node = NODES[number % 3]
                nursery.start_soon(add, cluster.nodes[node], f"{node}-{number}")
        assert sorted(answers) == list(range(1, 61))
        for node in NODES:
            assert await cluster.nodes[node].read(["total"]) == 60
            await cluster.tally(node).reaches(60)
        assert len({tuple(cluster.tally(node).names) for node in NODES}) == 1

    on_stage(tmp_path, play, on)


@pytest.mark.parametrize("on", ["raft", pytest.param("craft", marks=pytest.mark.slow)])
def test_killed_leaders_cost_nothing_and_come_back_with_what_was_done(
    tmp_path: Path, on: str, obtained: Callable[[str], type[System]]
) -> None:
    obtained(on)

    async def play(cluster: Cluster) -> None:
        total = 0
        for _ in range(2):
            leader = await next(iter(cluster.nodes.values())).leader_known()
            await cluster.kill(leader)
            for node in sorted(cluster.nodes):
                total += 1
                assert await cluster.nodes[node].apply(["add", f"{node}"]) == total
            back = await cluster.start(leader)
            await cluster.tally(leader).reaches(total)
            total += 1
            assert await back.apply(["add", "back"]) == total

    on_stage(tmp_path, play, on)


def test_a_laggard_and_a_restarted_node_go_on_from_snapshots(tmp_path: Path) -> None:
    async def play(cluster: Cluster) -> None:
        leader = await cluster.nodes[1].leader_known()
        laggard = next(node for node in NODES if node != leader)
        await cluster.nodes[laggard].apply(["add", "before"])
        await cluster.kill(laggard)
        other = cluster.nodes[next(iter(cluster.nodes))]
        for number in range(99):
            await other.apply(["add", str(number)])
        await cluster.start(laggard)
        await cluster.tally(laggard).reaches(100)
        assert cluster.tally(laggard).applied < 50  # by far not all of them one by one
        await cluster.kill(laggard)
        await cluster.start(laggard)  # now from its own snapshot
        await cluster.tally(laggard).reaches(100)
        assert cluster.tally(laggard).applied < 50
        assert cluster.tally(laggard).names == ["before", *map(str, range(99))]

    on_stage(tmp_path, play, small_snapshots)


def test_a_node_asked_alone_refuses_and_says_who_leads(tmp_path: Path) -> None:
    async def play(cluster: Cluster) -> None:
        await cluster.nodes[1].apply(["add", "one"])
        leader = await cluster.nodes[1].leader_known()
        assert await cluster.nodes[leader].apply(["add", "two"], forward=False) == 2
        follower = cluster.nodes[next(node for node in NODES if node != leader)]
        assert not follower.is_leader
        for ask in (follower.apply, follower.read):
            with pytest.raises(NotLeader, match="was not executed: not the leader") as caught:
                await ask(["add", "three"], forward=False)
            assert caught.value.leader == leader
        with pytest.raises(NotLeader, match="was not carried out"):
            follower.order(["remove", 1])
        assert await follower.read(["total"]) == 2

    on_stage(tmp_path, play)


def test_without_a_quorum_it_says_what_is_known(tmp_path: Path) -> None:
    async def play(cluster: Cluster) -> None:
        leader = await cluster.nodes[1].leader_known()
        follower = next(node for node in NODES if node != leader)
        third = 6 - leader - follower
        await cluster.kill(follower)
        await cluster.start(follower, timeout_s=0.5)
        await cluster.nodes[follower].apply(["add", "one"])
        await cluster.kill(third)
        await cluster.kill(leader)
        alone = cluster.nodes[follower]
        with pytest.raises((NotLeader, LeadershipLost)):
            await alone.apply(["add", "two"])  # the leader's silence may count as an answer lost
        with pytest.raises(NotLeader):
            await alone.apply(["add", "three"])
        with pytest.raises(NotLeader):
            await alone.read(["total"])

    on_stage(tmp_path, play)


def test_under_another_event_loop_it_says_which_one_it_needs(tmp_path: Path) -> None:
    async def main() -> None:
        async with Raft(Tally(), node=1, cluster={1: "localhost:0"}, folder=tmp_path):
            pass

    with pytest.raises(UsageError, match="runs under trio"):
        asyncio.run(main())


def test_leaders_and_members_are_told_as_they_change(tmp_path: Path) -> None:
    async def play(cluster: Cluster) -> None:
        leader = await cluster.nodes[1].leader_known()
        watcher = next(node for node in NODES if node != leader)
        removed = 6 - leader - watcher
        told = cluster.nodes[watcher].events()
        first = await anext(told)
        assert isinstance(first, LeaderChanged)
        assert await anext(told) == MembersChanged(voters=NODES, others=())
        await cluster.nodes[leader].apply(["add", "one"])
        for mistyped in (["remove", 4], ["reconfigure", [1, "2"]], ["resign"]):
            with pytest.raises(UsageError, match=r"names \[|is no order"):
                cluster.nodes[leader].order(mistyped)
        cluster.nodes[leader].order(["remove", removed])
        left = tuple(node for node in NODES if node != removed)
        async for event in told:
            if isinstance(event, MembersChanged):
                assert event == MembersChanged(voters=left, others=())
                break
        await cluster.nodes[watcher].apply(["add", "two"])
        cluster.nodes[leader].order(["transfer", watcher])
        async for event in told:
            if isinstance(event, LeaderChanged) and event.leader == watcher:
                break
        assert cluster.nodes[watcher].is_leader
        await told.aclose()  # type: ignore[attr-defined]

    on_stage(tmp_path, play)


def test_what_goes_wrong_inside_comes_out_as_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with Raft(Tally(), node=1, cluster={1: "127.0.0.1:0"}, folder=tmp_path) as raft:
            assert await raft.leader_known() == 1
            raise ZeroDivisionError("of the user's own")

    with pytest.raises(ZeroDivisionError):
        trio.run(main)


def test_a_system_that_does_not_exist_and_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no system called 'raaft'"):
        Raft(Tally(), node=1, cluster={1: "localhost:1"}, folder=tmp_path, on="raaft")
    with pytest.raises(UsageError, match="'localhost' is no address"):
        Raft(Tally(), node=1, cluster={1: "localhost"}, folder=tmp_path)
    with pytest.raises(UsageError, match="Node 2 has no address"):
        Raft(Tally(), node=2, cluster={1: "localhost:1"}, folder=tmp_path)


# ---- the example


def test_the_example_counts_and_is_what_the_docs_show(tmp_path: Path) -> None:
    example = (PROJECT / "examples" / "counter.py").read_text(encoding="utf-8")
    assert example.split('"""\n\n', 1)[1] in (PROJECT / "docs/replicate-anything.md").read_text(
        encoding="utf-8"
    )
    for said, answers in (("1\n2\n", "1\n3\n"), ("4\n", "7\n")):  # the second goes on from the disk
        done = subprocess.run(
            [sys.executable, PROJECT / "examples" / "counter.py", "1", "127.0.0.1:0"],
            cwd=tmp_path,
            input=said,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        assert (done.stdout, done.stderr) == (answers, "")


# ---- three processes


@contextmanager
def process(node: int, ports: str, folder: Path, listener: socket.socket) -> Iterator[Any]:
    """This file as one node; it answers a line of JSON for each line that it reads."""
    started = subprocess.Popen(
        [sys.executable, __file__, str(node), ports, str(folder), str(listener.fileno())],
        pass_fds=[listener.fileno()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def told(node: Any, command: list[Any]) -> Any:
    print(json.dumps(command), file=node.stdin, flush=True)
    return json.loads(node.stdout.readline())


def test_three_processes_one_of_which_is_killed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in NODES]
        ports = json.dumps([listener.getsockname()[1] for listener in listeners])

        def start(node: int) -> Any:
            listener = listeners[node - 1]
            return stack.enter_context(process(node, ports, tmp_path / str(node), listener))

        nodes = {node: start(node) for node in NODES}
        total = 0
        for _ in range(5):
            for node in NODES:
                total += 1
                assert told(nodes[node], ["add", "x"]) == total
        killed = told(nodes[1], ["leader"])
        nodes[killed].kill()
        nodes[killed].wait()
        for node in NODES:
            if node != killed:
                total += 1
                assert told(nodes[node], ["add", "x"]) == total
        nodes[killed] = start(killed)
        assert told(nodes[killed], ["total"]) == total
        assert told(nodes[killed], ["add", "x"]) == total + 1


async def serve(node: int, ports: list[int], folder: Path, listener: int) -> None:
    cluster = {number: ("127.0.0.1", port) for number, port in enumerate(ports, 1)}
    inherited = trio.socket.from_stdlib_socket(socket.socket(fileno=listener))
    async with Raft(
        Tally(),
        node=node,
        cluster=cluster,
        folder=folder,
        timeout_s=30,
        listeners=[trio.SocketListener(inherited)],
    ) as raft:
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            command = json.loads(line)
            if command == ["leader"]:
                answer = await raft.leader_known()
            elif command == ["total"]:
                answer = await raft.read(command)
            else:
                answer = await raft.apply(command)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
