"""Why a history is not linearizable: where it goes wrong, and what would have been possible there.

    key 'x'   ───[ write 9 ]────────────────
                  ────[ write 11 .........      (still open)
                        ──[ read 7 ]
                                   ▲
              up to here the history is legal; with this return it is not, and just before it the
              register could hold 9 or 11

The shortest illegal prefix is found by asking an engine about prefixes, and the states before its
last return likewise, so that an explanation is as right as the engine's verdicts are.

Limits: a prefix is the shortest, but not every operation in it is to blame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from checkers.linearizability.engine import Abort, Engine, Limits, Outcome
from checkers.linearizability.models import READ, REJECTED, UPDATE, WRITE, Model
from checkers.linearizability.problem import Problem
from harness.history import History

#: Explaining may take this many configurations, or twice what the verdict took if that is more.
LEAST_CONFIGURATIONS = 100_000
_STATES_CONFIGURATIONS = 50_000
_TEXT_SHOWN = 40
_STATES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A failure in detail.

    `prefix` is the illegal key's history up to the return in `row`; with `shortest`, it is legal
    without that return. `states` are possible just before; all of them if `all_states`.
    """

    key: Any
    prefix: Problem
    row: int
    shortest: bool
    states: tuple[Any, ...]
    all_states: bool
    sentence: str

    def witness(self, history: History) -> dict[str, Any]:
        """Plain data; `history.select(witness["rows"])` is illegal again on its own."""
        rows = {*self.prefix.call_row.tolist(), *self.prefix.return_row.tolist()} - {-1}
        call, returned = history[int(history.partner[self.row])], history[self.row]
        return {
            "key": self.key,
            "rows": sorted(rows),
            "illegal_row": self.row,
            "shortest": self.shortest,
            "operation": {
                "process": returned.process,
                "f": returned.f,
                "value": call.value if returned.value is None else returned.value,
                "type": returned.type,
                "rows": [int(history.partner[self.row]), self.row],
            },
            "possible_states": list(self.states),
            "all_states": self.all_states,
        }


def explain(
    history: History,
    model: Model,
    problem: Problem,
    outcome: Outcome,
    engine: Engine,
    limits: Limits,
    abort: Abort,
) -> Explanation:
    """The explanation of an illegal `outcome` about `problem`."""
    before = int((problem.operations["key"][: outcome.operation] == outcome.key).sum())
    part = problem.only_key(outcome.key)
    last, shortest = before, True
    if not (outcome.legal_before and outcome.illegal_with):
        allowed = max(LEAST_CONFIGURATIONS, 2 * outcome.configurations)
        ask = _Prefixes(part, engine, replace(limits, configurations=allowed), abort)
        last = ask.first_illegal(before, upwards=not outcome.illegal_with)
        shortest = not ask.undecided
    prefix = part.until_return_of(last)
    culprit = int(prefix.events[-1]) >> 1
    few = replace(limits, configurations=_STATES_CONFIGURATIONS)
    frontier = engine.frontier(prefix, culprit, few, abort)
    states = tuple(sorted((_state(prefix, r) for r in frontier.recipes), key=_by_value))
    key = history.keys[int(prefix.key_ids[0])]
    row = int(prefix.return_row[culprit])
    return Explanation(
        key=key,
        prefix=prefix,
        row=row,
        shortest=shortest,
        states=states,
        all_states=frontier.complete,
        sentence=_sentence(history, model, prefix, culprit, states, frontier.complete),
    )


