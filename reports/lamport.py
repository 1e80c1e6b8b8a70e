"""A Lamport diagram around the witness: nodes as lines, messages as arrows, operations as bars.

    client  ──▐ write 4 ▌──────────▐ read → 3 ▌──     the threads of the witness
    n1      ━━━━╲━━━━━━━━━━━━━━━━╱━━━━━━━━━━━━━━━     thick: it leads; dotted: down; dashed: paused
    n2      ─────╲──────────────╱────────────────
    n3      ··········╳ lost ────────────────────

Drawn is as much of the time around the witness as has at most `MESSAGES_MAX` messages between
nodes, around the operation that nothing explains; the notes say what was left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history import FAIL, OK
from harness.simulation.recording import Recording
from reports.axis import TimeAxis
from reports.calls import OPEN, Calls
from reports.figures import Drawing
from reports.model import Report
from reports.palette import LIGHT
from reports.sentences import call_label
from reports.witness import Witness
from reports.wording import clip, count_text

MESSAGES_MAX = 160
CLIENTS_MAX = 6
#: The height of a row, in points.
ROW = 26
_BAR = 0.36
_LABEL_CHARACTERS = 26


@dataclass(frozen=True)
class Diagram:
    """A drawing and the time that it shows."""

    drawing: Drawing
    axis: TimeAxis


def lamport_diagram(report: Report, recording: Recording | None) -> Diagram | None:
    """The diagram of the first witness; None without a witness, times or a recording."""
    if recording is None or not report.witnesses or not report.calls.timed:
        return None
    witness = report.witnesses[0]
    start_ns, end_ns, notes = _window(report.calls, recording, witness)
    axis = TimeAxis(start_ns=start_ns, end_ns=end_ns, origin_ns=report.origin_ns)
    threads = list(
        dict.fromkeys(int(report.calls.thread[entry.place]) for entry in witness.entries)
    )
    # the culprit's is among them, whatever is left out
    threads = sorted(threads[-CLIENTS_MAX:])
    rows = [f"client {thread}" for thread in threads]
    rows += [f"n{node}" for node in range(1, recording.nodes + 1)]
    scene = _Scene(report, recording, witness, axis, threads)

    def paint(axes: Any) -> None:
        axes.set_ylim(len(rows) - 0.4, -0.75)
        axes.set_yticks(range(len(rows)), rows)
        scene.nodes(axes)
        scene.messages(axes)
        scene.operations(axes)
        scene.key(axes)

    return Diagram(Drawing("lamport", "", ROW * len(rows), paint, notes, ruled=False), axis)


def _window(
    calls: Calls, recording: Recording, witness: Witness
) -> tuple[int, int, tuple[str, ...]]:
    start_ns, end_ns = max(witness.around.start_ns, 0), witness.around.end_ns
    entry = witness.culprit or witness.entries[-1]
    begun = int(calls.start_ns[entry.place])
    ended = begun if calls.outcome[entry.place] == OPEN else int(calls.end_ns[entry.place])
    whole = len(_between_nodes(recording, start_ns, end_ns))
    least = max(ended - begun, 1_000) // 4
    before, after = max(begun - start_ns, least), max(end_ns - ended, least)
    while len(_between_nodes(recording, begun - before, ended + after)) > MESSAGES_MAX:
        if before + after <= 2 * least:
            break
        before, after = max(before * 4 // 5, least), max(after * 4 // 5, least)
    start_ns, end_ns = begun - before, ended + after
    drawn = min(len(_between_nodes(recording, start_ns, end_ns)), MESSAGES_MAX)
    note = f"{count_text(drawn, 'message')} of {whole:,} around the witness are drawn."
    return start_ns, end_ns, (note,) if drawn < whole else ()


def _between_nodes(recording: Recording, start_ns: int, end_ns: int) -> NDArray[np.int64]:
    """The messages between nodes that are under way at some time from `start_ns` to `end_ns`."""
    found = recording.messages
    nodes = recording.nodes
    return np.flatnonzero(
        (found["end_ns"] >= start_ns)
        & (found["sent_ns"] <= end_ns)
        & (found["source"] <= nodes)
        & (found["destination"] <= nodes)
    )


@dataclass(frozen=True)
class _Scene:
    """Everything that is painted; rows from the top: clients, then nodes."""

    report: Report
    recording: Recording
    witness: Witness
    axis: TimeAxis
    threads: Sequence[int]

    def _x(self, time_ns: int) -> float:
        return (time_ns - self.report.origin_ns) / 1e9

    def _row(self, endpoint: int) -> int:
        """Of a node, or of a client that is shown."""
        nodes = self.recording.nodes
        if endpoint > nodes:
            return self.threads.index(endpoint - nodes - 1)
        return len(self.threads) + endpoint - 1

    def _of_witness(self) -> NDArray[np.int64]:
        """The messages by which the operations of the witness were asked and answered."""
        found, calls = self.recording.messages, self.report.calls
        chosen = np.zeros(len(found["end_ns"]), dtype=bool)
        for entry in self.witness.entries:
            thread = int(calls.thread[entry.place])
            if thread not in self.threads:
                continue
            client = self.recording.nodes + 1 + thread
            begun, ended = int(calls.start_ns[entry.place]), int(calls.end_ns[entry.place])
            if calls.outcome[entry.place] == OPEN or begun > self.axis.end_ns:
                continue
            its = (found["source"] == client) | (found["destination"] == client)
            chosen |= its & (found["sent_ns"] >= begun) & (found["end_ns"] <= ended)
        chosen &= (found["end_ns"] >= self.axis.start_ns) & (found["sent_ns"] <= self.axis.end_ns)
        return np.flatnonzero(chosen)[:MESSAGES_MAX]

    def nodes(self, axes: Any) -> None:
        """A line a node: how it lived and whether it led."""
        found = self.recording
        start, end = self.axis.start_ns, self.axis.end_ns
        for node in range(1, found.nodes + 1):
            row = self._row(node)
            for begun, ended, life in _stretches(_steps(found.lives, node, "word"), start, end):
                word = found.words[life] if life >= 0 else "up"
                style = {"down": (0, (1, 2.5)), "paused": (0, (5, 3))}.get(word, "-")
                axes.plot(
                    [self._x(begun), self._x(ended)],
                    [row, row],
                    color=LIGHT["muted"],
                    linewidth=1.0,
                    linestyle=style,
                    zorder=2,
                )
            self._leading(axes, node, row)

    def _leading(self, axes: Any, node: int, row: int) -> None:
        """The time for which a node says it leads, thick, with its term."""
        found, start, end = self.recording, self.axis.start_ns, self.axis.end_ns
        seen = found.sightings
        mine = np.flatnonzero(seen["node"] == node)
        steps = [
            (time, term if found.words[role] == "leader" else -1)
            for time, role, term in zip(
                *(seen[name][mine].tolist() for name in ("time_ns", "role", "term")), strict=True
            )
        ]
        deaths = [
            (time, -1)
            for time, life in _steps(found.lives, node, "word")
            if found.words[life] == "down"
        ]
        steps = sorted(steps + deaths, key=lambda step: step[0])
        changes = [
            step for before, step in pairwise([(0, -1), *steps]) if step[1] != before[1]
        ]  # fmt: skip
        for begun, ended, term in _stretches(changes, start, end):
            if term < 0:
                continue
            axes.plot(
                [self._x(begun), self._x(ended)],
                [row, row],
                color=LIGHT["ink"],
                linewidth=3.2,
                solid_capstyle="butt",
                zorder=3,
            )
            axes.annotate(
                f"leads in term {term}" if term else "leads",
                (self._x(begun), row),
                xytext=(3, 4),
                textcoords="offset points",
                fontsize=6,
                color=LIGHT["ink"],
                zorder=6,
                annotation_clip=True,
            )

    def messages(self, axes: Any) -> None:
        """An arrow a message; one that was lost ends in a cross."""
        found = self.recording.messages
        places = _between_nodes(self.recording, self.axis.start_ns, self.axis.end_ns)
        places = np.concatenate([places[:MESSAGES_MAX], self._of_witness()])
        names = ("sent_ns", "end_ns", "source", "destination", "lost")
        rows = zip(*(found[name][places].tolist() for name in names), strict=True)
        for sent, ended, source, target, lost in rows:
            of_client = max(source, target) > self.recording.nodes
            colour = LIGHT["fail" if lost else "ink" if of_client else "ok"]
            begin = (self._x(sent), self._row(source))
            if lost and sent == ended:  # it never left: a cross beside where it was sent
                step = 0.28 if target > source else -0.28
                axes.plot(*begin[:1], begin[1] + step, "x", color=colour, markersize=3.4, zorder=4)
                continue
            arrow = {"arrowstyle": "-" if lost else "-|>,head_length=.3,head_width=.13"}
            end = (self._x(ended), self._row(target))
            if lost:
                axes.plot(*end, "x", color=colour, markersize=4, zorder=4)
            axes.annotate(
                "",
                xy=end,
                xytext=begin,
                annotation_clip=False,
                clip_on=True,
                zorder=4,
                arrowprops=arrow
                | {"color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0, "clip_on": True},
            )

    def operations(self, axes: Any) -> None:
        """A bar an operation of the clients of the witness; those of the witness say what."""
        calls, told = self.report.calls, {e.place: e for e in self.witness.entries}
        start, end = self.axis.start_ns, self.axis.end_ns
        inside = np.flatnonzero((calls.start_ns <= end) & (calls.end_ns >= start))
        for place in inside.tolist():
            thread = int(calls.thread[place])
            if thread not in self.threads:
                continue
            row = self.threads.index(thread)
            outcome = int(calls.outcome[place])
            role = "ok" if outcome == OK else "fail" if outcome == FAIL else "info"
            entry = told.get(place)
            culprit = entry is not None and entry.culprit
            begun = max(int(calls.start_ns[place]), start)
            ended = min(int(calls.end_ns[place]), end)
            axes.broken_barh(
                [(self._x(begun), (ended - begun) / 1e9)],
                (row - _BAR / 2, _BAR),
                facecolor=LIGHT["fail" if culprit else role] if outcome == OK else "none",
                edgecolor=LIGHT["fail" if culprit else role],
                linewidth=1.8 if culprit else 0.8,
                alpha=1.0 if entry else 0.35,
                zorder=5,
            )
            if entry is not None:
                late = begun - start > 0.7 * (end - start)
                axes.annotate(
                    f"{entry.number}: {clip(call_label(calls, place), _LABEL_CHARACTERS)}",
                    (self._x(ended if late else begun), row - _BAR / 2),
                    xytext=(0, 2),
                    textcoords="offset points",
                    fontsize=7,
                    color=LIGHT["fail" if culprit else "ink"],
                    horizontalalignment="right" if late else "left",
                    parse_math=False,
                    zorder=6,
                )

    def key(self, axes: Any) -> None:
        """What the marks mean, as entries of the legend; nothing of it is on the axes."""
        for label, style in (
            ("message", {"color": LIGHT["ok"], "linewidth": 0.8}),
            ("of a client", {"color": LIGHT["ink"], "linewidth": 0.8}),
            ("lost", {"color": LIGHT["fail"], "marker": "x", "linestyle": "none", "markersize": 4}),
            ("leads", {"color": LIGHT["ink"], "linewidth": 3.2}),
            ("paused", {"color": LIGHT["muted"], "linestyle": (0, (5, 3)), "linewidth": 1}),
            ("down", {"color": LIGHT["muted"], "linestyle": (0, (1, 2.5)), "linewidth": 1}),
        ):
            axes.plot([], [], label=label, **style)


def _steps(table: dict[str, NDArray[np.int64]], node: int, name: str) -> list[tuple[int, int]]:
    """The moments at which something of a node changed, and to what."""
    mine = table["node"] == node
    return list(zip(table["time_ns"][mine].tolist(), table[name][mine].tolist(), strict=True))


def _stretches(
    steps: Sequence[tuple[int, int]], start_ns: int, end_ns: int
) -> list[tuple[int, int, int]]:
    """From when to when each value held within the time; -1 before the first step.

    >>> _stretches([(0, 7), (50, 8)], 10, 100)
    [(10, 50, 7), (50, 100, 8)]
    """
    bounds = [(start_ns, -1), *((max(time, start_ns), value) for time, value in steps)]
    pieces = [
        (begun, min(ended, end_ns), value)
        for (begun, value), (ended, _) in pairwise([*bounds, (end_ns, -1)])
    ]
    return [(begun, ended, value) for begun, ended, value in pieces if begun < ended]
