"""What a system under test brings: its nodes, a way for clients to talk to them, planted flaws.

A system is registered under the entry point group `splitbrain.systems`, or named as
`package.module:ClassName`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from harness.errors import SplitbrainError, UsageError, unknown_name
from harness.invariant import Invariant
from harness.node import Command, Context, Message, Node, StateMachine
from harness.world import Port

#: "linearizable": every object behaves as if there were one copy of it. "convergent": any node
#: answers with what it has, and all of them have the same soon after the last change and fault.
Promise = Literal["linearizable", "convergent"]

#: What clients can talk to. "machine": commands of whatever state machine the workload brings;
#: "registers": those of `systems.machines.KeyValue`, the system's own; "store": puts, deletes and
#: gets at consistency levels, CRDTs, members and timestamps (`docs/systems/gossip.md`).
LANGUAGES: Mapping[str, str] = {
    "machine": "a replicated state machine of any kind",
    "registers": "registers",
    "store": "a store with consistency levels and CRDTs",
}


class Refused(SplitbrainError):
    """The command was surely not executed and never will be: the operation ends `fail`.

    The text says why, and becomes the error of the completion, even where it is empty. So no check
    takes it for an observation: a `cas` that is refused has seen nothing.
    """


class Mismatch(SplitbrainError):
    """The command was executed, found another value than it expected, and changed nothing.

    The operation ends `fail` without an error, which checks take for the observation that it is.
    See "A client of your own" in `docs/workloads.md`.
    """


class Unanswered(SplitbrainError):
    """Nobody knows whether the command was or will be executed: the operation ends `info`."""


class Unavailable(UsageError):
    """The system cannot be had here; the text says why, and the cure."""


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
    #: What clients may rely on; workloads judge by it.
    promise: ClassVar[Promise] = "linearizable"
    #: In which of `LANGUAGES` it can be talked to; a workload fits if it knows one of them.
    speaks: ClassVar[tuple[str, ...]] = ("machine",)
    #: How long it takes the system at most to give a silent leader up: its election timeout or
    #: lease. Comparisons count in this unit.
    patience_ns: ClassVar[int] = 500_000_000
    #: The flaws that can be planted, by name.
    flaws: ClassVar[Mapping[str, Flaw]] = {}
    #: Whether its nodes run native code that may kill the process. Its runs then happen in a child
    #: process, whose death is a verdict (see `harness.foreign`).
    foreign: ClassVar[bool] = False

    def __init__(self, *, flaw: str | None = None) -> None:
        if flaw is not None and flaw not in self.flaws:
            raise unknown_name(f"flaw of {self.name}", flaw, self.flaws)
        self.flaw = flaw

    @classmethod
    def unavailable(cls) -> str | None:
        """Why it cannot run here, and the cure; None if it can. Looks only, and is quick."""
        return None

    def node(self, context: Context, machine: StateMachine) -> Node:
        """A new replica of `machine`."""
        raise NotImplementedError

    def invariants(self) -> Sequence[Invariant]:
        """Fresh invariants that watch the nodes of one simulated run."""
        return ()

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        """A client's connection; `process` is unique in the run, `home` the node to ask first."""
        raise NotImplementedError
