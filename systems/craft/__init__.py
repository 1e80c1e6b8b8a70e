"""The C library raft (libraft 0.15.0 as Debian packages it) inside our simulator.

    node.py       events in, answers out           messages.py   what goes over the network
    backend.py    what the library asks for        storage.py    what goes to the disk
    library.py    its callbacks                    membership.py orders of operators
    native.py     compiling and caching            delivery.py   arguments of its functions
    glue.c, binding.h

Nothing of the library is changed: its table of inputs and outputs is served by a node's context.
It may kill the process that it runs in, so that its runs have one of their own.

>>> Craft.foreign, Craft.name
(True, 'craft')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.invariant import Invariant
from harness.node import Context, Node, StateMachine
from harness.system import Connection, System
from harness.world import Port
from systems.connection import SessionConnection
from systems.craft import native
from systems.craft.messages import MESSAGES
from systems.craft.node import CraftNode
from systems.craft.options import CraftOptions
from systems.invariants import (
    AckSoundness,
    CommitMonotone,
    ElectionSafety,
    LeaderAppendOnly,
    LeaderCompleteness,
    LogMatching,
    NodeInvariant,
    StateAgreement,
    StateMachineSafety,
    TermMonotone,
    VoteOnce,
    Watch,
)

__all__ = ["Craft", "CraftAsInDqlite", "CraftCompact", "CraftNode", "CraftOptions", "CraftStrict"]


class Craft(System):
    """The system `craft`."""

    name = "craft"
    summary = "the C library raft of canonical-raft, unmodified (libraft 0.15.0)"
    messages = MESSAGES
    patience_ns = 2_000_000_000
    foreign = True
    #: Invariants that end a run at the cause, before any damage is done.
    causes: ClassVar[tuple[type[NodeInvariant], ...]] = ()

    #: What this variant has other than the defaults of `CraftOptions`.
    settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *, flaw: str | None = None, options: CraftOptions | None = None) -> None:
        super().__init__(flaw=flaw)
        self.options = options or CraftOptions(**self.settings)
        native.module()  # compiled before anything is run, so that what is missing is said at once

    @classmethod
    def unavailable(cls) -> str | None:
        return native.missing()

    def node(self, context: Context, machine: StateMachine) -> Node:
        return CraftNode(context, machine, self.options)

    def invariants(self) -> Sequence[Invariant]:
        return [
            Watch(
                [
                    ElectionSafety(),
                    VoteOnce(),
                    TermMonotone(),
                    LeaderAppendOnly(),
                    LogMatching(),
                    StateMachineSafety(),
                    CommitMonotone(),
                    StateAgreement(),
                    *(invariant() for invariant in self.causes),
                ]
            )
        ]

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        return SessionConnection(port, session=process + 1, nodes=nodes, home=home)


class CraftStrict(Craft):
    """False acknowledgements, and leaders that lack something decided, end a run at once. Without
    this it goes on until two entries are decided at one index, or a client sees it.

    It is not in the catalog, but can be named as `systems.craft:CraftStrict`.
    """

    name = "craft-strict"
    summary = "the same, watched for the causes of damage as well"
    causes = (AckSoundness, LeaderCompleteness)


class CraftCompact(Craft):
    """Logs are short, as after a long time of work; to be named as `systems.craft:CraftCompact`."""

    name = "craft-compact"
    summary = "the same with a snapshot every 20 entries, of which 5 stay in the log"
    settings: ClassVar[Mapping[str, Any]] = {"snapshot_threshold": 20, "trailing": 5}


class CraftAsInDqlite(Craft):
    """Reads ask for a barrier as the library's best known user, dqlite, has them do it: a leader
    that has applied all of its log answers at once. It is `systems.craft:CraftAsInDqlite`."""

    name = "craft-as-in-dqlite"
    summary = "the same, with barriers for reads only while something is not applied yet"
    settings: ClassVar[Mapping[str, Any]] = {"always_barrier": False}
