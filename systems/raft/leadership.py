"""What a leader knows while it leads: progress of its peers, waiting clients, waiting reads.

    request ─▶ log ─▶ Append to each peer, several in flight ─▶ Appended by a quorum ─▶ commit
    read    ─▶ wait for a round of Append that began after it ─▶ confirmed by a quorum ─▶ answer

The object is made when an election is won and dropped when the leader steps down. Replication is
optimistic: `next` runs ahead of what is acknowledged, `window` messages with entries may be under
way, and what comes meanwhile is sent as one batch. Lost messages are noticed at the heartbeat.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from harness.node import ClientRequest
from systems.raft.messages import Append, Appended, Conflict, Entry

if TYPE_CHECKING:
    from systems.raft.node import RaftNode


class Progress:
    """How far one peer is: `match` is acknowledged, `next` is sent next."""

    __slots__ = ("in_flight", "match", "match_before", "next", "round")

    def __init__(self, next_index: int) -> None:
        self.match = 0
        self.match_before = 0  # at the last heartbeat
        self.next = next_index
        self.in_flight: deque[int] = deque()  # the last index of each message under way
        self.round = 0


class Leadership:
    """The leader's part of a `RaftNode`, for one term."""

    def __init__(self, node: RaftNode) -> None:
        self.node = node
        self.term = node.term
        self.progress = {peer: Progress(node.log.last_index + 1) for peer in node.context.peers}
        self.match_self = 0
        self.first_index = node.log.last_index + 1
        self.waiting: dict[int, ClientRequest] = {}
        self.reads: list[tuple[int, int, ClientRequest]] = []
        self.round = 0
        self._confirmed = 0

    def begin(self) -> None:
        """Announce the leadership with a no-op, which lets entries of earlier terms commit."""
        self.propose(Entry(self.term, 0, 0, None))
        self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)

    # ---- clients

    def write(self, request: ClientRequest) -> None:
        """Replicate a command, unless its session says that it was done already."""
        answered = self.node.sessions.answered(request.session, request.serial)
        if answered is not None:
            self.node.context.probe("repetition-answered")
            self.node.answer(request, answered[1])
            return
        self.waiting[self.node.log.last_index + 1] = request
        self.propose(Entry(self.term, request.session, request.serial, request.command))

    def read(self, request: ClientRequest) -> None:
        """Answer once a quorum has confirmed, after the request came, that this node leads.

        ReadIndex (Ongaro 2014, §6.4): the state then contains every write that was acknowledged
        before the request. A new leader waits for its first entry to commit as well.
        """
        index = max(self.node.committed, self.first_index)
        self.reads.append((self.round + 1, index, request))
        if self._confirmed == self.round:
            self._next_round()

    def applied(self, index: int, result: object) -> None:
        """The entry at `index` was applied: tell the client that waits for it, if one does."""
        request = self.waiting.pop(index, None)
        if request is not None:
            self.node.answer(request, result)

    def resign(self) -> None:
        """Refuse the reads that wait; the fate of waiting writes is not known to this node."""
        for _, _, request in self.reads:
            self.node.refuse(request)
        self.reads.clear()
        self.node.context.cancel_timer("heartbeat")

    # ---- replication

    def propose(self, entry: Entry) -> None:
        """Append an entry to the own log and send it on."""
        self.node.append(entry)
        self.node.flush()
        for peer, progress in self.progress.items():
            if len(progress.in_flight) < self.node.options.window:
                self._send(peer, progress)

    def heartbeat(self) -> None:
        """Tell everyone that this node leads; what made no progress since last time is resent."""
        for peer, progress in self.progress.items():
            if progress.in_flight and progress.match == progress.match_before:
                self._rewind(progress, progress.match + 1)
            progress.match_before = progress.match
            self._send(peer, progress)
        self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)

    def _send(self, peer: int, progress: Progress) -> None:
        """Send the next batch; if there is none or the window is full, a heartbeat.

        A heartbeat refers to what the peer has acknowledged, so that it is welcome even if it
        overtakes a batch.
        """
        log = self.node.log
        options = self.node.options
        entries: tuple[Entry, ...] = ()
        previous = progress.match
        if progress.next <= log.last_index and len(progress.in_flight) < options.window:
            previous = progress.next - 1
            entries = log.slice(progress.next, options.batch)
            progress.next += len(entries)
            progress.in_flight.append(progress.next - 1)
        term_before = log.term_at(previous)
        committed = self.node.committed
        message = Append(self.term, previous, term_before, entries, committed, self.round)
        self.node.context.send(peer, message)

    def _rewind(self, progress: Progress, next_index: int) -> None:
        progress.next = next_index
        progress.in_flight.clear()

    def on_appended(self, peer: int, message: Appended) -> None:
        """A peer has stored everything up to an index."""
        progress = self.progress[peer]
        if message.index > progress.match:
            progress.match = message.index
            progress.next = max(progress.next, message.index + 1)
            while progress.in_flight and progress.in_flight[0] <= message.index:
                progress.in_flight.popleft()
            if message.index > self.node.committed:
                self.advance()
            if progress.next <= self.node.log.last_index:
                self._send(peer, progress)
        self._on_round(progress, message.round)

    def on_conflict(self, peer: int, message: Conflict) -> None:
        """A peer's log differs: go back to where it might agree. Old complaints are ignored."""
        progress = self.progress[peer]
        if message.rejected > progress.match:
            retry_from = min(message.retry_from, progress.next)
            self._rewind(progress, max(progress.match + 1, retry_from))
            self._send(peer, progress)
        self._on_round(progress, message.round)

    def _on_round(self, progress: Progress, round_number: int) -> None:
        if round_number > progress.round:
            progress.round = round_number
            if round_number > self._confirmed:
                self._confirm()

    def on_durable(self, index: int) -> None:
        """The leader's own disk has everything up to `index`."""
        if index > self.match_self:
            self.match_self = index
            self.advance()

    def advance(self) -> None:
        """Commit what a quorum has stored, if it is of this term (Ongaro 2014, §3.6.2)."""
        matches = sorted([self.match_self, *(p.match for p in self.progress.values())])
        index = matches[(len(matches) - 1) // 2]
        if index > self.node.committed and self.node.log.term_at(index) == self.term:
            self.node.commit(index)
            self._serve_reads()

    # ---- reads

    def _next_round(self) -> None:
        self.round += 1
        for peer, progress in self.progress.items():
            self._send(peer, progress)
        self._confirm()

    def _confirm(self) -> None:
        rounds = sorted([self.round, *(p.round for p in self.progress.values())])
        confirmed = rounds[(len(rounds) - 1) // 2]
        if confirmed > self._confirmed:
            self._confirmed = confirmed
            self._serve_reads()

    def _serve_reads(self) -> None:
        waiting, self.reads = self.reads, []
        for read in waiting:
            round_number, index, request = read
            if round_number <= self._confirmed and index <= self.node.applied:
                self.node.answer_read(request)
            else:
                self.reads.append(read)
        if self.reads and self._confirmed == self.round and self.reads[-1][0] > self.round:
            self._next_round()
