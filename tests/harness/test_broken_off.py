"""Runs that broke off: what is kept, the report that says so, and the same report made later."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Experiment, carry_out
from harness.claim import broken_off, under_way
from harness.errors import UsageError
from harness.experiment import seconds
from harness.foreign import carry
from harness.formats import read_history
from harness.history import History
from harness.pipeline import carry_out_again
from harness.plan import Plan
from harness.runner import Run
from harness.store import RunFolder
from harness.system import Connection
from harness.verdict import Checker, Verdict
from harness.world import Port
from reports.loading import RunData, load_run, write_report_of_folder
from reports.text import model_of, render_text
from systems.raft import Raft

#: Third parties' code: a module that only these tests know.
NAME = "code_that_breaks_off"
PLANNED_S = 9

Splitbrain = Callable[..., Any]


class Breaking(Raft):
    """A client of it raises an error at its tenth call."""

    def error(self) -> BaseException:
        return KeyboardInterrupt()

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        inner = super().connect(port, process=process, nodes=nodes, home=home)
        error = self.error
        calls = 0

        class Breaks:
            async def execute(self, command: Any, *, read_only: bool = False) -> Any:
                nonlocal calls
                calls += 1
                if calls == 10:
                    raise error()
                return await inner.execute(command, read_only=read_only)

        return Breaks()


class Stumbling(Breaking):
    def error(self) -> BaseException:
        return LookupError("nothing <b>found</b>.\nanywhere")


class Misused(Breaking):
    def error(self) -> BaseException:
        return UsageError("not like this")


class Killed(Breaking):
    """Takes the process along, as kill -9 does."""

    def error(self) -> BaseException:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives that")


class ForeignStumbling(Stumbling):
    foreign = True


class Foreign(Raft):
    foreign = True


class Confused(Checker):
    """A checker with a bug."""

    name = "confused"

    def check(self, history: History) -> Verdict:
        raise ZeroDivisionError("of no operations")


@pytest.fixture(autouse=True)
def module() -> Iterator[None]:
    sys.modules[NAME] = sys.modules[__name__]
    yield
    del sys.modules[NAME]


def experiment(name: str, **more: Any) -> Experiment:
    return Experiment(
        system=f"{NAME}:{name}", nodes=3, clients=2, time_limit_ns=seconds(PLANNED_S - 1),
        recovery_ns=seconds(1), nemesis="pause", interval_ns=seconds(0.1), **more,
    )  # fmt: skip


def broken(store: Path, made: Experiment, error: type[BaseException]) -> tuple[RunFolder, Any]:
    """The folder of a run that breaks off with `error`, and that."""
    with pytest.raises(error) as caught:
        carry_out(made, 1, store=store)
    return RunFolder((store / "latest").resolve()), caught


def told(data: RunData) -> str:
    return render_text(model_of(data), data.recording)


@pytest.mark.parametrize(
    ("name", "error", "why"),
    [
        ("Breaking", KeyboardInterrupt, "it was interrupted (Ctrl-C)"),
        ("Stumbling", LookupError, "LookupError: nothing <b>found</b>"),
        ("Misused", UsageError, "not like this"),
        ("ForeignStumbling", LookupError, "LookupError: nothing <b>found</b>"),
    ],
)
def test_a_run_that_breaks_off_has_its_report_right_away(
    name: str, error: type[BaseException], why: str, tmp_path: Path
) -> None:
    folder, caught = broken(tmp_path, experiment(name), error)
    assert not folder.verdict.exists()
    assert caught.value.__notes__[-2:] == [
        f"What was recorded until then is kept: {folder.history}",
        f"report  {folder.report}",
    ]
    data = load_run(folder.path)
    rows = len(folder.history.read_bytes().splitlines())
    assert len(data.history) == rows > 20
    plan = Plan.decode(folder.plan.read_bytes())
    assert plan.digest == "", "it cannot be replayed"
    assert len(plan.operations) >= 10
    assert plan.faults
    (verdict,) = data.verdicts
    assert verdict.outcome == "unknown"
    last_s = data.history[-1].time_ns / 1e9
    assert verdict.reason == f"The run broke off at {last_s:.3f} s of {PLANNED_S} s: {why}."
    assert data.broken_off["history"] == f"{rows} rows"
    assert data.broken_off["plan"].startswith(f"{len(plan.operations)} operations, ")
    assert re.fullmatch(r"the last \d+ events", data.broken_off["trace"])
    assert re.fullmatch(r"\d+ messages, 3 nodes", data.broken_off["messages and nodes"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", data.broken_off["broke off"])
    assert data.replay_command.startswith(f"splitbrain run {NAME}:{name} --seed 1 ")
    page = folder.report.read_text(encoding="utf-8")
    assert '<span class="pill unknown">' in page
    assert "What is left of this run" in page
    assert "nothing <b>" not in page
    write_report_of_folder(folder.path, tmp_path / "later.html")
    assert (tmp_path / "later.html").read_text(encoding="utf-8") == page


def test_a_checker_that_crashes_leaves_a_run_that_can_be_replayed(tmp_path: Path) -> None:
    made = Experiment(
        nodes=3, clients=2, time_limit_ns=seconds(1), checkers=(f"{NAME}:Confused",)
    )  # fmt: skip
    folder, _ = broken(tmp_path, made, ZeroDivisionError)
    data = load_run(folder.path)
    assert data.recording is not None
    ended_s = data.recording.facts.duration_ns / 1e9
    assert data.verdicts[0].reason == (
        f"The run came to its end at {ended_s:.3f} s, but was not judged: "
        "ZeroDivisionError: of no operations."
    )
    assert data.broken_off["error"].splitlines() == [
        "ZeroDivisionError: of no operations",
        "It was raised by the checker 'confused', from the history.",
    ]
    assert re.fullmatch(r"test_broken_off.py:\d+ in check", data.broken_off["raised in"])
    assert data.replay_command == f"splitbrain replay {folder.path}"
    assert "confused" in folder.report.read_text(encoding="utf-8")
    plan = Plan.decode(folder.plan.read_bytes())
    with pytest.raises(ZeroDivisionError):
        carry_out_again(plan, store=tmp_path)


def test_ctrl_c_during_a_run_in_a_child_keeps_what_the_child_said() -> None:
    heard: list[bytes] = []
    left: list[Run] = []

    def sink(line: bytes) -> None:
        heard.append(line)
        if len(heard) == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry(Plan(experiment=experiment("Foreign"), seed=1), sink=sink, broke_off=left.append)
    (run,) = left
    assert len(run.history) == len(heard) == 50
    assert run.plan.operations
    assert run.trace
    assert (run.plan.digest, run.death) == ("", None)


def test_without_a_folder_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(LookupError) as caught:
        carry_out(experiment("Stumbling"), 1)
    assert not hasattr(caught.value, "__notes__")


def test_a_report_that_cannot_be_written_hides_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.render_report", lambda **arguments: 1 / 0)
    folder, caught = broken(tmp_path, experiment("Stumbling"), LookupError)
    assert [note.split(":")[0] for note in caught.value.__notes__] == [
        "What was recorded until then is kept"
    ]
    assert not folder.report.exists()
    assert folder.recorded.exists()


@pytest.mark.parametrize(
    ("name", "code"), [("Breaking", 255), ("Stumbling", 255), ("Misused", 254)]
)  # fmt: skip
def test_the_command_says_where_the_report_is(
    name: str, code: int, splitbrain_command: Splitbrain
) -> None:
    ended = splitbrain_command(
        *("run", f"{NAME}:{name}", "--nodes", "3", "--clients", "2", "--time-limit", "5")
    )
    assert ended.code == code
    found = re.search(r"^report  (.*)$", ended.errors, re.M)
    assert found is not None
    page = Path(found[1]).read_text(encoding="utf-8")
    again = splitbrain_command("report", "store/latest")
    assert (again.code, Path(found[1]).read_text(encoding="utf-8")) == (0, page)


# ---- killed, or worse


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_of_a_run_that_was_killed_there_is_what_was_written(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        try:
            carry_out(experiment("Killed"), 1, store=tmp_path)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    folder = RunFolder((tmp_path / "latest").resolve())
    assert not folder.report.exists()
    data = load_run(folder.path)
    assert data.verdicts[0].reason.endswith(" s: its process was killed, or the machine stopped.")
    assert data.broken_off["broke off"].startswith("after 20")
    # the very call under which it was killed is there: a client's tenth
    last = (rows := list(read_history(folder.history)))[-1]
    calls = [row for row in rows if (row.process, row.type) == (last.process, "invoke")]
    assert (last.type, len(calls)) == ("invoke", 10)
    assert "fault changes" not in data.facts
    assert data.replay_command.startswith(f"splitbrain run {NAME}:Killed --seed 1 ")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that came to its end."""
    made = Experiment(nodes=3, clients=2, nemesis="kill", time_limit_ns=seconds(2))
    result = carry_out(made, 1, store=tmp_path_factory.mktemp("store"))
    assert result.folder is not None
    return result.folder


