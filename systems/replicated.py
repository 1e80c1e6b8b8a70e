"""Replicate an object of yours on several computers: three methods, and one line to start it.

    class Counter:                                   apply, snapshot, restore: a StateMachine
        ...
    async with Raft(Counter(), node=1, cluster=CLUSTER, folder="n1") as raft:
        total = await raft.apply(["add", 1])         once, on every node, in the same order

`apply` goes to whoever leads, wherever it was called, and is executed exactly once however often it
must be repeated. It ends in one of three ways:

| it             | means                                                                        |
|----------------|------------------------------------------------------------------------------|
| returns        | executed; this is what the machine's `apply` returned                        |
| `NotLeader`    | surely not executed, and never will be: nobody who leads was found in time   |
| `LeadershipLost` | unknown: it may have been executed, or be executed later                   |

Which algorithm replicates is one argument: `on="raft"` (ours), `on="craft"` (the C library), or any
other consensus system of the catalog. It is the code that the simulation tests, on a real clock,
real disks and real sockets (`harness.realtime`).

Limits: no encryption and no authentication between nodes; put them in a network of their own. The
addresses of all nodes that may ever be members are known from the start. State machines are called
in the event loop, which is trio's: a slow `apply` holds up everything. An `apply` that raises ends
its node, and every later life of it, for the command is in the log.

docs/replicate-anything.md has a counter in twenty lines that runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Any

import trio

from harness import catalog
from harness.errors import SplitbrainError, UsageError, root_cause
from harness.node import Command, NodeId, NodeStatus, StateMachine
from harness.realtime import Address, Host, TcpPort
from harness.system import Refused, System, Unanswered
from harness.units import MILLISECOND_NS
from systems.connection import RetryPolicy, SessionConnection

__all__ = ["LeaderChanged", "LeadershipLost", "MembersChanged", "NotLeader", "Raft"]


#: So many events are kept for somebody who listens and does not come to hear them.
EVENTS = 1000


class NotLeader(SplitbrainError):
    """The command was surely not executed; `leader` is who leads, as far as is known, or 0."""

    def __init__(self, reason: str, leader: NodeId) -> None:
        super().__init__(reason)
        self.leader = leader


class LeadershipLost(SplitbrainError):
    """Nobody knows whether the command was executed, or will be."""


@dataclass(frozen=True, kw_only=True)
class LeaderChanged:
    """This node knows of another leader in a term; 0 if it knows of none."""

    leader: NodeId
    term: int


@dataclass(frozen=True, kw_only=True)
class MembersChanged:
    """This node knows of another configuration; it may not be decided yet."""

    voters: tuple[NodeId, ...]
    others: tuple[NodeId, ...]


Event = LeaderChanged | MembersChanged


class Raft:
    """One node of a cluster that replicates `machine`; runs for as long as its `async with` does.

    `cluster` says where each node listens, "host:port" by number from 1; `folder` is where this one
    keeps its part, and is its own. `on` names a system of the catalog, or is one with options of
    its own. A command is given up after `timeout_s`. `listeners` are used instead of this node's
    address, for those who have bound it already.

    Raises UsageError for an unknown system, a bad address or a folder in use, and outside of trio.
    """

    def __init__(
        self,
        machine: StateMachine,
        *,
        node: NodeId,
        cluster: Mapping[NodeId, str | Address],
        folder: str | Path,
        on: str | System = "raft",
        timeout_s: float = 10.0,
        listeners: list[trio.SocketListener] | None = None,
    ) -> None:
        self.machine = machine
        self.node = node
        system: System = catalog.load("system", on)() if isinstance(on, str) else on
        self._addresses = {number: _address(where) for number, where in sorted(cluster.items())}
        self._listeners = listeners
        self._policy = RetryPolicy(
            attempt_timeout_ns=min(1000 * MILLISECOND_NS, round(timeout_s * 1e9)),
            deadline_ns=round(timeout_s * 1e9),
        )
        self._host = Host(
            lambda context: system.node(context, machine),
            node=node,
            addresses=self._addresses,
            messages=system.messages,
            folder=Path(folder),
            after_event=self._look,
        )
        self._random = SystemRandom()
        self._port: TcpPort
        # one client session can do one command at a time; those that are free
        self._free: list[SessionConnection] = []
        self._known = LeaderChanged(leader=0, term=0)
        self._members: MembersChanged | None = None
        self._changed = trio.Event()
        self._listening: list[deque[Event]] = []
        self._running: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Raft:
        try:
            trio.lowlevel.current_trio_token()
        except RuntimeError:
            raise UsageError(
                "Raft(machine) runs under trio: begin with trio.run(main). Under asyncio, give "
                "trio a thread of its own."
            ) from None
        self._running = self._run()
        await self._running.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._running is not None
        return await self._running.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._host.run, self._listeners)
                here = {self.node: self._host.address}
                self._port = TcpPort(nursery, self._addresses | here)
                yield
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise root_cause(group) from None

    # ---- commands

    async def apply(self, command: Command, *, forward: bool = True) -> Any:
        """Have `command` executed once on every node; what the machine returned for it.

        With `forward` false only this node is asked, which refuses unless it leads. Raises
        NotLeader (surely not executed) and LeadershipLost (nobody knows).
        """
        return await self._execute(command, read_only=False, forward=forward)

    async def read(self, command: Command, *, forward: bool = True) -> Any:
        """What the machine returns for a command that changes nothing, as of now or later.

        The answer has everything that was applied before the call. Raises NotLeader.
        """
        return await self._execute(command, read_only=True, forward=forward)

    async def _execute(self, command: Command, *, read_only: bool, forward: bool) -> Any:
        if not forward:
            return await self._ask_here(command, read_only=read_only)
        session = self._free.pop() if self._free else self._new_session()
        try:
            result = await session.execute(command, read_only=read_only)
        except Refused as error:
            self._free.append(session)
            raise NotLeader(f"{command!r} was not executed: {error}", self.leader) from None
        except Unanswered as error:  # the session is spent: its command may come any time
            raise LeadershipLost(f"{command!r} may have been executed: {error}") from None
        self._free.append(session)
        return result

    async def _ask_here(self, command: Command, *, read_only: bool) -> Any:
        reply = await self._port.call(
            self.node,
            command,
            session=self._new_number(),
            serial=1,
            read_only=read_only,
            timeout_ns=self._policy.deadline_ns,
        )
        if reply is None and not read_only:
            raise LeadershipLost(f"{command!r} may have been executed: no answer in time")
        if reply is None:
            raise NotLeader(f"{command!r} was not answered in time", self.leader)
        if not reply.done:
            raise NotLeader(f"{command!r} was not executed: {reply.error}", reply.hint)
        return reply.value

    def _new_number(self) -> int:
        return self._random.randrange(1 << 32, 1 << 62)

    def _new_session(self) -> SessionConnection:
        return SessionConnection(
            self._port,
            session=self._new_number(),
            nodes=tuple(self._addresses),
            home=self.node,
            policy=self._policy,
        )

    # ---- who leads, who belongs to it

    @property
    def leader(self) -> NodeId:
        """Who leads, as far as this node knows; 0 for nobody."""
        return self._known.leader

    @property
    def is_leader(self) -> bool:
        """Whether this node believes that it leads. Another may lead already in a later term."""
        return self._known.leader == self.node

    def status(self) -> NodeStatus:
        """Role, term and so on."""
        return self._host.status()

    async def leader_known(self) -> NodeId:
        """Wait until this node knows of a leader."""
        while not self._known.leader:
            await self._changed.wait()
        return self._known.leader

    async def events(self) -> AsyncIterator[Event]:
        """What is known now, and then each change of leader and members, as this node hears of it.

        Whoever is `EVENTS` behind misses the oldest.
        """
        mine: deque[Event] = deque([self._known], maxlen=EVENTS)
        if self._members is not None:
            mine.append(self._members)
        self._listening.append(mine)
        try:
            while True:
                while mine:
                    yield mine.popleft()
                await self._changed.wait()
        finally:
            self._listening.remove(mine)

    def order(self, order: Command) -> None:
        """Order other members or another leader, at the node that leads; see the system's page.

        Such as `["remove", 3]`, `["assign", 4, "voter"]`, `["transfer", 2]`. There is no answer:
        what comes of it shows in the events. Raises NotLeader, and UsageError where the system
        takes no orders, or not this one, or none about these nodes.
        """
        if not self.is_leader:
            raise NotLeader(f"{order!r} was not carried out: not the leader", self.leader)
        if not self._host.order(order):
            raise UsageError("This system takes no orders: its members are those of the start.")

    def _look(self) -> None:
        """After each event of the node: is there something to tell?"""
        status = self._host.status()
        leader = self.node if status.role == "leader" else status.leader
        if leader != self._known.leader or (leader and status.term != self._known.term):
            self._known = LeaderChanged(leader=leader, term=status.term)
            self._tell(self._known)
        members = _members_of(self._host.node)
        if members != self._members:
            self._members = members
            if members is not None:
                self._tell(members)

    def _tell(self, event: Event) -> None:
        for listener in self._listening:
            listener.append(event)
        self._changed.set()
        self._changed = trio.Event()


def _members_of(node: Any) -> MembersChanged | None:
    """The configuration that a node goes by, if it has such a thing."""
    configuration = getattr(node, "configuration", None)
    voters = getattr(configuration, "voters", None)
    if voters is None:
        return None
    others = (*getattr(configuration, "standbys", ()), *getattr(configuration, "spares", ()))
    return MembersChanged(voters=tuple(voters), others=others)


def _address(where: str | Address) -> Address:
    """
    >>> _address("localhost:7001"), _address("[::1]:7001")
    (('localhost', 7001), ('::1', 7001))
    >>> _address("localhost")
    Traceback (most recent call last):
        ...
    harness.errors.UsageError: 'localhost' is no address; it is host:port, such as localhost:7001.
    """
    if not isinstance(where, str):
        return where
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{where!r} is no address; it is host:port, such as localhost:7001.")
    return host.strip("[]"), int(port)
