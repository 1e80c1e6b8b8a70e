"""OmniPaxos and Multi-Paxos, replicating any state machine.

>>> from systems.paxos import OmniPaxos
>>> OmniPaxos().summary
'OmniPaxos as published in 2023: elections by quorum-connectedness, Sequence Paxos'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.invariant import Invariant
from harness.system import Flaw
from systems.consensus import ConsensusSystem
from systems.paxos.flaws import FLAWS
from systems.paxos.flaws_of_groups import FLAWS as FLAWS_OF_GROUPS
from systems.paxos.invariants import of_paxos
from systems.paxos.messages import MESSAGES
from systems.paxos.node import OmniPaxosNode
from systems.paxos.options import OmniPaxosOptions

_FLAWS = {**FLAWS, **FLAWS_OF_GROUPS}

__all__ = ["OmniPaxos", "OmniPaxosHappy", "OmniPaxosNode", "OmniPaxosOptions"]


class OmniPaxos(ConsensusSystem):
    """The system `omnipaxos`; see `systems.paxos.node` for the algorithm."""

    name = "omnipaxos"
    summary = "OmniPaxos as published in 2023: elections by quorum-connectedness, Sequence Paxos"
    messages = MESSAGES
    patience_ns = OmniPaxosOptions.round_ns
    flaws: ClassVar[Mapping[str, Flaw]] = {name: flaw for name, (flaw, _) in _FLAWS.items()}
    #: What is not said otherwise.
    defaults: ClassVar[OmniPaxosOptions] = OmniPaxosOptions()

    def __init__(self, *, flaw: str | None = None, options: OmniPaxosOptions | None = None) -> None:
        super().__init__(flaw=flaw)
        self.options: OmniPaxosOptions = options or self.defaults
        self.node_class = OmniPaxosNode if flaw is None else _FLAWS[flaw][1]

    def invariants(self) -> Sequence[Invariant]:
        return of_paxos()


class OmniPaxosHappy(OmniPaxos):
    """The system `omnipaxos-happy`: the election of the published library."""

    name = "omnipaxos-happy"
    summary = "OmniPaxos with the election of its library: a leader stays while anybody is happy"
    flaws: ClassVar[Mapping[str, Flaw]] = {}
    defaults = OmniPaxosOptions(election="happy")
