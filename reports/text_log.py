"""The events of a run as text: one line an event, one column a node, to be grepped and diffed.

          seconds #    kind   who     n1      n2      n3      what
         7.091233      recv   n3      .       .       f4<n1   Append(term=4, ...)
         7.091690      lost   n2      .       x<n1    .       Append(term=4, ...)
         7.092001 #2!  ok     p3      .       x       .       read → 7 on "x"

    kind  call ok fail info   a client operation begins, ends         who: its process
          recv lost           a message arrives, or does not          who: where it was to go
          now                 a node is something else than before    role, term, leader
          up down paused      a node lives, or not                    note: what a node noted
          nem                 a row of a nemesis
    cell  the node that the line is about: first letter of its role (leader: L), its term, and for
          messages whom from; the others: . up, x down, z paused

The columns have the same width in every run of so many nodes, and no line has a number of its own,
so that `diff` of two logs shows what happened differently and nothing else. `#2` marks what
belongs to operation 2 of the witness, `#2!` the operation that nothing explains.

Limits: what the run did not record (see `harness.simulation.recording`) is not here; without a
recording there are the rows of the history alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.history import INVOKE, History
from harness.node import endpoint_name
from harness.simulation.recording import Columns, Recording
from reports.calls import Calls
from reports.sentences import call_label
from reports.wording import value_text, visible

#: The width of a node's column. A cell such as `L12<n10` fits.
CELL = 8
WITNESS, KIND, WHO = 4, 6, 7
#: Narrower than this the text of an event is not cut.
TEXT_LEAST = 24
_LIFE = {"up": ".", "down": "x", "paused": "z"}
_KINDS = ("call", "ok", "fail", "info")


class Event(NamedTuple):
    """One line before it is written: `node` is the column it is about, 0 for none."""

    time_ns: int
    order: int  # of events at the same moment: nodes first, then what clients see of it
    kind: str
    who: str
    node: int
    detail: str  # goes into the cell, after the state
    text: str
    row: int = -1
    becomes: tuple[str, int] = ("", 0)  # of a node: its role and term from now on


@dataclass
class _Node:
    life: str = "."
    role: str = ""
    term: int = 0

    @property
    def state(self) -> str:
        if self.life != ".":
            return self.life
        if not self.role:
            return "."
        letter = "L" if self.role == "leader" else self.role[:1].lower()
        return f"{letter}{self.term or ''}"


@dataclass(frozen=True, kw_only=True)
class Log:
    """What there is to tell: `numbers` says which call (its place) is which of the witness.

    What a nemesis began in one of `idle_rows` changed nothing, and is not told.
    """

    calls: Calls
    recording: Recording | None
    origin_ns: int = 0
    idle_rows: Collection[int] = ()
    numbers: Mapping[int, str] | None = None

    def lines(self, start_ns: int, end_ns: int, *, width: int) -> Iterator[str]:
        """The heading and all events from `start_ns` to `end_ns`, both included."""
        nodes = 0 if self.recording is None else self.recording.nodes
        yield _line("seconds", "#", "kind", "who", [f"n{n + 1}" for n in range(nodes)], "what", 0)
        states = {n: _Node() for n in range(1, nodes + 1)}
        for event in self.events(0, end_ns, changes_until_ns=start_ns):
            self._apply(states, event)
            if event.time_ns < start_ns:
                continue
            cells = [
                (states[n].state + event.detail) if n == event.node else states[n].life
                for n in states
            ]
            yield _line(
                f"{_seconds(event.time_ns - self.origin_ns)}",
                self._number(event.row),
                event.kind,
                event.who,
                cells,
                event.text,
                width,
            )

    def count(self, start_ns: int, end_ns: int) -> int:
        """About how many events there are in that time."""
        times = [self.calls.times_ns]
        if self.recording is not None:
            times += [self.recording.messages["end_ns"], self.recording.marks["time_ns"]]
        return sum(int(np.count_nonzero((t >= start_ns) & (t <= end_ns))) for t in times)

    def events(self, start_ns: int, end_ns: int, *, changes_until_ns: int = 0) -> list[Event]:
        """What happened, in order; before `changes_until_ns` only what nodes became."""
        found = list(self._rows(max(start_ns, changes_until_ns), end_ns))
        if self.recording is not None:
            found += self._messages(max(start_ns, changes_until_ns), end_ns)
            found += self._nodes(start_ns, end_ns)
        found.sort(key=lambda event: event[:2])  # stable: rows and messages keep their order
        return found

    @staticmethod
    def _apply(states: dict[int, _Node], event: Event) -> None:
        node = states.get(event.node)
        if node is None:
            return
        if event.kind in _LIFE:
            node.life = _LIFE[event.kind]
            if event.kind == "down":
                node.role, node.term = "", 0
        elif event.kind == "now":
            node.role, node.term = event.becomes

    def _number(self, row: int) -> str:
        if row < 0 or not self.numbers:
            return ""
        place = int(self.calls.at_rows(np.array([row], dtype=np.int64))[0])
        return self.numbers.get(place, "")

    def _rows(self, start_ns: int, end_ns: int) -> Iterator[Event]:
        calls = self.calls
        history: History = calls.history
        times = calls.times_ns
        rows = np.flatnonzero((times >= start_ns) & (times <= end_ns))
        places = calls.at_rows(rows)
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            time_ns, process = int(times[row]), int(history.process[row])
            if place < 0:
                if row in self.idle_rows or int(history.partner[row]) in self.idle_rows:
                    continue
                name = history.process_names[-1 - process] if process < 0 else f"p{process}"
                what = visible(history.functions[history.f[row]], 60)
                value = history.values[history.value[row]]
                told = what if value is None else f"{what} {value_text(value)}"
                yield Event(time_ns, 0, "nem", visible(name, 40)[:WHO], 0, "", told, row)
                continue
            kind = int(history.type[row])
            text = self._asked(row) if kind == INVOKE else call_label(calls, place)
            error = history.errors.get(row)
            text += f" ({value_text(error)})" if error is not None else ""
            yield Event(time_ns, 3, _KINDS[kind], f"p{process}", 0, "", text, row)

    def _asked(self, row: int) -> str:
        """What a client wanted, before anything came of it."""
        history = self.calls.history
        value, key = history.values[history.value[row]], int(history.key[row])
        text = visible(history.functions[history.f[row]], 60)
        text += "" if value is None else f" {value_text(value)}"
        return f"{text} on {value_text(history.keys[key], 40)}" if key > 0 else text

    def _messages(self, start_ns: int, end_ns: int) -> Iterator[Event]:
        assert self.recording is not None
        found = self.recording.messages
        places = np.flatnonzero((found["end_ns"] >= start_ns) & (found["end_ns"] <= end_ns))
        names = ("end_ns", "source", "destination", "body", "lost")
        for at, source, target, body, lost in zip(
            *(found[name][places].tolist() for name in names), strict=True
        ):
            text = visible(_short(self.recording.bodies[body]))
            node = target if target <= self.recording.nodes else 0
            if not node:  # a reply, which the client sees: the column of who sent it
                sender, detail = source, f">{self._name(target)}"
            else:
                sender, detail = node, f"<{self._name(source)}"
            kind = "lost" if lost else "recv"
            yield Event(at, 2, kind, self._name(target), sender, detail, text)

    def _nodes(self, start_ns: int, end_ns: int) -> Iterator[Event]:
        found = self.recording
        assert found is not None
        for at, node, word in _within(found.lives, ("time_ns", "node", "word"), start_ns, end_ns):
            yield Event(at, 0, found.words[word], f"n{node}", node, "", "")
        for at, node, word in _within(found.marks, ("time_ns", "node", "word"), start_ns, end_ns):
            yield Event(at, 1, "note", f"n{node}", node, "", visible(found.words[word], 60))
        last: dict[int, tuple[int, int, int]] = {}
        names = ("time_ns", "node", "role", "term", "leader")
        for at, node, *status in _within(found.sightings, names, start_ns, end_ns):
            role, term, leader = status
            if last.get(node) == (role, term, leader):
                continue  # only what it has committed is new
            last[node] = (role, term, leader)
            name = visible(found.words[role], 40)
            text = name + (f" of term {term}" if term else "")
            text += f", leader n{leader}" if leader else ""
            yield Event(at, 1, "now", f"n{node}", node, "", text, becomes=(name, term))

    def _name(self, endpoint: int) -> str:
        assert self.recording is not None
        return endpoint_name(endpoint, self.recording.nodes)


_REQUEST = re.compile(r"ClientRequest\(.*?, command=(.*), read_only=\w+\)")
_REPLY = re.compile(r"ClientReply\(id=\d+, done=(\w+), value=(.*), error=(.*), hint=(\d+)\)")


def _short(body: str) -> str:
    """What clients ask and are answered, without what the other columns say; the rest as it is.

    >>> _short("ClientReply(id=7, done=False, value=None, error='not the leader', hint=1)")
    "ClientReply refused: 'not the leader', ask n1"
    """
    if request := _REQUEST.fullmatch(body):
        return f"ClientRequest {request[1]}"
    if reply := _REPLY.fullmatch(body):
        hint = f", ask n{reply[4]}" if reply[4] != "0" else ""
        refused = f"refused: {reply[3]}{hint}"
        return f"ClientReply {reply[2] if reply[1] == 'True' else refused}"
    return body


def _within(
    table: Columns, names: Sequence[str], start_ns: int, end_ns: int
) -> Iterator[tuple[int, ...]]:
    times = table["time_ns"]
    places = np.flatnonzero((times >= start_ns) & (times <= end_ns))
    return zip(*(table[name][places].tolist() for name in names), strict=True)


def _seconds(time_ns: int) -> str:
    """Exact to the microsecond, cut off: a moment never reads as a later one."""
    sign = "-" if time_ns < 0 else ""
    whole, rest = divmod(abs(time_ns), 10**9)
    return f"{sign}{whole}.{rest // 1000:06d}"


def _line(
    time: str, number: str, kind: str, who: str, cells: Sequence[str], text: str, width: int
) -> str:
    """One line; a `width` of 0 cuts nothing."""
    columns = "".join(f"{cell[: CELL - 1]:<{CELL}}" for cell in cells)
    head = f"{time:>13} {number:<{WITNESS}} {kind:<{KIND}} {who:<{WHO}} {columns}"
    if width and len(head) + len(text) > width:
        room = max(width - len(head), TEXT_LEAST)
        text = text if len(text) <= room else text[: room - 1] + "…"
    return (head + text).rstrip()
