"""The index of a store: every run with its state, read once, and nothing outside of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.claim import broken_off, is_under_way, under_way
from harness.errors import SplitbrainError, UsageError
from harness.experiment import Experiment
from harness.plan import Plan, PlannedOperation
from harness.store import verdict_document
from harness.verdict import Verdict
from reports import runs as module
from reports.runs import RunSummary, Store, existing_folder

EXPERIMENT = Experiment(nemesis="kill", flaw="stale-read", options={"keys": 3})


def keep(folder: Path, *, seed: int = 7, outcome: Any = "fail", **changes: Any) -> Path:
    """A run as `splitbrain run` leaves it, or something like it."""
    folder.mkdir(parents=True)
    operations = tuple(PlannedOperation(time_ns=n, thread=0, f="read") for n in range(1_000))
    plan = Plan(experiment=EXPERIMENT, seed=seed, operations=operations, digest="ab")
    (folder / "plan.json").write_bytes(changes.get("plan", plan.encode()))
    if outcome is not None:
        verdict = Verdict(checker="c", outcome=outcome, reason="read the past")
        document = verdict_document([verdict], digest="0123456789abcdef")
        content = msgspec.json.format(msgspec.json.encode(document))
        (folder / "verdict.json").write_bytes(changes.get("verdict", content))
    return folder


def only(store: Path) -> RunSummary:
    (run,) = Store(store).runs()
    return run


def test_a_run_is_told_by_its_plan_and_its_verdict(tmp_path: Path) -> None:
    keep(tmp_path / "raft" / "seed-7")
    run = only(tmp_path)
    assert (run.name, run.seed, run.state, run.outcome) == ("raft/seed-7", 7, "finished", "fail")
    assert run.experiment == EXPERIMENT
    assert (run.reason, run.digest) == ("read the past", "0123456789abcdef")
    assert run.changed_ns == (tmp_path / "raft/seed-7/verdict.json").stat().st_mtime_ns


def test_a_plan_of_another_layout_is_read_as_well(tmp_path: Path) -> None:
    plan = json.loads(Plan(experiment=EXPERIMENT, seed=9).encode())
    turned = dict(reversed(plan.items()))
    keep(tmp_path / "a", plan=json.dumps(turned, indent=4).encode())
    assert (only(tmp_path).experiment, only(tmp_path).seed) == (EXPERIMENT, 9)


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (KeyboardInterrupt(), "interrupted", ""),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), "interrupted", ""),
        (SplitbrainError("node n3 failed"), "crashed", "node n3 failed"),
        (ValueError("\x1b[31mred"), "crashed", "ValueError: \\x1b[31mred"),
    ],
)
def test_a_run_that_broke_off_says_how(
    error: BaseException, state: str, reason: str, tmp_path: Path
) -> None:
    folder = keep(tmp_path / "a", outcome=None)

    def carry_out() -> None:
        with under_way(folder):
            assert only(tmp_path).state == "running"
            raise error

    with pytest.raises(type(error)):
        carry_out()
    run = only(tmp_path)
    assert (run.state, run.reason, run.outcome) == (state, reason, None)
    assert run.result == state


def test_a_run_that_left_no_word_was_cut_short(tmp_path: Path) -> None:
    folder = keep(tmp_path / "a", outcome=None)
    assert only(tmp_path).state == "cut short"
    assert broken_off(folder) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_lock_of_a_killed_process_goes_with_it(tmp_path: Path) -> None:
    folder = keep(tmp_path / "a", outcome=None)
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        with under_way(folder):
            os.write(told, b"x")
            os.read(os.pipe()[0], 1)  # for ever
    os.read(ready, 1)
    assert is_under_way(folder)
    assert only(tmp_path).state == "running"
    os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(told)
    assert only(tmp_path).state == "cut short"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"plan": b"{}"}, "unreadable"),
        ({"plan": b"not json"}, "unreadable"),
        ({"plan": b'{"experiment": {"warp": 9}, "seed": 1}'}, "unreadable"),
        ({"plan": b'{\n"experiment": {"nodes": 0},\n"seed": 1,\n}'}, "unreadable"),
        ({"verdict": b'{"outcome": "fa'}, "unreadable"),
        ({"verdict": b'{"outcome": "excellent", "reason": ""}'}, "unreadable"),
    ],
)
def test_what_cannot_be_read_is_shown_as_such(
    changes: dict[str, bytes], state: str, tmp_path: Path
) -> None:
    keep(tmp_path / "a", **changes)
    run = only(tmp_path)
    assert (run.state, run.outcome) == (state, None)
    assert run.reason


def test_only_what_has_changed_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(20):
        keep(tmp_path / "raft" / f"seed-{seed}", seed=seed)
    read: list[str] = []
    whole = module.open_own

    def counted(path: Any, *rest: Any) -> Any:
        read.append(str(path))
        return whole(path, *rest)

    monkeypatch.setattr(module, "open_own", counted)
    store = Store(tmp_path)
    first = store.runs()
    assert len(read) == 40
    read.clear()
    assert store.runs() == first
    assert read == []
    verdict = tmp_path / "raft" / "seed-3" / "verdict.json"
    verdict.write_text('{"outcome": "pass", "reason": "judged anew"}')
    second = store.runs()
    assert len(read) == 2
    assert [run.name for run in second if run.outcome == "pass"] == ["raft/seed-3"]
    (tmp_path / "raft" / "seed-4" / "plan.json").unlink()
    assert len(store.runs()) == 19


def test_runs_are_found_down_to_a_bound_and_links_are_not_followed(tmp_path: Path) -> None:
    store, outside = tmp_path / "store", tmp_path / "outside"
    keep(store / "a" / "seed-1")
    keep(store / "group" / "more" / "b" / "seed-2")
    keep(store / "1" / "2" / "3" / "4" / "5")
    keep(outside / "secret")
    (store / "latest").symlink_to("a/seed-1")
    (store / "elsewhere").symlink_to(outside)
    (store / "linked").mkdir()
    (store / "linked" / "plan.json").symlink_to(outside / "secret" / "plan.json")
    half = keep(store / "half", outcome=None)
    (half / "verdict.json").symlink_to(outside / "secret" / "verdict.json")
    found = {run.name: run.state for run in Store(store).runs()}
    assert found == {
        "a/seed-1": "finished",
        "group/more/b/seed-2": "finished",
        "half": "cut short",
    }


@pytest.mark.parametrize(
    "name", ["..", "a/../a", "../outside", "/etc", "", ".", "a/seed-2", "a", "a/seed-1/"]
)
def test_a_run_is_had_only_by_its_own_name(name: str, tmp_path: Path) -> None:
    keep(tmp_path / "store" / "a" / "seed-1")
    keep(tmp_path / "outside")
    store = Store(tmp_path / "store")
    assert store.run("a/seed-1") is not None
    assert store.run(name) is None


def test_a_store_that_is_itself_a_run_is_one(tmp_path: Path) -> None:
    keep(tmp_path / "seed-1")
    assert [run.name for run in Store(tmp_path / "seed-1").runs()] == ["."]


def test_a_folder_that_is_not_there_is_refused_with_near_names(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    assert existing_folder(tmp_path / "store", "store") == tmp_path / "store"
    with pytest.raises(UsageError, match="no store in .* called 'stroe'. Did you mean 'store'"):
        existing_folder(tmp_path / "stroe", "store")
    with pytest.raises(UsageError, match="there is not even"):
        existing_folder(tmp_path / "no" / "store", "store")
