"""Cores that begin with a write, of registers where one value was written over and over."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.linearizability import Linearizability
from checkers.linearizability.anew import beginning_with, beginnings, least_size, moments
from checkers.linearizability.codes import OPEN, RETURNED, WRITE
from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Limits, find_engine
from checkers.linearizability.models import find_model
from checkers.linearizability.problem import Problem
from checkers.linearizability.relax import relaxed
from checkers.linearizability.story import tell
from checkers.notation import parse
from harness.history import History, Recorder

NOW = np.zeros(1, dtype=np.int32)
PLENTY = Limits(configurations=100_000)
REFERENCE = find_engine("reference")


def few_values(
    rng: random.Random,
    operations: int,
    *,
    values: int,
    clients: int = 3,
    lies: float = 0.1,
    open_ratio: float = 0.1,
) -> History:
    """Clients that overlap all the time on one register; some reads answer anything, and some calls
    are never answered."""
    recorder = Recorder()
    state, left, next_process = 0, operations, clients
    processes = list(range(clients))
    pending: dict[int, tuple[str, object]] = {}
    while left or pending:
        client = rng.randrange(clients)
        who = processes[client]
        if who in pending:
            f, value = pending.pop(who)
            if f != "read" and rng.random() < open_ratio:  # whether it took effect or not
                processes[client] = next_process
                next_process += 1
                continue
            if f == "read":
                value = rng.randrange(values) if rng.random() < lies else state
            recorder.append(time_ns=len(recorder), process=who, type="ok", f=f, value=value)
        elif left:
            left -= 1
            f = rng.choice(("read", "read", "write", "write", "cas"))
            written = rng.randrange(values)  # all take effect when they are called
            value = {"read": None, "write": written, "cas": [state, written]}[f]
            state = state if f == "read" else written
            pending[who] = (f, value)
            recorder.append(time_ns=len(recorder), process=who, type="invoke", f=f, value=value)
    return recorder.history()


def problem_of(history: History) -> Problem:
    return encode(history, find_model("cas-register"), initial=0)


def is_illegal(problem: Problem) -> bool:
    return REFERENCE.check(problem, PLENTY, NOW).answer == "illegal"


def shortest_prefix(problem: Problem) -> Problem | None:
    """Up to the first return that no order explains."""
    for operation in (problem.events[(problem.events & 1) == 1] >> 1).tolist():
        part = problem.until_return_of(operation)
        if is_illegal(part):
            return part
    return None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**64))
def test_what_began_with_a_write_is_illegal_only_if_all_is(seed: int) -> None:
    rng = random.Random(seed)
    problem = problem_of(few_values(rng, 9, values=2, lies=rng.choice((0, 0.1, 0.3))))
    operations = problem.operations
    legal = not is_illegal(problem)
    writes = (operations["function"] == WRITE) & (operations["outcome"] == RETURNED)
    for write in np.flatnonzero(writes).tolist():
        part, numbers = beginning_with(problem, write)
        begin, end = moments(problem)
        assert write not in numbers
        assert all(end[number] > begin[write] for number in numbers)
        if legal:
            assert not is_illegal(part)


def test_they_are_illegal_often() -> None:
    """Or else the test above would prove little."""
    rng = random.Random(2)
    found = 0
    for _ in range(300):
        prefix = shortest_prefix(problem_of(few_values(rng, 10, values=3, lies=0.2)))
        if prefix is not None:
            writes = beginnings(prefix, int(prefix.events[-1]) >> 1)
            found += any(is_illegal(beginning_with(prefix, write)[0]) for write in writes)
    assert found > 40


def size_of_smallest_core(prefix: Problem) -> int:
    """By trying all sets of operations, the small ones first."""
    returned = np.flatnonzero(prefix.operations["outcome"] != OPEN).tolist()
    for size in range(1, len(returned) + 1):
        for chosen in combinations(returned, size):
            kept = np.zeros(len(prefix), dtype=bool)
            kept[list(chosen)] = True
            if is_illegal(relaxed(prefix, kept)[0]):
                return size
    raise AssertionError("the prefix itself is illegal")


def test_no_core_is_smaller_than_the_writes_of_the_value_and_one() -> None:
    rng = random.Random(4)
    tight = seen = 0
    for _ in range(350):
        prefix = shortest_prefix(
            problem_of(few_values(rng, 9, values=3, lies=0.15, open_ratio=0.05))
        )
        if prefix is None:
            continue
        seen += 1
        least = least_size(prefix, int(prefix.events[-1]) >> 1)
        smallest = size_of_smallest_core(prefix)
        assert smallest >= least
        tight += smallest <= least + 1 and least > 1
    assert seen > 50
    assert tight > 10


OVER_AND_OVER = "0w5. 2r=5 " * 12 + "0w6. 1c6,5. 1w7. 3w8? 2r=7 0w9 2r=5"


def test_a_core_begins_with_a_write() -> None:
    pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")
    history = parse(OVER_AND_OVER)
    witness = Linearizability("cas-register").check(history).witness
    assert witness is not None
    assert [step["label"] for step in witness["steps"]] == ["cas [6, 5]", "write 7", "read → 5"]
    assert witness["since_row"] == witness["steps"][1]["rows"][0]
    assert witness["irreducible"]
    assert witness["conclusion"].endswith(
        "; and all 13 calls that wrote 5 had ended before the write of 7 began."
    )
    told = " ".join(tell(history, witness).split())
    assert "those that had ended before 2 was called have no say after it. The rest" in told
    assert Linearizability("cas-register", engine="reference").check(history).witness == witness
    again = history.select(witness["rows"])
    assert Linearizability("cas-register", engine="reference").check(again).outcome == "fail"


def test_one_that_might_come_late_forbids_to_begin_anew() -> None:
    """A write of 5 without an answer can be used once, so that it takes two reads."""
    history = parse("0w5. " * 12 + "3w5? 1w7. 2r=5 1w8. 2r=5")
    witness = Linearizability("cas-register").check(history).witness
    assert witness is not None
    labels = [step["label"] for step in witness["steps"]]
    assert labels[-4:] == ["write 7", "read → 5", "write 8", "read → 5"]
    assert witness["since_row"] == witness["steps"][-4]["rows"][0]


@pytest.mark.parametrize("seed", [0, 4, 5])
def test_cores_of_long_histories_of_few_values(seed: int) -> None:
    pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")
    rng = random.Random(seed)
    history = few_values(rng, 3000, values=40, clients=6, lies=0.001, open_ratio=0.01)
    verdict = Linearizability("cas-register", initial=0).check(history)
    assert verdict.outcome == "fail"
    assert verdict.witness is not None
    assert verdict.witness["irreducible"]
    assert len(verdict.witness["steps"]) <= 10
    again = history.select(verdict.witness["rows"])
    assert Linearizability("cas-register", engine="reference").check(again).outcome == "fail"
