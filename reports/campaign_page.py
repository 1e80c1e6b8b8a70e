"""The page of a campaign: heat map, score, seeds over time, and the way down to every run.

    Campaign ─▶ heat map, score, strip, experiments ─▶ one HTML file, beside the store or served
                 each cell leads to its runs: `Links` says where they are

The same runs, kept at the same times, give the same bytes. Of each cell the worst `DRILLED_MAX`
runs are listed, of each row of the strip as many marks as fit; what is left out is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from markupsafe import Markup, escape

from harness.command_line import run_command
from reports.campaign import Campaign, Group, Line
from reports.frame import Navigation, date_text, document, relative_address
from reports.runs import RunSummary
from reports.wording import clip, visible

DRILLED_MAX = 12
LINES_MAX = 500
STRIP_ROWS_MAX = 60
#: The strip, in pixels: labels on the left, then the time.
STRIP_WIDTH, STRIP_LEFT, STRIP_ROW, STRIP_THICK = 1120, 300, 19, 15
#: Marks of the strip are so wide.
MARK_WIDTH = 3


class Links(Protocol):
    """Where the pages of single runs and of groups of them are."""

    def run(self, run: RunSummary) -> str:
        """The address of what there is to see of one run; empty if there is nothing."""

    def cell(self, system: str, flaw: str | None, nemesis: str) -> str:
        """The address of the runs of a cell of the heat map."""

    def line(self, line: Line, result: str) -> str:
        """The address of those runs of an experiment that came out as `result`."""


@dataclass(frozen=True)
class BesideStore:
    """Links of a file that is kept somewhere near the store: relative ones, to reports."""

    store: Path
    page: Path

    def run(self, run: RunSummary) -> str:
        report = self.store / run.name / "report.html"
        if not report.is_file():
            return ""
        return relative_address(report, self.page.parent)

    def cell(self, system: str, flaw: str | None, nemesis: str) -> str:
        return "#" + quote(_anchor(system, flaw, nemesis))

    def line(self, line: Line, result: str) -> str:
        one = line.experiment
        return self.cell(one.system, one.flaw, one.nemesis)


@dataclass(frozen=True)
class _Drill:
    """The runs of one cell, the worst first."""

    anchor: str
    system: str
    flaw: str | None
    nemesis: str
    runs: Sequence[RunSummary]
    commands: Sequence[str]
    left_out: int


def render_campaign(
    campaign: Campaign,
    *,
    links: Links,
    command: str = "",
    drill: bool = True,
    nav: Navigation = (),
) -> str:
    """The page as an HTML document. With `drill` it lists the runs of every cell itself."""
    times = [run.changed_ns for run in campaign.whole.runs if run.changed_ns]

    def link_run(run: RunSummary, text: str) -> Markup:
        address = links.run(run)
        label = escape(text)
        return Markup('<a href="{}">{}</a>').format(address, label) if address else label

    return document(
        "campaign.html.j2",
        nav=nav,
        campaign=campaign,
        links=links,
        link_run=link_run,
        heat=_heat,
        command=command,
        span=(min(times), max(times)) if times else None,
        strip=_strip(campaign),
        drills=_drills(campaign) if drill else (),
        lines_max=LINES_MAX,
    )


def _heat(group: Group) -> str:
    """The class of a cell: the share of failures in three steps, or else the worst result."""
    if group.failed:
        share = group.failed / len(group.runs)
        return "some" if share < 0.2 else "half" if share < 0.6 else "most"
    return f"c-{group.worst}"


def _anchor(system: str, flaw: str | None, nemesis: str) -> str:
    return visible(f"{system}/{flaw or ''}/{nemesis}")


def _drills(campaign: Campaign) -> list[_Drill]:
    drills = []
    for system, flaw in campaign.rows:
        for nemesis in campaign.columns:
            group = campaign.cells.get((system, flaw, nemesis))
            if group is None:
                continue
            shown = group.to_look_at[:DRILLED_MAX]
            drills.append(
                _Drill(
                    anchor=_anchor(system, flaw, nemesis),
                    system=system,
                    flaw=flaw,
                    nemesis=nemesis,
                    runs=shown,
                    commands=[command_of(run) for run in shown],
                    left_out=len(group.runs) - len(shown),
                )
            )
    return drills


def command_of(run: RunSummary) -> str:
    """What carries the run out again from its seed; empty if that is not known."""
    if run.experiment is None or run.seed is None:
        return ""
    return run_command(run.experiment, run.seed)


def _strip(campaign: Campaign) -> dict[str, Any] | None:
    """Rows of marks by time: runs that fall on one mark are one, in the colour of the worst."""
    times = [run.changed_ns for line in campaign.lines for run in line.runs]
    if len(set(times)) < 2:
        return None  # all at one moment, or none: no course of time to tell of
    first, last = min(times), max(times)
    span = STRIP_WIDTH - STRIP_LEFT
    columns = span // MARK_WIDTH
    rows = []
    for number, line in enumerate(campaign.lines[:STRIP_ROWS_MAX]):
        at: dict[int, list[RunSummary]] = {}
        for run in line.runs:
            column = (run.changed_ns - first) * (columns - 1) // (last - first)
            at.setdefault(column, []).append(run)
        rows.append(
            {
                "y": number * STRIP_ROW,
                "title": " ".join(filter(None, (line.experiment.title, line.apart))),
                "marks": [_mark(column, Group(tuple(at[column]))) for column in sorted(at)],
            }
        )
    ends = ((STRIP_LEFT, date_text(first), ""), (STRIP_WIDTH, date_text(last), "end"))
    return {
        "width": STRIP_WIDTH,
        "left": STRIP_LEFT,
        "span": span,
        "thick": STRIP_THICK,
        "height": len(rows) * STRIP_ROW + 20,
        "rows": rows,
        "ticks": ends,
        "left_out": len(campaign.lines) > STRIP_ROWS_MAX,
    }


def _mark(column: int, group: Group) -> dict[str, Any]:
    seeds = ", ".join(str(run.seed) for run in group.runs[:8])
    more = f" and {len(group.runs) - 8} more" if len(group.runs) > 8 else ""
    failed = group.first_failure
    reason = f": {clip(visible(failed.reason), 160)}" if failed else ""
    return {
        "x": STRIP_LEFT + column * MARK_WIDTH,
        "width": MARK_WIDTH - 0.5,
        "result": group.worst,
        "run": failed,
        "title": f"seed {seeds}{more}: {group.worst}{reason}",
    }
