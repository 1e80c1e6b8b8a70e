"""All planted flaws of Harpoon, by name: sound Harpoon with one thing wrong.

Most are behaviours of Rasputin as it was published; the others are mistakes that its correction
invites.

>>> len(FLAWS), FLAWS["longest-log"][0].breaks
(25, 'what a former leader never committed replaces what was committed since')
"""

from __future__ import annotations

from harness.system import Flaw
from systems.harpoon import flaws_elections, flaws_leases, flaws_replication
from systems.harpoon.node import HarpoonNode

FLAWS: dict[str, tuple[Flaw, type[HarpoonNode]]] = {
    flaw.name: (flaw, variant)
    for module in (flaws_leases, flaws_elections, flaws_replication)
    for flaw, variant in module.FLAWS
}
