"""Wall clocks that jump, and clocks that run fast or slow.

Fault model: the wall clock of a node steps forwards or backwards, as when somebody sets it or a
time server corrects it; and its clocks, the monotonic one too, run fast or slow. The step stays
through crashes and restarts of the node. No monotonic clock ever steps, and none runs wrong by
more than a deployment promises (`harness.simulation.clock`: 1000 ppm), so that leases that are
counted in monotonic time must hold. When the fault stops, the step is taken back and the clock
runs true.

| draw   | among                                                                       |
|--------|-----------------------------------------------------------------------------|
| target | one, leader, minority, majority, all (equally)                              |
| kind   | step, drift, both (equally)                                                 |
| step   | of each node: forwards or backwards, 1 ms to 262 s, doubling (as in Jepsen) |
| drift  | of each node: -900 to 900 ppm                                               |
"""

from __future__ import annotations

from random import Random
from typing import Any

from harness.nemesis import Fault, Nemesis, node_names
from harness.units import MILLISECOND_NS
from harness.world import World
from nemeses.targets import TARGETS, pick

KINDS = ("step", "drift", "both")
#: Steps are powers of two in milliseconds, up to this one.
LONGEST_STEP = 18
#: Less than what is promised, so that arithmetic in whole numbers never exceeds it.
DRIFT_PPM_MAX = 900


class Clock(Nemesis):
    """Steps wall clocks, lets clocks drift, and sets both right."""

    name = "clock"
    summary = "wall clocks that jump, clocks that run fast or slow"
    faults = ("clock",)

    def __init__(self) -> None:
        self._steps_ns: dict[int, int] = {}

    def start(self, fault: str, world: World, random: Random) -> Fault:
        target = random.choice(TARGETS)
        kind = random.choice(KINDS)
        nodes = pick(target, world.nodes, leader=world.leader(), random=random)
        steps_ms = {
            node: random.choice((-1, 1)) << random.randint(0, LONGEST_STEP) for node in nodes
        }
        drifts_ppm = {node: random.randint(-DRIFT_PPM_MAX, DRIFT_PPM_MAX) for node in nodes}
        if kind == "step":
            drifts_ppm = dict.fromkeys(nodes, 0)
        elif kind == "drift":
            steps_ms = dict.fromkeys(nodes, 0)
        value: dict[str, Any] = {"target": target}
        if kind != "drift":
            value["step_ms"] = _by_name(steps_ms)
        if kind != "step":
            value["drift_ppm"] = _by_name(drifts_ppm)
        self._steps_ns = {node: step * MILLISECOND_NS for node, step in steps_ms.items()}
        return Fault(
            value=value,
            actions=[
                ["skew", node, step_ns, drifts_ppm[node]]
                for node, step_ns in self._steps_ns.items()
            ],
        )

    def stop(self, fault: str, world: World) -> Fault:
        stepped, self._steps_ns = self._steps_ns, {}
        return Fault(
            value={"right": node_names(list(stepped))},
            actions=[["skew", node, -step_ns, 0] for node, step_ns in stepped.items()],
        )


def _by_name(values: dict[int, int]) -> dict[str, int]:
    return dict(zip(node_names(list(values)), values.values(), strict=True))
