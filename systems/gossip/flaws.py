"""All planted flaws of the gossip system, by name: the sound system with one thing wrong.

>>> len(FLAWS), FLAWS["removals-first"][0].change[:2]
(30, 'B:')
"""

from __future__ import annotations

from harness.system import Flaw
from systems.gossip import flaws_of_datacake, flaws_of_ours
from systems.gossip.node import GossipNode

FLAWS: dict[str, tuple[Flaw, type[GossipNode]]] = {
    flaw.name: (flaw, variant)
    for module in (flaws_of_datacake, flaws_of_ours)
    for flaw, variant in module.FLAWS
}
