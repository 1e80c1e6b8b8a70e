"""The check of a run in progress stops at the row where the finished check of the rows so far first
fails, and nowhere else."""

from __future__ import annotations

import bisect
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers import streaming, window
from checkers.linearizability import Linearizability
from checkers.linearizability.models import find_model
from checkers.notation import parse
from checkers.streaming import Follower, follow
from harness.history import History, Recorder
from harness.operation import Operation


def stops_at(follower: Follower, history: History) -> int:
    """The row at which the follower speaks; -1 if it never does."""
    for operation in history:
        if follower.observe(operation) is not None:
            return operation.index
    return -1


def first_failing_row(checker: Linearizability, history: History) -> int:
    """The same by checking prefixes as if they were finished; what is broken stays broken."""

    def fails(rows: int) -> bool:
        return checker.check(history.select(list(range(rows)))).outcome == "fail"

    if not fails(len(history)):
        return -1
    return bisect.bisect_left(range(len(history) + 1), True, key=fails) - 1


# ---- histories of any object -----------------------------------------------------------------

CALLS: dict[str, list[str]] = {
    "register": ["read", "read", "write"],
    "cas-register": ["read", "read", "write", "cas"],
    "kv": ["get", "get", "put", "del", "cas"],
    "kv-append": ["get", "get", "put", "append"],
    "mutex": ["acquire", "release"],
    "owner-mutex": ["acquire", "release"],
    "counter": ["add", "read"],
    "set": ["add", "remove", "contains", "read"],
    "fifo-queue": ["enqueue", "dequeue"],
    "stack": ["push", "pop"],
}


def argument(rng: random.Random, model: str, f: str) -> Any:
    if f in ("read", "get", "del", "acquire", "release", "dequeue", "pop"):
        return None
    if model == "kv-append":
        return rng.choice("ab")
    if f == "cas":
        return [rng.choice([None, 1, 2]), rng.randint(1, 3)]
    return rng.randint(1, 3)


def answer(rng: random.Random, model: str, f: str, given: Any, said: list[Any]) -> Any:
    """Something that the object might say, right or wrong."""
    if f in ("dequeue", "pop") or (f in ("read", "get") and model not in ("set", "counter")):
        return rng.choice([None, *said[-3:]])
    if f == "read" and model == "counter":
        return rng.choice([0, sum(said), sum(said[-2:]), sum(said[1:])])
    if f == "read":
        return sorted(set(rng.sample(said, rng.randint(0, min(2, len(said))))))
    if f == "contains":
        return rng.random() < 0.5
    return given


def draw(rng: random.Random, model: str, *, calls: int, lost: float) -> History:
    """Clients that say what looks likely; each key has its own values."""
    recorder = Recorder()
    keys = rng.choice([[None], [None], ["x", "y"]])
    said: dict[Any, list[Any]] = {key: [] for key in keys}
    free, fresh = list(range(3)), 3
    under_way: dict[int, tuple[str, Any, Any]] = {}
    concurrency = rng.choice([0.3, 0.6])
    while calls or under_way:
        if calls and free and (not under_way or rng.random() < concurrency):
            calls -= 1
            process = free.pop(rng.randrange(len(free)))
            f, key = rng.choice(CALLS[model]), rng.choice(keys)
            given = argument(rng, model, f)
            if given is not None and f not in ("contains", "remove"):
                new = given[1] if f == "cas" else given
                if model == "kv-append" and f == "append":
                    new = (said[key][-1] if said[key] else "") + given
                said[key].append(new)
            recorder.append(time_ns=0, process=process, type="invoke", f=f, key=key, value=given)
            under_way[process] = (f, key, given)
            continue
        process = rng.choice(sorted(under_way))
        f, key, given = under_way.pop(process)
        kind = rng.choices(["ok", "info", "fail", "open"], [1 - lost, lost * 0.7, 0.1, lost * 0.3])
        value, error = given, None
        if kind[0] == "ok":
            value = answer(rng, model, f, given, said[key])
        elif kind[0] == "fail":
            error = rng.choice([None, "refused"])
        if kind[0] != "open":
            recorder.append(
                time_ns=0, process=process, type=kind[0], f=f, key=key, value=value, error=error
            )
        if kind[0] in ("ok", "fail"):
            free.append(process)
        else:
            free.append(fresh)
            fresh += 1
    return recorder.history()


def told(history: History) -> str:
    return "\n".join(f"{o.index} {o.process} {o.type} {o.f} {o.key} {o.value}" for o in history)


@pytest.mark.parametrize("model", CALLS)
def test_stops_where_the_finished_check_first_fails(model: str) -> None:
    rng = random.Random(f"streaming {model}")
    stopped = 0
    for number in range(120):
        history = draw(rng, model, calls=4 + number % 9, lost=rng.choice([0.05, 0.3]))
        checker = Linearizability(model)
        wanted = first_failing_row(checker, history)
        follower = follow(checker)
        assert stops_at(follower, history) == wanted, told(history)
        assert follower.lost == 0
        stopped += wanted >= 0
    assert 20 < stopped < 120, "both happen often"


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**64),
    calls=st.integers(5, 25),
    lost=st.floats(0, 0.5),
    failed_cas=st.sampled_from(["mismatch-unless-error", "mismatch", "no-effect"]),
)
def test_registers_with_many_lost_writes(
    seed: int, calls: int, lost: float, failed_cas: Any
) -> None:
    history = draw(random.Random(seed), "cas-register", calls=calls, lost=lost)
    checker = Linearizability(failed_cas=failed_cas)
    assert stops_at(follow(checker), history) == first_failing_row(checker, history), told(history)


