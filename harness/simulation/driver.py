"""Runs trio tasks in virtual time, one at a time, so that trio has nothing to shuffle.

    trio: all tasks are blocked ──▶ Clock.deadline_to_sleep_time ──▶ pop events of the world
                  ▲                                                  until one wakes a task
                  └──────────── that one task runs, and parks ◀──────────────────┘

trio runs its runnable tasks in random order. Here at most one task is ever runnable, so that order
is ours. Only public parts of trio are used: a `Clock`, which trio asks for a sleep time exactly
when every task is blocked, and `trio.lowlevel` to park and wake. Native timeouts, nurseries and
cancel scopes work inside tasks; cancellation is delivered in the order in which tasks began.

The events are handled inside that call of the clock, not in a task of their own, which would cost
a second turn of trio's loop for every wake. An exception there would look like a bug of trio's:
it is handed to the main task, which is parked for nothing else.

A turn of trio's loop costs more than most events. So a task may leave a coroutine that waits for
nothing but the world to the driver (`errand`), which takes its steps where it would have woken the
task; the task is woken once, at its end.

Limits: a task must wait through the world (`sleep_ns`, `Port.call`, `Signal`) or through a trio
primitive on which it alone waits; two tasks woken by one native `trio.Event` would run in an
order that trio draws.

>>> from harness.simulation.world import SimulatedWorld
>>> world = SimulatedWorld(seed=1, nodes=0, clients=0)
>>> async def nap(name, duration_ns):
...     await world.tasks.sleep_ns(duration_ns)
...     print(name, "woke at", world.now_ns)
>>> async def main():
...     world.tasks.spawn(nap, "late", 2_000_000_000)
...     world.tasks.spawn(nap, "early", 1_000_000_000)
>>> simulate(world, main)
early woke at 1000000000
late woke at 2000000000
"""

from __future__ import annotations

import math
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, TypeVar

import outcome
import trio
from trio.lowlevel import Abort, Task, current_task, reschedule, wait_task_rescheduled

from harness.errors import SplitbrainError, root_cause
from harness.simulation.guard import guarded
from harness.simulation.watchdog import watched
from harness.units import SECOND_NS

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld


_Result = TypeVar("_Result")


class Deadlock(SplitbrainError):
    """Nothing can run any more, yet tasks wait; the text says who waits for what."""


class Waiter:
    """One place where a task or an errand is parked; waking it twice is harmless."""

    __slots__ = ("reason", "since_ns", "task")

    def __init__(self, task: Task | _Errand, reason: str, since_ns: int) -> None:
        self.task: Task | _Errand | None = task
        self.reason = reason
        self.since_ns = since_ns


class _Errand:
    """A coroutine whose steps the driver takes, for a task that is parked at `end` meanwhile."""

    __slots__ = ("coroutine", "end")

    def __init__(self, coroutine: Coroutine[Waiter, Any, Any], end: Waiter) -> None:
        self.coroutine = coroutine
        self.end = end


@types.coroutine
def _parked_errand(waiter: Waiter) -> Generator[Waiter, Any, Any]:
    return (yield waiter)


