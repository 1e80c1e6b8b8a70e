"""The protocol: what a generator is, and what it answers.

             op(context)                      update(context, event)
    ┌───────────────────────────┐       ┌──────────────────────────────────┐
    │ None                      │       │ an operation began or completed: │
    │ (Invocation, generator')  │       │ the generator from now on        │
    │ (Pending,    generator')  │       └──────────────────────────────────┘
    └───────────────────────────┘

* `None`: exhausted, for good.
* `(Invocation, generator')`: the soonest operation that the generator would do unless an event
  comes first. `time_ns` may lie ahead. Whoever dispatches it goes on with `generator'`; whoever
  meets an event before its time forgets the answer, updates the *old* generator and asks again.
* `(Pending, generator')`: nothing now. Ask `generator'` again after the next event, or at
  `until_ns` if that is not None: the time from which on the answer may differ without an event.

Generators are immutable values: asking changes nothing, so an answer can be thrown away. That is
how `any_of` asks several and takes the soonest.

Clocks inside generators (`time_limit`, `delay`, `cycle_times`) start with the first operation
that is *dispatched*, as in Jepsen; so how often somebody asked never matters.

A generator of one's own is a frozen struct with two methods:

>>> from harness.generators import perfect
>>> class Countdown(Generator, frozen=True):
...     number: int
...
...     def op(self, context: Context) -> Offer:
...         if self.number == 0:
...             return None
...         if not context.free_threads:
...             return PENDING, self
...         thread = context.free_threads[0]
...         process = context.process_of(thread)
...         invocation = Invocation(context.time_ns, thread, process, "say", None, self.number)
...         return invocation, Countdown(self.number - 1)
>>> [operation.value for operation in perfect(Countdown(3)) if operation.type == "ok"]
[3, 2, 1]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from harness.generators.context import Context, Process, Thread

#: An operation for the system, a rest for the thread (`value` is nanoseconds), a line to log.
#: The latter two never enter the history.
InvocationKind = Literal["invoke", "sleep"]
KINDS: tuple[InvocationKind, ...] = ("invoke", "sleep")


class Invocation(msgspec.Struct, frozen=True, gc=False):
    """Something for a thread to do at `time_ns`."""

    time_ns: int
    thread: Thread
    process: Process
    f: str
    key: Any = None
    value: Any = None
    kind: InvocationKind = "invoke"

    @property
    def type(self) -> str:
        """The kind, under the name that events use: an invocation is an event too."""
        return self.kind

    def at(self, time_ns: int) -> Invocation:
        """The same at another time."""
        return Invocation(
            time_ns, self.thread, self.process, self.f, self.key, self.value, self.kind
        )

    def replace(self, **changes: Any) -> Invocation:
        """The same with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class Pending(msgspec.Struct, frozen=True, gc=False):
    """Nothing now: ask again after the next event, and at `until_ns` unless that is None.

    With `only_time`, threads that become free change nothing before `until_ns`; only an `update`
    that changes the generator can. That spares asking in vain (see `Quiet`), and is never needed.
    """

    until_ns: int | None = None
    only_time: bool = False


PENDING = Pending()


class Event(Protocol):
    """What `update` gets: an `Invocation` when it is dispatched, an `Operation` at its end.

    `type` is "invoke" or "sleep" for what begins, "ok", "fail" or "info" for what ends.
    The end of a sleep or a log is no event; the thread is just free again.
    """

    @property
    def time_ns(self) -> int: ...
    @property
    def process(self) -> Process: ...
    @property
    def type(self) -> str: ...
    @property
    def f(self) -> str: ...
    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> Any: ...


class Generator(msgspec.Struct, frozen=True, gc=False):
    """The base of all generators."""

    def op(self, context: Context) -> Offer:
        """The soonest thing to do; see the head of the module."""
        raise NotImplementedError

    def update(self, context: Context, event: Event) -> Generator:
        """The generator after `event`. Return `self`, the very object, if nothing changes."""
        return self


Offer: TypeAlias = tuple[Invocation | Pending, Generator] | None

#: What can stand where a generator is wanted; see harness.generators.values.
GeneratorLike: TypeAlias = (
    Generator | Mapping[str, Any] | Sequence[Any] | Callable[..., Any] | Pending | None
)


class Nothing(Generator, frozen=True, gc=False):
    """The generator that is exhausted."""

    def op(self, context: Context) -> Offer:
        return None


