"""Combinators that change or watch operations: map, filter, rename, react, trace.

>>> from harness.generators import limit, perfect, repeat
>>> generator = map_ops(lambda op: op.replace(value=7), limit(1, repeat({"f": "write"})))
>>> [operation.value for operation in perfect(generator)]
[7, 7]
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import UsageError
from harness.generators.context import Context
from harness.generators.core import Event, Generator, GeneratorLike, Invocation, Offer, Pending
from harness.generators.values import EMPTY_MAX, short, to_generator

_logger = logging.getLogger("harness.generators")


def map_ops(change: Callable[[Invocation], Invocation], generator: GeneratorLike) -> Generator:
    """`change` applied to each operation. Jepsen: `map`. Sleeps and logs are left alone.

    `change` must be pure, and use `invocation.replace(value=...)`.
    """
    return MapOps(to_generator(generator), change)


class MapOps(Generator, frozen=True, gc=False):
    """A child whose operations are changed."""

    child: Generator
    change: Callable[[Invocation], Invocation]

    def op(self, context: Context) -> Offer:
        offer = self.child.op(context)
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Invocation) and answer.kind == "invoke":
            answer = self.change(answer)
            if not isinstance(answer, Invocation):
                raise UsageError(
                    f"The function {short(self.change)} of map_ops returned {short(answer)}, not "
                    "an Invocation. Return invocation.replace(...), or the invocation itself."
                )
        return answer, self if rest is self.child else MapOps(rest, self.change)

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        return self if child is self.child else MapOps(child, self.change)


def f_map(names: Mapping[str, str], generator: GeneratorLike) -> Generator:
    """Renames functions; those that `names` lacks stay. Jepsen: `f-map`.

    The child hears of events under the new names.
    """
    renamed = dict(names)
    return map_ops(lambda op: op.replace(f=renamed.get(op.f, op.f)), generator)


def filter_ops(wanted: Callable[[Invocation], bool], generator: GeneratorLike) -> Generator:
    """Only the operations that `wanted` takes. Jepsen: `filter`. Sleeps and logs pass.

    Raises UsageError after 10,000 unwanted ones in a row.
    """
    return FilterOps(to_generator(generator), wanted)


class FilterOps(Generator, frozen=True, gc=False):
    """A child some of whose operations are skipped."""

    child: Generator
    wanted: Callable[[Invocation], bool]

    def op(self, context: Context) -> Offer:
        child = self.child
        for _ in range(EMPTY_MAX):
            offer = child.op(context)
            if offer is None:
                return None
            answer, rest = offer
            if isinstance(answer, Pending) and child is not self.child:
                # The next ask must refuse the same again, for it draws the same again.
                return answer, self
            if isinstance(answer, Pending) or answer.kind != "invoke" or self.wanted(answer):
                return answer, FilterOps(rest, self.wanted)
            child = rest
        raise UsageError(
            f"The predicate {short(self.wanted)} of filter_ops refused {EMPTY_MAX:,} operations in "
            f"a row, the last of them {short(answer)}. Does any operation satisfy it?"
        )

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        return self if child is self.child else FilterOps(child, self.wanted)


def on_update(
    react: Callable[[Generator, Context, Event], GeneratorLike], generator: GeneratorLike
) -> Generator:
    """`react(child, context, event)` decides what the child becomes. Jepsen: `on-update`.

    It need not call `child.update`, but mostly should. It keeps being asked about later events.
    """
    return OnUpdate(to_generator(generator), react)


class OnUpdate(Generator, frozen=True, gc=False):
    """A child that a function updates."""

    child: Generator
    react: Callable[[Generator, Context, Event], GeneratorLike]

    def op(self, context: Context) -> Offer:
        offer = self.child.op(context)
        return None if offer is None else (offer[0], OnUpdate(offer[1], self.react))

    def update(self, context: Context, event: Event) -> Generator:
        child = to_generator(self.react(self.child, context, event))
        return self if child is self.child else OnUpdate(child, self.react)


def trace(
    label: str, generator: GeneratorLike, *, sink: Callable[[str], Any] | None = None
) -> Generator:
    """Tells `sink` (by default the log "harness.generators") of every answer and event.

    Jepsen: `trace`. Answers that are forgotten are told too; that is what it is for.
    """
    return Trace(to_generator(generator), label, sink or _logger.info)


class Trace(Generator, frozen=True, gc=False):
    """A child that is watched."""

    child: Generator
    label: str
    sink: Callable[[str], Any]

    def op(self, context: Context) -> Offer:
        offer = self.child.op(context)
        answer = None if offer is None else offer[0]
        self.sink(f"{self.label}: at {context.time_ns} ns, free {context.free_threads}: {answer}")
        return None if offer is None else (offer[0], Trace(offer[1], self.label, self.sink))

    def update(self, context: Context, event: Event) -> Generator:
        self.sink(f"{self.label}: at {context.time_ns} ns, event {event}")
        child = self.child.update(context, event)
        return self if child is self.child else Trace(child, self.label, self.sink)
