"""Every plot of a run as a file of its own, for papers: SVG and PNG.

    latency, rate       the whole run, faults behind them
    lamport             messages between nodes around the witness (a failing run with a recording)
    distribution-...    what checks measured, such as times to converge, as cumulative curves

Type is eight points at a width of seven inches, PNGs have 300 dots an inch, and letters in SVGs are
outlines, so that they look the same everywhere. The same run gives the same bytes with the same
version of matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.simulation.recording import Recording
from harness.verdict import Verdict
from reports.distribution_plots import distribution_drawings
from reports.faults import FaultLane
from reports.figures import PAPER, Format, drawn
from reports.lamport import lamport_diagram
from reports.model import Report
from reports.plots import latency_drawing, rate_drawing

FORMATS: tuple[Format, ...] = ("svg", "png")


def export(
    report: Report,
    recording: Recording | None,
    folder: Path,
    *,
    verdicts: Sequence[Verdict] = (),
) -> list[Path]:
    """Writes every plot that the run has data for into `folder`; gives the files.

    Raises UsageError if the folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in plots(report, recording, verdicts):
            path = folder / name
            path.write_bytes(content)
            written.append(path)
    except OSError as error:
        raise UsageError(
            f"The plots cannot be written to {str(folder)!r}: {error}. Name a folder that can be "
            "made or written with --export."
        ) from error
    return written


def plots(
    report: Report, recording: Recording | None, verdicts: Sequence[Verdict] = ()
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file."""
    whole = (latency_drawing(report), rate_drawing(report), *distribution_drawings(verdicts))
    for drawing in whole:
        if drawing is not None:
            for format in FORMATS:
                yield f"{drawing.name}.{format}", drawn(report, drawing, PAPER, format)
    diagram = lamport_diagram(report, recording)
    if diagram is not None:
        start, end = diagram.axis.start_ns, diagram.axis.end_ns
        lanes = [lane for lane in report.lanes if _within(lane, start, end)]
        for format in FORMATS:
            content = drawn(
                report, diagram.drawing, PAPER, format, axis=diagram.axis, lanes=lanes
            )  # fmt: skip
            yield f"{diagram.drawing.name}.{format}", content


def _within(lane: FaultLane, start_ns: int, end_ns: int) -> bool:
    return any(fault.start_ns <= end_ns and fault.end_ns >= start_ns for fault in lane.faults)