def honest(rng: random.Random, operations: int, *, lost: float, values: int = 0) -> History:
    """A linearizable register of one key under load; `values` 0 means that all are different."""
    recorder = Recorder()
    state: Any = None
    free, fresh, written = list(range(5)), 5, 0
    under_way: dict[int, list[Any]] = {}
    while operations or under_way:
        if operations and free and rng.random() < 0.5:
            operations -= 1
            process = free.pop(rng.randrange(len(free)))
            f = rng.choice(["read", "write"])
            written += f == "write"
            value = None if f == "read" else rng.randrange(values) if values else written
            recorder.append(time_ns=0, process=process, type="invoke", f=f, value=value)
            under_way[process] = [f, value, False]
        elif under_way:
            process = rng.choice(sorted(under_way))
            f, value, done = under_way[process]
            if not done:
                if f == "write":
                    state = value
                under_way[process] = [f, value if f == "write" else state, True]
                continue
            del under_way[process]
            gone = rng.random() < lost
            recorder.append(
                time_ns=0,
                process=process,
                type="info" if gone else "ok",
                f=f,
                value=None if gone and f == "read" else value,
            )
            free.append(fresh if gone else process)
            fresh += gone
    return recorder.history()


@pytest.mark.parametrize("values", [0, 4], ids=["unique", "reused"])
def test_long_runs_take_little_memory(values: int) -> None:
    """What is kept does not grow with the run, apart from the writes that were lost."""
    rng = random.Random(7)
    history = honest(rng, 600, lost=0.03, values=values)
    follower = follow(Linearizability("register"))
    most_kept, lost = 0, 0
    for operation in history:
        assert follower.observe(operation) is None
        key = follower._keys[None]
        assert key is not None
        most_kept = max(most_kept, len(key.window) + len(key.under_way))
        lost = len(key.open)
    assert most_kept < 200
    assert lost < 30
    assert follower.lost == 0


def test_a_client_that_hangs_holds_nothing_up() -> None:
    """One write is under way all the time, so the key never rests; wrong answers are seen."""
    rows = ["0w99", *(f"1w{n}. 2r={n}" for n in range(300)), "3r=299 3r=99 3r=299"]
    history = parse(" ".join(rows))
    assert stops_at(follow(Linearizability("register")), history) == len(history) - 1


# ---- limits ----------------------------------------------------------------------------------


def test_a_key_that_takes_too_much_is_looked_at_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "STEPS", 3)
    history = parse("0w1 1w2 2r=2 2r=1 0. 1. 2r=9 2r=9 2r=9 2r=9 2r=9 2r=9")
    row = stops_at(follow(Linearizability("register")), history)
    assert row == -1 or history[row].value == 9, "late or never, but never wrong"


def test_a_key_without_rest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "WINDOW", 20)
    follower = follow(Linearizability("register"))
    history = parse("0w99@x " + "1w1@x. 1r@x=1 " * 12 + "1r@x=7 1w1@y. 1r@y=2")
    row = stops_at(follower, history)
    assert (follower.lost, history[row].key) == (1, "y"), "other keys are still followed"


def test_strangers_are_left_to_the_finished_check() -> None:
    follower = follow(Linearizability("register"))
    strange = Recorder()
    strange.append(time_ns=0, process="nemesis", type="info", f="start-kill")
    strange.append(time_ns=0, process=0, type="invoke", f="enqueue", value=1)
    strange.append(time_ns=0, process=1, type="ok", f="read", value=1)
    strange.append(time_ns=0, process=2, type="invoke", f="read")
    strange.append(time_ns=0, process=2, type="ok", f="write", value=5)
    strange.append(time_ns=0, process=3, type="invoke", f="read", key="x")
    strange.append(time_ns=0, process=3, type="ok", f="read", key="y", value=5)
    assert stops_at(follower, strange.history()) == -1


SENTENCES = [
    (
        "0w1@x. 1r@x=2",
        "Not linearizable: no order explains read -> 2 of process 1 on 'x' at 0.001 s, after what "
        "was answered until then.",
    ),
    (
        "0w1 1r=1 0!",
        "Not linearizable: no order explains write 1 (failed) of process 0 at 0.002 s, after what "
        "was answered until then.",
    ),
    (
        "0w1. 1c1,2!",
        "Not linearizable: no order explains cas [1, 2] (failed) of process 1 at 0.001 s, after "
        "what was answered until then.",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), SENTENCES)
def test_sentences(text: str, sentence: str) -> None:
    history = parse(text)
    follower = follow(Linearizability())
    verdict = [follower.observe(operation) for operation in history][-1]
    assert verdict is not None
    assert verdict.reason == sentence
    assert verdict.witness is not None
    rows = verdict.witness["rows"]
    assert rows == sorted(set(rows))
    assert rows[-1] == len(history) - 1
    assert Linearizability().check(history).outcome == "fail"


def test_values_are_those_of_the_history() -> None:
    """A client may return a tuple; the history has a list."""
    follower = follow(Linearizability("register"))
    rows: list[tuple[int, Any, str, Any]] = [
        (0, "invoke", "write", (1, 2)),
        (0, "ok", "write", (1, 2)),
        (1, "invoke", "read", None),
        (1, "ok", "read", [1, 2]),
        (1, "invoke", "read", None),
        (1, "ok", "read", [1, 2.0]),
    ]
    verdicts = [
        follower.observe(Operation(index=n, time_ns=n, process=p, type=t, f=f, value=v))
        for n, (p, t, f, v) in enumerate(rows)
    ]
    assert [verdict is not None for verdict in verdicts] == [False] * 5 + [True]


def test_calls_exist() -> None:
    """The table of calls above names real functions."""
    for model, functions in CALLS.items():
        assert set(functions) <= set(find_model(model).functions)
