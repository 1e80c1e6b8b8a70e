"""Multi-Paxos with a choice of elections, replicating any state machine.

>>> from systems.paxos.multi import MultiPaxos, MultiPaxosGossip
>>> MultiPaxos().options.election, MultiPaxosGossip().options.election
('ping', 'gossip')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.invariant import Invariant
from harness.system import Flaw
from systems.consensus import ConsensusSystem
from systems.paxos.invariants import of_paxos
from systems.paxos.multi.flaws import FLAWS
from systems.paxos.multi.messages import MESSAGES
from systems.paxos.multi.node import MultiPaxosNode
from systems.paxos.options import MultiPaxosOptions

__all__ = ["MultiPaxos", "MultiPaxosGossip", "MultiPaxosNode", "MultiPaxosOptions"]


class MultiPaxos(ConsensusSystem):
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
        self.options: MultiPaxosOptions = options or self.defaults
        self.node_class = MultiPaxosNode if flaw is None else FLAWS[flaw][1]

    def invariants(self) -> Sequence[Invariant]:
        return of_paxos()


class MultiPaxosGossip(MultiPaxos):
    """The system `multipaxos-gossip`: leaders are known by hearsay."""

    name = "multipaxos-gossip"
    summary = "Multi-Paxos; leaders are known by gossiped heartbeats"
    defaults = MultiPaxosOptions(election="gossip")
