"""Plots as files: which there are, that they are whole, and that they are the same each time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.checks import judges
from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from harness.history import History
from harness.making import make_workload
from harness.runner import Run, run
from harness.simulation.recording import Recording
from harness.verdict import Verdict
from reports.distribution_plots import distribution_drawings
from reports.exports import export, plots
from reports.figures import DOTS_PER_INCH, PAPER, drawn
from reports.lamport import MESSAGES_MAX, lamport_diagram
from reports.model import Report, build_report

SVG = "{http://www.w3.org/2000/svg}"


def report_of(done: Run) -> Report:
    experiment = done.plan.experiment
    verdicts = [checker.check(done.history) for checker in judges((), make_workload(experiment))]
    return build_report(
        title=experiment.title, history=done.history, verdicts=verdicts, facts={"clients": "10"},
        replay_command="again",
    )  # fmt: skip


@pytest.fixture(scope="module")
def failing() -> tuple[Report, Recording]:
    done = run(
        Experiment(nemesis="partition,kill", flaw="stale-read", time_limit_ns=seconds(6)), seed=1
    )
    return report_of(done), done.recording()


@pytest.fixture(scope="module")
def files(failing: tuple[Report, Recording]) -> dict[str, bytes]:
    return dict(plots(*failing))


def test_a_failing_run_has_every_plot_in_both_formats(files: dict[str, bytes]) -> None:
    assert sorted(files) == [
        f"{name}.{format}" for name in ("lamport", "latency", "rate") for format in ("png", "svg")
    ]


def test_the_same_run_gives_the_same_bytes(
    failing: tuple[Report, Recording], files: dict[str, bytes]
) -> None:
    assert dict(plots(*failing)) == files


def test_a_png_has_the_width_of_a_page_in_print(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        if name.endswith(".png"):
            assert content.startswith(b"\x89PNG\r\n\x1a\n")
            width, height = struct.unpack(">II", content[16:24])
            assert width == PAPER.width * DOTS_PER_INCH // 72
            assert 0.2 < height / width < 1.2
            assert b"Software" not in content
            assert b"Creation" not in content


def test_an_svg_is_whole_and_asks_for_nothing_from_elsewhere(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        if name.endswith(".svg"):
            root = ElementTree.fromstring(content)
            assert root.tag == f"{SVG}svg"
            used = [value for item in root.iter() for value in item.attrib.values()]
            assert not [v for v in used if v.startswith(("http:", "https:", "file:", "//"))]
            assert not list(root.iter(f"{SVG}text")), "letters are outlines"
            assert not list(root.iter(f"{SVG}script"))


def test_the_diagram_holds_the_operation_that_nothing_explains(
    failing: tuple[Report, Recording],
) -> None:
    report, recording = failing
    diagram = lamport_diagram(report, recording)
    assert diagram is not None
    culprit = report.witnesses[0].culprit
    assert culprit is not None
    begun, ended = (
        int(column[culprit.place]) for column in (report.calls.start_ns, report.calls.end_ns)
    )
    assert diagram.axis.start_ns < begun < ended < diagram.axis.end_ns
    sent = recording.messages["sent_ns"]
    between = (recording.messages["source"] <= 5) & (recording.messages["destination"] <= 5)
    within = (sent >= diagram.axis.start_ns) & (recording.messages["end_ns"] <= diagram.axis.end_ns)
    assert 0 < int((between & within).sum()) <= MESSAGES_MAX


def test_what_there_is_no_data_for_is_not_plotted(
    failing: tuple[Report, Recording], told: Callable[[Any], History]
) -> None:
    assert lamport_diagram(failing[0], None) is None
    sound = replace(failing[0], witnesses=())
    assert lamport_diagram(sound, failing[1]) is None
    few = build_report(
        title="t",
        history=told([(1, 0, "invoke", "read", "x"), (2, 0, "ok", "read", "x", 1)]),
        verdicts=[],
        facts={},
        replay_command="again",
    )
    assert dict(plots(few, failing[1])) == {}


def test_distributions_of_checks_are_curves(failing: tuple[Report, Recording]) -> None:
    def measured(**distributions: Any) -> Verdict:
        details = {"distributions": distributions}
        return Verdict(checker="gossip", outcome="pass", reason="r", details=details)

    verdicts = [
        measured(
            hops={"unit": "hops", "values": [1, 1, 2, 2, 3]},
            few={"unit": "ms", "values": [1, 2]},
            wide={"unit": "</ms>", "values": [0.001, 1, 1, 2, 4_000]},
            odd={"unit": 7, "values": "none"},
        ),
        Verdict(checker="stats", outcome="pass", reason="r"),
    ]
    drawings = list(distribution_drawings(verdicts))
    assert [drawing.name for drawing in drawings] == [
        "distribution-gossip-hops",
        "distribution-gossip-wide",
    ]
    for drawing in drawings:
        ElementTree.fromstring(drawn(failing[0], drawing, PAPER, "svg"))
    assert "distribution-gossip-hops.png" in {
        name for name, _ in islice(plots(failing[0], None, verdicts), 6)
    }


def test_a_folder_that_cannot_be_made_is_a_mistake(
    failing: tuple[Report, Recording], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written to .*--export"):
        export(*failing, tmp_path / "file" / "out")
