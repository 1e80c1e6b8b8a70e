"""Combinators that choose and order: several generators become one.

All pass every update to all the children that are still to act, except those in a sequence, where
only the one whose turn it is hears.

**Two traps of Jepsen that are closed here.** Its `mix` draws the next child in advance and waits
for it, so that one pending child (say, writes that are bound to a busy thread) stops all the
others; and it ignores updates, so that `until_ok` inside a mix never ends. Here a mix chooses
among the children that can act now, and passes updates on. With that, `mix` and `any_of` are one
machine; `mix` takes a list, and weights. `flip_flop` passes updates too.

>>> from harness.generators import perfect
>>> read, write = {"f": "read"}, {"f": "write", "value": 1}
>>> history = perfect([cycle([read, write], 2), flip_flop(repeat(write), read)])
>>> [operation.f for operation in history if operation.type == "ok"]
['read', 'write', 'read', 'write', 'write', 'read', 'write']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import UsageError
from harness.generators.context import Context
from harness.generators.core import (
    NOTHING,
    PENDING,
    Event,
    Generator,
    GeneratorLike,
    Invocation,
    Offer,
    Pending,
    soonest,
)
from harness.generators.values import InTurn, short, to_generator


def any_of(*generators: GeneratorLike) -> Generator:
    """The soonest operation of any child; ties fall evenly. Jepsen: `any`.

    Exhausted when all are; without children at once.
    """
    _demand_arguments("any_of", generators)
    return Soonest(tuple(map(to_generator, generators)))


def _demand_arguments(name: str, generators: Sequence[GeneratorLike]) -> None:
    """A list alone would be one child, whose elements come in turn: surely not what was meant."""
    if len(generators) == 1 and isinstance(generators[0], list | tuple):
        raise UsageError(
            f"{name} takes its generators as arguments, not as one list: {name}(read, write), or "
            f"{name}(*generators). Of one list it would do the elements in turn. (mix takes one.)"
        )


def mix(
    generators: Sequence[GeneratorLike],
    *more: GeneratorLike,
    weights: Sequence[int] | None = None,
) -> Generator:
    """A random mixture: each time a child drawn from those that can act now. Jepsen: `mix`.

    Draws evenly, or by `weights`, one positive integer a child. If none can act now, the mix
    waits for the soonest. An exhausted child leaves the mix. Raises UsageError for weights that are
    no positive integers, or not as many as there are children.
    """
    if more or isinstance(generators, str) or not isinstance(generators, Sequence):
        given = f"{1 + len(more)} arguments" if more else short(generators)
        raise UsageError(
            f"mix takes one list of generators, not {given}: mix([read, write]), and with weights "
            "mix([read, write], weights=[3, 1]). (any_of and concat take them as arguments.)"
        )
    children = tuple(map(to_generator, generators))
    if weights is None:
        return Soonest(children)
    if len(weights) != len(children):
        raise UsageError(f"mix got {len(children)} generators, but {len(weights)} weights.")
    for weight in weights:
        if not isinstance(weight, int) or weight <= 0:
            raise UsageError(f"A weight of mix is a positive integer, not {short(weight)}.")
    return Soonest(children, tuple(weights))


class Soonest(Generator, frozen=True, gc=False):
    """The soonest operation of several children; see `core.soonest`."""

    children: tuple[Generator, ...]
    weights: tuple[int, ...] | None = None

    def op(self, context: Context) -> Offer:
        children = self.children
        answer, states = soonest(
            context, len(children), lambda child: children[child].op(context), self.weights
        )
        if answer is None:
            return None
        for number, state in states.items():
            if state is not children[number]:
                return answer, self._with(replaced(children, states))
        return answer, self

    def _with(self, children: tuple[Generator, ...]) -> Generator:
        for child in children:
            if child is not NOTHING:
                return Soonest(children, self.weights)
        return NOTHING

    def update(self, context: Context, event: Event) -> Generator:
        children = updated(self.children, context, event)
        return self if children is self.children else self._with(children)


def replaced(
    children: tuple[Generator, ...], states: Mapping[int, Generator]
) -> tuple[Generator, ...]:
    """The children, some of them with new states."""
    after = list(children)
    for number, state in states.items():
        after[number] = state
    return tuple(after)


def updated(
    children: tuple[Generator, ...], context: Context, event: Event
) -> tuple[Generator, ...]:
    """All children after an event; the very tuple if none of them changed."""
    after: list[Generator] | None = None  # made only if a child changes, which few do
    for number, child in enumerate(children):
        new = child.update(context, event)
        if new is not child:
            if after is None:
                after = list(children)
            after[number] = new
    return children if after is None else tuple(after)


def shortest_any(*generators: GeneratorLike) -> Generator:
    """Like `any_of`, but ends as soon as one child ends. Jepsen: `shortest-any`."""
    _demand_arguments("shortest_any", generators)
    return Shortest(tuple(map(to_generator, generators)))


class Shortest(Generator, frozen=True, gc=False):
    """The soonest operation of children that must all have one."""

    children: tuple[Generator, ...]

    def op(self, context: Context) -> Offer:
        # All must be asked, because any of them may be the one that ends it.
        offers = [child.op(context) for child in self.children]
        if None in offers:
            return None
        answer, states = soonest(context, len(offers), offers.__getitem__)
        if answer is None:
            return None
        return answer, Shortest(replaced(self.children, states))

    def update(self, context: Context, event: Event) -> Generator:
        children = updated(self.children, context, event)
        return self if children is self.children else Shortest(children)


def flip_flop(first: GeneratorLike, second: GeneratorLike) -> Generator:
    """One operation of the first, one of the second, and so on. Jepsen: `flip-flop`.

    Ends when the one whose turn it is has no more. Both hear of events (Jepsen's do not).
    """
    return FlipFlop((to_generator(first), to_generator(second)), 0)


class FlipFlop(Generator, frozen=True, gc=False):
    """Two children by turns; `turn` says whose it is."""

    children: tuple[Generator, ...]
    turn: int

    def op(self, context: Context) -> Offer:
        child = self.children[self.turn]
        offer = child.op(context)
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Pending):
            return answer, self if rest is child else FlipFlop(self._with(rest), self.turn)
        return answer, FlipFlop(self._with(rest), 1 - self.turn)

    def update(self, context: Context, event: Event) -> Generator:
        children = updated(self.children, context, event)
        return self if children is self.children else FlipFlop(children, self.turn)

    def _with(self, rest: Generator) -> tuple[Generator, ...]:
        first, second = self.children
        return (first, rest) if self.turn else (rest, second)


def concat(*generators: GeneratorLike) -> Generator:
    """Each child until it is exhausted, then the next; the same as a list. Jepsen: `concat`."""
    return InTurn(tuple(map(to_generator, generators)))


def repeat(generator: GeneratorLike, times: int | None = None) -> Generator:
    """The child's next operation again and again, its state unchanged. Jepsen: `repeat`.

    `times` bounds how often. A child that draws draws anew each time. Compare `cycle`.
    """
    return Repeat(to_generator(generator), _times("repeat", times))


class Repeat(Generator, frozen=True, gc=False):
    """A child that stays as it is; `remaining` is -1 for ever."""

    child: Generator
    remaining: int

    def op(self, context: Context) -> Offer:
        if self.remaining == 0:
            return None
        offer = self.child.op(context)
        if offer is None:
            return None
        answer = offer[0]
        if self.remaining < 0 or isinstance(answer, Pending):
            return answer, self
        return answer, Repeat(self.child, self.remaining - 1)

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        return self if child is self.child else Repeat(child, self.remaining)


def cycle(generator: GeneratorLike, times: int | None = None) -> Generator:
    """The whole child again whenever it is exhausted, at most `times` times. Jepsen: `cycle`.

    Each round begins with the child as it was given; events reach the current round only. Ends
    too if a fresh child is exhausted at once.
    """
    child = to_generator(generator)
    return Cycle(child, child, _times("cycle", times))


class Cycle(Generator, frozen=True, gc=False):
    """Rounds of one child; `remaining` counts this round too and is -1 for ever."""

    original: Generator
    current: Generator
    remaining: int

    def op(self, context: Context) -> Offer:
        remaining = self.remaining
        if remaining == 0:
            return None
        offer = self.current.op(context)
        if offer is None:
            remaining = max(-1, remaining - 1)
            offer = self.original.op(context) if remaining else None
        if offer is None:
            return None
        answer, rest = offer
        return answer, Cycle(self.original, rest, remaining)

    def update(self, context: Context, event: Event) -> Generator:
        current = self.current.update(context, event)
        return self if current is self.current else Cycle(self.original, current, self.remaining)


def synchronize(generator: GeneratorLike) -> Generator:
    """Waits until all threads in sight are free, then becomes the child. Jepsen: `synchronize`."""
    return Synchronize(to_generator(generator))


class Synchronize(Generator, frozen=True, gc=False):
    """A barrier before a child."""

    child: Generator

    def op(self, context: Context) -> Offer:
        if context.free != context.visible:
            return PENDING, self
        offer = self.child.op(context)
        if offer is None or isinstance(offer[0], Invocation):
            return offer
        return offer[0], Synchronize(offer[1])

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        return self if child is self.child else Synchronize(child)


def phases(*generators: GeneratorLike) -> Generator:
    """Each child to its end, waiting for all threads in sight between. Jepsen: `phases`.

    "In sight" is what the generators around leave: `clients(phases(...))` waits for the clients
    only, and not for a nemesis that is at work. A list is a generator, and so it is one phase:
    `phases(*several)` makes each of its elements one.
    """
    return concat(*map(synchronize, generators))


def then(first: GeneratorLike, second: GeneratorLike) -> Generator:
    """The first, then a barrier, then the second. Jepsen: `then`, whose arguments are swapped."""
    return concat(first, synchronize(second))


def _times(name: str, times: int | None) -> int:
    if times is None:
        return -1
    if not isinstance(times, int) or times < 0:
        raise UsageError(f"{name} takes a number of times, 0 or more, not {short(times)}.")
    return times
