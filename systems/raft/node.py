"""A Raft replica: what it does with each event, and the follower's side of replication.

    ../consensus.py   answers to clients
    replica.py        log, disk, state machine, snapshots, configurations
      election.py     terms, roles, votes
        node.py       events, clients, following a leader           this file
    leadership.py     what a leader does while it leads: replication
      reads.py        ReadIndex and lease reads
      membership.py   changes of members, handing over
      sending.py      snapshots for those who lag behind

Fault model: crash with loss of everything unsynced, any loss, delay, duplication and reordering
of messages, pauses; for lease reads also clocks that drift within the promised bound. A node
promises (votes, acknowledges entries) only what its disk has synced.

Source: Ongaro, "Consensus: Bridging Theory and Practice", 2014: §3 (algorithm), §4 (membership),
§5 (snapshots), §6.3 (sessions), §6.4 (reads), §9.6 (PreVote).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from harness.node import (
    ClientRequest,
    Command,
    Context,
    Message,
    NodeStatus,
    Recovered,
    StateMachine,
)
from systems.consensus import check_order
from systems.raft.election import Voter
from systems.raft.leadership import Leadership
from systems.raft.messages import (
    Append,
    Appended,
    Chunk,
    ChunkStored,
    Conflict,
    Entry,
    RequestVote,
    TimeoutNow,
    Vote,
)
from systems.raft.options import RaftOptions

_decode_meta = msgspec.msgpack.Decoder(tuple[int, int]).decode


class RaftNode(Voter):
    """Implements `harness.node.Node`; replicates the state machine that it is given."""

    #: The leader's half; flawed variants put another class here.
    leadership_class: type[Leadership] = Leadership

    def __init__(
        self, context: Context, machine: StateMachine, options: RaftOptions | None = None
    ) -> None:
        super().__init__(context, machine, options)
        # a snapshot on its way here: where it ends, and what has come of it
        self._incoming = (0, 0)
        self._pieces = bytearray()
        self._handlers: dict[type, Callable[[int, Any], None]] = {
            Append: self.on_append,
            Appended: self.on_appended,
            Conflict: self.on_conflict,
            RequestVote: self.on_request_vote,
            Vote: self.on_vote,
            TimeoutNow: self.on_timeout_now,
            Chunk: self.on_chunk,
            ChunkStored: self.on_chunk_stored,
        }

    # ---- events

    def on_start(self, recovered: Recovered) -> None:
        if recovered.meta is not None:
            self.term, self.voted_for = _decode_meta(recovered.meta)
        self.recover(recovered)
        if self.options.lease_reads:
            self.keep_quiet()
        self.reset_election_timer()

    def on_message(self, source: int, message: Message) -> None:
        self._handlers[type(message)](source, message)

    def on_timer(self, name: str) -> None:
        if name == "heartbeat":
            if self.leadership is not None:
                self.leadership.heartbeat()
        elif self.leadership is None:
            self.on_election_timer()

    def on_request(self, request: ClientRequest) -> None:
        if self.leadership is None:
            self.refuse(request)
        elif request.read_only:
            self.leadership.reads.read(request)
        else:
            self.leadership.write(request)

    def on_order(self, order: Command) -> None:
        """An operator wants other members or another leader; see `systems.raft.membership`.

        Raises UsageError for what is no order, or names a node that is not known.
        """
        check_order(order, {self.context.id, *self.context.peers})
        if self.leadership is None:
            self.context.probe("order-refused")
        else:
            self.leadership.membership.order(order)

    def status(self) -> NodeStatus:
        """`lease_until_ns` is on this node's own monotonic clock, 0 without lease reads."""
        leadership = self.leadership
        return NodeStatus(
            role=self.role,
            term=self.term,
            leader=self.leader,
            committed=self.committed,
            lease_until_ns=0 if leadership is None else leadership.reads.lease_until_ns,
        )

    # ---- following

    def on_append(self, source: int, message: Append) -> None:
        if message.term < self.term:
            # an old leader learns of the new term
            self.context.send(source, Conflict(self.term, message.previous_index, 0, 0))
            return
        if message.term > self.term:
            self.see_term(message.term)
        self.role = "follower"
        self.leader = source
        self._heard_ns = self.context.clock.monotonic_ns()
        if message.round > self._round:
            self._round = message.round
        previous, entries = message.previous_index, message.entries
        log = self.log
        if previous < log.base_index:
            # what is compacted was committed, so the leader has it as well
            entries = entries[log.base_index - previous :]
            previous = log.base_index
        elif not self.agrees_at(previous, message.previous_term):
            self.complain(previous)
            return
        if entries:
            self.splice(previous, entries)
        last_new = previous + len(entries)
        if last_new > self.agreed:
            self.agreed = last_new
        if message.committed > self.committed:
            self.commit(min(message.committed, self.commit_limit()))
        self.promise()

    def agrees_at(self, index: int, term: int) -> bool:
        """Whether what the leader sends continues this log."""
        return self.log.term_at(index) == term

    def commit_limit(self) -> int:
        """How much of this log is known to be the leader's too."""
        return self.agreed

    def splice(self, previous: int, entries: tuple[Entry, ...]) -> None:
        """Make the log continue with `entries` after `previous`; what is there already stays.

        A message may be old: entries beyond it are dropped only where the terms show that the
        leader does not have them.
        """
        log = self.log
        for index, entry in enumerate(entries, previous + 1):
            if index <= log.last_index:
                if log.term_at(index) == entry.term:
                    continue
                self.truncate(index - 1)
            self.append(entry)

    def complain(self, previous: int) -> None:
        """The log differs at `previous`; say from where on it might not."""
        retry_from = self.log.retry_from(previous)
        self.context.send(self.leader, Conflict(self.term, previous, retry_from, self._round))

    def promise(self) -> None:
        """Acknowledge what the leader has sent as soon as it is durable."""
        if self._unsynced or self._flushing:
            self.flush()
        else:
            self.acknowledge()

    def flushed(self) -> None:
        if self.leadership is not None:
            self.leadership.on_durable(self.durable)
        elif self.leader:
            self.acknowledge()

    def acknowledge(self) -> None:
        """Tell the leader what is stored."""
        index = self.agreed if self.agreed < self.durable else self.durable
        self.context.send(self.leader, Appended(self.term, index, self._round))

    def on_chunk(self, source: int, message: Chunk) -> None:
        """A piece of a snapshot: the leader no longer has the entries that this node needs."""
        if message.term < self.term:
            self.context.send(source, Conflict(self.term, message.index, 0, 0))
            return
        if message.term > self.term:
            self.see_term(message.term)
        self.role = "follower"
        self.leader = source
        self._heard_ns = self.context.clock.monotonic_ns()
        self._round = max(self._round, message.round)
        if self.has_already(message.index):
            # it has come by other ways; what is committed here, the leader has as well
            self.agreed = max(self.agreed, self.committed)
            self.promise()
            return
        if self._incoming != (message.index, message.index_term):
            self._incoming = (message.index, message.index_term)
            self._pieces.clear()
        if message.offset == len(self._pieces):
            self._pieces += message.data
            if message.last:
                blob = bytes(self._pieces)
                self._incoming = (0, 0)
                self._pieces.clear()
                self.install(blob)
                self.agreed = max(self.agreed, message.index)
                self.promise()
                return
        have = len(self._pieces)
        self.context.send(source, ChunkStored(self.term, message.index, have, self._round))

    def has_already(self, index: int) -> bool:
        """Whether a snapshot that ends at `index` would bring nothing new."""
        return index <= self.committed

    # ---- leading

    def lead(self) -> None:
        self.role = "leader"
        self.leader = self.context.id
        self.context.cancel_timer("election")
        self.context.probe("elected", term=self.term)
        self.leadership = self.leadership_class(self)
        self.leadership.begin()

    def on_appended(self, source: int, message: Appended) -> None:
        if message.term == self.term and self.leadership is not None:
            self.leadership.on_appended(source, message)

    def on_conflict(self, source: int, message: Conflict) -> None:
        if message.term > self.term:
            self.see_term(message.term)
        elif message.term == self.term and self.leadership is not None:
            self.leadership.on_conflict(source, message)

    def on_chunk_stored(self, source: int, message: ChunkStored) -> None:
        if message.term == self.term and self.leadership is not None:
            self.leadership.on_chunk_stored(source, message)

    def configured(self) -> None:
        if self.leadership is not None:
            self.leadership.adopt()