class _Prefixes:
    """Asks an engine about prefixes of one key; each ends with the return of an operation.

    Illegal prefixes stay illegal when they grow, so bisection finds the shortest. The limits are
    for all questions together; what they leave undecided counts as legal. So the prefix found is
    illegal in any case.
    """

    def __init__(self, part: Problem, engine: Engine, limits: Limits, abort: Abort) -> None:
        self.part, self.engine, self.limits, self.abort = part, engine, limits, abort
        self.returns = [int(event) >> 1 for event in part.events if event & 1]
        self.undecided = False

    def first_illegal(self, hint: int, *, upwards: bool) -> int:
        """The operation whose return ends the shortest illegal prefix.

        That return is not before the one of `hint` if `upwards`, else not after it. It is most
        likely near, so steps away from it start small and double.
        """
        place = self.returns.index(hint)
        # invariant: all before `low` are not known to be illegal, `high` is
        low, high = (place, len(self.returns) - 1) if upwards else (0, place)
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
        return self.returns[high]

    def _is_illegal(self, place: int) -> bool:
        prefix = self.part.until_return_of(self.returns[place])
        outcome = self.engine.check(prefix, self.limits, self.abort)
        self.undecided |= outcome.answer == "unknown"
        left = max(1, self.limits.configurations - outcome.configurations)
        self.limits = replace(self.limits, configurations=left)
        return outcome.answer == "illegal"


def _state(problem: Problem, recipe: tuple[int, ...]) -> Any:
    """The state that the operations of `recipe` leave behind."""
    values = problem.values
    state = values[problem.initial]
    for number in recipe:
        operation = problem.operations[number]
        if operation["function"] == WRITE:
            state = values[operation["a"]]
        elif problem.kind == "text":
            state += values[operation["a"]]
        else:
            state = values[operation["b"]]
    return state


def _by_value(state: Any) -> tuple[bool, int, str]:
    """Numbers by size, then everything else by its text, whatever order an engine found them in."""
    is_number = type(state) is int
    return (not is_number, state if is_number else 0, repr(state))


def _sentence(
    history: History,
    model: Model,
    prefix: Problem,
    culprit: int,
    states: tuple[Any, ...],
    complete: bool,
) -> str:
    row = int(prefix.return_row[culprit])
    key = history.keys[int(prefix.key_ids[0])]
    place = "" if key is None else f"key {key!r}: "
    time_ns = int(history.time_ns[row])
    when = f"in row {row}" if time_ns < 0 else f"at {time_ns / 1e9:.3f} s"
    claim = _claim(model, prefix, culprit, str(history.functions[history.f[row]]))
    count = len(prefix)
    explains = (
        "which cannot be, as nothing else had happened"
        if count == 1
        else f"which no order of the {count} operations up to then explains"
    )
    return (
        f"Not linearizable: {place}process {history.process[row]} {claim} {when}, {explains}; "
        f"the {model.noun} {_possibilities(model, states, complete)}."
    )


def _claim(model: Model, prefix: Problem, culprit: int, f: str) -> str:
    operation = prefix.operations[culprit]
    a = show(prefix.values[operation["a"]])
    if operation["function"] == READ:
        return f"{'got' if model.kind == 'text' else 'read'} {a}"
    if model.fixed is not None:
        return {"acquire": "acquired the lock", "release": "released the lock"}[f]
    if operation["function"] != UPDATE or model.kind == "text":
        return f"did {f} {a}"
    b = show(prefix.values[operation["b"]])
    if operation["outcome"] == REJECTED:
        return f"found no {a} to set to {b}"
    return f"set {a} to {b}"


def _possibilities(model: Model, states: tuple[Any, ...], complete: bool) -> str:
    shown = [show(state) for state in states[:_STATES_SHOWN]]
    verb = "be" if model.fixed is not None else "hold"
    if not complete:
        return (
            f"could {verb} {', '.join(shown)} or more" if shown else "has too many states to tell"
        )
    more = len(states) - len(shown)
    if more:
        shown.append(f"{more} other{'s' * (more > 1)}")
    if len(shown) == 1:
        return f"could only {verb} {shown[0]}"
    return f"could {verb} {', '.join(shown[:-1])} or {shown[-1]}"


def show(value: Any) -> str:
    """A value as a sentence has it: nil for None, long texts by both their ends.

    >>> show(None), show(7), show("free"), show("x" * 100)
    ('nil', '7', 'free', "'xxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxx' (100 characters)")
    """
    if value is None:
        return "nil"
    if value in ("free", "held"):
        return str(value)
    text = repr(value)
    if isinstance(value, str) and len(text) > _TEXT_SHOWN:
        half = _TEXT_SHOWN // 2
        return f"{text[:half]}...{text[-half:]} ({len(value)} characters)"
    return text
