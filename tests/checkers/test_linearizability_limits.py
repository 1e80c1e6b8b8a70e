"""Budgets, memory, deadlines, Ctrl-C and threads: a check ends cleanly whatever happens."""

from __future__ import annotations

import random
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from checkers.linearizability import Linearizability, decide
from checkers.linearizability import engine as engine_room
from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Limits, find_engine, interruptible
from checkers.linearizability.models import find_model
from checkers.linearizability.problem import Problem
from checkers.notation import parse
from harness.errors import UsageError
from harness.history import History, Recorder

pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")

NOW = np.zeros(1, dtype=np.int32)


def hard_history(edges: int = 60, values: int = 7) -> History:
    """Concurrent compare-and-sets that all succeeded: an order of them is an Eulerian trail, and
    there is none, which no rule of the search knows."""
    rng = random.Random(1)
    recorder = Recorder()
    pairs = [[rng.randrange(values), rng.randrange(values)] for _ in range(edges)]
    pairs[:3] = [[0, 1], [0, 2], [0, 3]]
    recorder.append(time_ns=0, process=0, type="invoke", f="write", value=0)
    recorder.append(time_ns=1, process=0, type="ok", f="write", value=0)
    for kind in ("invoke", "ok"):
        for number, pair in enumerate(pairs):
            row = len(recorder)
            recorder.append(time_ns=row, process=number + 1, type=kind, f="cas", value=pair)
    return recorder.history()


def problem_of(history: History, model: str = "cas-register") -> Problem:
    return encode(history, find_model(model))


def test_the_hard_history_is_hard_and_ends_in_unknown() -> None:
    verdict = Linearizability(budget=50_000).check(hard_history())
    assert verdict.outcome == "unknown"
    assert "61 operations" in verdict.reason
    assert "the budget of 50,000 configurations was used up" in verdict.reason
    assert 50_000 <= verdict.details["configurations"] <= 51_000


def test_the_verdict_of_a_budget_is_always_the_same() -> None:
    first, second = (Linearizability(budget=30_000).check(hard_history()) for _ in range(2))
    assert first == second


def test_too_little_memory_is_unknown() -> None:
    verdict = Linearizability(memory_bytes=1 << 20).check(hard_history())
    assert verdict.outcome == "unknown"
    assert "more than 1,048,576 bytes" in verdict.reason
    assert verdict.details["memory_bytes"] <= 1 << 20


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("cas-register", "0w1? 1w2 2c1,3? 3r=3 1. 4c3,2! 5r=2 6r=2"),
        ("kv-append", "0aab? 1pc 2g=c 1. 3ad 4g=cd 4g=cdab 3."),
    ],
)
@pytest.mark.parametrize("rules", [0, 511, 511 ^ 1, 511 ^ 256])
def test_running_out_of_memory_anywhere(model: str, text: str, rules: int) -> None:
    """Every allocation fails once: the answer is right or a clean `unknown`, and never a crash."""
    problem = problem_of(parse(text), model)
    native = find_engine("native")
    plenty = Limits(configurations=10_000, rules=rules)
    whole = native.check(problem, plenty, NOW)
    answers = set()
    for limit in range(0, whole.memory_bytes + 256, 128):
        outcome = native.check(problem, replace(plenty, memory_bytes=limit), NOW)
        answers.add((outcome.answer, outcome.reason))
        assert outcome.memory_bytes <= limit
    assert answers == {("unknown", "memory"), (whole.answer, "")}


def test_a_deadline_stops_the_search() -> None:
    verdict = Linearizability(deadline_s=0.01, budget=10**9).check(hard_history())
    assert verdict.outcome == "unknown"
    assert "the deadline of 0.01 s" in verdict.reason


def test_ctrl_c_gets_through() -> None:
    history, checker = hard_history(), Linearizability(budget=10**9)
    timer = threading.Timer(0.02, signal.raise_signal, [signal.SIGINT])

    def interrupted() -> None:
        timer.start()
        checker.check(history)  # for minutes, if it did not

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    timer.join()
    assert not [t for t in threading.enumerate() if t.name == "linearizability"]


def test_errors_of_the_worker_come_out() -> None:
    def broken(_: Any) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interruptible(broken)


