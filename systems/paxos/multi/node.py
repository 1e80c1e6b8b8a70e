"""A Multi-Paxos replica: acceptor, learner, and proposer while it leads.

    election ──lead, follow──▶ MultiPaxosNode ◀──▶ Proposer   (while it leads)
                                  │    ▲
                        SlotLog ◀─┘    └── Learn: what it has missed

What both Paxos nodes do alike is in `systems.paxos.replica`.

Fault model: crash with loss of everything unsynced, any loss, delay, duplication and reordering
of messages. A node tells what it has promised or accepted only when its disk has synced it.

Sources: Lamport, "Paxos Made Simple", 2001; van Renesse and Altinbuken, "Paxos Made Moderately
Complex", 2015. How a leader is found is not part of these, and decides what the system survives:
`systems.paxos.multi.election` (pings) and `systems.paxos.election` (gossip).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.node import ClientRequest, Context, Message, Recovered, StateMachine
from systems.paxos.ballots import ZERO, Ballot, Quorums
from systems.paxos.election import BallotElection, Gossip
from systems.paxos.messages import NOTHING, Entry, HeartbeatReply, HeartbeatRequest
from systems.paxos.multi.election import PingElection
from systems.paxos.multi.messages import (
    Agree,
    Learn,
    LearnRequest,
    Nack,
    Ping,
    Prepare,
    Promise,
    Propose,
)
from systems.paxos.multi.proposer import Proposer
from systems.paxos.multi.storage import CHOSEN, SlotLog
from systems.paxos.options import MultiPaxosOptions
from systems.paxos.replica import Replica

#: Who accepted what and waits to hear that it is durable: (proposer, ballot, start, count).
_Pending = tuple[int, Ballot, int, int]


class MultiPaxosNode(Replica):
    """Implements `harness.node.Node`; replicates the state machine that it is given."""

    # flawed variants put other classes here
    proposer_class: type[Proposer] = Proposer

    def __init__(
        self, context: Context, machine: StateMachine, options: MultiPaxosOptions | None = None
    ) -> None:
        self.options: MultiPaxosOptions = options or MultiPaxosOptions()
        super().__init__(context, machine, self.options)
        self.peers = context.peers
        self.quorums = Quorums.of(len(self.peers) + 1, accept=self.options.accept_quorum)
        self.log: SlotLog = SlotLog(context.disk)
        self.leadership: Proposer | None = None
        self.latest_accepted: tuple[int, Ballot, Entry] | None = None
        self.round = 0
        self._ask_again_ns = 0
        self._pending: list[_Pending] = []
        self._durable: dict[int, Ballot] = {}
        self._handlers: dict[type, Callable[[int, Any], None]] = {
            Prepare: self.on_prepare,
            Promise: self._on_promise,
            Propose: self._on_propose,
            Agree: self._on_agree,
            Nack: self._on_nack,
            LearnRequest: self._on_learn_request,
            Learn: self._on_learn,
        }
        self.election: PingElection | BallotElection
        round_ns = self.options.round_ns
        if self.options.election == "ping":
            self.election = PingElection(self, round_ns=round_ns)
            self._handlers[Ping] = self.election.on_ping
        else:
            self.election = Gossip(self, round_ns=round_ns)
            self._handlers[HeartbeatRequest] = self.election.on_request
            self._handlers[HeartbeatReply] = self.election.on_reply

    # ---- what others ask of a node

    @property
    def committed(self) -> int:
        """All slots up to here are chosen, as far as this node knows."""
        return self.log.chosen

    @property
    def leads(self) -> bool:
        return self.leadership is not None and self.leadership.proposing

    def stored(self, index: int) -> Ballot:
        """For invariants: the ballot in which the disk has accepted the entry at `index`."""
        return self._durable.get(index, ZERO)

    # ---- events

    def on_start(self, recovered: Recovered) -> None:
        log = self.log
        had_lived = log.recover(recovered)
        self.note_told()
        for slot in range(log.base_index + 1, log.last_index + 1):
            self._durable[slot] = log.ballot_at(slot)
        if log.snapshot_index:
            self.sessions.restore(log.snapshot)
            self.applied = log.snapshot_index
        self.choose(log.chosen)
        self.election.start(recovered=had_lived)

    def on_message(self, source: int, message: Message) -> None:
        self._handlers[type(message)](source, message)

    def on_timer(self, name: str) -> None:
        if name == "election":
            self.election.on_timer()
        elif self.leadership is not None:
            self.leadership.heartbeat()

    def on_request(self, request: ClientRequest) -> None:
        if self.leadership is None:
            self.refuse(request)
        elif request.read_only:
            self.leadership.read(request)
        else:
            self.leadership.write(request)

    # ---- leading

    def lead(self, ballot: Ballot) -> None:
        """Prepare `ballot`, once the own promise is durable; a leader may raise its own."""
        if ballot <= self.log.promise:
            return
        before = self.leadership
        self.log.promise_to(ballot)
        self.role = "candidate"
        self.leader = self.context.id
        self.leadership = self.proposer_class(self, ballot)
        if before is not None:
            before.hand_over(self.leadership)
        self.context.disk.sync(self.leadership.begin)

    def _promise_to(self, ballot: Ballot) -> None:
        """Promise another node's ballot; whoever leads here with a lower one is overtaken."""
        self.log.promise_to(ballot)
        self.round = 0
        if self.leadership is not None:
            if isinstance(self.election, PingElection) and self.election.leads:
                self.election.preempted(ballot)
            else:
                self.step_down()

    def _on_promise(self, source: int, message: Promise) -> None:
        if self.leadership is not None and message.ballot == self.leadership.ballot:
            self.leadership.on_promise(source, message)

    def _on_agree(self, source: int, message: Agree) -> None:
        if self.leads and message.ballot == self.leadership.ballot:  # type: ignore[union-attr]
            self.leadership.on_agree(source, message)  # type: ignore[union-attr]

    def _on_nack(self, source: int, message: Nack) -> None:
        leadership = self.leadership
        overtaken = leadership is not None and message.ballot > leadership.ballot
        if overtaken and isinstance(self.election, PingElection):
            self.election.preempted(message.ballot)

    # ---- accepting

    def on_prepare(self, source: int, message: Prepare) -> None:
        """Phase 1: promise, and tell what was accepted."""
        if message.ballot < self.promise:
            self.context.send(source, Nack(self.promise))
            return
        accepted = self.reported(message.chosen)
        if message.ballot > self.promise:
            self._promise_to(message.ballot)
        base, snapshot = 0, None
        if message.chosen < self.log.base_index:
            base, snapshot = self.log.snapshot_index, self.log.snapshot
        promise = Promise(message.ballot, accepted, base, snapshot)

        def send() -> None:
            if self.promise == message.ballot:
                self.note_told()
                self.context.send(source, promise)
            else:
                self.context.send(source, Nack(self.promise))

        self.context.disk.sync(send)

    def reported(self, chosen: int) -> tuple[Any, ...]:
        """What a leader must hear that knows what was chosen up to `chosen`."""
        return self.log.accepted_above(chosen)

    def _on_propose(self, source: int, message: Propose) -> None:
        """Phase 2: accept; or a sign of life."""
        if message.ballot < self.promise:
            self.context.send(source, Nack(self.promise))
            return
        if message.ballot > self.promise:
            self._promise_to(message.ballot)
            if self.promise != message.ballot:
                self.context.send(source, Nack(self.promise))
                return
        self.leader = source
        self.round = max(self.round, message.round)
        if message.entries:
            self.accept(source, message.ballot, message.start, message.entries)
        else:
            # says that nothing higher was promised, for which nothing needs to be durable
            self.context.send(source, Agree(message.ballot, message.start, 0, self.round))
        if message.chosen > self.log.chosen:
            self._learn_chosen(source, message)

    def accept(self, proposer: int, ballot: Ballot, start: int, entries: tuple[Entry, ...]) -> None:
        """Accept, and tell the proposer once that is durable."""
        self.log.accept(ballot, start, entries)
        self.latest_accepted = (start + len(entries), ballot, entries[-1])
        self._pending.append((proposer, ballot, start, len(entries)))
        self.flush()

    def mark(self) -> list[_Pending]:
        pending, self._pending = self._pending, []
        return pending

    def durable_up_to(self, mark: list[_Pending]) -> None:
        for proposer, ballot, start, count in mark:
            for slot in range(start + 1, start + count + 1):
                self._durable[slot] = ballot
            if proposer == self.context.id:
                # the leader itself counts for every round of reads, so it tells itself of none
                self._on_agree(proposer, Agree(ballot, start, count, 0))
            elif proposer:
                round_number = self.round if ballot == self.promise else 0
                self.context.send(proposer, Agree(ballot, start, count, round_number))

    # ---- learning

    def _learn_chosen(self, source: int, message: Propose) -> None:
        """The leader says how much is chosen; what it has proposed itself needs no asking."""
        log = self.log
        chosen = log.chosen
        while chosen < message.chosen and log.ballot_at(chosen + 1) in (message.ballot, CHOSEN):
            chosen += 1
        self.choose(chosen)
        now_ns = self.context.clock.monotonic_ns()
        if chosen < message.chosen and now_ns >= self._ask_again_ns:
            self._ask_again_ns = now_ns + self.options.heartbeat_ns
            self.context.send(source, LearnRequest(chosen))

    def _on_learn_request(self, source: int, message: LearnRequest) -> None:
        log = self.log
        start, snapshot = message.start, None
        if start < log.base_index:
            start, snapshot = log.snapshot_index, log.snapshot
        if start < log.chosen or snapshot is not None:
            entries = log.chosen_behind(start, 4 * self.options.batch)
            self.context.send(source, Learn(start, entries, snapshot))

    def _on_learn(self, source: int, message: Learn) -> None:
        if self.leads:
            return  # it proposes all that it does not know
        if message.snapshot is not None:
            self.install(message.start, message.snapshot)
        if message.start <= self.log.chosen < message.start + len(message.entries):
            self.accept(0, CHOSEN, message.start, message.entries)
            self.choose(message.start + len(message.entries))
            self._ask_again_ns = 0  # there may be more

    def choose(self, index: int) -> None:
        """All slots up to `index` are chosen: apply them, and answer the clients that wait."""
        log = self.log
        log.chosen = max(log.chosen, index)
        while self.applied < log.chosen:
            self.applied += 1
            entry = log.at(self.applied)
            assert entry is not None, "a chosen slot is empty"
            if entry.session != NOTHING:
                self.apply(entry)
        self._compact()

    def _compact(self) -> None:
        if not self.is_snapshot_due():
            return
        self.log.compact(self.applied, self.sessions.snapshot(), retain=self.options.retain)
        self._durable = {
            slot: ballot for slot, ballot in self._durable.items() if slot > self.log.base_index
        }
