"""What the directed schedules of both Paxos families have in common; they are in tests/systems.

Their options slow elections down, so that nobody leads but whom a scenario makes lead.
"""

from __future__ import annotations

from typing import Any

from harness.node import NodeId
from harness.units import MILLISECOND_NS
from systems.scenario import Stage, Stuck, tried

#: For `a_write_on_slow_disks`.
SLOW_DISK: dict[str, Any] = {"flush_ns": (5 * MILLISECOND_NS, 5 * MILLISECOND_NS)}


async def lead(stage: Stage, node: NodeId) -> None:
    """Make `node` lead; one that was cut off may have to stand up more than once."""
    for _ in range(10):
        stage.node(node).election.try_to_lead()
        for _ in range(10):
            await stage.sleep(3 * MILLISECOND_NS)
            if stage.node(node).leads:
                return
    raise Stuck(f"n{node} cannot be made to lead")


async def a_deposed_leader_is_asked(stage: Stage) -> None:
    await lead(stage, 5)
    await stage.client(5).write("x", 1)
    stage.isolate(5)
    await lead(stage, 4)
    await stage.client(4).write("x", 2)
    await tried(stage.pinned(5).read("x"))


async def a_write_on_slow_disks(stage: Stage) -> None:
    await lead(stage, 5)
    await stage.client(5).write("x", 1)
