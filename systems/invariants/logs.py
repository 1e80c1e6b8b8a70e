"""Invariants of logs: they match, a leader only appends, and it has all that was committed.

Log matching is checked by induction: for each (index, term) there is one entry and one term before
it, whichever log it is seen in. So each entry is looked at once in each log, when it gets there.

>>> from types import SimpleNamespace
>>> from systems.raft.log import Log
>>> from systems.raft.messages import Entry
>>> def follower(*entries):
...     log = Log()
...     for entry in entries:
...         log.append(entry)
...     return SimpleNamespace(role="follower", term=2, log=log)
>>> matching, world = LogMatching(), SimpleNamespace(now_ns=0)
>>> matching.observe(world, 1, follower(Entry(1, 0, 0, None), Entry(2, 7, 1, "a")))
>>> matching.observe(world, 2, follower(Entry(1, 0, 0, None), Entry(2, 7, 2, "b")))
Traceback (most recent call last):
    ...
harness.invariant.InvariantViolated: log-matching: two entries with one index and term.
  0.000000 s  n1 has Entry(term=2, session=7, serial=1, command='a') at 2, after term 1
  0.000000 s  n2 has Entry(term=2, session=7, serial=2, command='b') at 2, after term 1
"""

from __future__ import annotations

from typing import Any

from harness.invariant import Observed, Sighting
from harness.node import NodeId
from systems.invariants.watch import NodeInvariant


class Mirror:
    """Follows one log: where did it change since last time?"""

    __slots__ = ("base", "entries", "replica", "term")

    def __init__(self, replica: Any) -> None:
        self.replica = replica
        self.term = replica.term
        self.base = replica.log.base_index
        self.entries: list[Any] = []

    def update(self, log: Any) -> tuple[int, int]:
        """(the index up to which the log is as it was, the number of entries dropped behind it).

        Afterwards the mirror shows the log as it is.
        """
        entries, mine = log.entries, self.entries
        count = len(mine)
        if (
            log.base_index == self.base
            and len(entries) >= count
            and (not count or entries[count - 1] is mine[count - 1])
        ):
            mine += entries[count:]
            return self.base + count, 0
        shift = log.base_index - self.base
        if shift:
            if not 0 < shift <= len(mine) or mine[shift - 1].term != log.base_term:
                shift = len(mine)  # a snapshot took the place of all that was there
            del mine[:shift]
            self.base = log.base_index
        same = len(mine)
        if same > len(entries):
            same = len(entries)
        while same and mine[same - 1] is not entries[same - 1]:
            same -= 1
        dropped = len(mine) - same
        if dropped:
            del mine[same:]
        mine += entries[same:]
        return self.base + same, dropped


class LogMatching(NodeInvariant):
    """Logs that agree on the term of an entry agree on it and on all before it."""

    name = "log-matching"
    aspects = ("log",)

    def __init__(self) -> None:
        self._mirrors: dict[NodeId, Mirror] = {}
        # (index, term) -> entry, term before it, node and time
        self._known: dict[tuple[int, int], tuple[Any, int, NodeId, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        mirror = self._mirrors.get(node)
        if mirror is None or mirror.replica is not replica:
            mirror = self._mirrors[node] = Mirror(replica)
        log = replica.log
        index, _ = mirror.update(log)
        if index >= log.last_index:
            return
        known = self._known
        before = log.term_at(index)
        for entry in mirror.entries[index - mirror.base :]:
            index += 1
            term = entry.term
            first = known.get((index, term))
            if first is None:
                known[index, term] = (entry, before, node, world.now_ns)
            elif first[1] != before or (first[0] is not entry and first[0] != entry):
                was, was_before, where, when_ns = first
                raise self.violated(
                    "two entries with one index and term",
                    Sighting(time_ns=when_ns, node=where, what=_text(was, index, was_before)),
                    self.seen(world, node, _text(entry, index, before)),
                )
            before = term


def _text(entry: Any, index: int, before: int) -> str:
    return f"has {entry} at {index}, after term {before}"


class LeaderAppendOnly(NodeInvariant):
    """A leader never drops or replaces an entry of its own log while it leads."""

    name = "leader-append-only"
    aspects = ("role", "log")

    def __init__(self) -> None:
        self._leading: dict[NodeId, Mirror] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        if replica.role != "leader":
            self._leading.pop(node, None)
            return
        leading = self._leading.get(node)
        if leading is None or leading.replica is not replica or leading.term != replica.term:
            leading = self._leading[node] = Mirror(replica)
            leading.update(replica.log)
            return
        before = len(leading.entries)
        index, dropped = leading.update(replica.log)
        if dropped:
            first = self.seen(world, node, f"led term {replica.term} with {before} entries")
            now = self.seen(world, node, f"has dropped {dropped} of them behind {index}")
            raise self.violated("a leader changed its own log", first, now)


class LeaderCompleteness(NodeInvariant):
    """Whoever wins an election has every entry that was committed before.

    That the winner has the latest committed entry is enough, since logs match.
    """

    name = "leader-completeness"
    aspects = ("role", "commit")

    def __init__(self) -> None:
        self._index = 0
        self._term = 0
        self._committed: Sighting | None = None
        self._elected: dict[NodeId, int] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        log = replica.log
        index = min(replica.committed, log.last_index)
        if index > self._index and index > log.base_index:
            self._index, self._term = index, log.term_at(index)
            what = f"has committed index {index}, of term {self._term}"
            self._committed = self.seen(world, node, what)
        if replica.role != "leader" or self._elected.get(node) == replica.term:
            return
        self._elected[node] = replica.term
        if self._committed is None or log.base_index >= self._index:
            return
        found = log.term_at(self._index)
        if found != self._term and replica.term > self._term:
            has = f"has term {found} there" if found >= 0 else f"has {log.last_index} entries only"
            now = self.seen(world, node, f"is elected in term {replica.term} and {has}")
            raise self.violated("an elected leader lacks what is committed", self._committed, now)
