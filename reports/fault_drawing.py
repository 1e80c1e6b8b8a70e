"""Step two of three, the faults: one lane a kind, the same in every drawing of a run.

A lane stands above the operations and names its kind; each fault is a bar in it and a tint through
everything below, so that overlapping kinds stay apart and their common effect is still seen.

Limits: a lane with more than `LANE_SINGLE_MAX` faults is drawn merged where a pixel cannot part
them; its titles then say how many there are, and the table of faults lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.axis import TimeAxis
from reports.faults import Fault, FaultLane
from reports.wording import clip, moment_text

LANE_SINGLE_MAX = 100
LANE_HEIGHT = 18
#: A bar narrower than this has no room for its letter.
LETTER_WIDTH = 12.0


@dataclass(frozen=True, kw_only=True)
class Band:
    """One fault, or several that cannot be told apart at this size, in its lane."""

    x: float
    width: float
    letter: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Lane:
    """The lane of one kind of fault; `y` is its top."""

    name: str
    letter: str
    colour: int
    y: int
    bands: tuple[Band, ...]


def visible_lanes(lanes: Sequence[FaultLane], axis: TimeAxis) -> list[FaultLane]:
    """The lanes with a fault inside the stretch that `axis` shows."""
    return [lane for lane in lanes if any(_is_within(fault, axis) for fault in lane.faults)]


def fault_bands(lanes: Sequence[FaultLane], axis: TimeAxis, *, origin_ns: int) -> tuple[Lane, ...]:
    """The lanes that have something to show within `axis`, top down."""
    return tuple(
        Lane(
            name=clip(lane.name, 13),
            letter=lane.letter,
            colour=lane.colour,
            y=number * LANE_HEIGHT,
            bands=_lane_bands(lane, axis, origin_ns),
        )
        for number, lane in enumerate(visible_lanes(lanes, axis))
    )


def _lane_bands(lane: FaultLane, axis: TimeAxis, origin_ns: int) -> tuple[Band, ...]:
    faults = [fault for fault in lane.faults if _is_within(fault, axis)]
    if len(faults) > LANE_SINGLE_MAX:
        title = f"{lane.name}: {len(faults):,} faults, too close to tell apart here"
        return tuple(
            _band(axis, start, end, lane.letter, title) for start, end in spans(lane, axis)
        )
    return tuple(
        _band(axis, fault.start_ns, fault.end_ns, lane.letter, _title(fault, axis, origin_ns))
        for fault in faults
    )


def _is_within(fault: Fault, axis: TimeAxis) -> bool:
    return fault.start_ns <= axis.end_ns and fault.end_ns >= axis.start_ns


def _title(fault: Fault, axis: TimeAxis, origin_ns: int) -> str:
    what = f": {fault.what}" if fault.what else ""
    if not axis.timed:
        return fault.kind + what
    start = moment_text(fault.start_ns - origin_ns)
    if fault.state == "moment":
        return f"{fault.kind} at {start}{what}"
    if fault.state == "open":
        return f"{fault.kind} from {start} on, never stopped{what}"
    return f"{fault.kind} from {start} to {moment_text(fault.end_ns - origin_ns)}{what}"


def _band(axis: TimeAxis, start_ns: float, end_ns: float, letter: str, title: str) -> Band:
    left, right = axis.x(start_ns), axis.x(end_ns)
    width = max(right - left, 2.0)
    return Band(
        x=min(left, axis.right - width),
        width=width,
        letter=letter if width >= LETTER_WIDTH else "",
        title=title,
    )


def spans(lane: FaultLane, axis: TimeAxis) -> list[tuple[int, int]]:
    """Disjoint intervals that `lane`'s faults cover, merged where a pixel cannot part them."""
    gap = int(axis.span_ns / (axis.right - axis.left))
    joined: list[tuple[int, int]] = []
    for fault in lane.faults:  # by start
        start, end = max(fault.start_ns, axis.start_ns), min(fault.end_ns, axis.end_ns)
        if end < start:
            continue
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
