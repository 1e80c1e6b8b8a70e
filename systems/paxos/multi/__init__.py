"""Multi-Paxos with a choice of elections, replicating any state machine.

>>> from systems.paxos.multi import MultiPaxos, MultiPaxosGossip
>>> MultiPaxos().options.election, MultiPaxosGossip().options.election
('ping', 'gossip')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.invariant import Invariant
from harness.node import Context, Node, StateMachine
from harness.system import Connection, Flaw, System
from harness.world import Port
from systems.connection import SessionConnection
from systems.paxos.invariants import of_paxos
from systems.paxos.multi.flaws import FLAWS
from systems.paxos.multi.messages import MESSAGES
from systems.paxos.multi.node import MultiPaxosNode
from systems.paxos.options import MultiPaxosOptions

__all__ = ["MultiPaxos", "MultiPaxosGossip", "MultiPaxosNode", "MultiPaxosOptions"]


class MultiPaxos(System):
    """The system `multipaxos`; see `systems.paxos.multi.node` for the algorithm."""

    name = "multipaxos"
    summary = "Multi-Paxos; a leader is whoever is heard to ping"
    messages = MESSAGES
    patience_ns = MultiPaxosOptions.round_ns
    flaws: ClassVar[Mapping[str, Flaw]] = {name: flaw for name, (flaw, _) in FLAWS.items()}
    #: What is not said otherwise.
    defaults: ClassVar[MultiPaxosOptions] = MultiPaxosOptions()

    def __init__(
        self, *, flaw: str | None = None, options: MultiPaxosOptions | None = None
    ) -> None:
        super().__init__(flaw=flaw)
        self.options = options or self.defaults
        self._node_class = MultiPaxosNode if flaw is None else FLAWS[flaw][1]

    def node(self, context: Context, machine: StateMachine) -> Node:
        return self._node_class(context, machine, self.options)

    def invariants(self) -> Sequence[Invariant]:
        return of_paxos()

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        return SessionConnection(port, session=process + 1, nodes=nodes, home=home)


class MultiPaxosGossip(MultiPaxos):
    """The system `multipaxos-gossip`: leaders are known by hearsay."""

    name = "multipaxos-gossip"
    summary = "Multi-Paxos; leaders are known by gossiped heartbeats"
    defaults = MultiPaxosOptions(election="gossip")
