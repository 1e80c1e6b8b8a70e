"""Every model against a brute force that shares no line with it, on tiny histories by the thousand.

The brute force tries every order, and knows each object by its own definition below. Histories are
drawn by working on the object under concurrent clients, with answers that get lost, and then
spoiling something in about half of them. Both engines must agree with it, and every order that
they give must replay.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.linearizability import Linearizability
from checkers.linearizability.certificate import WrongCertificate, verify
from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Limits, find_engine
from checkers.linearizability.models import MODELS
from checkers.linearizability.story import tell
from harness.history import History, Recorder

pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")

NEVER = 1 << 30
HISTORIES = 1_200
Effect = tuple[Any, Any]  # the state afterwards, and the answer
Does = Callable[[Any, str, Any, int], Iterable[Effect]]


# ---- what the objects do, said a second time ---------------------------------------------------


def register(state: Any, f: str, value: Any, process: int) -> Iterable[Effect]:
    match f:
        case "read" | "get":
            yield state, state
        case "write" | "put":
            yield value, value
        case "del":
            yield None, None
        case "cas" if state == value[0]:
            yield value[1], value
        case "cas":
            yield state, "refused"


def text(state: str, f: str, value: Any, process: int) -> Iterable[Effect]:
    yield {"get": (state, state), "put": (value, value)}.get(f, (state + (value or ""), value))


def mutex(state: bool, f: str, value: Any, process: int) -> Iterable[Effect]:
    if state == (f == "release"):
        yield not state, None


def owner_mutex(state: Any, f: str, value: Any, process: int) -> Iterable[Effect]:
    if state == (process if f == "release" else None):
        yield (None if f == "release" else process), None


def counter(state: int, f: str, value: Any, process: int) -> Iterable[Effect]:
    after = state + (value or 0)
    yield after, {"add": value, "add-and-get": after, "read": state}[f]


def elements(state: tuple[int, ...], f: str, value: Any, process: int) -> Iterable[Effect]:
    there = value in state
    match f:
        case "read":
            yield state, list(state)
        case "contains":
            yield state, there
        case "add":
            after = state if there else tuple(sorted((*state, value)))
            yield from ((after, not there), (after, value), (after, None))
        case "remove":
            after = tuple(item for item in state if item != value)
            yield from ((after, there), (after, value), (after, None))


def items(pick: Callable[[tuple[Any, ...]], Iterable[int]]) -> Does:
    def does(state: tuple[Any, ...], f: str, value: Any, process: int) -> Iterable[Effect]:
        if f in ("enqueue", "push"):
            yield (*state, value), value
        elif not state:
            yield state, None
        else:
            for place in pick(state):
                yield state[:place] + state[place + 1 :], state[place]

    return does


def growing(state: tuple[Any, ...], f: str, value: Any, process: int) -> Iterable[Effect]:
    yield ((*state, value), value) if f == "append" else (state, list(state))


SMALL = (1, 2, 3)


@dataclass(frozen=True)
class Object:
    initial: Any
    does: Does
    values: tuple[Any, ...]  # what operations are called with
    made_up: tuple[Any, ...]  # answers that may replace the right one
    keyless: bool = False


PAIRS = ([1, 2], [2, 1], [None, 1], [2, 3])
OBJECTS: dict[str, Object] = {
    "register": Object(None, register, SMALL, (None, 1, 2)),
    "cas-register": Object(None, register, SMALL, (None, 1, 2)),
    "kv": Object(None, register, SMALL, (None, 1, 2)),
    "kv-append": Object("", text, ("", "a", "b"), ("", None, "a", "ab", "ba")),
    "mutex": Object(False, mutex, (None,), (None,)),
    "owner-mutex": Object(None, owner_mutex, (None,), (None,)),
    "counter": Object(0, counter, (1, 2, -1), (0, 1, 2, 3)),
    "set": Object((), elements, (1, 2), (True, False, [], [1], [2, 1])),
    "fifo-queue": Object((), items(lambda s: [0]), SMALL, (None, 1, 2, 3)),
    "unordered-queue": Object((), items(lambda s: range(len(s))), SMALL, (None, 1, 2, 3)),
    "priority-queue": Object((), items(lambda s: [s.index(min(s))]), SMALL, (None, 1, 2, 3)),
    "stack": Object((), items(lambda s: [len(s) - 1]), SMALL, (None, 1, 2, 3)),
    "list": Object((), growing, SMALL, ([], None, [1], [1, 2], [2, 1])),
}
READS = ("read", "get", "contains", "dequeue", "pop", "add-and-get")


def argument(rng: random.Random, model: str, f: str) -> Any:
    if f in ("read", "get", "del", "dequeue", "pop", "acquire", "release"):
        return None
    return rng.choice(PAIRS if f == "cas" else OBJECTS[model].values)


# ---- drawing -----------------------------------------------------------------------------------


def draw(rng: random.Random, model: str, most: int = 9) -> History:
    thing = OBJECTS[model]
    recorder = Recorder()
    clients = list(range(rng.randint(2, 4)))
    lost, made_up = rng.choice((0.0, 0.0, 0.2, 0.5)), rng.choice((0.0, 0.2, 0.5))
    functions = list(MODELS[model].functions)
    if model == "set" and rng.random() < 0.6:
        functions.remove("read")  # then elements are on their own
    keys = rng.choice(((None,), (None,), ("x", "y")))
    state = dict.fromkeys(keys, thing.initial)
    pending: dict[int, tuple[str, Any, Any, list[Any]]] = {}
    left = rng.randint(3, most)

    def record(who: int, kind: str, f: str, key: Any, value: Any) -> None:
        recorder.append(time_ns=len(recorder), process=who, type=kind, f=f, key=key, value=value)

    while left or pending:
        slot = rng.randrange(len(clients))
        who = clients[slot]
        if slot not in pending:
            if left:
                left -= 1
                f, key = rng.choice(functions), rng.choice(keys)
                value = argument(rng, model, f)
                pending[slot] = (f, key, value, [])
                record(who, "invoke", f, key, value)
            continue
        f, key, value, answered = pending[slot]
        if rng.random() < lost:
            del pending[slot]
            clients[slot] += len(clients)
            if rng.random() < 0.5:
                record(who, "info", f, key, value)
        elif not answered:
            effects = list(thing.does(state[key], f, value, who))
            if effects:
                state[key], answer = rng.choice(effects)
            else:  # it failed, or somebody says that it did not
                answer = "failed" if rng.random() < 0.7 else value
            answered.append(answer)
        else:
            del pending[slot]
            answer = answered[0]
            if f in READS and rng.random() < made_up:
                answer = rng.choice([a for a in thing.made_up if fits(f, a)] or [answer])
            kind = "fail" if answer in ("failed", "refused") else "ok"
            record(who, kind, f, key, value if kind == "fail" else answer)
    return recorder.history()


def fits(f: str, answer: Any) -> bool:
    """Whether a made-up answer is at least of the right kind."""
    if f == "contains":
        return isinstance(answer, bool)
    if f == "add-and-get":
        return type(answer) is int
    return not isinstance(answer, bool)


# ---- the brute force ---------------------------------------------------------------------------


@dataclass
class Operation:
    f: str
    value: Any
    process: int
    start: int
    end: int = NEVER
    outcome: str = "info"
    answer: Any = None


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b


def explains(operation: Operation, answer: Any) -> bool:
    """Whether the object's `answer` is the one that the client saw."""
    if operation.outcome == "info":
        return not same(answer, "refused")
    if operation.outcome == "fail":
        return same(answer, "refused")
    if operation.f in ("add", "remove"):
        told = type(operation.answer) is bool
        return same(answer, operation.answer) if told else type(answer) is not bool
    if operation.f == "get" and operation.answer is None:
        return answer is None or answer == ""
    if operation.f == "read" and operation.answer is None:
        return answer is None or answer == []
    if operation.f == "read" and isinstance(answer, list):
        return answer == operation.answer
    return same(answer, operation.answer) or not (operation.f in READS or same(answer, "refused"))


