"""The run as the page's script takes it: columns and texts, packed, gzipped and in base64.

    history, recording ─▶ header (JSON) + columns (harness.columns) + texts (lines of JSON)
                          │
                          ▼  gzip, base64
    <script type="application/octet-stream">     a block of data: no browser runs it

    container: length of the header (4 bytes, little endian) | header | everything else

The header says where each column and text lies. Times count from `origin_ns`, which the header
gives as text, because JavaScript's numbers hold no wall clock in nanoseconds. Values stand in it
as the lines that the history file has, so that a download from the page is that file again.

Limits, each told in `Payload.notes` where it is reached: `CALLS_MAX` operations, kept whole around
witnesses and thinned elsewhere; `MESSAGES_MAX` messages, those nearest to a witness or the last
ones; bodies of messages as far as `BODIES_CHARACTERS` go; values of `VALUE_CHARACTERS`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.columns import pack
from harness.history import INFO, INVOKE
from harness.simulation.recording import Recording
from reports.calls import Calls
from reports.model import Report
from reports.wording import count_text, value_text, visible

CALLS_MAX = 200_000
MESSAGES_MAX = 100_000
VALUE_CHARACTERS = 4_000
BODIES_CHARACTERS = 3_000_000
#: Around a witness everything is kept, so far in both directions.
AROUND_NS = 5_000_000_000
#: Faster than the best compression, and hardly bigger.
_LEVEL = 5


@dataclass(frozen=True, kw_only=True)
class Payload:
    """The data block and sentences on what is not in it."""

    text: str
    notes: tuple[str, ...]


def payload(report: Report, recording: Recording | None) -> Payload:
    """Everything that the page's script draws and lists."""
    box = _Box()
    notes: list[str] = []
    _history(box, report, notes)
    if recording is not None:
        _recording(box, report, recording, notes)
    header = _header(report, recording)
    return Payload(text=box.encode(header), notes=tuple(notes))


class _Box:
    """Columns and texts on their way into the container."""

    def __init__(self) -> None:
        self.columns: dict[str, tuple[int, int, int]] = {}
        self.texts: dict[str, tuple[int, int]] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def column(self, name: str, numbers: NDArray[np.integer[Any]]) -> None:
        packed = pack(numbers.astype(np.int64))
        self.columns[name] = (self._size, len(packed), len(numbers))
        self._add(packed)

    def text(self, name: str, lines: Iterable[str]) -> None:
        """Lines without line ends of their own; lone surrogates are replaced."""
        encoded = "\n".join(lines).encode("utf-8", "replace")
        self.texts[name] = (self._size, len(encoded))
        self._add(encoded)

    def _add(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)

    def encode(self, header: Mapping[str, Any]) -> str:
        head = msgspec.json.encode({**header, "columns": self.columns, "texts": self.texts})
        whole = b"".join([len(head).to_bytes(4, "little"), head, *self._parts])
        return base64.b64encode(gzip.compress(whole, _LEVEL, mtime=0)).decode()


def _header(report: Report, recording: Recording | None) -> dict[str, Any]:
    calls, origin = report.calls, report.origin_ns
    return {
        "origin": str(origin),
        "timed": calls.timed,
        "stamped": bool((calls.history.time_ns >= 0).all()),
        "start": report.start_ns - origin,
        "end": calls.last_ns - origin,
        "rows": len(calls.history),
        "concurrency": calls.concurrency,
        "processes": list(calls.history.process_names),
        "functions": list(calls.history.functions),
        "lanes": [
            {
                "name": lane.name,
                "letter": lane.letter,
                "colour": lane.colour,
                "faults": [
                    [fault.start_ns - origin, fault.end_ns - origin, fault.state, fault.what]
                    for fault in lane.faults
                ],
            }
            for lane in report.lanes
        ],
        "witnesses": [
            {
                "checker": witness.checker,
                "rows": [int(calls.row[entry.place]) for entry in witness.entries],
                "culprit": None
                if witness.culprit is None
                else int(calls.row[witness.culprit.place]),
            }
            for witness in report.witnesses
        ],
        "nodes": 0 if recording is None else recording.nodes,
        "kinds": [] if recording is None else [visible(kind, 60) for kind in recording.kinds],
        "words": [] if recording is None else [visible(word, 60) for word in recording.words],
    }


