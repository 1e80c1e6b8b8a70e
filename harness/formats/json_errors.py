"""Finds what is wrong with JSON that did not decode as operations, and where.

The fast decoder names neither line nor column of a field; this module reads the one offending
object again, slowly, and points at the very value. It runs once, just before the error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from harness.errors import MalformedHistory
from harness.formats.source import Source
from harness.operation import TYPE_NAMES

_SCANNER = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"[ \t\r\n]*")
_AT_BYTE = re.compile(r"(?:JSON is malformed: )?(.*?) \(byte (\d+)\)$")
_INT64 = range(-(2**63), 2**63)
_READABLE = "data that can be kept: floating point of 64 bits, whole characters"
_SHAPE_HINT = "A history has one JSON object a line, or is one array of such objects."


def _is_integer(value: Any) -> bool:
    return type(value) is int and value in _INT64


def _is_count(value: Any) -> bool:
    return _is_integer(value) and value >= 0


#: Field, whether it must be there, what it may be, and that in words.
_FIELDS: tuple[tuple[str, bool, Callable[[Any], bool], str], ...] = (
    (
        "process",
        True,
        lambda v: isinstance(v, str) or _is_count(v),
        "a process: an integer >= 0, or a name such as 'nemesis' for what is no client",
    ),
    (
        "type",
        True,
        lambda v: v in TYPE_NAMES,
        f"a type: {', '.join(TYPE_NAMES)}",
    ),
    ("f", True, lambda v: isinstance(v, str), "a function: the name of what is done"),
    ("index", False, lambda v: v is None or _is_count(v), "an index: an integer >= 0"),
    ("time_ns", False, lambda v: v is None or _is_integer(v), "a time: integer nanoseconds"),
    ("time", False, lambda v: v is None or _is_integer(v), "a time: integer nanoseconds"),
)


def diagnose_line(source: Source, start: int, end: int, error: Exception) -> MalformedHistory:
    """What is wrong with the line in the bytes `start` to `end`, which failed with `error`."""
    text = source.text  # raises by itself if the file is no UTF-8
    first = len(source.data[:start].decode("utf-8"))
    last = first + len(source.data[start:end].decode("utf-8").rstrip())
    first = _skip_space(text, first)
    if _is_one_value(text, first, last):
        return _fields(source, first, error)
    return _syntax(source, start, end, last, error)


def diagnose_array(source: Source, error: Exception) -> MalformedHistory:
    """What is wrong with a file that is one array, which failed with `error`."""
    text = source.text
    last = len(text.rstrip())
    offset = _skip_space(text, 0)
    if not _is_one_value(text, offset, last):
        return _syntax(source, 0, len(source.data), last, error)
    offset = _skip_space(text, offset + 1)
    while True:  # until the element that made the error
        element, end = _SCANNER.raw_decode(text, offset)
        after = _skip_space(text, end)
        if text[after] == "]" or _complaint(element) or not _is_readable(text[offset:end]):
            return _fields(source, offset, error)
        offset = _skip_space(text, after + 1)


def _is_one_value(text: str, first: int, last: int) -> bool:
    """Whether `text` from `first` to `last` is one JSON value, perhaps one that is too large."""
    try:
        end = _SCANNER.raw_decode(text, first)[1]
    except (ValueError, RecursionError):
        return False
    return end == last


def _syntax(source: Source, start: int, end: int, last: int, error: Exception) -> MalformedHistory:
    """The error for the bytes `start` to `end`, which are no JSON; `last` ends their characters."""
    problem = str(error)
    try:
        msgspec.json.decode(source.data[start:end], type=msgspec.Raw)  # what is wrong first
    except (msgspec.DecodeError, RecursionError) as syntax_error:
        problem = str(syntax_error)
    at_byte = _AT_BYTE.match(problem)
    if at_byte:
        # what trails is reported by the place after its first byte
        byte = start + int(at_byte[2]) - ("trailing characters" in at_byte[1])
        offset = len(source.data[:byte].decode("utf-8", "replace"))
        return source.malformed(offset, expected=f"JSON ({at_byte[1]})", hint=_SHAPE_HINT)
    if "truncated" in problem:
        hint = (
            f"{_SHAPE_HINT} Usually the writer was stopped in the middle of a line: take that line "
            "away, and what was written before can be read."
        )
        return source.malformed(last, expected="the rest of a JSON object", hint=hint)
    offset = len(source.data[:start].decode("utf-8", "replace"))
    return source.malformed(offset, expected=f"JSON that can be read ({problem})")


def _is_readable(text: str) -> bool:
    """Whether the decoder, which refuses more than the scanner, takes the JSON `text`."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _complaint(element: Any) -> tuple[str | None, str] | None:
    """The first wrong field of `element` and what was expected; field None is the element."""
    if not isinstance(element, dict):
        return None, "a JSON object with the fields process, type and f"
    for name, needed, is_good, expected in _FIELDS:
        if name not in element:
            if needed:
                return None, f"an object with the field {name!r}, {expected}"
        elif not is_good(element[name]):
            return name, expected
    return None


def _fields(source: Source, offset: int, error: Exception) -> MalformedHistory:
    """The error for the JSON value at `offset`, which is no operation."""
    text = source.text
    element, end = _SCANNER.raw_decode(text, offset)
    complaint = _complaint(element)
    if complaint is None and isinstance(element, dict):
        for name in element:
            start, end = _locate(text, offset, name)
            if not _is_readable(text[start:end]):
                complaint = name, _READABLE
    if complaint is None:
        return source.malformed(offset, expected=f"an operation ({error})")
    name, expected = complaint
    if name is not None:
        offset, end = _locate(text, offset, name)
    found = " ".join(text[offset:end].split())
    return source.malformed(offset, expected=expected, found=_quoted(found))


def _quoted(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _locate(text: str, offset: int, name: str) -> tuple[int, int]:
    """Where the value of field `name` of the object at `offset` stands (the last one counts)."""
    where = (offset, offset)
    offset = _skip_space(text, offset + 1)
    while text[offset] != "}":
        key, offset = _SCANNER.raw_decode(text, offset)
        offset = _skip_space(text, _skip_space(text, offset) + 1)
        start = offset
        offset = _SCANNER.raw_decode(text, offset)[1]
        if key == name:
            where = (start, offset)
        offset = _skip_space(text, offset)
        if text[offset] == ",":
            offset = _skip_space(text, offset + 1)
    return where


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return offset if match is None else match.end()
