"""Files on a node's disk, as far as PySyncObj uses them: open, mmap, rename, remove.

    open("journal", "r+b") ─▶ a file in memory ─▶ each change is a record in the log of the disk
                                                      │ many of them
                                                      └▶ all files as one snapshot, the log cut

After a crash the disk has a prefix of the changes, so that the files are as they were at some
moment: between two writes, or between a file's creation and its renaming. A record torn in the
middle is dropped, as a file system's journal does.

>>> from random import Random
>>> from harness.simulation.disk import SimulatedDisk
>>> disk = SimulatedDisk(schedule_flush=lambda: None)
>>> files = Files(disk, disk.recover())
>>> with files.open("meta.tmp", "wb") as file:
...     _ = file.write(b"term 3")
>>> files.rename("meta.tmp", "meta")
>>> disk.sync("token"); _ = disk.flushed()
>>> with files.open("meta", "wb") as file:
...     _ = file.write(b"term 4")
>>> disk.crash("clean", Random(1))
>>> Files(disk, disk.recover()).open("meta", "rb").read()
b'term 3'

Limits: a file is never seen between its creation and the first write to it. One folder, no
permissions, no sparse files; what is written is visible to all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace, TracebackType
from typing import Any

import msgspec

from harness.node import Disk, Recovered

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

#: After so many changes all files are written as one snapshot.
COMPACT_AFTER = 4_000


class Files:
    """The files of one node. `changed` is called after each change."""

    def __init__(
        self, disk: Disk, recovered: Recovered, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._disk = disk
        self._changed = changed
        self._content: dict[str, bytearray] = {}
        first = 0
        if recovered.snapshot is not None:
            first, content = _decode(recovered.snapshot)
            self._content = {name: bytearray(blob) for name, blob in content}
        for number, record in enumerate(recovered.records, recovered.first_record):
            if number >= first:
                self._apply(*_decode(record))
        self._records = 0

    def open(self, name: str, mode: str = "r") -> File:
        """A file, in one of the modes rb, wb, ab, r+b. Raises FileNotFoundError."""
        if mode not in ("rb", "wb", "ab", "r+b"):
            raise ValueError(f"files are opened as rb, wb, ab or r+b here, not {mode}")
        if name not in self._content and mode in ("rb", "r+b"):
            raise FileNotFoundError(name)
        is_new = mode == "wb" or name not in self._content
        position = 0 if is_new or mode != "ab" else len(self._content[name])
        return File(self, name, position, is_new=is_new)

    def exists(self, name: str) -> bool:
        return name in self._content

    def content(self, name: str) -> bytearray:
        """What the file holds; to be read only."""
        return self._content[name]

    def create(self, name: str, data: bytes) -> None:
        """A new file in the place of whatever has this name."""
        self._do("create", name, bytes(data))

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Write at a place; what lies between the end and it becomes zeros."""
        self._do("write", name, offset, bytes(data))

    def resize(self, name: str, size: int) -> None:
        self._do("resize", name, size)

    def rename(self, old: str, new: str) -> None:
        """Atomically; whatever was called `new` is gone."""
        if old not in self._content:
            raise FileNotFoundError(old)
        self._do("rename", old, new)

    # ---- changes

    def _do(self, *change: Any) -> None:
        self._apply(*change)
        number = self._disk.append(_encode(change))
        self._records += 1
        if self._records >= COMPACT_AFTER:
            self._records = 0
            content = [(name, bytes(blob)) for name, blob in self._content.items()]
            self._disk.put_snapshot(_encode((number + 1, content)))
            self._disk.drop_prefix(number + 1)
        self._changed()

    def _apply(self, verb: str, name: str, *arguments: Any) -> None:
        files = self._content
        if verb == "create":
            files[name] = bytearray(arguments[0])
        elif verb == "write":
            offset, data = arguments
            file = files.setdefault(name, bytearray())
            if offset > len(file):
                file.extend(bytes(offset - len(file)))
            file[offset : offset + len(data)] = data
        elif verb == "resize":
            (size,) = arguments
            file = files[name]
            del file[size:]
            file.extend(bytes(size - len(file)))
        else:
            files[arguments[0]] = files.pop(name)


class File:
    """An open file; its `fileno` is the file itself, which `Map` takes.

    A new one comes into being with its first write, or when it is closed: nobody sees it empty but
    who closes it so.
    """

    def __init__(self, files: Files, name: str, position: int, *, is_new: bool) -> None:
        self.files = files
        self.name = name
        self._position = position
        self._is_new = is_new

    def read(self, size: int = -1) -> bytes:
        content = self.files.content(self.name)
        end = len(content) if size < 0 else self._position + size
        data = bytes(content[self._position : end])
        self._position += len(data)
        return data

    def write(self, data: bytes) -> int:
        if self._is_new:
            self.files.create(self.name, data)
            self._is_new = False
        else:
            self.files.write(self.name, self._position, data)
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, len(self.files.content(self.name)))[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def fileno(self) -> File:
        return self

    def flush(self) -> None:
        """What is written is with the operating system already."""

    def close(self) -> None:
        if self._is_new:
            self.files.create(self.name, b"")
            self._is_new = False

    def __enter__(self) -> File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Map:
    """A file mapped into memory: what is assigned to a slice is written at that place."""

    def __init__(self, file: File, length: int) -> None:
        if length or not self._of(file):
            raise ValueError("cannot mmap an empty file")  # as the real one says
        self._file = file

    @staticmethod
    def _of(file: File) -> bytearray:
        return file.files.content(file.name)

    def size(self) -> int:
        return len(self._of(self._file))

    def resize(self, size: int) -> None:
        self._file.files.resize(self._file.name, size)

    def __getitem__(self, place: slice) -> bytes:
        return bytes(self._of(self._file)[place])

    def __setitem__(self, place: slice, data: bytes) -> None:
        start, stop, _ = place.indices(self.size())
        if stop - start != len(data):
            raise IndexError("mmap slice assignment is wrong size")  # as the real one says
        self._file.files.write(self._file.name, start, data)

    def flush(self) -> None:
        """What is written is with the operating system already."""

    def close(self) -> None:
        """Nothing is held."""


def modules(files: Callable[[], Files]) -> dict[str, Any]:
    """Stand-ins for `open`, `os`, `mmap` and `shutil` that work on whatever `files` gives."""
    return {
        "open": lambda name, mode="r": files().open(name, mode),
        "os": SimpleNamespace(
            path=SimpleNamespace(
                exists=lambda name: files().exists(name), isfile=lambda name: files().exists(name)
            ),
            rename=lambda old, new: files().rename(old, new),
        ),
        "mmap": SimpleNamespace(mmap=Map),
        "shutil": SimpleNamespace(move=lambda old, new: files().rename(old, new)),
    }
