"""Cores of long histories, and of texts whose optional operations were put together.

That small cores are illegal and irreducible is tested against a brute force, for every model, in
test_linearizability_models.py.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.linearizability import Linearizability
from checkers.linearizability.condense import condensed
from checkers.linearizability.core import Asker, shrink
from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Limits, find_engine
from checkers.linearizability.models import find_model
from checkers.linearizability.problem import Problem
from checkers.linearizability.relax import relaxed
from checkers.notation import parse
from harness.history import History, Recorder

pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")

NOW = np.zeros(1, dtype=np.int32)
PLENTY = Limits(configurations=100_000)


def busy(
    rng: random.Random, operations: int, model: str, *, clients: int = 6, lie: bool = True
) -> History:
    """Clients that overlap all the time on one object; one late read of three quarters lies."""
    recorder = Recorder()
    state: list[str] | int = [] if model == "kv-append" else 0
    pending: dict[int, tuple[str, object]] = {}
    old = None
    left = operations
    while left or pending:
        who = rng.randrange(clients)
        time_ns = len(recorder) * 10**6
        if who in pending:
            f, value = pending.pop(who)
            if f in ("read", "get"):
                value = "".join(state) if isinstance(state, list) else state
                if lie and left < operations / 4 and old is not None:
                    value, lie = old, False
                elif left < operations / 2 and old is None:
                    old = value
            recorder.append(time_ns=time_ns, process=who, type="ok", f=f, value=value)
        elif left:
            left -= 1
            changes, look = ("append", "get") if model == "kv-append" else ("write", "read")
            f = rng.choice((changes, look))
            value = None
            if f == "append":
                value = f"{left}."
                assert isinstance(state, list)
                state.append(value)  # takes effect at once
            elif f == "write":
                state = value = left
            pending[who] = (f, value)
            recorder.append(time_ns=time_ns, process=who, type="invoke", f=f, value=value)
    return recorder.history()


@pytest.mark.parametrize(("model", "operations"), [("register", 10_000), ("kv-append", 2_000)])
def test_cores_of_long_histories(model: str, operations: int) -> None:
    history = busy(random.Random(3), operations, model)
    verdict = Linearizability(model).check(history)
    assert verdict.outcome == "fail"
    assert verdict.witness is not None
    assert verdict.witness["irreducible"]
    assert 2 <= len(verdict.witness["steps"]) <= 10
    again = history.select(verdict.witness["rows"])
    assert Linearizability(model, engine="reference").check(again).outcome == "fail"


def test_few_questions_are_enough() -> None:
    problem = encode(busy(random.Random(3), 4_000, "register"), find_model("register"), initial=0)
    outcome = find_engine("native").check(problem, PLENTY, NOW)
    asker = Asker(find_engine("native"), Limits(configurations=10**6), NOW)
    core = shrink(problem, asker, outcome.witness)
    assert len(core.operations) <= 4
    assert core.questions <= 40


def test_without_a_budget_a_core_is_what_is_known() -> None:
    problem = encode(parse("0w1. 1w2. 2r=1 0w3. 1r=2"), find_model("register"))
    asker = Asker(find_engine("reference"), Limits(configurations=0), NOW)
    core = shrink(problem, asker)
    assert core.operations == (0, 1, 2, 3, 4)
    assert not core.irreducible


def texts(rng: random.Random) -> Problem:
    """Appends and puts of few letters, and gets that mostly fit together."""
    recorder = Recorder()
    alphabet = rng.choice(("abcdefghijkl", "abcdef", "aab"))
    state, pending = "", {}
    left = rng.randint(4, 12)
    while left or pending:
        who = rng.randrange(3)
        if who in pending:
            f, value = pending.pop(who)
            if f == "get":
                value = state if rng.random() < 0.85 else state[: rng.randint(0, len(state))]
            recorder.append(time_ns=0, process=who, type="ok", f=f, value=value)
        elif left:
            left -= 1
            f = rng.choice(("append", "append", "append", "get", "get", "put"))
            piece = "".join(rng.sample(alphabet, rng.choice((1, 1, 2))))
            value = None if f == "get" else piece
            state = {"append": state + piece, "put": piece, "get": state}[f]
            pending[who] = (f, value)
            recorder.append(time_ns=0, process=who, type="invoke", f=f, value=value)
    return encode(recorder.history(), find_model("kv-append"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**64))
def test_putting_optional_operations_together_changes_no_verdict(seed: int) -> None:
    rng = random.Random(seed)
    problem = texts(rng)
    native = find_engine("native")
    for share in (0.1, 0.4, 0.8):
        kept = np.array([rng.random() < share for _ in range(len(problem))], dtype=bool)
        part, _ = relaxed(problem, kept)
        light, numbers = condensed(part)
        assert len(numbers) == len(light) <= len(part)
        wanted = find_engine("reference").check(part, PLENTY, NOW).answer
        assert native.check(part, PLENTY, NOW).answer == wanted
        assert native.check(light, PLENTY, NOW).answer == wanted


def test_they_are_put_together_at_all() -> None:
    rng = random.Random(1)
    shorter = 0
    for _ in range(100):
        problem = texts(rng)
        kept = problem.operations["function"] == 0
        part, _ = relaxed(problem, kept)
        shorter += len(condensed(part)[0]) < len(part)
    assert shorter > 40
