"""Primary and backups: a small replicated system, as an example of how to add one.

    client ─▶ primary (n1) ─▶ own disk ─▶ Store to every backup ─▶ Stored by a majority ─▶ answer

The primary is always n1. It answers a command once a majority of disks, its own first, has it.
Reads are answered from its state, which nobody else changes.

Limits: nobody takes over while n1 is down.
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import ClientReply, ClientRequest, Message, NodeStatus
from harness.system import Flaw, System
from systems.connection import SessionConnection
from systems.machines import Sessions

PRIMARY = 1
RESEND_NS = 50_000_000


class Store(Message, frozen=True, gc=False, array_like=True, tag=1):
    """Entries of the log, the first of which has the number `first` (from 0)."""

    first: int
    entries: tuple[bytes, ...]


class Stored(Message, frozen=True, gc=False, array_like=True, tag=2):
    """The first `length` entries are on the sender's disk."""

    length: int


class PrimaryBackupNode:
    def __init__(self, context, machine):
        self.context = context
        self.sessions = Sessions(machine)
        self.log = []  # encoded (session, serial, command)
        self.applied = 0
        self.recovered = 0
        self.waiting = {}  # number of the entry -> request
        self.stored = dict.fromkeys((context.id, *context.peers), 0)  # on each node's disk
        self.sent = dict.fromkeys(context.peers, 0)

    def on_start(self, recovered):
        self.log = list(recovered.records)
        self.recovered = self.stored[self.context.id] = len(self.log)
        if self.context.id == PRIMARY:
            self.context.set_timer("resend", RESEND_NS)

    def on_request(self, request: ClientRequest):
        if self.context.id != PRIMARY or self.applied < self.recovered:
            hint = 0 if self.context.id == PRIMARY else PRIMARY
            self.context.reply(request, ClientReply(request.id, False, None, "not ready", hint))
        elif request.read_only:
            self.answer(request, self.sessions.machine.apply(request.command))
        else:
            self.waiting[len(self.log)] = request
            self.append(msgspec.msgpack.encode((request.session, request.serial, request.command)))

    def append(self, entry: bytes):
        self.log.append(entry)
        self.context.disk.append(entry)
        self.context.disk.sync(len(self.log))  # on_durable is called with that length

    def answer(self, request, value):
        self.context.reply(request, ClientReply(request.id, True, value))

    # ---- the primary

    def replicate(self):
        for peer in self.context.peers:
            first = self.sent[peer]
            entries = tuple(self.log[first : min(first + 64, self.stored[PRIMARY])])
            if entries:
                self.sent[peer] = first + len(entries)
                self.context.send(peer, Store(first, entries))

    def on_timer(self, name):
        self.sent = {peer: self.stored[peer] for peer in self.context.peers}  # some may be lost
        self.replicate()
        self.context.set_timer("resend", RESEND_NS)

    def on_durable(self, length):
        self.stored[self.context.id] = length
        if self.context.id == PRIMARY:
            self.replicate()
            self.commit()
        else:
            self.context.send(PRIMARY, Stored(length))

    def commit(self):
        decided = sorted(self.stored.values())[(len(self.stored) - 1) // 2]
        while self.applied < decided:
            session, serial, command = msgspec.msgpack.decode(self.log[self.applied])
            value = self.sessions.apply(session, serial, command)
            request = self.waiting.pop(self.applied, None)
            self.applied += 1
            if request is not None:
                self.answer(request, value)

    # ---- messages

    def on_message(self, source, message):
        if isinstance(message, Stored):
            self.stored[source] = max(self.stored[source], message.length)
            self.commit()
        elif message.first <= len(self.log):
            for entry in (new := message.entries[len(self.log) - message.first :]):
                self.append(entry)
            if not new:
                self.context.send(source, Stored(self.stored[self.context.id]))

    def status(self):
        role = "leader" if self.context.id == PRIMARY else "follower"
        return NodeStatus(role=role, term=1, leader=PRIMARY, committed=self.applied)


class HastyNode(PrimaryBackupNode):
    """Answers before anything is on a disk."""

    def on_request(self, request):
        super().on_request(request)
        if self.waiting.pop(len(self.log) - 1, None):
            self.answer(request, None)


class PrimaryBackup(System):
    name = "primary-backup"
    summary = "one node decides, a majority of disks keeps it"
    messages = (Store, Stored)
    flaws = {  # noqa: RUF012
        "hasty": Flaw(
            name="hasty",
            change="the primary answers before a majority has stored the command",
            breaks="what was answered is lost when the primary crashes",
        )
    }

    def node(self, context, machine) -> Any:
        return (HastyNode if self.flaw else PrimaryBackupNode)(context, machine)

    def connect(self, port, *, process, nodes, home) -> Any:
        return SessionConnection(port, session=process + 1, nodes=nodes, home=home)
