"""Ends a run whose node never comes back: an endless loop in it is a bug of it, and a verdict.

Now and then, after some processor time, the main thread is interrupted (SIGVTALRM) and looks
whether the world has moved. If a node has been at one and the same event for all of `LIMIT_S`,
an `Endless` is raised right there, in its code, which the world turns into a `NodeFailure`.

    event ──▶ node ──▶ (a loop) ◀── look ◀── SIGVTALRM every `LOOK_S` of processor time
                          │
                       Endless ──▶ NodeFailure, with the line that never ended

Nothing is done per event. Processor time is not wall time: a debugger that waits, or a machine
that sleeps, costs none of it.

Limits: the main thread, and systems that have such timers. A node that waits for something (a
lock, a socket) is not seen, nor one that is inside a call of C; Ctrl-C tells where a run is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from harness.child import LIMIT_S, LOOK_S
from harness.simulation.failure import Endless
from harness.simulation.guard import is_inside

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld


@contextmanager
def watched(world: SimulatedWorld) -> Iterator[None]:
    """While this lasts, no node of `world` may be at one event for ever."""
    possible = hasattr(signal, "setitimer") and (
        threading.current_thread() is threading.main_thread()
    )
    if not possible:
        yield
        return
    seen: tuple[int, str] | None = None
    looks = 0

    def look(number: int, frame: FrameType | None) -> None:
        nonlocal seen, looks
        now = (world.now_ns, world.digest) if is_inside() else None
        looks = looks + 1 if now == seen and now is not None else 0
        seen = now
        if looks >= LIMIT_S // LOOK_S:
            raise Endless(
                f"A node did not come back from one event within {LIMIT_S} s of processor time. "
                "Usually a loop in it never ends."
            )

    before: Any = signal.signal(signal.SIGVTALRM, look)
    earlier = signal.setitimer(signal.ITIMER_VIRTUAL, LOOK_S, LOOK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, *earlier)
        signal.signal(signal.SIGVTALRM, before)
