"""What a leader of OmniPaxos knows while it leads: promises, progress, waiting clients.

    prepare ──promises of a prepare quorum──▶ take over ──▶ accept
       the log of the highest round among them, and    entries go out, and are decided
       of these the longest, becomes the leader's      once an accept quorum has them

(Sequence Paxos; Ng, Haridi, Carbone, "Omni-Paxos", EuroSys 2023.) Taking over is one change on
disk: round and log together. From then on whatever is in the log is accepted in the leader's
round, so that counting lengths is enough and no empty entry is needed to decide old ones.

The object is made when a ballot is won in the election and dropped when the node follows another.
Lost messages are noticed at the heartbeat; requests that come too early wait in a queue.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from harness.node import ClientRequest
from systems.paxos.ballots import Ballot
from systems.paxos.messages import (
    STOP_SIGN,
    Accept,
    Accepted,
    AcceptSync,
    Entry,
    Prepare,
    Promise,
)
from systems.paxos.reads import IndexReads

if TYPE_CHECKING:
    from systems.paxos.node import OmniPaxosNode

#: Who has not promised is asked again at every so many heartbeats.
PREPARE_EVERY = 4


class Follower:
    """How far one peer is: `match` is acknowledged in this ballot, `sent` is under way.

    `sync` is the answer to its latest promise, until it is known to have come; `floor` is how
    long the log was that went out with it.
    """

    __slots__ = (
        "floor",
        "in_flight",
        "match",
        "match_before",
        "promised",
        "refused",
        "sent",
        "session",
        "sync",
    )

    def __init__(self) -> None:
        self.promised = False
        self.refused = False  # it has promised a higher ballot
        self.session = 0
        self.sync: AcceptSync | None = None
        self.match = 0
        self.match_before = 0  # at the last heartbeat
        self.floor = 0
        self.sent = 0
        self.in_flight: deque[int] = deque()  # the log length behind each message under way

    def rewind(self) -> None:
        """What is under way is lost, or will be sent once more for nothing."""
        self.sent = max(self.match, self.floor)
        self.in_flight.clear()


class Leadership:
    """The leader's part of an `OmniPaxosNode`, for one ballot."""

    def __init__(self, node: OmniPaxosNode, ballot: Ballot) -> None:
        self.node = node
        self.ballot = ballot
        self.followers = {peer: Follower() for peer in node.peers}
        self.accepting = False
        self.reads = IndexReads(node, needed=node.quorums.accept, announce=self._announce)
        self._promises: dict[int, Promise] = {}
        self._best: Promise | None = None  # None: nobody's log is better than the own one
        self._best_round, self._best_length = node.log.accepted_round, node.log.last_index
        self._prepared = False
        self._match_self = 0
        self._sync_point = 0
        self._sealed = False
        self._beats = 0
        self._queue: list[ClientRequest] = []

    # ---- prepare

    def begin(self) -> None:
        """The own promise is durable: ask everybody for theirs."""
        if self.node.leadership is not self:
            return
        self.node.note_told()
        self._prepared = True
        for peer in self.followers:
            self._prepare(peer)
        self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)
        self._count_promises()

    def _prepare(self, peer: int) -> None:
        log = self.node.log
        message = Prepare(
            log.configuration, self.ballot, log.decided, log.accepted_round, log.last_index
        )
        self.node.context.send(peer, message)

    def on_prepare_request(self, peer: int) -> None:
        """A peer has lost track."""
        if self._prepared:
            self.followers[peer].promised = False
            self._prepare(peer)

    def on_promise(self, peer: int, promise: Promise) -> None:
        """A peer promises; one that comes late is taken in, but has no say in the log."""
        follower = self.followers[peer]
        if promise.session < follower.session:
            return
        if promise.session == follower.session:
            # repeated, as the answer may be lost: it must be the same, for if it did arrive the
            # peer will ignore this one, and what else was sent was sent to come behind that
            if follower.promised and follower.sync is not None:
                self.node.context.send(peer, follower.sync)
            return
        follower.session = promise.session
        follower.promised = True
        if self.accepting:
            self._synchronize(peer, follower, promise)
            return
        self._promises[peer] = promise
        if self.is_better(promise):
            self._best = promise
            self._best_round, self._best_length = promise.accepted_round, promise.length
        self._count_promises()

    def is_better(self, promise: Promise) -> bool:
        """Whether its log comes before the best one so far: a higher round, or a longer log."""
        return (promise.accepted_round, promise.length) > (self._best_round, self._best_length)

    def _count_promises(self) -> None:
        if self._prepared and len(self._promises) + 1 >= self.node.quorums.prepare:
            self._take_over()

    def _take_over(self) -> None:
        """Make the best log the own one, in one step, and bring the followers to it."""
        node, log, best = self.node, self.node.log, self._best
        start = log.last_index
        entries: tuple[Entry, ...] = ()
        if best is not None:
            if best.snapshot is not None:
                node.install(best.start, best.snapshot)
            start, entries = best.start, best.entries
        node.accept(self.ballot, start, entries)
        self.accepting = True
        self._sync_point = log.last_index
        self._sealed = log.ends_with_stop_sign
        node.role = "leader"
        node.leader = node.context.id
        node.context.probe("elected", term=self.ballot.number)
        for peer, promise in self._promises.items():
            self._synchronize(peer, self.followers[peer], promise)
        decided = self.decided_before()
        self._promises.clear()
        self._best = None
        node.flush()
        if decided > log.decided:
            node.commit(min(decided, log.last_index))
        queue, self._queue = self._queue, []
        for request in queue:
            node.on_request(request)

    def decided_before(self) -> int:
        """What was decided before this ballot, as far as the promises tell."""
        return max((promise.decided for promise in self._promises.values()), default=0)

    def _synchronize(self, peer: int, follower: Follower, promise: Promise) -> None:
        """Answer a promise with what makes the peer's log equal to the own one."""
        log = self.node.log
        if promise.accepted_round == self.ballot:
            start = promise.length
        elif promise.accepted_round == self._best_round:
            start = min(self._best_length, promise.length)
        else:
            start = promise.decided
        # a state that was handed over is decided, though it was accepted in no round
        start = max(start, promise.decided)
        snapshot = None
        if start < log.base_index:
            start, snapshot = log.snapshot_index, log.snapshot
        follower.floor = follower.sent = log.last_index
        follower.in_flight.clear()
        message = AcceptSync(
            log.configuration,
            self.ballot,
            promise.session,
            start,
            log.slice(start),
            snapshot,
            log.decided,
            self.reads.round,
        )
        follower.sync = message
        self.node.context.send(peer, message)

    # ---- clients

    def write(self, request: ClientRequest) -> None:
        """Replicate a command, unless its session says that it was done already."""
        node = self.node
        if not self.accepting:
            self._queue.append(request)
        elif node.answer_repeated(request):
            pass
        elif (request.session, request.serial) in node.waiting:
            node.wait_for(request)  # it is in the log; the client has only asked again
        elif self._sealed:
            node.refuse(request, "reconfiguring")
        else:
            node.wait_for(request)
            self.propose(Entry(request.session, request.serial, request.command))

    def read(self, request: ClientRequest) -> None:
        """Answer from a state that has everything acknowledged before the request.

        What an earlier leader has acknowledged is in the log of this one from the start, but
        known to be decided only when all of that is.
        """
        if self.accepting:
            self.reads.read(request, max(self.node.committed, self._sync_point))
        else:
            self._queue.append(request)

    def reconfigure(self, request: ClientRequest, members: tuple[int, ...]) -> None:
        """Replicate a stop-sign: nothing comes behind it in this configuration."""
        if not self.accepting:
            self._queue.append(request)
        elif self._sealed:
            self.node.refuse(request, "reconfiguring")
        else:
            self._sealed = True
            following = self.node.configuration + 1
            self.node.waiting[(STOP_SIGN, following)] = request
            self.propose(Entry(STOP_SIGN, following, list(members)))

    def resign(self) -> None:
        """Refuse what was never begun; the fate of waiting writes is not known to this node."""
        self.reads.refuse()
        for request in self._queue:
            self.node.refuse(request)
        self._queue.clear()
        self.node.context.cancel_timer("heartbeat")

    # ---- replication

    def propose(self, entry: Entry) -> None:
        """Append an entry to the own log and send it on."""
        node = self.node
        node.accept(self.ballot, node.log.last_index, (entry,))
        node.flush()
        for peer, follower in self.followers.items():
            if follower.promised and len(follower.in_flight) < node.options.window:
                self._send(peer, follower)

    def heartbeat(self) -> None:
        """Repeat what may have been lost; whoever has not promised is asked again."""
        self._beats += 1
        for peer, follower in self.followers.items():
            if follower.refused:
                continue
            if not follower.promised:
                if self._beats % PREPARE_EVERY == 0:
                    self._prepare(peer)
            elif self.accepting:
                if follower.in_flight and follower.match == follower.match_before:
                    follower.rewind()
                follower.match_before = follower.match
                self._send(peer, follower)
        self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)

    def _announce(self) -> None:
        for peer, follower in self.followers.items():
            if follower.promised:
                self._send(peer, follower)

    def farewell(self) -> None:
        """The stop-sign is decided: say so before this configuration falls silent."""
        self._announce()

    def _send(self, peer: int, follower: Follower) -> None:
        """Send the next batch; if there is none or the window is full, a sign of life."""
        node, log, options = self.node, self.node.log, self.node.options
        start = max(follower.match, follower.floor)
        if min(start, follower.sent) < log.base_index:
            # what it lacks is compacted away: its next promise is answered with a snapshot
            follower.promised = False
            self._prepare(peer)
            return
        entries: tuple[Entry, ...] = ()
        if follower.sent < log.last_index and len(follower.in_flight) < options.window:
            start = follower.sent
            limit = 1 if node.context.buggify("tiny-batch") else options.batch
            entries = log.slice(start, limit)
            follower.sent += len(entries)
            follower.in_flight.append(follower.sent)
        message = Accept(
            log.configuration,
            self.ballot,
            follower.session,
            start,
            entries,
            log.decided,
            self.reads.round,
            node.everywhere,
        )
        node.context.send(peer, message)

    def on_accepted(self, peer: int, message: Accepted) -> None:
        """A peer has stored everything up to an index."""
        follower = self.followers[peer]
        if message.length > follower.match:
            follower.match = message.length
            if message.length >= follower.floor:
                follower.sync = None
            follower.sent = max(follower.sent, message.length)
            in_flight = follower.in_flight
            while in_flight and in_flight[0] <= message.length:
                in_flight.popleft()
            if message.length > self.node.log.decided:
                self._advance()
            if self.node.leadership is not self:
                return
            if follower.promised and follower.sent < self.node.log.last_index:
                self._send(peer, follower)
        self.reads.on_round(peer, message.round)

    def on_refused(self, peer: int) -> None:
        """A peer has promised a higher ballot, and can have no part in this one."""
        self.followers[peer].promised = False
        self.followers[peer].refused = True

    def on_durable(self, length: int) -> None:
        """The leader's own disk has everything up to `length`, accepted in this ballot."""
        if length > self._match_self:
            self._match_self = length
            self._advance()

    def _advance(self) -> None:
        """Decide what an accept quorum has stored."""
        node = self.node
        matches = [self._match_self, *(f.match for f in self.followers.values())]
        matches.sort(reverse=True)
        node.everywhere = matches[-1]
        index = matches[node.quorums.accept - 1]
        if index > node.log.decided:
            node.commit(index)
            if node.leadership is self:
                self.reads.serve()
