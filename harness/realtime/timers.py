"""Named timers of one node, in real time: at most one pending instance of each name.

>>> async def main():
...     timers = Timers()
...     timers.set("late", 20_000_000)
...     timers.set("early", 1_000_000)
...     timers.set("never", 5_000_000)
...     timers.cancel("never")
...     rung = []
...     async with trio.open_nursery() as nursery:
...         def fire(name):
...             rung.append(name)
...             if name == "late":
...                 nursery.cancel_scope.cancel()
...         nursery.start_soon(timers.run, fire)
...     print(rung)
>>> trio.run(main)
['early', 'late']
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

import trio

from harness.simulation.timers import whole_delay_ns


class Timers:
    """Timers are set and cancelled at any time; `run` calls a function when they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str]] = []
        # name -> number of the heap entry that counts
        self._armed: dict[str, int] = {}
        self._number = 0
        self._changed = trio.Event()

    def set(self, name: str, delay_ns: int) -> None:
        """(Re)arm `name`. Raises Misuse for a delay that is none."""
        if delay_ns.__class__ is not int or delay_ns < 0:
            delay_ns = whole_delay_ns(name, delay_ns)
        self._number += 1
        self._armed[name] = self._number
        heapq.heappush(self._heap, (time.monotonic_ns() + delay_ns, self._number, name))
        self._changed.set()

    def cancel(self, name: str) -> None:
        """Disarm `name`, if it is armed."""
        self._armed.pop(name, None)

    async def run(self, fire: Callable[[str], None]) -> None:
        """Call `fire` with the name of each timer that runs out, for ever."""
        while True:
            self._changed = trio.Event()
            remaining_ns = self._fire_due(fire)
            if remaining_ns is None:
                await self._changed.wait()
            else:
                with trio.move_on_after(remaining_ns / 1e9):
                    await self._changed.wait()

    def _fire_due(self, fire: Callable[[str], None]) -> int | None:
        """Fire what is due; how long until the next one, None without any."""
        heap = self._heap
        while heap:
            deadline_ns, number, name = heap[0]
            if self._armed.get(name) != number:
                heapq.heappop(heap)
                continue
            remaining_ns = deadline_ns - time.monotonic_ns()
            if remaining_ns > 0:
                return remaining_ns
            heapq.heappop(heap)
            del self._armed[name]
            fire(name)
        return None
