"""What must hold of Harpoon's leases, beyond what `systems.invariants` says of any leases.

| invariant      | holds                                                                    |
|----------------|--------------------------------------------------------------------------|
| lease-backed   | while a lease lasts, in true time, a quorum is bound by promises         |
| promise-kept   | a node that restarts is bound for as long as it was bound before         |
| silence        | a leader without a lease asks for nothing once its time is over          |

They see a broken promise when it is broken, which is long before somebody is elected in spite of
it, and need no election to happen at all.

>>> from types import SimpleNamespace
>>> world = SimpleNamespace(now_ns=5, true_time_ns=lambda node, local_ns: local_ns)
>>> def node(until_ns):
...     return SimpleNamespace(promise=SimpleNamespace(until_ns=until_ns), term=1)
>>> watch = PromiseKept()
>>> watch.observe(world, 1, node(2_000_000_000)); watch.observe(world, 1, node(10))
Traceback (most recent call last):
    ...
harness.invariant.InvariantViolated: promise-kept: a promise was forgotten.
  0.000000 s  n1 was bound until 2.000000 s
  0.000000 s  n1 has restarted and is bound until 0.000000 s
"""

from __future__ import annotations

from typing import Any

from harness.invariant import Observed, Sighting
from harness.node import NodeId
from systems.harpoon.lease import NEVER_NS
from systems.invariants import NodeInvariant


def _true_ns(world: Observed, node: NodeId, local_ns: int) -> int:
    return NEVER_NS if local_ns == NEVER_NS else world.true_time_ns(node, local_ns)


class PromiseKept(NodeInvariant):
    """A restart shortens no promise. A node in term 0 had never told anybody of one."""

    name = "promise-kept"
    aspects = ("every-event",)

    def __init__(self) -> None:
        # node -> replica, its promise on its own clock, the same in true time, when it was made
        self._promises: dict[NodeId, tuple[Any, int, int, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        until_ns = replica.promise.until_ns
        before = self._promises.get(node)
        if before is not None and before[1] == until_ns and before[0] is replica:
            return
        true_ns = _true_ns(world, node, until_ns)
        if before is not None and before[0] is not replica and replica.term:
            bound_ns = before[2]
            if true_ns < bound_ns and bound_ns > world.now_ns:
                first = Sighting(time_ns=before[3], node=node, what=f"was {_bound(bound_ns)}")
                now = self.seen(world, node, f"has restarted and is {_bound(true_ns)}")
                raise self.violated("a promise was forgotten", first, now)
        self._promises[node] = (replica, until_ns, true_ns, world.now_ns)


class LeaseBacked(NodeInvariant):
    """With the leader, those who are bound until its lease ends are a quorum."""

    name = "lease-backed"
    aspects = ("every-event",)

    def __init__(self) -> None:
        # what was seen last on the node's own clock, and the promise in true time
        self._promised: dict[NodeId, tuple[Any, int, int, int]] = {}
        self._leases: dict[NodeId, tuple[Any, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        until_ns = replica.promise.until_ns
        before = self._promised.get(node)
        if before is None or before[1] != until_ns or before[0] is not replica:
            true_ns = _true_ns(world, node, until_ns)
            self._promised[node] = (replica, until_ns, true_ns, world.now_ns)
        leadership = replica.leadership
        if leadership is None:
            return
        lease_ns = leadership.lease.until_ns
        lease = self._leases.get(node)
        if lease is not None and lease[1] == lease_ns and lease[0] is leadership:
            return
        self._leases[node] = (leadership, lease_ns)
        if lease_ns != NEVER_NS:
            self._count(world, node, replica)

    def _count(self, world: Observed, node: NodeId, replica: Any) -> None:
        until_ns = world.true_time_ns(node, replica.status().lease_until_ns)
        needed = (len(replica.context.peers) + 1) // 2
        promises = sorted(
            ((seen[2], peer, seen[3]) for peer, seen in self._promised.items() if peer != node),
            reverse=True,
        )
        if not needed or until_ns <= world.now_ns:
            return
        bound_ns, peer, when_ns = promises[needed - 1] if len(promises) >= needed else (0, node, 0)
        if bound_ns < until_ns:
            first = Sighting(time_ns=when_ns, node=peer, what=f"is {_bound(bound_ns)} only")
            now = self.seen(world, node, f"has a lease until {until_ns / 1e9:.6f} s")
            raise self.violated("a lease outlasts the promises that it stands on", first, now)


class Silence(NodeInvariant):
    """Who has had no lease for a whole lease's time, or since it was elected, begins no round."""

    name = "silence"
    aspects = ("every-event",)

    def __init__(self) -> None:
        self._rounds: dict[NodeId, tuple[Any, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        leadership = replica.leadership
        if leadership is None:
            return
        lease = leadership.lease
        before = self._rounds.get(node)
        if before is not None and before[1] == lease.round and before[0] is leadership:
            return
        self._rounds[node] = (leadership, lease.round)
        end_ns = _true_ns(world, node, max(lease.until_ns, lease.grace_until_ns))
        if end_ns < world.now_ns:
            first = Sighting(time_ns=end_ns, node=node, what="has no lease, and no time left")
            now = self.seen(world, node, f"still asks for a lease, in round {lease.round}")
            raise self.violated("a leader without a quorum goes on", first, now)


def _bound(until_ns: int) -> str:
    return f"bound until {max(0, until_ns) / 1e9:.6f} s"
