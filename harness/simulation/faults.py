"""Actions in the simulated world: the table in `harness.world`, row by row.

>>> from harness.simulation.world import SimulatedWorld
>>> SimulatedWorld(seed=1, nodes=0, clients=2).act(["cut", 1, 77])
Traceback (most recent call last):
    ...
harness.errors.UsageError: There is no endpoint 77; this world has no nodes, clients 1 to 2.
The action was ['cut', 1, 77], and its form is ["cut", source, destination].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld

#: What comes after each verb; in brackets what may be left out.
_FORMS = {
    "cut": ("source", "destination"),
    "mend": ("source", "destination"),
    "fast": ("source", "destination"),
    "slow": ("source", "destination", "extra_ns", "loss_ratio"),
    "clog": ("source", "destination", "duration_ns"),
    "crash": ("node", "[mode]"),
    "restart": ("node",),
    "pause": ("node",),
    "resume": ("node",),
    "skew": ("node", "offset_ns", "rate_ppm"),
    "order": ("node", "order"),
}
VERBS = tuple(_FORMS)


def carry_out(world: SimulatedWorld, verb: str, arguments: Sequence[Any]) -> None:
    """Do one action, now. Raises UsageError for an unknown verb, and for wrong arguments."""
    if verb not in VERBS:
        raise unknown_name("action", str(verb), VERBS)
    complaint = _complaint(world, _FORMS[verb], arguments)
    if complaint:
        form = ", ".join([f'"{verb}"', *_FORMS[verb]])
        raise UsageError(
            f"{complaint}\nThe action was {[verb, *arguments]}, and its form is [{form}]."
        )
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


def _complaint(world: SimulatedWorld, form: Sequence[str], arguments: Sequence[Any]) -> str:
    """What is wrong with the arguments of an action; empty if nothing is."""
    needed = sum(not name.startswith("[") for name in form)
    if not needed <= len(arguments) <= len(form):
        return f"It has too {'few' if len(arguments) < needed else 'many'} arguments."
    for name, given in zip(form, arguments, strict=False):
        whole = isinstance(given, int)
        if name == "node" and not (whole and given in world.nodes):
            return f"There is no node {given!r}; {world.describe_endpoints()}."
        if name in ("source", "destination") and not (whole and 1 <= given < world.network.stride):
            return f"There is no endpoint {given!r}; {world.describe_endpoints()}."
        if name.endswith(("_ns", "_ppm")) and not whole:
            return f"{name} is {given!r}; it must be a whole number."
    return ""
