"""What stands around a whole generator: fresh draws, checked answers, errors that say where.

The interpreter wraps the generator of a run once, with `prepare`. Jepsen applies `validate` and
`friendly-exceptions` likewise; they are here too, for a part of a generator.

>>> context = Context.begin(clients=2)
>>> prepare({"f": "read"}).op(context)[0].f
'read'
>>> class Wrong(Generator, frozen=True):
...     def op(self, context):
...         return {"f": "read"}
>>> prepare(Wrong()).op(context)
Traceback (most recent call last):
    ...
harness.errors.UsageError: The generator Wrong() answered {'f': 'read'}. Expected None (exhausted),
or a pair of an Invocation or Pending and the next Generator.
"""

from __future__ import annotations

from typing import Any, NoReturn

from harness.errors import SplitbrainError, UsageError
from harness.generators.context import Context
from harness.generators.core import (
    KINDS,
    Event,
    Generator,
    GeneratorLike,
    Invocation,
    Offer,
    Pending,
    Quiet,
    quiet,
)
from harness.generators.values import short, to_generator
from harness.places import ADDRESS, calls, placed


def prepare(generator: GeneratorLike) -> Generator:
    """The generator of a run, ready for an interpreter: draws rewound, answers checked.

    Only the outermost generator may be prepared: inside another one, its rewinding would make
    unrelated draws equal.
    """
    return Prepared(to_generator(generator))


class Prepared(Generator, frozen=True, gc=False):
    """The root of a generator."""

    child: Generator

    def op(self, context: Context) -> Offer:
        child = self.child
        if isinstance(child, Quiet) and context.time_ns < child.until_ns:
            return child.pending, self
        context.random.rewind(context.draw)
        try:
            offer = self.child.op(context)
        except Exception as error:
            _explain(error, self.child, f"was asked at {context.time_ns} ns")
        if offer is None:
            return None
        check_offer(offer, context, self.child)
        answer, rest = offer
        return answer, Prepared(quiet(answer, rest) if isinstance(answer, Pending) else rest)

    def update(self, context: Context, event: Event) -> Generator:
        bit = context.bit_of(event.process)
        context.random.rewind_for_event(context.draw, context.time_ns, bit)
        try:
            child = self.child.update(context, event)
        except Exception as error:
            _explain(error, self.child, f"was told of {short(event)}")
        if child is self.child:
            return self
        if not isinstance(child, Generator):
            raise UsageError(
                f"The generator {short(self.child)} became {short(child)} by an update. `update` "
                "returns a Generator: self if nothing changes."
            )
        return Prepared(child)


def validate(generator: GeneratorLike) -> Generator:
    """Checks every answer of the child; UsageError says what is wrong. Jepsen: `validate`."""
    return Validate(to_generator(generator))


class Validate(Generator, frozen=True, gc=False):
    """A child whose answers are checked."""

    child: Generator

    def op(self, context: Context) -> Offer:
        offer = self.child.op(context)
        if offer is None:
            return None
        check_offer(offer, context, self.child)
        return offer[0], Validate(offer[1])

    def update(self, context: Context, event: Event) -> Generator:
        child = self.child.update(context, event)
        return self if child is self.child else Validate(child)


def friendly_errors(generator: GeneratorLike) -> Generator:
    """Says which generator an exception came from, and when. Jepsen: `friendly-exceptions`."""
    return FriendlyErrors(to_generator(generator))


class FriendlyErrors(Generator, frozen=True, gc=False):
    """A child whose exceptions are explained."""

    child: Generator

    def op(self, context: Context) -> Offer:
        try:
            offer = self.child.op(context)
        except Exception as error:
            _explain(error, self.child, f"was asked at {context.time_ns} ns")
        return None if offer is None else (offer[0], FriendlyErrors(offer[1]))

    def update(self, context: Context, event: Event) -> Generator:
        try:
            child = self.child.update(context, event)
        except Exception as error:
            _explain(error, self.child, f"was told of {short(event)}")
        return self if child is self.child else FriendlyErrors(child)


def check_offer(offer: Any, context: Context, source: Generator) -> None:
    """Raises UsageError unless `offer` is a sound answer of `source` in `context`."""
    if type(offer) is not tuple or len(offer) != 2 or not isinstance(offer[1], Generator):
        _refuse_shape(offer, source)
    answer = offer[0]
    if isinstance(answer, Invocation):
        roster = context.roster
        bit = roster.bit(answer.thread)
        if (
            not context.free >> bit & 1
            or answer.process != context.processes[bit]
            or type(answer.time_ns) is not int
            or answer.time_ns < context.time_ns
            or answer.kind not in KINDS
            or type(answer.f) is not str
            or not answer.f
        ):
            _refuse(answer, bit, context)
    elif isinstance(answer, Pending):
        until_ns = answer.until_ns
        if until_ns is not None and (type(until_ns) is not int or until_ns <= context.time_ns):
            raise UsageError(
                f"The generator {short(source)} is pending until {until_ns!r}, but it is "
                f"{context.time_ns} ns already: nobody could wait for that. `until_ns` is an "
                "integer later than context.time_ns, or None: until the next event."
            )
    else:
        _refuse_shape(offer, source)


def _refuse_shape(offer: Any, source: Generator) -> NoReturn:
    raise UsageError(
        f"The generator {short(source)} answered {short(offer)}. Expected None (exhausted), or a "
        "pair of an Invocation or Pending and the next Generator."
    )


def _refuse(answer: Invocation, bit: int, context: Context) -> NoReturn:
    """Says which rule `answer` breaks."""
    process = context.processes[bit]
    if not context.free >> bit & 1:
        wrong = f"thread {answer.thread!r} is busy; free are {context.free_threads}"
    elif answer.process != process:
        wrong = f"thread {answer.thread!r} acts as process {process!r} now"
    elif type(answer.time_ns) is not int:
        wrong = "its time is no integer; times are nanoseconds"
    elif answer.time_ns < context.time_ns:
        wrong = f"its time has passed; it is {context.time_ns} ns"
    elif answer.kind not in KINDS:
        wrong = f"its kind is {answer.kind!r}, not one of {KINDS}"
    else:
        wrong = f"its f is {answer.f!r}; a function is named by a string that is not empty"
    raise UsageError(
        f"A generator gave an operation that cannot be done: {wrong}. It gave {answer}."
    )


class GeneratorFailure(SplitbrainError):
    """A generator raised an exception; the text says where in the code, and when."""


def _explain(error: Exception, source: Generator, occasion: str) -> NoReturn:
    """Raises `error` again, explained; errors that explain themselves stay as they are."""
    if isinstance(error, SplitbrainError):
        raise error
    told = placed(f"A generator raised {type(error).__name__}: {error}", error)
    told += f"\nIt {occasion}. Usually this is a bug of a callable, or of a function of map_ops or "
    told += "filter_ops."
    if not calls(error, to_the_end=False):  # no code but ours: then of what did it make it?
        told += f" The generator was: {short(source)}"
    raise GeneratorFailure(ADDRESS.sub("", told)) from error
