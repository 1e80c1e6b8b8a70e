"""What each node says of itself, and how little must be sent to know it all: scuttlebutt.

    Peer   generation 17, heartbeat 204, max_version 9, gc_version 4
           facts  data_center = dc1 (version 1), horizon = 55321 (9), colour deleted (7)

Only the node itself edits its facts; every edit takes the next version. To bring others up to date
it is enough to know their greatest version: everything above it is news (van Renesse et al.,
"Efficient reconciliation and flow control for anti-entropy protocols", 2008; details after
chitchat).

- A *generation* is one life of a node. Versions and heartbeats begin anew with each, so that a
  greater generation replaces all that was known of the smaller one.
- A deleted fact stays as a tombstone for a while; `gc_version` is the greatest version of those
  that were forgotten. Who lags behind it cannot be brought up to date by edits and is sent all.
- A delta that does not fit its byte budget is cut, and says up to where it goes.

Invariant: in one generation, (gc_version, max_version) never decreases.

Limits: facts are small; the digest grows with the number of nodes.

>>> from systems.gossip.options import GossipOptions
>>> here, there = (Membership(node, 1, GossipOptions()) for node in (1, 2))
>>> here.set("colour", "red"); here.set("taste", "sweet")
>>> delta = here.delta(there.digest(0))
>>> there.apply(delta, 0); there.fact(1, "taste")
'sweet'
>>> here.delta(there.digest(0))
()
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from harness.node import Nanoseconds, NodeId
from systems.gossip.messages import Delta, Digest, Fact, NodeDelta, NodeDigest
from systems.gossip.options import GossipOptions

#: What a node delta takes besides its facts, in bytes; generous.
_HEADER_BYTES = 48
#: So many forgotten nodes are remembered as such.
_REMEMBERED = 500

_encode = msgspec.msgpack.Encoder().encode


class Peer:
    """What is known of one node in its present life."""

    __slots__ = (
        "facts",
        "gc_version",
        "generation",
        "graves_ns",
        "heartbeat",
        "max_version",
        "node",
    )

    def __init__(self, node: NodeId, generation: int, heartbeat: int = 0) -> None:
        self.node = node
        self.generation = generation
        self.heartbeat = heartbeat
        self.max_version = 0
        self.gc_version = 0
        self.facts: dict[str, Fact] = {}
        self.graves_ns: dict[str, Nanoseconds] = {}  # since when a deleted fact is known as such


class Membership:
    """All that the node `node` knows of itself and of others; who lives is not decided here."""

    def __init__(self, node: NodeId, generation: int, options: GossipOptions) -> None:
        self.node = node
        self.options = options
        self.own = Peer(node, generation)
        self.peers: dict[NodeId, Peer] = {node: self.own}
        #: Since when nodes are believed dead, by the owner of this object.
        self.dead_since_ns: dict[NodeId, Nanoseconds] = {}
        #: Counts what was learnt, for invariants.
        self.lessons = 0
        self._forgotten: dict[NodeId, tuple[int, int]] = {}

    # ---- facts

    def set(self, key: str, value: str | int) -> None:
        """Say something of oneself; saying it again is nothing new."""
        known = self.own.facts.get(key)
        if known is None or known.deleted or known.value != value:
            self._edit(Fact(key, value, self.own.max_version + 1))

    def delete(self, key: str, now_ns: Nanoseconds) -> None:
        """Say it no longer."""
        known = self.own.facts.get(key)
        if known is not None and not known.deleted:
            self._edit(Fact(key, "", self.own.max_version + 1, True))
            self.own.graves_ns[key] = now_ns

    def _edit(self, fact: Fact) -> None:
        self.own.facts[fact.key] = fact
        self.own.max_version = fact.version
        self.own.graves_ns.pop(fact.key, None)

    def fact(self, node: NodeId, key: str) -> str | int | None:
        """What `node` says of itself, as far as is known here."""
        peer = self.peers.get(node)
        found = peer.facts.get(key) if peer is not None else None
        return None if found is None or found.deleted else found.value

    # ---- what others lack

    def digest(self, now_ns: Nanoseconds) -> Digest:
        """How much is known of each node, but for those that are dead for long."""
        known = self.peers.values()
        if self.dead_since_ns:
            known = [peer for peer in known if not self._is_leaving(peer, now_ns)]  # type: ignore[assignment]
        # written out, not by a method of Peer: clusters of hundreds spend their time here
        return tuple(
            [
                (one.node, one.generation, one.heartbeat, one.gc_version, one.max_version)
                for one in known
            ]
        )

    def delta(self, digest: Digest, now_ns: Nanoseconds = 0) -> Delta:
        """What whoever sent `digest` lacks, as much as fits the byte budget."""
        entries = ((self.peers.get(entry[0]), entry) for entry in digest)
        differing = [(peer, entry) for peer, entry in entries if peer is not None]
        return self.delta_for(digest, differing, len(differing), now_ns)

    def delta_for(
        self,
        digest: Digest,
        differing: Iterable[tuple[Peer, NodeDigest]],
        known: int,
        now_ns: Nanoseconds,
    ) -> Delta:
        """The same for who has already looked which entries differ from what is known here; those
        of `known` nodes in all do not.

        Unknown nodes come first, then those of whom most is lacking.
        """
        floors = [(peer, self._floor(peer, entry)) for peer, entry in differing]
        if known < len(self.peers):
            told = {node for node, *_ in digest}
            floors += [(peer, 0) for node, peer in self.peers.items() if node not in told]
        stale: list[tuple[int, int, int, Peer, int]] = []
        for peer, floor in floors:
            if floor is not None and not self._is_leaving(peer, now_ns):
                lacking = sum(fact.version > floor for fact in peer.facts.values())
                order = (0, peer.max_version) if floor == 0 else (1, -lacking)
                stale.append((*order, peer.node, peer, floor))
        budget = self.options.gossip_bytes
        parts: list[NodeDelta] = []
        for *_, peer, floor in sorted(stale, key=lambda one: one[:3]):
            part, used = self._part(peer, floor, budget)
            if part is None:
                break
            budget -= used
            parts.append(part)
        return tuple(parts)

    def _floor(self, peer: Peer, entry: NodeDigest) -> int | None:
        """The version above which `peer` has news for who told `entry`; None if it has none."""
        _, generation, _, gc_version, max_version = entry
        if peer.generation != generation:
            return 0 if peer.generation > generation else None
        if max_version >= peer.max_version:
            return None
        return 0 if gc_version < peer.gc_version > max_version else max_version

    def _part(self, peer: Peer, floor: int, budget: int) -> tuple[NodeDelta | None, int]:
        """As much of the news of one node as fits, oldest first, and its size in bytes."""
        news = sorted(
            (fact for fact in peer.facts.values() if fact.version > floor),
            key=lambda fact: fact.version,
        )
        used = _HEADER_BYTES
        chosen: list[Fact] = []
        for fact in news:
            size = len(_encode(fact))
            if used + size > budget:
                break
            used += size
            chosen.append(fact)
        if used > budget or (news and not chosen):
            return None, 0
        # what was cut off is above: the receiver will ask for it
        top = peer.max_version if len(chosen) == len(news) else chosen[-1].version
        part = NodeDelta(peer.node, peer.generation, floor, peer.gc_version, top, tuple(chosen))
        return part, used

    # ---- what is news here

    def apply(self, delta: Delta, now_ns: Nanoseconds) -> None:
        """Learn what others know; what does not follow on what is known is left out."""
        for part in delta:
            if part.node != self.node:
                peer = self.meet(part.node, part.generation, 0, now_ns)
                if peer is not None and peer.generation == part.generation:
                    self._learn(peer, part, now_ns)

    def meet(
        self, node: NodeId, generation: int, heartbeat: int, now_ns: Nanoseconds
    ) -> Peer | None:
        """The peer that is known, made new for a new node or a new life of one.

        None for a node that was forgotten and shows no newer sign of life.
        """
        peer = self.peers.get(node)
        if peer is None:
            forgotten = self._forgotten.get(node)
            if forgotten is not None and (generation, heartbeat) <= forgotten:
                return None  # a generation may be below 0: that of a clock before its epoch
            self._forgotten.pop(node, None)
            self.dead_since_ns[node] = now_ns  # until it is found alive
        if peer is None or peer.generation < generation:
            peer = self.peers[node] = Peer(node, generation)
            self.lessons += 1
        return peer

    def _learn(self, peer: Peer, part: NodeDelta, now_ns: Nanoseconds) -> None:
        if part.from_version > peer.max_version:
            return  # something in between is missing
        if part.gc_version > peer.gc_version and part.gc_version > peer.max_version:
            if part.from_version:
                return
            peer.facts.clear()
            peer.graves_ns.clear()
            peer.max_version = 0
            peer.gc_version = part.gc_version
        if part.max_version <= peer.max_version:
            return
        for fact in part.facts:
            if fact.version > peer.max_version and not (
                fact.deleted and fact.version <= peer.gc_version
            ):
                peer.facts[fact.key] = fact
                peer.graves_ns.pop(fact.key, None)
                if fact.deleted:
                    peer.graves_ns[fact.key] = now_ns
        peer.max_version = part.max_version
        self.lessons += 1

    # ---- forgetting

    def collect(self, now_ns: Nanoseconds) -> list[NodeId]:
        """Forget old tombstones and nodes that are long dead; returns those nodes."""
        for peer in self.peers.values():
            if not peer.graves_ns:
                continue
            due = [
                key
                for key, since_ns in peer.graves_ns.items()
                if now_ns - since_ns > self.options.fact_grace_ns
            ]
            for key in due:
                del peer.graves_ns[key]
                peer.gc_version = max(peer.gc_version, peer.facts.pop(key).version)
        gone = [
            node
            for node, since_ns in self.dead_since_ns.items()
            if now_ns - since_ns > self.options.dead_grace_ns
        ]
        for node in gone:
            peer = self.peers.pop(node)
            self.lessons += 1
            del self.dead_since_ns[node]
            self._forgotten.pop(node, None)
            self._forgotten[node] = (peer.generation, peer.heartbeat)
            if len(self._forgotten) > _REMEMBERED:
                del self._forgotten[next(iter(self._forgotten))]
        return gone

    def _is_leaving(self, peer: Peer, now_ns: Nanoseconds) -> bool:
        """Half of its grace is over: nobody should learn of it any more."""
        since_ns = self.dead_since_ns.get(peer.node)
        return since_ns is not None and 2 * (now_ns - since_ns) > self.options.dead_grace_ns
