"""What a history of a convergent workload tells: updates, looks at replicas, faults, homes.

    Update   somebody changed something: write, delete | add, remove | increment, decrement
             | broadcast; `outcome` is ok or unanswered (info, or cut off by the end)
    Look     somebody saw what one node holds: an answered read of one key
    View     somebody saw all that one node holds: an answered `replica`, or a read of a whole set
             or counter

The rows follow docs/convergence.md. A failed call surely did not happen: failed updates are kept
apart, since nobody may ever see them; failed looks say nothing. Timestamps are tuples, so that
they compare.

Writes of plain registers (write, put, cas, without levels) count as well; their timestamps are
those that a replica shows with their value.

A *home* is the node that a client process talks with. It is known from what the process was told:
looks name the node, and the timestamp of a write has it. A process that was never told is homeless,
and whoever reasons about a node leaves it out.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> asked = {"value": 7, "level": "One"}
>>> for type, value in [("invoke", asked), ("ok", {**asked, "stamp": [1, 0, 3]})]:
...     _ = recorder.append(time_ns=1, process=0, type=type, f="write", key="x", value=value)
>>> records = Records.of(recorder.history())
>>> records.kind, records.updates[0].stamp, records.homes
('kv', (1, 0, 3), {0: 3})

Limits: rows that follow none of the conventions are left out; one that breaks them is a UsageError
(see `conventions`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from checkers.convergence.conventions import refuse_malformed
from checkers.convergence.faults import Faults
from harness.history import FAIL, INFO, INVOKE, OK, History
from harness.interning import encode

Stamp = tuple[Any, ...]
Kind = Literal["kv", "set", "counter", "none"]

_SIMPLE = (int, str, bool)

_KINDS: dict[str, Kind] = {
    "write": "kv",
    "put": "kv",
    "cas": "kv",
    "delete": "kv",
    "add": "set",
    "remove": "set",
    "broadcast": "set",
    "increment": "counter",
    "decrement": "counter",
}


@dataclass(frozen=True, slots=True)
class Call:
    """When something was asked and answered; row and time of the answer are -1 without one."""

    process: int
    call_row: int
    end_row: int
    call_ns: int
    end_ns: int

    def before(self, other: Call) -> bool:
        """Whether this had ended when the other began."""
        return 0 <= self.end_row < other.call_row

    @property
    def rows(self) -> list[int]:
        """The rows that it is made of."""
        return [self.call_row] if self.end_row < 0 else [self.call_row, self.end_row]


@dataclass(frozen=True, slots=True)
class Update:
    """A change. `key` is a key, an element, or "count"; `value` what it becomes (None: gone), or
    by how much it grows. `stamp` is None unless the answer told it."""

    f: str
    key: Any
    value: Any
    level: str | None
    stamp: Stamp | None
    outcome: Literal["ok", "unanswered", "fail"]
    call: Call

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"

    @property
    def deletes(self) -> bool:
        return self.value is None


@dataclass(frozen=True, slots=True)
class Look:
    """What a node answered about one key."""

    node: Any
    key: Any
    value: Any
    stamp: Stamp | None
    level: str | None
    call: Call


@dataclass(frozen=True, slots=True)
class View:
    """All that a node held: `live` and `dead` (tombstones) by key, with timestamps.

    `probe` tells an answered `replica` from a read of a whole set or counter.
    """

    node: Any
    live: dict[Any, tuple[Any, Stamp | None]]
    dead: dict[Any, Stamp | None]
    delivered: str | None
    repaired: int | None
    probe: bool
    call: Call


@dataclass(frozen=True, slots=True)
class Asked:
    """A `replica` that was not answered."""

    call: Call


class Records:
    """Everything that convergence checkers want to know of a history, in order of the calls."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.updates: list[Update] = []
        self.failed: list[Update] = []
        self.looks: list[Look] = []
        self.views: list[View] = []
        self.unanswered: list[Asked] = []
        self.homes: dict[int, Any] = {}
        self.faults = Faults.of(history)
        self.kind: Kind = "none"

    @staticmethod
    def of(history: History) -> Records:
        """The records of `history`. Raises UsageError on rows that break the conventions."""
        refuse_malformed(history)
        return _Reader(history).records()

    @property
    def probes(self) -> list[View]:
        """The answered calls of `replica`."""
        return [view for view in self.views if view.probe]

    @property
    def nodes(self) -> list[Any]:
        """All nodes that were heard of."""
        seen = dict.fromkeys(self.homes.values())
        return sorted(seen, key=lambda node: (not isinstance(node, int), str(node).zfill(12)))

    @property
    def quiet(self) -> tuple[int, int]:
        """Row and time from which nothing happens any more: no fault, and no update."""
        row, time_ns = self.faults.healed_row, self.faults.healed_ns
        for update in self.updates:
            for at, at_ns in (
                (update.call.call_row, update.call.call_ns),
                (update.call.end_row, update.call.end_ns),
            ):
                row, time_ns = max(row, at), max(time_ns, at_ns)
        return row, time_ns

    def by_key(self) -> dict[Any, list[Update]]:
        """The updates of each key, in order of their calls."""
        found: dict[Any, list[Update]] = {}
        for update in self.updates:
            found.setdefault(update.key, []).append(update)
        return found


