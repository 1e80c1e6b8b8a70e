"""Plain values that are generators: what `to_generator` makes of them.

| value                     | as a generator                                                      |
|---------------------------|---------------------------------------------------------------------|
| None                      | exhausted                                                           |
| dict                      | that one operation; pending while its thread is busy                |
| callable                  | called again and again; what it returns is run to its end; None     |
|                           | ends it. It takes nothing, or the `Context`                         |
| list, tuple, any Sequence | its elements in turn, each until it is exhausted                    |
| Pending                   | pending (what a callable returns to say "not yet")                  |
| Generator                 | itself                                                              |

A dict says `f` and perhaps `value`, `key`, `thread`, `process`, `time_ns`. Without a thread, a
random one of those that are free does it, the nemesis included: route with `clients`. A `time_ns`
ahead is waited for. `kind` may be "sleep" (use `sleep`).

Limits: a callable may be called more often than its operations are used, because an answer can be
forgotten; so it must not count on its calls. For numbered operations use `for_each`, which is
pure. It is not called while no thread is free. Iterators are refused: they can be read but once.

>>> from harness.generators import limit, perfect, for_each
>>> history = perfect([{"f": "read"}, limit(2, lambda: {"f": "write", "value": 3})])
>>> [operation.f for operation in history if operation.type == "ok"]
['read', 'write', 'write']
>>> history = perfect(limit(3, for_each(range(10**9), lambda n: {"f": "add", "value": n})))
>>> [operation.value for operation in history if operation.type == "ok"]
[0, 1, 2]
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from harness.errors import UsageError
from harness.generators.context import Context, Process, Thread
from harness.generators.core import (
    KINDS,
    NOTHING,
    PENDING,
    Event,
    Generator,
    GeneratorLike,
    Invocation,
    InvocationKind,
    Offer,
    Pending,
)

#: How many empty results in a row a callable or a sequence may give before it is called a mistake.
EMPTY_MAX = 10_000

_FIELDS = ("f", "value", "key", "thread", "process", "time_ns", "kind")


def to_generator(value: GeneratorLike) -> Generator:
    """The generator that `value` stands for; see the table above.

    Raises UsageError if it stands for none.

    >>> to_generator([{"f": "read"}, 7])
    Traceback (most recent call last):
        ...
    harness.errors.UsageError: 7 is no generator. A generator is None, a dict with an "f", a
    callable, a list or tuple of generators, or a Generator.
    """
    if isinstance(value, Generator):
        return value
    if value is None:
        return NOTHING
    if isinstance(value, Mapping):
        return one_operation(value)
    if isinstance(value, list | tuple):
        return InTurn(tuple(map(to_generator, value)))
    if isinstance(value, Pending):
        return Waiting(value)
    if isinstance(value, Iterator):
        raise UsageError(
            f"{short(value)} is an iterator, which can be read but once; generators are asked "
            "again and again. Make it a list, or use for_each(range(...), make) for a long one."
        )
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | range):
        return InTurn(value)
    if callable(value):
        return Calls(value, _wants_context(value))
    raise UsageError(
        f'{short(value)} is no generator. A generator is None, a dict with an "f", a callable, a '
        "list or tuple of generators, or a Generator."
    )


class OneOperation(Generator, frozen=True, gc=False):
    """One operation, whose missing fields the context fills in."""

    f: str
    value: Any = None
    key: Any = None
    thread: Thread | None = None
    time_ns: int = 0
    kind: InvocationKind = "invoke"
    process: Process | None = None

    def op(self, context: Context) -> Offer:
        if self.thread is None and self.process is None:
            if not context.free:
                return PENDING, self
            bit = context.random_free_bit()
        else:
            bit = self._own_bit(context)
            if not context.free >> bit & 1:
                return PENDING, self
            self._check_process(context.processes[bit])
        time_ns = context.time_ns
        return Invocation(
            time_ns if self.time_ns <= time_ns else self.time_ns,
            context.roster.threads[bit],
            context.processes[bit],
            self.f,
            self.key,
            self.value,
            self.kind,
        ), NOTHING

    def _own_bit(self, context: Context) -> int:
        """The bit of the thread or process that the operation names."""
        if self.thread is not None:
            bit = context.roster.bit(self.thread)
        else:
            assert self.process is not None
            bit = context.bit_of(self.process)
        if not context.visible >> bit & 1:
            raise UsageError(
                f"The operation {self.f!r} wants thread {context.roster.threads[bit]!r}, but a "
                f"generator around it leaves only {context.threads}."
            )
        return bit

    def _check_process(self, process: Process) -> None:
        if self.process is not None and process != self.process:
            raise UsageError(
                f"The operation {self.f!r} wants process {self.process!r}, but its thread acts as "
                f"process {process!r} now. A process that ended with info retires; name the "
                "thread, not the process."
            )


class Waiting(Generator, frozen=True, gc=False):
    """Pending until a time, then exhausted; for ever if it names no time."""

    pending: Pending

    def op(self, context: Context) -> Offer:
        until_ns = self.pending.until_ns
        if until_ns is not None and until_ns <= context.time_ns:
            return None
        return self.pending, self


class Calls(Generator, frozen=True, gc=False):
    """What a callable returns, again and again."""

    function: Callable[..., Any]
    wants_context: bool
    current: Generator | None = None

    def op(self, context: Context) -> Offer:
        current = self.current
        for _ in range(EMPTY_MAX):
            if current is None:
                if not context.free:
                    return PENDING, self
                result = self.function(context) if self.wants_context else self.function()
                if result is None:
                    return None
                if type(result) is dict:
                    current = one_operation(result)
                elif isinstance(result, Pending):
                    return result, self
                else:
                    current = to_generator(result)
            offer = current.op(context)
            if offer is not None:
                answer, rest = offer
                if rest is NOTHING:
                    return answer, self if self.current is None else self._with(None)
                return answer, self._with(rest)
            current = None
        raise UsageError(
            f"The callable {short(self.function)} returned {EMPTY_MAX:,} exhausted generators in a "
            "row (such as an empty list). Return None when there is nothing more to do."
        )

    def update(self, context: Context, event: Event) -> Generator:
        if self.current is None:
            return self
        current = self.current.update(context, event)
        return self if current is self.current else self._with(current)

    def _with(self, current: Generator | None) -> Calls:
        return Calls(self.function, self.wants_context, current)


class InTurn(Generator, frozen=True, gc=False):
    """The elements of a sequence one after the other; `make` turns each into a generator."""

    items: Sequence[Any]
    make: Callable[[Any], GeneratorLike] = to_generator
    index: int = 0
    current: Generator | None = None  # of items[index], once it was asked

    def op(self, context: Context) -> Offer:
        index, current = self.index, self.current
        for _ in range(EMPTY_MAX):
            if current is None:
                if index >= len(self.items):
                    return None
                current = to_generator(self.make(self.items[index]))
            offer = current.op(context)
            if offer is not None:
                answer, rest = offer
                if rest is NOTHING:
                    if index + 1 >= len(self.items):
                        return answer, NOTHING
                    return answer, InTurn(self.items, self.make, index + 1)
                if rest is self.current:
                    return answer, self
                return answer, InTurn(self.items, self.make, index, rest)
            index, current = index + 1, None
        raise UsageError(
            f"{EMPTY_MAX:,} generators in a row of {short(self.items)} were exhausted before their "
            "first operation."
        )

    def update(self, context: Context, event: Event) -> Generator:
        """Only the element whose turn it is hears; one of `for_each` only once it has begun."""
        before = self.current
        if before is None:
            if self.make is not to_generator or self.index >= len(self.items):
                return self
            before = to_generator(self.items[self.index])
        after = before.update(context, event)
        if after is NOTHING and self.index + 1 >= len(self.items):
            return NOTHING
        return self if after is before else InTurn(self.items, self.make, self.index, after)


def for_each(items: Sequence[Any], make: Callable[[Any], GeneratorLike]) -> Generator:
    """`make(item)` for each item in turn. Jepsen: a lazy `(map make items)`.

    Nothing is computed before it is needed, so that `for_each(range(10**9), make)` numbers the
    operations of a run without end. `make` must be pure: it may be called twice for one item.
    Raises UsageError if `items` is no sequence, as an iterator is none.
    """
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise UsageError(
            f"for_each needs a sequence, such as a list or range(10**9), not {short(items)}."
        )
    return InTurn(items, make)


def one_operation(fields: Mapping[str, Any]) -> OneOperation:
    """The operation that a dict describes. Raises UsageError if it is none."""
    for name in fields:
        if name not in _FIELDS:
            raise UsageError(
                f"The operation {short(fields)} has the field {name!r}, which operations do not "
                f"have. They have: {', '.join(_FIELDS)}."
            )
    kind = fields.get("kind", "invoke")
    if kind not in KINDS:
        raise UsageError(f"The operation {short(fields)} has kind {kind!r}, not one of {KINDS}.")
    f = fields.get("f", kind if kind != "invoke" else None)
    if not isinstance(f, str) or not f:
        raise UsageError(
            f'The operation {short(fields)} has no "f". Every operation names its function by a '
            'string, such as {"f": "read"}.'
        )
    return OneOperation(
        f,
        fields.get("value"),
        fields.get("key"),
        fields.get("thread"),
        fields.get("time_ns", 0),
        kind,
        fields.get("process"),
    )


def short(value: object) -> str:
    """The repr of `value`, cut to what an error message can hold."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _wants_context(function: Callable[..., Any]) -> bool:
    """Whether `function` takes one argument rather than none."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins do not tell
        return False
    needed = [
        parameter
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if len(needed) > 1 or any(parameter.kind is parameter.KEYWORD_ONLY for parameter in needed):
        raise UsageError(
            f"The callable {short(function)} needs {len(needed)} arguments. A generator's callable "
            "takes none, or one: the context."
        )
    return bool(needed)
