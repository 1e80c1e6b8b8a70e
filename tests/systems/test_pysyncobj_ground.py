"""What PySyncObj stands on in our world: files and connections, against real ones and a model."""

from __future__ import annotations

import mmap
import os
import shutil
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiment import seconds
from harness.simulation.disk import SimulatedDisk
from systems.pysyncobj.files import Files, modules
from systems.pysyncobj.messages import Segment
from systems.pysyncobj.streams import Endpoint, Stream

# ---- files, against those of the operating system


def real_modules(folder: Path) -> dict[str, Any]:
    return {
        "open": lambda name, mode: open(folder / name, mode),
        "os": SimpleNamespace(
            path=SimpleNamespace(exists=lambda name: (folder / name).exists()),
            rename=lambda old, new: os.rename(folder / old, folder / new),
        ),
        "mmap": mmap,
        "shutil": SimpleNamespace(move=lambda old, new: shutil.move(folder / old, folder / new)),
    }


def do(using: dict[str, Any], verb: str, name: str, *arguments: Any) -> Any:
    """One thing with files; what comes of it, errors by their kind."""
    try:
        match verb:
            case "write" | "append":
                with using["open"](name, "wb" if verb == "write" else "ab") as file:
                    return [file.write(data) for data in arguments[0]]
            case "read":
                with using["open"](name, "rb") as file:
                    file.seek(arguments[0])
                    return [file.read(2), file.tell(), file.read()]
            case "map":
                size, offset, data = arguments
                with using["open"](name, "r+b") as file:
                    mapped = using["mmap"].mmap(file.fileno(), 0)
                    mapped.resize(size)
                    if offset + len(data) <= mapped.size():
                        mapped[offset : offset + len(data)] = data
                    found = mapped.size(), mapped[:]
                    mapped.flush()
                    mapped.close()
                    return found
            case "rename":
                return using["os"].rename(name, arguments[0])
            case "move":
                return using["shutil"].move(name, arguments[0]) and None
            case "exists":
                return using["os"].path.exists(name)
    except (OSError, ValueError) as error:
        return type(error)


NAMES = st.sampled_from(["a", "b"])
PIECES = st.lists(st.binary(max_size=4), max_size=3)
USES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["write", "append"]), NAMES, PIECES),
        st.tuples(st.just("read"), NAMES, st.integers(0, 6)),
        st.tuples(
            st.just("map"), NAMES, st.integers(1, 9), st.integers(0, 9), st.binary(max_size=4)
        ),
        st.tuples(st.sampled_from(["rename", "move"]), NAMES, NAMES),
        st.tuples(st.just("exists"), NAMES),
    ),
    max_size=15,
)


def disk_of_files() -> tuple[SimulatedDisk, Files]:
    disk = SimulatedDisk(schedule_flush=lambda: None)
    return disk, Files(disk, disk.recover())


@given(uses=USES)
def test_files_are_as_those_of_the_operating_system(
    tmp_path_factory: pytest.TempPathFactory, uses: list[tuple[Any, ...]]
) -> None:
    _, files = disk_of_files()
    ours = modules(lambda: files)
    theirs = real_modules(tmp_path_factory.mktemp("files"))
    for use in uses:
        assert do(ours, *use) == do(theirs, *use), use


@given(uses=USES, seed=st.integers(0, 99), mode=st.sampled_from(["clean", "prefix", "torn"]))
def test_after_a_crash_they_are_as_they_once_were(
    uses: list[tuple[Any, ...]], seed: int, mode: Any
) -> None:
    moments: list[dict[str, bytes]] = []
    disk = SimulatedDisk(schedule_flush=lambda: None)

    def content(files: Files) -> dict[str, bytes]:
        return {name: bytes(files.content(name)) for name in ("a", "b") if files.exists(name)}

    files = Files(disk, disk.recover(), lambda: moments.append(content(files)))
    moments.append({})
    for number, use in enumerate(uses):
        do(modules(lambda: files), *use)
        if number == len(uses) // 2:
            disk.sync("half")
            disk.flushed()
            durable = len(moments) - 1
    disk.crash(mode, Random(seed))
    kept = content(Files(disk, disk.recover()))
    assert kept in (moments[durable:] if uses else [{}])


