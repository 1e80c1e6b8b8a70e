"""Refuses rows that break the conventions of docs/convergence.md, before anybody trips over them.

Only what would mislead is refused: an answer that says it is a set (`elements`) and holds none, a
node or a level that is no name, timestamps that do not compare. Other rows that follow no
convention are none of these checkers' business, and `records` leaves them out.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for type, value in [("invoke", None), ("ok", {"node": 1, "elements": None})]:
...     _ = recorder.append(time_ns=1, process=0, type=type, f="read", value=value)
>>> refuse_malformed(recorder.history())
Traceback (most recent call last):
    ...
harness.errors.UsageError: The value of row 1, process 0 ok 'read' is {'elements': None, 'node':
1}, but a read of a set answers {"node": n, "elements": [...]}...

Cost: every different value is looked at once; the elements of sets are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from harness.errors import UsageError
from harness.history import INVOKE, OK, History

_NODE: Final = "a node is a number or a name"
_LEVEL: Final = 'a level is a name, such as "Quorum"'
_STAMP: Final = "a timestamp is [wall_ms, counter, node], of numbers and names"
_SET: Final = 'a read of a set answers {"node": n, "elements": [...]}'
_MEMBERS: Final = '`members` answers {"node": n, "members": [...]}'
_COST: Final = '`cost` answers {"node": n, "hops": [[message, hops], ...], "sent": {kind: count}}'
_REPLICA: Final = (
    '`replica` answers {"node": n, "state": [[key, value, timestamp], ...], "delivered": digest, '
    '"repaired": count}'
)
_LOOKED_AT: Final = ("write", "delete", "read", "replica", "members", "cost")
_SHOWN: Final = 200


def refuse_malformed(history: History) -> None:
    """Raises UsageError on the first row that breaks a convention, and says which."""
    kinds: dict[int, tuple[str, int]] = {}  # by place in a timestamp: what is there, since when
    for row, f, answered, value in _different(history):
        trouble = _trouble(f, value) if answered else _trouble_in_level(value)
        if trouble is None and answered:
            trouble = _trouble_in_stamps(row, _stamps(f, value), kinds)
        if trouble is not None:
            text = repr(value)
            raise UsageError(
                f"The value of {history.describe(row)} is "
                f"{text if len(text) <= _SHOWN else f'{text[: _SHOWN - 1]}…'}, but {trouble}.\n"
                "Usually a workload of your own uses the name for something else; "
                "docs/convergence.md has the conventions."
            )


def _different(history: History) -> Iterator[tuple[int, str, bool, Any]]:
    """The first row of every different call and ok answer: function, whether answered, value."""
    kind = history.type
    looked_at = history.client_rows & history.named(_LOOKED_AT)
    rows = np.flatnonzero(looked_at & ((kind == INVOKE) | (kind == OK)))
    what = history.value[rows].astype(np.int64) * len(history.functions) + history.f[rows]
    _, first = np.unique(what * 2 + (kind[rows] == OK), return_index=True)
    for row in rows[np.sort(first)].tolist():
        value = history.values[history.value[row]]
        yield row, history.functions[history.f[row]], bool(kind[row] == OK), value


def _trouble(f: str, answer: Any) -> str | None:
    """What an answer should be and is not, but for its timestamps."""
    if f == "replica":
        return _trouble_in_replica(answer)
    if not isinstance(answer, dict):
        return None  # of another convention, or a copy of its own
    if f == "members" and not isinstance(answer.get("members"), list):
        return _MEMBERS
    if f == "read" and "elements" in answer and not isinstance(answer["elements"], list):
        return _SET
    if f == "cost" and not _is_cost(answer):
        return _COST
    if not _is_name(answer.get("node")) and (
        f in ("members", "cost") or not {"elements", "count", "value"}.isdisjoint(answer)
    ):
        return _NODE
    return _trouble_in_level(answer)


def _trouble_in_replica(answer: Any) -> str | None:
    if not isinstance(answer, dict) or not isinstance(answer.get("state"), list):
        return _REPLICA
    if not all(isinstance(line, list) and len(line) == 3 for line in answer["state"]):
        return _REPLICA
    if not isinstance(answer.get("repaired"), int | None):
        return _REPLICA
    return None if _is_name(answer.get("node")) else _NODE


def _trouble_in_level(value: Any) -> str | None:
    if isinstance(value, dict) and not isinstance(value.get("level"), str | None):
        return _LEVEL
    return None


def _is_cost(answer: dict[str, Any]) -> bool:
    hops, sent = answer.get("hops", []), answer.get("sent", {})
    return (
        isinstance(hops, list)
        and all(isinstance(pair, list) and len(pair) == 2 for pair in hops)
        and all(isinstance(number, int | float) for _, number in hops)
        and isinstance(sent, dict)
        and all(isinstance(number, int | float) for number in sent.values())
    )


def _is_name(node: Any) -> bool:
    return isinstance(node, int | str | None)


def _stamps(f: str, answer: Any) -> Iterator[list[Any]]:
    """The timestamps of an answer; what is no list is none (see `records`)."""
    if isinstance(answer, dict):
        told = [line[2] for line in answer["state"]] if f == "replica" else [answer.get("stamp")]
        yield from (stamp for stamp in told if isinstance(stamp, list))


def _trouble_in_stamps(
    row: int, stamps: Iterator[list[Any]], kinds: dict[int, tuple[str, int]]
) -> str | None:
    """Why timestamps do not compare, with each other or with those of earlier rows."""
    for stamp in stamps:
        for place, part in enumerate(stamp):
            if not isinstance(part, int | float | str):
                return _STAMP
            kind = "name" if isinstance(part, str) else "number"
            known, since = kinds.setdefault(place, (kind, row))
            if kind != known:
                return (
                    f"its timestamp {stamp!r} has a {kind} where one of row {since} has a {known}, "
                    "so that nobody can say which is the greater one"
                )
    return None
