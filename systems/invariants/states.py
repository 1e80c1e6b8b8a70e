"""Invariants of what is decided: the same everywhere, for ever, and the same state follows from it.

These hold for any replicated log, with terms or without. Entries are compared as wholes.

>>> from types import SimpleNamespace
>>> def replica(*entries, committed):
...     log = SimpleNamespace(base_index=0, last_index=len(entries), at=lambda i: entries[i - 1])
...     return SimpleNamespace(log=log, committed=committed, applied=0)
>>> safety, world = StateMachineSafety(), SimpleNamespace(now_ns=0)
>>> safety.observe(world, 1, replica("a", "b", committed=2))
>>> safety.observe(world, 2, replica("a", "c", committed=1))
>>> safety.observe(world, 3, replica("a", "c", committed=2))
Traceback (most recent call last):
    ...
harness.invariant.InvariantViolated: state-machine-safety: two entries are decided at one index.
  0.000000 s  n1 has decided 'b' at 2
  0.000000 s  n3 has decided 'c' at 2
"""

from __future__ import annotations

import zlib
from typing import Any

from harness.invariant import Observed, Sighting
from harness.node import NodeId
from systems.invariants.watch import REST_NS, NodeInvariant

#: States are compared at every so many applied entries, and when a node rests.
STRIDE = 32


class StateMachineSafety(NodeInvariant):
    """If a node has decided an entry at an index, nobody ever decides another one there."""

    name = "state-machine-safety"
    aspects = ("commit",)

    def __init__(self) -> None:
        self._decided: dict[int, tuple[Any, NodeId, int]] = {}
        self._up_to: dict[NodeId, tuple[Any, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        seen = self._up_to.get(node)
        done = 0 if seen is None or seen[0] is not replica else seen[1]
        committed = replica.committed
        if committed <= done:
            return
        log = replica.log
        if done < log.base_index:
            done = log.base_index
        last = committed if committed < log.last_index else log.last_index
        decided = self._decided
        at = log.at
        for index in range(done + 1, last + 1):
            entry = at(index)
            first = decided.get(index)
            if first is None:
                decided[index] = (entry, node, world.now_ns)
            elif first[0] is not entry and first[0] != entry:
                raise self.violated(
                    "two entries are decided at one index",
                    Sighting(
                        time_ns=first[2], node=first[1], what=f"has decided {first[0]!r} at {index}"
                    ),
                    self.seen(world, node, f"has decided {entry!r} at {index}"),
                )
        self._up_to[node] = (replica, last)


class CommitMonotone(NodeInvariant):
    """Within a life, committed and applied never go back; applied ≤ committed ≤ the log."""

    name = "commit-monotone"
    aspects = ("commit", "log")

    def __init__(self) -> None:
        self._before: dict[NodeId, tuple[Any, int, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        committed, applied = replica.committed, replica.applied
        before = self._before.get(node)
        if before is not None and before[0] is replica:
            if committed < before[1] or applied < before[2]:
                first = self.seen(world, node, _position(before[1], before[2]))
                now = self.seen(world, node, _position(committed, applied))
                raise self.violated("what was decided is taken back", first, now)
            if (
                committed == before[1]
                and applied == before[2]
                and committed <= replica.log.last_index
            ):
                return
        if not applied <= committed <= replica.log.last_index:
            first = self.seen(world, node, f"has {replica.log.last_index} entries")
            now = self.seen(world, node, _position(committed, applied))
            raise self.violated("more is decided or applied than there is", first, now)
        self._before[node] = (replica, committed, applied)


def _position(committed: int, applied: int) -> str:
    return f"has committed {committed} and applied {applied}"


class StateAgreement(NodeInvariant):
    """Replicas that have applied equally much are in the same state, sessions included.

    Reads `sessions.snapshot()` of the replica. States are compared now and then: when the applied
    index is a multiple of `STRIDE`, and when a node comes to rest.
    """

    name = "state-agreement"
    aspects = ("commit", "rest")

    def __init__(self) -> None:
        self._states: dict[int, tuple[int, NodeId, int]] = {}
        # replica, its applied index, since when, whether its state was looked at there
        self._seen: dict[NodeId, list[Any]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        seen = self._seen.get(node)
        applied = replica.applied
        if seen is None or seen[0] is not replica:
            self._seen[node] = [replica, applied, world.now_ns, False]
        elif seen[1] != applied:
            seen[1], seen[2], seen[3] = applied, world.now_ns, False
            if applied % STRIDE == 0:
                seen[3] = True
                self._compare(world, node, replica)
        elif not seen[3] and world.now_ns - seen[2] > REST_NS:
            seen[3] = True
            self._compare(world, node, replica)

    def _compare(self, world: Observed, node: NodeId, replica: Any) -> None:
        index = replica.applied
        state = zlib.crc32(replica.sessions.snapshot())
        first = self._states.setdefault(index, (state, node, world.now_ns))
        if first[0] != state:
            raise self.violated(
                "equally many entries have led to different states",
                Sighting(time_ns=first[2], node=first[1], what=_state(index, first[0])),
                self.seen(world, node, _state(index, state)),
            )


def _state(index: int, checksum: int) -> str:
    return f"has applied {index}, checksum of the state {checksum:08x}"
