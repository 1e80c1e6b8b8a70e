"""Rounds of gossip, the handshake, and who is believed to live.

    here                              there
      │ ── Syn(digest) ────────────────▶ │   this is what I know of
      │ ◀─────── SynAck(digest, delta) ─ │   this is news to you; and I know of this
      │ ── GossipAck(delta) ───────────▶ │   this is news to you

Every round goes to a few live nodes (to all that are known while none lives), with some luck to a
dead one, which may have come back, and to a seed, so that two halves find each other again. A
heartbeat is a number in the digest that its node counts up with every round and every message: it
tells that the node was alive after it told the number before.

A node that meets itself in a later life, or further on in this one than it is, has lost its disk
or its clock: it begins a new generation above that.

Source: chitchat; peers are chosen as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.node import Nanoseconds, NodeId
from systems.gossip.membership import Membership, Peer
from systems.gossip.messages import Digest, GossipAck, NodeDigest, Syn, SynAck

if TYPE_CHECKING:
    from systems.gossip.failure_detector import FailureDetector
    from systems.gossip.node import GossipNode


class Gossiper:
    """The membership part of a node; `live` are the other nodes that it believes in."""

    #: Flawed variants put another class here.
    membership_class: type[Membership] = Membership

    def __init__(self, node: GossipNode, generation: int, detector: FailureDetector) -> None:
        self.node = node
        self.detector = detector
        self.membership = self.membership_class(node.context.id, generation, node.options)
        self.live: tuple[NodeId, ...] = ()
        #: Nodes that were dead for so long that nobody waits for them any more.
        self.given_up: set[NodeId] = set()
        total = len(node.context.peers) + 1
        self.seeds = [peer for peer in node.context.peers if peer <= min(node.options.seeds, total)]

    # ---- rounds

    def round(self) -> None:
        """Talk to a few others, then look who lives."""
        now_ns = self.node.now_ns()
        self.membership.own.heartbeat += 1
        message = Syn(
            self.node.options.cluster, self.membership.digest(now_ns), self.node.clock.latest
        )
        for target in self._targets():
            self.node.context.send(target, message)
        for gone in self.membership.collect(now_ns):
            self.detector.forget(gone)
            self.given_up.add(gone)
        self.look()

    def _targets(self) -> list[NodeId]:
        below = self.node.context.rng.below
        live = list(self.live)
        dead = [
            peer
            for peer in self.membership.peers
            if peer != self.node.context.id and peer not in self.live
        ]
        pool = list(live or dead)
        targets: list[NodeId] = []
        while pool and len(targets) < self.node.options.gossip_fanout:
            targets.append(pool.pop(below(len(pool))))
        if dead and live and below(len(live) + 1) < len(dead):
            targets.append(dead[below(len(dead))])
        met_a_seed = any(target in self.seeds for target in targets)
        if self.seeds and (not met_a_seed or len(live) < len(self.seeds)):
            known = len(live) + len(dead)
            if not live or below(max(1, known)) < len(self.seeds):
                targets.append(self.seeds[below(len(self.seeds))])
        return list(dict.fromkeys(targets))

    # ---- the handshake

    def on_syn(self, source: NodeId, message: Syn) -> None:
        if not self._greet(message.cluster, message.digest):
            return
        now_ns = self.node.now_ns()
        answer = SynAck(
            self.node.options.cluster,
            self.membership.digest(now_ns),
            self.membership.delta(message.digest, now_ns),
            self.node.clock.latest,
        )
        self.node.context.send(source, answer)

    def on_syn_ack(self, source: NodeId, message: SynAck) -> None:
        if not self._greet(message.cluster, message.digest):
            return
        now_ns = self.node.now_ns()
        self.membership.apply(message.delta, now_ns)
        delta = self.membership.delta(message.digest, now_ns)
        answer = GossipAck(self.node.options.cluster, delta, self.node.clock.latest)
        self.node.context.send(source, answer)

    def on_ack(self, message: GossipAck) -> None:
        if self._greet(message.cluster, ()):
            self.membership.apply(message.delta, self.node.now_ns())

    def _greet(self, cluster: str, digest: Digest) -> bool:
        """Take heartbeats in; False for a message of another cluster."""
        if cluster != self.node.options.cluster:
            self.node.context.probe("other-cluster")
            return False
        self.membership.own.heartbeat += 1
        now_ns = self.node.now_ns()
        own = self.membership.own
        peers = self.membership.peers
        for entry in digest:
            peer = peers.get(entry.node)
            if peer is None or peer.generation != entry.generation:
                peer = self._meet(entry, now_ns)
                if peer is None:
                    continue
            if peer is own:
                if entry.max_version > own.max_version:
                    self.node.begin_generation(entry.generation + 1)
            elif entry.heartbeat > peer.heartbeat:
                # how old the first one is nobody knows: it starts the count, no more
                if peer.heartbeat:
                    self.detector.heartbeat(entry.node, now_ns)
                peer.heartbeat = entry.heartbeat
        return True

    def _meet(self, entry: NodeDigest, now_ns: Nanoseconds) -> Peer | None:
        """The peer of a life that was not known; None if it is over, or oneself."""
        own = self.membership.own
        if entry.node == own.node:
            if entry.generation > own.generation:
                self.node.begin_generation(entry.generation + 1)
            return None
        peer = self.membership.meet(entry.node, entry.generation, entry.heartbeat, now_ns)
        if peer is None or peer.generation != entry.generation:
            return None
        self.detector.forget(entry.node)  # this life begins with its own sign of it
        return peer

    # ---- who lives

    def look(self) -> None:
        """Ask the detector about everybody, and tell the node when the answer is another."""
        now_ns = self.node.now_ns()
        membership = self.membership
        live = []
        for peer in sorted(membership.peers):
            if peer == self.node.context.id:
                continue
            if self.detector.is_alive(peer, now_ns):
                membership.dead_since_ns.pop(peer, None)
                live.append(peer)
            else:
                membership.dead_since_ns.setdefault(peer, now_ns)
        self.given_up.difference_update(live)
        if tuple(live) != self.live:
            self.live = tuple(live)
            self.node.members_changed(self.live)

    def new_generation(self, generation: int) -> None:
        """Live on under a greater generation, saying the same of oneself."""
        before = self.membership.own
        own = self.membership.own = type(before)(before.node, generation)
        self.membership.peers[own.node] = own
        for fact in before.facts.values():
            if not fact.deleted:
                self.membership.set(fact.key, fact.value)
