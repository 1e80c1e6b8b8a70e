"""Which checkers judge a run or a file: by the workload, by name, by reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkers.notation import parse
from checkers.stats import Stats
from harness.checks import checker_names, judged, judges, make_checker, make_checkers
from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from harness.making import make_workload
from harness.pipeline import carry_out, run_command

#: Calls the command with arguments; gives code, output and errors. See conftest.py.
Splitbrain = Callable[..., Any]

QUIET = Experiment(nodes=3, clients=2, rate_per_s=20, time_limit_ns=seconds(2), recovery_ns=0)


def test_the_workload_decides_unless_the_experiment_does() -> None:
    workload = make_workload(QUIET)
    assert [c.name for c in judges((), workload)] == ["linearizability", "stats"]
    named = judges(("stats", "sequential", "checkers.stats:Stats"), workload)
    assert [c.name for c in named] == ["stats", "sequential", "stats"]


def test_a_checker_of_the_workload_is_taken_as_it_was_made() -> None:
    class Locks(type(make_workload(QUIET))):  # type: ignore[misc]
        def checkers(self) -> Any:
            return [make_checker("linearizability", model="mutex")]

    (found,) = judges(("linearizability",), Locks())
    assert found.model.name == "mutex"  # type: ignore[attr-defined]


def test_names_come_several_times_or_with_commas() -> None:
    assert checker_names([" stats , sequential", "stats", ""]) == ("stats", "sequential")


def test_options_go_to_those_that_take_them() -> None:
    linear, stats = make_checkers(["linearizability", "stats"], model="register", budget=None)
    assert linear.model.name == "register"  # type: ignore[attr-defined]
    assert isinstance(stats, Stats)


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (lambda: judges(("sequentail",), make_workload(QUIET)), "Did you mean 'sequential'"),
        (lambda: make_checkers(["stats", "sequential"], model="kv"), "--model means nothing here"),
        (lambda: make_checker("stats", model="kv"), "cannot be made with the options"),
    ],
)
def test_mistakes_are_explained(mistake: Callable[[], object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        mistake()


def test_a_run_is_judged_by_those_that_are_named(tmp_path: Path) -> None:
    names = ("monotonic-reads", "read-your-writes")
    experiment = Experiment(
        nodes=3, clients=2, rate_per_s=20, time_limit_ns=seconds(1), checkers=names
    )
    result = carry_out(experiment, 1, store=tmp_path, report_passes=False)
    assert [(v.checker, v.outcome) for v in result.verdicts] == [(n, "pass") for n in names]
    assert "--checker monotonic-reads,read-your-writes" in run_command(experiment, 1)
    assert result.run.plan.experiment == experiment


@pytest.mark.parametrize("whole", [True, False])
def test_what_never_succeeded_in_a_run_that_was_ended_early_might_have(whole: bool) -> None:
    experiment = Experiment()
    history = parse("0w1. 1r!")
    [verdict] = judged([Stats()], make_workload(experiment), history, whole=whole)
    assert verdict.outcome == ("fail" if whole else "skipped")
    assert "read ever succeeded" in verdict.reason


def test_a_bad_name_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'stats'"):
        carry_out(Experiment(checkers=("stat",)), 1, store=tmp_path)
    assert not list(tmp_path.iterdir())


# ---- the commands

STALE = [
    {"process": 0, "type": "invoke", "f": "write", "value": 1},
    {"process": 0, "type": "ok", "f": "write", "value": 1},
    {"process": 1, "type": "invoke", "f": "read", "value": None},
    {"process": 1, "type": "ok", "f": "read", "value": None},
]


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    path = tmp_path / "stale.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in STALE))
    return path


@pytest.mark.parametrize(
    ("arguments", "code", "outcomes"),
    [
        ("", 1, ["fail"]),
        ("--checker sequential", 0, ["pass"]),
        ("-c sequential,monotonic-reads -c linearizability", 1, ["pass", "pass", "fail"]),
        ("-c linearizability -m register", 1, ["fail"]),
        ("-c sequential --initial 1", 1, ["fail"]),
        ("-c checkers.stats:Stats", 0, ["pass"]),
    ],
)
def test_check_by_name(
    splitbrain_command: Splitbrain, stale: Path, arguments: str, code: int, outcomes: list[str]
) -> None:
    ended = splitbrain_command("check", stale, "--json", *arguments.split())
    assert ended.code == code, ended.errors
    document = json.loads(ended.output)
    assert [check["outcome"] for check in document["checks"]] == outcomes


def test_check_tells_who_says_what(splitbrain_command: Splitbrain, stale: Path) -> None:
    ended = splitbrain_command("check", stale, "-c", "sequential,linearizability")
    assert "sequential: Sequentially consistent" in ended.output
    assert "linearizability: Not linearizable" in ended.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("check FILE -c sequentail", "Did you mean 'sequential'"),
        ("check FILE -c sequential -m kv", "--model means nothing here"),
        ("run raft -c monotonic-read", "Did you mean 'monotonic-reads'"),
        ("run raft -c sequential --stop-early", "can follow it while it goes on"),
    ],
)
def test_bad_names_end_with_254(
    splitbrain_command: Splitbrain, stale: Path, arguments: str, complaint: str
) -> None:
    words = [str(stale) if word == "FILE" else word for word in arguments.split()]
    ended = splitbrain_command(*words)
    assert ended.code == 254
    assert complaint in " ".join(ended.errors.split())


def test_run_by_name(splitbrain_command: Splitbrain) -> None:
    few = ["--nodes", "3", "--clients", "2", "--time-limit", "1", "--rate", "20", "--recovery", "0"]
    ended = splitbrain_command("run", "raft", *few, "-c", "sequential,stats")
    assert ended.code == 0, ended.errors
    assert "sequential: Sequentially consistent" in ended.output
