"""Turns a generator into operations of clients and nemesis, and writes down what came of them.

    generator ──invocation──▶ thread (a task each) ──▶ client or nemesis ──▶ the world
        ▲                                                     │
        └────────── completion, journal ◀── ok / fail / info ─┘

The rules are those of `harness.generators.simulate`. A thread whose operation ends `info` goes on
as a new process. All rows of the history pass through `journal`, in order, as they happen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from harness.errors import SplitbrainError
from harness.generators import Context, GeneratorLike, Invocation, Pending, prepare
from harness.generators.context import NEMESIS, Thread
from harness.operation import Operation, OperationType
from harness.places import placed
from harness.simulation.driver import Waiter
from harness.simulation.world import SimulatedWorld
from harness.system import Mismatch, Refused, Unanswered

#: What carries out an invocation and returns the value of its completion.
Carrier = Callable[[Invocation], Awaitable[Any]]


class Stalled(SplitbrainError):
    """Operations are under way long after the run should have ended."""


class Journal(Protocol):
    """Takes each row of the history when it happens."""

    def __call__(self, operation: Operation) -> None: ...


class Interpreter:
    """Runs `generator` on `clients` client threads and the nemesis, in a simulated world.

    `carriers` makes what carries out the operations of a client process; it is called again when
    the thread gets a new process. `nemesis` carries out those of the nemesis.
    """

    def __init__(
        self,
        world: SimulatedWorld,
        generator: GeneratorLike,
        *,
        clients: int,
        carriers: Callable[[int, int], Carrier],
        nemesis: Carrier,
        journal: Journal,
        dispatched: Callable[[Invocation], None],
        horizon_ns: int,
    ) -> None:
        self._world = world
        self._generator = prepare(generator)
        self._exhausted = False
        self._context = Context.begin(clients=clients, seed=world.seed)
        self._carriers = carriers
        self._nemesis = nemesis
        self._journal = journal
        self._dispatched = dispatched
        self._horizon_ns = horizon_ns
        self._rows = 0
        self._busy = 0
        self._mailbox: dict[Thread, Invocation] = {}
        self._waiters: dict[Thread, Waiter] = {}
        self._resting: dict[Thread, Invocation] = {}
        self._tick_ns: int | None = None

    async def run(self) -> None:
        """Start the threads; they end when the generator is exhausted."""
        for thread in self._context.threads:
            name = "nemesis" if thread == NEMESIS else f"client c{thread}"
            self._world.tasks.spawn(self._work, thread, name=name)
        self._world.call_at(self._world.now_ns, self._pump)
        self._world.call_at(self._horizon_ns, self._stalled)

    def stop(self, rest: GeneratorLike) -> None:
        """Begin nothing more but `rest`; what is under way comes to its end, sleeps end now."""
        if self._exhausted:
            return
        self._generator = prepare(rest)
        for invocation in list(self._resting.values()):
            self._wake_up(invocation)

    # ---- a thread

    async def _work(self, thread: Thread) -> None:
        process: int | str | None = None
        carrier = self._nemesis
        while (invocation := await self._next(thread)) is not None:
            if isinstance(thread, int) and invocation.process != process:
                process = invocation.process
                assert isinstance(process, int)
                carrier = self._carriers(thread, process)
            type_: OperationType = "ok" if isinstance(thread, int) else "info"
            value, error = invocation.value, None
            try:
                value = await carrier(invocation)
            except Mismatch:
                type_ = "fail"
            except Refused as refusal:
                type_, error = "fail", str(refusal)
            except Unanswered as silence:
                type_, error = "info", str(silence)
            except KeyboardInterrupt as interrupt:
                interrupt.add_note(_whereabouts(thread, invocation, interrupt))
                raise
            self._complete(invocation, type_, value, error)

    async def _next(self, thread: Thread) -> Invocation | None:
        """The next operation of the thread; None at the end of the run."""
        while thread not in self._mailbox:
            if self._exhausted and not self._busy:
                return None
            waiter = self._waiters[thread] = self._world.tasks.waiter("its next operation")
            await self._world.tasks.park(waiter)
            del self._waiters[thread]
        return self._mailbox.pop(thread)

    def _wake(self, thread: Thread) -> None:
        waiter = self._waiters.get(thread)
        if waiter is not None:
            self._world.wake_at(self._world.now_ns, waiter, None)

    # ---- the generator

    def _pump(self) -> None:
        """Dispatch all that is to begin now, and see to it that the next is not missed."""
        now_ns = self._world.now_ns
        while not self._exhausted:
            self._context = self._context.at(now_ns)
            if not self._context.free:
                return
            offer = self._generator.op(self._context)
            if offer is None:
                self._exhausted = True
                break
            answer, rest = offer
            if isinstance(answer, Pending):
                self._generator = rest
                self._tick_at(answer.until_ns)
                return
            if answer.time_ns > now_ns:
                self._tick_at(answer.time_ns)  # asked again then, or after an earlier completion
                return
            self._generator = rest
            self._begin(answer.at(now_ns))
        if not self._busy:
            for thread in self._context.threads:
                self._wake(thread)

    def _tick_at(self, time_ns: int | None) -> None:
        """Ask the generator again at the given time; only the latest such wish counts."""
        self._tick_ns = time_ns
        if time_ns is not None:
            self._world.call_at(time_ns, self._tick)

    def _tick(self) -> None:
        if self._tick_ns == self._world.now_ns:
            self._tick_ns = None
            self._pump()

    def _begin(self, invocation: Invocation) -> None:
        self._context = self._context.dispatched(invocation.thread, invocation.time_ns)
        self._generator = self._generator.update(self._context, invocation)
        self._busy += 1
        if invocation.kind == "invoke":
            type_: OperationType = "invoke" if isinstance(invocation.thread, int) else "info"
            self._record(invocation, type_, invocation.value, None)
            self._dispatched(invocation)
            self._mailbox[invocation.thread] = invocation
            self._wake(invocation.thread)
        else:
            time_ns = self._world.now_ns + invocation.value
            self._resting[invocation.thread] = invocation
            self._world.call_at(time_ns, lambda: self._end_rest(invocation))

    def _end_rest(self, invocation: Invocation) -> None:
        if self._resting.get(invocation.thread) is invocation:
            self._wake_up(invocation)
            self._pump()

    def _wake_up(self, invocation: Invocation) -> None:
        del self._resting[invocation.thread]
        self._busy -= 1
        self._context = self._context.completed(invocation.thread, self._world.now_ns)

    def _complete(
        self, invocation: Invocation, type_: OperationType, value: Any, error: str | None
    ) -> None:
        self._busy -= 1
        thread = invocation.thread
        completion = self._record(invocation, type_, value, error)
        self._context = self._context.completed(thread, self._world.now_ns)
        if not self._exhausted:
            self._generator = self._generator.update(self._context, completion)
        if type_ == "info":
            self._context = self._context.with_next_process(thread)
        self._pump()

    def _record(
        self, invocation: Invocation, type_: OperationType, value: Any, error: str | None
    ) -> Operation:
        operation = Operation(
            index=self._rows,
            time_ns=self._world.now_ns,
            process=invocation.process,
            type=type_,
            f=invocation.f,
            key=invocation.key,
            value=value,
            error=error,
        )
        self._rows += 1
        self._journal(operation)
        return operation

    def _stalled(self) -> None:
        if self._busy or not self._exhausted:
            raise Stalled(
                f"The run should have ended long before {self._world.now_ns / 1e9:.1f} s, but "
                f"tasks wait:\n{self._world.tasks.describe_waiting()}"
            )


def _whereabouts(thread: Thread, invocation: Invocation, error: BaseException) -> str:
    """Whom Ctrl-C has met at what."""
    who = "the nemesis" if thread == NEMESIS else f"client c{thread}"
    what = [
        invocation.f,
        *(f"{part!r}" for part in (invocation.key, invocation.value) if part is not None),
    ]
    return placed(f"It was in {who}, at its operation {' '.join(what)}", error)
