"""The report of a kept run, made again from its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from harness.pipeline import carry_out
from harness.store import RunFolder
from reports import render_report
from reports.loading import load_run, load_verdicts, write_report_of_folder

#: Fails, so that a witness has to come back from its file as well.
FAILING = Experiment(
    system="raft", flaw="stale-read", nemesis="partition", time_limit_ns=seconds(6)
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    result = carry_out(FAILING, seed=6, store=tmp_path_factory.mktemp("store"))
    assert result.folder is not None
    assert result.verdict.outcome == "fail"
    return result.folder


@pytest.mark.parametrize("given", ["itself", "a file of it", "the link to the latest run"])
def test_the_report_comes_out_the_same(kept: RunFolder, given: str, tmp_path: Path) -> None:
    store = kept.path.parent.parent
    paths = {"itself": kept.path, "a file of it": kept.plan, "the link": store / "latest"}
    path = next(path for name, path in paths.items() if given.startswith(name))
    write_report_of_folder(path, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == kept.report.read_bytes()


def test_without_its_recording_a_run_still_has_a_report(kept: RunFolder) -> None:
    content = kept.recorded.read_bytes()
    kept.recorded.unlink()
    try:
        data = load_run(kept.path)
    finally:
        kept.recorded.write_bytes(content)
    assert data.recording is None
    html = render_report(**data.arguments)
    assert "Not linearizable" in html
    assert "Noted by nodes" not in html
    assert "messages delivered" not in html


def test_a_run_that_was_never_judged_is_unknown(kept: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(kept.plan.read_bytes())
    data = load_run(tmp_path)
    assert [verdict.outcome for verdict in data.verdicts] == ["unknown"]
    assert len(data.history) == 0
    assert data.broken_off["history"].startswith("no rows")


def test_verdicts_that_are_none_are_named(kept: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_bytes(b'{"checks": 7}')
    with pytest.raises(UsageError, match="holds no verdicts"):
        load_verdicts(RunFolder(tmp_path))
