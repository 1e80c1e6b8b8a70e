"""The one way from an address to a file of the store, and no way to any other file.

    "raft-register-none/seed-7/report.html" ─▶ parts ─▶ real path ─▶ inside the store? ─▶ open

A name is refused if one of its parts is empty, `.` or `..` or holds a NUL or a backslash; if the
real path, after all links, lies outside the real store; if it is no regular file, or of no kind
that a run leaves behind. Links that stay inside (store/latest) work. The last step opens the file
without following a link, so that nobody can put one there in between.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     _ = (Path(name) / "plan.json").write_text("{}")
...     for path in ("plan.json", "../plan.json", "/etc/passwd", "a/../plan.json"):
...         print(opened(Path(name), path) is not None)
True
False
False
False
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

#: What a run leaves behind, and as what a browser may take it: nothing is guessed.
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".json": "text/plain; charset=utf-8",
    ".jsonl": "text/plain; charset=utf-8",
    ".edn": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".gz": "application/gzip",
    ".bin": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
#: Neither a link nor, for ever, a pipe that nobody writes to.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True)
class Opened:
    """A file of the store, open for reading; `kind` is its media type, `length` in bytes."""

    file: BinaryIO
    kind: str
    length: int


def opened(store: Path, name: str) -> Opened | None:
    """The file called `name` below `store`, or None if there is none that may be seen."""
    path = inside(store, name)
    if path is None or path.suffix not in KINDS:
        return None
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None
    return Opened(os.fdopen(descriptor, "rb"), KINDS[path.suffix], found.st_size)


def inside(store: Path, name: str) -> Path | None:
    """The real path of `name` below `store`; None if it is not there or leads out of it."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        return None
    try:
        root = store.resolve(strict=True)
        path = root.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # not there, a circle of links, no name at all
        return None
    return path if path.is_relative_to(root) else None
