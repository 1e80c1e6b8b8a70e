"""The command line with things of the user's own: plug-ins, their mistakes, histories of others."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import commands

#: Calls the command with arguments; gives code, output and errors. See conftest.py.
Splitbrain = Callable[..., Any]

SHORT = ("--nodes", "3", "--clients", "2", "--time-limit", "1", "--recovery", "0")

OWN = """
import sys
from harness.verdict import Checker, Verdict
from systems.raft import Raft, RaftNode
from workloads.register import Register

class Quits(RaftNode):
    def on_request(self, request):
        sys.exit(0)

class Quitting(Raft):
    def node(self, context, machine):
        return Quits(context, machine, self.options)

class Unmakable(Raft):
    def __init__(self):
        pass

class Says(Checker):
    name = "says"
    answer = None
    def check(self, history):
        return self.answer

class SaysMaybe(Says):
    answer = Verdict(checker="says", outcome="maybe", reason="?")

class Unjudged(Register):
    def checkers(self):
        return []

class Careless(Register):
    def generator(self):
        return lambda: {"f": "write", "key": "k0", "value": {}["missing"]}

class SaysSets(Says):
    answer = Verdict(checker="says", outcome="fail", reason="?", witness={"rows": {1, object()}})
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder that nobody has installed; a new name for each test."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.setattr("sys.path", [entry for entry in __import__("sys").path if entry])
    return name


# ---- plug-ins


def test_what_lies_in_the_current_folder_can_be_named(
    splitbrain_command: Splitbrain, tmp_path: Path
) -> None:
    """As the guide to adding an algorithm says, from the folder that `examples` lies in."""
    shutil.copytree(Path(__file__).parents[2] / "examples", tmp_path / "samples")
    name = "samples.primary_backup:PrimaryBackup"
    ended = splitbrain_command("run", name, *SHORT)
    assert (ended.code, ended.errors) == (0, "")
    assert f"system {name}: one node decides" in splitbrain_command("list", name).output
    assert splitbrain_command("replay", "store/latest").code == 0


def test_a_node_that_calls_sys_exit_does_not_decide_how_the_command_ends(
    own: str, splitbrain_command: Splitbrain
) -> None:
    ended = splitbrain_command("run", f"{own}:Quitting", *SHORT)
    assert ended.code == 1, "the node has failed"
    assert "SystemExit: 0" in ended.output


