"""A Raft replica: terms, elections with PreVote, the follower's side of replication.

    follower ──timeout──▶ pre-candidate ──quorum would vote──▶ candidate ──quorum votes──▶ leader
        ▲                                                                                     │
        └────────────────────── a higher term, or a leader of this one ───────────────────────┘

Fault model: crash with loss of everything unsynced, any loss, delay, duplication and reordering
of messages. A node promises (votes, acknowledges entries) only what its disk has synced.

Source: Ongaro, "Consensus: Bridging Theory and Practice", 2014: §3 (algorithm), §6.3 (sessions),
§6.4 (reads), §9.6 (PreVote). Snapshots and membership changes are still to come: `Log` can hold
a compacted prefix, and quorums are computed in `_is_quorum` and `Leadership` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.node import (
    ClientReply,
    ClientRequest,
    Context,
    Message,
    NodeStatus,
    Recovered,
    StateMachine,
)
from systems.machines.sessions import Sessions
from systems.raft.leadership import Leadership
from systems.raft.log import Log
from systems.raft.messages import Append, Appended, Conflict, Entry, RequestVote, Vote

MILLISECOND_NS = 1_000_000

_encode = msgspec.msgpack.Encoder().encode
_decode_entry = msgspec.msgpack.Decoder(Entry).decode
_decode_meta = msgspec.msgpack.Decoder(tuple[int, int]).decode


@dataclass(frozen=True, kw_only=True)
class RaftOptions:
    """Timings and sizes. An election timeout is drawn anew each time from the given range."""

    election_minimum_ns: int = 150 * MILLISECOND_NS
    election_maximum_ns: int = 300 * MILLISECOND_NS
    heartbeat_ns: int = 50 * MILLISECOND_NS
    batch: int = 64
    window: int = 4
    pre_vote: bool = True


class RaftNode:
    """Implements `harness.node.Node`; replicates the state machine that it is given."""

    #: The leader's half; flawed variants put another class here.
    leadership_class: type[Leadership] = Leadership

    def __init__(
        self, context: Context, machine: StateMachine, options: RaftOptions | None = None
    ) -> None:
        self.context = context
        self.options = options or RaftOptions()
        self.sessions = Sessions(machine)
        self.term = 0
        self.voted_for = 0
        self.log = Log()
        self.committed = 0
        self.applied = 0
        self.role = "follower"
        self.leader = 0
        self.leadership: Leadership | None = None
        self._votes: set[int] = set()
        # when a leader was last heard; the election timer looks at it when it rings, which is
        # cheaper than setting it back at every message
        self._heard_ns = -self.options.election_maximum_ns
        self._timeout_ns = 0
        # the follower's promise: agreed with the leader up to here, durable up to here
        self._agreed = 0
        self._durable = 0
        self._round = 0
        # one flush at a time; what comes meanwhile joins the next one
        self._flushing = False
        self._unsynced = False
        self._truncations = 0
        self._handlers: dict[type, Callable[[int, Any], None]] = {
            Append: self._on_append,
            Appended: self._on_appended,
            Conflict: self._on_conflict,
            RequestVote: self._on_request_vote,
            Vote: self._on_vote,
        }

    # ---- events

    def on_start(self, recovered: Recovered) -> None:
        if recovered.meta is not None:
            self.term, self.voted_for = _decode_meta(recovered.meta)
        for record in recovered.records:
            self.log.append(_decode_entry(record))
        self._durable = self.log.last_index
        self._reset_election_timer()

    def on_message(self, source: int, message: Message) -> None:
        self._handlers[type(message)](source, message)

    def on_timer(self, name: str) -> None:
        if name == "heartbeat":
            if self.leadership is not None:
                self.leadership.heartbeat()
        elif self.leadership is None:
            remaining_ns = self._heard_ns + self._timeout_ns - self.context.clock.monotonic_ns()
            if remaining_ns > 0:
                self.context.set_timer("election", remaining_ns)
            else:
                self._reset_election_timer()
                self._campaign(trial=self.options.pre_vote)

    def on_durable(self, token: Callable[[], None]) -> None:
        token()

    def on_request(self, request: ClientRequest) -> None:
        if self.leadership is None:
            self.refuse(request)
        elif request.read_only:
            self.leadership.read(request)
        else:
            self.leadership.write(request)

    def status(self) -> NodeStatus:
        return NodeStatus(
            role=self.role, term=self.term, leader=self.leader, committed=self.committed
        )

    # ---- answers to clients

    def answer(self, request: ClientRequest, value: Any) -> None:
        """The command was executed; this is its result."""
        self.context.reply(request, ClientReply(request.id, True, value))

    def answer_read(self, request: ClientRequest) -> None:
        """Answer a read-only command from the current state."""
        self.answer(request, self.sessions.machine.apply(request.command))

    def refuse(self, request: ClientRequest) -> None:
        """This attempt does nothing; `hint` says who leads, as far as this node knows."""
        hint = 0 if self.leader == self.context.id else self.leader
        reply = ClientReply(request.id, False, None, "not the leader", hint)
        self.context.reply(request, reply)

    # ---- terms and roles

    def _enter_term(self, term: int, voted_for: int = 0) -> None:
        """Move to a higher term; it is written with the next flush, before any promise in it."""
        self.term = term
        self.voted_for = voted_for
        self.leader = 0
        self._agreed = 0
        self._round = 0
        self.context.disk.put_meta(_encode((term, voted_for)))
        self._unsynced = True

    def _follow(self) -> None:
        """Be a follower; a leader steps down."""
        self.role = "follower"
        if self.leadership is not None:
            leadership, self.leadership = self.leadership, None
            leadership.resign()
            self.context.probe("stepped-down", term=self.term)
            self._reset_election_timer()

    def _reset_election_timer(self) -> None:
        options = self.options
        self._timeout_ns = self.context.rng.uniform_ns(
            options.election_minimum_ns, options.election_maximum_ns
        )
        self.context.set_timer("election", self._timeout_ns)

    def _is_quorum(self, nodes: set[int]) -> bool:
        return 2 * len(nodes) > len(self.context.peers) + 1

    # ---- elections

    def _campaign(self, *, trial: bool) -> None:
        """Ask for votes in the next term; a trial changes nothing, not even the term."""
        self._votes = {self.context.id}
        self.leader = 0
        if trial:
            self.role = "pre-candidate"
            self._ask_for_votes(self.term + 1, trial=True)
            return
        self.role = "candidate"
        self._enter_term(self.term + 1, self.context.id)
        term = self.term
        # the vote for oneself is a promise too: ask only once it is durable
        self.context.disk.sync(lambda: self._ask_for_votes(term, trial=False))

    def _ask_for_votes(self, term: int, *, trial: bool) -> None:
        if trial != (self.role == "pre-candidate") or self.term + trial != term:
            return  # something else happened while the disk was busy
        request = RequestVote(term, self.log.last_index, self.log.last_term, trial)
        for peer in self.context.peers:
            self.context.send(peer, request)
        self._count_votes(trial=trial)

    def _on_request_vote(self, source: int, message: RequestVote) -> None:
        mine = (self.log.last_term, self.log.last_index)
        up_to_date = (message.last_term, message.last_index) >= mine
        if message.trial:
            granted = up_to_date and message.term > self.term and not self._has_leader()
            term = message.term if granted else self.term
            self.context.send(source, Vote(term, granted, True))
            return
        if message.term > self.term:
            self._follow()
            self._enter_term(message.term)
        granted = message.term == self.term and up_to_date and self.voted_for in (0, source)
        vote = Vote(self.term, granted, False)
        if granted:
            self.role = "follower"
            self.voted_for = source
            self.context.disk.put_meta(_encode((self.term, source)))
            self._reset_election_timer()
            self.context.disk.sync(lambda: self.context.send(source, vote))
        else:
            self.context.send(source, vote)

    def _has_leader(self) -> bool:
        """Whether a leader was heard so recently that nobody should run against it."""
        if self.leadership is not None:
            return True
        since_ns = self.context.clock.monotonic_ns() - self._heard_ns
        return since_ns < self.options.election_minimum_ns

    def _on_vote(self, source: int, message: Vote) -> None:
        if message.term > self.term and not (message.trial and message.granted):
            self._follow()
            self._enter_term(message.term)
            return
        wanted = "pre-candidate" if message.trial else "candidate"
        if message.granted and self.role == wanted and message.term == self.term + message.trial:
            self._votes.add(source)
            self._count_votes(trial=message.trial)

    def _count_votes(self, *, trial: bool) -> None:
        if not self._is_quorum(self._votes):
            return
        if trial:
            self._campaign(trial=False)
            return
        self.role = "leader"
        self.leader = self.context.id
        self.context.cancel_timer("election")
        self.context.probe("elected", term=self.term)
        self.leadership = self.leadership_class(self)
        self.leadership.begin()

    # ---- the follower's side of replication

    def _on_append(self, source: int, message: Append) -> None:
        if message.term < self.term:
            # an old leader learns of the new term
            self.context.send(source, Conflict(self.term, message.previous_index, 0, 0))
            return
        if message.term > self.term:
            self._follow()
            self._enter_term(message.term)
        self.role = "follower"
        self.leader = source
        self._heard_ns = self.context.clock.monotonic_ns()
        log = self.log
        previous = message.previous_index
        if previous > log.last_index or log.term_at(previous) != message.previous_term:
            retry_from = (
                log.last_index + 1
                if previous > log.last_index
                else log.first_index_of_term_at(previous)
            )
            self.context.send(source, Conflict(self.term, previous, retry_from, message.round))
            return
        for index, entry in enumerate(message.entries, previous + 1):
            if index <= log.last_index:
                if log.term_at(index) == entry.term:
                    continue
                self._truncate(index - 1)
            self.append(entry)
        self._agreed = max(self._agreed, previous + len(message.entries))
        self._round = max(self._round, message.round)
        if message.committed > self.committed:
            self.commit(min(message.committed, self._agreed))
        if self._unsynced or self._flushing:
            self.flush()  # acknowledges when it has ended
        else:
            self._acknowledge()

    def _acknowledge(self) -> None:
        index = min(self._agreed, self._durable)
        self.context.send(self.leader, Appended(self.term, index, self._round))

    def _truncate(self, last_index: int) -> None:
        """Entries that were never committed give way to the leader's."""
        assert last_index >= self.committed, "a committed entry would be lost"
        self.context.probe("log-truncated", index=last_index)
        self.log.truncate(last_index)
        self.context.disk.truncate(last_index)
        self._truncations += 1
        self._durable = min(self._durable, last_index)

    def _on_appended(self, source: int, message: Appended) -> None:
        if message.term == self.term and self.leadership is not None:
            self.leadership.on_appended(source, message)

    def _on_conflict(self, source: int, message: Conflict) -> None:
        if message.term > self.term:
            self._follow()
            self._enter_term(message.term)
        elif message.term == self.term and self.leadership is not None:
            self.leadership.on_conflict(source, message)

    # ---- log, disk and state machine

    def append(self, entry: Entry) -> None:
        """Add an entry to log and disk; it is durable after the next flush."""
        self.log.append(entry)
        self.context.disk.append(_encode(entry))
        self._unsynced = True

    def flush(self) -> None:
        """Make everything durable; acknowledges it when that is done."""
        if self._flushing:
            return
        self._flushing = True
        self._unsynced = False
        term, last_index, truncations = self.term, self.log.last_index, self._truncations
        self.context.disk.sync(lambda: self._flushed(term, last_index, truncations))

    def _flushed(self, term: int, last_index: int, truncations: int) -> None:
        self._flushing = False
        if truncations == self._truncations:
            self._durable = last_index
        if self._unsynced:
            self.flush()
        if term != self.term:
            return  # a promise of an earlier term is worth nothing now
        if self.leadership is not None:
            self.leadership.on_durable(self._durable)
        elif self.leader:
            self._acknowledge()

    def commit(self, index: int) -> None:
        """Everything up to `index` is decided: apply it, and answer the clients that wait."""
        self.committed = max(self.committed, index)
        while self.applied < self.committed:
            self.applied += 1
            entry = self.log.at(self.applied)
            if entry.session == 0:
                continue
            result = self.sessions.apply(entry.session, entry.serial, entry.command)
            if self.leadership is not None:
                self.leadership.applied(self.applied, result)
