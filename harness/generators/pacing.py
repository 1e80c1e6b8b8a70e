"""Combinators about time: when operations happen. All times are integer nanoseconds.

`stagger` and `delay` pace all threads together, not each: ten threads under `stagger(dt_ns)` make
one operation per dt_ns between them.

While they wait they are pending until the next time, and ask their child only then: so a callable
is called once an operation, at the operation's own time. What the child has left is noticed then
too; a sequence, a `limit` or `until_ok` that comes to its end is noticed at once.

>>> from harness.generators import limit, perfect, repeat
>>> history = perfect(limit(3, delay(1_000, repeat({"f": "read"}))))
>>> [operation.time_ns for operation in history if operation.type == "invoke"]
[0, 1000, 2000]
"""

from __future__ import annotations

from harness.errors import UsageError
from harness.generators.context import Context
from harness.generators.core import (
    NOTHING,
    Event,
    Generator,
    GeneratorLike,
    Offer,
    Pending,
    earlier,
)
from harness.generators.limits import at_least
from harness.generators.values import OneOperation, to_generator


def stagger(dt_ns: int, generator: GeneratorLike) -> Generator:
    """Operations `dt_ns` apart on average: uniformly 0 to 2 * dt_ns. Jepsen: `stagger`.

    The first comes at once. One that comes late because no thread was free is not caught up with.
    """
    return Stagger(to_generator(generator), 2 * at_least("stagger", "dt_ns", dt_ns, 0))


class Stagger(Generator, frozen=True, gc=False):
    """A child that is asked no sooner than at `next_ns`."""

    child: Generator
    spread_ns: int
    next_ns: int = 0

    def op(self, context: Context) -> Offer:
        if context.time_ns < self.next_ns:
            return Pending(self.next_ns, only_time=True), self
        offer = self.child.op(context)
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Pending):
            if rest is self.child:
                return answer, self
            return answer, Stagger(rest, self.spread_ns, self.next_ns)
        if rest is NOTHING:
            return answer, NOTHING
        next_ns = answer.time_ns + int(context.random.random() * self.spread_ns)
        return answer, Stagger(rest, self.spread_ns, next_ns)

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        if child is self.child:
            return self
        return NOTHING if child is NOTHING else Stagger(child, self.spread_ns, self.next_ns)


def delay(dt_ns: int, generator: GeneratorLike) -> Generator:
    """Operations exactly `dt_ns` apart. Jepsen: `delay`.

    The grid begins at the first operation. What comes late, because no thread was free, is caught
    up with: the next ones follow at once until they are on the grid again.
    """
    return Delay(to_generator(generator), at_least("delay", "dt_ns", dt_ns, 0))


class Delay(Generator, frozen=True, gc=False):
    """A child that is asked no sooner than at `due_ns`; None before the first operation."""

    child: Generator
    dt_ns: int
    due_ns: int | None = None

    def op(self, context: Context) -> Offer:
        if self.due_ns is not None and context.time_ns < self.due_ns:
            return Pending(self.due_ns, only_time=True), self
        offer = self.child.op(context)
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Pending):
            return answer, Delay(rest, self.dt_ns, self.due_ns)
        if rest is NOTHING:
            return answer, NOTHING
        due_ns = answer.time_ns if self.due_ns is None else self.due_ns
        return answer, Delay(rest, self.dt_ns, due_ns + self.dt_ns)

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        if child is self.child:
            return self
        return NOTHING if child is NOTHING else Delay(child, self.dt_ns, self.due_ns)


def sleep(dt_ns: int) -> Generator:
    """Keeps one thread busy for `dt_ns`; nothing enters the history. Jepsen: `sleep`.

    It is *one* thread that rests, a random one of those in sight; the others go on. In a sequence
    for the nemesis, which is one thread, it is a pause: `nemesis([start, sleep(dt_ns), stop])`.
    For a pause of all clients, put `delay` or `phases` around.
    """
    return OneOperation("sleep", at_least("sleep", "dt_ns", dt_ns, 0), kind="sleep")


def cycle_times(*times_and_generators: int | GeneratorLike) -> Generator:
    """`cycle_times(t1_ns, g1, t2_ns, g2, ...)`: g1 for t1_ns, g2 for t2_ns, ..., g1 again.

    Jepsen: `cycle-times`. The clock starts with the first operation of g1. Each generator goes on
    where it was when its turn comes again. The turns of one that is exhausted are idle; ends when
    all are (Jepsen's ends with the first, but only if it is asked in that one's turn). Raises
    UsageError if these are no pairs of a duration and a generator.
    """
    arguments = times_and_generators
    if not arguments or len(arguments) % 2:
        raise UsageError(
            f"cycle_times takes pairs of a duration and a generator, not {len(arguments)} "
            "arguments: cycle_times(5_000_000_000, writes, 1_000_000_000, reads)."
        )
    durations = arguments[::2]
    children = tuple(to_generator(child) for child in arguments[1::2])  # type: ignore[arg-type]
    return CycleTimes(
        tuple(at_least("cycle_times", "dt_ns", dt_ns, 1) for dt_ns in durations),  # type: ignore[arg-type]
        children,
    )


class CycleTimes(Generator, frozen=True, gc=False):
    """Children by turns of fixed lengths, counted from `start_ns`; None before the first."""

    durations_ns: tuple[int, ...]
    children: tuple[Generator, ...]
    start_ns: int | None = None

    def op(self, context: Context) -> Offer:
        if self.start_ns is None:
            return self._first(context, self.children[0].op(context))
        turn, closes_ns = self._turn_at(context.time_ns - self.start_ns)
        closes_ns += self.start_ns
        offer = self.children[turn].op(context)
        if offer is None:
            if self._all_exhausted(context):
                return None
            return Pending(closes_ns), self
        answer, rest = offer
        if isinstance(answer, Pending):
            until_ns = earlier(answer.until_ns, closes_ns)
            return Pending(until_ns), self._with(turn, rest, self.start_ns)
        if answer.time_ns >= closes_ns:
            return Pending(closes_ns), self
        return answer, self._with(turn, rest, self.start_ns)

    def update(self, context: Context, event: Event) -> Generator:
        after = tuple(child.update(context, event) for child in self.children)
        if all(new is old for new, old in zip(after, self.children, strict=True)):
            return self
        return CycleTimes(self.durations_ns, after, self.start_ns)

    def _first(self, context: Context, offer: Offer) -> Offer:
        if offer is None:
            return None
        answer, rest = offer
        start_ns = None if isinstance(answer, Pending) else answer.time_ns
        return answer, self._with(0, rest, start_ns)

    def _all_exhausted(self, context: Context) -> bool:
        position = context.random.position
        exhausted = all(child.op(context) is None for child in self.children)
        context.random.position = position
        return exhausted

    def _turn_at(self, elapsed_ns: int) -> tuple[int, int]:
        """Whose turn it is `elapsed_ns` after the start, and when after the start it ends."""
        closes_ns = elapsed_ns - elapsed_ns % sum(self.durations_ns)
        for turn, duration_ns in enumerate(self.durations_ns):
            closes_ns += duration_ns
            if elapsed_ns < closes_ns:
                return turn, closes_ns
        raise AssertionError("the turns of a period make up the period")

    def _with(self, turn: int, rest: Generator, start_ns: int | None) -> CycleTimes:
        children = (*self.children[:turn], rest, *self.children[turn + 1 :])
        return CycleTimes(self.durations_ns, children, start_ns)