@pytest.fixture
def cut(whole: RunFolder, tmp_path: Path) -> RunFolder:
    """The same, as if its process had been killed before the verdict."""
    shutil.copytree(whole.path, tmp_path / "cut")
    folder = RunFolder(tmp_path / "cut")
    folder.verdict.unlink()
    folder.report.unlink()
    return folder


def shorten(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


def test_a_partial_last_line_is_left_out_and_told(cut: RunFolder) -> None:
    rows = len(cut.history.read_bytes().splitlines())
    for by in range(1, 200, 9):
        content = cut.history.read_bytes()
        cut.recorded.unlink(missing_ok=True)
        shorten(cut.history, by)
        data = load_run(cut.path)
        left = cut.history.read_bytes()
        broken_line = not left.endswith(b"}\n") and not left.endswith(b"}")
        assert len(data.history) == len(left.splitlines()) - broken_line <= rows
        about = data.broken_off["history"]
        assert ("a line that was cut short is left out" in about) == broken_line
        assert ("to judge its rows" in data.broken_off) == (not broken_line)
        last_s = data.history[-1].time_ns / 1e9
        assert data.verdicts[0].reason.startswith("The run broke off after ")
        assert told(data).startswith("UNKNOWN  raft register kill\nThe run broke off after ")
        assert last_s <= 8
        cut.history.write_bytes(content)


def nothing(folder: RunFolder) -> None:
    for path in (folder.history, folder.trace, folder.recorded):
        path.unlink()


def empty(folder: RunFolder) -> None:
    for path in (folder.history, folder.trace, folder.recorded, folder.plan, folder.verdict):
        path.write_bytes(b"")


def zeroed(folder: RunFolder) -> None:
    """As a file system may leave it when the power goes."""
    for path in (folder.history, folder.trace, folder.recorded):
        content = path.read_bytes()
        path.write_bytes(content[:4096] + bytes(len(content) - 4096))


def halved(folder: RunFolder) -> None:
    for path in (folder.history, folder.trace, folder.recorded, folder.plan):
        shorten(path, path.stat().st_size // 2)
    folder.verdict.write_bytes(b'{"outcome": "pa')


def garbage(folder: RunFolder) -> None:
    folder.recorded.write_bytes(gzip.compress(b"what is this"))
    folder.trace.write_bytes(b"\xff\xfe\n{}\n")
    (folder.path / "broken-off.json").write_bytes(b"{}")


@pytest.mark.parametrize(
    ("damage", "rows", "shown"),
    [
        (nothing, (0, 0), "history: no rows"),
        (empty, (0, 0), "plan: cannot be read. This is no plan"),
        (zeroed, (10, 60), "what is no row"),
        (halved, (20, 400), "messages and nodes: cannot be read"),
        (garbage, (20, 800), "trace: none"),
    ],
)
def test_whatever_is_there_makes_a_report(
    damage: Callable[[RunFolder], None],
    rows: tuple[int, int],
    shown: str,
    cut: RunFolder,
    splitbrain_command: Splitbrain,
) -> None:
    damage(cut)
    ended = splitbrain_command("report", cut.path)
    assert (ended.code, ended.errors) == (0, "")
    assert "What is left of this run" in cut.report.read_text(encoding="utf-8")
    text = splitbrain_command("report", cut.path, "--text").output
    assert text.startswith("UNKNOWN  ")
    assert shown.replace("what is no row", "is left out") in text
    assert rows[0] <= len(load_run(cut.path).history) <= rows[1]


def test_a_run_that_is_under_way_has_no_report_yet(
    cut: RunFolder, splitbrain_command: Splitbrain
) -> None:
    with under_way(cut.path):
        ended = splitbrain_command("report", cut.path)
    assert ended.code == 254
    assert "is still under way, in another process" in ended.errors
    assert not cut.report.exists()
    assert splitbrain_command("report", cut.path).code == 0


def test_files_are_written_whole_or_not_at_all(
    whole: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [path.name for path in whole.path.iterdir() if path.name.startswith(".")]
    folder = RunFolder(tmp_path)
    plan = Plan.decode(whole.plan.read_bytes())
    folder.save_plan(plan)

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.save_plan(Plan(experiment=plan.experiment, seed=2))
    assert Plan.decode(folder.plan.read_bytes()) == plan


def test_when_it_broke_off_is_written_down(tmp_path: Path) -> None:
    folder, _ = broken(tmp_path, experiment("Stumbling"), LookupError)
    end = broken_off(folder.path)
    assert end is not None
    assert abs(end.at_ns - folder.recorded.stat().st_mtime_ns) < 10**12
