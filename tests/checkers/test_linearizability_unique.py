"""The checkers that need no search, against a brute force and against the search.

Histories are tiny, so that every order can be tried, and many. Calls and returns are shuffled;
answers come from an object that runs along, from one that goes wrong, or from nowhere. Values are
written once, or nearly: then the checkers must notice that they do not apply.

The brute force has its own idea of every object, in ten lines each.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pytest

from checkers.linearizability.codes import (
    ADD,
    DISCARD,
    EMPTY,
    INSERT,
    LACKS,
    OPEN,
    PEEK,
    PURE,
    READ,
    REJECTED,
    REMOVE,
    RETURNED,
    UPDATE,
    WRITE,
    Kind,
)
from checkers.linearizability.engine import Limits, Outcome
from checkers.linearizability.model import Model
from checkers.linearizability.problem import OPERATION, Problem
from harness.history import Recorder

kernel = pytest.importorskip(
    "checkers.linearizability.native", reason="the kernel was not built", exc_type=ImportError
)

NATIVE: Final = kernel.NativeEngine()
NEVER: Final = 1 << 30
NOW: Final = np.zeros(1, dtype=np.int32)
NO_HISTORY: Final = Recorder().history()
UNIQUE: Final = kernel.RULES["unique"]
ALL: Final = 2 * UNIQUE - 1
WITHOUT: Final = UNIQUE - 1
CONTAINERS: Final[tuple[Kind, ...]] = ("queue", "stack", "bag", "priority-queue")
FORGETFUL: Final = ("set", "counter")  # told apart by answers: what is optional is less certain
KINDS: Final[tuple[Kind, ...]] = ("register", *CONTAINERS, "set", "counter")


@dataclass
class Step:
    """One operation: of a set that is read, `b` holds the elements."""

    function: int
    a: Any = 0
    b: Any = 0
    outcome: int = RETURNED
    call: int = 0
    end: int = NEVER


@dataclass
class Case:
    """A history of one object. Of a priority queue, `ranks` are the priorities of the values."""

    kind: Kind
    steps: list[Step]
    ranks: tuple[int, ...] = field(default=tuple(range(40)))

    def __str__(self) -> str:
        return f"{self.kind}\n" + "\n".join(map(str, self.steps))


# ---- the brute force -------------------------------------------------------------------------


def after(case: Case, step: Step, state: Any) -> list[Any]:
    """The states that `step` may leave behind where it takes effect in `state`."""
    if case.kind == "register":
        return after_register(step, state)
    if case.kind == "counter":
        if step.function == READ:
            return [state] if state == step.a else []
        result = step.a if step.function == WRITE else state + step.a
        return [result] if step.function == WRITE or step.b in (None, result) else []
    if case.kind == "set":
        return after_set(step, state)
    if step.function == ADD:
        return [(*state, step.a)]
    if step.function == EMPTY:
        return [] if state else [state]
    taken = [
        (item, state[:place] + state[place + 1 :])
        for place, item in enumerate(state)
        if may_go(case, state, place)
    ]
    if step.a != -1:
        taken = [(item, rest) for item, rest in taken if item == step.a]
    return [state for _ in taken] if step.function == PEEK else [rest for _, rest in taken]


def may_go(case: Case, state: tuple[int, ...], place: int) -> bool:
    match case.kind:
        case "queue":
            return place == 0
        case "stack":
            return place == len(state) - 1
        case "priority-queue":
            return case.ranks[state[place]] == min(case.ranks[item] for item in state)
    return True


def after_register(step: Step, state: Any) -> list[Any]:
    if step.function == WRITE:
        return [step.a]
    if step.outcome == REJECTED:
        return [state] if state != step.a else []
    if state != step.a:
        return []
    return [state if step.function == READ else step.b]


def after_set(step: Step, state: frozenset[int]) -> list[frozenset[int]]:
    if step.function == READ:
        return [state] if state == frozenset(step.b) else []
    there = step.a in state
    if there != (step.function in (PEEK, REMOVE)) and step.function not in (ADD, DISCARD):
        return []
    if step.function in (PEEK, LACKS):
        return [state]
    return [state | {step.a} if step.function in (ADD, INSERT) else state - {step.a}]


def start_of(case: Case) -> Any:
    return {"register": 0, "counter": 0, "set": frozenset()}.get(case.kind, ())


def explained(case: Case) -> bool:
    steps = case.steps
    seen = set()

    def search(done: int, state: Any) -> bool:
        due = min((s.end for i, s in enumerate(steps) if not done >> i & 1), default=NEVER)
        if due == NEVER:
            return True
        if case.kind == "bag":
            state = tuple(sorted(state))
        if (done, state) in seen:
            return False
        seen.add((done, state))
        return any(
            search(done | 1 << i, left)
            for i, s in enumerate(steps)
            if not done >> i & 1 and s.call < due
            for left in after(case, s, state)
        )

    return search(0, start_of(case))


# ---- from a case to the kernel and back ------------------------------------------------------


def problem_of(case: Case) -> Problem:
    """Values are their own numbers, except of a counter, and the answers of reads of a set."""
    ordered = sorted(case.steps, key=lambda step: step.call)
    values: list[Any] = list(range(-20, 20)) if case.kind == "counter" else list(range(40))
    items: list[int] = []
    item_start = [0] * (len(values) + 1)
    rows = []
    for step in ordered:
        a, b = step.a, step.b
        if case.kind == "counter":
            a, b = a + 20, -1 if b is None else b + 20
        elif case.kind == "set" and step.function == READ:
            a, b = len(values), 0
            values.append(tuple(step.b))
            items += step.b
            item_start.append(len(items))
        rows.append((0, a, b, step.function, step.outcome, 0))
    events = [(step.call, 2 * number) for number, step in enumerate(ordered)]
    events += [(s.end, 2 * n + 1) for n, s in enumerate(ordered) if s.end < NEVER]
    numbers = values if case.kind == "counter" else case.ranks
    with_numbers = case.kind in ("counter", "priority-queue")
    return Problem(
        kind=case.kind,
        model=Model(),
        history=NO_HISTORY,
        start=None,
        initial=20 if case.kind == "counter" else 0,
        operations=np.array(rows, dtype=OPERATION),
        events=np.array([event for _, event in sorted(events)], dtype=np.int32),
        key_ids=np.zeros(1, dtype=np.int32),
        values=tuple(values),
        call_row=np.zeros(len(rows), dtype=np.int64),
        return_row=np.zeros(len(rows), dtype=np.int64),
        numbers=np.array(numbers if with_numbers else [], dtype=np.int64),
        items=np.array(items, dtype=np.int32),
        item_start=np.array(item_start, dtype=np.int64),
    )


def ask(case: Case, rules: int) -> Outcome:
    limits = Limits(configurations=1_000_000, rules=rules)
    return NATIVE.check(problem_of(case), limits, NOW, with_order=True)


def replay(case: Case, order: tuple[int, ...]) -> bool:
    """Does `order` explain the case?"""
    ordered = sorted(case.steps, key=lambda step: step.call)
    states = {start_of(case)}
    latest = -1
    for number in order:
        step = ordered[number]
        latest = max(latest, step.call)
        if step.end < latest:
            return False
        states = {left for state in states for left in after(case, step, state)}
    missing = {n for n, step in enumerate(ordered) if step.end < NEVER} - set(order)
    return bool(states) and not missing and len(set(order)) == len(order)


def until(case: Case, operation: int) -> Case:
    """The part up to the return of `operation`. Those without return by then are optional: who took
    something from a container took that or nothing, the others forget what they answered."""
    ordered = sorted(case.steps, key=lambda step: step.call)
    end = ordered[operation].end
    steps = []
    for step in ordered:
        if step.end <= end:
            steps.append(step)
        elif step.call < end and step.function not in PURE and step.outcome != REJECTED:
            function = step.function
            if case.kind == "set":
                function = {INSERT: ADD, REMOVE: DISCARD}.get(function, function)
            b = None if case.kind == "counter" else step.b
            steps.append(Step(function, step.a, b, OPEN, step.call))
    return Case(case.kind, steps, case.ranks)


# ---- drawing ---------------------------------------------------------------------------------


def times(rng: random.Random, count: int) -> list[tuple[int, int]]:
    """Calls and returns of `count` operations, by the order of calls."""
    clients = rng.randint(1, 4)
    running: list[int] = []
    moments: list[list[int]] = []
    clock = 0
    while len(moments) < count or running:
        clock += 1
        if len(moments) < count and len(running) < clients and rng.random() < 0.6:
            running.append(len(moments))
            moments.append([clock])
        elif running:
            moments[running.pop(rng.randrange(len(running)))].append(clock)
    return [(begin, end) for begin, end in moments]


def draw(rng: random.Random, kind: Kind) -> Case:
    """Operations that take effect somewhere in their intervals, then spoiled: see the module."""
    most = rng.randint(2, 9)
    spans = times(rng, most)
    spoil, lost = rng.choice([0.0, 0.1, 0.3]), rng.choice([0.0, 0.0, 0.2, 0.5])
    repeat = rng.choice([0.0, 0.0, 0.0, 0.3])
    ranks = list(range(40))
    if kind == "priority-queue":
        rng.shuffle(ranks)
        ranks = [rank // rng.choice([1, 1, 3]) for rank in ranks]
    case = Case(kind, [], tuple(ranks))
    moments = sorted((rng.uniform(*span), place) for place, span in enumerate(spans))
    state, used = start_of(case), 1
    steps: dict[int, Step] = {}
    for _, place in moments:
        if not rng.random() < repeat:
            used += 1
        step, state = draw_step(rng, case, state, used, spoil)
        step.call, step.end = spans[place]
        if rng.random() < lost and step.outcome != REJECTED:
            step = lose(rng, case, step)
            if step is None:
                continue
        steps[place] = step
    case.steps = [steps[place] for place in sorted(steps)]
    return case


def lose(rng: random.Random, case: Case, step: Step) -> Any:
    """The step without its return; None: nothing is left of it. Some calls never happened."""
    if step.function in PURE:
        return None
    if case.kind == "set":
        step.function = {INSERT: ADD, REMOVE: DISCARD}.get(step.function, step.function)
    if case.kind in CONTAINERS and step.function == REMOVE and rng.random() < 0.7:
        step.a = -1
    if case.kind == "counter":
        step.b = None
    step.outcome, step.end = OPEN, NEVER
    return step


def draw_step(
    rng: random.Random, case: Case, state: Any, fresh: int, spoil: float
) -> tuple[Step, Any]:
    """A step with its answer, and the state that the object is in then."""
    wrong = rng.random() < spoil
    any_value = rng.randint(0, fresh + 1)
    if case.kind == "register":
        return draw_register(rng, state, fresh, any_value if wrong else None)
    if case.kind == "counter":
        return draw_counter(rng, state, wrong)
    if case.kind == "set":
        return draw_set(rng, state, fresh, wrong)
    if rng.random() < 0.5:
        return Step(ADD, fresh), (*state, fresh)
    if wrong:
        return Step(EMPTY) if rng.random() < 0.2 else Step(REMOVE, max(any_value, 1)), state
    if not state:
        return Step(EMPTY), state
    places = [place for place in range(len(state)) if may_go(case, state, place)]
    place = rng.choice(places)
    if rng.random() < 0.03:
        return Step(PEEK, state[place]), state
    if rng.random() < 0.1:  # gets lost in the object
        return Step(ADD, fresh), state
    return Step(REMOVE, state[place]), state[:place] + state[place + 1 :]


def draw_register(
    rng: random.Random, state: int, fresh: int, wrong: int | None
) -> tuple[Step, int]:
    f = rng.random()
    seen = state if wrong is None else wrong
    if f < 0.45:
        return Step(READ, seen), state
    if f < 0.7:
        return Step(WRITE, fresh), fresh
    if f < 0.85:
        return Step(UPDATE, seen, fresh), fresh
    if f < 0.87:
        return Step(UPDATE, seen, seen), state
    guess = rng.choice([rng.randint(0, fresh), state])
    right = guess != state or wrong is not None
    return (Step(UPDATE, guess, fresh, REJECTED), state) if right else (Step(READ, state), state)


def draw_counter(rng: random.Random, state: int, wrong: bool) -> tuple[Step, int]:
    f = rng.random()
    change = rng.choice([1, 1, 1, 2, -1])
    error = rng.choice([-1, 1]) if wrong else 0
    if f < 0.4:
        return Step(READ, state + error), state
    if f < 0.45:
        return Step(WRITE, change), change
    if f < 0.6:
        return Step(UPDATE, change, state + change + error), state + change
    return Step(UPDATE, change, None), state + change


def draw_set(
    rng: random.Random, state: frozenset[int], fresh: int, wrong: bool
) -> tuple[Step, frozenset[int]]:
    element = fresh if rng.random() < 0.5 else rng.randint(1, fresh)
    answer = (element in state) != wrong
    f = rng.random()
    if f < 0.15 and rng.random() < 0.5:
        return Step(ADD, fresh), state | {fresh}
    if f < 0.5:
        return Step(ADD if answer else rng.choice([ADD, INSERT]), element), state | {element}
    if f < 0.6:
        function = rng.choice([REMOVE, DISCARD]) if answer else rng.choice([LACKS, DISCARD])
        return Step(function, element), state if function == LACKS else state - {element}
    if f < 0.75:
        return Step(PEEK if answer else LACKS, element), state
    told = sorted(state ^ {element}) if wrong else sorted(state)
    rng.shuffle(told)
    return Step(READ, 0, tuple(told)), state


def draw_items(rng: random.Random, kind: Kind) -> Case:
    """Items that come and go at any times: removals get their answers by chance, so that a bit
    more than half of the cases is legal."""
    count = rng.randint(1, 5)
    ranks = [rank // rng.choice([1, 1, 2]) for rank in rng.sample(range(40), 40)]
    moments = rng.sample(range(1000), 4 * count + 4)
    longest = rng.choice([60, 200, 600])
    steps = []

    def add_step(function: int, a: int, call: int) -> None:
        end = call + rng.randrange(1, longest)
        while end in moments:
            end += 1
        moments.append(end)
        is_open = rng.random() < lost and function != EMPTY
        if is_open and function == REMOVE and rng.random() < 0.7:
            a = -1
        steps.append(
            Step(function, a, 0, OPEN, call)
            if is_open
            else Step(function, a, 0, RETURNED, call, end)
        )

    lost = rng.choice([0.0, 0.0, 0.15, 0.4])
    for item in range(1, count + 1):
        came, went = sorted((moments.pop(), moments.pop()))
        add_step(ADD, item, came)
        if rng.random() < 0.85:
            add_step(REMOVE, item, went)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        add_step(EMPTY, 0, moments.pop())
    for _ in range(rng.choice([0, 0, 0, 1])):
        steps.append(Step(REMOVE, -1, 0, OPEN, moments.pop()))
    return Case(kind, sorted(steps, key=lambda step: step.call), tuple(ranks))


def draw_clusters(rng: random.Random) -> Case:
    """Writes and compare-and-sets at any times, each with reads around: a register by chance."""
    longest = rng.choice([40, 150, 400])
    lost = rng.choice([0.0, 0.0, 0.2, 0.5])
    moments = rng.sample(range(1000), 60)
    steps = []

    def add_step(step: Step, call: int, *, may_be_lost: bool) -> None:
        end = call + rng.randrange(1, longest)
        while end in moments:
            end += 1
        moments.append(end)
        step.call, step.end = call, end
        if may_be_lost and rng.random() < lost:
            step.outcome, step.end = OPEN, NEVER
        steps.append(step)

    for value in range(1, rng.randint(2, 5)):
        came = moments.pop()
        swaps = rng.random() < 0.3
        source = rng.randint(0, 4)
        writer = Step(UPDATE, source, value) if swaps and source != value else Step(WRITE, value)
        add_step(writer, came, may_be_lost=True)
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            later = came + rng.randrange(-40, 400)
            while later in moments:
                later += 1
            moments.append(later)
            add_step(Step(READ, value), later, may_be_lost=False)
    if rng.random() < 0.2:
        add_step(Step(READ, 0), moments.pop(), may_be_lost=False)
    if rng.random() < 0.3:
        rejected = Step(UPDATE, rng.randint(0, 4), 9, REJECTED)
        add_step(rejected, moments.pop(), may_be_lost=False)
    return Case("register", sorted(steps, key=lambda step: step.call))


def draw_growing_set(rng: random.Random) -> Case:
    """Only additions and reads of everything: what the polynomial checker takes."""
    case = draw(rng, "set")
    added: set[int] = set()
    kept = []
    for step in case.steps:
        if step.function in (ADD, INSERT) and step.a not in added:
            added.add(step.a)
        elif step.function != READ:
            continue
        kept.append(step)
    return Case("set", kept)


# ---- the tests -------------------------------------------------------------------------------


def check_case(case: Case, rules: Iterator[int]) -> tuple[bool, str]:
    """Asserts that all agree about the case; its answer, and the method that gave it."""
    legal = explained(case)
    answer = "legal" if legal else "illegal"
    outcome = ask(case, ALL)
    for told in (outcome, *(ask(case, rule) for rule in rules)):
        assert told.answer == answer, f"{told}\nbut {answer}: {case}"
        if legal:
            assert replay(case, told.order), f"{told.order} does not explain {case}"
        elif told.illegal_with and (told.method == "unique" or case.kind not in FORGETFUL):
            assert not explained(until(case, told.operation)), f"{told.operation} in {case}"
    if not legal and outcome.method == "unique":
        assert outcome.illegal_with
        assert not outcome.legal_before
        assert outcome.witness
        assert set(outcome.witness) <= set(range(len(case.steps)))
    return legal, outcome.method


Tally = dict[tuple[bool, str], int]


def tally_of(cases: Iterator[Case], rng: random.Random) -> Tally:
    """How many cases were (legal, decided by which method)."""
    tally = dict.fromkeys(itertools.product((True, False), ("unique", "search")), 0)
    for number, case in enumerate(cases):
        rules = [WITHOUT] if number % 4 else [WITHOUT, rng.randrange(UNIQUE)]
        tally[check_case(case, iter(rules))] += 1
    return tally


@pytest.mark.parametrize("kind", KINDS)
def test_objects_that_run_along(kind: Kind) -> None:
    rng = random.Random(f"unique {kind}")
    count = 9000 if kind == "register" else 3000
    tally = tally_of((draw(rng, kind) for _ in range(count)), rng)
    assert all(tally[legal, "search"] > 5 for legal in (True, False)), tally
    if kind not in FORGETFUL:
        assert all(tally[legal, "unique"] > count // 10 for legal in (True, False)), tally


@pytest.mark.parametrize("kind", CONTAINERS)
def test_items_that_come_and_go(kind: Kind) -> None:
    rng = random.Random(f"items {kind}")
    tally = tally_of((draw_items(rng, kind) for _ in range(6000)), rng)
    assert all(tally[legal, "unique"] > 600 for legal in (True, False)), tally


def test_values_that_come_and_go() -> None:
    rng = random.Random("clusters")
    tally = tally_of((draw_clusters(rng) for _ in range(8000)), rng)
    assert all(tally[legal, "unique"] > 800 for legal in (True, False)), tally
    assert tally[True, "search"] < 20, "rejected compare-and-sets find their place"


def test_sets_that_only_grow() -> None:
    rng = random.Random("growing sets")
    tally = tally_of((draw_growing_set(rng) for _ in range(5000)), rng)
    assert all(tally[legal, "unique"] > 500 for legal in (True, False)), tally


def test_a_queue_without_empty_removals_never_needs_the_search() -> None:
    rng = random.Random("tokens")
    used = 0
    for _ in range(4000):
        case = draw_items(rng, "queue")
        case.steps = [step for step in case.steps if step.function != EMPTY]
        assert check_case(case, iter(()))[1] == "unique", case
        used += any(step.a == -1 for step in case.steps)
    assert used > 1000


def test_open_removals_that_begin_together() -> None:
    """A stack of which two open removals may take two of three items, and others the rest."""
    steps = [
        Step(ADD, 1, 0, RETURNED, 1, 2),
        Step(ADD, 3, 0, RETURNED, 3, 4),
        Step(ADD, 4, 0, RETURNED, 5, 8),
        Step(REMOVE, -1, 0, OPEN, 6),
        Step(REMOVE, -1, 0, OPEN, 7),
        Step(REMOVE, 3, 0, OPEN, 9),
        Step(REMOVE, 4, 0, OPEN, 10),
        Step(EMPTY, 0, 0, RETURNED, 11, 12),
    ]
    assert check_case(Case("stack", steps), iter([WITHOUT])) == (True, "unique")
    assert not check_case(Case("stack", [steps[0], *steps[1:3], *steps[6:]]), iter([WITHOUT]))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_running_out_of_memory_anywhere(kind: Kind) -> None:
    """Every allocation fails once: the answer is right or a clean `unknown`, and never a crash."""
    rng = random.Random(f"memory {kind}")
    for rules in (ALL, WITHOUT, 0):
        problem = problem_of(draw(rng, kind))
        plenty = Limits(configurations=100_000, rules=rules)
        whole = NATIVE.check(problem, plenty, NOW, with_order=True)
        for limit in range(0, whole.memory_bytes + 256, 64):
            limits = replace(plenty, memory_bytes=limit)
            outcome = NATIVE.check(problem, limits, NOW, with_order=True)
            assert (outcome.answer, outcome.reason) in (("unknown", "memory"), (whole.answer, ""))
            assert outcome.memory_bytes <= limit


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("queue", Step(READ, 1)),
        ("queue", Step(REMOVE, -1)),  # it returned, so it took something
        ("queue", Step(EMPTY, 1, 0, OPEN)),
        ("stack", Step(ADD, -1)),
        ("stack", Step(10, 1)),
        ("bag", Step(REMOVE, -2, 0, OPEN)),
        ("bag", Step(ADD, 40)),
        ("set", Step(INSERT, 1, 0, OPEN)),
        ("set", Step(REMOVE, -1, 0, OPEN)),
        ("counter", Step(UPDATE, 1, 50)),
        ("counter", Step(UPDATE, 1, 1, OPEN)),
        ("register", Step(ADD, 1)),
        ("register", Step(READ, 1, 0, REJECTED)),
    ],
)
def test_arrays_that_fit_no_object_are_refused(kind: Kind, step: Step) -> None:
    step.call = 1
    step.end = NEVER if step.outcome == OPEN else 2
    with pytest.raises(AssertionError, match="contradict"):
        NATIVE.check(problem_of(Case(kind, [step])), Limits(configurations=10), NOW)


def test_sets_that_contradict_their_own_table_are_refused() -> None:
    problem = problem_of(
        Case("set", [Step(ADD, 1, 0, RETURNED, 1, 2), Step(READ, 0, (1,), 0, 3, 4)])
    )
    limits = Limits(configurations=10)
    assert NATIVE.check(problem, limits, NOW).answer == "legal"
    for bad in (
        replace(problem, items=np.array([99], dtype=np.int32)),
        replace(problem, item_start=problem.item_start[::-1].copy()),
    ):
        with pytest.raises(AssertionError, match="contradict"):
            NATIVE.check(bad, limits, NOW)
