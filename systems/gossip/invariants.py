"""What must hold at every instant in a gossip system, watched from inside the nodes.

| invariant            | holds                                                                   |
|----------------------|-------------------------------------------------------------------------|
| state-equals-storage | what a keyspace decided is what its storage holds                       |
| no-backward-step     | at a node, the timestamp of a key never decreases, not even in a restart|
|                      | once it is durable                                                      |
| no-resurrection      | where a deletion is durable, nothing older is there again               |
| clock-bound          | a hybrid clock is not further ahead of true time than it may be         |
| unique-stamps        | a node's stamps increase, across restarts                               |
| enough-copies        | who acknowledges a level has as many durable copies as it says          |
| peers-are-live       | batches go to those who are believed to live, and to nobody else        |
| permits              | not more messages are under way than there are permits                  |
| versions-advance     | in one life, what is known of a node's facts never goes back            |
| strong-eventual,     | what was taken in decides what is held (`systems.gossip.delivery`)      |
| seen-means-held      |                                                                         |

All but `enough-copies` and the last two look at one node at a time. The `Ledger` behind several of
them follows the trail of each storage: the greatest timestamp of every key, and which of it is
durable.

>>> [type(one).__name__ for one in gossip_invariants(GossipOptions())]
['Contents', 'Clocks', 'Peers', 'Delivered']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.invariant import Invariant, InvariantViolated, Observed, Sighting
from harness.node import NodeId
from systems.crdt.base import ZERO, Timestamp
from systems.gossip.coordinator import Acknowledged
from systems.gossip.delivery import Delivered
from systems.gossip.keyspace import Key
from systems.gossip.options import GossipOptions
from systems.gossip.storage import Step

if TYPE_CHECKING:
    from systems.gossip.node import GossipNode

#: A clock may drift by so much from true time before a wall clock jumps at all.
_SLACK_MS = 1000

_Held = tuple[Timestamp, bool]


def _broken(name: str, reason: str, *sightings: Sighting) -> InvariantViolated:
    return InvariantViolated(name, reason, sightings[0], sightings[-1])


class Ledger:
    """What one node has held of every key, at its greatest timestamp."""

    def __init__(self) -> None:
        self.current: dict[tuple[str, Key], _Held] = {}
        self.durable: dict[tuple[str, Key], _Held] = {}
        self.replica: Any = None
        self._birth = 0
        self._seen = 0
        self._fresh: list[tuple[int, Step]] = []  # not durable yet

    def follow(self, replica: GossipNode) -> list[tuple[Step, _Held]]:
        """Take in what the node did; gives the steps that went back, with what was held before."""
        if replica is not self.replica:
            lost = replica.options.storage == "memory" or replica.meta.birth != self._birth
            if lost:
                self.durable = {}
            self.replica, self._birth = replica, replica.meta.birth
            self.current = dict(self.durable)
            self._seen, self._fresh = 0, []
        trail = replica.storage.trail
        backward = []
        if trail.count != self._seen:
            for number, step in enumerate(trail.since(self._seen), self._seen + 1):
                before = self.current.get((step.keyspace, step.key), (ZERO, False))
                if step.after is not None and step.after < before[0]:
                    backward.append((step, before))
                self._keep(self.current, step)
                self._fresh.append((number, step))
            self._seen = trail.count
        in_memory = replica.options.storage == "memory"  # then there is nothing more durable
        durable = trail.count if in_memory else trail.durable
        while self._fresh and self._fresh[0][0] <= durable:
            self._keep(self.durable, self._fresh.pop(0)[1])
        return backward

    def _keep(self, held: dict[tuple[str, Key], _Held], step: Step) -> None:
        place = (step.keyspace, step.key)
        if step.after is not None and step.after >= held.get(place, (ZERO, False))[0]:
            held[place] = (step.after, step.live)


class Contents(Invariant):
    """state-equals-storage, no-backward-step, no-resurrection and enough-copies."""

    name = "contents"

    def __init__(self, options: GossipOptions) -> None:
        self._options = options
        self._total = 0
        self._ledgers: dict[NodeId, Ledger] = {}
        self._acknowledged: dict[NodeId, tuple[Any, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        self._total = replica.total
        ledger = self._ledgers.setdefault(node, Ledger())
        for step, (greatest, was_live) in ledger.follow(replica):
            raised = step.live and not was_live
            now = Sighting(time_ns=world.now_ns, node=node, what=f"stores {step}")
            held = "a document of" if was_live else "a deletion of"
            before = Sighting(
                time_ns=world.now_ns, node=node, what=f"held {held} timestamp {greatest}"
            )
            name = "no-resurrection" if raised else "no-backward-step"
            reason = "what was deleted is back" if raised else "something older replaced a key"
            raise _broken(name, reason, before, now)
        for keyspace, orswot in replica.store.keyspaces.items():
            if orswot.checksum != replica.storage.checksum(keyspace):
                raise self._differ(world, node, replica, keyspace)
        coordinator = replica.coordinator
        if coordinator.acknowledgements:
            known = (coordinator, coordinator.acknowledgements)
            if self._acknowledged.get(node) != known:
                self._acknowledged[node] = known
                self._count(world, node, coordinator.acknowledged)

    def _differ(
        self, world: Observed, node: NodeId, replica: Any, keyspace: str
    ) -> InvariantViolated:
        orswot = replica.store.keyspaces[keyspace]
        decided = {(key, stamp, True) for key, stamp in orswot.entries.items()}
        decided |= {(key, stamp, False) for key, stamp in orswot.dead.items()}
        stored = set(replica.storage.metadata(keyspace))
        sightings = [
            Sighting(time_ns=world.now_ns, node=node, what=f"{what} {sorted(only, key=repr)[:3]}")
            for what, only in (
                ("only decided", decided - stored),
                ("only stored", stored - decided),
            )
        ]
        return _broken("state-equals-storage", f"{keyspace!r} differs", *sightings)

    def _count(self, world: Observed, node: NodeId, done: Acknowledged) -> None:
        for change in done.changes:
            place = (change.keyspace, change.key)
            copies = [
                holder
                for holder, ledger in sorted(self._ledgers.items())
                if ledger.durable.get(place, (ZERO, False))[0] >= change.timestamp
            ]
            if not self._suffices(done, node, copies):
                says = f"acknowledges {done.level} for {change.key!r} {change.timestamp}"
                holders = ", ".join(f"n{holder}" for holder in copies) or "nobody"
                raise _broken(
                    "enough-copies",
                    f"the level promises more copies than {holders} hold durably",
                    Sighting(time_ns=world.now_ns, node=node, what=says),
                )

    def _suffices(self, done: Acknowledged, node: NodeId, copies: Sequence[NodeId]) -> bool:
        """Whether these are the copies that a level promises to whoever asks `node`."""
        if self._options.count_members == "live":
            return len(copies) > done.asked
        counted = {"None": 1, "One": 2, "Two": 3, "Three": 4, "All": self._total}
        if done.level in counted:
            return len(copies) >= counted[done.level]
        if done.level == "Quorum":
            return 2 * len(copies) > self._total
        place_of = self._options.data_center_of
        places = [place_of(member, self._total) for member in range(1, self._total + 1)]
        held = [place_of(holder, self._total) for holder in copies]
        wanted = {place_of(node, self._total)} if done.level == "LocalQuorum" else {*places}
        return all(2 * held.count(place) > places.count(place) for place in wanted)


class Clocks(Invariant):
    """clock-bound and unique-stamps."""

    name = "clocks"

    def __init__(self, options: GossipOptions) -> None:
        self._limit_ms = options.max_drift_ms + _SLACK_MS
        self._issued: dict[NodeId, tuple[Timestamp, Sighting]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        clock = replica.clock
        ahead_ms = clock.latest.wall_ms - world.now_ns // 1_000_000
        if ahead_ms > self._limit_ms:
            what = f"has its hybrid clock {ahead_ms} ms ahead of true time, at {clock.latest}"
            now = Sighting(time_ns=world.now_ns, node=node, what=what)
            raise _broken("clock-bound", f"more than {self._limit_ms} ms ahead", now)
        issued = clock.issued
        before, seen = self._issued.get(node, (ZERO, None))
        if issued > before:
            what = f"stamped {issued}"
            sighting = Sighting(time_ns=world.now_ns, node=node, what=what)
            self._issued[node] = (issued, sighting)
        elif seen is not None and issued != before and issued != ZERO:
            now = Sighting(time_ns=world.now_ns, node=node, what=f"stamped {issued}")
            raise _broken("unique-stamps", "a stamp is not greater than the one before", seen, now)


class Peers(Invariant):
    """peers-are-live, permits and versions-advance."""

    name = "peers"

    def __init__(self, options: GossipOptions) -> None:
        self._permits = options.batch_permits
        self._versions: dict[NodeId, tuple[Any, int, dict[NodeId, tuple[int, ...]]]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        distributor, gossiper = replica.distributor, replica.gossiper
        if len(distributor.in_flight) > self._permits:
            what = f"has {len(distributor.in_flight)} batches under way"
            now = Sighting(time_ns=world.now_ns, node=node, what=what)
            raise _broken("permits", f"there are {self._permits} permits", now)
        if distributor.peers.keys() != dict.fromkeys(gossiper.live).keys():
            sends = Sighting(
                time_ns=world.now_ns, node=node, what=f"sends to {sorted(distributor.peers)}"
            )
            sees = Sighting(
                time_ns=world.now_ns, node=node, what=f"sees {list(gossiper.live)} live"
            )
            raise _broken("peers-are-live", "they are not the same", sends, sees)
        self._advance(world, node, gossiper.membership)

    def _advance(self, world: Observed, node: NodeId, membership: Any) -> None:
        watched, lessons, versions = self._versions.get(node, (None, -1, {}))
        if watched is membership and lessons == membership.lessons:
            return
        now: dict[NodeId, tuple[int, ...]] = {
            peer.node: (peer.generation, peer.gc_version, peer.max_version)
            for peer in membership.peers.values()
        }
        if watched is membership:
            for peer, version in now.items():
                if version < versions.get(peer, version):
                    what = f"knows n{peer} at generation, gc, max {version}"
                    before = f"knew n{peer} at {versions[peer]}"
                    raise _broken(
                        "versions-advance",
                        "what was known is known no longer",
                        Sighting(time_ns=world.now_ns, node=node, what=before),
                        Sighting(time_ns=world.now_ns, node=node, what=what),
                    )
        self._versions[node] = (membership, membership.lessons, now)


def gossip_invariants(options: GossipOptions) -> list[Invariant]:
    """All of the table above."""
    return [Contents(options), Clocks(options), Peers(options), Delivered()]
