"""Anti-entropy: every now and then a node pulls from a few others what it lacks.

    here                                   there
      │ ── Poll ────────────────────────────▶ │
      │ ◀──────────────── Summary(checksums) ─ │   all equal: everything of theirs is here
      │ ── AskState(those that differ) ─────▶ │
      │ ◀────────── State(keys, timestamps) ─ │   difference: bury, drop, fetch
      │ ── Fetch(keys) ─────────────────────▶ │   in chunks
      │ ◀────────────────── Fetched(values) ─ │
      └ saw(what they had seen when they made the summary)

A session that came to its end makes this node have taken in all that the other had, and hence all
that the other had seen: the vectors of `Seen` merge. From them follows which tombstones every
member has buried, which each tells the others as the fact "horizon" (`purge`).

A node speaks of what it stamped itself as seen only once it has repaired with every other node
since its disk was made: a disk that was lost held writes that only the others have now.

CRDTs are repaired the same way, with whole states in place of documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.node import Nanoseconds, NodeId
from systems.crdt.base import Timestamp
from systems.gossip.keyspace import Key
from systems.gossip.messages import (
    AskState,
    Change,
    Fetch,
    Fetched,
    KeyspaceState,
    Poll,
    QuestionId,
    State,
    Summary,
)
from systems.gossip.store import REPAIR

if TYPE_CHECKING:
    from systems.gossip.node import GossipNode

HORIZON = "horizon"


class Session:
    """One repair with one peer."""

    __slots__ = ("complete", "dropped", "peer", "question", "seen", "until_ns", "wanted")

    def __init__(self, question: QuestionId, peer: NodeId, until_ns: Nanoseconds) -> None:
        self.question = question
        self.peer = peer
        self.until_ns = until_ns
        self.seen: dict[NodeId, Timestamp] = {}
        self.complete = True  # nothing that they had was left out
        self.dropped = False  # something that they have seen was here and is not there
        self.wanted: list[tuple[str, tuple[Key, ...]]] = []  # chunks still to fetch


class Repair:
    """The repairing part of a node, both the asking and the answering side."""

    def __init__(self, node: GossipNode) -> None:
        self.node = node
        self.sessions: dict[NodeId, Session] = {}
        #: How many documents and object states came by repair, and how many sessions ended well.
        self.transferred = 0
        self.finished = 0
        self._life = node.meta.generation
        self._number = 0
        self._repaired: dict[NodeId, None] = {}  # with whom, in this life

    # ---- asking

    def tick(self) -> None:
        """Begin sessions with a few live nodes with whom none is going on."""
        now_ns = self.node.now_ns()
        for peer, session in list(self.sessions.items()):
            if session.until_ns <= now_ns:
                del self.sessions[peer]
        pool = [peer for peer in self.candidates() if peer not in self.sessions]
        for _ in range(min(len(pool), self.node.options.repair_fanout)):
            self.begin(pool.pop(self.node.context.rng.below(len(pool))))

    def candidates(self) -> list[NodeId]:
        """With whom a session may be begun."""
        return list(self.node.gossiper.live)

    def begin(self, peer: NodeId) -> None:
        """Ask `peer` what it has."""
        self._number += 1
        session = Session((self._life, self._number), peer, 0)
        self.sessions[peer] = session
        self._progress(session)
        self.node.send(peer, Poll(session.question, self.node.clock.latest))

    def _progress(self, session: Session) -> None:
        session.until_ns = self.node.now_ns() + self.node.options.repair_timeout_ns

    def _session(self, peer: NodeId, question: QuestionId) -> Session | None:
        session = self.sessions.get(peer)
        if session is None or session.question != question:
            return None
        self._progress(session)
        return session

    def on_summary(self, source: NodeId, message: Summary) -> None:
        """Compare checksums; ask for all of what differs."""
        session = self._session(source, message.session)
        if session is None:
            return
        session.seen = {stamp.node: stamp for stamp in message.seen}
        store, objects = self.node.store, self.node.objects
        keyspaces = [
            keyspace
            for keyspace, checksum in message.keyspaces
            if store.open(keyspace).checksum != checksum
        ]
        # what the other has nothing of at all may be gone there
        told = {keyspace for keyspace, _ in message.keyspaces}
        keyspaces += [keyspace for keyspace, _ in store.checksums() if keyspace not in told]
        names = tuple(
            name for name, checksum in message.objects if objects.checksum(name) != checksum
        )
        if keyspaces or names:
            self.node.send(source, AskState(session.question, tuple(keyspaces), names))
        else:
            self._finish(session)

    def on_state(self, source: NodeId, message: State) -> None:
        """Merge objects, bury and drop what is gone, and begin to fetch."""
        session = self._session(source, message.session)
        if session is None:
            return
        objects = self.node.objects
        for state in message.objects:
            self.transferred += 1
            objects.merge(state)
        seen = {stamp.node: stamp for stamp in message.seen}
        for keyspace in message.keyspaces:
            self._compare(session, keyspace, seen)
        self._next(session)

    def _compare(
        self, session: Session, theirs: KeyspaceState, seen: dict[NodeId, Timestamp]
    ) -> None:
        name = theirs.keyspace
        difference = self.node.store.open(name).diff(theirs.entries, theirs.dead, seen)
        if difference.dropped:
            self.node.store.drop(name, difference.dropped)
            session.dropped = True
            self.node.context.probe("dropped-as-seen", count=len(difference.dropped))
        buried = [
            Change(name, key, timestamp, None, False)
            for key, timestamp in difference.removed
            if self._believed(session, timestamp)
        ]
        self.node.store.apply(buried, source=REPAIR)
        wanted = [key for key, stamp in difference.modified if self._believed(session, stamp)]
        chunk = self.node.options.fetch_chunk
        for start in range(0, len(wanted), chunk):
            session.wanted.append((name, tuple(wanted[start : start + chunk])))

    def _believed(self, session: Session, timestamp: Timestamp) -> bool:
        if self.node.believes(timestamp):
            return True
        session.complete = False
        return False

    def _next(self, session: Session) -> None:
        if session.wanted:
            keyspace, keys = session.wanted[0]
            self.node.send(session.peer, Fetch(session.question, keyspace, keys))
        else:
            self._finish(session)

    def on_fetched(self, source: NodeId, message: Fetched) -> None:
        """Store what came; what is there no longer will be settled in the next session."""
        session = self._session(source, message.session)
        if session is None or not session.wanted or session.wanted[0][0] != message.keyspace:
            return
        _, keys = session.wanted.pop(0)
        changes = [one for one in message.changes if self._believed(session, one.timestamp)]
        self.transferred += len(changes)
        self.node.context.probe("documents-repaired", count=len(changes))
        self.node.store.apply(changes, source=REPAIR)
        if {one.key for one in changes} != set(keys):
            session.complete = False
        self._next(session)

    def _finish(self, session: Session) -> None:
        """All that the other had is here."""
        del self.sessions[session.peer]
        if not session.complete:
            return
        self.finished += 1
        self._repaired[session.peer] = None
        self.node.store.saw(session.seen, keep=session.dropped)
        self.node.flush()

    # ---- answering

    def on_poll(self, source: NodeId, message: Poll) -> None:
        self.speak_of_own()
        objects = self.node.objects
        answer = Summary(
            message.session,
            self._seen(),
            self.node.store.checksums(),
            tuple(objects.checksums()),
            self.node.clock.latest,
        )
        self.node.release(lambda: self.node.send(source, answer))

    def on_ask_state(self, source: NodeId, message: AskState) -> None:
        store, objects = self.node.store, self.node.objects
        answer = State(
            message.session,
            self._seen(),
            tuple(store.state(keyspace) for keyspace in message.keyspaces),
            tuple(objects.whole(name) for name in message.objects),
        )
        self.node.release(lambda: self.node.send(source, answer))

    def on_fetch(self, source: NodeId, message: Fetch) -> None:
        rows = self.node.store.rows(message.keyspace, message.keys)
        answer = Fetched(message.session, message.keyspace, rows)
        self.node.release(lambda: self.node.send(source, answer))

    def _seen(self) -> tuple[Timestamp, ...]:
        return tuple(self.node.store.seen.vector.values())

    def speak_of_own(self) -> None:
        """All that this node ever stamped is in its state, if it has all that others kept of it."""
        own = self.node.context.id
        seen = self.node.store.seen
        if own in seen.vector:
            seen.vector[own] = max(seen.vector[own], self.node.moment())
        elif all(peer in self._repaired for peer in self.node.roster() if peer != own):
            self.node.store.saw({own: self.node.moment()}, keep=True)

    # ---- forgetting

    def waited_for(self) -> list[NodeId]:
        """Who must have seen a tombstone before it may go."""
        return self.node.roster()

    def purge(self) -> None:
        """Tell up to where this node has seen everything; forget what all have seen."""
        self.speak_of_own()
        members = self.waited_for()
        horizon_ms = self.node.store.seen.horizon_ms(members)
        gossip = self.node.gossiper.membership
        if horizon_ms:
            self.node.release(lambda: gossip.set(HORIZON, horizon_ms))
        horizons = [gossip.fact(member, HORIZON) for member in members]
        before_ms = min((int(one) if one is not None else 0 for one in horizons), default=0)
        purged = self.node.store.purge(before_ms)
        if purged:
            self.node.context.probe("tombstones-purged", count=purged)
            self.node.flush()
