"""Combinators that bound: how many operations, how long, by how many at once.

>>> from harness.generators import perfect, repeat
>>> write = repeat({"f": "write", "value": 1})
>>> len([o for o in perfect(limit(3, write)) if o.type == "invoke"])
3
>>> history = perfect(time_limit(100, write), threads=1, latency_ns=40)
>>> [o.time_ns for o in history if o.type == "invoke"]
[0, 40, 80]
"""

from __future__ import annotations

from harness.errors import UsageError
from harness.generators.context import Context, Process, bits_of
from harness.generators.core import (
    NOTHING,
    PENDING,
    Event,
    Generator,
    GeneratorLike,
    Offer,
    Pending,
    earlier,
)
from harness.generators.values import short, to_generator


def limit(count: int, generator: GeneratorLike) -> Generator:
    """At most `count` operations. Jepsen: `limit`. Sleeps and logs count too."""
    return Limit(to_generator(generator), at_least("limit", "count", count, 0))


def once(generator: GeneratorLike) -> Generator:
    """One operation at most. Jepsen: `once`."""
    return limit(1, generator)


class Limit(Generator, frozen=True, gc=False):
    """A child that may give `remaining` more operations."""

    child: Generator
    remaining: int

    def op(self, context: Context) -> Offer:
        if self.remaining == 0:
            return None
        offer = self.child.op(context)
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Pending):
            return answer, self if rest is self.child else Limit(rest, self.remaining)
        return answer, Limit(rest, self.remaining - 1) if self.remaining > 1 else NOTHING

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        return self if child is self.child else Limit(child, self.remaining)


def time_limit(dt_ns: int, generator: GeneratorLike) -> Generator:
    """Operations only within `dt_ns` nanoseconds of the first one. Jepsen: `time-limit`.

    The end is exclusive: none is at or past first + dt_ns. A child that has nothing more to do
    before the end keeps the limit pending until then (Jepsen ends at once), because an event might
    still give it something; so a phase of 60 s lasts 60 s unless the child is exhausted.
    """
    return TimeLimit(to_generator(generator), at_least("time_limit", "dt_ns", dt_ns, 0))


class TimeLimit(Generator, frozen=True, gc=False):
    """A child with an end, which is known once the first operation was dispatched."""

    child: Generator
    dt_ns: int
    end_ns: int | None = None

    def op(self, context: Context) -> Offer:
        end_ns = self.end_ns
        if self.dt_ns == 0 or (end_ns is not None and context.time_ns >= end_ns):
            return None
        offer = self.child.op(context)
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Pending):
            if end_ns is not None:
                answer = Pending(earlier(answer.until_ns, end_ns), answer.only_time)
            return answer, TimeLimit(rest, self.dt_ns, end_ns)
        if end_ns is None:
            end_ns = answer.time_ns + self.dt_ns
        elif answer.time_ns >= end_ns:
            return Pending(end_ns), self
        return answer, NOTHING if rest is NOTHING else TimeLimit(rest, self.dt_ns, end_ns)

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        if child is self.child:
            return self
        return NOTHING if child is NOTHING else TimeLimit(child, self.dt_ns, self.end_ns)


def process_limit(count: int, generator: GeneratorLike) -> Generator:
    """Operations by at most `count` client processes. Jepsen: `process-limit`.

    A process that ended `info` retires, but what it did stays open for ever, which makes a history
    dear to check; this bounds it. All client processes in sight since the first operation count,
    whether they acted or not, so that a run does not trickle out on its last few. With more client
    threads than `count`, only the first `count` of them are used. The nemesis does not count.
    """
    return ProcessLimit(to_generator(generator), at_least("process_limit", "count", count, 1))


