"""A node that runs the C library: our events in, the library's calls back out.

    on_message on_timer on_durable on_request on_order
          │   (kept in line while the disk has yet to store a term or vote)
          ▼
    one call of the library ──▶ callbacks ──▶ backend.py: disk, messages held back, state machine
          ▼
    settle: sync first if need be; release; tell sends that they are done; show the new state

What invariants and nemeses see of a node (role, term, vote, log ...) is its state when it last had
nothing to wait for, never what it may still forget in a crash.

A client's command is a log entry behind a session, so that a retry is applied once. A read is a
barrier, and then a look at the own state. A command whose leader fell is not answered at all: it
may yet be applied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.errors import SplitbrainError
from harness.node import (
    ClientReply,
    ClientRequest,
    Command,
    Context,
    Message,
    NodeId,
    NodeStatus,
    Recovered,
    StateMachine,
)
from harness.units import MILLISECOND_NS
from systems.consensus import check_order
from systems.craft.backend import Backend, Wanted
from systems.craft.delivery import delivery, entry_arguments, snapshot_arguments
from systems.craft.library import error_text, errors, library, raise_errors
from systems.craft.membership import Membership
from systems.craft.messages import pack, padded
from systems.craft.options import CraftOptions
from systems.machines import Sessions

#: By the library's number of the state. "unavailable" is one that has given up until a restart.
STATES = ("unavailable", "follower", "candidate", "leader")

#: Token of the sync after which a node goes on that has waited for its disk.
_GO_ON = "go on"

#: How many numbers `server_view` shows.
_VIEW = 6

#: Parts of what `server_settle` answers: it has called back; the view is another one.
_TOLD, _CHANGED = 1, 2


class Progress(NamedTuple):
    """Up to which entry a leader believes that a peer has its log."""

    match: int


class Leadership(NamedTuple):
    """What a leader believes of its peers."""

    progress: Mapping[NodeId, Progress]


class LibraryError(SplitbrainError):
    """The library refused something that it should never refuse."""


class CraftNode:
    """Implements `harness.node.Node` with the library as its algorithm."""

    def __init__(self, context: Context, machine: StateMachine, options: CraftOptions) -> None:
        module = library()
        self._ffi, self._lib = module.ffi, module.lib
        self.context = context
        self.options = options
        self.sessions = Sessions(machine)
        self.backend = Backend(module, context, self.sessions)
        self._handle = self._ffi.new_handle(self.backend)
        # freed with the node: nothing of the library outlives a crash, see glue.c
        self.server = self._ffi.gc(
            self._lib.server_new(self._handle, context.id), self._lib.server_free
        )
        self._now = self._lib.server_clock(self.server)
        self._seen = self._lib.server_view(self.server)
        self._monotonic_ns = context.clock.monotonic_ns
        self._blocked = False
        self._unshown = 0
        self._position = (0, 0)
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._heard: dict[NodeId, int] = {}
        self._requests: dict[int, ClientRequest] = {}
        self._tokens = 0
        self.membership = Membership(self)
        self._deliver = delivery(module, self.server)
        self.log: Any = None
        self.role = "follower"
        self.term = self.voted_for = self.committed = self.applied = self.leader = 0
        self._status = NodeStatus(role=self.role)

    # ---- events

    def on_start(self, recovered: Recovered) -> None:
        lib, server, options, context = self._lib, self.server, self.options, self.context
        storage = self.backend.load(recovered)
        self.log, self.term, self.voted_for = storage.log, storage.term, storage.vote
        self._status = NodeStatus(role=self.role, term=self.term)
        self._tell_time()
        lib.server_configure(
            server,
            options.election_ms,
            options.heartbeat_ms,
            options.install_ms,
            options.snapshot_threshold,
            options.trailing,
            options.pre_vote,
        )
        first = sorted([context.id, *context.peers])[: options.voters or None]
        if storage.pristine and context.id in first:
            self._demand(lib.server_bootstrap(server, len(first), first), "bootstrap")
        storage.show()
        lib.server_load_state(server, storage.term, storage.vote)
        self._load(storage.snapshot)
        self._demand(lib.server_start(server), "start")
        context.set_timer("tick", (1 + context.rng.below(options.heartbeat_ms)) * MILLISECOND_NS)
        self._settle()

    def on_message(self, source: NodeId, message: Message) -> None:
        if self._blocked:
            self._waiting.append((self.on_message, source, message))
            return
        number = message.number  # type: ignore[attr-defined]
        if number <= self._heard.get(source, 0):
            return  # no connection delivers it
        self._heard[source] = number
        self._tell_time()
        self._deliver[type(message)](source, message)
        self._settle()

    def on_timer(self, name: str) -> None:
        if self._blocked:
            self._waiting.append((self.on_timer, name))
            return
        self.context.set_timer("tick", self.options.heartbeat_ms * MILLISECOND_NS)
        self._tell_time()
        self._lib.server_tick(self.server)
        self._settle()

    def on_durable(self, token: Any) -> None:
        if token is _GO_ON:
            self._go_on()
        elif self._blocked:
            self._waiting.append((self.on_durable, token))
        else:
            self._tell_time()
            if isinstance(token, Wanted):
                self._hand_over_snapshot(token.request)
            else:
                self.backend.storage.synced(token.position)
                token.tell(token.request)
            self._settle()

    def on_request(self, request: ClientRequest) -> None:
        if self._blocked:
            self._waiting.append((self.on_request, request))
            return
        if self.role != "leader":  # as the library would say, which does nothing else then
            self._refuse(request, self._lib.RAFT_NOTLEADER)
            self.backend.release()
            return
        self._tell_time()
        if request.read_only and self._may_read():
            self._answer(request, self.sessions.machine.apply(request.command))
        else:
            self._submit(request)
        self._settle()

    def on_order(self, order: Command) -> None:
        """An operator wants other members or another leader; see `systems.craft.membership`.

        Raises UsageError for what is no order, or names a node that is not known.
        """
        check_order(order, {self.context.id, *self.context.peers})
        if self._blocked:
            self._waiting.append((self.on_order, order))
            return
        self._tell_time()
        self.membership.order(order)
        self._settle()

    def status(self) -> NodeStatus:
        return self._status

    @property
    def durable(self) -> int:
        """Up to here the log is on the disk."""
        return int(self.backend.storage.durable)

    @property
    def leadership(self) -> Leadership:
        """What it knows of its peers while it leads, for invariants."""
        capacity = 1 + len(self.context.peers)
        ids, matches = self._ffi.new("raft_id[]", capacity), self._ffi.new("raft_index[]", capacity)
        count = self._lib.server_progress(self.server, ids, matches, capacity)
        found = {ids[i]: Progress(matches[i]) for i in range(count) if ids[i] != self.context.id}
        return Leadership(found)

    # ---- after each call of the library

    def _settle(self) -> None:
        """Do what has to be done after a call before anything else may happen."""
        backend, told = self.backend, 0
        while True:
            if errors:
                raise_errors()
            if backend.done:
                done, backend.done = backend.done, []
                for token, status, result in done:
                    self._end(token, status, result)
                continue
            if backend.waits:
                backend.waits = False
                self._blocked = True
                self._position = backend.storage.position()
                self.context.disk.sync(_GO_ON)
                return
            if backend.held or backend.replies:
                backend.release()
            elif told:
                break  # the callbacks have changed nothing
            answer = self._lib.server_settle(self.server)
            self._unshown |= answer & _CHANGED
            told = answer & _TOLD
            if not told:
                break
        backend.storage.show()
        if self._unshown:
            self._unshown = 0
            self._show()

    def _go_on(self) -> None:
        """Term and vote are stored: let out what was held back, and do what came meanwhile."""
        self._blocked = False
        self.backend.storage.synced(self._position)
        self._settle()
        while self._waiting and not self._blocked:
            step, *arguments = self._waiting.popleft()
            step(*arguments)

    def _show(self) -> None:
        """Let others see the present state."""
        view = self._ffi.unpack(self._seen, _VIEW)
        state, term, self.voted_for, self.committed, self.applied, self.leader = view
        role = STATES[state]
        if role != self.role or (term != self.term and role == "leader"):
            if role == "leader":
                self.context.probe("elected", term=term)
            elif self.role == "leader":
                self.context.probe("stepped-down", term=term)
            elif role == "unavailable":
                self.context.probe("unavailable", term=term)
        self.role, self.term = role, term
        self._status = NodeStatus(
            role=role, term=term, leader=self.leader, committed=self.committed
        )

    def _tell_time(self) -> None:
        self._now[0] = self._monotonic_ns() // MILLISECOND_NS

    def _demand(self, status: int, what: str) -> None:
        raise_errors()
        if status:
            raise LibraryError(
                f"The library could not {what} n{self.context.id}: {error_text(status)}."
            )

    # ---- snapshots and entries for the library

    def _load(self, snapshot: Any) -> None:
        lib, server = self._lib, self.server
        if snapshot is not None:
            status = lib.server_load_snapshot(server, *snapshot_arguments(snapshot))
            self._demand(status, "load the snapshot of")
        arguments = entry_arguments(self.log.entries)
        status = lib.server_load_entries(server, self.log.base_index + 1, *arguments)
        self._demand(status, "load the entries of")

    def _hand_over_snapshot(self, request: Any) -> None:
        snapshot = self.backend.storage.snapshot
        if snapshot is None:
            nothing = (0, 0, 0, self._ffi.NULL, self._ffi.NULL, 0, b"", 0)
            self._lib.server_snapshot_loaded(request, *nothing)
        else:
            self._lib.server_snapshot_loaded(request, *snapshot_arguments(snapshot))

    # ---- requests

    def new_token(self) -> int:
        """A name for a request to the library."""
        self._tokens += 1
        return self._tokens

    def members(self) -> dict[NodeId, int]:
        """The members and their roles, the latest that the library knows of."""
        capacity = 1 + len(self.context.peers)
        ids, roles = self._ffi.new("raft_id[]", capacity), self._ffi.new("int[]", capacity)
        count = self._lib.server_members(self.server, ids, roles, capacity)
        return {ids[i]: roles[i] for i in range(count)}

    def _may_read(self) -> bool:
        """Whether a read needs no barrier here and now; see `CraftOptions.always_barrier`."""
        return not self.options.always_barrier and self._lib.server_up_to_date(self.server)

    def _submit(self, request: ClientRequest) -> None:
        """Hand a command to the library, or for a read a barrier."""
        token = self.new_token()
        if request.read_only:
            status = self._lib.request_barrier(self.server, token)
        else:
            data = padded(pack((request.session, request.serial, request.command)))
            status = self._lib.request_apply(self.server, token, data, len(data))
        if status:
            self._refuse(request, status)
        else:
            self._requests[token] = request

    def change(self, token: int, verb: str, node: NodeId, role: int = 0) -> int:
        """Ask the library for a change of members or leaders; 0 if it was accepted."""
        lib, server = self._lib, self.server
        match verb:
            case "add":
                status = lib.request_add(server, token, node)
            case "assign":
                status = lib.request_assign(server, token, node, role)
            case "remove":
                status = lib.request_remove(server, token, node)
            case _:
                status = lib.request_transfer(server, token, node)
        return int(status)

    def _end(self, token: int, status: int, result: Any) -> None:
        """The library is done with a request, with an error unless `status` is 0."""
        request = self._requests.pop(token, None)
        if request is None:
            self.membership.ended(token, status)
        elif request.read_only:
            if status:
                self._refuse(request, status)
            else:
                self._answer(request, self.sessions.machine.apply(request.command))
        elif status:
            self.context.probe("command-lost", status=status)
        else:
            self._answer(request, result)

    def _answer(self, request: ClientRequest, value: Any) -> None:
        self.backend.reply(request, ClientReply(request.id, True, value))

    def _refuse(self, request: ClientRequest, status: int) -> None:
        """The request will have no effect. `hint` says who leads, as far as this node knows."""
        hint = 0 if self.leader == self.context.id else self.leader
        reply = ClientReply(request.id, False, None, error_text(status), hint)
        self.backend.reply(request, reply)
