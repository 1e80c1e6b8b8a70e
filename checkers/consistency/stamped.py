"""Reads and writes of a store with levels and timestamps, as plain registers.

    write x {"value": 7, "level": L}                              write x 7
    delete x {"level": L}, ok with stamp s                        write x ["deleted", s]
    read x, ok {"value": 7, "stamp": s, ...}                      read x 7
    read x, ok {"value": None, "stamp": s} of such a deletion     read x ["deleted", s]

So a store that keeps the rows of docs/convergence.md can be asked for session guarantees, and every
row of a witness is still the row of the history.

What cannot be told is left out: a read that shows nothing may have come after a deletion whose
tombstone was purged, and a tombstone that no acknowledged deletion explains is that of an
unanswered one. An unanswered deletion is a write that nobody ever sees. Operations that are none of
registers (such as `replica`) become rows of nobody.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> answer = {"value": 7, "level": "One", "stamp": [1, 0, 2], "node": 2}
>>> for type, value in [("invoke", {"level": "One"}), ("ok", answer)]:
...     _ = recorder.append(time_ns=1, process=0, type=type, f="read", key="x", value=value)
>>> [row.value for row in plain_registers(recorder.history())]
[None, 7]

Limits: timestamps say more than these guarantees ask; the checker `lww` uses them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from harness.errors import UsageError
from harness.history import History
from harness.operation import Operation

_DELETED = "deleted"
_FUNCTIONS = ("write", "delete", "read")


def plain_registers(history: History) -> History:
    """`history` with plain values, row by row; itself if it has no levels.

    Raises UsageError on a deletion whose answer cannot have a timestamp.
    """
    if not any(isinstance(value, dict) and "level" in value for value in history.values):
        return history
    return History.from_operations(_plain(history))


def _plain(history: History) -> Iterator[Operation]:
    rows = list(history)
    partner: list[int] = history.partner.tolist()
    buried, deleted = _deletions(rows, partner)
    for row, operation in enumerate(rows):
        if not operation.is_client:
            yield operation
            continue
        end = partner[row] if operation.type == "invoke" else row
        answer = rows[end] if end >= 0 else None
        if operation.f not in _FUNCTIONS:
            # of nobody, two by two as the rules of pairing have it
            who = f"process {operation.process}, left out"
            yield msgspec.structs.replace(operation, process=who, type="info")
        elif operation.f == "write":
            value = operation.value
            value = value.get("value") if isinstance(value, dict) else value
            yield msgspec.structs.replace(operation, value=value)
        elif operation.f == "delete":
            yield msgspec.structs.replace(operation, f="write", value=_grave(row, answer))
        elif operation.type == "ok":
            yield _read(operation, buried, deleted)
        else:
            yield msgspec.structs.replace(operation, value=None)


def _deletions(rows: list[Operation], partner: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """By text, the timestamps of acknowledged deletions, and the keys that somebody deleted."""
    buried: dict[str, Any] = {}
    deleted: dict[str, Any] = {}
    for row, operation in enumerate(rows):
        if operation.is_client and operation.f == "delete" and operation.type == "invoke":
            answer = rows[partner[row]] if partner[row] >= 0 else None
            if answer is None or answer.type != "fail":
                deleted[repr(operation.key)] = operation.key
            if answer is not None and answer.type == "ok":
                buried[repr((operation.key, _stamp_of(answer)))] = operation.key
    return buried, deleted


def _grave(row: int, answer: Operation | None) -> Any:
    """What a deletion writes: its timestamp, or something that is written once only."""
    if answer is not None and answer.type == "ok":
        return [_DELETED, _stamp_of(answer)]
    return [_DELETED, "nobody knows when", answer.index if answer is not None else row]


def _stamp_of(deleted: Operation) -> Any:
    if not isinstance(deleted.value, dict):
        raise UsageError(
            f"The answer of index {deleted.index}, process {deleted.process} ok 'delete', is "
            f"{deleted.value!r}, but a deletion of a store with levels answers "
            '{"level": L, "stamp": timestamp}.\nUsually a client leaves the answer out; '
            "docs/convergence.md has the conventions."
        )
    return deleted.value.get("stamp")


def _read(operation: Operation, buried: dict[str, Any], deleted: dict[str, Any]) -> Operation:
    answer = operation.value if isinstance(operation.value, dict) else {"value": operation.value}
    value, stamp = answer.get("value"), answer.get("stamp")
    unclear = False
    if value is None and stamp is not None:
        unclear = repr((operation.key, stamp)) not in buried
        value = [_DELETED, stamp]
    elif value is None:
        unclear = repr(operation.key) in deleted
    if unclear:
        return msgspec.structs.replace(operation, type="fail", value=None)
    return msgspec.structs.replace(operation, value=value)
