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
            self.node.send(target, message)
        for gone in self.membership.collect(now_ns):
            self.detector.forget(gone)
            self.given_up.add(gone)
        self.look()

    def _targets(self) -> list[NodeId]:
        below = self.node.context.rng.below
        live = list(self.live)
        others = dict.fromkeys(live)
        own = self.node.context.id
        dead = [peer for peer in self.membership.peers if peer != own and peer not in others]
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
        met = self._greet(message.cluster, message.digest)
        if met is None:
            return
        now_ns = self.node.now_ns()
        answer = SynAck(
            self.node.options.cluster,
            self.membership.digest(now_ns),
            self.membership.delta_for(message.digest, *met, now_ns),
            self.node.clock.latest,
        )
        self.node.send(source, answer)

    def on_syn_ack(self, source: NodeId, message: SynAck) -> None:
        met = self._greet(message.cluster, message.digest)
        if met is None:
            return
        now_ns = self.node.now_ns()
        self.membership.apply(message.delta, now_ns)
        delta = self.membership.delta_for(message.digest, *met, now_ns)
        answer = GossipAck(self.node.options.cluster, delta, self.node.clock.latest)
        self.node.send(source, answer)

    def on_ack(self, message: GossipAck) -> None:
        if self._greet(message.cluster, ()) is not None:
            self.membership.apply(message.delta, self.node.now_ns())

    def _greet(
        self, cluster: str, digest: Digest
    ) -> tuple[list[tuple[Peer, NodeDigest]], int] | None:
        """Take heartbeats in; None for a message of another cluster.

        Gives the entries whose versions are not those that are known here, and how many nodes of
        the digest are known: one walk does for both, and in great clusters it is most of the work.
        """
        if cluster != self.node.options.cluster:
            self.node.context.probe("other-cluster")
            return None
        self.membership.own.heartbeat += 1
        now_ns = self.node.now_ns()
        own = self.membership.own
        peers = self.membership.peers
        sign_of_life = self.detector.heartbeat
        differing: list[tuple[Peer, NodeDigest]] = []
        strangers = 0
        for entry in digest:
            node, generation, heartbeat, _, max_version = entry
            peer = peers.get(node)
            if peer is None or peer.generation != generation:
                peer = self._meet(entry, now_ns)
                if node in peers:
                    differing.append((peers[node], entry))
                else:
                    strangers += 1
                if peer is None:
                    continue
            elif max_version != peer.max_version:
                differing.append((peer, entry))
                if peer is own and max_version > own.max_version:
                    self.node.begin_generation(generation + 1)
            if heartbeat > peer.heartbeat and peer is not own:
                # how old the first one is nobody knows: it starts the count, no more
                if peer.heartbeat:
                    sign_of_life(node, now_ns)
                peer.heartbeat = heartbeat
        return differing, len(digest) - strangers

    def _meet(self, entry: NodeDigest, now_ns: Nanoseconds) -> Peer | None:
        """The peer of a life that was not known; None if it is over, or oneself."""
        own = self.membership.own
        node, generation, heartbeat, *_ = entry
        if node == own.node:
            if generation > own.generation:
                self.node.begin_generation(generation + 1)
            return None
        peer = self.membership.meet(node, generation, heartbeat, now_ns)
        if peer is None or peer.generation != generation:
            return None
        self.detector.forget(node)  # this life begins with its own sign of it
        return peer

    # ---- who lives

    def look(self) -> None:
        """Ask the detector about everybody, and tell the node when the answer is another."""
        now_ns = self.node.now_ns()
        membership = self.membership
        others = [peer for peer in sorted(membership.peers) if peer != self.node.context.id]
        live = self.detector.living(others, now_ns)
        dead_since_ns = membership.dead_since_ns
        if dead_since_ns:
            for peer in live:
                dead_since_ns.pop(peer, None)
        if len(live) < len(others):
            lives = dict.fromkeys(live)
            for peer in others:
                if peer not in lives:
                    dead_since_ns.setdefault(peer, now_ns)
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