class ProcessLimit(Generator, frozen=True, gc=False):
    """A child, and the context's processes at its first operation, empty before that."""

    child: Generator
    count: int
    mask: int = 0  # the threads in use; 0 until the threads in sight are known
    base: tuple[Process, ...] = ()

    def op(self, context: Context) -> Offer:
        mask, base = self.mask or self._mask(context), self.base
        if base and context.processes is not base and self._used(context, mask) > self.count:
            return None
        offer = self.child.op(context.restricted(mask))
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Pending):
            # An event may bring a new process, and so the end: it is not only time that counts.
            return Pending(answer.until_ns), ProcessLimit(rest, self.count, mask, base)
        return answer, ProcessLimit(rest, self.count, mask, base or context.processes)

    def update(self, context: Context, event: Event) -> Generator:
        mask = self.mask or self._mask(context)
        child = self.child.update(context.restricted(mask), event)
        if child is self.child:
            return self
        return ProcessLimit(child, self.count, mask, self.base)

    def _used(self, context: Context, mask: int) -> int:
        """How many processes there have been on the clients of `mask` since `base`."""
        used, clients = 0, context.roster.client_count
        for bit in context.roster.bits(mask & context.roster.client_mask):
            first, last = self.base[bit], context.processes[bit]
            assert isinstance(first, int)
            assert isinstance(last, int)
            used += 1 + (last - first) // clients
        return used

    def _mask(self, context: Context) -> int:
        clients = bits_of(context.visible & context.roster.client_mask)
        others = context.visible & ~context.roster.client_mask
        return others | sum(1 << bit for bit in clients[: self.count])


def concurrency_limit(count: int, generator: GeneratorLike) -> Generator:
    """Pending while `count` of the threads in sight are busy. Jepsen: `concurrency-limit`.

    Whoever made them busy: put it right inside `clients` or `on_threads`, so that it counts those.
    """
    return ConcurrencyLimit(
        to_generator(generator), at_least("concurrency_limit", "count", count, 1)
    )


class ConcurrencyLimit(Generator, frozen=True, gc=False):
    """A child that acts only while fewer than `count` threads are busy."""

    child: Generator
    count: int

    def op(self, context: Context) -> Offer:
        if (context.visible & ~context.free).bit_count() >= self.count:
            return PENDING, self
        offer = self.child.op(context)
        if offer is None:
            return None
        return offer[0], self._with(offer[1])

    def update(self, context: Context, event: Event) -> Generator:
        return self._with(self.child.update(context, event))

    def _with(self, child: Generator) -> ConcurrencyLimit:
        return self if child is self.child else ConcurrencyLimit(child, self.count)


def until_ok(generator: GeneratorLike) -> Generator:
    """The child's operations until one of them completes `ok`. Jepsen: `until-ok`.

    Several may be under way at once when the first succeeds; put `concurrency_limit(1, ...)` around
    the child to try one at a time.
    """
    return UntilOk(to_generator(generator))


class UntilOk(Generator, frozen=True, gc=False):
    """A child, and the processes that are at one of its operations."""

    child: Generator
    acting: frozenset[Process] = frozenset()

    def op(self, context: Context) -> Offer:
        offer = self.child.op(context)
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Pending):
            return answer, UntilOk(rest, self.acting)
        return answer, UntilOk(rest, self.acting | {answer.process})

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        if event.process in self.acting and event.type in ("ok", "fail", "info"):
            if event.type == "ok":
                return NOTHING
            return UntilOk(child, self.acting - {event.process})
        return self if child is self.child else UntilOk(child, self.acting)


def at_least(who: str, what: str, value: int, least: int) -> int:
    """`value`, if it is an integer of `least` or more; UsageError otherwise.

    >>> at_least("stagger", "dt_ns", 0.5, 0)
    Traceback (most recent call last):
        ...
    harness.errors.UsageError: stagger: dt_ns is 0.5; an integer of 0 or more is needed. Times
    are integer nanoseconds: 2 seconds are 2_000_000_000.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    unit = " Times are integer nanoseconds: 2 seconds are 2_000_000_000." if what == "dt_ns" else ""
    raise UsageError(
        f"{who}: {what} is {short(value)}; an integer of {least} or more is needed.{unit}"
    )
