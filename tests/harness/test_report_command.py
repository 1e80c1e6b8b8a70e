"""`splitbrain report`: a report again, as text, as plots; campaigns; and what is refused."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.experiment import Experiment, seconds
from harness.pipeline import carry_out
from harness.plan import Plan
from reports.loading import load_run
from reports.text import model_of

#: Calls the command with arguments; gives code, output and errors. See conftest.py.
Splitbrain = Callable[..., Any]

FAILING = Experiment(nemesis="partition,kill", flaw="stale-read", time_limit_ns=seconds(6))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in which one run failed and one broke off."""
    place = tmp_path_factory.mktemp("kept")
    result = carry_out(FAILING, 1, store=place / "store")
    assert result.folder is not None
    broken = result.folder.path.with_name("seed-2")
    broken.mkdir()
    for name in ("plan.json", "history.jsonl"):
        shutil.copy(result.folder.path / name, broken / name)
    return place


@pytest.fixture
def run(kept: Path, tmp_path: Path, splitbrain_command: Splitbrain) -> Path:
    """The failing run in a store of this test's own, as seen from where the command is."""
    shutil.copytree(kept / "store", tmp_path / "store", symlinks=True)
    return Path("store") / FAILING.slug / "seed-1"


def test_the_report_is_made_again_byte_for_byte(run: Path, splitbrain_command: Splitbrain) -> None:
    splitbrain_command("report", run, "--output", "first.html")
    first = Path("first.html").read_bytes()
    assert b"Not linearizable" in first
    (run / "report.html").unlink()
    for name in (run, run / "plan.json", Path("store/latest")):
        ended = splitbrain_command("report", name)
        assert ended.code == 0
        assert (run / "report.html").read_bytes() == first
        (run / "report.html").unlink()


def test_the_report_of_the_run_itself_is_that_one(
    kept: Path, tmp_path: Path, splitbrain_command: Splitbrain
) -> None:
    folder = kept / "store" / FAILING.slug / "seed-1"
    ended = splitbrain_command("report", folder, "--output", tmp_path / "again.html")
    assert ended.code == 0
    assert (tmp_path / "again.html").read_bytes() == (folder / "report.html").read_bytes()


def test_the_text_goes_to_the_terminal_or_to_a_file(
    run: Path, splitbrain_command: Splitbrain
) -> None:
    ended = splitbrain_command("report", run, "--text")
    assert ended.code == 0
    assert ended.output.startswith("FAIL  raft register partition,kill flaw stale-read\n")
    assert f"replay  splitbrain replay '{run}'" in ended.output or str(run) in ended.output
    assert max(map(len, log_of(ended.output))) <= 120
    splitbrain_command("report", run, "--text", "--output", "log.txt")
    assert Path("log.txt").read_text(encoding="utf-8") == ended.output


def log_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r" *\d+\.\d{6} ", line)]


def test_the_log_is_as_long_and_as_wide_as_asked(run: Path, splitbrain_command: Splitbrain) -> None:
    part = splitbrain_command("report", run, "--text", "--from", "2", "--to", "2500ms")
    times = [float(line.split()[0]) for line in log_of(part.output)]
    assert times
    assert 2 <= min(times) <= max(times) <= 2.5
    wide = splitbrain_command("report", run, "--text", "--from", "2", "--to", "2.5", "--width", "0")
    assert len(log_of(wide.output)) == len(times)
    assert max(map(len, log_of(wide.output))) > 100  # the longest line that --width 100 cuts
    slim = splitbrain_command("report", run, "--text", "--from", "2", "--to", "2.5", "--width", 100)
    assert max(map(len, log_of(slim.output))) == 100


