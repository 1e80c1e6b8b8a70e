"""Actions in the simulated world: the table in `harness.world`, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import unknown_name

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld

VERBS = (
    *("cut", "mend", "fast", "slow", "clog", "crash", "restart", "pause", "resume", "skew"),
    "order",
)


def carry_out(world: SimulatedWorld, verb: str, arguments: Sequence[Any]) -> None:
    """Do one action, now. Raises UsageError for an unknown verb."""
    match verb:
        case "cut" | "mend" | "fast":
            getattr(world.network, verb)(*arguments)
        case "slow":
            source, destination, extra_ns, loss_ratio = arguments
            world.network.slow(source, destination, extra_ns=extra_ns, loss_ratio=loss_ratio)
        case "clog":
            source, destination, duration_ns = arguments
            world.network.clog(source, destination, world.now_ns + duration_ns)
        case "crash" | "restart" | "pause" | "resume":
            getattr(world.lives, verb)(*arguments)
        case "skew":
            node, offset_ns, rate_ppm = arguments
            world.lives.skew(node, offset_ns=offset_ns, rate_ppm=rate_ppm)
        case "order":
            node, order = arguments
            world.call_at(world.now_ns, partial(world.lives.order, node, order))
        case _:
            raise unknown_name("action", str(verb), VERBS)
