"""Step three of three: one HTML page out of a report, by the templates in reports/templates.

The page is one file without references: style sheet and script stand in it and are admitted by
their hashes in a Content-Security-Policy, so nothing else in it can run, load or restyle. The
script only enhances (a copy button); everything is readable without it.

Escaping happens here and only here: every template is autoescaped, and the only markup that is
let through (`Markup`) is what this project wrote itself, the SVG of the plots and the style sheet,
in which no string of the run stands.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from harness.simulation.recording import Recording
from reports.coverage import coverage
from reports.design import policy, script, style_sheet, templates
from reports.drawing import SINGLE_MAX, around_witness, whole_run
from reports.model import Report
from reports.payload import payload
from reports.plots import Plot, latency_plot, markers, rate_plot, rate_table
from reports.sentences import call_sentence
from reports.witness import Witness
from reports.witness_drawing import draw_witness
from reports.wording import count_text, duration_text

#: Rows of the table of faults.
FAULTS_MAX = 150

SCRIPTS = (
    *("copy.js", "data.js", "words.js", "causes.js", "axis.js", "view.js", "stage.js"),
    *("stage_nodes.js", "sightings.js", "gestures.js", "inspector.js", "history.js", "main.js"),
)
#: For the help on the page; scripts/gestures.js does what they say.
KEYS = (
    ("j / k", "next or previous event of the kind that is selected"),
    ("n / p", "next or previous operation, or sighting, of the witness"),
    ("+ / -", "zoom in or out; 0 shows the whole run"),
    ("← / →", "pan, while the stage has the focus"),
    ("w", "warp: give every event the same room"),
    ("/", "filter the history"),
    ("c", "copy the command that repeats the run"),
    ("Esc", "select nothing"),
    ("?", "this help"),
)

#: The markers of matplotlib that the legend has to draw, in a box of 12 x 12.
_SHAPES = {
    "o": "M2 6a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M2.5 2.5h7v7h-7z",
    "D": "M6 1.5l4.5 4.5l-4.5 4.5l-4.5-4.5z",
    "^": "M6 2l4.5 8h-9z",
    "v": "M6 10l4.5-8h-9z",
    "p": "M6 1.5l4.6 3.3l-1.8 5.4h-5.6l-1.8-5.4z",
}


def page(report: Report, recording: Recording | None = None) -> str:
    """`report` as a complete HTML document, with what `recording` has of messages and nodes."""
    environment = templates()
    latencies, rates = latency_plot(report), rate_plot(report)
    own = environment.get_template("report.css.j2").render()
    style = style_sheet(own + "".join(plot.style for plot in (latencies, rates) if plot))
    faults = [fault for lane in report.lanes for fault in lane.faults]
    happened = bool(len(report.calls) or faults)
    # An empty run has nothing to zoom into: its page needs no more script than a copy button's.
    scripts = script(*(SCRIPTS if happened else SCRIPTS[:1]))
    return environment.get_template("report.html.j2").render(
        report=report,
        summary=_summary(report),
        style=Markup(style),
        script=Markup(scripts),
        payload=payload(report, recording) if happened else None,
        coverage=coverage(report, recording),
        places=_places(report),
        help_keys=KEYS,
        policy=policy(style, scripts),
        witnesses=[_witness(report, witness) for witness in report.witnesses],
        timeline=whole_run(report) if happened else None,
        latencies=_plot(latencies),
        rates=_plot(rates),
        rate_rows=rate_table(report),
        markers=[(_SHAPES[marker], name) for marker, name in markers(report)],
        faults=sorted(faults, key=lambda fault: (fault.start_ns, fault.row))[:FAULTS_MAX],
        sentences=_sentences(report, range(len(report.calls)))
        if len(report.calls) <= SINGLE_MAX
        else [],
    )


def _places(report: Report) -> dict[str, tuple[str, str]]:
    """Where the witness of each check stands: anchor and name."""
    several = len(report.witnesses) > 1
    places = {
        witness.checker: (f"w{number}", f"witness {number}" if several else "the witness")
        for number, witness in enumerate(report.witnesses, start=1)
    }
    for number, statement in enumerate(report.statements, start=1):
        places.setdefault(statement.checker, (f"t{number}", "its table"))
    return places


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