def test_plots_are_written_into_a_folder(run: Path, splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("report", run, "--export", "paper/plots", "--text")
    assert ended.code == 0
    names = sorted(path.name for path in Path("paper/plots").iterdir())
    assert names == [
        f"{name}.{kind}" for name in ("lamport", "latency", "rate") for kind in ("png", "svg")
    ]
    assert re.findall(r"^plot    (.*)$", ended.output, re.M) == [
        f"paper/plots/{name}.{kind}"
        for name in ("latency", "rate", "lamport")
        for kind in ("svg", "png")
    ]
    assert ended.output.startswith("FAIL  ")


def test_steps_that_changed_nothing_are_nowhere_counted(splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command(
        *("run", "raft", "--nemesis", "figure-8", "--nodes", "3", "--clients", "2"),
        *("--time-limit", "6"),
    )
    plan = Plan.decode(Path("store/latest/plan.json").read_bytes())
    changes = [fault for fault in plan.faults if fault.actions or fault.value is not None]
    assert 0 < len(changes) < len(plan.faults) / 2, "it mostly waits"
    assert f", {len(changes)} fault changes, " in ended.output
    data = load_run(Path("store/latest"))
    assert data.facts["fault changes"] == str(len(changes))
    shifts = [fault for fault in changes if fault.f.startswith("shift-")]
    lanes = {lane.name: len(lane.faults) for lane in model_of(data).lanes}
    assert lanes == {"figure-8": 1, "shift-figure-8": len(shifts)}


def test_a_campaign_is_a_page_beside_the_store(run: Path, splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("report", "store", "--campaign")
    assert ended.code == 0
    assert "2 runs. 1 of 1 planted flaw found; 1 run undecided or unfinished." in ended.output
    html = Path("store/campaign.html").read_text(encoding="utf-8")
    assert "cut short" in html
    (link,) = set(re.findall(r'href="([^"#]+)"', html))
    assert (Path("store") / link).is_file()
    part = splitbrain_command("report", run.parent, "--campaign", "--output", "part.html")
    assert part.code == 0
    assert "report store --campaign" in html
    assert "--output part.html" in Path("part.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["stor"], "no run in '.' called 'stor'. Did you mean 'store'?"),
        (["store"], "no plan.json in 'store', so this is no run"),
        (["a.jsonl"], "'a.jsonl' is a file that belongs to no run of splitbrain"),
        (["a.jsonl", "--text"], "splitbrain check --explain a.jsonl"),
        (["{store}/seed-3"], "Did you mean 'seed-"),
        (["nowhere/at/all"], "there is not even 'nowhere/at'"),
        (["{store}/seed-1", "--from", "3"], "add --text"),
        (["{store}/seed-1", "--width", "99"], "add --text"),
        (["{store}/seed-1", "--text", "--from", "3", "--to", "2"], "end before it begins"),
        (["{store}/seed-1", "--text", "--from", "soon"], "'soon' is no duration"),
        (["{store}/seed-1", "--output", "no/folder/x.html"], "no folder 'no/folder'"),
        (["{store}/seed-1", "--output", "."], "cannot be written"),
        (["{store}/seed-1", "--export", "{store}/seed-1/plan.json"], "is a file"),
        (["{store}/seed-1", "--sideways"], "No such option"),
        (["empty", "--campaign"], "no runs in 'empty'"),
        (["stroe", "--campaign"], "no store in '.' called 'stroe'. Did you mean 'store'?"),
        (["store", "--campaign", "--text"], "about one run"),
        ([], "Missing argument 'RUN'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], text: str, run: Path, splitbrain_command: Splitbrain
) -> None:
    Path("empty").mkdir()
    Path("a.jsonl").touch()
    ended = splitbrain_command("report", *(a.format(store=run.parent) for a in arguments))
    assert ended.code == 254
    assert text in re.sub(r"\s+", " ", ended.errors)
    assert "Traceback" not in ended.errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--store", "stroe"], "no store in '.' called 'stroe'. Did you mean 'store'?"),
        (["--port", "70000"], "from 0 to 65535"),
        (["--port", "http"], "not a valid integer"),
    ],
)
def test_what_cannot_be_served_is_refused(
    arguments: list[str], text: str, run: Path, splitbrain_command: Splitbrain
) -> None:
    ended = splitbrain_command("serve", *arguments)
    assert ended.code == 254
    assert text in re.sub(r"\s+", " ", ended.errors)
