"""Runs a generator against nothing: completions are made up, time is virtual, no system is there.

For tests of generators, and for a look at what a generator does. It is also the shortest complete
interpreter, so it shows the rules that every interpreter keeps:

1. Completions come first: one at time t is dealt with before an operation at t is dispatched.
2. If all threads are busy there is nothing to ask; else the generator is asked.
3. An operation ahead is waited for. If a completion comes before its time, the answer is forgotten,
   and the *old* generator is updated and asked again.
4. A pending answer's generator is kept, and asked again after the next completion or at `until_ns`.
5. At dispatch: thread busy, then `update` with the invocation. At completion: thread free, then
   `update` with the completion, then, after an `info`, the thread gets its next process. The end
   of a sleep or a log only frees the thread.
6. None is final: the run ends when the last operation has completed.

The nemesis writes `info` twice. Everything is decided by the arguments and the seed.

>>> from harness.generators import mix, stagger
>>> generator = stagger(30, mix([{"f": "read"}, {"f": "write", "value": 1}]))
>>> for operation in simulate(generator, seed=3, latency_ns=100):
...     print(operation.time_ns, operation.process, operation.type, operation.f)
0 0 invoke read
53 1 invoke write
100 0 ok read
153 1 ok write
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, TypeAlias

from harness.errors import UsageError
from harness.generators.context import Context, Thread
from harness.generators.core import Generator, GeneratorLike, Invocation, Pending, earlier
from harness.generators.guard import prepare
from harness.generators.values import short
from harness.operation import Operation, OperationType

#: Decides how an operation ends: its type and its value.
Complete: TypeAlias = Callable[[Invocation], tuple[OperationType, Any]]

#: (time_ns, sequence, invocation) of what is under way
_Outstanding: TypeAlias = tuple[int, int, Invocation]


def always_ok(invocation: Invocation) -> tuple[OperationType, Any]:
    """Every operation succeeds with the value it was invoked with."""
    return "ok", invocation.value


def always_info(invocation: Invocation) -> tuple[OperationType, Any]:
    """Nobody ever knows: every client operation retires its process."""
    return "info", invocation.value


def in_rotation() -> Complete:
    """A `complete` by which each thread's operations end info, fail, ok, info, ... in turn."""
    turns: dict[Thread, int] = {}
    types: tuple[OperationType, ...] = ("info", "fail", "ok")

    def complete(invocation: Invocation) -> tuple[OperationType, Any]:
        turn = turns[invocation.thread] = turns.get(invocation.thread, -1) + 1
        return types[turn % 3], invocation.value

    return complete


def simulate(
    generator: GeneratorLike,
    *,
    threads: int = 2,
    nemesis: bool = False,
    seed: int = 0,
    latency_ns: int | Callable[[Invocation], int] = 10,
    complete: Complete = always_ok,
    operations_max: int = 1_000_000,
) -> list[Operation]:
    """The history of `generator` on `threads` clients, and on the nemesis if there is one.

    `latency_ns` is how long operations take. Raises UsageError if the generator waits for an event
    that cannot come, and if it gives more than `operations_max` operations.
    """
    run = _Simulation(
        prepare(generator), Context.begin(clients=threads, seed=seed, nemesis=nemesis)
    )
    run.latency_ns = latency_ns if callable(latency_ns) else lambda _: latency_ns
    run.complete = complete
    while run.step():
        if run.context.draw > operations_max:
            raise UsageError(
                f"The generator has given {operations_max:,} operations and goes on. Put limit or "
                "time_limit around it, or raise operations_max."
            )
    return run.history


def quick(generator: GeneratorLike, **options: Any) -> list[Operation]:
    """A simulation in which everything succeeds at once. Jepsen: `quick`."""
    return simulate(generator, latency_ns=0, **options)


def perfect(generator: GeneratorLike, **options: Any) -> list[Operation]:
    """A simulation in which everything succeeds after 10 ns. Jepsen: `perfect*`."""
    return simulate(generator, **options)


def perfect_info(generator: GeneratorLike, **options: Any) -> list[Operation]:
    """A simulation in which everything ends `info` after 10 ns. Jepsen: `perfect-info`."""
    return simulate(generator, complete=always_info, **options)