def test_a_set_abort_flag_stops_both_engines() -> None:
    stopped = np.ones(1, dtype=np.int32)
    problem = problem_of(hard_history())
    for engine in (find_engine("native"), find_engine("reference")):
        outcome = engine.check(problem, Limits(configurations=10**9), stopped)
        assert (outcome.answer, outcome.reason) == ("unknown", "stopped")
        assert not engine.frontier(problem, 5, Limits(configurations=10**9), stopped).complete


def test_parallel_threads_do_not_disturb_each_other() -> None:
    texts = ["0w1. 1r=1", "0w1. 1r=2", "0w1? 1r=1 2r=nil", "0w1? 1w2 2c1,3? 3r=3 1. 5r=2"] * 50
    problems = [problem_of(parse(text)) for text in texts]
    native = find_engine("native")
    limits = Limits(configurations=10_000)
    alone = [native.check(problem, limits, NOW) for problem in problems]
    hard = problem_of(hard_history())
    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(decide, hard, native, Limits(configurations=50_000)) for _ in range(2)]
        together = list(pool.map(lambda p: native.check(p, limits, NOW), problems))
    assert together == alone
    assert busy[0].result() == busy[1].result()


def test_a_hard_key_does_not_hide_an_illegal_one() -> None:
    recorder = Recorder()
    for operation in hard_history():
        recorder.append(
            time_ns=operation.time_ns,
            process=int(operation.process),
            type=operation.type,
            f=operation.f,
            key="a-hard",
            value=operation.value,
        )
    for kind in ("invoke", "ok"):
        recorder.append(time_ns=999, process=99, type=kind, f="read", key="b-bad", value=1)
    verdict = Linearizability(budget=100_000).check(recorder.history())
    assert verdict.outcome == "fail"
    assert verdict.details["configurations"] < 10_000


def test_without_a_kernel_the_reference_engine_is_used_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "checkers.linearizability.native", None)
    monkeypatch.setattr(engine_room, "_warned", threading.Event())
    with pytest.warns(RuntimeWarning, match="C compiler"):
        assert find_engine(None).name == "reference"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = Linearizability().check(parse("0w1. 1r=1"))
    assert (verdict.outcome, verdict.details["engine"]) == ("pass", "reference")
    with pytest.raises(ImportError):
        find_engine("native")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "registre"}, "no model called 'registre'"),
        ({"engine": "knossos"}, "no engine called 'knossos'"),
        ({"budget": 0}, "must be 1 or more"),
        ({"memory_bytes": 5}, "too little"),
        ({"failed_cas": "retry"}, "no meaning of a failed cas called 'retry'"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Linearizability(**options)


@pytest.mark.parametrize(
    ("model", "initial", "text", "words"),
    [
        ("register", None, "0c1,2.", "did you mean --model cas-register"),
        ("kv-append", 7, "0g=", "A text cannot start as 7"),
        ("mutex", "open", "0t.", "A lock cannot start as 'open'"),
        ("cas-register", None, "0c1.", r"process 0 invoke 'cas' is \[1\], but a cas needs the two"),
    ],
)
def test_histories_that_do_not_fit_are_refused(
    model: str, initial: Any, text: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Linearizability(model, initial=initial).check(parse(text))


def test_texts_must_be_strings() -> None:
    recorder = Recorder()
    recorder.append(time_ns=0, process=0, type="invoke", f="put", value=["k", "v"])
    with pytest.raises(UsageError, match=r"row 0, process 0 invoke 'put' is \['k', 'v'\]"):
        Linearizability("kv-append").check(recorder.history())


def test_malformed_arrays_are_refused_and_not_followed() -> None:
    problem = problem_of(parse("0w1. 1r=1"))
    native = find_engine("native")
    events, operations = problem.events, problem.operations
    for bad in (
        replace(problem, events=events[::-1].copy()),
        replace(problem, events=events + 100),
        replace(problem, events=events[:-1].copy()),
        replace(problem, initial=99),
        replace(problem, values=()),
        replace(problem, key_ids=problem.key_ids[:0]),
        replace(problem, operations=operations[:1].copy()),
    ):
        with pytest.raises(AssertionError, match="contradict"):
            native.check(bad, Limits(configurations=100), NOW)
    with pytest.raises(AssertionError, match="contradict"):
        native.frontier(problem, 17, Limits(configurations=100), NOW)
