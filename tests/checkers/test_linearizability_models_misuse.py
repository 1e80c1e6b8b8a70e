"""Models: names, documentation, models of users, and what is said to who uses them wrongly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from checkers.linearizability import Call, Linearizability, Model, models
from checkers.linearizability.certificate import verify
from checkers.linearizability.models import MODELS, find_model
from checkers.linearizability.story import tell
from harness.errors import UsageError
from harness.history import History, Recorder

ROOT = Path(__file__).resolve().parents[2]


def history_of(*rows: tuple[Any, ...]) -> History:
    """Rows are (process, type, f, value[, key])."""
    recorder = Recorder()
    for time, (process, kind, f, value, *key) in enumerate(rows):
        recorder.append(
            time_ns=time * 10**8, process=process, type=kind, f=f, value=value, key=(*key, None)[0]
        )
    return recorder.history()


def calls(*done: tuple[str, Any, Any]) -> History:
    """One process calls one after another: (f, argument, answer)."""
    rows = [((0, "invoke", f, asked), (0, "ok", f, told)) for f, asked, told in done]
    return history_of(*(row for pair in rows for row in pair))


# ---- documentation -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [(ROOT / "docs/models.md").read_text(encoding="utf-8"), models.__doc__ or ""]
)
def test_both_tables_name_all_models_and_functions(text: str) -> None:
    flat = text.replace("`", "").replace("|", " ")
    for name, model in MODELS.items():
        start = re.search(rf"^\s*{name}\s", flat, re.MULTILINE)
        assert start is not None, name
        others = [other for other in MODELS if other != name]
        rest = flat[start.end() :]
        end = re.search(rf"^\s*({'|'.join(others)})\s", rest, re.MULTILINE)
        part = rest[: end.start() if end else 400]
        assert all(re.search(rf"\b{f}\b", part) for f in model.functions), name
        assert model.summary


# ---- a history of another model ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "done", "words"),
    [
        ("cas-register", [("append", "a", "a"), ("get", None, "a")], "did you mean --model kv-app"),
        ("register", [("enqueue", 1, 1)], "--model fifo-queue or --model unordered-queue"),
        ("kv", [("read", None, 1), ("write", 1, 1)], "did you mean --model register or"),
        ("fifo-queue", [("enqueu", 1, 1)], "Perhaps 'enqueu' means 'enqueue'"),
        ("set", [("transfer", 1, 1)], "no model knows all of these"),
        ("mutex", [("lock", None, None)], "'lock', which is called in row 0; it knows acquire, re"),
    ],
)
def test_functions_that_do_not_fit(
    model: str, done: list[tuple[str, Any, Any]], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Linearizability(model).check(calls(*done))


@pytest.mark.parametrize(
    ("model", "done", "words"),
    [
        ("counter", [("add", "1", "1")], "'1', but a counter counts in integers"),
        ("counter", [("read", None, None)], "None, but a counter counts in integers"),
        ("set", [("contains", 1, 1)], "contains answers true or false"),
        ("set", [("read", None, 1)], "a read answers a list"),
        ("list", [("read", None, 1)], "a read answers a list"),
        ("stack", [("push", None, None)], "nil is the answer of an empty queue or stack"),
        ("priority-queue", [("enqueue", {"a": 1}, None)], "has no priority"),
    ],
)
def test_values_that_do_not_fit(model: str, done: list[tuple[str, Any, Any]], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Linearizability(model).check(calls(*done))


@pytest.mark.parametrize(
    ("initial", "added", "last", "outcome"),
    [
        (None, [2**61] * 8, ("read", None, 0), "fail"),
        (None, [2**61] * 8, ("add-and-get", 1, 1), "fail"),
        (None, [2**61, -(2**61)] * 8, ("read", None, 0), "pass"),
        (None, [2**60] * 3, ("read", None, 3 * 2**60), "pass"),
        (None, [2**60] * 3, ("read", None, 2**60), "fail"),
        (2**64, [1], ("read", None, 1), "fail"),
        (2**80, [-1, 1], ("read", None, 0), "fail"),
    ],
)
def test_counters_do_not_go_round(
    initial: int | None, added: list[int], last: tuple[str, Any, Any], outcome: str
) -> None:
    """Beyond 64 bits Python counts."""
    history = calls(*(("add", amount, amount) for amount in added), last)
    verdict = Linearizability("counter", initial=initial).check(history)
    assert verdict.outcome == outcome, verdict.reason


def test_names_that_do_not_exist() -> None:
    with pytest.raises(UsageError, match="Did you mean 'fifo-queue'"):
        find_model("queue")
    with pytest.raises(UsageError, match=r"cannot be loaded.*package\.module:ClassName"):
        find_model("no.such.module:Model")
    with pytest.raises(UsageError, match="is no model: a model has the methods init"):
        find_model("os.path:sep")


@pytest.mark.parametrize(
    ("model", "initial", "done", "outcome"),
    [
        ("fifo-queue", [1, 2], [("dequeue", None, 1)], "pass"),
        ("fifo-queue", [1, 2], [("dequeue", None, 2)], "fail"),
        ("stack", [1, 2], [("pop", None, 2)], "pass"),
        ("priority-queue", [3, 1, 2], [("dequeue", None, 1)], "pass"),
        ("unordered-queue", [3, 1], [("dequeue", None, 2)], "fail"),
        ("set", [1], [("contains", 1, True), ("read", None, [1])], "pass"),
        ("list", [1], [("append", 2, 2), ("read", None, [1, 2])], "pass"),
        ("counter", 5, [("add-and-get", 2, 7)], "pass"),
        ("kv", 5, [("del", None, None), ("cas", [None, 3], None), ("get", None, 3)], "pass"),
    ],
)
def test_initial_states(
    model: str, initial: Any, done: list[tuple[str, Any, Any]], outcome: str
) -> None:
    verdict = Linearizability(model, initial=initial).check(calls(*done))
    assert verdict.outcome == outcome


# ---- the words of a contradiction --------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "done", "words"),
    [
        ("fifo-queue", [("enqueue", 1, 1), ("dequeue", None, None)], "was found empty at 0.300 s"),
        ("fifo-queue", [("dequeue", None, 7)], "nobody had begun to add it by then"),
        (
            "stack",
            [("push", 1, 1), ("pop", None, 1), ("pop", None, 1)],
            "1 was popped twice, but it was added once",
        ),
        (
            "fifo-queue",
            [("enqueue", 1, 1), ("enqueue", 2, 2), ("dequeue", None, 2)],
            "2 was dequeued at 0.500 s, but 1, which was first, had been added",
        ),
        (
            "stack",
            [("push", 1, 1), ("push", 2, 2), ("pop", None, 1)],
            "1 was popped at 0.500 s, but 2, on top of it, had been added at 0.300 s",
        ),
        (
            "priority-queue",
            [("enqueue", 1, 1), ("enqueue", 2, 2), ("dequeue", None, 2)],
            "2 was dequeued at 0.500 s, but 1, which is less, had been added at",
        ),
        ("mutex", [("acquire", None, None)] * 2, "nobody had begun to release it"),
        ("list", [("append", 1, 1), ("read", None, [])], "1 had been acknowledged at 0.100 s, but"),
        ("counter", [("add", 2, 2), ("read", None, 3)], "the counter could only be 2"),
        ("set", [("add", 1, 1), ("contains", 1, False)], "the set could only be {1}"),
        ("kv", [("put", 1, 1), ("del", None, None), ("get", None, 1)], "after nil had been ackn"),
    ],
)
def test_conclusions(model: str, done: list[tuple[str, Any, Any]], words: str) -> None:
    verdict = Linearizability(model).check(calls(*done))
    assert verdict.witness is not None
    assert words in verdict.witness["conclusion"]


def test_the_whole_story() -> None:
    history = history_of(
        (0, "invoke", "write", 5, "x"),
        (0, "ok", "write", 5, "x"),
        (2, "invoke", "write", 6, "x"),
        (0, "invoke", "write", 7, "x"),
        (0, "ok", "write", 7, "x"),
        (1, "invoke", "read", None, "x"),
        (1, "ok", "read", 5, "x"),
    )
    verdict = Linearizability("register").check(history)
    assert verdict.witness is not None
    assert tell(history, verdict.witness).splitlines() == [
        "3 of 4 operations on key 'x' contradict each other:",
        "",
        "  process 0  ├─ write 5 ─┤  ├─ write 7 ─┤",
        "  process 1                                ├─ read → 5 ─┤ ✗",
        "             0.000 s  0.300 s     0.400 s         0.600 s",
        "",
        "  1. Process 0 wrote 5: called at 0.000 s; acknowledged at 0.100 s.",
        "  2. Process 0 wrote 7: called at 0.300 s, after the end of 1; acknowledged at 0.400 s.",
        "  3. Process 1 read 5: called at 0.500 s, after the end of 2; answered at 0.600 s.",
        "",
        "  5 was read at 0.600 s, after 7 had been acknowledged at 0.400 s.",
        "  The other operation does not help, whether it took effect after being called or not.",
    ]


# ---- models of users ---------------------------------------------------------------------------


class Accounts(Model):
    """Balances that must not become negative; parts are accounts, and an audit sees them all."""

    functions = ("deposit", "withdraw", "balance", "audit")
    reads = frozenset({"balance", "audit"})
    refusals = frozenset({"withdraw"})
    wholes = frozenset({"audit"})

    def init(self) -> Any:
        return ()

    def partition(self, call: Call) -> Any:
        return call.argument[0]

    def step(self, state: Any, call: Call) -> Any:
        balances = dict(state)
        if call.f == "audit":
            if call.may_answer(sum(balances.values())):
                yield state
            return
        name, amount = call.argument
        now = balances.get(name, 0)
        if call.f == "balance":
            if call.may_answer(now):
                yield state
        elif call.refused:
            if now < amount:
                yield state
        elif call.f == "deposit" or now >= amount:
            balances[name] = now + (amount if call.f == "deposit" else -amount)
            yield tuple(sorted(balances.items()))


class Plain:
    """No Model, but it has what a model needs."""

    def init(self) -> int:
        return 0

    def step(self, state: int, call: Call) -> list[int]:
        return [state + 1] if call.f == "tick" else [state] if call.may_answer(state) else []

    def describe(self, call: Call) -> str:
        return f"<{call.f}>"


def ask(f: str, argument: Any, answer: Any, process: int = 0, kind: str = "ok") -> list[Any]:
    return [(process, "invoke", f, argument), (process, kind, f, answer)]


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        (ask("deposit", ["a", 5], None) + ask("withdraw", ["a", 3], None), "pass"),
        (ask("withdraw", ["a", 3], None), "fail"),
        (ask("withdraw", ["a", 3], None, kind="fail"), "pass"),
        (ask("deposit", ["a", 5], None) + ask("withdraw", ["a", 3], None, kind="fail"), "fail"),
        (ask("deposit", ["a", 5], None) + ask("balance", ["b", 0], 0), "pass"),
        (ask("deposit", ["a", 5], None) + ask("audit", None, 5), "pass"),
        (ask("deposit", ["a", 5], None) + ask("audit", None, 4), "fail"),
        ([(1, "invoke", "deposit", ["a", 5]), *ask("balance", ["a", 0], 5)], "pass"),
    ],
)
def test_a_model_with_parts(rows: list[Any], outcome: str) -> None:
    history = history_of(*rows)
    checker = Linearizability(Accounts())
    verdict = checker.check(history)
    assert verdict.outcome == outcome
    order = checker.linearization(history)
    assert (order is not None) == (outcome == "pass")
    if order is not None:
        assert verify(history, Accounts(), order) == len(order)


def test_an_object_that_is_no_model_may_be_one() -> None:
    history = calls(("tick", None, None), ("look", None, 2))
    for model in (Plain(), Plain):
        verdict = Linearizability(model).check(history)
        assert verdict.witness is not None
        assert [step["label"] for step in verdict.witness["steps"]] == ["<look>"]


def test_a_model_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `--model package.module:ClassName` finds it, in the folder that the command runs in."""
    (tmp_path / "my_models_of_ticks.py").write_text(
        "class Ticks:\n"
        "    def init(self): return 0\n"
        "    def step(self, state, call):\n"
        "        return [state + 1] if call.f == 'tick' else [state] * call.may_answer(state)\n"
    )
    monkeypatch.chdir(tmp_path)
    checker = Linearizability("my_models_of_ticks:Ticks")
    assert checker.check(calls(("tick", None, None), ("look", None, 1))).outcome == "pass"
    assert checker.check(calls(("tick", None, None), ("look", None, 0))).outcome == "fail"


def broken(step: Any) -> Linearizability:
    kind = type("Broken", (Model,), {"reads": frozenset({"look"}), "init": lambda self: 0})
    kind.step = step  # type: ignore[attr-defined]
    return Linearizability(kind())


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda self, state, call: state, "returned 0 for"),
        (lambda self, state, call: None, "a `yield` was written as `return`, or left out"),
        (lambda self, state, call: (state,), r"returned \(0,\) for"),
        (lambda self, state, call: [[1]], "cannot be kept in a set"),
        (lambda self, state, call: [state + 1], "'look' is one of its `reads`"),
        (lambda self, state, call: [{}[call.f]], "fails in the state 0 for .*KeyError: 'look'"),
    ],
)
def test_models_with_mistakes(step: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        broken(step).check(calls(("look", None, 0)))
