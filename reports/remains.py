"""What a run that broke off has left in its folder, read as far as it goes.

    plan.json              always there: what was asked for; what was drawn, unless it was killed
    history.jsonl          rows, the last one perhaps cut short
    trace.jsonl            events, if the process could still write them
    recording.msgpack.gz   messages and nodes, likewise
    broken-off.json        why, likewise                                 ──▶ Remains

Nothing here is judged: the verdict is `unknown`, and its reason says where the run broke off.

Limits: of a process that was killed the last moment that is known is that of its last row; if the
machine itself stopped, the rows of its last seconds may be missing.

>>> whole_rows(b'{"process":0,"type":"invoke","f":"read"}\\n{"process":0,"ty')
(b'{"process":0,"type":"invoke","f":"read"}\\n', b'{"process":0,"ty')
"""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from harness.claim import BrokenOff, broken_off, is_under_way
from harness.errors import UsageError
from harness.formats.jsonl import read_jsonl
from harness.formats.source import Source
from harness.history import History, Recorder
from harness.operation import OperationType
from harness.plan import Plan
from harness.simulation.recording import Recording
from harness.store import RunFolder
from harness.units import SECOND_NS
from harness.verdict import Verdict
from reports.frame import date_text
from reports.runs import last_change_ns
from reports.wording import clip, count_text, moment_text

#: Of the text of an error so much stands in the reason; all that was kept stands below it.
REASON_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What there is. `told` says at the head of a report what broke off and what was recorded."""

    plan: Plan | None
    history: History
    recording: Recording | None
    verdict: Verdict
    told: Mapping[str, str]


def remains_of(folder: RunFolder) -> Remains:
    """What is in the folder of a run that was not judged.

    Raises UsageError if the run is still under way.
    """
    if is_under_way(folder.path):
        raise UsageError(
            f"The run in {str(folder.path)!r} is still under way, in another process. Its report "
            "is written at its end."
        )
    plan, about_plan = _plan(folder)
    history, lost = _history(folder)
    trace, traced_ns = _trace(folder)
    recording, about_recording = _recording(folder)
    end = broken_off(folder.path)
    reached_ns = max(int(history.time_ns.max(initial=0)), traced_ns)
    if recording is not None:
        reached_ns = max(reached_ns, recording.facts.duration_ns)
    # a replay has the digest of its plan from the beginning
    ended = plan is not None and plan.digest != "" and recording is not None
    killed = end is None and not ended
    moment = moment_text(reached_ns)
    if plan is not None and not ended:
        moment += f" of {_planned_s(plan):g} s"
    return Remains(
        plan=plan,
        history=history,
        recording=recording,
        verdict=Verdict(
            checker="run",
            outcome="unknown",
            reason=(
                f"The run came to its end at {moment}, but was not judged: {_why(end)}."
                if ended
                else f"The run broke off {'after' if killed else 'at'} {moment}: {_why(end)}."
            ),
            could_not_detect=("anything: no check has seen this run",),
        ),
        told={
            "broke off": _when(folder, end),
            **_error(end),
            "simulated time": f"{moment}, or later" if killed else moment,
            "verdict": "unknown, because nothing was judged",
            **({} if lost or not len(history) else {"to judge its rows": _check(folder)}),
            "history": _about_history(history, lost, killed=killed),
            "plan": about_plan,
            "trace": trace,
            "messages and nodes": about_recording,
        },
    )


# ---- one file each


def _plan(folder: RunFolder) -> tuple[Plan | None, str]:
    try:
        plan = Plan.decode(folder.plan.read_bytes())
    except UsageError as error:
        return None, f"cannot be read. {error}"
    if not (plan.digest or plan.operations or plan.faults):
        return plan, "experiment and seed; what was drawn was not written down"
    operations = count_text(len(plan.operations), "operation")
    return plan, f"{operations}, {count_text(plan.fault_changes, 'fault change')}"


def _history(folder: RunFolder) -> tuple[History, bytes]:
    """The rows that are whole, and what follows them."""
    data = folder.history.read_bytes() if folder.history.is_file() else b""
    rows, lost = whole_rows(data)
    if not rows.strip():
        return Recorder().history(), lost
    return read_jsonl(Source(folder.history.name, rows)), lost


def _trace(folder: RunFolder) -> tuple[str, int]:
    """How many events there are, and the time of the last one in nanoseconds."""
    lines = folder.trace.read_bytes().splitlines() if folder.trace.is_file() else []
    for count in range(len(lines), 0, -1):
        try:
            time_ns = msgspec.json.decode(lines[count - 1], type=list)[0]
        except msgspec.DecodeError:
            continue  # cut short
        return f"the last {count_text(count, 'event')}", int(time_ns)
    return "none", 0


def _recording(folder: RunFolder) -> tuple[Recording | None, str]:
    if not folder.recorded.is_file():
        return None, "none"
    try:
        recording = Recording.decode(folder.recorded.read_bytes())
    except (UsageError, zlib.error):
        return None, "cannot be read: the file is damaged"
    messages = count_text(len(recording.messages["sent_ns"]), "message")
    return recording, f"{messages}, {count_text(recording.nodes, 'node')}"


class _Row(msgspec.Struct):
    """As much of a row as tells it from half a row."""

    process: int | str
    type: OperationType
    f: str


def whole_rows(data: bytes) -> tuple[bytes, bytes]:
    """The lines of a history up to the first that is no row, and all from there on."""
    decode = msgspec.json.Decoder(_Row).decode
    end = 0
    for line in data.splitlines(keepends=True):
        try:
            decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            break
        end += len(line)
    return data[:end], data[end:]


# ---- in words


def _planned_s(plan: Plan) -> float:
    return (plan.experiment.time_limit_ns + plan.experiment.recovery_ns) / SECOND_NS


def _why(end: BrokenOff | None) -> str:
    if end is None:
        return "its process was killed, or the machine stopped"
    if end.interrupted:
        return "it was interrupted (Ctrl-C)"
    text = _error(end).get("error", "an error").strip().partition("\n")[0]
    return clip(text, REASON_CHARACTERS).rstrip(".:")


def _error(end: BrokenOff | None) -> dict[str, str]:
    if end is None or end.interrupted:
        return {}
    told = {
        "error": ": ".join(filter(None, (end.error, end.text))),
        "raised in": end.where,
    }
    return {name: text for name, text in told.items() if text}


def _when(folder: RunFolder, end: BrokenOff | None) -> str:
    if end is not None and end.at_ns:
        return f"{date_text(end.at_ns)} UTC"
    return f"after {date_text(last_change_ns(folder.path))} UTC, when it last wrote to its files"


def _check(folder: RunFolder) -> str:
    return f"splitbrain check {shlex.quote(str(folder.history))}"


def _about_history(history: History, lost: bytes, *, killed: bool) -> str:
    told = count_text(len(history), "row") if len(history) else "no rows"
    if lost:
        cut = "a line that was cut short" if b"\n" not in lost else "what is no row"
        told += f"; {cut} is left out ({count_text(len(lost), 'byte')})"
    if killed:
        told += "; if the machine stopped, later ones may be lost"
    return told
