"""Harpoon, the leader-lease consensus of Rasputin, corrected, replicating any state machine.

>>> from systems.harpoon import Harpoon
>>> Harpoon().summary
'Harpoon: leader leases, log transfer with the vote, reads without a round trip'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.invariant import Invariant
from harness.system import Flaw
from systems.consensus import ConsensusSystem
from systems.harpoon.flaws import FLAWS
from systems.harpoon.invariants import LeaseBacked, PromiseKept, Silence
from systems.harpoon.messages import MESSAGES
from systems.harpoon.node import HarpoonNode
from systems.harpoon.options import HarpoonOptions
from systems.invariants import of_terms

__all__ = ["Harpoon", "HarpoonNode", "HarpoonOptions"]


class Harpoon(ConsensusSystem):
    """The system `harpoon`; see `systems.harpoon.node` for the algorithm."""

    name = "harpoon"
    summary = "Harpoon: leader leases, log transfer with the vote, reads without a round trip"
    messages = MESSAGES
    patience_ns = HarpoonOptions.lease_ns
    flaws: ClassVar[Mapping[str, Flaw]] = {name: flaw for name, (flaw, _) in FLAWS.items()}

    def __init__(self, *, flaw: str | None = None, options: HarpoonOptions | None = None) -> None:
        super().__init__(flaw=flaw)
        self.options: HarpoonOptions = options or HarpoonOptions()
        self.node_class = HarpoonNode if flaw is None else FLAWS[flaw][1]

    def invariants(self) -> Sequence[Invariant]:
        return of_terms(LeaseBacked(), PromiseKept(), Silence(), leases=True)
