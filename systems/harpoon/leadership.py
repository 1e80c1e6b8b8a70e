"""What a leader knows while it leads: its lease, its peers' progress, clients that wait.

    request ─▶ log ─▶ Append to each peer, several in flight ─▶ Appended by a quorum ─▶ commit
    read    ─▶ lease valid, own no-op applied ─▶ answer at once

The object is made when an election is won and dropped when the leader resigns: because of a higher
term, or because no quorum has granted it a lease for so long that the last one, or the time that a
new leader has, is over. A leader that has resigned is silent. If it went on, those who still hear
it would stay bound to one who can commit nothing.

Replication is optimistic: `next` runs ahead of what is acknowledged, and lost messages are noticed
at the heartbeat. Only what a peer has acknowledged as stored, in this term, counts towards a
commit, and only an entry of this term is committed by counting (Ongaro 2014, §3.6.2).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from harness.node import ClientRequest
from systems.harpoon.lease import Lease
from systems.harpoon.messages import Append, Appended, Conflict, Install
from systems.raft.messages import NO_OP, Entry

if TYPE_CHECKING:
    from systems.harpoon.node import HarpoonNode


class Progress:
    """How far one peer is: `match` is acknowledged, `next` is sent next."""

    __slots__ = ("in_flight", "match", "match_before", "next")

    def __init__(self, next_index: int) -> None:
        self.match = 0
        self.match_before = 0  # at the last heartbeat
        self.next = next_index
        self.in_flight: deque[int] = deque()  # the last index of each message under way


class Leadership:
    """The leader's part of a `HarpoonNode`, for one term."""

    lease_class: type[Lease] = Lease

    def __init__(self, node: HarpoonNode) -> None:
        context, log = node.context, node.log
        self.node = node
        self.term = node.term
        self.lease = self.lease_class(context.clock, node.options.lease_ns, context.peers)
        self.progress = {peer: Progress(log.last_index + 1) for peer in context.peers}
        self.match_self = 0
        self.first_index = log.last_index + 1
        self.waiting: dict[int, ClientRequest] = {}
        # reads that wait for the lease or, until the given time, for something to read
        self.reads: list[tuple[int, ClientRequest]] = []

    def begin(self) -> None:
        """Announce the leadership with a no-op, which lets entries of earlier terms commit."""
        self.lease.begin_round()
        self.propose(Entry(self.term, NO_OP, 0, None))
        self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)

    def has_expired(self) -> bool:
        """Whether this node must stop leading, since it has no quorum."""
        return self.lease.has_expired()

    def resign(self) -> None:
        """Refuse the reads that wait; the fate of waiting writes is not known to this node."""
        for _, request in self.reads:
            self.node.refuse(request)
        self.reads.clear()
        self.node.context.cancel_timer("heartbeat")

    # ---- clients

    def write(self, request: ClientRequest) -> None:
        """Replicate a command, unless its session says that it was done already."""
        if self.node.answer_repeated(request):
            return
        self.waiting[self.node.log.last_index + 1] = request
        self.propose(Entry(self.term, request.session, request.serial, request.command))

    def applied(self, index: int, result: object) -> None:
        """The entry at `index` was applied: tell the client that waits for it, if one does."""
        request = self.waiting.pop(index, None)
        if request is not None:
            self.node.answer(request, result)

    def read(self, request: ClientRequest) -> None:
        """Answer from the own state, now if the lease allows it and there is something to say."""
        hold_until_ns = self.node.context.clock.monotonic_ns() + self.node.options.hold_ns
        self.reads.append((hold_until_ns, request))
        self.serve_reads()

    def may_read(self) -> bool:
        """Whether the own state holds every write that anybody was told of.

        Nobody else can have been elected while the lease is valid, and what earlier leaders
        committed has been applied once this leader's own no-op has been.
        """
        return self.node.applied >= self.first_index and self.lease.is_valid()

    def serve_reads(self) -> None:
        """Answer the reads that can be answered; the state or the lease may have changed."""
        if not self.reads or not self.may_read():
            return
        node = self.node
        now_ns = node.context.clock.monotonic_ns()
        waiting, self.reads = self.reads, []
        for read in waiting:
            hold_until_ns, request = read
            if now_ns < hold_until_ns and not node.is_ready(request.command):
                self.reads.append(read)
                continue
            value = node.sessions.machine.apply(request.command)
            # The lease is asked again after the state was read: time has passed, unless this is
            # a simulation, and an answer from a valid lease is current whenever it arrives.
            if self.may_read():
                node.answer(request, value)
            else:
                self.reads.append(read)

    # ---- replication

    def propose(self, entry: Entry) -> None:
        """Append an entry to the own log and send it on."""
        self.node.storage.append(entry)
        self.node.storage.flush()
        for peer, progress in self.progress.items():
            if len(progress.in_flight) < self.node.options.window:
                self._send(peer, progress)

    def heartbeat(self) -> None:
        """Ask everyone for a new lease; what made no progress since last time is sent again."""
        self.lease.begin_round()
        for peer, progress in self.progress.items():
            if progress.in_flight and progress.match == progress.match_before:
                self._rewind(progress, progress.match + 1)
            progress.match_before = progress.match
            self._send(peer, progress)
        self.serve_reads()
        self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)

    def _send(self, peer: int, progress: Progress) -> None:
        """Send the next batch; if there is none or the window is full, a mere heartbeat.

        A heartbeat refers to what the peer has acknowledged, so that it is welcome even if it
        overtakes a batch.
        """
        node, options = self.node, self.node.options
        log = node.log
        entries: tuple[Entry, ...] = ()
        # what is gone cannot be referred to; everybody agrees at 0
        previous = progress.match if progress.match >= log.base_index else 0
        if progress.next <= log.last_index and len(progress.in_flight) < options.window:
            if progress.next <= log.base_index:
                self._send_snapshot(peer, progress)
                return
            previous = progress.next - 1
            few = node.context.buggify("tiny-batch")
            entries = log.after(previous, 1 if few else options.batch)
            progress.next += len(entries)
            progress.in_flight.append(progress.next - 1)
        message = Append(
            self.term, previous, log.term_at(previous), entries, node.committed, self.lease.round
        )
        node.context.send(peer, message)

    def _send_snapshot(self, peer: int, progress: Progress) -> None:
        snapshot = self.node.storage.snapshot
        assert snapshot is not None, "entries are gone only once a snapshot stands for them"
        progress.next = snapshot.index + 1
        progress.in_flight.append(snapshot.index)
        self.node.context.send(peer, Install(self.term, snapshot, self.lease.round))

    def _rewind(self, progress: Progress, next_index: int) -> None:
        progress.next = next_index
        progress.in_flight.clear()

    def on_appended(self, peer: int, message: Appended) -> None:
        """A peer has stored everything up to an index, and has granted a lease."""
        self.on_grant(peer, message.round)
        self.on_stored(peer, message.index)

    def on_stored(self, peer: int, index: int) -> None:
        """A peer's log agrees with this one up to `index`."""
        progress = self.progress[peer]
        if index <= progress.match:
            return
        progress.match = index
        progress.next = max(progress.next, index + 1)
        while progress.in_flight and progress.in_flight[0] <= index:
            progress.in_flight.popleft()
        if index > self.node.committed:
            self.advance()
        if progress.next <= self.node.log.last_index and not self.has_expired():
            self._send(peer, progress)

    def on_conflict(self, peer: int, message: Conflict) -> None:
        """A peer's log differs: go back to where it might agree. Old complaints are ignored."""
        self.on_grant(peer, message.round)
        progress = self.progress[peer]
        if message.rejected > progress.match and not self.has_expired():
            retry_from = min(message.retry_from, progress.next)
            self._rewind(progress, max(progress.match + 1, retry_from))
            self._send(peer, progress)

    def on_grant(self, peer: int, round_number: int) -> None:
        """A peer has promised, in that round, to vote for nobody for a while."""
        if self.lease.grant(peer, round_number):
            self.serve_reads()

    def on_durable(self, index: int) -> None:
        """The leader's own disk has everything up to `index`."""
        if index > self.match_self:
            self.match_self = index
            self.advance()

    def advance(self) -> None:
        """Commit what a quorum has stored, if it is of this term."""
        matches = sorted([self.match_self, *(p.match for p in self.progress.values())])
        index = matches[(len(matches) - 1) // 2]
        if index > self.node.committed and self.may_commit(index):
            self.node.commit(index)
            self.serve_reads()

    def may_commit(self, index: int) -> bool:
        """Whether counting copies of the entry at `index` says anything."""
        return self.node.log.term_at(index) == self.term
