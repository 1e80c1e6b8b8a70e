"""A known-bad system from end to end: run, history, verdict, report, replay, check.

Raft with the planted flaw stale-read: a deposed leader that was cut off answers from the past.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.commands import main
from harness.experiment import Experiment, seconds
from harness.formats import read_history
from harness.pipeline import Result, carry_out
from harness.plan import Plan

EXPERIMENT = Experiment(
    nemesis="partition",
    flaw="stale-read",
    nodes=3,
    clients=4,
    time_limit_ns=seconds(5),
    recovery_ns=seconds(0.5),
    interval_ns=seconds(1),
    options={"keys": 2},
)
SEEDS = range(1, 21)


class Words(HTMLParser):
    """The text that a reader sees, by the headings that it stands under."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sections: dict[str, list[str]] = {"": []}
        self.open: list[str] = []
        self.section = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "hr", "img", "input"):
            self.open.append(tag)
        if tag == "h2":
            self.section = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if {"script", "style", "title"} & set(self.open):
            return
        if "h2" in self.open:
            self.section += data
        self.sections.setdefault(self.section, []).append(data)

    def under(self, heading: str) -> str:
        return re.sub(r"\s+", " ", " ".join(self.sections[heading]))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def found(store: Path) -> Result:
    """The run of the first seed that finds the flaw; it is kept, with its report."""
    for seed in SEEDS:
        if not carry_out(EXPERIMENT, seed).verdict.passed:
            return carry_out(EXPERIMENT, seed, store=store)
    pytest.fail(f"{len(SEEDS)} seeds have not found the planted flaw stale-read")


def folder_of(result: Result) -> Path:
    assert result.folder is not None
    return result.folder.path


def wrong_operation(result: Result) -> Any:
    """The operation that nothing explains, as the history on disk has it."""
    assert result.verdict.witness is not None
    history = read_history(folder_of(result) / "history.jsonl")
    return history[result.verdict.witness["illegal_row"]]


def exit_code(*arguments: str | Path) -> Any:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def test_the_flaw_is_found_and_the_witness_is_a_stale_read(found: Result) -> None:
    verdict = found.verdict
    assert (verdict.checker, verdict.outcome) == ("linearizability", "fail")
    operation = wrong_operation(found)
    assert (operation.type, operation.f) == ("ok", "read")
    assert verdict.witness is not None
    assert operation.value not in verdict.witness["possible_states"]
    written = [
        row.value[1] if row.f == "cas" else row.value
        for row in found.run.history
        if row.index < operation.index and row.key == operation.key and row.f != "read"
    ]
    assert operation.value in written, "it is a value from the past, not one out of nowhere"
    assert verdict.reason.startswith(
        f"Not linearizable: key '{operation.key}': process {operation.process} read "
        f"{operation.value} at {operation.time_ns / 1e9:.3f} s"
    )


def test_the_same_seed_without_the_flaw_passes(found: Result) -> None:
    sound = msgspec.structs.replace(EXPERIMENT, flaw=None)
    assert carry_out(sound, found.run.plan.seed).verdict.passed


def test_the_history_on_disk_is_that_of_the_run(found: Result) -> None:
    assert read_history(folder_of(found) / "history.jsonl") == found.run.history
    assert Plan.decode((folder_of(found) / "plan.json").read_bytes()) == found.run.plan
    told = json.loads((folder_of(found) / "verdict.json").read_bytes())
    assert told["outcome"] == "fail"
    assert told["reason"] == found.verdict.reason
    assert told["digest"] == found.run.digest
    assert [check["checker"] for check in told["checks"]] == ["linearizability", "stats"]


def test_the_report_names_the_operation_that_is_wrong(found: Result) -> None:
    page = Words((folder_of(found) / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert found.verdict.reason in page.under("")
    assert found.replay_command in page.under("See it happen again")
    assert found.run.digest in page.under("The run")
    operation = wrong_operation(found)
    wrong = page.under("What exactly is wrong")
    named = f'Process {operation.process} called read on "{operation.key}" at [0-9.]+ s; '
    assert re.search(
        f"{named}it answered {operation.value} at {operation.time_ns / 1e9:.3f} s", wrong
    )


def test_the_command_ends_with_1_and_finds_the_same(
    found: Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code = exit_code(
        *("run", "raft", "--flaw", "stale-read", "--nemesis", "partition", "--nodes", "3"),
        *("--clients", "4", "--time-limit", "5", "--recovery", "500ms", "--interval", "1s"),
        *("--option", "keys=2", "--seed", str(found.run.plan.seed)),
    )
    assert code == 1
    assert f"✗ fail  linearizability: {found.verdict.reason}" in capsys.readouterr().out
    assert Plan.decode(Path("store/latest/plan.json").read_bytes()) == found.run.plan


def test_the_replay_is_the_same_run_with_the_same_verdict(
    found: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("replay", folder_of(found), "--store", tmp_path) == 1
    said = capsys.readouterr().out
    assert f"Replayed exactly: digest {found.run.digest}." in said
    assert f"✗ fail  linearizability: {found.verdict.reason}" in said
    for name in ("history.jsonl", "verdict.json", "plan.json"):
        again = (tmp_path / "latest" / name).read_bytes()
        assert again == (folder_of(found) / name).read_bytes(), name


def test_checking_the_stored_history_gives_the_same_verdict(
    found: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    history = folder_of(found) / "history.jsonl"
    assert exit_code("check", "--json", history) == 1
    told = json.loads(capsys.readouterr().out)["checks"]
    stored = json.loads((folder_of(found) / "verdict.json").read_bytes())["checks"]
    assert [check["checker"] for check in stored] == ["linearizability", "stats"]
    assert told == stored
