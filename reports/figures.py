"""Figures by matplotlib: one drawing of a run on a sheet, for a page or for a paper.

    Drawing (what is painted, how high)  +  Sheet (width, margins, sizes of type)  ─▶  SVG or PNG

Time runs from left to right and faults lie behind everything, in lanes above, as in the timeline
of a report. matplotlib is imported when the first figure is drawn, and only its object API is used
(no pyplot). The same run gives the same bytes with the same version of matplotlib: ids come from a
fixed salt, no date is written, matplotlibrc files are not believed.

Limits: rcParams are global, so two threads must not draw at once; `drawn` sees to that.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

from reports.axis import LEFT, RIGHT, WIDTH, TimeAxis
from reports.fault_drawing import LETTER_WIDTH, spans
from reports.faults import FaultLane
from reports.model import Report
from reports.palette import BAND_OPACITY, LANE_OPACITY, LIGHT

Format = Literal["svg", "png"]
#: Of a PNG for a paper.
DOTS_PER_INCH = 300
_POINTS_PER_INCH = 72
#: Room for a legend of two lines, in points, below the axes of a paper's figure.
LEGEND = 26
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class Drawing:
    """What to paint: `paint` gets the axes; `inner` is their height in points; `label` says what
    the vertical axis measures. `notes` are sentences for the reader. `ruled` draws a grid.
    `across` says what the horizontal axis measures where that is not time: there are no faults
    then, and `paint` sets both axes."""

    name: str
    label: str
    inner: int
    paint: Callable[[Any], None]
    notes: tuple[str, ...] = ()
    ruled: bool = True
    across: str = ""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Where axes stand on a figure, in points, and how large its type is.

    `explained` writes on the figure what a page says around it: names of axes and of faults.
    A `gap` parts the lanes of faults from the axes. `text` keeps letters as text, in whatever font
    the reader has; else they are outlines.
    """

    width: int
    left: int
    right: int
    below: int
    above: int
    strip: int
    label: float
    letter: float
    stretch: float = 1.0
    gap: int = 0
    explained: bool = False
    text: bool = False

    def height(self, drawing: Drawing, lanes: int) -> int:
        """Of the whole figure."""
        return self.inner(drawing) + self.under(drawing) + self.above + self.room(lanes)

    def under(self, drawing: Drawing) -> int:
        """Below the axes: what has no time has no legend."""
        return self.below - (LEGEND if drawing.across else 0)

    def inner(self, drawing: Drawing) -> int:
        """Of the axes."""
        return round(drawing.inner * self.stretch)

    def room(self, lanes: int) -> int:
        """For the lanes of faults, above the axes."""
        return self.strip * lanes + self.gap * (lanes > 0)


#: In a report: as wide as the timeline above it. Half a label stands above the axes.
PAGE = Sheet(
    width=WIDTH, left=LEFT, right=RIGHT, below=30, above=7, strip=15, label=11, letter=9, text=True
)
#: In a paper: seven inches, which is two columns, in type of eight points.
PAPER = Sheet(
    width=504, left=62, right=498, below=60, above=7, strip=12, label=8, letter=7, stretch=0.8,
    gap=6, explained=True,
)  # fmt: skip


def time_axis(report: Report) -> TimeAxis:
    """The time of the whole run."""
    return TimeAxis(
        start_ns=report.start_ns, end_ns=report.calls.last_ns, origin_ns=report.origin_ns
    )


