"""Independent objects: one generator a key, whose operations carry that key.

A history of many keys is checked key by key, which is dear per key only in the operations on that
key; that is what makes long linearizability tests feasible. `make(key)` gives the operations
without the key; it is put into `Invocation.key`.

>>> from harness.generators import limit, perfect, repeat
>>> make = lambda key: limit(2, repeat({"f": "read"}))
>>> history = perfect(concurrent_generator(2, ["x", "y", "z"], make), threads=4)
>>> sorted(o.key for o in history if o.type == "invoke")
['x', 'x', 'y', 'y', 'z', 'z']
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.errors import UsageError
from harness.generators.context import Context, bits_of
from harness.generators.core import (
    NOTHING,
    Event,
    Generator,
    GeneratorLike,
    Invocation,
    Offer,
    soonest,
)
from harness.generators.limits import at_least
from harness.generators.values import for_each, short, to_generator


def sequential_generator(keys: Sequence[Any], make: Callable[[Any], GeneratorLike]) -> Generator:
    """All operations of the first key, then of the second, on all threads in sight.

    Jepsen: `independent/sequential-generator`. `keys` may be as long as range(10**9).
    """
    return for_each(keys, lambda key: Keyed(key, to_generator(make(key))))


def concurrent_generator(
    threads_per_key: int, keys: Sequence[Any], make: Callable[[Any], GeneratorLike]
) -> Generator:
    """Groups of `threads_per_key` client threads work on a key each, then take the next key.

    Jepsen: `independent/concurrent-generator`. The clients in sight must be a multiple of
    `threads_per_key` (UsageError). A group sees only its own threads, so `reserve` and `phases`
    inside `make` mean the group. The nemesis gets nothing.
    """
    if isinstance(keys, str) or not isinstance(keys, Sequence):
        raise UsageError(
            f"concurrent_generator needs a sequence of keys, such as range(10**9), not "
            f"{short(keys)}."
        )
    size = at_least("concurrent_generator", "threads_per_key", threads_per_key, 1)
    return Concurrent(size, keys, make)


class Keyed(Generator, frozen=True, gc=False):
    """A child whose operations all work on `key`, and which hears only of those."""

    key: Any
    child: Generator

    def op(self, context: Context) -> Offer:
        offer = self.child.op(context)
        if offer is None:
            return None
        answer, rest = offer
        if isinstance(answer, Invocation) and answer.kind == "invoke":
            if answer.key is not None:
                raise UsageError(
                    f"The generator of key {self.key!r} gave an operation that has a key already: "
                    f"{answer}. Independent generators set the key; leave it out."
                )
            answer = Invocation(
                answer.time_ns, answer.thread, answer.process, answer.f, self.key, answer.value
            )
        return answer, self._with(rest)

    def update(self, context: Context, event: Event) -> Generator:
        if event.key != self.key:
            return self
        return self._with(self.child.update(context, event))

    def _with(self, child: Generator) -> Generator:
        if child is self.child:
            return self
        return NOTHING if child is NOTHING else Keyed(self.key, child)


class Concurrent(Generator, frozen=True, gc=False):
    """Groups of threads; `groups` are their generators (None: no key is left), once known."""

    size: int
    keys: Sequence[Any]
    make: Callable[[Any], GeneratorLike]
    taken: int = 0  # how many of the keys have been given out
    masks: tuple[int, ...] = ()
    groups: tuple[Generator | None, ...] = ()

    def op(self, context: Context) -> Offer:
        masks = self.masks or self._masks(context)
        groups = list(self.groups)
        taken = self.taken
        while len(groups) < len(masks):
            taken, child = self._next(taken)
            groups.append(child)

        def ask(number: int) -> Offer:
            nonlocal taken
            inside = context.restricted(masks[number])
            while (child := groups[number]) is not None:
                offer = child.op(inside)
                if offer is not None:
                    return offer
                taken, groups[number] = self._next(taken)
            return None

        answer, states = soonest(context, len(masks), ask)
        if answer is None:
            return None
        for number, state in states.items():
            groups[number] = state
        return answer, Concurrent(self.size, self.keys, self.make, taken, masks, tuple(groups))

    def update(self, context: Context, event: Event) -> Generator:
        bit = context.bit_of(event.process)
        for number, mask in enumerate(self.masks):
            child = self.groups[number]
            if mask >> bit & 1 and child is not None:
                after = child.update(context.restricted(mask), event)
                if after is child:
                    return self
                groups = (*self.groups[:number], after, *self.groups[number + 1 :])
                return Concurrent(self.size, self.keys, self.make, self.taken, self.masks, groups)
        return self

    def _next(self, taken: int) -> tuple[int, Generator | None]:
        """The generator of the next key, if there is one."""
        if taken >= len(self.keys):
            return taken, None
        key = self.keys[taken]
        return taken + 1, Keyed(key, to_generator(self.make(key)))

    def _masks(self, context: Context) -> tuple[int, ...]:
        bits = bits_of(context.visible & context.roster.client_mask)
        if not bits or len(bits) % self.size:
            lower = len(bits) // self.size * self.size
            raise UsageError(
                f"concurrent_generator puts {self.size} threads on each key, but {len(bits)} "
                f"clients are no multiple of {self.size}: some would have no group. Run with "
                f"{f'{lower} or ' if lower else ''}{lower + self.size} clients, or change the "
                "number of threads per key."
            )
        return tuple(
            sum(1 << bit for bit in bits[begin : begin + self.size])
            for begin in range(0, len(bits), self.size)
        )