def test_a_system_that_cannot_be_made_is_refused(own: str, splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("run", f"{own}:Unmakable", *SHORT)
    assert ended.code == commands.BAD_ARGUMENTS
    assert "def __init__(self, *, flaw=None, ...)" in ended.errors


@pytest.mark.parametrize(
    ("checker", "text"),
    [
        ("Says", "The checker 'says' answered None: that is no harness.verdict.Verdict"),
        ("SaysMaybe", "there is no outcome but pass, skipped, unknown, fail"),
        ("SaysSets", "no plain JSON data"),
    ],
)
def test_a_checker_that_answers_nonsense_is_named(
    checker: str, text: str, own: str, splitbrain_command: Splitbrain
) -> None:
    ended = splitbrain_command("run", "raft", *SHORT, "--checker", f"{own}:{checker}")
    assert ended.code == commands.BAD_ARGUMENTS
    assert text in ended.errors
    (history,) = Path("store").glob("*/*/history.jsonl")
    ended = splitbrain_command("check", history, "--checker", f"{own}:{checker}")
    assert ended.code == commands.BAD_ARGUMENTS
    assert text in ended.errors


def test_a_generator_that_raises_is_a_crash_and_says_where(
    own: str, splitbrain_command: Splitbrain
) -> None:
    ended = splitbrain_command("run", "raft", *SHORT, "--workload", f"{own}:Careless")
    assert ended.code == commands.CRASH
    assert ended.errors.startswith(f"crash: A generator raised KeyError: 'missing' ({own}.py:")
    assert ' in <lambda>: return lambda: {"f": "write"' in ended.errors
    assert "0x" not in ended.errors


def test_a_workload_without_checkers_says_so(own: str, splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("run", "raft", *SHORT, "--workload", f"{own}:Unjudged")
    assert ended.code == 2
    told = "- skipped  none: Nothing was judged: the workload has no checkers, and none was named"
    assert told in ended.output
    ended = splitbrain_command("check", "store/latest")
    assert ended.code == 2
    assert "Nothing was judged: the workload has no checkers" in ended.output


def test_a_model_and_a_release_can_be_listed(splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("list", "cas-register", "register")
    assert ended.code == 0
    assert "model cas-register: A register with compare-and-set; read, write, cas" in ended.output
    assert "workload register" in ended.output
    assert "model register" in ended.output


def test_a_full_disk_is_said_in_words(
    splitbrain_command: Splitbrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(commands, "carry_out", full)
    ended = splitbrain_command("run", "raft", *SHORT)
    assert ended.code == commands.CRASH
    assert "crash: The disk is full." in ended.errors
    assert "Traceback" not in ended.errors


def test_a_nemesis_that_had_nothing_to_break_is_mentioned(splitbrain_command: Splitbrain) -> None:
    """A pass under faults that never were would be worth less than it looks."""
    alone = ("--nodes", "1", "--clients", "2", "--time-limit", "2", "--recovery", "0")
    ended = splitbrain_command("run", "raft", *alone, "--nemesis", "flapping")
    assert "The nemesis flapping broke nothing in all that time." in ended.output
    ended = splitbrain_command("run", "raft", *alone, "--nemesis", "pause", "--interval", "0.2")
    assert "broke nothing" not in ended.output


# ---- histories


def rows(*told: tuple[int, str, str, str, int]) -> str:
    """Process, type, function, value as JSON, time in milliseconds."""
    line = '{{"process":{},"type":"{}","f":"{}","value":{},"time":{}000000}}\n'
    return "".join(line.format(*row) for row in told)


PAIRS = rows((0, "invoke", "read", "[1,null]", 3), (0, "ok", "read", "[1,5]", 4))
BACK = rows(
    *((0, "invoke", "write", "1", 500), (0, "ok", "write", "1", 600)),
    *((1, "invoke", "write", "2", 100), (1, "ok", "write", "2", 200)),
)
NO_CALL = rows((0, "ok", "read", "1", 3))


def test_pairs_that_fail_are_suspected_to_be_of_independent_keys(
    splitbrain_command: Splitbrain,
) -> None:
    Path("pairs.jsonl").write_text(PAIRS)
    ended = splitbrain_command("check", "pairs.jsonl")
    assert ended.code == 1
    assert "this failure means nothing: say --independent" in ended.output
    assert "say --" not in splitbrain_command("check", "pairs.jsonl", "--independent").output
    ended = splitbrain_command("check", "pairs.jsonl", "--json")
    assert "say --" not in ended.output, "what is read by programs stays JSON"
    assert "this failure means nothing" in ended.errors


def test_a_path_is_shown_as_it_is(splitbrain_command: Splitbrain) -> None:
    Path("[bold]pairs.jsonl").write_text(PAIRS)
    ended = splitbrain_command("check", "[bold]pairs.jsonl", "--independent")
    assert "✗ fail  [bold]pairs.jsonl" in ended.output


def test_rows_out_of_order_are_mentioned(splitbrain_command: Splitbrain) -> None:
    Path("back.jsonl").write_text(BACK)
    ended = splitbrain_command("check", "back.jsonl")
    assert ended.code == 0
    assert "back.jsonl: The time goes back in row 2, and by up to 0.500 s" in ended.output


def test_of_several_files_the_malformed_one_is_named(splitbrain_command: Splitbrain) -> None:
    Path("good.jsonl").write_text(PAIRS)
    Path("bad.jsonl").write_text(NO_CALL)
    ended = splitbrain_command("check", "--independent", "good.jsonl", "bad.jsonl")
    assert ended.code == 1, "the other one fails, which is worse"
    assert "The history is bad.jsonl." in ended.errors


def test_beside_another_file_of_a_run_the_history_is_named(
    splitbrain_command: Splitbrain,
) -> None:
    splitbrain_command("run", "raft", *SHORT)
    folder = Path("store/latest")
    ended = splitbrain_command("check", folder / "plan.json")
    assert ended.code == commands.BAD_ARGUMENTS
    assert f"The history of that run is {folder}/history.jsonl." in ended.errors
    Path("cut.jsonl").write_bytes((folder / "history.jsonl").read_bytes()[:-9])
    ended = splitbrain_command("check", "cut.jsonl")
    assert "take that line away, and what was written before can be read" in ended.errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--certify --checker stats", "--certify replays the order that linearizability"),
        ("--initial [1", "--initial takes JSON, or a plain word; '[1'"),
    ],
)
def test_options_of_check_that_cannot_be_meant(
    arguments: str, text: str, splitbrain_command: Splitbrain
) -> None:
    Path("good.jsonl").write_text(PAIRS)
    ended = splitbrain_command("check", "good.jsonl", *arguments.split())
    assert ended.code == commands.BAD_ARGUMENTS
    assert text in ended.errors