class _WorldClock(trio.abc.Clock):
    """trio's clock, which shows the time of the world and calls the driver when all is quiet."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self.tasks.world.now_ns / SECOND_NS

    def deadline_to_sleep_time(self, deadline: float) -> float:
        tasks = self.tasks
        if not tasks.driving:
            return 0.0 if deadline < math.inf else math.inf
        if deadline > self.current_time():
            tasks.step(deadline)
        # else a deadline has come: trio expires it first and asks again
        return 0.0


class Tasks:
    """The trio tasks of one world: spawning, parking, and waking them one at a time."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.clock = _WorldClock(self)
        self.driving = False
        self._main: Task | None = None
        self._nursery: trio.Nursery | None = None
        self._alive: dict[Task, tuple[int, str]] = {}
        self._parked: dict[Task, Waiter] = {}
        self._cancelled: list[tuple[int, Task, Callable[[], Any]]] = []
        self._errand: _Errand | None = None  # that takes a step now
        self._spawned = 0
        self._unfinished = 0

    # what tasks call

    def spawn(self, function: Callable[..., Awaitable[object]], *args: Any, name: str = "") -> None:
        """Start a task; its place in the order is taken here and now."""
        assert self._nursery is not None, "spawn works only inside simulate()"
        self._spawned += 1
        self._unfinished += 1
        ticket = self._spawned
        label = name or f"{getattr(function, '__name__', 'task')}-{ticket}"
        place: list[Waiter | None] = [None]
        self.world.call_at(self.world.now_ns, lambda: (place[0], None))

        async def run() -> None:
            task = current_task()
            self._alive[task] = (ticket, label)
            try:
                waiter = self.waiter("its start")
                place[0] = waiter
                await self.park(waiter)
                await function(*args)
            finally:
                del self._alive[task]
                self._unfinished -= 1

        self._nursery.start_soon(run, name=label)

    def waiter(self, reason: str) -> Waiter:
        """A new place to park the current task; `reason` completes "waits for ..."."""
        return Waiter(self._errand or current_task(), reason, self.world.now_ns)

    async def park(self, waiter: Waiter) -> Any:
        """Block until `waiter` is woken, and return the value that it was woken with."""
        if self._errand is not None:
            try:
                return await _parked_errand(waiter)
            finally:
                waiter.task = None
        task = current_task()

        def abort(raise_cancel: Callable[[], Any]) -> Abort:
            if not self.driving:
                return Abort.SUCCEEDED
            self._cancelled.append((self._alive[task][0], task, raise_cancel))
            return Abort.FAILED

        self._parked[task] = waiter
        try:
            return await wait_task_rescheduled(abort)
        finally:
            waiter.task = None
            del self._parked[task]

    async def errand(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """The result of `coroutine`, which waits through the world alone, never through trio."""
        if self._errand is not None:
            return await coroutine
        errand = _Errand(coroutine, self.waiter("the end of an errand"))
        try:
            ended = self._take_step(errand, None)
            if ended is None:
                return await self.park(errand.end)  # type: ignore[no-any-return]
            return ended.unwrap()  # type: ignore[no-any-return]
        finally:
            coroutine.close()

    def _take_step(self, errand: _Errand, value: Any) -> outcome.Maybe[Any] | None:
        """Let an errand go on with `value`; how it ended, or None while it waits again."""
        self._errand = errand
        try:
            waiter = errand.coroutine.send(value)
        except StopIteration as end:
            return outcome.Value(end.value)
        except BaseException as error:
            return outcome.Error(error)
        finally:
            self._errand = None
        errand.end.reason, errand.end.since_ns = waiter.reason, waiter.since_ns
        return None

    async def sleep_ns(self, duration_ns: int) -> None:
        """Let virtual time pass."""
        await self.sleep_until_ns(self.world.now_ns + duration_ns)

    async def sleep_until_ns(self, time_ns: int) -> None:
        """Sleep until the given virtual time; at least until other events of now have run."""
        waiter = self.waiter(f"{max(time_ns, self.world.now_ns) / SECOND_NS:.3f} s to come")
        self.world.wake_at(max(time_ns, self.world.now_ns), waiter, None)
        await self.park(waiter)

    # the driver

    async def run(self, main: Callable[[], Awaitable[object]]) -> None:
        """Run `main` and all that it spawns to the end, in virtual time."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.spawn(main, name="main")
            self.driving = True
            try:
                # Shielded: a cancelled task must not stop virtual time for the others, which are
                # then unwound one by one in the order in which they began.
                with trio.CancelScope(shield=True):
                    await self._until_all_have_ended()
            finally:
                self.driving = False
                for _, task, raise_cancel in sorted(self._cancelled, key=lambda entry: entry[0]):
                    reschedule(task, outcome.capture(raise_cancel))
                self._cancelled.clear()

    async def _until_all_have_ended(self) -> None:
        """Park; `step` wakes this task at the end, or with an error that ends the run."""
        self._main = current_task()

        def abort(raise_cancel: Callable[[], Any]) -> Abort:
            self._main = None
            return Abort.SUCCEEDED

        await wait_task_rescheduled(abort)

    def step(self, deadline: float) -> None:
        """All tasks are blocked: let events happen until one of them is to go on."""
        main = self._main
        if main is None:
            return  # the end has begun
        try:
            if not self._unfinished:
                self._main = None
                reschedule(main)
            elif self._cancelled:
                # trio would deliver these in the order of a set of addresses
                self._cancelled.sort(key=lambda entry: entry[0])
                _, task, raise_cancel = self._cancelled.pop(0)
                reschedule(task, outcome.capture(raise_cancel))
            else:
                self._wake_next(None if deadline == math.inf else _rounded_up_ns(deadline))
        except BaseException as error:  # Ctrl-C as well
            self._main = None
            reschedule(main, outcome.Error(error))

    @trio.lowlevel.disable_ki_protection
    def _happen(self, limit_ns: int | None) -> bool:
        """Let events happen until a task is to go on; False if none is before the limit.

        trio puts Ctrl-C off while it asks its clock; here it must get through, or an endless loop
        in a node could not be interrupted.
        """
        return self.world.run(limit_ns)

    def _wake_next(self, limit_ns: int | None) -> None:
        if self._happen(limit_ns):
            return
        if limit_ns is None:
            raise Deadlock(
                f"Nothing can happen any more at {self.world.now_ns / SECOND_NS:.3f} s, "
                f"but tasks wait:\n{self.describe_waiting()}"
            )
        self.world.advance(limit_ns)  # trio expires the scopes whose time has come

    def go_on(self, waiter: Waiter | None, value: Any) -> bool:
        """Wake who is parked there; False if nobody is, or an errand that waits again."""
        if waiter is None:
            return False
        task, waiter.task = waiter.task, None
        told: outcome.Maybe[Any] = outcome.Value(value)
        if isinstance(task, _Errand):
            ended = self._take_step(task, value)
            if ended is None:
                return False
            end, told = task.end, ended
            task, end.task = end.task, None
        if task is None:
            return False
        assert isinstance(task, Task)
        reschedule(task, told)
        return True

    def describe_waiting(self) -> str:
        """Who waits for what, since when; a line each, for error messages."""
        now_ns = self.world.now_ns
        lines = []
        for task, (_, label) in sorted(self._alive.items(), key=lambda item: item[1]):
            waiter = self._parked.get(task)
            reason = "something of trio's own" if waiter is None else waiter.reason
            since_ns = now_ns if waiter is None else waiter.since_ns
            lines.append(f"  {label} waits for {reason}, since {since_ns / SECOND_NS:.3f} s\n")
        return (
            "".join(lines)
            + f"Nodes: {self.world.describe_nodes()}.\nUsually a node kept a request "
            "without ever answering it and set no timer; give the call a timeout."
        )


def _rounded_up_ns(deadline: float) -> int:
    """A deadline of trio's in nanoseconds, so late that trio sees it as passed."""
    limit_ns = math.ceil(deadline * SECOND_NS)
    while limit_ns / SECOND_NS < deadline:
        limit_ns += 1
    return limit_ns


class Signal:
    """A deterministic event: waiters are woken one by one, in the order in which they came."""

    def __init__(self, tasks: Tasks, reason: str) -> None:
        self._tasks = tasks
        self._reason = reason
        self._waiters: list[Waiter] = []
        self.is_set = False

    def set(self) -> None:
        """Wake all who wait, and let later ones pass."""
        self.is_set = True
        for waiter in self._waiters:
            self._tasks.world.wake_at(self._tasks.world.now_ns, waiter, None)
        self._waiters.clear()

    async def wait(self) -> None:
        """Block until `set` has been called."""
        if not self.is_set:
            waiter = self._tasks.waiter(self._reason)
            self._waiters.append(waiter)
            await self._tasks.park(waiter)


def simulate(world: SimulatedWorld, main: Callable[[], Awaitable[object]]) -> None:
    """Run `main` and the tasks that it spawns in the virtual time of `world`, to the end.

    Raises `Deadlock` if nothing can run any more; an exception of a task comes out as itself.
    """
    with guarded(), watched(world):
        try:
            trio.run(world.tasks.run, main, clock=world.tasks.clock)
        except BaseExceptionGroup as group:
            raise root_cause(group) from None
