"""Models of objects that hold many things: counters, sets, queues, stacks and lists.

>>> queue = FifoQueue()
>>> [state] = queue.step(queue.init(), Call("enqueue", 7))
>>> queue.show(state), [*queue.step(state, Call("dequeue", answer=8))]
('[7]', [])
>>> [queue.show(after) for after in queue.step(state, Call("dequeue", answer=7))]
['[]']

Limits: a step on a set, an unordered queue or a priority queue copies it, which costs as much as
it holds; queues, stacks and lists share what they have in common (see `sequence`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any

from checkers.linearizability.model import UNKNOWN, Call, Model, exact, plain, shown
from checkers.linearizability.sequence import Sequence
from harness.errors import UsageError


class Counter(Model):
    """A sum."""

    functions = ("add", "add-and-get", "read")
    reads = frozenset({"read"})

    def init(self) -> int:
        return 0

    def start(self, initial: Any) -> int:
        if type(initial) is not int:
            raise UsageError(f"A counter cannot start as {initial!r}; it counts integers.")
        return initial

    def step(self, state: int, call: Call) -> Iterable[int]:
        if call.f == "read":
            return [state] if call.may_answer(state) else []
        after = state + call.argument
        return [after] if call.f == "add" or call.may_answer(after) else []


class SetOfElements(Model):
    """Elements that are there or not; each is a part of its own unless somebody reads them all."""

    name = "set"
    noun = "set"
    functions = ("add", "remove", "contains", "read")
    reads = frozenset({"contains", "read"})
    wholes = frozenset({"read"})

    def partition(self, call: Call) -> Any:
        return exact(call.argument)

    def init(self) -> frozenset[Any]:
        return frozenset()

    def start(self, initial: Any) -> frozenset[Any]:
        if not isinstance(initial, list):
            raise UsageError(f"A set cannot start as {initial!r}; give its elements as a list.")
        return frozenset(map(exact, initial))

    def step(self, state: frozenset[Any], call: Call) -> Iterable[frozenset[Any]]:
        if call.f == "read":
            told = call.answer
            return [state] if told is UNKNOWN or frozenset(map(exact, told)) == state else []
        element = exact(call.argument)
        there = element in state
        if call.f == "contains":
            return [state] if call.may_answer(there) else []
        # a boolean answer says whether anything changed; the element itself says nothing
        changes = there != (call.f == "add")
        if type(call.answer) is bool and call.answer != changes:
            return []
        return [state | {element} if call.f == "add" else state - {element}]

    def show(self, state: frozenset[Any]) -> str:
        return "{" + ", ".join(map(shown, self.data(state))) + "}"

    def data(self, state: frozenset[Any]) -> list[Any]:
        ranked = sorted(state, key=lambda element: (type(element).__name__, element))
        return [plain(element) for element in ranked]


class FifoQueue(Model):
    """First in, first out."""

    noun = "queue"
    functions: tuple[str, ...] = ("enqueue", "dequeue")

    def init(self) -> Sequence:
        return Sequence()

    def start(self, initial: Any) -> Sequence:
        if not isinstance(initial, list):
            raise UsageError(
                f"A {self.noun} cannot start as {initial!r}; give its items as a list."
            )
        state = self.init()
        for item in initial:
            state = next(iter(self.step(state, Call(self.functions[0], item))))
        return state

    def step(self, state: Sequence, call: Call) -> Iterable[Sequence]:
        if call.f == self.functions[0]:
            return [state.append(exact(call.given))]
        if not state:
            return [state] if call.answer in (UNKNOWN, None) else []
        if call.answer is not UNKNOWN and exact(call.answer) != self._next(state):
            return []
        return [self._rest(state)]

    def show(self, state: Any) -> str:
        return shown(self.data(state))

    def data(self, state: Any) -> list[Any]:
        return [plain(item) for item in state]

    def _next(self, state: Sequence) -> Any:
        return state.first

    def _rest(self, state: Sequence) -> Sequence:
        return state.without_first()


class Stack(FifoQueue):
    """Last in, first out."""

    noun = "stack"
    functions = ("push", "pop")

    def _next(self, state: Sequence) -> Any:
        return state.last

    def _rest(self, state: Sequence) -> Sequence:
        return state.without_last()


class UnorderedQueue(Model):
    """Gives back what it was given, each item once, in whatever order. A state is a sorted tuple
    of the items' ranks; a rank is text, so that all kinds of items can be compared."""

    noun = "queue"
    functions = ("enqueue", "dequeue")

    def init(self) -> tuple[Any, ...]:
        return ()

    def start(self, initial: Any) -> tuple[Any, ...]:
        if not isinstance(initial, list):
            raise UsageError(f"A queue cannot start as {initial!r}; give its items as a list.")
        return tuple(sorted(map(self.rank, initial)))

    def rank(self, item: Any) -> Any:
        """What items are kept and compared as."""
        return type(item).__name__, exact(item)

    def step(self, state: tuple[Any, ...], call: Call) -> Iterable[tuple[Any, ...]]:
        if call.f == "enqueue":
            grown = list(state)
            insort(grown, self.rank(call.given))
            return [tuple(grown)]
        if call.answer is UNKNOWN:
            return [self._without(state, item) for item in self._next(state)] or [state]
        if call.answer is None:
            return [] if state else [state]
        rank = self.rank(call.answer)
        place = bisect_left(state, rank)
        if place == len(state) or state[place] != rank or not self._may_leave(state, place):
            return []
        return [self._without(state, rank)]

    def show(self, state: tuple[Any, ...]) -> str:
        return shown(self.data(state))

    def data(self, state: tuple[Any, ...]) -> list[Any]:
        return [plain(item) for _, item in state]

    def _next(self, state: tuple[Any, ...]) -> Iterable[Any]:
        """What a dequeue may find, each once."""
        return dict.fromkeys(state)

    def _may_leave(self, state: tuple[Any, ...], place: int) -> bool:
        return True

    def _without(self, state: tuple[Any, ...], rank: Any) -> tuple[Any, ...]:
        place = bisect_left(state, rank)
        return state[:place] + state[place + 1 :]