def drawn(
    report: Report,
    drawing: Drawing,
    sheet: Sheet,
    format: Format,
    *,
    axis: TimeAxis | None = None,
    lanes: Sequence[FaultLane] | None = None,
) -> bytes:
    """The figure of one drawing. `axis` and `lanes` are those of the whole run unless given."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    axis = time_axis(report) if axis is None else axis
    lanes = () if drawing.across else report.lanes if lanes is None else lanes
    # The defaults but for the backend, which is none of our business: no matplotlibrc is believed.
    settings = {
        key: value for key, value in matplotlib.rcParamsDefault.items() if "backend" not in key
    }
    settings |= {"svg.hashsalt": f"splitbrain {drawing.name}", "path.simplify": False}
    settings |= {"svg.fonttype": "none" if sheet.text else "path"}
    height = sheet.height(drawing, len(lanes))
    size = sheet.width / _POINTS_PER_INCH, height / _POINTS_PER_INCH
    with _ONE_AT_A_TIME, matplotlib.rc_context(settings):
        if format == "svg":
            figure = Figure(figsize=size, dpi=_POINTS_PER_INCH, frameon=sheet.explained)
            canvas: Any = FigureCanvasSVG(figure)
        else:
            figure = Figure(figsize=size, dpi=DOTS_PER_INCH)
            canvas = FigureCanvasAgg(figure)
        _paint(figure, report, drawing, sheet, axis, lanes)
        buffer = io.BytesIO()
        if format == "svg":
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            canvas.print_svg(buffer, metadata=nothing)
        else:
            canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _paint(
    figure: Any,
    report: Report,
    drawing: Drawing,
    sheet: Sheet,
    axis: TimeAxis,
    lanes: Sequence[FaultLane],
) -> None:
    height = sheet.height(drawing, len(lanes))
    inner = sheet.inner(drawing)
    axes = figure.add_axes(
        (
            sheet.left / sheet.width,
            sheet.under(drawing) / height,
            (sheet.right - sheet.left) / sheet.width,
            inner / height,
        ),
        frameon=False,
    )
    if not drawing.across:
        _set_time(axes, report, axis, sheet)
    drawing.paint(axes)
    pad = 7 if sheet.text else 4
    colour = LIGHT["muted" if sheet.text else "ink"]
    axes.tick_params(length=0, pad=pad, labelsize=sheet.label, labelcolor=colour)
    if drawing.ruled:
        axes.grid(color=LIGHT["line"], linewidth=0.8 * sheet.stretch)
    axes.set_axisbelow(True)
    if sheet.explained:
        axes.set_ylabel(drawing.label, fontsize=sheet.label)
        axes.set_xlabel(drawing.across or "time", fontsize=sheet.label, labelpad=2)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(
                loc="upper left",
                bbox_to_anchor=(0, -(sheet.below - LEGEND) / inner),
                ncols=6,
                fontsize=sheet.letter,
                frameon=False,
                borderaxespad=0,
                borderpad=0,
                columnspacing=1.4,
                handletextpad=0.5,
            )
    _paint_faults(report, axis, axes, inner, sheet, lanes)


def _set_time(axes: Any, report: Report, axis: TimeAxis, sheet: Sheet) -> None:
    seconds = 1e-9
    axes.set_xlim(
        (axis.start_ns - report.origin_ns) * seconds,
        (axis.start_ns + axis.span_ns - report.origin_ns) * seconds,
    )
    ticks = axis.ticks() if sheet.text else axis.ticks(6)
    axes.set_xticks(
        [(tick.time_ns - report.origin_ns) * seconds for tick in ticks],
        [tick.text for tick in ticks],
    )
    if ticks and axis.end_ns - ticks[-1].time_ns < axis.span_ns * 16 / (sheet.right - sheet.left):
        axes.get_xticklabels()[-1].set_horizontalalignment("right")  # else it would be cut off


def _paint_faults(
    report: Report,
    axis: TimeAxis,
    axes: Any,
    inner: int,
    sheet: Sheet,
    lanes: Sequence[FaultLane],
) -> None:
    """A tint through the plot and a strip with its letter above it, as in the timeline."""
    across = axes.get_xaxis_transform()
    thick = (sheet.strip - 3) / inner
    points = sheet.right - sheet.left
    for number, lane in enumerate(lanes):
        colour = LIGHT[f"fault-{lane.colour}"]
        bottom = 1 + (sheet.gap + (len(lanes) - number - 1) * sheet.strip) / inner
        if sheet.explained:
            axes.text(
                -4 / points,
                bottom + thick / 2,
                lane.name,
                transform=axes.transAxes,
                fontsize=sheet.letter,
                color=LIGHT["ink"],
                horizontalalignment="right",
                verticalalignment="center_baseline",
                parse_math=False,
            )
        least = axis.span_ns * 2 / points
        pieces = [
            ((start - report.origin_ns) / 1e9, max(end - start, least) / 1e9)
            for start, end in spans(lane, axis)
        ]
        if not pieces:
            continue
        axes.broken_barh(
            pieces, (0, 1), transform=across, color=colour, alpha=BAND_OPACITY, linewidth=0
        )
        axes.broken_barh(
            pieces,
            (bottom, thick),
            transform=across,
            color=colour,
            alpha=LANE_OPACITY,
            linewidth=0,
            clip_on=False,
        )
        wide = axis.span_ns / 1e9 * LETTER_WIDTH / points
        for start, width in pieces:
            if width >= wide:
                axes.text(
                    start + width / 2,
                    bottom + thick / 2,
                    lane.letter,
                    transform=across,
                    fontsize=sheet.letter,
                    color=LIGHT["ink"],
                    horizontalalignment="center",
                    verticalalignment="center_baseline",
                    parse_math=False,
                )
