"""Combinators about threads: who does what.

A routed child sees only its own threads: a bare operation goes to one of them, `phases` waits for
them alone, and it hears only of their events.

>>> from harness.generators import limit, perfect, repeat
>>> read, write = repeat({"f": "read"}), repeat({"f": "write", "value": 1})
>>> history = perfect(limit(9, clients(reserve(2, write, read))), threads=3)
>>> sorted({(o.process, o.f) for o in history})
[(0, 'write'), (1, 'write'), (2, 'read')]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.errors import UsageError
from harness.generators.combine import any_of, replaced
from harness.generators.context import NEMESIS, Context, Process, Thread, bits_of
from harness.generators.core import (
    NOTHING,
    PENDING,
    Event,
    Generator,
    GeneratorLike,
    Offer,
    Pending,
    soonest,
)
from harness.generators.limits import at_least
from harness.generators.values import short, to_generator

Selector = frozenset[Thread] | Callable[[Thread], bool]


def on_threads(
    threads: Thread | Iterable[Thread] | Callable[[Thread], bool], generator: GeneratorLike
) -> Generator:
    """The child on some threads only: one, several, or those a predicate takes.

    Jepsen: `on-threads`, `on`. The predicate must be pure; it is asked once a thread.
    """
    if callable(threads):
        return OnThreads(to_generator(generator), threads)
    named = [threads] if isinstance(threads, int | str) else threads
    return OnThreads(to_generator(generator), frozenset(named))


def clients(generator: GeneratorLike, nemesis_generator: GeneratorLike = None) -> Generator:
    """The child on the clients; the second, if any, on the nemesis. Jepsen: `clients`."""
    routed = OnThreads(to_generator(generator), _is_client)
    if nemesis_generator is None:
        return routed
    return any_of(routed, nemesis(nemesis_generator))


def nemesis(generator: GeneratorLike, client_generator: GeneratorLike = None) -> Generator:
    """The child on the nemesis; the second, if any, on the clients. Jepsen: `nemesis`."""
    routed = OnThreads(to_generator(generator), frozenset([NEMESIS]))
    if client_generator is None:
        return routed
    return any_of(routed, clients(client_generator))


def _is_client(thread: Thread) -> bool:
    return isinstance(thread, int)


class OnThreads(Generator, frozen=True, gc=False):
    """A child that sees only the threads of `selector`."""

    child: Generator
    selector: Selector

    def op(self, context: Context) -> Offer:
        inside = context.restricted(context.roster.mask(self.selector))
        if not inside.visible:
            chosen = (
                f"the predicate {short(self.selector)}"
                if callable(self.selector)
                else ", ".join(map(repr, sorted(self.selector, key=str)))
            )
            raise UsageError(
                f"No thread is left for a generator: {chosen} takes none of the threads in sight "
                f"here, {context.threads}. Either an outer generator took them away, such as "
                "nemesis inside clients, or the run has too few clients."
            )
        offer = self.child.op(inside)
        if offer is None:
            return None
        answer, rest = offer
        return answer, self._with(rest)

    def update(self, context: Context, event: Event) -> Generator:
        mask = context.roster.mask(self.selector)
        if not mask >> context.bit_of(event.process) & 1:
            return self
        return self._with(self.child.update(context.restricted(mask), event))

    def _with(self, child: Generator) -> Generator:
        if child is self.child:
            return self
        return NOTHING if child is NOTHING else OnThreads(child, self.selector)


def reserve(*counts_and_generators: int | GeneratorLike) -> Generator:
    """`reserve(5, writes, 2, cas, reads)`: five clients write, two do cas, the others read.

    Jepsen: `reserve`. The counts take the client threads in sight in order, so it works inside the
    groups of `concurrent_generator` too; without a default (an even number of arguments) the rest
    is idle. The nemesis gets nothing. Every part must find its threads: a share of none would
    silently leave its operations out of the test, and is a UsageError.
    """
    pairs = counts_and_generators[: len(counts_and_generators) // 2 * 2]
    default = counts_and_generators[len(pairs) :]
    if not pairs:
        raise UsageError(
            "reserve takes counts and generators by turns, and perhaps a default generator at the "
            "end: reserve(5, writes, reads)."
        )
    counts = tuple(at_least("reserve", "count", count, 1) for count in pairs[::2])  # type: ignore[arg-type]
    children = tuple(to_generator(child) for child in (*pairs[1::2], *default))  # type: ignore[arg-type]
    return Reserve(children, counts)


class Reserve(Generator, frozen=True, gc=False):
    """Children on ranges of the clients in sight; `masks` once those are known."""

    children: tuple[Generator, ...]
    counts: tuple[int, ...]
    masks: tuple[int, ...] = ()

    def op(self, context: Context) -> Offer:
        masks = self.masks or self._masks(context)
        children = self.children
        answer, states = soonest(
            context,
            len(children),
            lambda child: children[child].op(context.restricted(masks[child])),
            [mask.bit_count() for mask in masks],
        )
        if answer is None:
            return None
        return answer, Reserve(replaced(children, states), self.counts, masks)

    def update(self, context: Context, event: Event) -> Generator:
        masks = self.masks or self._masks(context)
        bit = context.bit_of(event.process)
        for number, mask in enumerate(masks):
            if mask >> bit & 1:
                child = self.children[number]
                after = child.update(context.restricted(mask), event)
                if after is child:
                    return self
                return Reserve(replaced(self.children, {number: after}), self.counts, masks)
        return self

    def _masks(self, context: Context) -> tuple[int, ...]:
        bits = bits_of(context.visible & context.roster.client_mask)
        needed = sum(self.counts) + (len(self.children) > len(self.counts))
        if needed > len(bits):
            raise UsageError(
                f"reserve needs at least {needed} client threads: {self.counts} and, if there is a "
                f"default generator, one for that. In sight here are {len(bits)}. Raise the number "
                "of clients, or reserve fewer."
            )
        masks, begin = [], 0
        for count in (*self.counts, len(bits)):
            masks.append(sum(1 << bit for bit in bits[begin : begin + count]))
            begin += count
        return tuple(masks[: len(self.children)])


def each_thread(generator: GeneratorLike) -> Generator:
    """An own copy of the child for every thread in sight. Jepsen: `each-thread`."""
    return Each(to_generator(generator))


def each_process(generator: GeneratorLike) -> Generator:
    """An own copy for every process: a thread whose operation ended `info` gets a fresh one.

    Jepsen: `each-process`.
    """
    return Each(to_generator(generator), by_process=True)


class Each(Generator, frozen=True, gc=False):
    """Copies of `fresh` by thread, each with the process that it belongs to."""

    fresh: Generator
    by_process: bool = False
    copies: dict[int, tuple[Process, Generator]] = {}  # noqa: RUF012 (msgspec copies it)

    def op(self, context: Context) -> Offer:
        free = bits_of(context.free)
        answer, states = soonest(
            context,
            len(free),
            lambda slot: self._copy(context, free[slot]).op(context.restricted(1 << free[slot])),
        )
        if answer is None:
            # A busy thread's copy may have more to do once it is free.
            return None if context.free == context.visible else (PENDING, self)
        if isinstance(answer, Pending) and context.free != context.visible:
            answer = Pending(answer.until_ns)  # a thread that becomes free may act sooner
        after = dict(self.copies)
        for slot, state in states.items():
            bit = free[slot]
            after[bit] = (context.processes[bit], state)
        return answer, Each(self.fresh, self.by_process, after)

    def update(self, context: Context, event: Event) -> Generator:
        bit = context.bit_of(event.process)
        owner, copy = self.copies.get(bit, (event.process, self.fresh))
        if self.by_process and owner != event.process:
            return self
        after = copy.update(context.restricted(1 << bit), event)
        if after is copy:
            return self
        return Each(self.fresh, self.by_process, {**self.copies, bit: (owner, after)})

    def _copy(self, context: Context, bit: int) -> Generator:
        owner, copy = self.copies.get(bit, (None, self.fresh))
        if self.by_process and owner != context.processes[bit]:
            return self.fresh
        return copy