class PriorityQueue(UnorderedQueue):
    """Gives back the least item: numbers by size, texts by letters, lists item by item.

    The whole item is its priority; 1 and 1.0 are the same item.
    """

    def rank(self, item: Any) -> Any:
        if isinstance(item, list):
            return ("list", tuple(map(self.rank, item)))
        if type(item) is str:
            return ("text", item)
        if type(item) not in (int, float):
            raise UsageError(
                f"{item!r} has no priority: the items of a priority queue are numbers, texts or "
                "lists of them, the least first."
            )
        return ("number", item)

    def data(self, state: tuple[Any, ...]) -> list[Any]:
        return [_unranked(rank) for rank in state]

    def _next(self, state: tuple[Any, ...]) -> Iterable[Any]:
        return state[:1]

    def _may_leave(self, state: tuple[Any, ...], place: int) -> bool:
        return place == 0


def _unranked(rank: Any) -> Any:
    return [_unranked(part) for part in rank[1]] if rank[0] == "list" else rank[1]


class GrowingList(Model):
    """A list that only grows, and is read as a whole."""

    name = "list"
    noun = "list"
    functions = ("append", "read")
    reads = frozenset({"read"})

    def init(self) -> Sequence:
        return Sequence()

    def start(self, initial: Any) -> Sequence:
        if not isinstance(initial, list):
            raise UsageError(f"A list cannot start as {initial!r}; give its elements as a list.")
        state = Sequence()
        for element in initial:
            state = state.append(exact(element))
        return state

    def step(self, state: Sequence, call: Call) -> Iterable[Sequence]:
        if call.f == "append":
            return [state.append(exact(call.given))]
        if call.answer is UNKNOWN:
            return [state]
        told = call.answer or []  # a list that nobody appended to may be nil
        if len(told) != len(state):
            return []
        return [state] if [exact(element) for element in told] == list(state) else []

    def show(self, state: Sequence) -> str:
        return shown(self.data(state))

    def data(self, state: Sequence) -> list[Any]:
        return [plain(element) for element in state]
