"""Step two of three, latencies and rates: what is painted, and as what a page takes it.

Both plots share the time axis of the timeline above them and carry the same lanes of faults.
`reports.figures` has them drawn by matplotlib, in a colour of the light palette for every role;
`_themed` turns each style attribute into a class whose colours are CSS variables. So dark mode
works, and the page needs no inline style, which its Content-Security-Policy would not let pass.

Limits: points that fall on one pixel are drawn once; at most `POINTS_MAX` are drawn; the notes of a
drawing say what was left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history import FAIL, INFO, OK
from reports.axis import LEFT, RIGHT, WIDTH, round_step
from reports.calls import OPEN
from reports.figures import PAGE, Drawing, drawn, time_axis
from reports.model import Report
from reports.palette import LIGHT
from reports.wording import count_text, duration_text, moment_text

POINTS_MAX = 2_500
BUCKETS = 80
#: Functions with a marker of their own, the most used first; the rest share the last one.
MARKERS = "osD^vp"
#: Fewer completed operations than this are read more easily in a list than in a plot.
PLOTTED_MIN = 20
_DRAWN = (OK, FAIL, INFO)
_ROLE = {OK: "ok", FAIL: "fail", INFO: "info"}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """The inside of an SVG element, the rules of its style, and sentences for the reader."""

    view_box: str
    content: str
    style: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Completions per second within one stretch of time, for the table beside the plot."""

    start: str
    end: str
    ok: float
    fail: float
    info: float


def markers(report: Report) -> tuple[tuple[str, str], ...]:
    """Which marker stands for which function: (marker, name), in the order of the counts."""
    names = [function.name for function in report.functions]
    own = names[: len(MARKERS) - 1] if len(names) > len(MARKERS) else names
    rest = [(MARKERS[-1], "all others")] if len(own) < len(names) else []
    return (*zip(MARKERS, own, strict=False), *rest)


def latency_plot(report: Report) -> Plot | None:
    """The drawing of the latencies for a page; None if there are few operations."""
    return _plot(report, latency_drawing(report))


def rate_plot(report: Report) -> Plot | None:
    """The drawing of the rates for a page; None if there is no rate to tell."""
    return _plot(report, rate_drawing(report))


def latency_drawing(report: Report) -> Drawing | None:
    """A point a completed operation, by the moment it was asked; None if there are few."""
    calls = report.calls
    done = np.flatnonzero(calls.outcome != OPEN)
    if not calls.timed or len(done) < PLOTTED_MIN:
        return None
    axis = time_axis(report)
    took = np.maximum(calls.end_ns[done] - calls.start_ns[done], 1)
    logs = np.log10(took)
    low, high = _decades(logs)
    inner = 230
    x = LEFT + (calls.start_ns[done] - axis.start_ns) * ((RIGHT - LEFT) / axis.span_ns)
    y = (logs - low) * (inner / (high - low))
    shape = _shapes(report)[calls.f[done]]
    kept, notes = _thin(x, y, calls.outcome[done] * len(MARKERS) + shape, calls.outcome[done] == OK)

    def paint(axes: Any) -> None:
        axes.set_ylim(low, high)
        decades = range(low, high + 1)
        axes.set_yticks(decades, [duration_text(10**decade) for decade in decades])
        names = [name for _, name in markers(report)]
        small = 3.4 if len(kept) > 500 else 5.5
        for code in _DRAWN:  # the worst last, to lie in front
            colour = LIGHT[_ROLE[code]]
            for number, marker in enumerate(MARKERS):
                mine = kept[(calls.outcome[done][kept] == code) & (shape[kept] == number)]
                if len(mine):
                    axes.plot(
                        (calls.start_ns[done[mine]] - report.origin_ns) / 1e9,
                        logs[mine],
                        linestyle="none",
                        marker=marker,
                        label=f"{names[number]} {_ROLE[code]}",
                        markersize=small if code == OK else 5,
                        markerfacecolor=colour if code == OK else "none",
                        markeredgecolor=colour,
                        clip_on=False,
                        markeredgewidth=0.0 if code == OK else 1.2,
                    )

    opened = int(np.count_nonzero(calls.outcome == OPEN))
    if opened:
        notes.append(f"{count_text(opened, 'operation')} never completed and have no latency.")
    return Drawing("latency", "latency", inner, paint, tuple(notes))


