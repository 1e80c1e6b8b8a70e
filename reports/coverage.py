"""What a run reached: what nodes noted and how often, and which faults really happened.

A test that never elected two leaders proves little about elections. So everything that nodes noted
(`Context.probe`) is counted, with when and where it first happened, and of every kind of fault is
said how much of the run it lasted. What was asked for and did not happen stands out.

>>> told = [Kind(name="partition", count=0, total_ns=None, share="–")]
>>> Coverage(goals=(), faults=tuple(told), notes=()).faults[0].count
0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.simulation.recording import Recording
from reports.faults import FaultLane
from reports.model import Report
from reports.wording import visible

GOALS_MAX = 60


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Something that nodes noted. `first_ns` counts from the report's origin."""

    name: str
    count: int
    first_ns: int | None
    nodes: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of fault: how often it began, and how long it lasted in all."""

    name: str
    count: int
    total_ns: int | None
    share: str


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Both tables of the panel, and sentences on what is left out."""

    goals: tuple[Goal, ...]
    faults: tuple[Kind, ...]
    notes: tuple[str, ...]


def coverage(report: Report, recording: Recording | None) -> Coverage | None:
    """What the run reached; None if there is nothing to say about it."""
    goals = [] if recording is None else _goals(report, recording)
    faults = _faults(report)
    if not goals and not faults:
        return None
    notes = []
    if len(goals) > GOALS_MAX:
        notes.append(f"{len(goals) - GOALS_MAX} rarer events are left out.")
    return Coverage(goals=tuple(goals[:GOALS_MAX]), faults=tuple(faults), notes=tuple(notes))


def _goals(report: Report, recording: Recording) -> list[Goal]:
    marks, words = recording.marks, recording.words
    counts = recording.facts.goals
    goals = []
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        mine = marks["word"] == words.index(name) if name in words else np.zeros(0, dtype=bool)
        at = np.flatnonzero(mine)
        nodes = np.unique(marks["node"][at]).tolist() if len(at) else []
        goals.append(
            Goal(
                name=visible(name, 60),
                count=count,
                first_ns=int(marks["time_ns"][at[0]]) - report.origin_ns if len(at) else None,
                nodes=", ".join(f"n{node}" for node in nodes),
            )
        )
    return goals


def _faults(report: Report) -> list[Kind]:
    kinds = [_kind(lane, report.duration_ns) for lane in report.lanes]
    asked = dict(report.facts).get("nemesis", "")
    names = [name.strip() for name in asked.split(",")] if asked else []
    seen = " ".join(kind.name for kind in kinds)
    # A nemesis that was asked for and did nothing at all, when another one did: worth knowing.
    kinds += [
        Kind(name=visible(name, 60), count=0, total_ns=None, share="–")
        for name in names
        if name not in ("", "none") and kinds and len(names) > 1 and name not in seen
    ]
    return kinds


def _kind(lane: FaultLane, duration_ns: int) -> Kind:
    total_ns = sum(end - start for start, end in _merged(lane))
    return Kind(
        name=lane.name,
        count=len(lane.faults),
        total_ns=total_ns or None,
        share=f"{total_ns / duration_ns:.0%}" if total_ns and duration_ns > 0 else "–",
    )


def _merged(lane: FaultLane) -> list[tuple[int, int]]:
    """The faults of a lane as stretches that do not overlap."""
    stretches: list[tuple[int, int]] = []
    for fault in lane.faults:
        if stretches and fault.start_ns <= stretches[-1][1]:
            start, end = stretches[-1]
            stretches[-1] = (start, max(end, fault.end_ns))
        else:
            stretches.append((fault.start_ns, fault.end_ns))
    return stretches
