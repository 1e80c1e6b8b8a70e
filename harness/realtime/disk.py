"""A node's disk as one file: every change is a record, and the file is made durable by fsync.

    append, truncate, put_meta ... ─▶ pending ─▶ sync(token) ─▶ written + fsync in a thread
                                                    │                └─▶ the token comes back
                                                    └ one at a time; the rest joins the next

What a crash keeps is a prefix of what was done, because everything is written to one file in
order. A record is `length, checksum, content`; where one does not fit its checksum the file ends,
and is cut there before it is written on. Once the file holds much more than what counts, it is
written anew beside its place and renamed.

A folder belongs to one process at a time.

>>> from tempfile import TemporaryDirectory
>>> kept = TemporaryDirectory()
>>> folder = Path(kept.name)
>>> with FileDisk(folder) as disk:
...     disk.append(b"one"), disk.append(b"two"), disk.put_meta(b"term 3")
...     disk.flush()
(0, 1, None)
>>> with FileDisk(folder) as disk:
...     recovered = disk.recover()
>>> list(recovered.records), recovered.meta
([b'one', b'two'], b'term 3')
>>> kept.cleanup()

Limits: damage in the middle of the file loses what follows it, which `Recovered.corrupt_from` then
says. The records that count are kept in memory as well.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import trio

from harness.errors import UsageError
from harness.node import Recovered

try:
    import fcntl
except ImportError:  # not everywhere; there a folder is not guarded
    fcntl = None  # type: ignore[assignment]

_HEADER = struct.Struct("<II")  # length and checksum of what follows
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, bytes | int]).decode

#: What a record takes besides its content.
_OVERHEAD = 20

#: The file is written anew when it is so many times as large as what counts, and at least `SLACK`.
FACTOR = 3
SLACK = 1 << 20


class FileDisk:
    """Implements `harness.node.Disk` in `folder`, which is made if it is not there.

    Raises UsageError if another process has it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / "journal"
        self._records: list[bytes] = []
        self._first = 0
        self._meta: bytes | None = None
        self._snapshot: bytes | None = None
        self._live = 0
        self._damaged = False
        self._pending: list[bytes] = []
        self._tokens: list[object] = []
        self._wanted = trio.Event()
        self._lock = os.open(folder, os.O_RDONLY)
        self._take_lock()
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        self._size = self._load()

    def __enter__(self) -> FileDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ---- what a node does

    def append(self, record: bytes) -> int:
        self._do("append", record)
        return self._first + len(self._records) - 1

    def truncate(self, length: int) -> None:
        self._do("truncate", length)

    def put_meta(self, blob: bytes) -> None:
        self._do("meta", blob)

    def put_snapshot(self, blob: bytes) -> None:
        self._do("snapshot", blob)

    def drop_prefix(self, first: int) -> None:
        self._do("drop", first)

    def sync(self, token: object) -> None:
        self._tokens.append(token)
        self._wanted.set()

    # ---- what its host does

    def recover(self) -> Recovered:
        """What the disk has kept."""
        return Recovered(
            meta=self._meta,
            records=tuple(self._records),
            first_record=self._first,
            snapshot=self._snapshot,
            corrupt_from=self._first + len(self._records) if self._damaged else None,
        )

    async def run(self, durable: Callable[[object], None]) -> None:
        """Carry out what `sync` asks for, and tell `durable` of each token, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            tokens, self._tokens = self._tokens, []
            await trio.to_thread.run_sync(self._job())
            for token in tokens:
                durable(token)

    def flush(self) -> None:
        """Make everything durable, here and now."""
        self._job()()

    def close(self) -> None:
        """Give the folder back. What was not synced is lost, as in a crash."""
        os.close(self._file)
        os.close(self._lock)

    # ---- the file

    def _do(self, verb: str, argument: bytes | int) -> None:
        self._apply(verb, argument)
        self._pending.append(_framed(verb, argument))

    def _apply(self, verb: str, argument: Any) -> None:
        if verb == "append":
            self._records.append(argument)
            self._live += len(argument)
        elif verb == "meta":
            self._meta = argument
        elif verb == "snapshot":
            self._snapshot = argument
        elif verb == "truncate":
            self._drop(slice(max(0, argument - self._first), None))
            self._first = min(self._first, argument)
        elif argument > self._first:  # drop
            self._drop(slice(argument - self._first))
            self._first = argument

    def _drop(self, part: slice) -> None:
        self._live -= sum(map(len, self._records[part]))
        del self._records[part]

    def _job(self) -> Callable[[], None]:
        """What is to be written now, as a function for a thread: it uses nothing that changes."""
        content = b"".join(self._pending)
        self._pending = []
        self._size += len(content)
        if self._size > SLACK and self._size > FACTOR * self._live_bytes():
            content = self._image()
            self._size = len(content)
            return lambda: self._write_anew(content)
        return lambda: self._write(content)

    def _live_bytes(self) -> int:
        cells = len(self._meta or b"") + len(self._snapshot or b"")
        return cells + self._live + _OVERHEAD * len(self._records)

    def _image(self) -> bytes:
        """All that counts, as few records as possible."""
        frames = [_framed("first", self._first)]
        if self._meta is not None:
            frames.append(_framed("meta", self._meta))
        if self._snapshot is not None:
            frames.append(_framed("snapshot", self._snapshot))
        frames += [_framed("append", record) for record in self._records]
        return b"".join(frames)

    def _write(self, content: bytes) -> None:
        if content:
            _write_all(self._file, content)
            os.fsync(self._file)

    def _write_anew(self, content: bytes) -> None:
        beside = self._path.with_suffix(".new")
        file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        _write_all(file, content)
        os.fsync(file)
        beside.replace(self._path)
        os.fsync(self._lock)  # the folder, so that the new name lasts
        os.close(self._file)
        self._file = file

    def _load(self) -> int:
        """Read the file and leave its position at the end of what is sound."""
        content = self._path.read_bytes()
        position = 0
        while position < len(content):
            end = position + _HEADER.size
            if end > len(content):
                break
            length, checksum = _HEADER.unpack_from(content, position)
            body = content[end : end + length]
            if len(body) < length or zlib.crc32(body) != checksum:
                break
            verb, argument = _decode(body)
            if verb == "first":
                assert isinstance(argument, int)
                self._first = argument
            else:
                self._apply(verb, argument)
            position = end + length
        self._damaged = position < len(content)
        if self._damaged:
            os.ftruncate(self._file, position)
        os.lseek(self._file, position, os.SEEK_SET)
        os.fsync(self._file)
        os.fsync(self._lock)
        return position

    def _take_lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise UsageError(
                f"The folder {self._folder} is in use. Usually a node that was started earlier "
                "still runs on it; each node needs a folder of its own."
            ) from None


def _framed(verb: str, argument: bytes | int) -> bytes:
    body = _encode((verb, argument))
    return _HEADER.pack(len(body), zlib.crc32(body)) + body


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
