"""Step two of three, the timelines: geometry of inline SVG, still plain data; templates draw it.

             P partition   ▭▭▭▭▭▭▭          ▭▭▭▭▭▭        one lane a kind of fault,
             K kill            ▭▭▭                         tinted through all rows below
             client 0      ▬▬▬▬▬▬▬▬▬ ▬▬▬▬▬▬▬ ▬▬▬▬▬▬
             client 1      ▬▬▬▬▬   ▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬▬        one row a thread
                           0 s       20 s      40 s

`whole_run` draws every operation of the run; where there are more than `SINGLE_MAX`, those of one
thread and outcome that touch the same pixel are merged into one mark, and where outcomes meet, the
worst lies in front. Nothing is left out, whatever the length of the run; its size is bounded by
pixels. `around_witness` draws the stretch around a witness one by one, with labels.

Limits: `ROWS_MAX` threads have rows of their own, those of witnesses always; the rest share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.history import FAIL, INFO, OK
from reports.axis import LEFT, RIGHT, WIDTH, Tick, TimeAxis, pixels
from reports.calls import OPEN, OUTCOMES, Calls
from reports.fault_drawing import LANE_HEIGHT, Lane, fault_bands, visible_lanes
from reports.model import Report
from reports.sentences import call_label, call_sentence
from reports.witness import Witness
from reports.wording import count_text, duration_text

SINGLE_MAX = 300
ROWS_MAX = 40
AXIS_HEIGHT = 24
#: Above the rows, for the names of witnesses.
FLAG_HEIGHT = 16
#: Width of one character of a label, on average, in the font size of the style sheet.
CHARACTER = 6.2


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One operation. `outcome` names its look; `open_end` means that it may act on."""

    x: float
    y: float
    width: float
    height: float
    outcome: str
    label: str
    label_x: float
    title: str
    number: int | None  # of the witness's sentence
    badge_x: float
    culprit: bool
    open_end: bool


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Many operations of one outcome as one SVG path."""

    outcome: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """The name of a thread, beside its bars; `y` is the top of its row."""

    name: str
    y: int


@dataclass(frozen=True, kw_only=True)
class Focus:
    """A witness in the timeline of the whole run: where its operations lie."""

    x: float
    width: float
    number: int


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Everything that the template of a timeline needs. `notes` are sentences for the reader."""

    width: int
    height: int
    row_height: int
    rows: tuple[Row, ...]
    rows_top: int
    rows_bottom: int
    lanes: tuple[Lane, ...]
    merged: tuple[Merged, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    focuses: tuple[Focus, ...]
    notes: tuple[str, ...]


def whole_run(report: Report) -> Timeline:
    """All operations of the run, and where the witnesses lie."""
    calls = report.calls
    axis = TimeAxis(
        start_ns=report.start_ns,
        end_ns=calls.last_ns,
        origin_ns=report.origin_ns,
        timed=calls.timed,
    )
    single = len(calls) <= SINGLE_MAX
    special = [entry.place for witness in report.witnesses for entry in witness.entries]
    flags = FLAG_HEIGHT if report.witnesses else 0
    layout = _Layout(
        calls,
        range(len(calls)),
        special,
        height=15,
        first_y=_lanes_height(report, axis) + flags,
    )
    notes = list(layout.notes)
    if not single:
        notes.append(
            f"All {len(calls):,} operations are drawn. One pixel is "
            f"{_width_text(axis)} wide: operations of one client that touch the same pixel are "
            "merged, and where outcomes meet, info lies over fail over ok."
        )
    drawn = range(len(calls)) if single else sorted(set(special))
    numbers = dict.fromkeys(special)
    return _timeline(
        report,
        axis,
        layout,
        bars=_bars(report, axis, layout, drawn, numbers, bar_height=9),
        merged=() if single else _merged(calls, axis, layout, bar_height=9),
        focuses=tuple(
            _focus(axis, witness, number)
            for number, witness in enumerate(report.witnesses, start=1)
        ),
        notes=notes,
    )


def around_witness(report: Report, witness: Witness) -> Timeline:
    """The stretch around `witness`, every operation on its own, those of the witness numbered."""
    around = witness.around
    axis = TimeAxis(
        start_ns=around.start_ns,
        end_ns=around.end_ns,
        origin_ns=report.origin_ns,
        timed=report.calls.timed,
    )
    numbers = {entry.place: entry.number for entry in witness.entries}
    inside = [place for place in numbers if place in set(around.places)]
    layout = _Layout(
        report.calls, around.places, inside, height=24, first_y=_lanes_height(report, axis)
    )
    return _timeline(
        report,
        axis,
        layout,
        bars=_bars(report, axis, layout, around.places, numbers, bar_height=18),
        merged=(),
        focuses=(),
        notes=layout.notes,
    )


class _Layout:
    """Which thread has which row: small numbers first, the threads of witnesses always."""

    def __init__(
        self,
        calls: Calls,
        places: Sequence[int],
        special: Iterable[int],
        *,
        height: int,
        first_y: int,
    ) -> None:
        threads = np.unique(calls.thread[np.fromiter(places, dtype=np.int64)]).tolist()
        wanted = dict.fromkeys(int(calls.thread[place]) for place in special)
        kept = threads
        if len(threads) > ROWS_MAX:
            ranked = [*wanted, *(thread for thread in threads if thread not in wanted)]
            kept = sorted(ranked[:ROWS_MAX])
        self.height = height
        self.first_y = first_y
        self.rest = len(threads) - len(kept)
        self.line = {thread: number for number, thread in enumerate(kept)}
        names = [f"client {thread}" for thread in kept]
        names += [f"{self.rest} others"] if self.rest else []
        self.rows = tuple(
            Row(name=name, y=first_y + number * height) for number, name in enumerate(names)
        )
        self.bottom = first_y + len(self.rows) * height
        self.notes = (
            [f"{count_text(self.rest, 'further client')} share the last row."] if self.rest else []
        )

    def line_of(self, thread: int) -> int:
        return self.line.get(thread, len(self.line))

    def has_own_row(self, thread: int) -> bool:
        return thread in self.line

    def y(self, thread: int) -> int:
        return self.first_y + self.line_of(thread) * self.height


def _timeline(
    report: Report,
    axis: TimeAxis,
    layout: _Layout,
    *,
    bars: tuple[Bar, ...],
    merged: tuple[Merged, ...],
    focuses: tuple[Focus, ...],
    notes: Sequence[str],
) -> Timeline:
    return Timeline(
        width=WIDTH,
        height=layout.bottom + AXIS_HEIGHT,
        row_height=layout.height,
        rows=layout.rows,
        rows_top=layout.first_y,
        rows_bottom=layout.bottom,
        lanes=fault_bands(report.lanes, axis, origin_ns=report.origin_ns),
        merged=merged,
        bars=bars,
        ticks=axis.ticks(),
        focuses=focuses,
        notes=tuple(notes),
    )


def _lanes_height(report: Report, axis: TimeAxis) -> int:
    return 6 + LANE_HEIGHT * len(visible_lanes(report.lanes, axis))


def _bars(
    report: Report,
    axis: TimeAxis,
    layout: _Layout,
    places: Iterable[int],
    numbers: Mapping[int, int | None],
    *,
    bar_height: int,
) -> tuple[Bar, ...]:
    calls = report.calls
    culprits = {
        entry.place for witness in report.witnesses for entry in witness.entries if entry.culprit
    }
    inset = (layout.height - bar_height) / 2
    bars = []
    # Those of the witness come last, to lie in front of their neighbours.
    for place in sorted(places, key=lambda at: (at in culprits, at in numbers, at)):
        x = min(axis.x(int(calls.start_ns[place])), RIGHT - 1.5)
        width = max(axis.x(int(calls.end_ns[place])) - x, 3.0 if place in numbers else 1.5)
        outcome = int(calls.outcome[place])
        # A number stands left of its bar, or in it where there is no room on the left.
        number = numbers.get(place)
        badge_x = x - 10 if x >= LEFT + 18 else x + 12
        label_x = max(x + 5, badge_x + 12) if number is not None else x + 5
        label = call_label(calls, place)
        thread = int(calls.thread[place])
        fits = layout.has_own_row(thread) and bar_height >= 14
        fits = fits and label_x + len(label) * CHARACTER + 3 <= x + width
        bars.append(
            Bar(
                x=x,
                y=layout.y(thread) + inset,
                width=width,
                height=bar_height,
                outcome=OUTCOMES[INFO] if outcome == OPEN else OUTCOMES[outcome],
                label=label if fits else "",
                label_x=label_x,
                title=call_sentence(calls, place, origin_ns=report.origin_ns),
                number=number,
                badge_x=badge_x,
                culprit=place in culprits,
                open_end=outcome in (INFO, OPEN),
            )
        )
    return tuple(bars)


def _merged(
    calls: Calls, axis: TimeAxis, layout: _Layout, *, bar_height: int
) -> tuple[Merged, ...]:
    """One path an outcome: per row, the runs of pixels in which such an operation was under way."""
    scale = (RIGHT - LEFT) / axis.span_ns
    first = np.floor((calls.start_ns - axis.start_ns) * scale).astype(np.int64)
    after = np.ceil((calls.end_ns - axis.start_ns) * scale).astype(np.int64)
    columns = RIGHT - LEFT
    first = np.clip(first, 0, columns - 1)
    after = np.clip(np.maximum(after, first + 1), 1, columns)
    line = _lines(calls, layout)
    inset = (layout.height - bar_height) / 2
    result = []
    for codes in ((OK,), (FAIL,), (INFO, OPEN)):
        chosen = np.isin(calls.outcome, codes)
        # +1 where an operation begins, -1 where it ends: the running sum counts those under way.
        changes = np.zeros((len(layout.rows), columns + 1), dtype=np.int64)
        np.add.at(changes, (line[chosen], first[chosen]), 1)
        np.add.at(changes, (line[chosen], after[chosen]), -1)
        busy = np.zeros((len(layout.rows), columns + 2), dtype=np.int8)
        busy[:, 1:-1] = np.cumsum(changes, axis=1)[:, :-1] > 0
        edges = np.diff(busy, axis=1)
        rows, starts = np.nonzero(edges == 1)
        _, ends = np.nonzero(edges == -1)
        path = "".join(
            f"M{LEFT + start} {pixels(layout.first_y + row * layout.height + inset)}"
            f"h{end - start}v{bar_height}h{start - end}z"
            for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)
        )
        if path:
            result.append(Merged(outcome=OUTCOMES[codes[0]], path=path))
    return tuple(result)


def _lines(calls: Calls, layout: _Layout) -> NDArray[np.int64]:
    """The line of each call."""
    threads, where = np.unique(calls.thread, return_inverse=True)
    lines = np.array([layout.line_of(thread) for thread in threads.tolist()], dtype=np.int64)
    return lines[where]


def _focus(axis: TimeAxis, witness: Witness, number: int) -> Focus:
    left, right = axis.x(witness.around.start_ns), axis.x(witness.around.end_ns)
    width = max(right - left, 8.0)
    return Focus(x=min((left + right - width) / 2, RIGHT - width), width=width, number=number)


def _width_text(axis: TimeAxis) -> str:
    step = axis.span_ns // (RIGHT - LEFT)
    return duration_text(step) if axis.timed else count_text(step, "row")
