"""The bytes of a history file, and errors that point into them.

Lines and columns count from 1; a column counts characters, not bytes.

>>> source = Source("run.jsonl", b'{"a": 1}\\n{"b" 2}\\n')
>>> print(source.malformed(14, expected="a ':'"))
run.jsonl, line 2, column 6: found '2}', expected a ':'.
"""

from __future__ import annotations

import gzip
import zlib
from functools import cached_property
from pathlib import Path

from harness.errors import MalformedHistory, UsageError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_FOUND = 40


class Source:
    """A file to read: its `name` for messages, its bytes and its text."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data.removeprefix(_BYTE_ORDER_MARK)

    @cached_property
    def text(self) -> str:
        """The content as text. Raises MalformedHistory where it is not UTF-8."""
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError as error:
            before = self.data[: error.start].decode("utf-8", "replace")
            found = self.data[error.start]
            raise MalformedHistory(
                f"{self.position(before, len(before))}: found the byte 0x{found:02x}, expected "
                "text in UTF-8.\nUsually the file is in another encoding, binary, or damaged."
            ) from None

    def position(self, text: str, offset: int) -> str:
        """The place of `offset` in words: file, line, column."""
        line = text.count("\n", 0, offset) + 1
        column = offset - text.rfind("\n", 0, offset)
        return f"{self.name}, line {line}, column {column}"

    def malformed(
        self, offset: int, *, expected: str, found: str | None = None, hint: str = ""
    ) -> MalformedHistory:
        """The error that at character `offset` of the text something else was expected.

        Without `found` the error quotes what stands there, to the end of the line.
        """
        if found is None:
            rest = self.text[offset:].partition("\n")[0].rstrip()
            cut = rest[: _LONGEST_FOUND - 3] + "..." if len(rest) > _LONGEST_FOUND else rest
            end = "the end of the file" if not self.text[offset:].strip() else "the end of the line"
            found = repr(cut) if cut else end
        place = self.position(self.text, offset)
        text = f"{place}: found {found}, expected {expected}."
        return MalformedHistory(text + (f"\n{hint}" if hint else ""))

    def empty(self) -> MalformedHistory:
        """The error that there is no operation in the file."""
        return MalformedHistory(
            f"{self.name} is empty: it holds no operation.\n"
            "Usually the run died before its first operation, or the output went elsewhere."
        )


def read_source(path: str | Path) -> Source:
    """The file at `path`, unpacked if it is gzip (whatever its name).

    Raises UsageError if there is no such file, MalformedHistory if the gzip data is damaged.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.{_neighbours(path)}") from None
    except IsADirectoryError:
        raise UsageError(
            f"{path} is a folder, and a history is one file.{_neighbours(path / 'history')}"
        ) from None
    if data.startswith(_GZIP_MAGIC):
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise MalformedHistory(
                f"{path}: found damaged gzip data, expected a whole gzip file ({error}).\n"
                "Usually the file was cut off while it was written or copied."
            ) from error
    return Source(path.name, data)


def write_bytes(path: str | Path, chunks: list[bytes]) -> None:
    """Writes `chunks` to `path`, as gzip if its name ends in .gz (the same bytes every time)."""
    data = b"".join(chunks)
    if str(path).endswith(".gz"):
        data = gzip.compress(data, compresslevel=6, mtime=0)
    Path(path).write_bytes(data)


def _neighbours(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"\nNor is there a folder {folder}."
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    return f"\nAvailable in {folder}: {', '.join(names[:10]) or 'nothing'}."