def _history(box: _Box, report: Report, notes: list[str]) -> None:
    calls = report.calls
    history = calls.history
    rows = _kept_rows(report, notes)
    if rows is not None:
        box.column("row", rows)
    else:
        rows = np.arange(len(history))
    if not bool((history.index[rows] == rows).all()):
        box.column("index", history.index[rows])
    box.column("time", calls.times_ns[rows] - report.origin_ns)
    box.column("type", history.type[rows])
    threads = _threads(calls) if len(rows) == len(history) else None
    box.column(
        "process" if threads is None else "thread",
        (history.process if threads is None else threads)[rows],
    )
    # What a completion says again is left out, if all of them do.
    begins = (history.type == INVOKE) | ~history.client_rows
    asked = np.where(begins, np.arange(len(history)), history.partner)
    repeats = bool(
        (history.f[asked] == history.f).all() and (history.key[asked] == history.key).all()
    )
    told = rows[begins[rows]] if repeats else rows
    box.column("f", history.f[told])
    box.column("key", history.key[told])
    box.column("value", history.value[rows])
    errors = history.errors
    failed = np.array(sorted(errors), dtype=np.int64)
    failed = failed[np.isin(failed, rows)]
    box.column("error", failed)
    used = np.zeros(len(history.values), dtype=bool)
    used[history.value[rows]] = True
    cut = [0]
    box.text("keys", (_json(key, cut) for key in history.keys))
    box.text(
        "values",
        (
            _json(value, cut) if wanted else ""
            for value, wanted in zip(history.values, used.tolist(), strict=True)
        ),
    )
    box.text("errors", (_json(errors[row], cut) for row in failed.tolist()))
    if cut[0]:
        notes.append(
            f"{count_text(cut[0], 'value')} of more than {VALUE_CHARACTERS:,} characters "
            "are cut in this page and in what it lets you download."
        )


def _threads(calls: Calls) -> NDArray[np.int64] | None:
    """Of each row its thread, if processes follow from that: a client that ends `info` is retired,
    and its thread goes on as the next process. What is no client keeps its process."""
    order = np.lexsort((calls.row, calls.thread))
    thread = calls.thread[order]
    retired = (calls.outcome[order] == INFO).astype(np.int64)
    before = np.cumsum(retired) - retired
    first = np.searchsorted(thread, thread)
    expected = thread + calls.concurrency * (before - before[first])
    if not bool((calls.process[order] == expected).all()):
        return None
    process = calls.history.process
    return np.where(process >= 0, process % calls.concurrency, process)


def _json(value: Any, cut: list[int]) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        text = json.dumps(value_text(value))
    if len(text) > VALUE_CHARACTERS:
        cut[0] += 1
        return json.dumps(visible(text, VALUE_CHARACTERS))
    return text


