"""Step two of three, the witness: one line an operation, on an axis stretched to be legible.

    1  process 4  write 9    ▬▬▬▬▬
    2  process 0  read → 9            ▬▬▬
    3  process 7  read → 7                   ▬▬▬▬     the culprit: nothing explains it

A line of its own keeps every label readable however short the operation was, and real-time order
shows as a staircase: bars that overlap were concurrent, a bar that begins right of another's end
came after it. Time is stretched (reports.axis.StretchedAxis): order is exact, lengths are not, and
the axis names the moments. Faults lie behind, on the same axis.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.history import INFO
from reports.axis import RIGHT, WIDTH, StretchedAxis, spread
from reports.calls import OPEN, OUTCOMES
from reports.drawing import CHARACTER
from reports.fault_drawing import LANE_HEIGHT
from reports.model import Report
from reports.witness import Witness
from reports.wording import clip, decimals_needed, moment_text

LINE_HEIGHT = 30
BOTTOM = 26
#: Room for number, process and label; long labels are clipped, the sentence has them whole.
LABELS = 330
PROCESS_X = 34
#: Faults of one kind behind a witness; the table of faults has them all.
SHADES_MAX = 60
#: Widths of one character of a process and of a label, on average, in the style sheet's sizes.
PROCESS_CHARACTER = 6.6
LABEL_CHARACTER = 7.4


@dataclass(frozen=True, kw_only=True)
class Line:
    """One operation of the witness; the bar reaches from `x` over `width`."""

    number: int
    process: str
    label: str
    y: int
    x: float
    width: float
    outcome: str
    culprit: bool
    open_end: bool


@dataclass(frozen=True, kw_only=True)
class Shade:
    """A fault behind the bars."""

    x: float
    y: int
    width: float
    colour: int
    letter: str
    letter_x: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A moment on the axis."""

    x: float
    text: str
    labelled: bool


@dataclass(frozen=True, kw_only=True)
class WitnessDrawing:
    """Everything that the template of a witness needs."""

    width: int
    height: int
    left: int
    top: int
    bottom: int
    process_x: int
    label_x: float
    lines: tuple[Line, ...]
    shades: tuple[Shade, ...]
    marks: tuple[Mark, ...]


def draw_witness(report: Report, witness: Witness) -> WitnessDrawing:
    """The geometry of `witness`."""
    calls = report.calls
    places = [entry.place for entry in witness.entries]
    starts = calls.start_ns[places].tolist()
    # An open call ends with the run, which is no event of the witness: its bar is left open.
    ends = [
        end
        for place, end in zip(places, calls.end_ns[places].tolist(), strict=True)
        if calls.outcome[place] != OPEN
    ]
    axis = StretchedAxis([*starts, *ends], left=LABELS + 8, right=RIGHT - 34)
    shades = _shades(report, axis)
    top = 4 + max((shade.y + LANE_HEIGHT for shade in shades), default=0)
    bottom = top + LINE_HEIGHT * len(places)
    processes = [f"process {int(process)}" for process in calls.process[places]]
    label_x = PROCESS_X + 10 + PROCESS_CHARACTER * max(map(len, processes))
    lines = []
    for number, entry in enumerate(witness.entries):
        outcome = int(calls.outcome[entry.place])
        open_end = outcome in (INFO, OPEN)
        left = axis.x(int(calls.start_ns[entry.place]))
        # What may act on reaches to the edge: its end is not known.
        right = RIGHT if open_end else axis.x(int(calls.end_ns[entry.place]))
        lines.append(
            Line(
                number=entry.number,
                process=processes[number],
                label=clip(entry.label, max(8, int((LABELS - label_x) / LABEL_CHARACTER))),
                y=top + number * LINE_HEIGHT,
                x=left,
                width=max(right - left, 4.0),
                outcome=OUTCOMES[INFO] if open_end else OUTCOMES[outcome],
                culprit=entry.culprit,
                open_end=open_end,
            )
        )
    return WitnessDrawing(
        width=WIDTH,
        height=bottom + BOTTOM,
        left=LABELS,
        top=top,
        bottom=bottom,
        process_x=PROCESS_X,
        label_x=label_x,
        lines=tuple(lines),
        shades=shades,
        marks=_marks(report, axis),
    )


def _shades(report: Report, axis: StretchedAxis) -> tuple[Shade, ...]:
    first, last = axis.moments[0], axis.moments[-1]
    shades = []
    y = 0
    for lane in report.lanes:
        faults = [
            fault for fault in lane.faults if fault.start_ns <= last and fault.end_ns >= first
        ]
        for fault in faults[:SHADES_MAX]:
            left = LABELS if fault.start_ns < first else axis.x(fault.start_ns)
            right = RIGHT if fault.end_ns > last else axis.x(fault.end_ns)
            shades.append(
                Shade(
                    x=left,
                    y=y,
                    width=max(right - left, 2.0),
                    colour=lane.colour,
                    letter=_shade_label(lane.letter, lane.name, right - left),
                    letter_x=(left + right) / 2,
                    title=f"{fault.kind} {fault.what}".strip(),
                )
            )
        y += LANE_HEIGHT if faults else 0
    return tuple(shades)


def _shade_label(letter: str, name: str, room: float) -> str:
    """Letter and name, or the letter, or nothing: what there is room for."""
    whole = f"{letter} {name}"
    if len(whole) * CHARACTER + 6 <= room:
        return whole
    return letter if room >= 12 else ""


def _marks(report: Report, axis: StretchedAxis) -> tuple[Mark, ...]:
    moments = [moment - report.origin_ns for moment in axis.moments]
    decimals = decimals_needed(moments)
    labelled = set(spread(axis.places, 40.0 + 8.0 * decimals))
    return tuple(
        Mark(
            x=place,
            text=moment_text(moment, decimals) if report.calls.timed else f"row {moment}",
            labelled=number in labelled,
        )
        for number, (place, moment) in enumerate(zip(axis.places, moments, strict=True))
    )
