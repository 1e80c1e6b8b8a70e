"""Step three of three: one HTML page out of a report, by the templates in reports/templates.

The page is one file without references: style sheet and script stand in it and are admitted by
their hashes in a Content-Security-Policy, so nothing else in it can run, load or restyle. The
script only enhances (a copy button); everything is readable without it.

Escaping happens here and only here: every template is autoescaped, and the only markup that is
let through (`Markup`) is what this project wrote itself, the SVG of the plots and the style sheet,
in which no string of the run stands.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reports import palette
from reports.axis import pixels
from reports.drawing import SINGLE_MAX, around_witness, whole_run
from reports.model import Report
from reports.plots import Plot, latency_plot, markers, rate_plot, rate_table
from reports.sentences import call_sentence
from reports.witness import ENTRIES_MAX, Witness
from reports.witness_drawing import draw_witness
from reports.wording import count_text, duration_text, moment_text

#: Rows of the table of faults.
FAULTS_MAX = 150

#: The markers of matplotlib that the legend has to draw, in a box of 12 x 12.
_SHAPES = {
    "o": "M2 6a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M2.5 2.5h7v7h-7z",
    "D": "M6 1.5l4.5 4.5l-4.5 4.5l-4.5-4.5z",
    "^": "M6 2l4.5 8h-9z",
    "v": "M6 10l4.5-8h-9z",
    "p": "M6 1.5l4.6 3.3l-1.8 5.4h-5.6l-1.8-5.4z",
}


def page(report: Report) -> str:
    """`report` as a complete HTML document."""
    environment = templates()
    latencies, rates = latency_plot(report), rate_plot(report)
    style = style_sheet("".join(plot.style for plot in (latencies, rates) if plot is not None))
    script = environment.get_template("copy.js").render()
    faults = [fault for lane in report.lanes for fault in lane.faults]
    return environment.get_template("report.html.j2").render(
        report=report,
        summary=_summary(report),
        style=Markup(style),
        style_hash=content_hash(style),
        script=Markup(script),
        script_hash=content_hash(script),
        witnesses=[_witness(report, witness) for witness in report.witnesses],
        timeline=whole_run(report) if len(report.calls) or faults else None,
        latencies=_plot(latencies),
        rates=_plot(rates),
        rate_rows=rate_table(report),
        markers=[(_SHAPES[marker], name) for marker, name in markers(report)],
        faults=sorted(faults, key=lambda fault: (fault.start_ns, fault.row))[:FAULTS_MAX],
        sentences=_sentences(report, range(len(report.calls)))
        if len(report.calls) <= SINGLE_MAX
        else [],
    )


def _witness(report: Report, witness: Witness) -> dict[str, Any]:
    return {
        "found": witness,
        "drawing": draw_witness(report, witness),
        "around": around_witness(report, witness),
        "sentences": _sentences(report, witness.around.places),
    }


def _sentences(report: Report, places: Any) -> list[str]:
    return [call_sentence(report.calls, place, origin_ns=report.origin_ns) for place in places]


def _plot(plot: Plot | None) -> dict[str, Any] | None:
    if plot is None:
        return None
    return {"view_box": plot.view_box, "content": Markup(plot.content), "notes": plot.notes}


def _summary(report: Report) -> str:
    """How much happened, in one line."""
    parts = [
        f"{count_text(len(report.calls), 'operation')} by "
        f"{count_text(report.client_count, 'client')}",
        count_text(report.fault_count, "fault") if report.fault_count else "no faults",
    ]
    if report.calls.timed:
        parts.append(duration_text(report.duration_ns))
    return " · ".join(parts)


def style_sheet(more: str = "") -> str:
    """The style sheet of all pages, and `more` of this project's own."""
    return (
        templates()
        .get_template("style.css.j2")
        .render(
            light=Markup(palette.css_variables(palette.LIGHT)),
            dark=Markup(palette.css_variables(palette.DARK)),
            violets=range(palette.FAULT_COLOURS),
            numbers=range(1, ENTRIES_MAX + 2),
            band_opacity=palette.BAND_OPACITY,
            lane_opacity=palette.LANE_OPACITY,
            plots=Markup(more),
        )
    )


@cache
def templates() -> jinja2.Environment:
    """The templates of all pages."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["px"] = pixels
    environment.filters["duration"] = duration_text
    environment.filters["moment"] = moment_text
    environment.filters["count"] = count_text
    environment.filters["figure"] = lambda number: f"{number:,}"
    environment.filters["rate"] = lambda number: f"{number:,.1f}"
    return environment


def content_hash(text: str) -> str:
    """The source expression by which a Content-Security-Policy admits `text`."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
