"""Strong eventual consistency, watched from inside: what was taken in decides what is held.

| invariant       | holds                                                                      |
|-----------------|----------------------------------------------------------------------------|
| strong-eventual | replicas that took in the same updates of a CRDT show the same             |
| seen-means-held | who has taken in all that a node stamped up to a moment holds that, or     |
|                 | something later, of each key; or nothing, where something was deleted later|

The second is strong eventual consistency for the store, where a write that was overtaken leaves no
trace: two replicas that have seen the same hold the same of it.

An object of many rows is looked at after every so many events only.

Sound: what a crash can undo may be done anew differently, so that whatever only one node has is
forgotten when that restarts, and its own writes count once they are durable. A disk that is lost
takes with it what nobody else got.

>>> Delivered().name
'delivered'
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from harness.invariant import Invariant, InvariantViolated, Observed, Sighting
from harness.node import NodeId
from systems.crdt.base import ZERO, Timestamp
from systems.gossip.keyspace import Key
from systems.gossip.storage import Step
from systems.gossip.views import digest_of, object_rows

if TYPE_CHECKING:
    from systems.gossip.node import GossipNode

#: A large object is not looked at after every event: so many of its rows for each.
_ROWS_PER_EVENT = 4

#: Which updates of an object were taken in: its name, numbers by replica, and those out of order.
_Updates = tuple[str, tuple[Any, ...], tuple[Any, ...]]


class _Shown:
    """What a set of updates made at the node where it was seen first."""

    __slots__ = ("digest", "rows", "shared", "sighting")

    def __init__(self, digest: str, rows: Any, sighting: Sighting) -> None:
        self.digest = digest
        self.rows = rows
        self.sighting = sighting
        self.shared = False  # another node has seen it as well


class _Origin:
    """The durable writes that one node stamped, in order."""

    def __init__(self) -> None:
        self.stamps: list[Timestamp] = []
        self.steps: list[Step] = []
        self.replica: Any = None
        self.birth = 0
        self.counted = 0
        self.fresh: list[tuple[int, Step]] = []

    def add(self, step: Step) -> None:
        assert step.after is not None
        place = bisect_right(self.stamps, step.after)
        self.stamps.insert(place, step.after)
        self.steps.insert(place, step)


class Delivered(Invariant):
    """strong-eventual and seen-means-held."""

    name = "delivered"

    def __init__(self) -> None:
        self._shown: dict[_Updates, _Shown] = {}
        self._latest: dict[tuple[NodeId, str], tuple[Any, ...]] = {}
        self._credit: dict[NodeId, int] = {}  # rows that may be looked at
        self._sizes: dict[tuple[NodeId, str], int] = {}
        self._origins: dict[NodeId, _Origin] = {}
        self._deleted: dict[tuple[str, Key], Timestamp] = {}
        self._seen: dict[NodeId, dict[NodeId, Timestamp]] = {}

    def observe(self, world: Observed, node: NodeId, replica: GossipNode) -> None:
        origin = self._origins.setdefault(node, _Origin())
        if origin.replica is not replica:
            self._restarted(node, replica, origin)
        self._note_writes(node, replica, origin)
        self._compare_objects(world, node, replica)
        if replica.options.storage == "disk":
            self._compare_store(world, node, replica)

    def _restarted(self, node: NodeId, replica: GossipNode, origin: _Origin) -> None:
        """What only this node had may be another now."""
        self._shown = {
            updates: shown
            for updates, shown in self._shown.items()
            if shown.shared or shown.sighting.node != node
        }
        if origin.birth != replica.meta.birth:
            origin.stamps, origin.steps = [], []
        origin.replica, origin.birth = replica, replica.meta.birth
        origin.counted, origin.fresh = 0, []
        self._seen[node] = {}

    # ---- CRDTs

    def _compare_objects(self, world: Observed, node: NodeId, replica: GossipNode) -> None:
        objects = replica.objects
        self._credit[node] = self._credit.get(node, 0) + _ROWS_PER_EVENT
        for name in objects.objects.states:
            size = self._sizes.get((node, name), 0)
            if self._credit[node] < size:
                continue
            context = objects.delivered(name)
            now = (replica, objects.checksum(name), dict(context.vector), len(context.cloud))
            if self._latest.get((node, name)) == now:
                continue
            self._latest[node, name] = now
            rows = object_rows(objects.get(name))
            self._credit[node] -= size
            self._sizes[node, name] = len(rows)
            digest = digest_of(rows)
            vector = tuple(sorted(context.vector.items()))
            updates = (name, vector, tuple(sorted(context.cloud)))
            what = (
                f"shows {str(rows)[:200]} in {name!r}, digest of its updates {digest_of(updates)}"
            )
            sighting = Sighting(time_ns=world.now_ns, node=node, what=what)
            shown = self._shown.setdefault(updates, _Shown(digest, rows, sighting))
            shown.shared |= shown.sighting.node != node
            if shown.digest != digest:
                reason = "the same updates made different states"
                raise InvariantViolated("strong-eventual", reason, shown.sighting, sighting)

    # ---- the store

    def _note_writes(self, node: NodeId, replica: GossipNode, origin: _Origin) -> None:
        trail = replica.storage.trail
        if trail.count != origin.counted:
            for number, step in enumerate(trail.since(origin.counted), origin.counted + 1):
                if step.after is None:
                    continue
                if not step.live:
                    place = step.keyspace, step.key
                    self._deleted[place] = max(step.after, self._deleted.get(place, ZERO))
                if step.after.node == node:
                    origin.fresh.append((number, step))
            origin.counted = trail.count
        while origin.fresh and origin.fresh[0][0] <= trail.durable:
            origin.add(origin.fresh.pop(0)[1])

    def _compare_store(self, world: Observed, node: NodeId, replica: GossipNode) -> None:
        vector, before = replica.store.seen.vector, self._seen[node]
        if vector == before:
            return
        for source, upto in vector.items():
            since = before.get(source, ZERO)
            origin = self._origins.get(source)
            if upto <= since or origin is None:
                continue
            first = bisect_right(origin.stamps, since)
            for step in origin.steps[first : bisect_right(origin.stamps, upto)]:
                self._check_held(world, node, replica, step, upto)
        self._seen[node] = dict(vector)

    def _check_held(
        self, world: Observed, node: NodeId, replica: GossipNode, step: Step, upto: Timestamp
    ) -> None:
        assert step.after is not None
        orswot = replica.store.keyspaces.get(step.keyspace)
        held = None
        if orswot is not None:
            held = orswot.entries.get(step.key, orswot.dead.get(step.key))
        if held is None:
            buried = self._deleted.get((step.keyspace, step.key), ZERO) >= step.after
            if buried:
                return
        elif held >= step.after:
            return
        raise InvariantViolated(
            "seen-means-held",
            "a node lacks what it has taken in",
            Sighting(time_ns=world.now_ns, node=step.after.node, what=f"wrote {step}"),
            Sighting(
                time_ns=world.now_ns,
                node=node,
                what=f"has seen all up to {upto}, and holds {held} of {step.key!r}",
            ),
        )
