"""What the library asks for, served by a node's context: `raft_io` and `raft_fsm`.

| it asks                 | it gets                                                            |
|-------------------------|--------------------------------------------------------------------|
| send                    | a message that is held back until `release`                        |
| set_term, set_vote      | a change of the metadata; `waits` says that a sync must come first |
| append, truncate        | changes of the log; on_durable tells it when an append is durable  |
| snapshot_put, _get      | the same; reading takes as long as a sync                          |
| time, random            | the node's clock, in milliseconds, and its stream of randomness    |
| apply, snapshot, restore| the state machine, behind client sessions                          |

set_term and set_vote must be durable when they return, but nothing in here may wait. So the call
that asked for one returns early, and what it has said meanwhile is not let out before the disk has
synced, nor is the node told of anything new: to everybody else it looks as if it had waited.

The library's contract is kept to the letter: appends become durable in their order, no callback is
called from inside the call that it belongs to, and memory changes hands in glue.c alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import ClientReply, ClientRequest, Context, Message, NodeId, Recovered
from systems.craft.messages import (
    CHANGE,
    COMMAND,
    Append,
    Appended,
    Entry,
    Install,
    Members,
    RequestVote,
    TimeoutNow,
    Vote,
    cleaned,
    padded,
    unpadded,
)
from systems.craft.storage import Snapshot, Storage
from systems.machines import Sessions

#: Of a message's number, the bits below count the messages of one life.
_LIFE_BITS = 32

_decode_command = msgspec.msgpack.Decoder(tuple[int, int, Any]).decode


class Stored:
    """Token of a sync: then `tell`, a function of glue.c, is called with the library's request.

    `position` is what the storage is to be told.
    """

    __slots__ = ("position", "request", "tell")

    def __init__(self, tell: Any, request: Any, position: tuple[int, int]) -> None:
        self.tell = tell
        self.request = request
        self.position = position


class Wanted:
    """Token of a sync: then the snapshot is read for the library's request."""

    __slots__ = ("request",)

    def __init__(self, request: Any) -> None:
        self.request = request


