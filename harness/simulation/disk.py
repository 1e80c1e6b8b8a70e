"""A node's disk: a log of records and a metadata cell that survive crashes once they are synced.

    append/truncate/put_meta ──▶ pending ──(sync: one flush at a time)──▶ durable
                                    │
                                  crash: a prefix of what is pending may survive,
                                         the next record may be torn in the middle

Fault model of a crash, by mode: `clean` loses all that is pending; `prefix` keeps a random prefix
of it; `torn` also tears the record after that prefix, which its checksum then rejects; `wipe`
loses the whole disk. What was synced is otherwise never lost or altered.

>>> from random import Random
>>> disk = SimulatedDisk(schedule_flush=lambda: None)
>>> disk.append(b"one"), disk.append(b"two")
(0, 1)
>>> disk.sync("token")
>>> disk.flushed()
['token']
>>> _ = disk.append(b"lost")
>>> disk.crash("clean", Random(1))
>>> list(disk.recover().records)
[b'one', b'two']
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Literal, get_args

from harness.errors import unknown_name
from harness.node import Recovered
from harness.simulation.failure import Misuse

CrashMode = Literal["clean", "prefix", "torn", "wipe"]

_APPEND, _TRUNCATE, _META, _SNAPSHOT, _DROP = range(5)


class SimulatedDisk:
    """One disk; it outlives the incarnations of its node. Implements `harness.node.Disk`."""

    def __init__(self, *, schedule_flush: Callable[[], None]) -> None:
        self._schedule_flush = schedule_flush
        self._records: list[bytes] = []
        self._first = 0
        self._meta: bytes | None = None
        self._snapshot: bytes | None = None
        self._pending: list[tuple[int, bytes | int]] = []
        self._length = 0
        self._corrupt_from: int | None = None
        self._waiting: list[object] = []
        self._in_flight: list[object] | None = None
        self._in_flight_count = 0

    # what a node does

    def append(self, record: bytes) -> int:
        if record.__class__ is not bytes:
            raise _no_bytes("append", record)
        self._pending.append((_APPEND, record))
        self._length += 1
        return self._length - 1

    def truncate(self, length: int) -> None:
        assert length <= self._length, f"truncate to {length} of {self._length} records"
        self._pending.append((_TRUNCATE, length))
        self._length = length

    def put_meta(self, blob: bytes) -> None:
        if blob.__class__ is not bytes:
            raise _no_bytes("put_meta", blob)
        self._pending.append((_META, blob))

    def put_snapshot(self, blob: bytes) -> None:
        if blob.__class__ is not bytes:
            raise _no_bytes("put_snapshot", blob)
        self._pending.append((_SNAPSHOT, blob))

    def drop_prefix(self, first: int) -> None:
        assert first <= self._length, f"drop the records before {first} of {self._length}"
        self._pending.append((_DROP, first))

    def sync(self, token: object) -> None:
        self._waiting.append(token)
        if self._in_flight is None:
            self._take_off()

    # what the world does

    def flushed(self) -> list[object]:
        """A flush has ended: make it durable and return the tokens that it carried."""
        tokens, self._in_flight = self._in_flight, None
        assert tokens is not None, "a flush ended that never began"
        self._make_durable(self._in_flight_count)
        if self._waiting:
            self._take_off()
        return tokens

    def crash(self, mode: CrashMode, random: Random) -> None:
        """Lose what the fault model says; the node is gone, a later `recover` tells the rest."""
        if mode not in get_args(CrashMode):
            raise unknown_name("crash mode", mode, get_args(CrashMode))
        pending = self._pending
        if mode == "wipe":
            self._records, self._first, kept = [], 0, 0
            self._meta = self._snapshot = None
        else:
            kept = 0 if mode == "clean" else random.randrange(len(pending) + 1)
        torn = (
            mode == "torn"
            and kept < len(pending)
            and pending[kept][0] == _APPEND
            and random.random() < 0.5
        )
        self._make_durable(kept)
        self._length = self._first + len(self._records)
        self._corrupt_from = self._length if torn else None
        self._pending = []
        self._waiting, self._in_flight, self._in_flight_count = [], None, 0

    def recover(self) -> Recovered:
        """What a restarted node finds; a torn record at the end is named and left out."""
        return Recovered(
            meta=self._meta,
            records=tuple(self._records),
            first_record=self._first,
            snapshot=self._snapshot,
            corrupt_from=self._corrupt_from,
        )

    @property
    def unsynced(self) -> int:
        """How many changes a crash could lose now."""
        return len(self._pending)

    def _take_off(self) -> None:
        self._in_flight, self._waiting = self._waiting, []
        self._in_flight_count = len(self._pending)
        self._schedule_flush()

    def _make_durable(self, count: int) -> None:
        for kind, argument in self._pending[:count]:
            if isinstance(argument, bytes):
                if kind == _APPEND:
                    self._records.append(argument)
                elif kind == _META:
                    self._meta = argument
                else:
                    self._snapshot = argument
            elif kind == _TRUNCATE:
                del self._records[max(0, argument - self._first) :]
                self._first = min(self._first, argument)
            elif argument > self._first:
                del self._records[: argument - self._first]
                self._first = argument
        del self._pending[:count]


def _no_bytes(what: str, given: object) -> Misuse:
    return Misuse(
        f"A node called disk.{what}({given!r}). A disk keeps bytes and nothing else; "
        "msgspec.msgpack.encode makes bytes of plain data, and text.encode() of a text."
    )
