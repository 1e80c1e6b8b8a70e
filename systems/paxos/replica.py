"""What every Paxos replica does alike: promises, one flush at a time, applying, stepping down.

    accepted, promised ──▶ flush ──▶ durable ──▶ told to others
    decided ──▶ applied in order ──▶ the client that waits for this command, if there is one

A client is known by its session and the serial number of its command, not by the place in the log
where this node put the command: another leader may have put another command there.
"""

from __future__ import annotations

from typing import Any, Protocol

from harness.node import ClientRequest, Context, NodeStatus, StateMachine
from systems.consensus import ConsensusNode
from systems.paxos.ballots import ZERO, Ballot
from systems.paxos.messages import Entry
from systems.paxos.options import PaxosOptions


class _Log(Protocol):
    promise: Ballot
    snapshot_index: int

    def install(self, index: int, state: bytes) -> None: ...


class _Leadership(Protocol):
    def resign(self) -> None: ...


class Replica(ConsensusNode):
    """The base of the nodes of this folder; not a node by itself.

    `told` is the highest (configuration, ballot) that others may have heard this node promise:
    from then on no later life of it may know less.
    """

    #: What this node must not forget; it knows what is promised.
    log: _Log
    #: What it does while it leads, or tries to.
    leadership: _Leadership | None

    def __init__(self, context: Context, machine: StateMachine, options: PaxosOptions) -> None:
        super().__init__(context, machine)
        self.options = options
        self.told: tuple[int, Ballot] = (0, ZERO)
        # who waits for the result of which command, by (session, serial)
        self.waiting: dict[tuple[int, int], ClientRequest] = {}
        self._flushing = False
        self._unsynced = False

    # ---- what others ask of a node

    @property
    def configuration(self) -> int:
        """Which configuration this node is in; where members never change, the first."""
        return 1

    @property
    def committed(self) -> int:
        """Up to where the log is decided, as far as this node knows."""
        raise NotImplementedError

    @property
    def promise(self) -> Ballot:
        return self.log.promise

    @property
    def term(self) -> int:
        return self.log.promise.number

    @property
    def voted_for(self) -> int:
        return self.log.promise.node

    def status(self) -> NodeStatus:
        return NodeStatus(
            role=self.role, term=self.term, leader=self.leader, committed=self.committed
        )

    # ---- leading

    def follow(self, ballot: Ballot) -> None:
        """Another node leads."""
        self.step_down()
        self.leader = ballot.node

    def step_down(self) -> None:
        """Lead no more, if this node does."""
        if self.leadership is not None:
            leadership, self.leadership = self.leadership, None
            self.role = "follower"
            self.leader = 0
            leadership.resign()
            self.waiting.clear()
            self.context.probe("stepped-down", term=self.term)

    # ---- the disk

    def flush(self) -> None:
        """Make everything durable, and tell those who wait for it; joins a flush under way."""
        if self._flushing:
            self._unsynced = True
            return
        self._flushing = True
        self._unsynced = False
        mark = self.mark()
        self.context.disk.sync(lambda: self._flushed(mark))

    def _flushed(self, mark: Any) -> None:
        self._flushing = False
        if self._unsynced:
            self.flush()
        self.durable_up_to(mark)

    def mark(self) -> Any:
        """What a flush that begins now will make durable."""
        raise NotImplementedError

    def durable_up_to(self, mark: Any) -> None:
        """What `mark` described is durable."""
        raise NotImplementedError

    def note_told(self) -> None:
        """Others may know of the present promise from now on."""
        self.told = (self.configuration, self.promise)

    # ---- the state machine

    def wait_for(self, request: ClientRequest) -> None:
        """Answer `request` when its command is applied here, if that happens."""
        self.waiting[(request.session, request.serial)] = request

    def apply(self, entry: Entry) -> None:
        """Apply a decided command, and answer the client that waits for it."""
        result = self.sessions.apply(entry.session, entry.serial, entry.command)
        if self.waiting:
            request = self.waiting.pop((entry.session, entry.serial), None)
            if request is not None:
                self.answer(request, result)

    def install(self, index: int, snapshot: bytes) -> None:
        """Take over the state of another node, if it is ahead of this one's."""
        if index <= self.applied:
            return
        self.log.install(index, snapshot)
        self.sessions.restore(snapshot)
        self.applied = index
        self.context.probe("snapshot-installed", index=index)

    def is_snapshot_due(self) -> bool:
        """Whether the state should be written down now, so that the log stays short."""
        since = self.applied - self.log.snapshot_index
        return since >= self.options.snapshot_entries or (
            since > 8 and self.context.buggify("early-snapshot")
        )