def rate_drawing(report: Report) -> Drawing | None:
    """Completions per second by outcome; None if there is no rate to tell."""
    rates = _rates(report, BUCKETS)
    if rates is None:
        return None
    edges, counts, step = rates
    seconds = np.diff(edges) / 1e9
    per_second = {code: counts[code] / seconds for code in _DRAWN}
    top = max(float(column.max()) for column in per_second.values())
    tick = round_step(top / 4)

    def paint(axes: Any) -> None:
        axes.set_ylim(0, top * 1.06)
        ticks = range(0, int(top * 1.06) + 1, tick)
        axes.set_yticks(ticks, [f"{value:,}/s" for value in ticks])
        where = (edges - report.origin_ns) / 1e9
        for code, line in ((OK, "-"), (FAIL, (0, (5, 2))), (INFO, (0, (1.5, 1.5)))):
            if counts[code].any():
                axes.stairs(
                    per_second[code],
                    where,
                    label=_ROLE[code],
                    baseline=None,
                    color=LIGHT[_ROLE[code]],
                    linestyle=line,
                    linewidth=1.8,
                )

    note = f"Counted by the moment of completion, in steps of {duration_text(step)}."
    return Drawing("rate", "completed per second", 140, paint, (note,))


def rate_table(report: Report, rows: int = 30) -> tuple[Rate, ...]:
    """The rates in at most about `rows` stretches: what the plot says, in figures."""
    rates = _rates(report, rows)
    if rates is None:
        return ()
    edges, counts, _ = rates
    return tuple(
        Rate(
            start=moment_text(start - report.origin_ns),
            end=moment_text(end - report.origin_ns),
            ok=ok * 1e9 / (end - start),
            fail=fail * 1e9 / (end - start),
            info=info * 1e9 / (end - start),
        )
        for start, end, ok, fail, info in zip(
            edges[:-1].tolist(),
            edges[1:].tolist(),
            *(counts[code].tolist() for code in _DRAWN),
            strict=True,
        )
    )


def _rates(
    report: Report, buckets: int
) -> tuple[NDArray[np.int64], dict[int, NDArray[np.int64]], int] | None:
    """Edges of buckets of equal, round length (the last one shorter), and completions in each."""
    calls = report.calls
    completed = int(np.count_nonzero(calls.outcome != OPEN))
    if not calls.timed or completed < PLOTTED_MIN or report.duration_ns == 0:
        return None  # All at one moment: then there is no "per second".
    axis = time_axis(report)
    step = round_step(axis.span_ns / buckets)
    edges = np.arange(axis.start_ns, axis.end_ns, step, dtype=np.int64)
    # A last bucket of next to nothing would show a rate of next to anything: join it.
    if len(edges) > 1 and axis.end_ns - edges[-1] < step // 4:
        edges = edges[:-1]
    edges = np.append(edges, axis.end_ns)
    counts = {
        code: np.histogram(calls.end_ns[calls.outcome == code], bins=edges)[0].astype(np.int64)
        for code in _DRAWN
    }
    return edges, counts, step


def _decades(logs: NDArray[np.float64]) -> tuple[int, int]:
    """The powers of ten (of nanoseconds) between which all of `logs` lie, at least one apart."""
    low, high = int(np.floor(logs.min())), int(np.ceil(logs.max()))
    return low, max(high, low + 1)


def _shapes(report: Report) -> NDArray[np.int64]:
    """For each function of the history the number of its marker."""
    calls = report.calls
    totals = np.bincount(calls.f, minlength=len(calls.history.functions))
    order = np.argsort(-totals, kind="stable")
    shapes = np.empty(len(totals), dtype=np.int64)
    shapes[order] = np.minimum(np.arange(len(totals)), len(MARKERS) - 1)
    return shapes


