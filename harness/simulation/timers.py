"""The named timers of nodes, as entries of the world's heap.

A node sets its election timer anew with every message, long before it would ring. So at most one
heap entry of a timer counts, and a later deadline leaves that entry where it is; when it comes up
too early, it is put back for the rest of the time.

    set for 100     heap: 100              set again for 180: nothing happens
    at 100          heap: 180              too early, so it is armed anew
    at 180          the timer rings

>>> from harness.simulation.world import SimulatedWorld
>>> from harness.node import NodeStatus
>>> class Sleeper:
...     def __init__(self, context): self.context = context
...     def on_start(self, recovered):
...         self.context.set_timer("wake up", 100)
...         self.context.set_timer("wake up", 180)
...     def on_timer(self, name): print(name, "at", self.context.clock.monotonic_ns())
...     def status(self): return NodeStatus(role="asleep")
>>> SimulatedWorld(seed=1, nodes=1, clients=0, factory=Sleeper, drift_ppm=0).run()
wake up at 180
False
"""

from __future__ import annotations

import zlib
from operator import index
from typing import TYPE_CHECKING, Any

from harness.simulation.failure import Misuse
from harness.simulation.recording import Event

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld

#: More timers than this at one instant are an endless loop.
MAXIMUM_RINGS = 100_000


class Timer:
    """One named timer of one incarnation of a node.

    `deadline_ns` is when it is to ring, -1 if it is not set. `armed_ns` is the time of the heap
    entry that counts, -1 if none does.
    """

    __slots__ = ("armed_ns", "deadline_ns", "name", "node", "number")

    def __init__(self, node: int, name: str, number: int) -> None:
        self.node = node
        self.name = name
        self.number = number
        self.deadline_ns = -1
        self.armed_ns = -1


class Timers:
    """All timers of one world."""

    __slots__ = ("_last_ring_ns", "_numbers", "_rings", "_world")

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world
        self._numbers: dict[str, int] = {}
        self._last_ring_ns = -1
        self._rings = 0

    def number(self, name: str) -> int:
        """A number for the name: of the name alone, so that the digest tells names apart."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = zlib.crc32(name.encode())
        return number

    def came_up(self, event: Event) -> None:
        """The heap entry of a timer came up: it rings, waits on, or does not count any more."""
        world, timer = self._world, event[5]
        now_ns = world.now_ns
        if now_ns != timer.armed_ns:
            return  # superseded by an earlier deadline, or its node has crashed
        if world.lives.states[timer.node]:  # paused: of what has crashed nothing counts
            world.lives.held[timer.node].append(event)
            return
        timer.armed_ns = -1
        deadline_ns = timer.deadline_ns
        if deadline_ns > now_ns:
            world.push_timer(timer, deadline_ns)
        elif deadline_ns >= 0:
            timer.deadline_ns = -1
            self._count(timer)
            world.fired(timer)

    def _count(self, timer: Timer) -> None:
        """Raises Misuse once so many timers have rung that time seems to stand still."""
        now_ns = self._world.now_ns
        if now_ns != self._last_ring_ns:
            self._last_ring_ns = now_ns
            self._rings = 0
        self._rings += 1
        if self._rings > MAXIMUM_RINGS:
            raise Misuse(
                f"Timers rang {MAXIMUM_RINGS:,} times at {now_ns / 1e9:.6f} s, and time does "
                f"not go on; the last one is {timer.name!r} of n{timer.node}. Usually a node sets "
                "a timer with delay 0 whenever it rings."
            )


def whole_delay_ns(name: str, delay_ns: Any) -> int:
    """The delay as an int, such as one of numpy's. Raises Misuse for what is no delay."""
    try:
        if index(delay_ns) >= 0:
            return index(delay_ns)
    except TypeError:
        pass
    raise Misuse(
        f"A node set its timer {name!r} to ring in {delay_ns!r} ns. A delay is a whole number of "
        "nanoseconds, 0 or more. Usually it was meant in seconds (half a second is 500_000_000), "
        "or a deadline has already passed: max(0, deadline_ns - context.clock.monotonic_ns())."
    )