def hashable(value: Any) -> Any:
    """`value` as a key of a dictionary: itself, or its JSON text.

    >>> hashable(3), hashable("a"), hashable([1, 2])
    (3, 'a', '[1, 2]')
    """
    if value is None or value.__class__ is int or value.__class__ is str:
        return value
    return json.dumps(value, sort_keys=True)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON data, as `harness.interning` has it.

    >>> same(1, True), same(1, 1.0), same([1], [True]), same({"a": 1}, {"a": 1})
    (False, False, False, True)
    """
    kind = one.__class__
    if kind is other.__class__ and kind in _SIMPLE:
        return bool(one == other)
    return encode(one) == encode(other)


def same_state(one: View, other: View) -> bool:
    """Whether two nodes held the same, each value under the same timestamp."""
    return one.live == other.live and all(
        same(value, other.live[key][0]) for key, (value, _) in one.live.items()
    )


def _stamp(value: Any) -> Stamp | None:
    return tuple(value) if isinstance(value, list) and value else None


class _Reader:
    """Makes records out of the rows of a history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.made = Records(history)

    def records(self) -> Records:
        counts = {"kv": 0, "set": 0, "counter": 0}
        for f, key, asked, answer, kind, call in self._calls():
            if f in _KINDS:
                update = self._update(f, key, asked, answer, kind, call)
                if update is not None:
                    counts[_KINDS[f]] += 1
                    (self.made.failed if kind == FAIL else self.made.updates).append(update)
            elif f == "replica":
                self._replica(answer, kind, call)
            elif f == "read" and kind == OK:
                self._read(key, answer, call)
            elif f == "members" and kind == OK and isinstance(answer, dict):
                self._at_home(call, answer.get("node"))
        most = max(counts, key=lambda name: counts[name])
        if counts[most]:
            self.made.kind = most  # type: ignore[assignment]
        return self.made

    def _calls(self) -> Iterator[tuple[str, Any, Any, Any, int, Call]]:
        """Function, key, what was asked, what was answered, the kind of answer (or INFO), when."""
        history = self.history
        rows = np.flatnonzero(history.client_rows & (history.type == INVOKE))
        ends = history.partner[rows]
        functions, keys, values = history.functions, history.keys, history.values
        times: list[int] = history.time_ns.tolist()
        kinds: list[int] = history.type.tolist()
        answers: list[int] = history.value.tolist()
        for row, end, f, key, process in zip(
            rows.tolist(),
            ends.tolist(),
            history.f[rows].tolist(),
            history.key[rows].tolist(),
            history.process[rows].tolist(),
            strict=True,
        ):
            call = Call(process, row, end, times[row], times[end] if end >= 0 else -1)
            kind = kinds[end] if end >= 0 else INFO
            answer = values[answers[end]] if kind == OK else None
            yield functions[f], keys[key], values[answers[row]], answer, kind, call

    def _update(
        self, f: str, key: Any, asked: Any, answer: Any, kind: int, call: Call
    ) -> Update | None:
        outcome: Literal["ok", "unanswered", "fail"]
        outcome = "ok" if kind == OK else "fail" if kind == FAIL else "unanswered"
        level = stamp = None
        match _KINDS[f]:
            case "kv":
                key, value = hashable(key), asked
                if f == "cas":
                    value = asked[1] if isinstance(asked, list) and len(asked) == 2 else asked
                elif isinstance(asked, dict) and "level" in asked:
                    told = answer if isinstance(answer, dict) else {}
                    level, stamp = asked["level"], _stamp(told.get("stamp"))
                    value = asked.get("value") if f == "write" else None
                if stamp is not None:
                    self._at_home(call, stamp[-1])
            case "set":
                value = None if f == "remove" else True
                key = hashable(asked)
            case _:
                if not isinstance(asked, int):
                    return None
                value = -asked if f == "decrement" else asked
                key = "count"
        return Update(f, key, value, level, stamp, outcome, call)

    def _at_home(self, call: Call, node: Any) -> None:
        if node is not None:
            self.made.homes.setdefault(call.process, node)

    def _read(self, key: Any, answer: Any, call: Call) -> None:
        if isinstance(answer, list):  # a set that is in one place
            answer = {"node": None, "elements": answer}
        if not isinstance(answer, dict):
            return
        node = answer.get("node")
        self._at_home(call, node)
        live: dict[Any, tuple[Any, Stamp | None]]
        if "elements" in answer:
            live = {hashable(element): (True, None) for element in answer["elements"]}
            self.made.views.append(View(node, live, {}, None, None, False, call))
        elif "count" in answer:
            live = {"count": (answer["count"], None)}
            self.made.views.append(View(node, live, {}, None, None, False, call))
        elif "value" in answer:
            value, stamp = answer["value"], _stamp(answer.get("stamp"))
            look = Look(node, hashable(key), value, stamp, answer.get("level"), call)
            self.made.looks.append(look)

    def _replica(self, answer: Any, kind: int, call: Call) -> None:
        if kind != OK:
            self.made.unanswered.append(Asked(call))
            return
        live, dead = {}, {}
        for key, value, stamp in answer["state"]:
            if value is None:
                dead[hashable(key)] = _stamp(stamp)
            else:
                live[hashable(key)] = (value, _stamp(stamp))
        node = answer.get("node")
        self._at_home(call, node)
        self.made.views.append(
            View(node, live, dead, answer.get("delivered"), answer.get("repaired"), True, call)
        )