def _kept_rows(report: Report, notes: list[str]) -> NDArray[np.int64] | None:
    """The rows to ship: None means all of them."""
    calls = report.calls
    if len(calls) <= CALLS_MAX:
        return None
    kept = np.zeros(len(calls), dtype=bool)
    for witness in report.witnesses:
        kept[[entry.place for entry in witness.entries]] = True
    for start_ns, end_ns in _spans(report):
        near = (calls.start_ns <= end_ns) & (calls.end_ns >= start_ns)
        if int((kept | near).sum()) <= CALLS_MAX:
            kept |= near
    rest = np.flatnonzero(~kept)
    room = CALLS_MAX - int(kept.sum())
    step = -(-len(rest) // max(room, 1))
    kept[rest[::step]] = True
    notes.append(
        f"{int(kept.sum()):,} of {len(calls):,} operations are in this page: all within "
        f"{AROUND_NS // 10**9} s of a witness, and one in {step} of the others. The history file "
        "has all of them."
    )
    chosen = ~calls.history.client_rows
    places = np.flatnonzero(kept)
    chosen[calls.row[places]] = True
    ends = calls.completion[places]
    chosen[ends[ends >= 0]] = True
    return np.flatnonzero(chosen)


def _spans(report: Report) -> list[tuple[int, int]]:
    """Around each witness: what is kept whole."""
    return [
        (witness.around.start_ns - AROUND_NS, witness.around.end_ns + AROUND_NS)
        for witness in report.witnesses
    ]


def _recording(box: _Box, report: Report, recording: Recording, notes: list[str]) -> None:
    origin = report.origin_ns
    messages = recording.messages
    kept = _kept_messages(report, recording, notes)
    for name in ("source", "destination", "kind", "lost"):
        box.column(f"m.{name}", messages[name][kept])
    box.column("m.end", messages["end_ns"][kept] - origin)
    box.column("m.took", messages["end_ns"][kept] - messages["sent_ns"][kept])
    told, bodies = _bodies(report, recording, kept, notes)
    box.column("m.body", told)
    box.text("bodies", bodies)
    for name, table in (
        ("s", recording.sightings),
        ("l", recording.lives),
        ("p", recording.marks),
    ):
        for column, numbers in table.items():
            if column == "time_ns":
                box.column(f"{name}.time", numbers - origin)
            else:
                box.column(f"{name}.{column}", numbers)


def _kept_messages(
    report: Report, recording: Recording, notes: list[str]
) -> NDArray[np.int64] | slice:
    ends = recording.messages["end_ns"]
    missing = recording.forgotten
    kept: NDArray[np.int64] | slice = slice(None)
    if len(ends) > MESSAGES_MAX:
        centre = _centre(report, int(ends[-1]))
        nearest = np.argsort(np.abs(ends - centre), kind="stable")[:MESSAGES_MAX]
        kept = np.sort(nearest)
        missing += len(ends) - MESSAGES_MAX
    if missing:
        first = ends[kept][:1] - report.origin_ns
        since = f", from {first[0] / 1e9:.3f} s on" if len(first) else ""
        notes.append(
            f"{len(ends[kept]):,} of {len(ends) + recording.forgotten:,} messages are in this "
            f"page{since}. A replay of the run records the last million."
        )
    return kept


def _centre(report: Report, last_ns: int) -> int:
    """The moment around which to keep messages: the first witness, or the end."""
    for witness in report.witnesses:
        return (witness.around.start_ns + witness.around.end_ns) // 2
    return last_ns


def _bodies(
    report: Report,
    recording: Recording,
    kept: NDArray[np.int64] | slice,
    notes: list[str],
) -> tuple[NDArray[np.int64], Sequence[str]]:
    """For each message the number of its body, -1 if that is not told; and the bodies."""
    body = recording.messages["body"][kept]
    lengths = np.array([len(text) for text in recording.bodies], dtype=np.int64)
    used, first = np.unique(body, return_index=True)
    if int(lengths[used].sum()) > BODIES_CHARACTERS:
        ends = recording.messages["end_ns"][kept]
        far = np.abs(ends[first] - _centre(report, int(ends[-1])))
        order = np.argsort(far, kind="stable")
        inside = np.cumsum(lengths[used][order]) <= BODIES_CHARACTERS
        used = np.sort(used[order[inside]])
        notes.append(
            f"The contents of {len(used):,} of {len(first):,} different messages are in this page, "
            "those nearest to the witness or the end; of the others only kind, way and time."
        )
    place = np.full(len(recording.bodies), -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    texts = (recording.bodies[number] for number in used.tolist())
    # A line each; what cannot be seen is escaped by the page as well.
    return place[body], [text if text.isprintable() else visible(text, 400) for text in texts]
