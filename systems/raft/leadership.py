"""What a leader does while it leads: replication to its peers, clients that wait.

    request ─▶ log ─▶ Append to each peer, several in flight ─▶ Appended by a quorum ─▶ commit
                      └ what a peer needs is compacted away ─▶ a snapshot, in chunks

The object is made when an election is won and dropped when the leader steps down. Replication is
optimistic: `next` runs ahead of what is acknowledged, `window` messages with entries may be under
way, and what comes meanwhile is sent as one batch. Lost messages are noticed at the heartbeat. So
is the loss of a quorum (CheckQuorum): a leader that most have not answered for an election timeout
steps down.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from harness.node import ClientRequest
from systems.raft.membership import Membership
from systems.raft.messages import NO_OP, Append, Appended, ChunkStored, Conflict, Entry
from systems.raft.reads import Reads
from systems.raft.sending import Sending

if TYPE_CHECKING:
    from systems.raft.node import RaftNode

#: In the window of a peer that gets a snapshot: no room for entries.
_CLOSED = 1 << 62


class Progress:
    """How far one node is: `match` is acknowledged, `next` is sent next."""

    __slots__ = ("active", "in_flight", "match", "match_before", "next", "round", "sending")

    def __init__(self, next_index: int) -> None:
        self.match = 0
        self.match_before = 0  # at the last heartbeat
        self.next = next_index
        self.in_flight: deque[int] = deque()  # the last index of each message under way
        self.round = 0
        self.active = True  # heard since quorum was last checked
        self.sending: Sending | None = None  # the snapshot that it gets


class Leadership:
    """The leader's part of a `RaftNode`, for one term."""

    # flawed variants put other classes here
    reads_class: type[Reads] = Reads
    membership_class: type[Membership] = Membership

    def __init__(self, node: RaftNode) -> None:
        self.node = node
        self.term = node.term
        self.first_index = node.log.last_index + 1
        self.waiting: dict[int, ClientRequest] = {}
        # the latest confirmation of the leadership that was begun, for reads
        self.round = 0
        self.own = Progress(self.first_index)
        self.progress: dict[int, Progress] = {}
        self.groups: list[list[Progress]] = []
        self.reads = self.reads_class(self)
        self.membership = self.membership_class(self)
        self._batch = 1 if node.context.buggify("tiny-batch") else node.options.batch
        self._beats = 0
        self.adopt()

    def begin(self) -> None:
        """Announce the leadership with a no-op, which lets entries of earlier terms commit."""
        self.propose(Entry(self.term, NO_OP, 0, None))
        self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)

    def resign(self) -> None:
        """Refuse the reads that wait; the fate of waiting writes is not known to this node."""
        self.reads.refuse_all()
        self.node.context.cancel_timer("heartbeat")

    # ---- members

    def adopt(self) -> None:
        """Replicate to the members of the present configuration.

        Whoever leaves it hears of that: members are dropped when their removal is committed.
        """
        node = self.node
        configuration = node.configuration
        here = node.context.id
        for peer in configuration.replicated:
            if peer != here and peer not in self.progress:
                # a newcomer gets the entry that made it one, and says what it lacks before that
                self.progress[peer] = Progress(max(self.first_index, node.log.last_index))
        self.groups = [
            [self.own if voter == here else self.progress[voter] for voter in group]
            for group in configuration.groups
        ]

    def forget_strangers(self) -> None:
        """The present configuration is committed: nobody else matters any more."""
        members = self.node.configuration.replicated
        self.progress = {peer: p for peer, p in self.progress.items() if peer in members}

    # ---- clients

    def write(self, request: ClientRequest) -> None:
        """Replicate a command, unless its session says that it was done already."""
        if self.node.answer_repeated(request):
            return
        if self.membership.transferring:
            self.node.refuse(request)
        else:
            self.waiting[self.node.log.last_index + 1] = request
            self.propose(Entry(self.term, request.session, request.serial, request.command))

    def applied(self, index: int, result: object) -> None:
        """The entry at `index` was applied: tell the client that waits for it, if one does."""
        request = self.waiting.pop(index, None)
        if request is not None:
            self.node.answer(request, result)

    # ---- replication

    def propose(self, entry: Entry) -> None:
        """Append an entry to the own log and send it on."""
        self.node.append(entry)
        self.node.flush()
        window = self.node.options.window
        for peer, progress in self.progress.items():
            if len(progress.in_flight) < window:
                self.send(peer, progress)

    def heartbeat(self) -> None:
        """Tell everyone that this node leads; what made no progress since last time is resent."""
        if self.node.options.check_quorum and not self._quorum_is_there():
            self.node.context.probe("quorum-lost", term=self.term)
            self.node.follow()
            return
        self.reads.on_heartbeat()
        for peer, progress in self.progress.items():
            if progress.sending is not None:
                progress.sending.send()
                continue
            if progress.match == progress.match_before and progress.next > progress.match + 1:
                self._rewind(progress, progress.match + 1)
            progress.match_before = progress.match
            self.send(peer, progress)
        self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)
        self.membership.on_heartbeat()

    def _quorum_is_there(self) -> bool:
        """Whether a quorum was heard; asked at every heartbeat, looked at once a timeout."""
        options = self.node.options
        self._beats += 1
        if self._beats * options.heartbeat_ns < options.election_maximum_ns:
            return True
        self._beats = 0
        self.own.active = True
        there = all(2 * sum(p.active for p in group) > len(group) for group in self.groups)
        for progress in self.progress.values():
            progress.active = False
        return there

    def send(self, peer: int, progress: Progress) -> None:
        """Send the next batch; if there is none or the window is full, a heartbeat.

        A heartbeat refers to what the peer has acknowledged, so that it is welcome even if it
        overtakes a batch.
        """
        log = self.node.log
        entries: tuple[Entry, ...] = ()
        previous = progress.match
        if progress.next <= log.last_index and len(progress.in_flight) < self.node.options.window:
            previous = progress.next - 1
            if previous < log.base_index:
                self.send_snapshot(peer, progress)
                return
            entries = log.after(previous, self._batch)
            progress.next += len(entries)
            progress.in_flight.append(progress.next - 1)
        elif previous < log.base_index:
            previous = 0  # where all logs agree
        term_before, committed = log.term_at(previous), self.node.committed
        message = Append(self.term, previous, term_before, entries, committed, self.round)
        self.node.context.send(peer, message)

    def send_snapshot(self, peer: int, progress: Progress) -> None:
        """What the peer needs is compacted away."""
        self.node.context.probe("snapshot-sent", to=peer)
        progress.in_flight.clear()
        progress.in_flight.extend([_CLOSED] * self.node.options.window)
        progress.sending = Sending(self, peer)
        progress.sending.send()

    def _rewind(self, progress: Progress, next_index: int) -> None:
        progress.next = next_index
        progress.in_flight.clear()

    def on_appended(self, peer: int, message: Appended) -> None:
        """A peer has stored everything up to an index."""
        progress = self.progress.get(peer)
        if progress is None:
            return
        progress.active = True
        index = message.index
        if index > progress.match:
            progress.match = index
            if index >= progress.next:
                progress.next = index + 1
            if progress.sending is not None and index >= progress.sending.index:
                progress.sending = None
                progress.in_flight.clear()
            while progress.in_flight and progress.in_flight[0] <= index:
                progress.in_flight.popleft()
            if index > self.node.committed:
                self.advance()
            if progress.next <= self.node.log.last_index and progress.sending is None:
                self.send(peer, progress)
        self._on_round(progress, message.round)

    def on_conflict(self, peer: int, message: Conflict) -> None:
        """A peer's log differs: go back to where it might agree. Old complaints are ignored."""
        progress = self.progress.get(peer)
        if progress is None:
            return
        progress.active = True
        if message.rejected > progress.match and progress.sending is None:
            retry_from = min(message.retry_from, progress.next)
            self._rewind(progress, max(progress.match + 1, retry_from))
            self.send(peer, progress)
        self._on_round(progress, message.round)

    def on_chunk_stored(self, peer: int, message: ChunkStored) -> None:
        """A peer has got a piece of its snapshot."""
        progress = self.progress.get(peer)
        if progress is None:
            return
        progress.active = True
        if progress.sending is not None:
            progress.sending.on_stored(message)
        self._on_round(progress, message.round)

    def _on_round(self, progress: Progress, round_number: int) -> None:
        if round_number > progress.round:
            progress.round = round_number
            if round_number > self.reads.confirmed:
                self.reads.confirm()

    def on_durable(self, index: int) -> None:
        """The leader's own disk has everything up to `index`."""
        if index > self.own.match:
            self.own.match = index
            self.advance()

    def advance(self) -> None:
        """Commit what a quorum has stored, if it is of this term (Ongaro 2014, §3.6.2)."""
        node = self.node
        index = node.log.last_index
        for group in self.groups:
            matches = sorted([progress.match for progress in group])
            middle = matches[(len(matches) - 1) // 2]
            if middle < index:
                index = middle
        if index > node.committed and self.may_commit(index):
            node.commit(index)
            self.reads.serve()
            if self.membership.busy:
                self.membership.on_commit()

    def may_commit(self, index: int) -> bool:
        """Counting copies decides only for entries of the leader's own term."""
        return self.node.log.term_at(index) == self.term
