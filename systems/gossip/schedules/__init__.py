"""Directed schedules: for each planted flaw, what has to happen for it to do harm.

Each is a short play on a stage (`systems.scenario`) that exposes one flaw; the sound system goes
through all of them unharmed.

>>> len(SCHEDULES), SCHEDULES["removals-first"].story
(30, 'n1 writes one key and deletes another within one batch.')
"""

from __future__ import annotations

from systems.gossip.schedules import datacake, ours
from systems.gossip.schedules.craft import Schedule

__all__ = ["SCHEDULES", "Schedule"]

#: By the name of the flaw.
SCHEDULES: dict[str, Schedule] = {**datacake.SCHEDULES, **ours.SCHEDULES}
