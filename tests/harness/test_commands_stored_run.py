"""The command `check` on runs of a store: judged as the run was, however far it came."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import Experiment, carry_out
from harness.experiment import seconds
from harness.formats import read_history
from harness.history import History
from harness.invariant import Invariant, Observed, Sighting
from harness.store import RunFolder
from harness.stored_run import stored_run
from harness.verdict import Checker, Verdict
from systems.raft import Raft

#: Third parties' code: a module that only these tests know.
NAME = "judges_of_ones_own"

Splitbrain = Callable[..., Any]


class Confused(Checker):
    """A checker with a bug that short histories do not show."""

    name = "confused"

    def check(self, history: History) -> Verdict:
        if len(history) > 4:
            raise LookupError(f"nothing in {Confused.check}")
        return Verdict(checker=self.name, outcome="pass", reason="it is short")


class Quits(Confused):
    name = "quits"

    def check(self, history: History) -> Verdict:
        sys.exit(0)


class Impatient(Invariant):
    name = "impatience"

    def observe(self, world: Observed, node: int, replica: object) -> None:
        if world.now_ns > seconds(1):
            now = Sighting(time_ns=world.now_ns, node=node, what="is still there")
            raise self.violated("it takes too long", now, now)


class Hurried(Raft):
    def invariants(self) -> Sequence[Invariant]:
        return (Impatient(),)


@pytest.fixture(autouse=True)
def module() -> Iterator[None]:
    sys.modules[NAME] = sys.modules[__name__]
    yield
    del sys.modules[NAME]


def run(store: Path, **experiment: Any) -> RunFolder:
    small = {"nodes": 3, "clients": 3, "time_limit_ns": seconds(1), "recovery_ns": 0}
    result = carry_out(Experiment(**{**small, **experiment}), 1, store=store)
    assert result.folder is not None
    return result.folder


def interrupted(whole: RunFolder, folder: Path, *, rows: int) -> RunFolder:
    """The same run as if Ctrl-C had come after so many rows."""
    shutil.copytree(whole.path, folder)
    cut = RunFolder(folder)
    for path in (cut.verdict, cut.report, cut.recorded):
        path.unlink()
    cut.history.write_bytes(b"".join(whole.history.read_bytes().splitlines(True)[:rows]))
    return cut


# ---- who judges


@pytest.mark.parametrize(
    ("experiment", "judges"),
    [
        ({"system": "raft"}, "linearizability, stats"),
        ({"system": "gossip-one"}, "convergence, repair-quiet, stats"),
        ({"system": "gossip", "workload": "unique-ids"}, "unique-ids, stats"),
        ({"checkers": ("sequential", "linearizability")}, "sequential, linearizability"),
    ],
)
def test_the_checkers_of_the_run_judge_its_history(
    experiment: dict[str, Any], judges: str, splitbrain_command: Splitbrain
) -> None:
    """By its own name, by that of its folder, and from within that."""
    folder = run(Path("store"), **experiment)
    for file in (folder.history, "store/latest"):
        ended = splitbrain_command("check", file)
        assert (ended.code, ended.errors) == (0, "")
        sign, told, *_ = ended.output.splitlines()
        assert sign == f"✓ pass  {file}"
        assert re.fullmatch(rf"Judged as the run was \(.+\): {judges}\.", told)
    document = json.loads(splitbrain_command("check", "--json", "store/latest").output)
    assert [check["checker"] for check in document["checks"]] == judges.split(", ")
    kept = json.loads(folder.verdict.read_bytes())
    assert document["checks"] == kept["checks"]


def test_the_folder_of_a_run_may_be_the_current_one(
    splitbrain_command: Splitbrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run(Path("store")).path)
    ended = splitbrain_command("check", ".", "history.jsonl")
    assert ended.code == 0
    assert ended.output.count("Judged as the run was (raft register none)") == 2


def test_who_names_a_checker_or_a_model_decides(splitbrain_command: Splitbrain) -> None:
    history = run(Path("store"), system="gossip-one").history
    ended = splitbrain_command("check", history, "--checker", "stats")
    assert (ended.code, "Judged as" in ended.output) == (0, False)
    ended = splitbrain_command("check", history, "--model", "cas-register")
    assert ended.code == 254
    assert "The model 'cas-register' does not know 'replica'" in ended.errors


def test_options_are_for_the_checkers_of_the_run_that_take_them(
    splitbrain_command: Splitbrain,
) -> None:
    run(Path("store"))
    ended = splitbrain_command("check", "store/latest", "--certify", "--engine", "reference")
    assert ended.code == 0
    assert "Certified: the order of " in ended.output
    ended = splitbrain_command("check", "store/latest", "--initial", "0")
    assert (ended.code, "✗ fail" in ended.output) == (1, True), "keys start as None"
    run(Path("store"), system="gossip", workload="unique-ids")
    for option, text in (("--budget=3", "--budget means nothing"), ("--certify", "asked is uniq")):
        ended = splitbrain_command("check", "store/latest", option)
        assert (ended.code, text in ended.errors) == (254, True)


def test_a_plan_that_cannot_be_read_is_said_and_how_to_do_without(
    splitbrain_command: Splitbrain,
) -> None:
    folder = run(Path("store"))
    folder.plan.write_text("resource")
    ended = splitbrain_command("check", folder.history)
    assert ended.code == 254
    assert "This is no plan" in ended.errors
    assert "Say --checker or --model" in ended.errors
    assert splitbrain_command("check", folder.history, "--model", "cas-register").code == 0


# ---- runs that were ended before their time


@pytest.mark.parametrize(
    "experiment",
    [
        {"system": "gossip-one", "nemesis": "kill", "interval_ns": seconds(0.2)},
        {"system": "gossip", "workload": "broadcast", "nemesis": "kill"},
        {"system": "gossip", "workload": "crdt-set", "nemesis": "partition"},
        {"system": "gossip", "workload": "membership", "nemesis": "membership"},
    ],
)
def test_no_beginning_of_a_sound_run_fails(experiment: dict[str, Any], tmp_path: Path) -> None:
    """Replicas that have not yet agreed, and functions that have not yet succeeded."""
    whole = run(tmp_path / "store", **{"interval_ns": seconds(0.5), **experiment})
    history = read_history(whole.history)
    cut = stored_run(interrupted(whole, tmp_path / "cut", rows=1).history)
    assert cut is not None
    assert not cut.whole
    rows = range(1, len(history), max(1, len(history) // 60))
    failed = [
        verdict.reason
        for count in rows
        for verdict in cut.judge(history.select(list(range(count))))
        if verdict.outcome == "fail"
    ]
    assert failed == []


def test_of_an_interrupted_run_the_output_says_so(splitbrain_command: Splitbrain) -> None:
    whole = run(Path("store"), nemesis="kill", interval_ns=seconds(0.1))
    cut = interrupted(whole, Path("cut"), rows=3)
    ended = splitbrain_command("check", cut.history)
    assert ended.code == 2
    assert "linearizability, stats. It was ended before its time." in ended.output
    assert "so this may mean nothing: No " in ended.output


def test_what_ended_a_run_is_not_forgotten(splitbrain_command: Splitbrain) -> None:
    folder = run(Path("store"), system=f"{NAME}:Hurried", time_limit_ns=seconds(3))
    judged = stored_run(folder.history)
    assert judged is not None
    assert not judged.whole
    ended = splitbrain_command("check", folder.history)
    assert "It was ended before its time." in ended.output
    assert "The run itself failed, which its history does not show: impatience" in ended.output
    assert "impatience" in splitbrain_command("check", folder.history, "--json").errors


# ---- checkers that crash


GOOD = '{"process":0,"type":"invoke","f":"read"}\n'
BAD = '{"process":1.5}\n'


@pytest.mark.parametrize(
    ("files", "code", "outcomes"),
    [
        ("long", 255, ["crash"]),
        ("long short", 255, ["crash", "pass"]),
        ("short long bad", 255, ["pass", "crash", "error"]),
        ("long stale", 1, ["crash", "fail"]),
    ],
)
def test_a_checker_that_crashes_keeps_no_other_file_from_being_judged(
    files: str, code: int, outcomes: list[str], splitbrain_command: Splitbrain
) -> None:
    stale = ('"invoke","f":"write","value":1', '"ok","f":"write","value":1')
    stale += ('"invoke","f":"read"', '"ok","f":"read"')
    text = "".join('{"process":0,"type":%s}\n' % row for row in stale)  # noqa: UP031
    long = "".join(GOOD.replace("0", str(number), 1) for number in range(5))
    for name, content in {"long": long, "short": GOOD, "bad": BAD, "stale": text}.items():
        Path(f"{name}.jsonl").write_text(content)
    names = [f"{name}.jsonl" for name in files.split()]
    checker = ("--checker", f"linearizability,{NAME}:Confused")
    ended = splitbrain_command("check", *names, *checker)
    assert ended.code == code
    assert "crash: long.jsonl: LookupError: nothing in <function Confused.check>" in ended.errors
    assert re.search(r"test_commands_stored_run.py:\d+ in check: raise LookupError", ended.errors)
    assert "It was raised by the checker 'confused'" in ended.errors
    assert "Traceback" not in ended.errors
    if len(names) > 1:
        signs = re.findall(r"^. (\w+)  \S+\.jsonl$", ended.output, flags=re.MULTILINE)
        assert signs == outcomes
        assert "! crash 1" in ended.output.splitlines()[-1]
    told = splitbrain_command("check", *names, *checker, "--json")
    assert told.code == code
    documents = [json.loads(line) for line in told.output.splitlines()]
    assert [document["outcome"] for document in documents] == outcomes
    assert "the checker 'confused'" in documents[outcomes.index("crash")]["reason"]


def test_a_checker_that_calls_sys_exit_does_not_decide_how_the_command_ends(
    splitbrain_command: Splitbrain,
) -> None:
    Path("short.jsonl").write_text(GOOD)
    ended = splitbrain_command("check", "short.jsonl", "--checker", f"{NAME}:Quits")
    assert ended.code == 255
    assert "It was raised by the checker 'quits'" in ended.errors


@pytest.mark.parametrize("folder", [".", "..", "/"])
def test_a_folder_without_a_run_keeps_no_file_from_being_judged(
    folder: str, splitbrain_command: Splitbrain
) -> None:
    Path("short.jsonl").write_text(GOOD)
    ended = splitbrain_command("check", folder, "short.jsonl")
    assert ended.code == 254
    assert f"{folder} is a folder, and a history is one file" in ended.errors
    assert "✓ pass  short.jsonl" in ended.output


def test_a_file_that_cannot_be_read_is_no_crash(splitbrain_command: Splitbrain) -> None:
    Path("short.jsonl").write_text(GOOD)
    Path("loop.jsonl").symlink_to("loop.jsonl")
    for name in ("loop.jsonl", "x" * 5_000):
        ended = splitbrain_command("check", name, "short.jsonl")
        assert ended.code == 254
        assert f"{name} cannot be read: " in ended.errors
        assert "✓ pass  short.jsonl" in ended.output


def test_a_dash_is_standard_input(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from harness.commands import main; main()"]
    ended = subprocess.run(
        [*program, "check", "-"], cwd=tmp_path, input=GOOD, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("✓ pass  -\n")