NOTHING = Nothing()


class Quiet(Generator, frozen=True, gc=False):
    """A child that only time can wake: until then it is not asked, just told of events."""

    child: Generator
    pending: Pending
    until_ns: int

    def op(self, context: Context) -> Offer:
        if context.time_ns < self.until_ns:
            return self.pending, self
        return self.child.op(context)

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        return self if child is self.child else child


def quiet(pending: Pending, generator: Generator) -> Generator:
    """`generator`, which has just answered `pending`, as it should be kept until asked again."""
    if pending.only_time and pending.until_ns is not None and not isinstance(generator, Quiet):
        return Quiet(generator, pending, pending.until_ns)
    return generator


def earlier(first_ns: int | None, second_ns: int | None) -> int | None:
    """The earlier of two times, where None is never."""
    if first_ns is None:
        return second_ns
    if second_ns is None or first_ns <= second_ns:
        return first_ns
    return second_ns


def soonest(
    context: Context,
    count: int,
    ask: Callable[[int], Offer],
    weights: Sequence[int] | None = None,
) -> tuple[Invocation | Pending | None, dict[int, Generator]]:
    """Ask `count` children and take the soonest operation; ties fall by weight.

    Returns the answer, and the new states of the children that changed (NOTHING: exhausted). The
    children are asked in a weighted random order, and the first one that can act *now* ends the
    search: nobody can be sooner, and among those that can act now each one comes first with a
    probability proportional to its weight. So a wide choice costs one ask, not `count`.

    A child that is pending until a time before the soonest operation makes the answer pending
    until that time: it might then have something sooner.

    How often somebody asks must not matter. Therefore `count` has to stay the same, exhausted
    children included, and asks in vain give their draws back.
    """
    if count == 0:
        return None, {}
    random = context.random
    position = random.position
    if weights is None:
        first = int(random.random() * count) if count > 1 else 0
    else:
        first = _draw(context, range(count), weights)
    before = random.position
    offer = ask(first)
    if offer is not None and isinstance(offer[0], Invocation):
        if offer[0].time_ns <= context.time_ns:
            return offer[0], {first: offer[1]}  # by far the most frequent case
    else:
        random.position = before
    answer, states = _soonest_of_rest(context, count, ask, weights, first, offer)
    if not isinstance(answer, Invocation):
        random.position = position
    return answer, states


def _soonest_of_rest(
    context: Context,
    count: int,
    ask: Callable[[int], Offer],
    weights: Sequence[int] | None,
    child: int,
    offer: Offer,
) -> tuple[Invocation | Pending | None, dict[int, Generator]]:
    """Go on with `soonest` after `child` had nothing for now, but answered `offer`."""
    random, now_ns = context.random, context.time_ns
    unasked = [other for other in range(count) if other != child]
    states: dict[int, Generator] = {}
    best: tuple[int, Invocation, Generator] | None = None
    until_ns: int | None = None
    waiting, only_time = False, True
    while True:
        if offer is None:
            states[child] = NOTHING
        elif isinstance(offer[0], Pending):
            waiting = True
            states[child] = quiet(offer[0], offer[1])
            until_ns = earlier(until_ns, offer[0].until_ns)
            only_time = only_time and offer[0].only_time
        elif best is None or offer[0].time_ns < best[1].time_ns:
            best = child, offer[0], offer[1]
            if offer[0].time_ns <= now_ns:
                until_ns = None
                break
        if not unasked:
            break
        child = _draw(context, unasked, weights)
        unasked.remove(child)
        before = random.position
        offer = ask(child)
        if offer is None or isinstance(offer[0], Pending):
            random.position = before
    if best is None:
        return (Pending(until_ns, only_time) if waiting else None), states
    child, soonest_invocation, rest = best
    if until_ns is not None and until_ns < soonest_invocation.time_ns:
        return Pending(until_ns), states
    states[child] = rest
    return soonest_invocation, states


def _draw(context: Context, numbers: Sequence[int], weights: Sequence[int] | None) -> int:
    """One of `numbers`, evenly or by weight."""
    if len(numbers) == 1:
        return numbers[0]
    if weights is None:
        return numbers[int(context.random.random() * len(numbers))]
    point = context.random.random() * sum(weights[number] for number in numbers)
    for number in numbers:
        point -= weights[number]
        if point < 0:
            return number
    return numbers[-1]
