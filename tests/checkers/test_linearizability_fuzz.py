"""Both engines against a brute force that shares no line with them.

The brute force reads operations, not columns, and tries every order. Histories are drawn by
simulating one object under concurrent clients, with answers that get lost, and then spoiling
something in about half of them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Engine, Limits, find_engine
from checkers.linearizability.models import find_model
from checkers.linearizability.problem import Problem
from checkers.notation import unparse
from harness.history import History, Recorder

MODELS = ("register", "cas-register", "kv-append", "mutex")
FUNCTIONS = {
    "register": ("read", "write"),
    "cas-register": ("read", "write", "cas"),
    "kv-append": ("get", "put", "append"),
    "mutex": ("acquire", "release"),
}
INITIAL: dict[str, Any] = {"register": None, "cas-register": None, "kv-append": "", "mutex": False}
NEVER = 1 << 30
PLENTY = Limits(configurations=1_000_000)


# ---- the brute force -------------------------------------------------------------------------


@dataclass
class Call:
    f: str
    value: Any
    outcome: str  # ok, fail, info
    start: int
    end: int = NEVER


def after(call: Call, state: Any) -> list[Any]:
    """The states that `call` may leave behind when it takes effect in `state`; none: impossible."""
    match call.f:
        case "read":
            return [state] if state == call.value else []
        case "get":
            return [state] if state == (call.value or "") else []
        case "write" | "put":
            return [call.value]
        case "append":
            return [state + call.value]
        case "cas" if call.outcome == "fail":
            return [state] if state != call.value[0] else []
        case "cas":
            return [call.value[1]] if state == call.value[0] else []
        case "acquire":
            return [] if state else [True]
        case "release":
            return [False] if state else []
    raise AssertionError(call.f)


def explained(calls: list[Call], initial: Any) -> bool:
    seen = set()

    def search(done: frozenset[int], state: Any) -> bool:
        left = [i for i in range(len(calls)) if i not in done]
        due = min((calls[i].end for i in left), default=NEVER)
        if due == NEVER:
            return True
        if (done, state) in seen:
            return False
        seen.add((done, state))
        return any(
            search(done | {i}, state_after)
            for i in left
            if calls[i].start < due
            for state_after in after(calls[i], state)
        )

    return search(frozenset(), initial)


def calls_by_key(history: History) -> dict[Any, list[Call]]:
    by_key: dict[Any, list[Call]] = {}
    open_calls: dict[Any, Call] = {}
    for moment, operation in enumerate(history):
        if operation.type == "invoke":
            call = Call(operation.f, operation.value, "info", moment)
            open_calls[operation.process] = call
            by_key.setdefault(operation.key, []).append(call)
        else:
            call = open_calls[operation.process]
            call.outcome = operation.type
            if operation.type != "info":
                call.end = moment
            if operation.type == "ok":
                call.value = operation.value
    return by_key


def brute_force(history: History, model: str) -> bool:
    for calls in calls_by_key(history).values():
        relevant = [
            call
            for call in calls
            if not (call.outcome == "fail" and call.f != "cas")
            and not (call.outcome == "info" and call.f in ("read", "get"))
        ]
        if not explained(relevant, INITIAL[model]):
            return False
    return True


# ---- drawing histories -----------------------------------------------------------------------


def draw_value(rng: random.Random, f: str, values: int) -> Any:
    match f:
        case "write":
            return rng.randrange(values)
        case "cas":
            return [rng.randrange(values), rng.randrange(values)]
        case "put" | "append":
            return "".join(rng.choice("ab") for _ in range(rng.randint(0, 2)))
    return None


def effect(f: str, value: Any, state: Any) -> tuple[Any, str, Any]:
    """What a correct object does: (new state, outcome, value answered)."""
    call = Call(f, value, "ok", 0)
    if f in ("read", "get"):
        return state, "ok", state
    states = after(call, state)
    return (states[0], "ok", value) if states else (state, "fail", value)


def spoiled(rng: random.Random, f: str, outcome: str, answer: Any, values: int) -> tuple[str, Any]:
    if f == "read":
        return "ok", rng.choice([None, *range(values)])
    if f == "get":
        return "ok", rng.choice([None, "", "a", "b", "ab", "ba", "aab"])
    return ("fail" if outcome == "ok" else "ok"), answer


def draw_history(rng: random.Random, model: str, *, most: int = 10) -> History:
    """Each client in turn invokes, takes effect, and is answered; in between the others go on."""
    recorder = Recorder()
    clients, values = rng.randint(2, 5), rng.randint(2, 4)
    lost, spoil = rng.choice([0.0, 0.1, 0.4, 0.7]), rng.random() < 0.6
    keys: list[Any] = rng.choice([[None], [None], ["x", "y"]])
    states = dict.fromkeys(keys, INITIAL[model])
    left = rng.randint(3, most)
    pending: dict[int, tuple[str, Any, Any, tuple[str, Any] | None]] = {}
    names = list(range(clients))

    def record(process: int, kind: str, f: str, key: Any, value: Any) -> None:
        row = len(recorder)
        recorder.append(time_ns=row, process=process, type=kind, f=f, key=key, value=value)

    while left or pending:
        client = rng.randrange(clients)
        process = names[client]
        if client not in pending:
            if left:
                left -= 1
                f, key = rng.choice(FUNCTIONS[model]), rng.choice(keys)
                value = draw_value(rng, f, values)
                pending[client] = (f, key, value, None)
                record(process, "invoke", f, key, value)
            continue
        f, key, value, answer = pending[client]
        if rng.random() < lost:
            del pending[client]
            names[client] += clients
            if rng.random() < 0.5:
                record(process, "info", f, key, value)
        elif answer is None:
            states[key], outcome, result = effect(f, value, states[key])
            pending[client] = (f, key, value, (outcome, result))
        else:
            del pending[client]
            if spoil and rng.random() < 0.2:
                answer = spoiled(rng, f, *answer, values)
            record(process, answer[0], f, key, answer[1])
    return recorder.history()


def draw_scarcity(rng: random.Random) -> History:
    """Open writes and compare-and-sets, then steps that need some of them: which is used up where
    decides what is possible later."""
    recorder = Recorder()
    process = itertools.count()

    def record(who: int, kind: str, f: str, value: Any) -> None:
        row = len(recorder)
        recorder.append(time_ns=row, process=who, type=kind, f=f, value=value)

    def begin_open() -> None:
        f = rng.choice(("write", "cas", "cas"))
        record(next(process), "invoke", f, draw_value(rng, f, 4))

    for _ in range(rng.randint(2, 6)):
        begin_open()
    for _ in range(rng.randint(3, 7)):
        who = next(process)
        f = rng.choice(("read", "read", "read", "write", "cas"))
        value = rng.randrange(4) if f == "read" else draw_value(rng, f, 4)
        record(who, "invoke", f, None if f == "read" else value)
        if rng.random() < 0.2:
            begin_open()
        record(who, "fail" if f == "cas" and rng.random() < 0.5 else "ok", f, value)
    return recorder.history()


# ---- the tests -------------------------------------------------------------------------------


def problem_of(history: History, model: str) -> Problem:
    return encode(history, find_model(model), failed_cas="mismatch")


def replay(problem: Problem, order: tuple[int, ...]) -> None:
    """Asserts that `order` explains the problem: the certificate of a legal verdict."""
    at = {int(event): moment for moment, event in enumerate(problem.events)}
    text = problem.kind == "text"
    state: dict[int, Any] = {}
    latest_call: dict[int, int] = {}
    for number in order:
        key, a, b, function, outcome, _ = problem.operations[number].tolist()
        now = state.get(key, problem.values[problem.initial] if text else problem.initial)
        a = problem.values[a] if text else a
        if function == 0:
            assert now == a
        elif function == 1:
            now = a
        elif text:
            now += a
        else:
            assert (now == a) != (outcome == 1)
            now = now if outcome == 1 else b
        state[key] = now
        latest_call[key] = max(latest_call.get(key, -1), at[2 * number])
        assert at.get(2 * number + 1, NEVER) > latest_call[key], "breaks the order of real time"
    assert len(set(order)) == len(order)
    assert set(order) >= {int(event) >> 1 for event in problem.events if event & 1}


def flag_sets(rng: random.Random, count: int) -> Iterator[int]:
    yield from (0, 511)
    yield from (511 ^ 1 << bit for bit in range(9))
    yield from (rng.randrange(512) for _ in range(count))


def check_all(history: History, model: str, rules: Iterator[int] | range) -> bool:
    """Asserts that everyone agrees about `history`; whether it is linearizable."""
    problem, wanted = problem_of(history, model), brute_force(history, model)
    abort = np.zeros(1, dtype=np.int32)
    answer = "legal" if wanted else "illegal"
    culprits = set()
    engines: list[tuple[Engine, Limits]] = [(find_engine("reference"), PLENTY)]
    for number, rule_set in enumerate(rules):
        limits = Limits(configurations=10**6, rules=rule_set, patience=number % 2)
        engines.append((find_engine("native"), limits))
    for engine, limits in engines:
        outcome = engine.check(problem, limits, abort, with_order=True)
        told = f"{engine.name} {limits} on {model}: {unparse(history)}"
        assert outcome.answer == answer, told
        if wanted:
            replay(problem, outcome.order)
        elif outcome.legal_before and outcome.illegal_with and len(problem.key_ids) == 1:
            culprits.add(outcome.operation)
    assert len(culprits) <= 1, f"the first illegal return is one: {unparse(history)}"
    return wanted


pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")


@pytest.mark.parametrize("model", MODELS)
def test_engines_agree_with_brute_force(model: str) -> None:
    rng = random.Random(f"fuzz {model}")
    verdicts = [check_all(draw_history(rng, model), model, flag_sets(rng, 12)) for _ in range(250)]
    assert 20 < sum(verdicts) < 230, "both verdicts occur often"


def test_engines_agree_when_open_operations_are_scarce() -> None:
    rng = random.Random("scarcity")
    verdicts = [
        check_all(draw_scarcity(rng), "cas-register", flag_sets(rng, 6)) for _ in range(600)
    ]
    assert 100 < sum(verdicts) < 500, "both verdicts occur often"


@pytest.mark.parametrize("model", MODELS)
def test_every_combination_of_rules(model: str) -> None:
    rng = random.Random(f"rules {model}")
    for _ in range(12):
        check_all(draw_history(rng, model), model, range(512))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**64), model=st.sampled_from(MODELS), most=st.integers(3, 9))
def test_any_seed(seed: int, model: str, most: int) -> None:
    rng = random.Random(seed)
    check_all(draw_history(rng, model, most=most), model, flag_sets(rng, 4))


@pytest.mark.parametrize("model", MODELS)
def test_frontiers_agree(model: str) -> None:
    """The states before the first illegal return: natively, by reference, and by probing."""
    rng = random.Random(f"frontier {model}")
    abort = np.zeros(1, dtype=np.int32)
    found = 0
    while found < 40:
        problem = problem_of(draw_history(rng, model), model)
        if len(problem.key_ids) != 1:
            continue
        outcome = find_engine("reference").check(problem, PLENTY, abort)
        if outcome.answer != "illegal":
            continue
        found += 1
        problem = problem.until_return_of(outcome.operation)
        target = int(problem.events[-1]) >> 1
        states = []
        engines = (find_engine("native"), find_engine("reference"))
        for engine, rules in itertools.product(engines, (511, 0, 64, 255)):
            limits = Limits(configurations=10**6, rules=rules)
            frontier = engine.frontier(problem, target, limits, abort)
            assert frontier.complete
            states.append({fold(problem, recipe) for recipe in frontier.recipes})
        assert all(s == states[0] for s in states), (states, problem.operations, problem.events)
        assert states[0]


def fold(problem: Problem, recipe: tuple[int, ...]) -> Any:
    text = problem.kind == "text"
    state = problem.values[problem.initial] if text else problem.initial
    for number in recipe:
        _, a, b, function, _, _ = problem.operations[number].tolist()
        if text:
            state = problem.values[a] if function == 1 else state + problem.values[a]
        else:
            state = a if function == 1 else b
    return state