def _thin(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.floating[Any]],
    series: NDArray[np.int64],
    usual: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], list[str]]:
    """Which points to draw, in order: one a pixel and series, then at most POINTS_MAX.

    What is not usual (failed, unknown) goes first, then the slowest, then an even sample.
    """
    cells = (series * 10_000 + x.astype(np.int64)) * 10_000 + y.astype(np.int64)
    kept = np.sort(np.unique(cells, return_index=True)[1])
    notes = []
    if len(kept) < len(x):
        notes.append(
            f"{len(x):,} operations stand on {len(kept):,} points: "
            "what would hide one another is drawn once."
        )
    if len(kept) > POINTS_MAX:
        whole = len(kept)
        odd = _evenly(kept[~usual[kept]], POINTS_MAX // 2)
        plain = kept[usual[kept]]
        slowest = plain[np.argsort(-y[plain], kind="stable")[: POINTS_MAX // 4]]
        rest = np.setdiff1d(plain, slowest)
        even = _evenly(rest, POINTS_MAX - len(odd) - len(slowest))
        kept = np.sort(np.concatenate([odd, slowest, even]))
        notes.append(
            f"{len(kept):,} of these {whole:,} points are drawn: up to {POINTS_MAX // 2:,} that "
            f"did not succeed, the {len(slowest):,} slowest, and an even sample of the rest."
        )
    return kept, notes


def _evenly(places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` of `places`, evenly spread."""
    if len(places) <= count:
        return places
    return places[np.arange(count) * len(places) // count]


def _plot(report: Report, drawing: Drawing | None) -> Plot | None:
    if drawing is None:
        return None
    content, style = _themed(drawn(report, drawing, PAGE, "svg").decode(), drawing.name)
    height = PAGE.height(drawing, len(report.lanes))
    return Plot(view_box=f"0 0 {WIDTH} {height}", content=content, style=style, notes=drawing.notes)


_OUTSIDE = re.compile(r"^.*?<svg[^>]*>|</svg>\s*$", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_STYLE = re.compile(r' style="([^"]*)"')
_ID = re.compile(r' id="([^"]*)"')
_LONG_NUMBER = re.compile(r"(?<=[ \"(,])-?\d+\.\d+(?=[ \"),])")
_FONT_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_SAME_USE = re.compile(r'<use [^>]*?class="([\w-]+)"/>(?:<use [^>]*?class="\1"/>)+')
_ROLES = {colour: role for role, colour in LIGHT.items()}


def _themed(svg: str, name: str) -> tuple[str, str]:
    """The content of matplotlib's `svg` and a style sheet: no ids, styles or digits to spare."""
    svg = _METADATA.sub("", _OUTSIDE.sub("", svg, count=2)).replace("xlink:href", "href")
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = _ID.sub(lambda match: match[0] if match[1] in used else "", svg)
    for number, old in enumerate(_ID.findall(svg)):
        svg = svg.replace(f'"{old}"', f'"{name}{number}"').replace(f"#{old}", f"#{name}{number}")
    classes: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        return f' class="{classes.setdefault(match[1], f"{name}-{len(classes)}")}"'

    svg = _STYLE.sub(named, svg)
    svg = _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), svg)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><").strip()
    svg = _SAME_USE.sub(_hoisted, svg)
    rules = "".join(f".{cls}{{{_css(style)}}}" for style, cls in classes.items())
    return svg, rules


def _hoisted(match: re.Match[str]) -> str:
    """The points of one series with their common class said once."""
    once = f' class="{match[1]}"'
    return f"<g{once}>{match[0].replace(once, '')}</g>"


def _css(style: str) -> str:
    """One style attribute with the palette's variables for its colours."""
    plain = _FONT_FAMILY.sub("", style)
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var(--{_ROLES[m[0]]})", plain).replace("; ", ";")
