"""The faults of a plan, in place of the nemesis that thought of them.

>>> script = Scripted([PlannedFault(time_ns=5, f="start-kill")])
>>> script.resolve("start-kill").actions
()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from harness.generators import GeneratorLike
from harness.generators import replay as replayed
from harness.nemesis import Fault
from harness.plan import PlannedFault


class Scripted:
    """Stands in for the nemesis in a replay: the faults of the plan, one after the other."""

    def __init__(self, faults: Sequence[PlannedFault]) -> None:
        self._faults = deque(sorted(faults, key=lambda fault: fault.time_ns))

    def resolve(self, f: str) -> Fault:
        fault = self._faults.popleft()
        assert fault.f == f, f"the plan says {fault.f}, the generator {f}"
        return Fault(value=fault.value, actions=fault.actions)

    def only_heal(self, *, begun: int) -> GeneratorLike:
        """Forget all that is to come but what stops faults, and give that.

        The first `begun` faults have begun and will be resolved in a moment.
        """
        faults = list(self._faults)
        healing = [fault for fault in faults[begun:] if fault.f.startswith("stop-")]
        self._faults = deque([*faults[:begun], *healing])
        return planned(healing)


def planned(faults: Iterable[PlannedFault]) -> GeneratorLike:
    """The nemesis operations of these faults, at their times."""
    return replayed(
        {"time_ns": fault.time_ns, "thread": "nemesis", "f": fault.f} for fault in faults
    )
