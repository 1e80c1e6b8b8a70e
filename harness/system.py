"""What a system under test brings: its nodes, a way for clients to talk to them, planted flaws.

A system is registered under the entry point group `splitbrain.systems`, or named as
`package.module:ClassName`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from harness.errors import SplitbrainError, unknown_name
from harness.invariant import Invariant
from harness.node import Command, Context, Message, Node, StateMachine
from harness.world import Port


class Refused(SplitbrainError):
    """The command was surely not executed and never will be: the operation ends `fail`."""


class Unanswered(SplitbrainError):
    """Nobody knows whether the command was or will be executed: the operation ends `info`."""


class Connection(Protocol):
    """One client's conversation with a system, for the life of one process."""

    async def execute(self, command: Command, *, read_only: bool = False) -> Any:
        """The result of `command`. Raises `Refused` or `Unanswered`."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """A bug planted on purpose: what was changed, and what it should lead to."""

    name: str
    change: str
    breaks: str


class System:
    """The base of all systems. Subclasses say how to make a node and a connection.

    An instance is one configuration: which flaw is planted, if any, and the system's options.
    """

    name: ClassVar[str]
    #: One line for `splitbrain list`.
    summary: ClassVar[str]
    #: All message types that its nodes exchange, for wire mode and real networks.
    messages: ClassVar[tuple[type[Message], ...]] = ()
    #: How long it takes the system at most to give a silent leader up: its election timeout or
    #: lease. Comparisons count in this unit.
    patience_ns: ClassVar[int] = 500_000_000
    #: The flaws that can be planted, by name.
    flaws: ClassVar[Mapping[str, Flaw]] = {}

    def __init__(self, *, flaw: str | None = None) -> None:
        if flaw is not None and flaw not in self.flaws:
            raise unknown_name(f"flaw of {self.name}", flaw, self.flaws)
        self.flaw = flaw

    def node(self, context: Context, machine: StateMachine) -> Node:
        """A new replica of `machine`."""
        raise NotImplementedError

    def invariants(self) -> Sequence[Invariant]:
        """Fresh invariants that watch the nodes of one simulated run."""
        return ()

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        """A client's connection; `process` is unique in the run, `home` the node to ask first."""
        raise NotImplementedError


MachineFactory = Callable[[], StateMachine]
