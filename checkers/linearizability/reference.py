"""The reference engine: the same question, answered in a hundred lines that are easy to trust.

A configuration is (operations ordered so far, state). From the empty one, every operation that
was called before the first return of an operation not yet ordered may come next, if the state
allows it. The history is linearizable if some order contains all operations that returned
(Wing and Gong, "Testing and verifying concurrent objects", 1993; remembering configurations is
Lowe's addition). Only one shortcut is taken: an operation that is possible now and changes nothing
is taken at once.

Limits: each step looks at a bit set as long as the history; meant for a few thousand operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkers.linearizability.engine import Abort, EngineName, Frontier, Limits, Outcome, Reason
from checkers.linearizability.models import OPEN, READ, REJECTED, WRITE
from checkers.linearizability.problem import Problem

State = int | str
Configuration = tuple[int, State]  # bit i is set: operation i is in the order

_NEVER = 1 << 62
_POLL_MASK = 1023


@dataclass(frozen=True, slots=True)
class _Call:
    number: int  # in the problem
    function: int
    outcome: int
    a: State
    b: State
    call: int
    end: int

    def applied_to(self, state: State) -> State | None:
        """The state after it, or None if it is impossible in `state`."""
        if self.function == READ:
            return state if state == self.a else None
        if self.function == WRITE:
            return self.a
        if isinstance(self.a, str):
            return str(state) + self.a
        if self.outcome == REJECTED:
            return state if state != self.a else None
        return self.b if state == self.a else None

    @property
    def is_pure(self) -> bool:
        return self.function == READ or self.outcome == REJECTED


class _Search:
    """Explores one key; with `target`, stops before the return of that operation."""

    def __init__(self, problem: Problem, key: int, target: int | None = None) -> None:
        calls = _calls_of(problem, key)
        # those that returned come first, so that a complete order is a run of low bits
        self.calls = [c for c in calls if c.end < _NEVER] + [c for c in calls if c.end == _NEVER]
        self.returned = sum(c.end < _NEVER for c in calls)
        self.target = target
        initial = problem.values[problem.initial] if problem.kind == "text" else problem.initial
        self.start: Configuration = (0, initial)
        self.came_from: dict[Configuration, tuple[Configuration, int]] = {}
        self.furthest: tuple[int, int] = (-1, -1)  # the end of an operation, and its number
        self.reached: list[Configuration] = []  # those where nothing but the target is due

    def run(self, budget: int, abort: Abort) -> Configuration | Reason | None:
        """A configuration with all that returned; None: there is none; or why it gave up."""
        seen = {self.start}
        todo = [self.start]
        while todo:
            here = todo.pop()
            if len(seen) > budget:
                return "budget"
            if len(seen) & _POLL_MASK == 0 and abort[0]:
                return "stopped"
            window, first = self._window(here[0])
            if first is None:
                return here
            self.furthest = max(self.furthest, (first.end, first.number))
            if first.number == self.target:
                self.reached.append(here)
            for place, there in self._next(here, window):
                if there not in seen:
                    seen.add(there)
                    self.came_from[there] = (here, place)
                    todo.append(there)
        return None

    def order_of(self, configuration: Configuration) -> list[int]:
        """The places of the operations that led to `configuration`, first to last."""
        order = []
        while configuration != self.start:
            configuration, place = self.came_from[configuration]
            order.append(place)
        return order[::-1]

    def _window(self, done: int) -> tuple[list[int], _Call | None]:
        """What was called before the first return that is due, and what returns then."""
        first: _Call | None = None
        window = []
        lowest = (~done & (done + 1)).bit_length() - 1  # of those that are not in the order
        for place in range(lowest, self.returned):
            call = self.calls[place]
            if first is not None and call.call > first.end:
                break
            if not done >> place & 1:
                window.append(place)
                if first is None or call.end < first.end:
                    first = call
        if first is None:
            return [], None
        window = [place for place in window if self.calls[place].call < first.end]
        for place in range(self.returned, len(self.calls)):
            if self.calls[place].call < first.end and not done >> place & 1:
                window.append(place)
        return window, first

    def _next(self, here: Configuration, window: list[int]) -> Iterator[tuple[int, Configuration]]:
        done, state = here
        moves = []
        for place in window:
            call = self.calls[place]
            after = call.applied_to(state)
            if after is None or call.number == self.target:
                continue
            if call.is_pure:
                yield place, (done | 1 << place, after)
                return
            moves.append((place, (done | 1 << place, after)))
        yield from reversed(moves)  # the last one is explored first


def _calls_of(problem: Problem, key: int) -> list[_Call]:
    """The operations of one key, in the order of their calls, without reads that are open."""
    at: dict[int, list[int]] = {}
    for moment, event in enumerate(problem.events.tolist()):
        at.setdefault(event >> 1, []).append(moment)
    values = problem.values
    calls = []
    for number, (of_key, a, b, function, outcome, _) in enumerate(problem.operations.tolist()):
        if of_key != key or (outcome == OPEN and function == READ):
            continue
        moments = [*at[number], _NEVER]
        claimed: tuple[State, State] = (values[a], "") if problem.kind == "text" else (a, b)
        calls.append(_Call(number, function, outcome, *claimed, moments[0], moments[1]))
    return calls


class ReferenceEngine:
    """Plain Python; see `Engine`. Rules and memory limits do not apply to it."""

    name: EngineName = "reference"
    default_configurations = 300_000

    def check(
        self, problem: Problem, limits: Limits, abort: Abort, *, with_order: bool = False
    ) -> Outcome:
        left = limits.configurations
        undecided: Outcome | None = None
        order: list[int] = []
        for key in range(len(problem.key_ids)):
            search = _Search(problem, key)
            end = search.run(left, abort)
            left -= len(search.came_from) + 1
            spent = limits.configurations - left
            if end is None:
                return Outcome(
                    answer="illegal",
                    key=key,
                    operation=search.furthest[1],
                    legal_before=True,
                    illegal_with=True,
                    configurations=spent,
                )
            if isinstance(end, str):
                undecided = undecided or Outcome(
                    answer="unknown", reason=end, key=key, configurations=spent
                )
                # the rest still gets a small look, for an illegal key decides everything
                left = max(left, 1000)
            elif with_order:
                order += [search.calls[place].number for place in search.order_of(end)]
        spent = limits.configurations - left
        return undecided or Outcome(answer="legal", configurations=spent, order=tuple(order))

    def frontier(self, problem: Problem, operation: int, limits: Limits, abort: Abort) -> Frontier:
        search = _Search(problem, int(problem.operations["key"][operation]), operation)
        complete = search.run(limits.configurations, abort) is None
        recipes: dict[State, tuple[int, ...]] = {}
        for configuration in search.reached:
            if configuration[1] in recipes:
                continue
            recipe: list[int] = []
            for place in search.order_of(configuration):
                call = search.calls[place]
                if call.function == WRITE or (problem.kind == "register" and not call.is_pure):
                    recipe = []
                if not call.is_pure:
                    recipe.append(call.number)
            recipes[configuration[1]] = tuple(recipe)
        return Frontier(recipes=tuple(recipes.values()), complete=complete)
