"""Why a history is not linearizable: where it goes wrong, and which operations contradict there.

    key 'x'   ───[ write 9 ]────────────────
                  ────[ write 11 .........      (still open)
                        ──[ read 7 ]
                                   ▲
              up to here the history is legal; with this return it is not, and just before it the
              register could hold 9 or 11

Everything is found by asking an engine: the shortest illegal prefix by bisection, the states
before its last return, the irreducible core (see `core`). So an explanation is as right as the
engine's verdicts are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from checkers.linearizability.calls import calls_of
from checkers.linearizability.codes import WRITE
from checkers.linearizability.core import Asker, Core, shrink
from checkers.linearizability.engine import Abort, Engine, Limits, Outcome
from checkers.linearizability.model import exact
from checkers.linearizability.models import Text
from checkers.linearizability.problem import Problem
from checkers.linearizability.relax import keeps_meaning, relaxed
from checkers.linearizability.story import Story
from checkers.linearizability.words import did, possibilities
from harness.history import History

#: Explaining may take this many configurations, or twice what the verdict took if that is more.
LEAST_CONFIGURATIONS = 100_000
_STATES_CONFIGURATIONS = 50_000
#: For each operation of the prefix, to find a core: some twenty questions about all of them.
_CORE_CONFIGURATIONS = 20


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A failure in detail.

    `prefix` is the illegal key's history up to the return in `row`; with `shortest`, it is legal
    without that return. `states` (as plain data) are possible just before; all of them if
    `all_states`. `core` numbers operations of the prefix.
    """

    key: Any
    prefix: Problem
    row: int
    shortest: bool
    states: tuple[Any, ...]
    all_states: bool
    core: Core
    story: Story
    sentence: str
    conclusion: str

    def witness(self, history: History) -> dict[str, Any]:
        """Plain data; `history.select(witness["rows"])` is illegal again on its own.

        `since_row`, if there, is the call of the write that the core begins with."""
        steps = self.story.plain()
        since = self.core.since
        culprit = self.story.culprit
        call, returned = history[culprit.rows[0]], history[culprit.rows[1]]
        return {
            "key": self.key,
            "rows": sorted(row for step in steps for row in step["rows"]),
            "illegal_row": self.row,
            "shortest": self.shortest,
            "operation": {
                "process": returned.process,
                "f": returned.f,
                "value": call.value if returned.value is None else returned.value,
                "type": returned.type,
                "rows": list(culprit.rows),
            },
            "possible_states": list(self.states),
            "all_states": self.all_states,
            "others": len(self.prefix) - len(steps),
            "irreducible": self.core.irreducible,
            **({} if since is None else {"since_row": int(self.prefix.call_row[since])}),
            "conclusion": self.conclusion,
            "steps": steps,
        }


def explain(
    history: History,
    problem: Problem,
    outcome: Outcome,
    engine: Engine,
    limits: Limits,
    abort: Abort,
) -> Explanation:
    """The explanation of an illegal `outcome` about `problem`."""
    model = problem.model
    of_key = problem.operations["key"] == outcome.key
    part = problem.only_key(outcome.key)
    number = np.cumsum(of_key) - 1  # in `part`
    allowed = max(LEAST_CONFIGURATIONS, 2 * outcome.configurations)
    ask = _Prefixes(part, engine, replace(limits, configurations=allowed), abort)
    last = ask.first_illegal(int(number[outcome.operation]), outcome)
    prefix, numbers = ask.prefix(last)
    culprit = int(prefix.events[-1]) >> 1
    blamed = [int(np.searchsorted(numbers, number[other])) for other in outcome.witness]
    blamed = [place for place in blamed if place < len(numbers)]
    enough = max(ask.limits.configurations, _CORE_CONFIGURATIONS * len(prefix))
    core = shrink(prefix, Asker(engine, replace(limits, configurations=enough), abort), blamed)
    few = replace(limits, configurations=_STATES_CONFIGURATIONS)
    frontier = engine.frontier(prefix, culprit, few, abort)
    found = sorted(
        {state: None for r in frontier.recipes for state in _states(prefix, r)}, key=_by_value
    )
    possible = possibilities(model, tuple(map(model.show, found)), frontier.complete)
    story = Story(prefix, core.operations, core.since)
    return Explanation(
        key=history.keys[int(prefix.key_ids[0])],
        prefix=prefix,
        row=int(prefix.return_row[culprit]),
        shortest=not ask.undecided,
        states=tuple(map(model.data, found)),
        all_states=frontier.complete,
        core=core,
        story=story,
        sentence=_sentence(history, prefix, culprit, possible),
        conclusion=story.conclusion(possible),
    )