def explained(model: str, operations: list[Operation]) -> bool:
    thing = OBJECTS[model]
    seen = set()

    def search(done: frozenset[int], state: Any) -> bool:
        left = [n for n in range(len(operations)) if n not in done]
        due = min((operations[n].end for n in left), default=NEVER)
        if due == NEVER:
            return True
        if (done, state) in seen:
            return False
        seen.add((done, state))
        return any(
            search(done | {n}, after)
            for n in left
            if operations[n].start < due
            for after, answer in thing.does(
                state, operations[n].f, operations[n].value, operations[n].process
            )
            if explains(operations[n], answer)
        )

    return search(frozenset(), thing.initial)


def operations_by_key(history: History, model: str) -> dict[Any, list[Operation]]:
    """What surely or perhaps happened."""
    by_key: dict[Any, list[Operation]] = {}
    latest: dict[Any, Operation] = {}
    for moment, row in enumerate(history):
        if row.type == "invoke":
            operation = Operation(row.f, row.value, int(row.process), moment)
            latest[row.process] = operation
            by_key.setdefault(row.key, []).append(operation)
            continue
        operation = latest[row.process]
        operation.outcome = row.type
        if row.type != "info":
            operation.end, operation.answer = moment, row.value
        if row.type == "ok" and row.f == "read" and isinstance(row.value, list) and model == "set":
            operation.answer = sorted(row.value)
    return {
        key: [o for o in found if o.outcome != "fail" or o.f == "cas"]
        for key, found in by_key.items()
    }


