"""The reference engine: the same question, answered in a hundred lines that are easy to trust.

A configuration is (operations ordered so far, state). From the empty one, every operation that
was called before the first return of an operation not yet ordered may come next, if the model
allows it in that state. The history is linearizable if some order contains all operations that
returned (Wing and Gong, "Testing and verifying concurrent objects", 1993; remembering
configurations is Lowe's addition). Three shortcuts are taken:

- an operation that only reads and is possible now is taken at once: later it might not be, and
  nothing is lost, since it changes nothing;
- an open operation that changes nothing is left out;
- of open operations that are alike, the one called first goes first, as it may stand wherever
  another one stands.

It asks the model in Python about each step, so it checks any model, those of users as well.

Limits: each step looks at a bit set as long as the history; meant for a few thousand operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from checkers.linearizability.calls import calls_of
from checkers.linearizability.engine import Abort, EngineName, Frontier, Limits, Outcome, Reason
from checkers.linearizability.model import UNKNOWN, Call, careful_step, exact
from checkers.linearizability.problem import Problem

State = Any
Configuration = tuple[int, State]  # bit i is set: operation i is in the order

_NEVER = 1 << 62
_POLL_MASK = 1023


@dataclass(frozen=True, slots=True)
class _Timed:
    """A call with the moments of its beginning and end; `twin` is the place of the last open call
    before that is like this one, or -1."""

    number: int  # in the problem
    call: Call
    begin: int
    end: int
    is_pure: bool
    twin: int = -1


class _Search:
    """Explores one key; with `target`, stops before the return of that operation."""

    def __init__(self, problem: Problem, key: int, target: int | None = None) -> None:
        model = problem.model
        self.step = careful_step(model) if problem.kind == "python" else model.step
        self.calls, self.returned = _calls_of(problem, key)
        self.target = target
        self.start: Configuration = (0, problem.start)
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

    def _window(self, done: int) -> tuple[list[int], _Timed | None]:
        """What was called before the first return that is due, and what returns then."""
        first: _Timed | None = None
        window = []
        lowest = (~done & (done + 1)).bit_length() - 1  # of those that are not in the order
        for place in range(lowest, self.returned):
            call = self.calls[place]
            if first is not None and call.begin > first.end:
                break
            if not done >> place & 1:
                window.append(place)
                if first is None or call.end < first.end:
                    first = call
        if first is None:
            return [], None
        window = [place for place in window if self.calls[place].begin < first.end]
        for place in range(self.returned, len(self.calls)):
            call = self.calls[place]
            if call.begin > first.end:
                break
            if not done >> place & 1 and (call.twin < 0 or done >> call.twin & 1):
                window.append(place)
        return window, first

    def _next(self, here: Configuration, window: list[int]) -> Iterator[tuple[int, Configuration]]:
        done, state = here
        moves = []
        for place in window:
            timed = self.calls[place]
            if timed.number == self.target:
                continue
            for after in self.step(state, timed.call):
                if timed.is_pure:
                    yield place, (done | 1 << place, after)
                    return
                if timed.end < _NEVER or after != state:
                    moves.append((place, (done | 1 << place, after)))
        yield from reversed(moves)  # the last one is explored first


def _calls_of(problem: Problem, key: int) -> tuple[list[_Timed], int]:
    """The operations of one key by their calls: first those that returned (so that a complete
    order is a run of low bits), then those that are open; and the number of the former."""
    numbers = (problem.operations["key"] == key).nonzero()[0].tolist()
    moments: dict[int, list[int]] = {number: [] for number in numbers}
    for moment, event in enumerate(problem.events.tolist()):
        if event >> 1 in moments:
            moments[event >> 1].append(moment)
    timed = []
    for number, call in zip(numbers, calls_of(problem, numbers), strict=True):
        begin, end = [*moments[number], _NEVER][:2]
        is_pure = call.refused or call.f in problem.model.reads
        if not (is_pure and call.open):
            timed.append(_Timed(number, call, begin, end, is_pure))
    returned = [t for t in timed if t.end < _NEVER]
    is_open = [t for t in timed if t.end == _NEVER]
    return returned + _with_twins(is_open, len(returned)), len(returned)


def _with_twins(calls: list[_Timed], offset: int) -> list[_Timed]:
    latest: dict[Any, int] = {}
    paired = []
    for place, timed in enumerate(calls, offset):
        call = timed.call
        answer = None if call.answer is UNKNOWN else (exact(call.answer),)
        what = (call.f, exact(call.argument), answer, call.process)
        twin = latest.get(what, -1)
        paired.append(_Timed(timed.number, call, timed.begin, timed.end, False, twin))
        latest[what] = place
    return paired


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
            if configuration[1] not in recipes:
                order = [search.calls[place] for place in search.order_of(configuration)]
                recipes[configuration[1]] = tuple(t.number for t in order if not t.is_pure)
        return Frontier(recipes=tuple(recipes.values()), complete=complete)