class _Prefixes:
    """Asks an engine about prefixes of one key; each ends with the return of an operation.

    Illegal prefixes stay illegal when they grow, so bisection finds the shortest. The limits are
    for all questions together; what they leave undecided counts as legal. So the prefix found is
    illegal in any case.
    """

    def __init__(self, part: Problem, engine: Engine, limits: Limits, abort: Abort) -> None:
        self.part, self.engine, self.limits, self.abort = part, engine, limits, abort
        self.returns = (part.events[(part.events & 1) == 1] >> 1).tolist()
        self.undecided = False

    def prefix(self, operation: int) -> tuple[Problem, np.ndarray[Any, Any]]:
        """All up to the return of `operation`, and the numbers that its operations have in all."""
        place = self.returns.index(operation)
        kept = np.zeros(len(self.part), dtype=bool)
        kept[self.returns[: place + 1]] = True
        return relaxed(self.part, kept)

    def first_illegal(self, hint: int, outcome: Outcome) -> int:
        """The operation whose return ends the shortest illegal prefix.

        The search for it begins at the return of `hint`, where the engine got stuck; what the
        engine knows of that moment need not be asked, unless operations change their meaning when
        they are made optional. Steps away from it start small and double.
        """
        place = self.returns.index(hint)
        exactly = keeps_meaning(self.part.kind)
        if exactly and outcome.legal_before and outcome.illegal_with:
            return hint
        upwards = not (exactly and outcome.illegal_with) and not self._is_illegal(place)
        # invariant: all before `low` are not known to be illegal, `high` is
        low, high = (place + 1, len(self.returns) - 1) if upwards else (0, place)
        low = min(low, high)
        stride = 1
        while upwards and low < high:
            probe = min(low + stride - 1, high)
            if probe == high or self._is_illegal(probe):
                high = probe
                break
            low, stride = probe + 1, stride * 2
        while not upwards and low < high:
            probe = max(high - stride, low)
            if not self._is_illegal(probe):
                low = probe + 1
                break
            high, stride = probe, stride * 2
        while low < high:
            middle = (low + high) // 2
            if self._is_illegal(middle):
                high = middle
            else:
                low = middle + 1
        return int(self.returns[high])

    def _is_illegal(self, place: int) -> bool:
        prefix, _ = self.prefix(self.returns[place])
        outcome = self.engine.check(prefix, self.limits, self.abort)
        self.undecided |= outcome.answer == "unknown"
        left = max(1, self.limits.configurations - outcome.configurations)
        self.limits = replace(self.limits, configurations=left)
        return outcome.answer == "illegal"


def _states(problem: Problem, recipe: tuple[int, ...]) -> list[Any]:
    """The states that the operations of `recipe` may leave behind, for the model."""
    values, operations = problem.values, problem.operations
    if problem.kind == "register":  # whose recipes may begin anywhere
        last = operations[recipe[-1]] if recipe else None
        if last is None:
            return [problem.start]
        return [exact(values[last["a" if last["function"] == WRITE else "b"]])]
    states = {problem.start: None}
    calls = calls_of(problem, recipe)
    if isinstance(problem.model, Text) and calls and calls[0].f == "put":
        states = {"": None}
    for call in calls:
        states = dict.fromkeys(
            after for state in states for after in problem.model.step(state, call)
        )
    return list(states)


def _by_value(state: Any) -> tuple[bool, int, str]:
    """Numbers by size, then everything else by its text, whatever order an engine found them in."""
    is_number = type(state) is int
    return (not is_number, state if is_number else 0, repr(state))


def _sentence(history: History, prefix: Problem, culprit: int, possible: str) -> str:
    model = prefix.model
    row = int(prefix.return_row[culprit])
    key = history.keys[int(prefix.key_ids[0])]
    place = "" if key is None else f"key {key!r}: "
    time_ns = int(history.time_ns[row])
    when = f"in row {row}" if time_ns < 0 else f"at {time_ns / 1e9:.3f} s"
    claim = did(model, calls_of(prefix, [culprit])[0])
    count = len(prefix)
    explains = (
        "which cannot be, as nothing else had happened"
        if count == 1
        else f"which no order of the {count:,} operations up to then explains"
    )
    return (
        f"Not linearizable: {place}process {history.process[row]} {claim} {when}, {explains}; "
        f"the {model.noun} {possible}."
    )
