"""An OmniPaxos replica: elections decide who leads, Sequence Paxos what the log is.

    BallotElection ──lead, follow──▶ OmniPaxosNode ◀──▶ Acceptor, and Leadership while it leads
                                        │    ▲
                              Storage ◀─┘    └─▶ Handover, QuorumReads

What both Paxos nodes do alike is in `systems.paxos.replica`.

Fault model: crash with loss of everything unsynced, any loss, delay, duplication and reordering
of messages. A node tells what it has promised or accepted only when its disk has synced it.

Sources: Ng, Haridi, Carbone, "Omni-Paxos: Breaking the Barriers of Partial Connectivity", EuroSys
2023; Haridi, Kroll, Carbone, "Lecture Notes on Leader-based Sequence Paxos", 2020. Unlike the
published library this one holds an AcceptSync against the promise that it answers (see
`systems.paxos.messages`), syncs its disk, names the configuration in every message, and answers
reads linearizably. Proposals are not forwarded: clients follow hints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from harness.node import ClientRequest, Context, Message, Recovered, StateMachine
from systems.paxos.acceptor import Acceptor
from systems.paxos.ballots import ZERO, Ballot, Quorums
from systems.paxos.election import ELECTIONS, BallotElection, MakeElection
from systems.paxos.handover import Handover, asks_to_reconfigure
from systems.paxos.leadership import Leadership
from systems.paxos.messages import (
    STOP_SIGN,
    Accept,
    Accepted,
    AcceptSync,
    Entry,
    HeartbeatReply,
    HeartbeatRequest,
    Hello,
    NotAccepted,
    Prepare,
    PrepareRequest,
    Promise,
    ReadQuery,
    ReadReport,
    State,
    StateRequest,
)
from systems.paxos.options import OmniPaxosOptions
from systems.paxos.reads import QuorumReads
from systems.paxos.replica import Replica
from systems.paxos.storage import Storage


class OmniPaxosNode(Replica):
    """Implements `harness.node.Node`; replicates the state machine that it is given."""

    # the parts; flawed variants put other classes here
    leadership_class: type[Leadership] = Leadership
    acceptor_class: type[Acceptor] = Acceptor
    handover_class: type[Handover] = Handover
    storage_class: type[Storage] = Storage
    elections: ClassVar[Mapping[str, MakeElection]] = ELECTIONS

    def __init__(
        self, context: Context, machine: StateMachine, options: OmniPaxosOptions | None = None
    ) -> None:
        self.options: OmniPaxosOptions = options or OmniPaxosOptions()
        super().__init__(context, machine, self.options)
        everybody = tuple(sorted((context.id, *context.peers)))
        self.log: Storage = self.storage_class(
            context.disk, members=self.options.members or everybody
        )
        self.durable = 0
        self._stored = (ZERO, 0)
        self.everywhere = 0
        self.leadership: Leadership | None = None
        self.peers: tuple[int, ...] = ()
        self.quorums = Quorums(1, 1)
        self.acceptor = self.acceptor_class(self)
        self.reads = QuorumReads(self)
        self.handover = self.handover_class(self)
        self.election = self._elections()
        self._handlers: dict[type, Callable[[int, Any], None]] = {
            PrepareRequest: self._on_prepare_request,
            Prepare: self.acceptor.on_prepare,
            Promise: self._on_promise,
            AcceptSync: self.acceptor.on_accept_sync,
            Accept: self.acceptor.on_accept,
            Accepted: self._on_accepted,
            NotAccepted: self._on_not_accepted,
            HeartbeatRequest: lambda source, m: self.election.on_request(source, m),
            HeartbeatReply: lambda source, m: self.election.on_reply(source, m),
            ReadQuery: self.reads.on_query,
            ReadReport: self.reads.on_report,
            Hello: self.handover.on_message,
            StateRequest: self.handover.on_message,
            State: self.handover.on_message,
        }

    def _elections(self) -> BallotElection:
        options, place = self.options, self.context.id - 1
        priority = options.priorities[place] if place < len(options.priorities) else 0
        make = self.elections[options.election]
        return make(self, round_ns=options.round_ns, priority=priority)

    # ---- what others ask of a node

    @property
    def configuration(self) -> int:
        return self.log.configuration

    @property
    def committed(self) -> int:
        """How much of the log is decided, as far as this node knows."""
        return self.log.decided

    @property
    def leads(self) -> bool:
        return self.leadership is not None and self.leadership.accepting

    @property
    def latest_accepted(self) -> tuple[int, Ballot, Entry] | None:
        """For invariants: what was accepted last, if it is still in the log."""
        log = self.log
        if not log.entries or log.accepted_round == ZERO:
            return None
        return log.last_index, log.accepted_round, log.entries[-1]

    def stored(self, index: int) -> Ballot:
        """For invariants: the ballot in which the disk has accepted the entry at `index`."""
        return self._stored[0] if index <= self._stored[1] else ZERO

    @property
    def is_member(self) -> bool:
        """Whether this node belongs to the configuration that it knows of."""
        return self.context.id in self.log.members

    # ---- events

    def on_start(self, recovered: Recovered) -> None:
        had_lived = self.log.recover(recovered)
        self.durable = self.log.last_index
        self._stored = (self.log.accepted_round, self.log.last_index)
        self.note_told()
        if self.log.snapshot_index:
            self.sessions.restore(self.log.snapshot)
            self.applied = self.log.snapshot_index
        self.begin_configuration(recovered=had_lived)
        self.commit(self.log.decided)

    def on_message(self, source: int, message: Message) -> None:
        if message.configuration == self.log.configuration:  # type: ignore[attr-defined]
            self._handlers[type(message)](source, message)
        else:
            self.handover.on_message(source, message)

    def on_timer(self, name: str) -> None:
        if name == "heartbeat":
            if self.leadership is not None:
                self.leadership.heartbeat()
        elif name == "handover":
            self.handover.tick()
        else:
            # a round of the election has passed: what was not answered is repeated
            self.election.on_timer()
            self.acceptor.tick()
            self.reads.tick()

    def on_request(self, request: ClientRequest) -> None:
        members = asks_to_reconfigure(request)
        if members is not None:
            self.handover.request(request, members)
        elif request.read_only and self.options.reads == "quorum" and self.is_member:
            self.reads.read(request)
        elif self.leadership is None:
            self.refuse(request)
        elif request.read_only and self.options.reads == "index":
            self.leadership.read(request)
        else:
            self.leadership.write(request)

    # ---- configurations and leaders

    def begin_configuration(self, *, recovered: bool = False) -> None:
        """Take up the part that this node has in the present configuration."""
        self.step_down()
        self.reads.refuse()
        self.election.stop()
        self.leader = 0
        self.everywhere = 0
        self.acceptor.phase = ""
        members = self.log.members
        self.quorums = self.quorums_of(len(members))
        self.handover.begin()
        if not self.is_member:
            self.role, self.peers = "outsider", ()
            return
        self.role = "follower"
        self.peers = tuple(member for member in members if member != self.context.id)
        self.election = self._elections()
        self.election.start(recovered=recovered)
        if recovered and self.promise != ZERO:
            self.acceptor.recover()

    def lead(self, ballot: Ballot) -> None:
        """The election was won with `ballot`: prepare, once the own promise is durable."""
        if not self.may_lead(ballot):
            return
        self.step_down()
        self.log.promise_to(ballot)
        self.acceptor.phase = "lead"
        self.role = "candidate"
        self.leadership = self.leadership_class(self, ballot)
        self.context.disk.sync(self.leadership.begin)

    def may_lead(self, ballot: Ballot) -> bool:
        """Whether nothing as high was promised; that a ballot leads once hangs on it."""
        return ballot > self.log.promise

    def quorums_of(self, nodes: int) -> Quorums:
        """The quorums of a configuration of so many nodes."""
        accept = self.options.accept_quorum
        return Quorums.of(nodes, accept=None if accept is None else min(accept, nodes))

    def _on_prepare_request(self, source: int, message: PrepareRequest) -> None:
        leadership = self.leadership
        if leadership is not None and message.ballot <= leadership.ballot:
            leadership.on_prepare_request(source)

    def _on_promise(self, source: int, message: Promise) -> None:
        leadership = self.leadership
        if leadership is not None and message.ballot == leadership.ballot:
            leadership.on_promise(source, message)

    def _on_accepted(self, source: int, message: Accepted) -> None:
        leadership = self.leadership
        if leadership is not None and message.ballot == leadership.ballot and leadership.accepting:
            leadership.on_accepted(source, message)

    def _on_not_accepted(self, source: int, message: NotAccepted) -> None:
        leadership = self.leadership
        if leadership is not None and message.ballot > leadership.ballot:
            leadership.on_refused(source)

    # ---- log, disk and state machine

    def accept(self, ballot: Ballot, start: int, entries: tuple[Entry, ...]) -> None:
        """Keep the log up to `start`, then `entries`, all in `ballot`; durable by a flush."""
        if ballot != self.log.accepted_round:
            self.durable = 0  # of what is accepted in this ballot
        self.log.accept(ballot, start, entries)

    def mark(self) -> tuple[int, Ballot, int, int]:
        log = self.log
        return log.configuration, log.accepted_round, self.acceptor.session, log.last_index

    def durable_up_to(self, mark: tuple[int, Ballot, int, int]) -> None:
        log = self.log
        if mark[:3] != (log.configuration, log.accepted_round, self.acceptor.session):
            return  # the log was changed in between; another flush is to come
        self.durable = max(self.durable, mark[3])
        self._stored = (log.accepted_round, self.durable)
        if self.leadership is not None:
            if self.leadership.accepting:
                self.leadership.on_durable(self.durable)
        else:
            self.acceptor.on_durable()

    def commit(self, index: int) -> None:
        """Everything up to `index` is decided: apply it, and answer the clients that wait."""
        log = self.log
        log.decided = max(log.decided, index)
        while self.applied < log.decided:
            self.applied += 1
            entry = log.at(self.applied)
            if entry.session != STOP_SIGN:
                self.apply(entry)
            elif entry.serial > log.configuration:  # not one that is met again after a restart
                self.handover.stop(entry, self.applied)
        self.reads.serve()
        self._compact()

    def _compact(self) -> None:
        """Write the state down now and then, so that the log stays short."""
        if not self.is_snapshot_due():
            return
        self.log.compact(
            self.applied,
            self.sessions.snapshot(),
            everywhere=self.everywhere,
            retain=self.options.retain,
        )
