"""What the nemeses did, as stretches of time, and which of them a missing write is to be put down
to.

    start-partition (asked, done) ───── the fault ───── stop-partition (asked, done)
                                                                               └ the last heals all

The first start of a kind belongs to its first stop. `blamed` picks, for something that happened at
some moment at one node and that another lacks, the fault that kept it from there: among those that
went on then, or began within the second in which a write spreads, first one that cut the two off
from each other or concerns either of them; then one that went on at the moment; then the latest. If
there was none, it is the next that began.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for time_ns, f, value in [
...     (2 * 10**9, "start-kill", None), (2 * 10**9, "start-kill", {"crash": ["n3"]}),
...     (5 * 10**9, "stop-kill", None), (6 * 10**9, "stop-kill", {"restart": ["n3"]})]:
...     _ = recorder.append(time_ns=time_ns, process="nemesis", type="info", f=f, value=value)
>>> faults = Faults.of(recorder.history())
>>> faults.healed_ns, faults.blamed(3 * 10**9, 3).words()
(6000000000, 'the kill of n3 (2.000 s to 6.000 s)')

Limits: what a nemesis says is believed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.history import History

#: So many nodes are named in a sentence about a fault.
_NODES_NAMED = 3
#: A write that was acknowledged spreads for so long at least.
_SPREADING_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `stop_row` is -1 and `stop_ns` None for one that never ended."""

    kind: str
    start_ns: int
    stop_ns: int | None
    start_row: int
    stop_row: int
    nodes: tuple[str, ...]
    cut: frozenset[tuple[str, str]] = frozenset()

    def names(self, node: Any) -> bool:
        """Whether the nemesis said that it concerns `node`."""
        return node_name(node) in self.nodes

    def separates(self, node: Any, other: Any) -> bool:
        """Whether it cut the link between two nodes, in either direction."""
        pair = node_name(node), node_name(other)
        return pair in self.cut or pair[::-1] in self.cut

    def concerns(self, node: Any, origin: Any) -> bool:
        """Whether it can have kept from `node` what came from `origin` (None: nobody knows)."""
        if self.cut and origin is not None:
            return self.separates(node, origin)
        return self.names(node) or (origin is not None and self.names(origin))

    def during(self, time_ns: int) -> bool:
        """Whether it was going on then."""
        return self.start_ns <= time_ns and (self.stop_ns is None or time_ns <= self.stop_ns)

    def words(self, node: Any = None, origin: Any = None) -> str:
        """As a sentence has it; of a large partition, how it concerns these two."""
        whom = f" of {listed(self.nodes)}" if 0 < len(self.nodes) <= _NODES_NAMED else ""
        if not whom and origin is not None and self.separates(node, origin):
            whom = f" between {node_name(origin)} and {node_name(node)}"
        until = "never healed" if self.stop_ns is None else f"to {self.stop_ns / 1e9:.3f} s"
        return f"the {self.kind}{whom} ({self.start_ns / 1e9:.3f} s {until})"


class Faults:
    """All faults of a history, in order of their beginning.

    `healed_row` and `healed_ns` are where the last `stop-*` was done; -1 and 0 if there is none.
    """

    def __init__(self, faults: list[Fault], healed_row: int, healed_ns: int) -> None:
        self.all = faults
        self.healed_row = healed_row
        self.healed_ns = healed_ns

    @staticmethod
    def of(history: History) -> Faults:
        """The faults that the nemeses of `history` tell of."""
        faults: list[Fault] = []
        running: dict[str, deque[int]] = {}
        healed_row, healed_ns = -1, 0
        for f, value, begin, end in _actions(history):
            verb, _, kind = f.partition("-")
            if verb == "start":
                running.setdefault(kind, deque()).append(len(faults))
                began_ns = int(history.time_ns[begin])
                faults.append(
                    Fault(kind, began_ns, None, begin, -1, _nodes_in(value), _cut_in(value))
                )
            elif verb == "stop":
                healed_row, healed_ns = max(healed_row, end), int(history.time_ns[end])
                if running.get(kind):
                    place = running[kind].popleft()
                    one = faults[place]
                    faults[place] = replace(one, stop_ns=healed_ns, stop_row=end)
        return Faults(faults, healed_row, healed_ns)

    @property
    def unhealed(self) -> list[Fault]:
        """Those that never ended."""
        return [fault for fault in self.all if fault.stop_ns is None]

    @property
    def last(self) -> Fault | None:
        """The one that ended last."""
        healed = [fault for fault in self.all if fault.stop_ns is not None]
        return max(healed, key=lambda fault: (fault.stop_ns, fault.start_ns), default=None)

    def blamed(self, time_ns: int, node: Any, origin: Any = None) -> Fault | None:
        """To which fault it is put down that something of `time_ns` did not get to `node`.

        None if no fault was going on then, and none began later.
        """

        def weight(fault: Fault) -> tuple[bool, bool, int, int]:
            going_on = fault.during(time_ns)
            return fault.concerns(node, origin), going_on, fault.start_ns, fault.start_row

        near = [
            fault
            for fault in self.all
            if fault.during(time_ns) or 0 <= fault.start_ns - time_ns <= _SPREADING_NS
        ]
        if near:
            return max(near, key=weight)
        later = [fault for fault in self.all if fault.start_ns > time_ns]
        return min(later, key=lambda one: (one.start_ns, one.start_row), default=None)


def node_name(node: Any) -> str:
    """A node as people and nemeses call it.

    >>> node_name(3), node_name("db1"), node_name(None)
    ('n3', 'db1', 'the replica')
    """
    if node is None:
        return "the replica"
    return f"n{node}" if isinstance(node, int) else str(node)


def listed(names: Any) -> str:
    """Names as a sentence has them.

    >>> listed(["n1", "n2", "n3"])
    'n1, n2 and n3'
    """
    words = list(map(str, names))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _actions(history: History) -> Iterator[tuple[str, Any, int, int]]:
    """What nemeses did: function, value, row of its beginning and row of its end."""
    partner = history.partner
    for row in np.flatnonzero(~history.client_rows).tolist():
        end = int(partner[row])
        f = history.functions[history.f[row]]
        if end < 0:
            yield f, history.values[history.value[row]], row, row
        elif end > row:
            value = history.values[history.value[end]]
            yield f, value if value is not None else history.values[history.value[row]], row, end


def _nodes_in(value: Any) -> tuple[str, ...]:
    """The nodes that the value of a fault names; of a partition, the one that it cut off."""
    if isinstance(value, dict) and value.get("alone"):
        value = value["alone"]
    found: dict[str, None] = {}
    todo = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            todo += [*reversed(part.values()), *reversed(part.keys())]
        elif isinstance(part, list):
            todo += reversed(part)
        elif isinstance(part, str) and part[:1] == "n" and part[1:].isdigit():
            found[part] = None
    return tuple(sorted(found, key=lambda name: int(name[1:])))


def _cut_in(value: Any) -> frozenset[tuple[str, str]]:
    """The links that the value of a partition says are cut."""
    links = value.get("cut") if isinstance(value, dict) else None
    if not isinstance(links, list):
        return frozenset()
    return frozenset(
        (str(link[0]), str(link[1])) for link in links if isinstance(link, list) and len(link) == 2
    )
