"""`check --explain`, `--certify` and `--model`, and the contradiction in the output of `run`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Splitbrain = Callable[..., Any]


def file_of(name: str, *operations: tuple[Any, ...]) -> str:
    """A history of (process, type, f, value), a row every 0.1 s."""
    Path(name).write_text(
        "".join(
            json.dumps({"process": p, "type": t, "f": f, "value": v, "time_ns": n * 10**8}) + "\n"
            for n, (p, t, f, v) in enumerate(operations)
        )
    )
    return name


def done(process: int, f: str, value: Any, answer: Any = None) -> list[tuple[Any, ...]]:
    return [(process, "invoke", f, value), (process, "ok", f, value if answer is None else answer)]


def test_explain_draws_and_tells(splitbrain_command: Splitbrain) -> None:
    stale = [*done(0, "write", 5), *done(0, "write", 7), *done(1, "read", None, 5)]
    ended = splitbrain_command("check", "--explain", file_of("stale.jsonl", *stale))
    assert ended.code == 1
    assert "process 1                                ├─ read → 5 ─┤ ✗" in ended.output
    assert "  3. Process 1 read 5: called at 0.400 s, after the end of 2; answered" in ended.output
    assert "5 was read at 0.500 s, after 7 had been acknowledged at 0.300 s." in ended.output
    plain = splitbrain_command("check", "stale.jsonl")
    assert "✗" not in plain.output.splitlines()[1:]
    assert "├─" not in plain.output


def test_explain_says_nothing_more_about_a_pass(splitbrain_command: Splitbrain) -> None:
    name = file_of("good.jsonl", *done(0, "write", 5), *done(1, "read", None, 5))
    plain, explained = (splitbrain_command("check", *flags, name) for flags in ([], ["--explain"]))
    assert (plain.code, plain.output) == (explained.code, explained.output)


def test_certify_replays(splitbrain_command: Splitbrain) -> None:
    rows = [row for n in range(600) for row in (*done(0, "push", n), *done(1, "pop", None, n))]
    ended = splitbrain_command("check", "-m", "stack", "--certify", file_of("s.jsonl", *rows))
    assert (ended.code, ended.errors) == (0, "")
    assert "Certified: the order of 1,200 that took effect was replayed" in ended.output


@pytest.mark.parametrize(
    ("flags", "error", "code"),
    [
        ([], None, 1),
        ([], "no leader", 0),
        ([], "", 0),
        (["--failed-cas", "no-effect"], None, 0),
        (["--failed-cas", "no-effect", "--certify"], None, 0),
        (["--failed-cas", "mismatch"], "no leader", 1),
        (["--failed-cas", "nothing"], None, 254),
    ],
)
def test_what_a_failed_cas_says_is_for_the_user_to_say(
    flags: list[str], error: str | None, code: int, splitbrain_command: Splitbrain
) -> None:
    rows = [*done(0, "write", 1), (1, "invoke", "cas", [1, 2]), (1, "fail", "cas", [1, 2])]
    lines = Path(file_of("cas.jsonl", *rows)).read_text(encoding="utf-8").splitlines()
    lines[-1] = json.dumps({**json.loads(lines[-1]), "error": error})
    Path("cas.jsonl").write_text("\n".join(lines))
    ended = splitbrain_command("check", *flags, "cas.jsonl")
    assert ended.code == code
    assert ("process 1 found no 1 to set to 2" in ended.output) == (code == 1)
    assert ("Certified" in ended.output) == ("--certify" in flags)


def test_initial_states_are_json(splitbrain_command: Splitbrain) -> None:
    name = file_of("q.jsonl", *done(0, "dequeue", None, 1))
    for initial, code in (("[1, 2]", 0), ("[2, 1]", 1), ("7", 254)):
        ended = splitbrain_command("check", "-m", "fifo-queue", "--initial", initial, name)
        assert ended.code == code, initial


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("cas-register", "did you mean --model fifo-queue or --model unordered-queue or --model"),
        ("queue", "Did you mean 'fifo-queue'"),
        ("nowhere:Model", "The model 'nowhere:Model' cannot be loaded"),
    ],
)
def test_a_wrong_model_is_refused(model: str, words: str, splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("check", "-m", model, file_of("q.jsonl", *done(0, "enqueue", 1)))
    assert ended.code == 254
    assert words in ended.errors


def test_a_model_of_the_current_folder(splitbrain_command: Splitbrain) -> None:
    Path("models_of_mine.py").write_text(
        "class Ticks:\n"
        "    def init(self): return 0\n"
        "    def step(self, state, call):\n"
        "        return [state + 1] if call.f == 'tick' else [state] * call.may_answer(state)\n"
    )
    name = file_of("t.jsonl", *done(0, "tick", None), *done(1, "look", None, 2))
    ended = splitbrain_command("check", "-m", "models_of_mine:Ticks", "--explain", name)
    assert ended.code == 1
    assert "2 operations contradict" in ended.output or "cannot be explained" in ended.output


def test_list_shows_models_with_their_functions(splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("list")
    assert "unordered-queue" in ended.output
    assert "add-and-get" in ended.output
