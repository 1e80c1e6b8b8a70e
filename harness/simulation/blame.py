"""Whose error it is that came out of an event, and in words what was under way.

the event's own node raised it            ─▶ NodeFailure of that node
a message made it when it arrived         ─▶ NodeFailure of whoever had sent it
a client, a fault, the harness itself     ─▶ the error as it is
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, SupportsIndex

from harness.errors import SplitbrainError, UsageError
from harness.places import placed
from harness.simulation.failure import Endless, Misuse
from harness.simulation.recording import Event
from harness.simulation.trace import CALL, DISK, MESSAGE, TIMER, WAKE

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld


def sent_to_nobody(world: SimulatedWorld, source: int, destination: Any, message: Any) -> Exception:
    """The error of whoever sends to an endpoint that does not exist."""
    if source <= len(world.nodes):
        return Misuse(
            f"A node sent {message!r} to {destination!r}, which is nobody: "
            f"{world.describe_endpoints()}. Usually a number was computed, or 0 stood for "
            "nobody; context.peers has the other nodes."
        )
    return UsageError(
        f"{world.name(source)} calls {destination!r}, which is nobody: "
        f"{world.describe_endpoints()}. Usually a node hinted at it in a ClientReply, whose "
        "hint is the number of a node, or 0 if it knows none."
    )


def explained(world: SimulatedWorld, event: Event | None, error: BaseException) -> BaseException:
    """What an error that came out of `event` means to the run; Ctrl-C is told where it was."""
    if isinstance(error, KeyboardInterrupt):
        error.add_note(_whereabouts(world, event, error))
    if event is None or not is_of_code(error):
        return error
    if not isinstance(event[3], SupportsIndex):  # 2.0 is not 2
        wrong = sent_to_nobody(world, event[4], event[3], event[5])
        return world.lives.failure(event[4], "its message arrived", wrong)
    handled = _handled(world, event)
    if handled is not None:
        return world.lives.failure(*handled, error)
    if isinstance(error, Misuse) and event[2] == MESSAGE:
        return sender_of(world, event, error)
    return error


def is_of_code(error: BaseException) -> bool:
    """Whether `error` is the doing of the code that it came out of: neither the harness's own word
    about a run, as of an invariant, nor Ctrl-C."""
    if isinstance(error, SplitbrainError):
        return isinstance(error, Misuse)
    return isinstance(error, Exception | SystemExit | Endless)


def sender_of(world: SimulatedWorld, event: Event, error: Exception) -> Exception:
    """An error that a message made when it arrived is that of the node that sent it."""
    destination, source = event[3:5]
    if source > len(world.nodes):
        return error
    return world.lives.failure(source, f"its message to {world.name(destination)} arrived", error)


def _whereabouts(world: SimulatedWorld, event: Event | None, error: BaseException) -> str:
    """Where Ctrl-C has met the world."""
    handled = None if event is None else _handled(world, event)
    told = f"It was at {world.now_ns / 1e9:.6f} s of simulated time"
    if handled is not None:
        told += f", in n{handled[0]} while {handled[1]}"
    return placed(told, error)


def _handled(world: SimulatedWorld, event: Event) -> tuple[int, str] | None:
    """Which node handles `event`, and in words what that is; None if no node does."""
    kind, node, source, payload = event[2:6]
    if kind in (CALL, WAKE) or node > len(world.nodes):
        return None
    if kind == TIMER:
        return node, f"it handled its timer {payload.name!r}"
    if kind == DISK:
        return node, "it handled the end of a flush"
    with suppress(UsageError):
        payload = world.log.decode(payload)
    return node, f"it handled the message {payload!r} from {world.name(source)}"
