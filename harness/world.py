"""What clients and nemeses see of the system under test, whichever world it runs in.

Faults are *actions*: lists of plain data such as `["crash", 3, "torn"]`, so that a plan can be
written down, edited and replayed without the code that thought of it. Nodes are numbered from 1;
endpoint numbers above those of the nodes are clients.

| action                                      | meaning                                          |
|---------------------------------------------|--------------------------------------------------|
| `["cut", source, destination]`              | stop one direction of a link; cuts stack         |
| `["mend", source, destination]`             | take one cut away                                |
| `["slow", source, destination, extra_ns, loss_ratio]` | delay and lose messages of a link      |
| `["fast", source, destination]`             | undo slow                                        |
| `["clog", source, destination, duration_ns]`| hold all messages of a link for a while          |
| `["crash", node, mode]`                     | kill a node; mode: clean, prefix, torn, wipe     |
| `["restart", node]`                         | start a crashed node from its disk               |
| `["pause", node]`, `["resume", node]`       | freeze a node and let it go on                   |
| `["skew", node, offset_ns, rate_ppm]`       | step a node's wall clock, change its drift       |
| `["order", node, order]`                    | an operator at a node that is up orders something|

What nodes can be ordered is their system's affair, such as `["remove", 3]` (see
`harness.node.Administered`); a node that takes no orders is left in peace.

An action that is already so (restarting a node that runs) does nothing, so that any subset of a
plan can be replayed.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from random import Random
from typing import Any, Protocol, TypeVar

from harness.node import ClientReply, Command, NodeStatus

Action = list[Any]

_Result = TypeVar("_Result")


class Port(Protocol):
    """A client's way to the nodes: one endpoint of the network."""

    async def call(
        self,
        node: int,
        command: Command,
        *,
        session: int,
        serial: int,
        read_only: bool,
        timeout_ns: int,
    ) -> ClientReply | None:
        """Send one request to `node` and wait for its reply; None if none came in time."""

    async def sleep_ns(self, duration_ns: int) -> None:
        """Wait."""

    async def errand(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """The result of `coroutine`, which waits by `call` and `sleep_ns` of this port alone.

        The same as to await it, but in simulation much cheaper where it waits more than once.
        """


class World(Protocol):
    """A running system with its network, seen from outside."""

    @property
    def now_ns(self) -> int:
        """Time since the start of the run."""

    @property
    def nodes(self) -> tuple[int, ...]:
        """The ids of all nodes."""

    @property
    def running(self) -> tuple[int, ...]:
        """The ids of the nodes that are neither crashed nor paused."""

    def status(self, node: int) -> NodeStatus | None:
        """What the node says of itself; None while it is down."""

    def leader(self) -> int | None:
        """The running node that leads in the highest term, if any."""

    def stream(self, *name: str | int) -> Random:
        """The stream of randomness for the purpose `name`."""

    def port(self, client: int) -> Port:
        """The endpoint of client number `client`, counted from 0."""

    async def perform(self, actions: Sequence[Action]) -> None:
        """Do the actions of the table above, in order."""