def test_many_changes_become_one_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("systems.pysyncobj.files.COMPACT_AFTER", 10)
    disk, files = disk_of_files()
    for number in range(95):
        with files.open("a", "wb") as file:
            file.write(b"%d" % number)
        disk.sync(number)
        disk.flushed()
    assert len(disk.recover().records) == 5
    assert Files(disk, disk.recover()).open("a", "rb").read() == b"94"


# ---- connections


class Pair:
    """Two streams, and between them a network that does what the test says."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.wire: list[tuple[int, Any]] = []
        self.heard: dict[int, list[bytes]] = {1: [], 2: []}
        self.ups: dict[int, list[bool]] = {1: [], 2: []}
        self._draws = 0
        self.streams = {node: self.stream(node) for node in (1, 2)}

    def stream(self, node: int) -> Stream:
        self.heard[node] = []
        endpoint = Endpoint(
            now_ns=lambda: self.now_ns,
            send=lambda message: self.wire.append((3 - node, message)),
            draw=self._draw,
            on_connected=lambda: self.ups[node].append(True),
            on_disconnected=lambda: self.ups[node].append(False),
            on_payload=lambda payload: self.heard[node].append(payload),
        )
        return Stream(
            endpoint, 3 - node, asks=node == 2, timeout_ns=seconds(3.5), retry_ns=seconds(1)
        )

    def _draw(self) -> int:
        self._draws += 1
        return self._draws

    def deliver(self, place: int) -> None:
        destination, message = self.wire.pop(place)
        self.streams[destination].on_message(message)

    def settle(self, rounds: int = 40) -> None:
        for _ in range(rounds):
            self.now_ns += seconds(0.05)
            for stream in self.streams.values():
                stream.tick()
            while self.wire:
                self.deliver(0)


@given(data=st.data())
def test_what_is_sent_arrives_once_and_in_order_whatever_the_network_does(
    data: st.DataObject,
) -> None:
    pair = Pair()
    pair.settle()
    sent = 0
    for _ in range(data.draw(st.integers(0, 40))):
        match data.draw(st.sampled_from(["send", "deliver", "lose", "double", "wait"])):
            case "send":
                assert pair.streams[1].send("kind", 0, b"%d" % sent)
                sent += 1
            case "wait":
                pair.now_ns += seconds(0.05)
                pair.streams[1].tick()
                pair.streams[2].tick()
            case what if pair.wire:
                place = data.draw(st.integers(0, len(pair.wire) - 1))
                if what == "deliver":
                    pair.deliver(place)
                elif what == "lose":
                    del pair.wire[place]
                else:
                    pair.wire.append(pair.wire[place])
        assert pair.heard[2] == [b"%d" % number for number in range(len(pair.heard[2]))]
    pair.settle()
    assert pair.heard[2] == [b"%d" % number for number in range(sent)]
    assert pair.ups == {1: [True], 2: [True]}


def test_a_peer_that_was_restarted_breaks_the_connection_and_a_new_one_is_made() -> None:
    pair = Pair()
    pair.settle()
    pair.streams[1] = pair.stream(1)
    assert pair.streams[2].send("kind", 0, b"lost")
    pair.settle()
    assert pair.ups[2] == [True, False, True]
    assert pair.streams[1].send("kind", 0, b"new")
    pair.settle()
    assert (pair.heard[1], pair.heard[2]) == ([], [b"new"])


def test_a_connection_over_which_nothing_was_heard_is_given_up_when_it_is_used() -> None:
    pair = Pair()
    pair.settle()
    pair.now_ns += seconds(4)
    assert not pair.streams[1].send("kind", 0, b"lost")
    assert pair.ups[1] == [True, False]
    pair.settle()
    assert pair.ups[1] == [True, False, True]
    assert pair.heard[2] == []


def test_segments_of_an_older_connection_are_not_heard() -> None:
    pair = Pair()
    pair.settle()
    pair.streams[1].send("kind", 0, b"late")
    late = next(found for found in pair.wire if isinstance(found[1], Segment))
    pair.wire.clear()
    pair.streams[2] = pair.stream(2)
    pair.settle()
    pair.wire.append(late)
    pair.settle()
    assert pair.heard[2] == []
    assert pair.streams[1].connected
    assert pair.streams[2].connected
