"""A Harpoon replica: terms, roles, the follower's side of replication, log, disk, machine.

    follower ─▶ pre-candidate ─▶ candidate ─▶ leader           election.py, leadership.py
        ▲                                        │ a higher term, or no lease: resigns, is silent
        └────────────────────────────────────────┘

How clients are answered is in `systems.consensus`; the log is Raft's, `systems.raft.log`.

Harpoon is the leader-lease protocol of Rasputin, as Rasputin describes it and as it must be for
that to hold. The leader answers reads from its own state, without asking anybody, while a quorum
has promised to elect nobody else; nodes that are bound so are deaf to candidates, so a leader with
a quorum stays, whoever else is cut off from it.

Fault model: crash with loss of everything unsynced, any loss, delay, duplication and reordering of
messages, pauses of any length, drift of monotonic clocks within `Clock.drift_bound_ppm`; wall
clocks are never asked. Beyond the bound, reads may be stale; logs agree all the same. A node
promises (votes, leases, stored entries) only what its disk has synced or a quarantine covers.

Limits: the members are fixed; a snapshot travels in one message.

Source: Rasputin, 2016, for the protocol; Ongaro 2014 for terms and logs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from harness.node import (
    ClientRequest,
    Command,
    Context,
    Message,
    NodeId,
    NodeStatus,
    Recovered,
    StateMachine,
)
from systems.consensus import ConsensusNode
from systems.harpoon.election import Election
from systems.harpoon.leadership import Leadership
from systems.harpoon.lease import Promise
from systems.harpoon.messages import (
    Append,
    Appended,
    Canvass,
    Conflict,
    Install,
    RequestVote,
    Snapshot,
    Vote,
    Willing,
)
from systems.harpoon.options import HarpoonOptions
from systems.harpoon.storage import Storage
from systems.machines.polled import Polled
from systems.raft.messages import NO_OP, Entry

#: With buggify, a node sometimes takes a snapshot after so few commands, and keeps so few entries.
_EARLY_COMPACTION = 10


class HarpoonNode(ConsensusNode):
    """Implements `harness.node.Node`; replicates the state machine that it is given."""

    # the parts; flawed variants put other classes here
    leadership_class: type[Leadership] = Leadership
    election_class: type[Election] = Election
    promise_class: type[Promise] = Promise

    def __init__(
        self, context: Context, machine: StateMachine, options: HarpoonOptions | None = None
    ) -> None:
        super().__init__(context, machine)
        self.options = options or HarpoonOptions()
        self._polled = machine if isinstance(machine, Polled) else None
        self.term = 0
        self.voted_for = 0
        self.storage = Storage(context.disk, self._flushed)
        self.log = self.storage.log
        self.committed = 0
        self.leadership: Leadership | None = None
        self.promise = self.promise_class(context.clock, self.options.lease_ns)
        self.election = self.election_class(self)
        # of the current term's leader: agreed with it up to here, its latest round
        self.agreed = 0
        self._round = 0
        self._handlers: dict[type, Callable[[int, Any], None]] = {
            Append: self.on_append,
            Install: self.on_install,
            Appended: self._on_appended,
            Conflict: self._on_conflict,
            Canvass: self.election.on_canvass,
            Willing: self.election.on_willing,
            RequestVote: self.election.on_request_vote,
            Vote: self.election.on_vote,
        }

    # ---- events

    def on_start(self, recovered: Recovered) -> None:
        meta = self.storage.recover(recovered)
        if meta is not None:
            self.term, self.voted_for = meta
            # every promise that was ever sent was preceded by a synced term
            self.promise.quarantine()
        if self.storage.snapshot is not None:
            self._restore(self.storage.snapshot)
        self.election.wait()

    def on_message(self, source: int, message: Message) -> None:
        self._handlers[type(message)](source, message)

    def on_timer(self, name: str) -> None:
        if name == "election":
            self.election.on_timer()
        else:
            leadership = self.leads()
            if leadership is not None:
                leadership.heartbeat()

    def on_request(self, request: ClientRequest) -> None:
        leadership = self.leads()
        if leadership is None:
            self.refuse(request)
        elif request.read_only:
            leadership.read(request)
        else:
            leadership.write(request)

    def status(self) -> NodeStatus:
        """`lease_until_ns` is on this node's own monotonic clock, 0 for a node without lease."""
        leadership = self.leadership
        return NodeStatus(
            role=self.role,
            term=self.term,
            leader=self.leader,
            committed=self.committed,
            lease_until_ns=0 if leadership is None else max(0, leadership.lease.until_ns),
        )

    @property
    def durable(self) -> int:
        """The log is on disk up to here."""
        return self.storage.durable

    @property
    def votes(self) -> Collection[int]:
        """Who has voted for this node in its term, if it is a candidate or leads."""
        return self.election.votes

    # ---- answers to clients

    def hint(self) -> NodeId:
        """Who leads, while this node is bound to it."""
        return super().hint() if self.promise.remaining_ns() > 0 else 0

    def is_ready(self, command: Command) -> bool:
        """Whether a read can be answered now; false if it waits for something to happen."""
        return self._polled is None or self._polled.ready(command)

    # ---- terms and roles

    def is_quorum(self, count: int) -> bool:
        """Whether `count` nodes are a majority."""
        return 2 * count > len(self.context.peers) + 1

    def enter_term(self, term: int, voted_for: int = 0) -> None:
        """Move to a higher term; it is written with the next flush, before any promise in it."""
        self.term = term
        self.leader = 0
        self.agreed = 0
        self._round = 0
        self.vote_for(voted_for)

    def vote_for(self, candidate: int) -> None:
        """Note the vote of this term, 0 for none; the caller syncs before it tells."""
        self.voted_for = candidate
        self.storage.put_meta(self.term, candidate)

    def leads(self) -> Leadership | None:
        """What this node does as a leader, if it still is one; without a quorum it resigns."""
        leadership = self.leadership
        if leadership is not None and leadership.has_expired():
            self.context.probe("lease-lost", term=self.term)
            self.follow()
            return None
        return leadership

    def lead(self) -> None:
        """The election was won."""
        self.role = "leader"
        self.leader = self.context.id
        self.context.cancel_timer("election")
        self.context.probe("elected", term=self.term)
        self.leadership = self.leadership_class(self)
        self.leadership.begin()

    def follow(self) -> None:
        """Be a follower; a leader resigns."""
        self.role = "follower"
        leadership, self.leadership = self.leadership, None
        if leadership is not None:
            self.leader = 0
            leadership.resign()
            self.context.probe("stepped-down", term=self.term)
            self.election.wait()

    # ---- the follower's side of replication

    def on_append(self, source: int, message: Append) -> None:
        if message.term < self.term:
            # an old leader learns of the new term
            self.context.send(source, Conflict(self.term, message.previous_index, 0, 0))
            return
        self._hear(source, message.term, message.round)
        previous = message.previous_index
        if not self.agrees_at(previous, message.previous_term):
            self._complain(previous)
            return
        if message.entries:
            self.splice(previous, message.entries)
        last_new = previous + len(message.entries)
        if last_new > self.agreed:
            self.agreed = last_new
        if message.committed > self.committed:
            self.commit(min(message.committed, self.commit_limit()))
        self._acknowledge_when_durable()

    def on_install(self, source: int, message: Install) -> None:
        if message.term < self.term:
            self.context.send(source, Conflict(self.term, message.snapshot.index, 0, 0))
            return
        self._hear(source, message.term, message.round)
        if message.snapshot.index > self.committed:
            self.install(message.snapshot)
        if message.snapshot.index > self.agreed:
            self.agreed = message.snapshot.index
        self._acknowledge_when_durable()

    def _hear(self, leader: int, term: int, round_number: int) -> None:
        """The elected leader of `term` asks for something, and for a promise."""
        if term > self.term:
            self.follow()
            self.enter_term(term)
        self.role = "follower"
        self.leader = leader
        self.promise.renew()
        if round_number > self._round:
            self._round = round_number

    def agrees_at(self, previous_index: int, previous_term: int) -> bool:
        """Whether what the leader sends continues this log. Nobody disagrees about what is gone."""
        log = self.log
        return previous_index < log.base_index or log.term_at(previous_index) == previous_term

    def commit_limit(self) -> int:
        """How much of this log is known to be the leader's too."""
        return self.agreed

    def _acknowledge_when_durable(self) -> None:
        if self.storage.is_durable:
            self.acknowledge()
        else:
            self.storage.flush()  # acknowledges when it has ended

    def acknowledge(self) -> None:
        """Tell the leader what is stored, and that it has this node's promise."""
        index = min(self.agreed, self.storage.durable)
        self.context.send(self.leader, Appended(self.term, index, self._round))

    def _complain(self, previous: int) -> None:
        """The log differs at `previous`. The promise is made all the same, once it is durable
        which term this node is in."""
        term, leader = self.term, self.leader
        conflict = Conflict(term, previous, self.log.retry_from(previous), self._round)
        if self.storage.is_durable:
            self.context.send(leader, conflict)
            return

        def send() -> None:
            if self.term == term:
                self.context.send(leader, conflict)

        self.storage.then(send)

    def splice(self, previous: int, entries: tuple[Entry, ...]) -> None:
        """Make the log continue with `entries` after `previous`; what is there already stays.

        A message may be old: entries beyond it are dropped only where the terms show that the
        leader does not have them.
        """
        log = self.log
        for index, entry in enumerate(entries, previous + 1):
            if index <= log.last_index:
                if index <= log.base_index or log.term_at(index) == entry.term:
                    continue
                self.truncate(index - 1)
            self.storage.append(entry)

    def truncate(self, last_index: int) -> None:
        """Entries that were never committed give way to the leader's."""
        assert last_index >= self.committed, "a committed entry would be lost"
        self.context.probe("log-truncated", index=last_index)
        self.storage.truncate(last_index)

    def _flushed(self, term: int) -> None:
        if term != self.term:
            return  # a promise of an earlier term is worth nothing now
        if self.leadership is not None:
            self.leadership.on_durable(self.storage.durable)
        elif self.leader:
            self.acknowledge()

    def _on_appended(self, source: int, message: Appended) -> None:
        if message.term == self.term and self.leadership is not None:
            self.leadership.on_appended(source, message)

    def _on_conflict(self, source: int, message: Conflict) -> None:
        if message.term > self.term:
            self.follow()
            self.enter_term(message.term)
        elif message.term == self.term and self.leadership is not None:
            self.leadership.on_conflict(source, message)

    # ---- the state machine

    def commit(self, index: int) -> None:
        """Everything up to `index` is decided: apply it, and answer the clients that wait."""
        self.committed = max(self.committed, index)
        while self.applied < self.committed:
            self.applied += 1
            self.apply(self.applied)
        options, snapshot = self.options, self.storage.snapshot
        done = self.applied - (0 if snapshot is None else snapshot.index)
        if done >= options.compact_every:
            self._compact(options.compact_keep)
        elif done >= _EARLY_COMPACTION and self.context.buggify("compact-early"):
            self._compact(0)

    def apply(self, index: int) -> None:
        """Execute the committed entry at `index`."""
        entry = self.log.at(index)
        if entry.session != NO_OP:
            result = self.sessions.apply(entry.session, entry.serial, entry.command)
            if self.leadership is not None:
                self.leadership.applied(index, result)

    def _compact(self, keep: int) -> None:
        index = self.applied
        snapshot = Snapshot(index, self.log.term_at(index), self.sessions.snapshot())
        self.storage.compact(snapshot, keep)
        self.context.probe("log-compacted", index=index)

    def install(self, snapshot: Snapshot) -> None:
        """Take over a state that is ahead of the own one."""
        self.storage.install(snapshot, max(self.committed, self.agreed))
        self._restore(snapshot)
        self.context.probe("snapshot-installed", index=snapshot.index)

    def _restore(self, snapshot: Snapshot) -> None:
        self.sessions.restore(snapshot.state)
        self.applied = self.committed = snapshot.index
