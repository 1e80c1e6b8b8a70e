"""A recorded run as a generator: the same operations, at the same times, by the same threads.

An operation is offered at its recorded time, or as soon after as its thread is free. A busy thread
holds back only its own operations, which stay in order; the others go on, by (time, position in
the record). Fed the completions of the record, it emits the record; fed others, as after a plan
was edited, it still emits every operation.

Threads, not processes, are what is replayed: who a thread acts as follows from the run itself.

One subtlety makes "it emits the record" exact. At one instant a completion may free thread 3, and
then threads 3 and 1 begin operations, in this order, as at the end of a phase. Thread 1 has been
free all along, so whoever asks a moment before that completion would be offered its operation
first. Therefore an operation waits, for as long as that instant lasts, for those recorded before
it at the same time.

>>> from harness.generators import Invocation, invocations_of, simulate
>>> record = [Invocation(0, 0, 0, "read"), Invocation(50, 1, 1, "write", value=3)]
>>> history = simulate(replay(record), threads=2)
>>> invocations_of(history, clients=2) == record
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from harness.errors import UsageError
from harness.generators.context import Context, Thread
from harness.generators.core import Generator, Invocation, Offer, Pending
from harness.generators.limits import at_least
from harness.generators.values import short

#: time_ns, position in the record, f, key, value
_Entry: TypeAlias = tuple[int, int, str, Any, Any]


class Recorded(Protocol):
    """What `replay` reads of an operation; an `Invocation` will do."""

    @property
    def time_ns(self) -> int: ...
    @property
    def thread(self) -> Thread: ...
    @property
    def f(self) -> str: ...
    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> Any: ...


def replay(operations: Iterable[Recorded | Mapping[str, Any]]) -> Generator:
    """The recorded `operations`: objects or dicts with time_ns, thread, f, key and value.

    Raises UsageError for one that lacks a time, a thread or a name, and, once the run begins, for
    a thread that the run does not have.
    """
    queues: dict[Thread, list[_Entry]] = {}
    for position, operation in enumerate(operations):
        time_ns, thread, f, key, value = _read(position, operation)
        queues.setdefault(thread, []).append((time_ns, position, f, key, value))
    for queue in queues.values():
        queue.sort(key=_when)
    return Replay(
        tuple(queues), tuple(tuple(queue) for queue in queues.values()), (0,) * len(queues)
    )


def _when(entry: _Entry) -> tuple[int, int]:
    return entry[:2]


def _read(
    position: int, operation: Recorded | Mapping[str, Any]
) -> tuple[int, Thread, str, Any, Any]:
    read: Any = operation.get if isinstance(operation, Mapping) else _reader(operation)
    time_ns, thread, f = read("time_ns"), read("thread"), read("f")
    if not isinstance(thread, int | str) or not isinstance(f, str) or not f:
        raise UsageError(
            f"Operation {position} of a replay is {short(operation)}. It needs a time_ns, a thread "
            "and an f."
        )
    return at_least("replay", "time_ns", time_ns, 0), thread, f, read("key"), read("value")


def _reader(operation: object) -> Any:
    return lambda name: getattr(operation, name, None)


class Replay(Generator, frozen=True, gc=False):
    """A queue of operations for each thread, and how many of each have been dispatched."""

    threads: tuple[Thread, ...]
    queues: tuple[tuple[_Entry, ...], ...]
    done: tuple[int, ...]

    def op(self, context: Context) -> Offer:
        now_ns, free = context.time_ns, context.free
        best: _Entry | None = None
        best_number = -1
        held_back: list[_Entry] = []  # the next operations of the busy threads
        for number, (thread, queue, done) in enumerate(
            zip(self.threads, self.queues, self.done, strict=True)
        ):
            if done == len(queue):
                continue
            entry = queue[done]
            if not free >> context.roster.bit(thread) & 1:
                held_back.append(entry)
            elif best is None or _when(entry) < _when(best):
                best, best_number = entry, number
        if best is None:
            return (Pending(), self) if held_back else None
        time_ns, position, f, key, value = best
        if now_ns <= time_ns and any(
            entry[0] == time_ns and entry[1] < position for entry in held_back
        ):
            return Pending(time_ns + 1), self
        bit = context.roster.bit(self.threads[best_number])
        done_after = list(self.done)
        done_after[best_number] += 1
        return (
            Invocation(
                max(time_ns, now_ns),
                self.threads[best_number],
                context.processes[bit],
                f,
                key,
                value,
            ),
            Replay(self.threads, self.queues, tuple(done_after)),
        )
