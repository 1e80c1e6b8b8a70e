"""Mistakes that a system like this invites, each beside the sound code and alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from harness.node import ClientRequest, Context, NodeId
from harness.system import Flaw
from systems.crdt import KINDS, Crdt, GCounter, Objects, ORSet, Timestamp
from systems.gossip.clock import HybridClock
from systems.gossip.coordinator import Coordinator
from systems.gossip.failure_detector import FailureDetector
from systems.gossip.gossiper import Gossiper
from systems.gossip.keyspace import Difference, Key, Mark, Orswot
from systems.gossip.membership import Membership, Peer
from systems.gossip.messages import NodeDelta, Write, Written
from systems.gossip.node import GossipNode, Meta
from systems.gossip.options import GossipOptions
from systems.gossip.repair import Repair
from systems.gossip.store import DIRECT, Store

# ---- clocks and keyspaces


class _Credulous(HybridClock):
    def hear(self, heard: Timestamp) -> bool:
        if heard[:2] > (self._wall_ms, self._counter):
            self._wall_ms, self._counter = heard.wall_ms, heard.counter
        return True

    def _check(self, ahead_ms: int) -> None:
        pass


class NoDriftGuard(GossipNode):
    clock_class = _Credulous

    def physical_time(self) -> Callable[[], int]:
        return lambda: self.context.clock.wall_ns() // 1_000_000


class _FirstComeStays(Orswot):
    def will_apply(self, key: Key, timestamp: Timestamp, *, live: bool) -> bool:
        for marks, there in ((self.entries, True), (self.dead, False)):
            held = marks.get(key)
            if held is not None:
                return (timestamp[:2], live) > (held[:2], there)
        return not self.seen.covers(timestamp)


class _FirstComeStore(Store):
    orswot_class = _FirstComeStays


class DrawByArrival(GossipNode):
    store_class = _FirstComeStore


class _PurgesWithTheLiving(Repair):
    def waited_for(self) -> list[NodeId]:
        return [self.node.context.id, *self.node.gossiper.live]


class EarlyPurge(GossipNode):
    repair_class = _PurgesWithTheLiving


class _AbsentMeansDeleted(Orswot):
    def diff(
        self, entries: Iterable[Mark], dead: Iterable[Mark], seen: Mapping[NodeId, Timestamp]
    ) -> Difference:
        entries, dead = list(entries), list(dead)
        found = super().diff(entries, dead, seen)
        there = {key for key, _ in [*entries, *dead]}
        found.dropped = [key for key in [*self.entries, *self.dead] if key not in there]
        return found


class _AbsentStore(Store):
    orswot_class = _AbsentMeansDeleted


class AbsentMeansDeleted(GossipNode):
    store_class = _AbsentStore


# ---- levels


class _CountsItself(Coordinator):
    def choose(self, level: str) -> list[NodeId]:
        return super().choose(level)[1:]


class CountsItselfTwice(GossipNode):
    coordinator_class = _CountsItself


class QuorumOfTheLiving(GossipNode):
    def counted(self) -> dict[NodeId, str]:
        live = [self.context.id, *self.gossiper.live]
        return {member: self.data_center(member) for member in live}


class _HastyAck(Coordinator):
    def on_write(self, source: NodeId, message: Write) -> None:
        if all(self.node.believes(change.timestamp) for change in message.changes):
            self.node.store.apply(message.changes, source=DIRECT)
            self.node.context.send(source, Written(message.operation, self.node.clock.latest))
            self.node.flush()


class AcknowledgesUnsynced(GossipNode):
    coordinator_class = _HastyAck


# ---- membership


class _NoLives(Gossiper):
    def __init__(self, node: GossipNode, generation: int, detector: FailureDetector) -> None:
        super().__init__(node, 0, detector)


class DigestWithoutGeneration(GossipNode):
    gossiper_class = _NoLives

    def begin_generation(self, generation: int) -> None:
        pass


class GenerationReused(GossipNode):
    def next_meta(self, kept: Meta | None, now_ms: int) -> Meta:
        made = super().next_meta(kept, now_ms)
        return made if kept is None else msgspec.structs.replace(made, generation=kept.generation)

    def begin_generation(self, generation: int) -> None:
        pass


class _LosesTail(Membership):
    def _part(self, peer: Peer, floor: int, budget: int) -> tuple[NodeDelta | None, int]:
        part, used = super()._part(peer, floor, budget)
        if part is not None:
            part = msgspec.structs.replace(part, max_version=peer.max_version)
        return part, used


class _LosesTailGossiper(Gossiper):
    membership_class = _LosesTail


class CutLosesTail(GossipNode):
    gossiper_class = _LosesTailGossiper


class _Unforgiving(FailureDetector):
    def __init__(self, options: GossipOptions) -> None:
        super().__init__(options)
        self._dead: set[NodeId] = set()

    def living(self, nodes: Iterable[NodeId], now_ns: int) -> list[NodeId]:
        return super().living([node for node in nodes if node not in self._dead], now_ns)

    def died(self, node: NodeId) -> None:
        super().died(node)
        self._dead.add(node)


class NeverForgives(GossipNode):
    detector_class = _Unforgiving


# ---- replicated data types


class _AddingCounter(GCounter):
    """Adds what arrives, with deltas that say only what is new."""

    def delta(self, *args: Any, **named: Any) -> Any:
        change = super().delta(*args, **named)
        for replica in change.counts:
            change.counts[replica] -= self.counts.get(replica, 0)
        return change

    def merge(self, other: Any) -> None:
        for replica, count in other.counts.items():
            self.counts[replica] = self.counts.get(replica, 0) + count


class _ClaimingSet(ORSet):
    """A removal says that it has seen, and taken away, all that its replica has seen."""

    def delta(self, method: str, *args: Any, **named: Any) -> Any:
        change = super().delta(method, *args, **named)
        if method == "remove":
            change.context.merge(self.context)
        return change


def _with_kind(crdt: type[Crdt]) -> Mapping[str, type[Crdt]]:
    return {**KINDS, crdt.kind: crdt}


class CounterAdds(GossipNode):
    def __init__(self, context: Context, machine: Objects, options: GossipOptions) -> None:
        super().__init__(context, machine, options)
        machine.known = _with_kind(_AddingCounter)


class RemovalClaimsAll(GossipNode):
    def __init__(self, context: Context, machine: Objects, options: GossipOptions) -> None:
        super().__init__(context, machine, options)
        machine.known = _with_kind(_ClaimingSet)


class WallClockWins(GossipNode):
    def object_stamp(self) -> Timestamp:
        return Timestamp(self.context.clock.wall_ns() // 1_000_000, 0, self.context.id)


class ReplicaNameReused(GossipNode):
    def replica_name(self, birth: int) -> str:
        return str(self.context.id)


class DoubledUpdateCounts(GossipNode):
    def on_request(self, request: ClientRequest) -> None:
        self.coordinator.sessions.clear()
        self.objects.last_serials.clear()
        super().on_request(request)


def _flaw(name: str, change: str, breaks: str) -> Flaw:
    return Flaw(name=name, change=change, breaks=breaks)


FLAWS: tuple[tuple[Flaw, type[GossipNode]], ...] = (
    (
        _flaw(
            "no-drift-guard",
            "a timestamp is accepted and made however far it is in the future",
            "one clock that jumps ahead takes those of all others with it",
        ),
        NoDriftGuard,
    ),
    (
        _flaw(
            "draw-by-arrival",
            "of two writes at the same time and count the first to arrive stays",
            "replicas that hear of them in another order differ for ever",
        ),
        DrawByArrival,
    ),
    (
        _flaw(
            "early-purge",
            "a tombstone is purged once all *live* members have seen it",
            "a node that was away brings back what was deleted",
        ),
        EarlyPurge,
    ),
    (
        _flaw(
            "absent-means-deleted",
            "repair drops what the other replica does not have, seen by it or not",
            "fresh writes vanish",
        ),
        AbsentMeansDeleted,
    ),
    (
        _flaw(
            "counts-itself-twice",
            "the local copy counts as one of those that the level asks for",
            "every level has a copy less than it says",
        ),
        CountsItselfTwice,
    ),
    (
        _flaw(
            "quorum-of-the-living",
            "a quorum is counted of those who are believed to live",
            "in a partition both sides acknowledge at Quorum",
        ),
        QuorumOfTheLiving,
    ),
    (
        _flaw(
            "acknowledges-unsynced",
            "a copy is confirmed before it is durable",
            "a crash leaves fewer copies than were acknowledged",
        ),
        AcknowledgesUnsynced,
    ),
    (
        _flaw(
            "digest-without-generation",
            "digests do not tell the lives of a node apart",
            "a node that comes back counts as dead until it is as old as it was",
        ),
        DigestWithoutGeneration,
    ),
    (
        _flaw(
            "generation-reused",
            "a restart keeps the generation and begins versions anew",
            "what the node says of itself is taken for old news",
        ),
        GenerationReused,
    ),
    (
        _flaw(
            "cut-loses-tail",
            "a delta that was cut at the byte budget says that it is complete",
            "facts beyond the cut are never learnt",
        ),
        CutLosesTail,
    ),
    (
        _flaw(
            "never-forgives",
            "who was once believed dead stays so",
            "after a partition the two sides never talk again",
        ),
        NeverForgives,
    ),
    (
        _flaw(
            "counter-adds",
            "a counter adds what arrives instead of taking the greater",
            "a doubled message counts twice",
        ),
        CounterAdds,
    ),
    (
        _flaw(
            "removal-claims-all",
            "the delta of a removal has the whole context in place of what it removes",
            "all other elements are removed with it",
        ),
        RemovalClaimsAll,
    ),
    (
        _flaw(
            "wall-clock-wins",
            "the last writer is found by wall clocks",
            "a later write loses to an earlier one of a node whose clock is ahead",
        ),
        WallClockWins,
    ),
    (
        _flaw(
            "replica-name-reused",
            "a node whose disk was lost counts on under its old name",
            "its first updates are taken for old news",
        ),
        ReplicaNameReused,
    ),
    (
        _flaw(
            "doubled-update-counts",
            "requests are not told apart by session and serial",
            "a request that the network doubled is carried out twice",
        ),
        DoubledUpdateCounts,
    ),
)
