"""What the directed schedules of Harpoon have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from harness.node import NodeId
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.harpoon.messages import Append, Canvass, Willing
from systems.harpoon.options import HarpoonOptions
from systems.scenario import Stage

LEASE_NS = HarpoonOptions.lease_ns


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Shows one flaw. The sound system must go through the same without an alarm.

    `alarm` is what is raised with the invariants watching; `alarm_of_clients` what the clients'
    own observations show without them, "" if this schedule is not about what clients notice.
    `options` are for the nodes.
    """

    scenario: Callable[[Stage], Awaitable[object]]
    alarm: str
    alarm_of_clients: str = ""
    options: HarpoonOptions = field(default_factory=HarpoonOptions)

    @property
    def story(self) -> str:
        """What happens, in words."""
        return " ".join((self.scenario.__doc__ or "").split())


async def elect(stage: Stage, wanted: NodeId) -> None:
    """Let `wanted` be the next leader: nobody else's canvassing gets anywhere."""
    rule = stage.drop(Canvass, source=stage.others(wanted))
    await stage.until(lambda: leads(stage, wanted), f"n{wanted} to be elected")
    rule.end()


def leads(stage: Stage, node: NodeId) -> bool:
    """Whether the node runs and leads."""
    return node in stage.world.running and stage.node(node).role == "leader"


async def two_candidates(stage: Stage) -> tuple[NodeId, NodeId]:
    """From the start: two nodes, n1 and n2, stand for election in the same instant.

    The others' canvassing is ignored; who would vote for the two is held back until both ask.
    """
    ignored = stage.drop(Canvass, source=stage.others(1, 2))
    held = stage.hold(Willing)
    await stage.until(
        lambda: all(stage.node(node).role == "pre-candidate" for node in (1, 2)),
        "two nodes to canvass",
    )
    await stage.sleep(2 * MILLISECOND_NS)
    held.release()
    await stage.until(
        lambda: all(stage.node(node).role == "candidate" for node in (1, 2)),
        "two candidates",
    )
    ignored.end()
    return 1, 2


def carries_entries(message: Append) -> bool:
    """For rules that let heartbeats pass."""
    return bool(message.entries)


__all__ = [
    "LEASE_NS",
    "MILLISECOND_NS",
    "SECOND_NS",
    "Schedule",
    "carries_entries",
    "elect",
    "leads",
    "two_candidates",
]