def imperfect(generator: GeneratorLike, **options: Any) -> list[Operation]:
    """A simulation whose threads see info, fail, ok by turns, after 10 ns. Jepsen: `imperfect`."""
    return simulate(generator, complete=in_rotation(), **options)


def invocations_of(history: Iterable[Operation], *, clients: int) -> list[Invocation]:
    """The invocations of a history of `clients` client threads, ready for `replay`.

    Of a named process, such as the nemesis, every second row is an invocation.
    """
    invocations = []
    acting: set[str] = set()
    for operation in history:
        process = operation.process
        if isinstance(process, int):
            if operation.type != "invoke":
                continue
            thread: Thread = process % clients
        else:
            acting ^= {process}
            if process not in acting:
                continue
            thread = process
        invocations.append(
            Invocation(
                operation.time_ns, thread, process, operation.f, operation.key, operation.value
            )
        )
    return invocations


class _Simulation:
    """The state of one simulation."""

    latency_ns: Callable[[Invocation], int]
    complete: Complete

    def __init__(self, generator: Generator, context: Context) -> None:
        self.generator: Generator | None = generator
        self.context = context
        self.history: list[Operation] = []
        self._outstanding: list[_Outstanding] = []
        self._sequence = count()

    def step(self) -> bool:
        """Deal with the next completion or dispatch the next operation; false at the end."""
        context = self.context
        due_ns = self._outstanding[0][0] if self._outstanding else None
        if due_ns is not None and (due_ns <= context.time_ns or not context.free):
            self._end_next()
            return True
        offer = self.generator.op(context) if self.generator is not None else None
        if offer is None:
            self.generator = None
            if due_ns is not None:
                self._end_next()
            return due_ns is not None
        answer, rest = offer
        if isinstance(answer, Pending):
            self.generator = rest
            self._wait(answer, due_ns)
        elif due_ns is not None and due_ns <= answer.time_ns:
            self._end_next()
        else:
            self.generator = rest
            self._begin(answer)
        return True

    def _wait(self, pending: Pending, due_ns: int | None) -> None:
        wake_ns = earlier(pending.until_ns, due_ns)
        if wake_ns is None:
            raise UsageError(
                f"The generator waits for ever at {self.context.time_ns} ns: it is pending, but no "
                "operation is under way whose end could change that. Usually an operation names a "
                "thread that an outer generator took away, or a callable returns Pending without "
                f"until_ns. Free threads: {self.context.free_threads}. It was: "
                f"{short(self.generator)}"
            )
        if wake_ns == due_ns:
            self._end_next()
        else:
            self.context = self.context.at(wake_ns)

    def _begin(self, invocation: Invocation) -> None:
        self.context = self.context.dispatched(invocation.thread, invocation.time_ns)
        if invocation.kind == "invoke":
            is_client = isinstance(invocation.thread, int)
            self._record(invocation, "invoke" if is_client else "info", invocation.value)
            duration_ns = self.latency_ns(invocation)
        else:
            duration_ns = invocation.value if invocation.kind == "sleep" else 0
        assert self.generator is not None
        self.generator = self.generator.update(self.context, invocation)
        end_ns = invocation.time_ns + duration_ns
        heapq.heappush(self._outstanding, (end_ns, next(self._sequence), invocation))

    def _end_next(self) -> None:
        end_ns, _, invocation = heapq.heappop(self._outstanding)
        thread = invocation.thread
        self.context = self.context.completed(thread, end_ns)
        if invocation.kind != "invoke":
            return
        type_, value = self.complete(invocation)
        if not isinstance(thread, int):
            type_ = "info"
        completion = self._record(invocation, type_, value, end_ns)
        if self.generator is not None:
            self.generator = self.generator.update(self.context, completion)
        if type_ == "info":
            self.context = self.context.with_next_process(thread)

    def _record(
        self, invocation: Invocation, type_: OperationType, value: Any, time_ns: int | None = None
    ) -> Operation:
        operation = Operation(
            index=len(self.history),
            time_ns=invocation.time_ns if time_ns is None else time_ns,
            process=invocation.process,
            type=type_,
            f=invocation.f,
            key=invocation.key,
            value=value,
        )
        self.history.append(operation)
        return operation
