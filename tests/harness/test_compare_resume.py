"""An interrupted comparison keeps the runs that are done, and goes on from them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from harness import comparison
from harness.command_line import run_command
from harness.comparison import compare
from harness.grid import SeedResult
from harness.measures import Measures
from harness.progress_file import ProgressFile
from harness.units import SECOND_NS
from reports.comparison import render_comparison, write_comparison

#: Calls the command with arguments; gives code, output and errors. See conftest.py.
Splitbrain = Callable[..., Any]
KEPT = Path("out/comparison.runs.jsonl")
GRID = ("compare", "raft", "--scenarios", "chained,deaf-leader", "--seeds", "2", "--jobs", "1",
        "--output", "out")  # fmt: skip


def made(system: str, scenario: str, seed: int) -> SeedResult:
    again = run_command(comparison._experiment(system, scenario, {}), seed)
    return SeedResult(
        seed=seed, outcome="pass", reason=f"{system} {scenario} {seed}", digest="d", command=again,
        measures=Measures(
            cut_ns=SECOND_NS, heal_ns=9 * SECOND_NS, down_ns=SECOND_NS, unavailable_ratio=0.0,
            goodput_per_s=9.0, goodput_before_per_s=9.0, leader_changes=1,
            messages_per_operation=3.0, bytes_per_operation=99.0, latency_median_ns=1,
            latency_p99_ns=2, recovery_ns=1, timeline=[1] * 20,
        ),
    )  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The runs that are carried out; the third is interrupted as long as `asked` says so."""
    done: list[Any] = []

    def one(system: str, scenario: str, seed: int, store: Path | None, *rest: Any) -> SeedResult:
        if len(done) == 2 and None not in done:
            raise KeyboardInterrupt
        done.append((system, scenario, seed))
        return made(system, scenario, seed)

    monkeypatch.setattr(comparison, "_one", one)
    return done


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    asked: list[Any], splitbrain_command: Splitbrain
) -> None:
    ended = splitbrain_command(*GRID)
    assert ended.code == 255
    told = re.sub(r"\s+", " ", ended.errors)
    assert "Interrupted." in told
    assert f"2 of 4 runs are kept in {KEPT}; the same command with --resume goes on" in told
    lines = [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]
    assert [(line["scenario"], line["result"]["seed"]) for line in lines] == [
        ("chained", 1), ("chained", 2),
    ]  # fmt: skip
    asked.append(None)  # from now on nothing interrupts
    again = splitbrain_command(*GRID, "--resume")
    assert again.code == 0, again.errors
    assert asked[3:] == [("raft", "deaf-leader", 1), ("raft", "deaf-leader", 2)]
    assert not KEPT.exists()
    document = json.loads(Path("out/comparison.json").read_text(encoding="utf-8"))
    reasons = [result["reason"] for cell in document["cells"] for result in cell["results"]]
    assert reasons == [f"raft {name} {seed}" for name in ("chained", "deaf-leader")
                       for seed in (1, 2)]  # fmt: skip
    assert Path("out/comparison.html").is_file()


def test_without_resume_it_begins_anew(asked: list[Any], splitbrain_command: Splitbrain) -> None:
    splitbrain_command(*GRID)
    asked[:] = [None]
    assert splitbrain_command(*GRID).code == 0
    assert len(asked) == 5


def test_a_mistake_costs_nothing_of_what_is_kept(
    asked: list[Any], splitbrain_command: Splitbrain
) -> None:
    splitbrain_command(*GRID)
    kept = KEPT.read_bytes()
    ended = splitbrain_command("compare", "raff", "--output", "out", "--resume")
    assert ended.code == 254
    assert "Did you mean 'raft'" in ended.errors
    assert KEPT.read_bytes() == kept


def test_a_line_that_was_cut_off_is_run_again(
    asked: list[Any], splitbrain_command: Splitbrain
) -> None:
    splitbrain_command(*GRID)
    whole = KEPT.read_bytes()
    KEPT.write_bytes(whole[:-40])
    assert list(ProgressFile(KEPT).read()) == [("raft", "chained", 1)]
    asked[:] = [None]
    assert splitbrain_command(*GRID, "--resume").code == 0
    assert asked[1:] == [
        ("raft", "chained", 2), ("raft", "deaf-leader", 1), ("raft", "deaf-leader", 2),
    ]  # fmt: skip


def test_an_output_that_cannot_be_written_is_found_before_anything_runs(
    asked: list[Any], splitbrain_command: Splitbrain
) -> None:
    Path("file").write_text("")
    ended = splitbrain_command(*GRID[:-1], "file/out")
    assert ended.code == 254
    assert "Name another folder with --output" in re.sub(r"\s+", " ", ended.errors)
    assert asked == []


def test_what_is_kept_of_other_runs_is_not_mixed_in(
    asked: list[Any], splitbrain_command: Splitbrain
) -> None:
    splitbrain_command(*GRID)
    KEPT.write_bytes(KEPT.read_bytes().replace(b"--time-limit 45", b"--time-limit 44"))
    asked[:] = [None]
    assert splitbrain_command(*GRID, "--resume").code == 0
    assert len(asked) == 5


def test_the_page_leads_to_the_runs_that_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one(system: str, scenario: str, seed: int, store: Path | None, *rest: Any) -> SeedResult:
        assert store is not None
        folder = store / f"{system} {scenario}" / f"seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("a report")
        return msgspec.structs.replace(made(system, scenario, seed), folder=str(folder))

    monkeypatch.setattr(comparison, "_one", one)
    found = compare(["raft"], ["chained"], [1, 2], store=tmp_path / "runs")
    (tmp_path / "page").mkdir()
    write_comparison(tmp_path / "page" / "comparison.html", found, command="again")
    html = (tmp_path / "page" / "comparison.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]*report\.html)">seed (\d)<', html)
    assert [seed for _, seed in links] == ["1", "2"]
    for link, seed in links:
        report = tmp_path / "runs" / "raft chained" / f"seed-{seed}" / "report.html"
        assert (tmp_path / "page" / unquote(link)).resolve() == report.resolve()
        report.unlink()
    assert "report.html" not in render_comparison(found, command="again", beside=tmp_path)
