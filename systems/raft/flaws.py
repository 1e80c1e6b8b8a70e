"""All planted flaws of Raft by name: sound Raft with one thing wrong, each a few lines.

>>> len(FLAWS), FLAWS["longest-log-wins"].flaw.breaks
(44, 'a long tail that was never committed wins over what was')
"""

from __future__ import annotations

from systems.raft import flaws_elections, flaws_reads, flaws_replication, flaws_storage
from systems.raft.planted import Planted, by_name

FLAWS: dict[str, Planted] = by_name(
    *flaws_elections.FLAWS, *flaws_replication.FLAWS, *flaws_reads.FLAWS, *flaws_storage.FLAWS
)
