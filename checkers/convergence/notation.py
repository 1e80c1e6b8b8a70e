"""Histories of convergent workloads, a call a line, for tests, bug reports and documentation.

    1000 0 write x 7 One = 1.0.2      at 1,000 ms process 0 writes; answered at 1,001 ms: ok, with
                                      the timestamp [1, 0, 2]
    1000..1500 0 write x 7 One ?      asked at 1,000 ms, ends without an answer at 1,500 (info);
                                      `!` fails, and nothing at all leaves it open
    1000 0 delete x One = 2.0.1
    2000 0 read x One = 2 7@1.0.2     at node 2; `nil` for nothing, `nil@2.0.1` for a tombstone

    1000 0 add 5 =                    remove, broadcast, increment and decrement alike
    2000 0 elements = 1 5 6           a read of a whole set at node 1; `-` is no node
    2000 0 count = 1 57               a read of a counter
    3000 0 replica = 1 x:7@1.0.2 5 count:57 #d1 +3
                                      documents, elements, totals; the digest of what was delivered
                                      and how much was repaired
    3000 0 members = 1 1 2 3
    3000 0 generate = 7.0.1
    2000 nemesis start-kill n1 n2     done at 2,001 ms

>>> [(row.type, row.f, row.value) for row in parse("1000 0 read x One = 2 7@1.0.2")]
[('invoke', 'read', {'level': 'One'}),
 ('ok', 'read', {'level': 'One', 'node': 2, 'stamp': [1, 0, 2], 'value': 7})]
>>> parse("1000 0 wrote x")
Traceback (most recent call last):
    ...
harness.errors.UsageError: '1000 0 wrote x' is no line of the notation...

Limits: values are whole numbers or words without blanks.
"""

from __future__ import annotations

import re
from typing import Any

from harness.errors import UsageError
from harness.history import History
from harness.operation import Operation, OperationType

_ASKED = {
    "write": 3,
    "delete": 2,
    "read": 2,
    "add": 1,
    "remove": 1,
    "broadcast": 1,
    "increment": 1,
    "decrement": 1,
    "elements": 0,
    "count": 0,
    "replica": 0,
    "members": 0,
    "generate": 0,
}
_MARKS: dict[str, OperationType] = {"=": "ok", "!": "fail", "?": "info"}


def parse(text: str) -> History:
    """The history that `text` describes, its rows in order of time (of one time: as written).

    Raises UsageError on a line that is none.
    """
    rows: list[tuple[int, int, dict[str, Any]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            made = _line(line)
        except (ValueError, IndexError, KeyError) as problem:
            raise UsageError(
                f"{line!r} is no line of the notation ({problem}): a time in milliseconds, a "
                "process, a function and what it takes, then = ! or ? and what came of it.\n"
                f"Functions: {', '.join(_ASKED)}; start-... and stop-... of nemesis."
            ) from problem
        rows += [(time_ms, len(rows) + place, row) for place, (time_ms, row) in enumerate(made)]
    rows.sort(key=lambda item: item[:2])
    return History.from_operations(
        Operation(index=index, time_ns=time_ms * 1_000_000, **row)
        for index, (time_ms, _, row) in enumerate(rows)
    )


def _line(line: str) -> list[tuple[int, dict[str, Any]]]:
    times, who, f, *words = line.split()
    begin, _, end = times.partition("..")
    begin_ms = int(begin)
    end_ms = int(end) if end else begin_ms + 1
    if not who.isdigit():
        row = {"process": who, "type": "info", "f": f, "value": words or None}
        return [(begin_ms, row), (end_ms, row)]
    taken = _ASKED[f]
    mark = words[taken] if len(words) > taken else ""
    asked, answer = words[:taken], words[taken + 1 :]
    if len(asked) < taken or (mark and mark not in _MARKS):
        raise ValueError(f"{f} takes {taken} words")
    key, value = _question(f, asked)
    common = {"process": int(who), "f": "read" if f in ("elements", "count") else f, "key": key}
    made = [(begin_ms, {**common, "type": "invoke", "value": value})]
    if mark:
        came = _answer(f, asked, answer, value) if mark == "=" else value
        made.append((end_ms, {**common, "type": _MARKS[mark], "value": came}))
    return made


def _question(f: str, asked: list[str]) -> tuple[Any, Any]:
    match f:
        case "write":
            return asked[0], {"value": _plain(asked[1]), "level": asked[2]}
        case "delete" | "read":
            return asked[0], {"level": asked[1]}
        case "add" | "remove" | "broadcast" | "increment" | "decrement":
            return None, _plain(asked[0])
    return None, None


def _answer(f: str, asked: list[str], answer: list[str], value: Any) -> Any:
    match f:
        case "write" | "delete":
            return {**value, "stamp": _stamp(answer[0])}
        case "read":
            seen, stamp = _stamped(answer[1])
            return {"value": seen, "level": asked[1], "stamp": stamp, "node": _node(answer[0])}
        case "elements":
            return {"node": _node(answer[0]), "elements": [_plain(word) for word in answer[1:]]}
        case "count":
            return {"node": _node(answer[0]), "count": int(answer[1])}
        case "members":
            return {"node": _node(answer[0]), "members": [_plain(word) for word in answer[1:]]}
        case "generate":
            return _stamp(answer[0])
        case "replica":
            return _replica(answer)
    return value


def _replica(answer: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"node": _node(answer[0]), "delivered": None, "repaired": 0}
    state: list[list[Any]] = []
    for word in answer[1:]:
        if word[0] == "#":
            made["delivered"] = word[1:]
        elif word[0] == "+":
            made["repaired"] = int(word)
        elif ":" in word:
            key, _, held = word.partition(":")
            state.append([key, *_stamped(held)])
        else:
            state.append([_plain(word), True, None])
    return {**made, "state": state}


def _stamped(word: str) -> tuple[Any, list[int] | None]:
    value, _, stamp = word.partition("@")
    return _plain(value), _stamp(stamp) if stamp else None


def _stamp(word: str) -> list[int]:
    return [int(part) for part in word.split(".")]


def _node(word: str) -> Any:
    return None if word == "-" else _plain(word)


def _plain(word: str) -> Any:
    if word == "nil":
        return None
    return int(word) if re.fullmatch(r"-?\d+", word) else word