def brute_force(history: History, model: str) -> bool:
    return all(explained(model, found) for found in operations_by_key(history, model).values())


def with_optional(
    model: str, operations: list[Operation], core: set[int], end: int
) -> list[Operation]:
    """Those that were called by `end`; all but the calls in `core` are optional."""
    changed = []
    for operation in operations:
        if operation.start > end:
            continue
        if operation.start not in core:
            keeps_answer = model in ("fifo-queue", "unordered-queue", "priority-queue", "stack")
            outcome = operation.outcome if keeps_answer else "info"
            if operation.outcome == "fail":
                continue  # it looked, and need not have
            operation = replace(operation, end=NEVER, outcome=outcome)
        changed.append(operation)
    return changed


# ---- the tests ---------------------------------------------------------------------------------


def told(history: History) -> str:
    return "\n" + "\n".join(f"{r.process} {r.type} {r.f} {r.key} {r.value}" for r in history)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_agrees_with_brute_force(model: str) -> None:
    rng = random.Random(f"models {model}")
    abort = np.zeros(1, dtype=np.int32)
    native, reference = find_engine("native"), find_engine("reference")
    verdicts = []
    for _ in range(HISTORIES):
        history = draw(rng, model)
        wanted = brute_force(history, model)
        verdicts.append(wanted)
        problem = encode(history, MODELS[model], failed_cas="mismatch")
        for engine, rules in ((native, -1), (native, rng.randrange(1024)), (reference, -1)):
            limits = Limits(configurations=100_000, rules=rules)
            outcome = engine.check(problem, limits, abort, with_order=True)
            told_by = f"{engine.name} {rules}: {told(history)}"
            assert outcome.answer == ("legal" if wanted else "illegal"), told_by
            if wanted:
                rows = problem.call_row[list(outcome.order)].tolist()
                verify(history, model, rows, failed_cas="mismatch")
    assert HISTORIES / 20 < sum(verdicts) < HISTORIES * 19 / 20, "both verdicts occur often"


@pytest.mark.parametrize("model", sorted(MODELS))
def test_spoiled_certificates_are_refused(model: str) -> None:
    """Any change of an order is either refused or really another order that explains all."""
    rng = random.Random(f"certificates {model}")
    abort = np.zeros(1, dtype=np.int32)
    refused = 0
    for _ in range(150):
        history = draw(rng, model)
        problem = encode(history, MODELS[model], failed_cas="mismatch")
        limits = Limits(configurations=100_000)
        outcome = find_engine("native").check(problem, limits, abort, with_order=True)
        if outcome.answer != "legal" or len(outcome.order) < 2:
            continue
        order = problem.call_row[list(outcome.order)].tolist()
        for spoiled in (
            order[::-1],
            [*order[:-2], order[-1], order[-2]],
            order[1:],
            [*order, order[0]],
        ):
            try:
                verify(history, model, spoiled, failed_cas="mismatch")
            except WrongCertificate:
                refused += 1
        with pytest.raises(WrongCertificate, match="times"):
            verify(history, model, [*order, order[0]], failed_cas="mismatch")
    assert refused > 50


def check_core(model: str, seed: int | str) -> bool:
    """Whether a history drawn from `seed` failed; if so, its core is illegal and irreducible."""
    history = draw(random.Random(seed), model)
    verdict = Linearizability(model, failed_cas="mismatch").check(history)
    if verdict.outcome != "fail":
        return False
    assert verdict.witness is not None
    rows, end = set(verdict.witness["rows"]), verdict.witness["illegal_row"]
    operations = operations_by_key(history, model)[verdict.witness["key"]]
    core = {operation.start for operation in operations} & rows
    assert not explained(model, with_optional(model, operations, core, end)), told(history)
    assert not brute_force(history.select(sorted(rows)), model), told(history)
    if verdict.witness["irreducible"]:
        for needless in sorted(core):
            fewer = with_optional(model, operations, core - {needless}, end)
            assert explained(model, fewer), f"without {needless}: {sorted(core)}{told(history)}"
    tell(history, verdict.witness)
    return True


@pytest.mark.parametrize("model", sorted(MODELS))
def test_cores_are_illegal_and_irreducible(model: str) -> None:
    assert sum(check_core(model, f"core {model} {n}") for n in range(250)) > 15


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**64), model=st.sampled_from(sorted(MODELS)))
def test_cores_of_any_seed(seed: int, model: str) -> None:
    check_core(model, seed)