class Backend:
    """The methods that the library calls; see `systems.craft.library` for who calls them."""

    def __init__(self, module: Any, context: Context, sessions: Sessions) -> None:
        self._ffi, self._lib = module.ffi, module.lib
        self._context = context
        self._sessions = sessions
        self.storage: Any = None
        #: Whether term or vote was set by the present call, so that it must not be told of yet.
        self.waits = False
        #: Requests of clients and operators that have ended: (token, status, result).
        self.done: list[tuple[int, int, Any]] = []
        self._result: Any = None
        self._number = 0
        #: What was said by the present call, and may not be let out yet.
        self.held: list[tuple[NodeId, Message]] = []
        self.replies: list[tuple[ClientRequest, ClientReply]] = []

    def load(self, recovered: Recovered) -> Storage:
        """Begin a life with what the disk has kept. It is counted first, as messages name it."""
        self.storage = storage = Storage(self._context.disk, recovered)
        self._number = storage.lives << _LIFE_BITS
        self.waits = True
        return storage

    # ---- what is held back

    def reply(self, request: ClientRequest, reply: ClientReply) -> None:
        """Answer a client, at the next `release`."""
        self.replies.append((request, reply))

    def release(self) -> None:
        """Let out what was said."""
        send = self._context.send
        for destination, message in self.held:
            send(destination, message)
        self.held.clear()
        for request, reply in self.replies:
            self._context.reply(request, reply)
        self.replies.clear()

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    # ---- raft_io: disk

    def on_bootstrap(self, data: Any, length: int) -> None:
        storage = self.storage
        storage.set_term(max(1, storage.term))
        storage.append([Entry(1, CHANGE, cleaned(CHANGE, self._bytes(data, length)))])
        self.waits = True

    def on_set_term(self, term: int) -> None:
        self.storage.set_term(term)
        self.waits = True

    def on_set_vote(self, vote: NodeId) -> None:
        self.storage.set_vote(vote)
        self.waits = True

    def on_append(self, request: Any, entries: Any, count: int) -> None:
        self.storage.append(self._entries(entries, count))
        self._sync(self._lib.server_appended, request)

    def on_truncate(self, first: int) -> None:
        self._context.probe("log-truncated", index=first - 1)
        self.storage.truncate(first)

    def on_snapshot_put(self, trailing: int, request: Any, snapshot: Any) -> None:
        state = b"".join(
            self._bytes(part.base, part.len)
            for part in self._ffi.unpack(snapshot.bufs, snapshot.n_bufs)
        )
        made = Snapshot(
            index=snapshot.index,
            term=snapshot.term,
            members=self.members_of(snapshot.configuration),
            members_index=snapshot.configuration_index,
            state=state,
        )
        self.storage.put_snapshot(made, trailing)
        name = "compacted" if trailing else "snapshot-installed"
        self._context.probe(name, index=snapshot.index)
        self._sync(self._lib.server_snapshot_stored, request)

    def _sync(self, tell: Any, request: Any) -> None:
        self._context.disk.sync(Stored(tell, request, self.storage.position()))

    def on_snapshot_get(self, request: Any) -> None:
        self._context.disk.sync(Wanted(request))

    # ---- raft_io: the rest

    def on_random(self, low: int, high: int) -> int:
        return low + self._context.rng.below(high - low + 1)

    def send_request_vote(
        self, to: NodeId, term: int, last_index: int, last_term: int, disrupt: bool, trial: bool
    ) -> None:
        number = self._next_number()
        message = RequestVote(number, term, last_index, last_term, disrupt, trial)
        self.held.append((to, message))

    def send_vote(self, to: NodeId, term: int, granted: bool, trial: int) -> None:
        self.held.append((to, Vote(self._next_number(), term, granted, trial)))

    def send_append(
        self,
        to: NodeId,
        term: int,
        previous_index: int,
        previous_term: int,
        committed: int,
        entries: Any,
        count: int,
    ) -> None:
        copied = self._entries(entries, count) if count else ()
        message = Append(
            self._next_number(), term, previous_index, previous_term, committed, copied
        )
        self.held.append((to, message))

    def send_appended(self, to: NodeId, term: int, rejected: int, last_index: int) -> None:
        self.held.append((to, Appended(self._next_number(), term, rejected, last_index)))

    def send_install(
        self,
        to: NodeId,
        term: int,
        last_index: int,
        last_term: int,
        configuration: Any,
        members_index: int,
        data: Any,
        length: int,
    ) -> None:
        members, state = self.members_of(configuration[0]), self._bytes(data, length)
        number = self._next_number()
        message = Install(number, term, last_index, last_term, members, members_index, state)
        self.held.append((to, message))
        self._context.probe("snapshot-sent", to=to)

    def send_timeout_now(self, to: NodeId, term: int, last_index: int, last_term: int) -> None:
        self.held.append((to, TimeoutNow(self._next_number(), term, last_index, last_term)))

    # ---- raft_fsm

    def on_fsm_apply(self, data: Any, length: int) -> None:
        session, serial, command = _decode_command(unpadded(self._bytes(data, length)))
        self._result = self._sessions.apply(session, serial, command)

    def on_fsm_snapshot(self, into: Any) -> None:
        state = padded(self._sessions.snapshot())
        into.base = self._lib.raft_malloc(len(state))
        into.len = len(state)
        self._ffi.memmove(into.base, state, len(state))

    def on_fsm_restore(self, data: Any, length: int) -> None:
        self._sessions.restore(unpadded(self._bytes(data, length)))

    # ---- requests

    def on_done(self, token: int, status: int) -> None:
        """A request has ended; of a command this is right after it was applied."""
        self.done.append((token, status, self._result))

    # ---- from C

    def _bytes(self, data: Any, length: int) -> bytes:
        return self._ffi.buffer(data, length)[:] if length else b""

    def _entries(self, entries: Any, count: int) -> tuple[Entry, ...]:
        """Copies of the library's entries."""
        ffi, lib = self._ffi, self._lib
        if count == 1:  # as nearly always
            entry = entries[0]
            return (_entry(entry.term, entry.type, self._bytes(entry.buf.base, entry.buf.len)),)
        into = ffi.new("unsigned long long[]", 3 * count)
        contents = ffi.new("char[]", lib.entries_numbers(entries, count, into))
        lib.entries_contents(entries, count, contents)
        numbers, data = ffi.unpack(into, 3 * count), bytes(ffi.buffer(contents))
        found, begin = [], 0
        for place in range(0, 3 * count, 3):
            term, kind, length = numbers[place : place + 3]
            found.append(_entry(term, kind, data[begin : begin + length]))
            begin += length
        return tuple(found)

    def members_of(self, configuration: Any) -> Members:
        """The members and their roles."""
        servers = configuration.servers
        found = [(servers[i].id, servers[i].role) for i in range(configuration.n)]
        return tuple(sorted(found))


def _entry(term: int, kind: int, data: bytes) -> Entry:
    return Entry(term, kind, data if kind == COMMAND else cleaned(kind, data))
