"""What pytest's own reports say of a run: JUnit properties, and attachments of pytest-html.

Each test runs pytest on a small project; where pytest-xdist spreads its tests, in processes.
"""

from __future__ import annotations

import html
import importlib.util
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

# pytester forgets what its inner pytest has imported; what is here already is not imported again.
import harness.pipeline
import reports.loading
import reports.text
import systems.raft
import workloads.register

pytest_plugins = ["pytester"]
ALREADY_IMPORTED = (
    harness.pipeline, reports.loading, reports.text, systems.raft, workloads.register,
)  # fmt: skip

WITH_HTML = pytest.mark.skipif(
    importlib.util.find_spec("pytest_html") is None, reason="pytest-html is not installed"
)
WITH_XDIST = pytest.mark.skipif(
    importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed"
)

PROJECT = """
import pytest
from harness import Experiment, seconds

BROKEN = Experiment(
    nemesis="partition,kill", flaw="stale-read", time_limit_ns=seconds(6), rate_per_s=200
)
SOUND = Experiment(nodes=1, clients=1, rate_per_s=5, time_limit_ns=seconds(1), recovery_ns=0)

def test_bad(splitbrain): splitbrain(BROKEN)
def test_good(splitbrain): splitbrain(SOUND)
def test_known(splitbrain): splitbrain(BROKEN, expect="fail")
def test_other(): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    others = "-p no:hypothesispytest -p no:cacheprovider"
    pytester.makeini(f"[pytest]\naddopts = {others}")
    pytester.makepyfile(PROJECT)
    return pytester


def properties(path: Path) -> dict[str, dict[str, str]]:
    """The properties of each test that has any."""
    cases = ElementTree.parse(path).getroot().iter("testcase")
    found = {
        str(case.get("name")): {
            str(item.get("name")): str(item.get("value")) for item in case.iter("property")
        }
        for case in cases
    }
    return {name: values for name, values in found.items() if values}


def attachments(path: Path) -> dict[str, list[dict[str, Any]]]:
    """What pytest-html shows beside each test."""
    blob = re.search(r'data-jsonblob="([^"]*)"', path.read_text(encoding="utf-8"))
    assert blob is not None
    tests = json.loads(html.unescape(blob[1]))["tests"]
    return {
        name.partition("::")[2]: [extra for entry in entries for extra in entry["extras"]]
        for name, entries in tests.items()
    }


def expected(found: dict[str, dict[str, str]], root: Path) -> None:
    """What the properties of the project's tests must be."""
    assert sorted(found) == ["test_bad[seed1]", "test_good[seed1]", "test_known[seed1]"]
    for values in found.values():
        assert values["splitbrain_seed"] == "1"
        assert re.fullmatch("[0-9a-f]{16}", values["splitbrain_digest"])
    good = found["test_good[seed1]"]
    assert good["splitbrain_outcome"] == "pass"
    assert "splitbrain_report" not in good, "a pass leaves nothing behind"
    for name in ("test_bad[seed1]", "test_known[seed1]"):
        values = found[name]
        assert values["splitbrain_outcome"] == "fail"
        assert values["splitbrain_verdict"].startswith("Not linearizable")
        report = Path(values["splitbrain_report"])
        assert report.is_file()
        assert report.is_relative_to(root / "store")
        assert str(report.parent) in values["splitbrain_replay"]
        assert values["splitbrain_replay"].startswith("splitbrain replay ")


def test_junit_properties_say_verdict_seed_replay_and_report(project: pytest.Pytester) -> None:
    result = project.runpytest("--junitxml=results.xml", "-p", "no:xdist", "-p", "no:html")
    result.assert_outcomes(passed=3, failed=1)
    expected(properties(project.path / "results.xml"), project.path)


def attached(project: pytest.Pytester, page: Path) -> None:
    found = attachments(page)
    assert found["test_good[seed1]"] == found["test_other"] == []
    for name in ("test_bad[seed1]", "test_known[seed1]"):
        link, text = found[name]
        assert (link["format_type"], text["format_type"]) == ("url", "text")
        report = page.parent / unquote(link["content"])
        assert report.is_file()
        assert report.resolve().is_relative_to(project.path / "store")
        told = (page.parent / text["content"]).read_text(encoding="utf-8")
        assert told.startswith("FAIL  raft register partition,kill flaw stale-read")
        assert "Log from " in told


@WITH_HTML
def test_pytest_html_leads_to_the_report_and_carries_its_text(project: pytest.Pytester) -> None:
    result = project.runpytest("--html=out/page.html", "-p", "no:xdist")
    result.assert_outcomes(passed=3, failed=1)
    attached(project, project.path / "out" / "page.html")


@WITH_HTML
def test_without_a_page_nothing_is_attached(project: pytest.Pytester) -> None:
    result = project.runpytest("-p", "no:xdist", "-k", "bad")
    result.assert_outcomes(failed=1, deselected=3)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.slow
@WITH_HTML
@WITH_XDIST
def test_both_work_where_tests_run_in_other_processes(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess(
        "-n", "2", "--html=out/page.html", "--junitxml=results.xml", timeout=120
    )
    result.assert_outcomes(passed=3, failed=1)
    expected(properties(project.path / "results.xml"), project.path)
    attached(project, project.path / "out" / "page.html")
