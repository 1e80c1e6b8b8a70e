r"""Reads and writes histories in every format that Jepsen's world uses.

    format   reads                                                    writes
    jsonl    JSON Lines, or one JSON array of objects                 write_jsonl, jsonl_line
    edn      Jepsen's history.edn: maps, one vector, one list         write_edn, edn_line
    text     Jepsen's history.txt, and the operations in its logs     -

`read_history` takes the format from the file's extension (.jsonl .ndjson .json .edn, with or
without .gz) and else from how the content begins; gzip is unpacked whatever the name.

Limits: Jepsen's binary test.jepsen is not read; history.edn, which every run writes beside it,
says the same. Whether values are pairs [key, value] of independent objects no file says:
call `History.independent` where they are. A file is never read in part: the first thing that is
not as it should be ends the reading with its file, line and column.

>>> sniff('{:type :invoke, :f :read}'), sniff('{"type": "invoke"}'), sniff('0\t:invoke\t:read\tnil')
('edn', 'jsonl', 'text')
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.errors import unknown_name
from harness.formats.edn import edn_line, read_edn, write_edn
from harness.formats.jsonl import jsonl_line, read_jsonl, write_jsonl
from harness.formats.source import Source, read_source
from harness.formats.text import read_text
from harness.history import History

__all__ = [
    "FORMATS",
    "edn_line",
    "jsonl_line",
    "read_history",
    "sniff",
    "write_edn",
    "write_jsonl",
]

#: The readers by the name of their format.
FORMATS: Final[dict[str, Callable[[Source], History]]] = {
    "jsonl": read_jsonl,
    "edn": read_edn,
    "text": read_text,
}

_EXTENSIONS: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".edn": "edn"}

# The first line with content: JSON has a string and a colon, or a brace right in its array.
_JSON_START = re.compile(r'\s*(?:#[^\n]*\n\s*)*(?:\[\s*)?\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|\})')
_EDN_START = re.compile(r"[\s,]*(?:;[^\n]*\n[\s,]*)*(?:[\[({]|#_|#[A-Za-z])")


def read_history(path: str | Path, *, format: str | None = None) -> History:
    """The history in the file at `path`.

    `format` is one of `FORMATS`; without it the extension decides, then the content. Raises
    UsageError if there is no such file or format, MalformedHistory with file, line and column if
    the content does not follow its format, or holds no operation at all.
    """
    if format is not None and format not in FORMATS:
        raise unknown_name("history format", format, FORMATS)
    source = read_source(path)
    if not source.data.strip():
        raise source.empty()
    if format is None:
        extension = Path(str(path).removesuffix(".gz")).suffix.lower()
        format = _EXTENSIONS.get(extension) or sniff(source.text)
    return FORMATS[format](source)


def sniff(text: str) -> str:
    """The format that `text` seems to be in; "text" if it begins like no other."""
    if _JSON_START.match(text):
        return "jsonl"
    return "edn" if _EDN_START.match(text) else "text"
