"""Directed schedules: for each planted flaw, what has to happen for it to do harm.

Random faults find few of these flaws, since most need several things to happen in an order that
chance does not bring about. Each schedule here is a short play on a stage (`systems.scenario`) that
exposes one flaw; sound Harpoon goes through all of them unharmed.

>>> sorted(SCHEDULES)[:2]
['acknowledgement-of-anything', 'applies-the-last-only']
"""

from __future__ import annotations

from systems.harpoon.schedules import elections, leases, replication
from systems.harpoon.schedules.craft import Schedule

__all__ = ["SCHEDULES", "Schedule"]

#: By the name of the flaw.
SCHEDULES: dict[str, Schedule] = {
    **leases.SCHEDULES,
    **elections.SCHEDULES,
    **replication.SCHEDULES,
}
