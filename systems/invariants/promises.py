"""Invariants of what nodes promise each other: leases do not overlap, acknowledgements are true.

`LeaseDisjointness` reads `status().lease_until_ns` of leaders, in the node's own time, 0 for none.
`AckSoundness` reads `leadership.progress[peer].match` of leaders, and of all nodes `durable`, the
index up to which the log is on disk.

>>> from types import SimpleNamespace
>>> from harness.node import NodeStatus
>>> world = SimpleNamespace(now_ns=5, true_time_ns=lambda node, local_ns: local_ns)
>>> def leader(until_ns):
...     status = NodeStatus(role="leader", lease_until_ns=until_ns)
...     return SimpleNamespace(role="leader", status=lambda: status)
>>> leases = LeaseDisjointness()
>>> leases.observe(world, 1, leader(9)); leases.observe(world, 2, leader(8))
Traceback (most recent call last):
    ...
harness.invariant.InvariantViolated: lease-disjointness: two nodes have a lease at one time.
  0.000000 s  n1 has a lease until 0.000000 s
  0.000000 s  n2 has a lease until 0.000000 s
"""

from __future__ import annotations

from typing import Any

from harness.invariant import Observed, Sighting
from harness.node import NodeId
from systems.invariants.watch import NodeInvariant


class LeaseDisjointness(NodeInvariant):
    """In true time, at most one node holds a lease at any instant."""

    name = "lease-disjointness"
    aspects = ("every-event",)

    def __init__(self) -> None:
        # node -> true end of its lease, replica, when that was seen
        self._leases: dict[NodeId, tuple[int, Any, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        if replica.role != "leader":
            if node in self._leases:
                del self._leases[node]
            return
        until_ns = replica.status().lease_until_ns
        true_ns = world.true_time_ns(node, until_ns) if until_ns else 0
        now_ns = world.now_ns
        self._leases[node] = (true_ns, replica, now_ns)
        if true_ns <= now_ns:
            return
        for other, (end_ns, _, when_ns) in self._leases.items():
            if other != node and end_ns > now_ns:
                raise self.violated(
                    "two nodes have a lease at one time",
                    Sighting(time_ns=when_ns, node=other, what=_lease(end_ns)),
                    self.seen(world, node, _lease(true_ns)),
                )


def _lease(until_ns: int) -> str:
    return f"has a lease until {until_ns / 1e9:.6f} s"


class AckSoundness(NodeInvariant):
    """What a leader believes a peer to have is on that peer's disk, with the same term.

    Looked at whenever the leader commits something, for peers that are in the leader's term.
    """

    name = "ack-soundness"
    aspects = ("commit",)

    def __init__(self) -> None:
        self._replicas: dict[NodeId, Any] = {}
        self._committed: dict[NodeId, int] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        self._replicas[node] = replica
        if replica.role != "leader" or self._committed.get(node) == replica.committed:
            return
        self._committed[node] = replica.committed
        log = replica.log
        for number, progress in replica.leadership.progress.items():
            match = progress.match
            peer = self._replicas.get(number)
            if not match or peer is None or peer.term != replica.term:
                continue
            theirs = peer.log
            # a snapshot that is being installed stands for what it replaces on the disk
            stored = match <= max(peer.durable, theirs.base_index)
            if stored and match > log.base_index and match > theirs.base_index:
                stored = log.term_at(match) == theirs.term_at(match)
            if not stored:
                first = self.seen(world, number, f"has {peer.durable} entries on disk")
                what = f"believes n{number} to have stored its entries up to {match}"
                raise self.violated(
                    "an acknowledgement is not true", first, self.seen(world, node, what)
                )
