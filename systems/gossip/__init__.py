"""Gossip: an eventually consistent store and CRDTs that converge, after Datacake and chitchat.

>>> from systems.gossip import Gossip
>>> Gossip().summary
'gossip: an eventually consistent store with levels, and CRDTs'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.invariant import Invariant
from harness.node import Context, Node, StateMachine
from harness.system import Connection, Flaw, Promise, System
from harness.world import Port
from systems.crdt import Objects
from systems.gossip.connection import GossipConnection, RegisterConnection
from systems.gossip.flaws import FLAWS
from systems.gossip.invariants import gossip_invariants
from systems.gossip.levels import LEVELS
from systems.gossip.messages import MESSAGES
from systems.gossip.node import GossipNode
from systems.gossip.options import PUBLISHED, GossipOptions

__all__ = [
    "LEVELS",
    "PUBLISHED",
    "Gossip",
    "GossipAll",
    "GossipConnection",
    "GossipNode",
    "GossipOne",
    "GossipOptions",
    "GossipQuorum",
]


class Gossip(System):
    """The system `gossip`. Its machine is an `Objects` for CRDTs; the store is always there.

    It promises convergence, not linearizability: a client talks with its home node alone.
    """

    name = "gossip"
    summary = "gossip: an eventually consistent store with levels, and CRDTs"
    messages = MESSAGES
    promise: ClassVar[Promise] = "convergent"
    speaks = ("store",)
    #: If set, clients see registers at this level instead of the commands of the store.
    level: ClassVar[str | None] = None
    flaws: ClassVar[Mapping[str, Flaw]] = {name: flaw for name, (flaw, _) in FLAWS.items()}

    def __init__(self, *, flaw: str | None = None, options: GossipOptions | None = None) -> None:
        super().__init__(flaw=flaw)
        self.options = options or GossipOptions()
        self._node_class = GossipNode if flaw is None else FLAWS[flaw][1]

    def node(self, context: Context, machine: StateMachine) -> Node:
        objects = machine if isinstance(machine, Objects) else Objects()
        return self._node_class(context, objects, self.options)

    def invariants(self) -> Sequence[Invariant]:
        return gossip_invariants(self.options)

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        connection: Connection = GossipConnection(port, session=process + 1, home=home)
        return connection if self.level is None else RegisterConnection(connection, self.level)


class GossipOne(Gossip):
    """The store as a map of registers, read and written at One."""

    name = "gossip-one"
    summary = "the gossip store as registers, read and written at One"
    speaks = ("registers",)
    level = "One"
    flaws: ClassVar[Mapping[str, Flaw]] = {}


class GossipQuorum(Gossip):
    """The store as a map of registers, read and written at Quorum."""

    name = "gossip-quorum"
    summary = "the gossip store as registers, read and written at Quorum"
    speaks = ("registers",)
    level = "Quorum"
    flaws: ClassVar[Mapping[str, Flaw]] = {}


class GossipAll(Gossip):
    """The store as a map of registers, read and written at All."""

    name = "gossip-all"
    summary = "the gossip store as registers, read and written at All"
    speaks = ("registers",)
    level = "All"
    flaws: ClassVar[Mapping[str, Flaw]] = {}
