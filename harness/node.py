"""What a replica is: a plain object that reacts to events and acts through its `Context`.

Nodes are sans-IO. Every method is synchronous, never blocks, and uses nothing but its context
for time, randomness and I/O, so that the same class runs in simulation and as a real process.

              on_message on_timer on_durable on_request
    World  ──────────────────────────────────────────────▶  Node
           ◀──────────────────────────────────────────────
               send  reply  set_timer  disk.sync  probe        (all through Context)

A crash drops the object; after a restart a *new* instance gets `on_start` with what the disk
kept. Whoever only wants to replicate something writes a `StateMachine` and never sees a node.

>>> class Counter:
...     '''A state machine in three methods.'''
...     def __init__(self) -> None:
...         self.total = 0
...     def apply(self, command: int) -> int:
...         self.total += command
...         return self.total
...     def snapshot(self) -> bytes:
...         return str(self.total).encode()
...     def restore(self, snapshot: bytes) -> None:
...         self.total = int(snapshot)
>>> isinstance(Counter(), StateMachine)
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

NodeId = int  # 1 .. n; clients of a simulation are endpoints n + 1 and up
Nanoseconds = int
TimerName = str

#: What a state machine is told to do: plain data (None, numbers, strings, bytes and sequences of
#: them). Sequences arrive as lists, whatever they were when a client sent them.
Command = Any


def endpoint_name(endpoint: int, nodes: int) -> str:
    """`n1`, `n2`, ... for the nodes and `c0`, `c1`, ... for the clients behind them."""
    return f"n{endpoint}" if endpoint <= nodes else f"c{endpoint - nodes - 1}"


class Message(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """The base of all wire messages: immutable, with plain fields only (no list, dict or set).

    Immutable so that a simulation may hand over the object itself; encodable so that a real
    network can carry it, and wire mode can prove that nothing aliases.
    """


class ClientRequest(Message, frozen=True, gc=False, array_like=True, tag=True):
    """A command from a client endpoint. `id` is unique per client; a retry has a new `id`.

    `session` and `serial` name the operation itself: a system with client sessions applies a
    (session, serial) at most once however often it is retried. `read_only` commands must not
    change the state, so that a system may answer them without logging them.
    """

    client: int
    id: int
    session: int
    serial: int
    command: Command
    read_only: bool = False


class ClientReply(Message, frozen=True, gc=False, array_like=True, tag=True):
    """The answer to the request with the same `id`.

    `done` false means refused: the command was surely not executed by this attempt and never
    will be; `error` says why, and `hint` names the node to ask instead (0 if unknown).
    """

    id: int
    done: bool
    value: Any = None
    error: str = ""
    hint: NodeId = 0


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself, for nemeses that aim and for online invariants."""

    role: str
    term: int = 0
    leader: NodeId = 0
    committed: int = 0
    lease_until_ns: int = 0


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What the disk kept: metadata and snapshot cells, log records, and where damage begins.

    `first_record` is the number of the first of `records`: those before it were dropped.
    `corrupt_from` is the number of the first record whose checksum failed, if there was one;
    `records` ends before it.
    """

    meta: bytes | None = None
    records: Sequence[bytes] = ()
    first_record: int = 0
    snapshot: bytes | None = None
    corrupt_from: int | None = None


class Clock(Protocol):
    """A node's own view of time; it drifts, and the wall clock may jump."""

    def monotonic_ns(self) -> Nanoseconds:
        """Local time since some start; affected by drift, never goes back."""

    def wall_ns(self) -> Nanoseconds:
        """Local wall clock; may step in either direction."""

    def drift_bound_ppm(self) -> int:
        """The drift that the deployment promises not to exceed; lease code may rely on it."""


class Rng(Protocol):
    """A node's own stream of randomness, seeded by the run."""

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound)."""

    def uniform_ns(self, low_ns: Nanoseconds, high_ns: Nanoseconds) -> Nanoseconds:
        """A uniform duration in [low_ns, high_ns)."""


class Disk(Protocol):
    """A write-ahead log and two cells, metadata and snapshot; visible at once, durable by `sync`.

    What a crash keeps is always a prefix of what was done, in the order in which it was done: a
    snapshot that was put before the log was dropped is there whenever the records are gone.
    """

    def append(self, record: bytes) -> int:
        """Add a record at the end of the log and return its number, counted from 0."""

    def truncate(self, length: int) -> None:
        """Drop the records numbered `length` and up; the next one appended gets that number."""

    def put_meta(self, blob: bytes) -> None:
        """Replace the metadata cell atomically; for what is small and changes often."""

    def put_snapshot(self, blob: bytes) -> None:
        """Replace the snapshot cell atomically."""

    def drop_prefix(self, first: int) -> None:
        """Drop the records numbered below `first`; the others keep their numbers."""

    def sync(self, token: object) -> None:
        """Make everything up to here durable, then call the node's `on_durable(token)`."""


class Context(Protocol):
    """All that a node may touch. One object per incarnation of a node."""

    @property
    def id(self) -> NodeId:
        """This node."""

    @property
    def peers(self) -> tuple[NodeId, ...]:
        """All other nodes, in ascending order."""

    @property
    def rng(self) -> Rng:
        """This node's randomness."""

    @property
    def disk(self) -> Disk:
        """This node's disk."""

    @property
    def clock(self) -> Clock:
        """This node's clock."""

    def send(self, destination: NodeId, message: Message, /) -> None:
        """Fire and forget: may be lost, duplicated, reordered, delayed."""

    def reply(self, request: ClientRequest, reply: ClientReply) -> None:
        """Answer a client request, now or later."""

    def set_timer(self, name: TimerName, delay_ns: Nanoseconds) -> None:
        """(Re)arm the one timer called `name`; the delay runs on this node's own clock.

        It is a whole number of nanoseconds, 0 or more.
        """

    def cancel_timer(self, name: TimerName) -> None:
        """Disarm the timer called `name`, if it is armed."""

    def probe(self, event: str, /, **numbers: int) -> None:
        """Note something for traces and coverage ("elected", term=3). No effect on the run."""

    def buggify(self, site: str) -> bool:
        """False in production; in simulation now and then true, to make rare paths common."""


class Node(Protocol):
    """A sans-IO replica; see the head of this module."""

    def on_start(self, recovered: Recovered) -> None:
        """Begin, with what the disk kept of an earlier life."""

    def on_message(self, source: NodeId, message: Any) -> None:
        """A message of a peer arrived."""

    def on_timer(self, name: TimerName) -> None:
        """The timer `name` ran out."""

    def on_durable(self, token: Any) -> None:
        """Everything done to the disk before the matching `disk.sync(token)` is durable."""

    def on_request(self, request: ClientRequest) -> None:
        """A client asks; answer with `context.reply`, now or later."""

    def status(self) -> NodeStatus:
        """Role, term and so on; pure."""


@runtime_checkable
class Administered(Protocol):
    """A node that takes orders of an operator who sits beside it: other members, another leader.

    The operator gets no answer; what comes of an order shows in the status and in probes.
    """

    def on_order(self, order: Command) -> None:
        """Carry out `order`, plain data, or refuse it."""


NodeFactory = Callable[[Context], Node]


@runtime_checkable
class StateMachine(Protocol):
    """Anything that can be replicated: deterministic, without clock, randomness or I/O."""

    def apply(self, command: Command) -> Any:
        """Execute a command and return its result, both plain data."""

    def snapshot(self) -> bytes:
        """The whole state; equal states give equal bytes."""

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by one that `snapshot` returned."""
