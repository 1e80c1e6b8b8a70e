"""What every Paxos replica does alike: one flush at a time, applying in order, answering clients.

    accepted, promised ──▶ flush ──▶ durable ──▶ told to others
    decided ──▶ applied in order ──▶ the client that waits for this command, if there is one

A client is known by its session and the serial number of its command, not by the place in the log
where this node put the command: another leader may have put another command there.
"""

from __future__ import annotations

from typing import Any

from harness.node import ClientReply, ClientRequest, Context, StateMachine
from systems.machines.sessions import Sessions
from systems.paxos.ballots import ZERO, Ballot
from systems.paxos.messages import Entry
from systems.paxos.options import PaxosOptions


class Replica:
    """The base of the nodes of this folder; not a node by itself.

    `told` is the highest (configuration, ballot) that others may have heard this node promise:
    from then on no later life of it may know less.
    """

    def __init__(self, context: Context, machine: StateMachine, options: PaxosOptions) -> None:
        self.context = context
        self.options = options
        self.sessions = Sessions(machine)
        self.role = "follower"
        self.leader = 0
        self.applied = 0
        self.told: tuple[int, Ballot] = (0, ZERO)
        # who waits for the result of which command, by (session, serial)
        self.waiting: dict[tuple[int, int], ClientRequest] = {}
        self._flushing = False
        self._unsynced = False

    # ---- the disk

    def on_durable(self, token: Any) -> None:
        token()

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

    # ---- clients

    def answer(self, request: ClientRequest, value: Any) -> None:
        """The command was executed; this is its result."""
        self.context.reply(request, ClientReply(request.id, True, value))

    def answer_read(self, request: ClientRequest) -> None:
        """Answer a read-only command from the current state."""
        self.answer(request, self.sessions.machine.apply(request.command))

    def refuse(self, request: ClientRequest, why: str = "not the leader") -> None:
        """This attempt does nothing; `hint` says who leads, as far as this node knows."""
        hint = 0 if self.leader == self.context.id else self.leader
        self.context.reply(request, ClientReply(request.id, False, None, why, hint))

    def answer_repeated(self, request: ClientRequest) -> bool:
        """Answer a command that its session has done already; whether it has."""
        answered = self.sessions.answered(request.session, request.serial)
        if answered is None:
            return False
        self.context.probe("repetition-answered")
        self.answer(request, answered[1])
        return True

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
