"""The runtime for real: a disk that is a file, timers, links that break and come back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.node import ClientReply, ClientRequest, Context, Message, NodeStatus, Recovered
from harness.realtime import Address, FileDisk, Host, TcpPort
from harness.realtime.links import CLIENT, framed, greeting
from harness.realtime.timers import Timers
from harness.simulation.failure import Misuse

DEADLINE_S = 20

# ---- the disk

CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.binary(max_size=6)),
        st.tuples(st.just("truncate"), st.integers(0, 5)),
        st.tuples(st.just("drop_prefix"), st.integers(0, 5)),
        st.tuples(st.just("put_meta"), st.binary(max_size=6)),
        st.tuples(st.just("put_snapshot"), st.binary(max_size=6)),
    ),
    max_size=12,
)


def change(disk: FileDisk, verb: str, argument: Any) -> None:
    """Do a change, if it refers to records that there are."""
    recovered = disk.recover()
    end = recovered.first_record + len(recovered.records)
    getattr(disk, verb)(min(argument, end) if isinstance(argument, int) else argument)


def state(disk: FileDisk) -> tuple[Any, ...]:
    found = disk.recover()
    return found.meta, found.snapshot, found.first_record, tuple(found.records)


@given(changes=CHANGES, data=st.data())
def test_a_file_that_ends_anywhere_gives_a_prefix_of_what_was_done(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, Any]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("disk")
    with FileDisk(folder) as disk:
        states, ends = [state(disk)], [0]
        for verb, argument in changes:
            change(disk, verb, argument)
            disk.flush()
            states.append(state(disk))
            ends.append((folder / "journal").stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    content = (folder / "journal").read_bytes()
    (folder / "journal").write_bytes(content[:cut])
    whole = max(number for number, end in enumerate(ends) if end <= cut)
    with FileDisk(folder) as disk:
        assert state(disk) == states[whole]
        damaged = disk.recover().corrupt_from is not None
        assert damaged == (ends[whole] < cut)
        disk.append(b"afterwards")  # behind what is sound, not behind the damage
        disk.flush()
    with FileDisk(folder) as disk:
        assert disk.recover().records[-1] == b"afterwards"
        assert disk.recover().corrupt_from is None


def test_what_was_not_synced_is_lost(tmp_path: Path) -> None:
    with FileDisk(tmp_path) as disk:
        disk.append(b"kept")
        disk.flush()
        disk.append(b"lost")
    with FileDisk(tmp_path) as disk:
        assert list(disk.recover().records) == [b"kept"]


def test_a_flipped_bit_ends_the_file(tmp_path: Path) -> None:
    with FileDisk(tmp_path) as disk:
        for record in (b"one", b"two", b"three"):
            disk.append(record)
        disk.flush()
    content = bytearray((tmp_path / "journal").read_bytes())
    content[content.index(b"two")] ^= 1
    (tmp_path / "journal").write_bytes(content)
    with FileDisk(tmp_path) as disk:
        recovered = disk.recover()
    assert (list(recovered.records), recovered.corrupt_from) == ([b"one"], 1)


def test_a_file_full_of_old_news_is_written_anew(tmp_path: Path) -> None:
    with FileDisk(tmp_path) as disk:
        disk.append(b"first")
        for number in range(300):
            disk.put_meta(b"%03d" % number + bytes(10_000))
            disk.flush()
        disk.append(b"last")
        disk.flush()
        expected = state(disk)
        assert (tmp_path / "journal").stat().st_size < 2_000_000
    with FileDisk(tmp_path) as disk:
        assert state(disk) == expected


def test_a_folder_belongs_to_one(tmp_path: Path) -> None:
    with FileDisk(tmp_path), pytest.raises(UsageError, match="is in use"):
        FileDisk(tmp_path)


def test_tokens_come_back_in_order_when_what_they_stand_for_is_in_the_file(tmp_path: Path) -> None:
    seen: list[tuple[object, bool]] = []

    async def main() -> None:
        with FileDisk(tmp_path) as disk:
            async with trio.open_nursery() as nursery:

                def durable(token: object) -> None:
                    content = (tmp_path / "journal").read_bytes()
                    seen.append((token, str(token).encode() in content))
                    if token == "c":
                        nursery.cancel_scope.cancel()
                    elif token == "a":
                        disk.append(b"c")
                        disk.sync("c")

                disk.append(b"a")
                disk.sync("a")
                disk.append(b"b")
                disk.sync("b")
                with trio.fail_after(DEADLINE_S):
                    await disk.run(durable)

    trio.run(main)
    assert seen == [("a", True), ("b", True), ("c", True)]


# ---- timers


def test_a_timer_that_is_set_again_rings_once() -> None:
    rung: list[str] = []

    async def main() -> None:
        timers = Timers()
        async with trio.open_nursery() as nursery:

            def fire(name: str) -> None:
                rung.append(name)
                if name == "again":  # set by its own ringing, and before one that is due already
                    timers.cancel("cancelled")
                    timers.set("end", 0)
                elif name == "end":
                    nursery.cancel_scope.cancel()

            for name in ("again", "again", "cancelled"):
                timers.set(name, 1)
            with trio.fail_after(DEADLINE_S):
                await timers.run(fire)

    trio.run(main)
    assert rung == ["again", "end"]


@pytest.mark.parametrize("delay", [-1, 0.5, None])
def test_a_delay_is_a_whole_number_of_nanoseconds_as_in_simulation(delay: Any) -> None:
    with pytest.raises(Misuse, match="A delay is a whole number of nanoseconds, 0 or more"):
        Timers().set("tick", delay)


# ---- hosts


class Ping(Message, frozen=True, gc=False, array_like=True, tag=1):
    """Goes to and fro."""

    count: int


class Player:
    """Says a number to its peers when it is asked to; they and itself say it back, once."""

    def __init__(self, context: Context, seen: Callable[..., None]) -> None:
        self.context = context
        self.seen = seen

    def on_start(self, recovered: Recovered) -> None:
        self.seen("started", len(recovered.records))

    def on_message(self, source: int, message: Any) -> None:
        self.seen("message", source, message.count)

    def on_timer(self, name: str) -> None: ...

    def on_durable(self, token: ClientRequest) -> None:
        self.context.reply(token, ClientReply(token.id, True, ["stored", token.command]))

    def on_request(self, request: ClientRequest) -> None:
        if request.read_only:
            for peer in (*self.context.peers, self.context.id):
                self.context.send(peer, Ping(request.command))
            self.context.reply(request, ClientReply(request.id, True, "said"))
        else:
            self.context.disk.append(b"x")
            self.context.disk.sync(request)

    def status(self) -> NodeStatus:
        return NodeStatus(role="player")


class Stage:
    """Two players, what they have seen, and ways to wait for it."""

    def __init__(self, folder: Path, addresses: dict[int, Address]) -> None:
        self.folder = folder
        self.addresses = addresses
        self.seen: list[tuple[Any, ...]] = []
        self._news = trio.Event()

    def note(self, *what: Any) -> None:
        self.seen.append(what)
        self._news.set()
        self._news = trio.Event()

    async def until(self, *what: Any) -> None:
        while what not in self.seen:
            await self._news.wait()

    def host(self, node: int) -> Host:
        return Host(
            lambda context: Player(context, partial(self.note, node)),
            node=node,
            addresses=self.addresses,
            messages=[Ping],
            folder=self.folder / str(node),
            probe=lambda event, numbers: self.note(node, event),
        )


async def staged(folder: Path, play: Callable[[Stage, trio.Nursery, Any], Any]) -> None:
    listeners = {node: await trio.open_tcp_listeners(0, host="127.0.0.1") for node in (1, 2)}
    addresses = {node: found[0].socket.getsockname() for node, found in listeners.items()}
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await play(Stage(folder, addresses), nursery, listeners)
            nursery.cancel_scope.cancel()


async def ask(port: TcpPort, node: int, command: Any, *, read_only: bool = False) -> Any:
    reply = await port.call(
        node, command, session=1, serial=1, read_only=read_only, timeout_ns=5_000_000_000
    )
    return reply and (reply.value if reply.done else reply.error)


def test_nodes_talk_to_each_other_to_themselves_and_to_clients(tmp_path: Path) -> None:
    async def play(stage: Stage, nursery: trio.Nursery, listeners: Any) -> None:
        for node in (1, 2):
            await nursery.start(stage.host(node).run, listeners[node])
        port = TcpPort(nursery, stage.addresses)
        count = 0
        while (2, "message", 1, count) not in stage.seen:  # until the link is up
            count += 1
            assert await ask(port, 1, count, read_only=True) == "said"
            await stage.until(1, "message", 1, count)
        assert await ask(port, 2, "it") == ["stored", "it"]

    trio.run(staged, tmp_path, play)


def test_a_node_that_is_killed_and_comes_back_is_talked_to_again(tmp_path: Path) -> None:
    async def play(stage: Stage, nursery: trio.Nursery, listeners: Any) -> None:
        await nursery.start(stage.host(1).run, listeners[1])
        port = TcpPort(nursery, stage.addresses)
        async with trio.open_nursery() as life:
            await life.start(stage.host(2).run, listeners[2])
            assert await ask(port, 2, "it") == ["stored", "it"]
            life.cancel_scope.cancel()
        assert "cannot be reached" in await ask(port, 2, "nobody is there")
        await nursery.start(stage.host(2).run)
        await stage.until(2, "started", 1)
        assert await ask(port, 2, "again") == ["stored", "again"]
        count = 0
        while (2, "message", 1, count) not in stage.seen:
            count += 1
            await ask(port, 1, count, read_only=True)
            await stage.until(1, "message", 1, count)

    trio.run(staged, tmp_path, play)


STRANGERS = {
    "no greeting": framed(b"\xc1"),
    "another protocol": framed(b"\x92\xa4http\x00"),
    "a frame without end": b"\xff\xff\xff\xff",
    "a peer's nonsense": greeting(2) + framed(b"\x00\x92\x09\x01"),
    "a client that is no client": greeting(CLIENT) + framed(b"\x00\x92\x01\x01"),
    "a client that sends half of something": greeting(CLIENT) + framed(b"\x01\x92"),
}


@pytest.mark.parametrize("said", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_ends_nothing_but_his_connection(tmp_path: Path, said: bytes) -> None:
    async def play(stage: Stage, nursery: trio.Nursery, listeners: Any) -> None:
        await nursery.start(stage.host(1).run, listeners[1])
        stream = await trio.open_tcp_stream(*stage.addresses[1])
        await stream.send_all(said)
        assert await stream.receive_some() == b""
        assert (1, "connection-ended-BadFrame") in stage.seen
        assert await ask(TcpPort(nursery, stage.addresses), 1, "it") == ["stored", "it"]

    trio.run(staged, tmp_path, play)


def test_a_node_that_raises_ends_its_host(tmp_path: Path) -> None:
    class Clumsy(Player):
        def on_request(self, request: ClientRequest) -> None:
            raise ArithmeticError("it fell over")

    async def play(stage: Stage, nursery: trio.Nursery, listeners: Any) -> None:
        host = Host(
            lambda context: Clumsy(context, stage.note),
            node=1,
            addresses=stage.addresses,
            messages=[Ping],
            folder=tmp_path,
        )
        await nursery.start(host.run, listeners[1])
        await ask(TcpPort(nursery, stage.addresses), 1, "it")

    with pytest.raises(ExceptionGroup) as caught:
        trio.run(staged, tmp_path, play)
    assert caught.value.subgroup(ArithmeticError) is not None


def test_an_address_that_is_taken_and_one_that_is_missing(tmp_path: Path) -> None:
    async def play(stage: Stage, nursery: trio.Nursery, listeners: Any) -> None:
        with pytest.raises(UsageError, match=r"Node 2 cannot listen on 127\.0\.0\.1"):
            await stage.host(2).run()
        with pytest.raises(UsageError, match="Node 3 has no address"):
            stage.host(3)

    trio.run(staged, tmp_path, play)
