"""The command `check`, and splitbrain as a process of its own: exit codes and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import commands
from harness.formats import read_history
from harness.node import Context, Node, StateMachine
from systems.raft import Raft, RaftNode

#: Calls the command with arguments; gives code, output and errors. See conftest.py.
Splitbrain = Callable[..., Any]


# ---- check


def rows(*operations: tuple[int, str, str, Any]) -> str:
    names = ("process", "type", "f", "value")
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in operations)


WRITE = ((0, "invoke", "write", 1), (0, "ok", "write", 1))
HISTORIES = {
    "good.jsonl": rows(*WRITE, (1, "invoke", "read", None), (1, "ok", "read", 1)),
    "stale.jsonl": rows(*WRITE, (1, "invoke", "read", None), (1, "ok", "read", None)),
    # equal values, all at once, and cas among them: nothing but a search decides that
    "hard.jsonl": rows(
        *((i, "invoke", "write", i % 3) for i in range(6)),
        *((6 + i, "invoke", "cas", [i, (i + 1) % 3]) for i in range(3)),
        *((9 + i, "invoke", "read", None) for i in range(3)),
        *((9 + i, "ok", "read", i) for i in range(3)),
        *((6 + i, "ok", "cas", [i, (i + 1) % 3]) for i in range(3)),
        *((i, "ok", "write", i % 3) for i in range(6)),
    ),
    "pairs.jsonl": rows(
        *((0, kind, "write", ["x", 1]) for kind in ("invoke", "ok")),
        *((0, kind, "write", ["y", 2]) for kind in ("invoke", "ok")),
        *((0, kind, "read", ["x", None if kind == "invoke" else 1]) for kind in ("invoke", "ok")),
    ),
}


@pytest.mark.parametrize(
    ("arguments", "code", "outcomes"),
    [
        ("good.jsonl", 0, ["pass"]),
        ("stale.jsonl", 1, ["fail"]),
        ("hard.jsonl --budget 2", 2, ["unknown"]),
        ("hard.jsonl", 0, ["pass"]),
        ("good.jsonl hard.jsonl --budget 2", 2, ["pass", "unknown"]),
        ("hard.jsonl stale.jsonl good.jsonl --budget 2", 1, ["unknown", "fail", "pass"]),
        ("good.jsonl --initial 1 --model register", 0, ["pass"]),
        ("stale.jsonl --engine reference", 1, ["fail"]),
        ("pairs.jsonl --independent", 0, ["pass"]),
        ("pairs.jsonl", 1, ["fail"]),
    ],
)
def test_check_ends_with_the_worst_verdict(
    arguments: str, code: int, outcomes: list[str], splitbrain_command: Splitbrain
) -> None:
    for name, text in HISTORIES.items():
        Path(name).write_text(text)
    ended = splitbrain_command("check", *arguments.split())
    assert (ended.code, ended.errors) == (code, "")
    said = re.findall(r"^. (\w+)  \S+\.jsonl$", ended.output, flags=re.MULTILINE)
    assert said == outcomes
    as_json = splitbrain_command("check", "--json", *arguments.split())
    documents = [json.loads(line) for line in as_json.output.splitlines()]
    assert as_json.code == code
    assert [document["outcome"] for document in documents] == outcomes
    assert [document["file"] for document in documents] == re.findall(r"\S+\.jsonl", arguments)


@pytest.mark.parametrize(
    ("arguments", "code", "outcomes"),
    [
        ("bad.jsonl good.jsonl", 254, ["error", "pass"]),
        ("nowhere.jsonl good.jsonl", 254, ["error", "pass"]),
        ("good.jsonl bad.jsonl hard.jsonl --budget 2", 254, ["pass", "error", "unknown"]),
        ("bad.jsonl bad.jsonl", 254, ["error", "error"]),
        ("bad.jsonl stale.jsonl good.jsonl", 1, ["error", "fail", "pass"]),
    ],
)
def test_a_file_that_cannot_be_judged_keeps_no_other_from_it(
    arguments: str, code: int, outcomes: list[str], splitbrain_command: Splitbrain
) -> None:
    for name, text in {**HISTORIES, "bad.jsonl": '{"process":1.5}\n'}.items():
        Path(name).write_text(text)
    ended = splitbrain_command("check", *arguments.split())
    assert ended.code == code
    assert re.findall(r"^. (\w+)  \S+\.jsonl$", ended.output, flags=re.MULTILINE) == outcomes
    assert f"! error {outcomes.count('error')}" in ended.output.splitlines()[-1]
    assert ended.errors.count("error:") == outcomes.count("error")
    as_json = splitbrain_command("check", "--json", *arguments.split())
    documents = [json.loads(line) for line in as_json.output.splitlines()]
    assert as_json.code == code
    assert [document["outcome"] for document in documents] == outcomes
    for document in documents:
        name = document["file"]
        assert (document["checks"] == []) == (document["outcome"] == "error")
        assert document["outcome"] != "error" or name in document["reason"]
        assert document["outcome"] != "error" or name in as_json.errors


# ---- a process of its own


class _Tells(RaftNode):
    """Says so when the run is well under way."""

    def __init__(self, context: Context, machine: StateMachine, spin: bool) -> None:
        super().__init__(context, machine)
        self.heard = 0
        self.spin = spin

    def on_message(self, source: int, message: Any) -> None:
        super().on_message(source, message)
        self.heard += 1
        if self.heard == 100:
            os.write(1, b"well under way\n")
            while self.spin:
                pass


class Telling(Raft):
    spin = False

    def node(self, context: Context, machine: StateMachine) -> Node:
        return _Tells(context, machine, self.spin)


class Spinning(Telling):
    spin = True


def process(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """`splitbrain` as a process; Ctrl-C works in it even where it is ignored out here."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}); "
        "from harness.commands import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_exit_code_is_that_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "stale.jsonl").write_text(HISTORIES["stale.jsonl"])
    checking = process("check", "stale.jsonl", cwd=tmp_path)
    output, errors = checking.communicate(timeout=60)
    assert (checking.returncode, errors) == (1, "")
    assert output.startswith("✗ fail  stale.jsonl\n")


@pytest.mark.parametrize("system", ["Telling", "Spinning"])
def test_ctrl_c_leaves_what_was_recorded(system: str, tmp_path: Path) -> None:
    running = process("run", f"{Path(__file__).stem}:{system}", "--time-limit", "9h", cwd=tmp_path)
    try:
        assert running.stdout is not None
        for line in iter(running.stdout.readline, "well under way\n"):
            assert line, "it ended without getting anywhere"
        os.kill(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == commands.CRASH
    history = Path("store") / "latest" / "history.jsonl"
    assert errors.lstrip().startswith("Interrupted.")
    (kept,) = re.findall(r"^What was .* is kept: (.*)$", errors, re.M)
    assert (tmp_path / kept).samefile(tmp_path / history)
    (report,) = re.findall(r"^report  (.*)$", errors, re.M)
    assert "it was interrupted (Ctrl-C)." in (tmp_path / report).read_text(encoding="utf-8")
    rows_kept = read_history(tmp_path / history)
    assert len(rows_kept) > 0
    assert rows_kept.partner.size == len(rows_kept), "it is a history that can be checked"
