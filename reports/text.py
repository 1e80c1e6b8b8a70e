"""A report as text, for the log of a CI run: the verdict, the witness in words, the events.

The sentences are those of the HTML report; the events are those of `reports.text_log`, around the
witness unless a time is asked for. The same run gives the same text at the same width.

>>> from harness.history import Recorder
>>> from harness.verdict import Verdict
>>> from reports.model import build_report
>>> recorder = Recorder()
>>> for time_ns, type, value in [(1_000_000, "invoke", None), (9_000_000, "ok", 7)]:
...     _ = recorder.append(time_ns=time_ns, process=3, type=type, f="read", value=value)
>>> wrong = Verdict(checker="linearizability", outcome="fail", reason="7 was never written.",
...                 witness={"rows": [0, 1], "operation": 0})
>>> report = build_report(title="demo", history=recorder.history(), verdicts=[wrong], facts={},
...                       replay_command="splitbrain replay store/latest")
>>> print(render_text(report, None, width=80))
FAIL  demo
7 was never written.
<BLANKLINE>
fail  linearizability: 7 was never written.
<BLANKLINE>
Witness of linearizability:
! #1 Process 3 called read at 0.001 s; it answered 7 at 0.009 s, 8 ms later.
<BLANKLINE>
Log from 0.000 s to 0.011 s:
      seconds #    kind   who     what
     0.001000 #1!  call   p3      read
     0.009000 #1!  ok     p3      read → 7
(this run has no recording: messages and nodes are not in the log)
<BLANKLINE>
replay  splitbrain replay store/latest
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.simulation.recording import Recording
from reports.calls import OPEN
from reports.loading import RunData
from reports.model import Report, build_report
from reports.telling import Statement, Table
from reports.text_log import Log
from reports.witness import Witness
from reports.wording import count_text, moment_text

#: Of a log that nobody set bounds to about so many lines are written.
LINES_MAX = 200
WIDTH = 120


def render_text(
    report: Report,
    recording: Recording | None,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    width: int = WIDTH,
) -> str:
    """`report` as text, with the events from `start_ns` to `end_ns` (since the run began).

    Without both of them the log is about the witness; a run without one has then none. Lines of
    the log are cut at `width` characters, 0 for not at all.
    """
    log = _log(report, recording, start_ns, end_ns, width)
    return "\n".join(_lines(report, log))


def model_of(data: RunData) -> Report:
    """What the report of a run says, as plain data; its recording stands beside it."""
    return build_report(
        title=data.title,
        history=data.history,
        verdicts=data.verdicts,
        facts=data.facts,
        replay_command=data.replay_command,
        broken_off=data.broken_off,
        idle_rows=data.idle_rows,
        recording=data.recording,
    )


def _lines(report: Report, log: Iterable[str]) -> Iterator[str]:
    yield f"{report.verdict.outcome.upper()}  {report.title}"
    yield report.verdict.reason
    for name, text in report.broken_off:
        first, *rest = text.splitlines() or [""]
        yield f"  {name}: {first}"
        yield from (f"    {line}" for line in rest)
    yield ""
    for check in report.checks:
        yield f"{check.outcome}  {check.name}: {check.reason}"
    for anomaly in report.anomalies:
        if anomaly.count is not None:
            yield f"      {anomaly.checker}: {anomaly.count:,} × {anomaly.name}"
    for witness in report.witnesses:
        yield ""
        yield from _witness(witness)
    for statement in report.statements:
        yield ""
        yield from _statement(statement)
    blind = report.blind_spots
    if blind.shown:
        yield ""
        yield "What this could not have detected:"
        yield from (f"- {spot.sentence}" for spot in blind.shown)
        if blind.folded:
            yield f"- and {blind.summary} (all of them are in the HTML report)"
    yield ""
    yield from log
    if report.replay_command:
        yield f"replay  {report.replay_command}"


def _witness(witness: Witness) -> Iterator[str]:
    """What the page says under "What exactly is wrong", in its order."""
    key = f", key {witness.key}" if witness.key is not None else ""
    yield f"Witness of {witness.checker}{key}:"
    for clue in witness.clues:
        numbers = "".join(f" #{number}" for number in clue.numbers)
        yield f"  {clue.told.letter}) {clue.told.text}{numbers and f' ({numbers[1:]})'}"
    yield from _table(witness.table)
    for entry in witness.entries:
        yield f"{'!' if entry.culprit else ' '} #{entry.number} {entry.sentence}"
    if witness.conclusion:
        yield f"  {witness.conclusion}"
    if not witness.conclusion and not witness.clues:
        for name, value in witness.context:
            yield f"  {name}: {value}"
    yield from (f"  {note}" for note in witness.notes)


def _statement(statement: Statement) -> Iterator[str]:
    yield f"What {statement.checker} says:"
    yield from (f"  {told.letter}) {told.text}" for told in statement.told)
    yield from _table(statement.table)
    if statement.conclusion:
        yield f"  {statement.conclusion}"


def _table(table: Table | None) -> Iterator[str]:
    """In columns that are as wide as what stands in them; a line that stands out is marked."""
    if table is None:
        return
    rows = [table.columns, *(tuple(cell or "" for cell in line.cells) for line in table.lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    marks = [" ", *("!" if line.stands_out else " " for line in table.lines)]
    yield f"  {table.caption}"
    for mark, row in zip(marks, rows, strict=True):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"{mark}   {'  '.join(cells)}".rstrip()
    if table.left_out:
        yield f"    and {count_text(table.left_out, 'further line')}"


def _log(
    report: Report,
    recording: Recording | None,
    start_ns: int | None,
    end_ns: int | None,
    width: int,
) -> Iterator[str]:
    witness = report.witnesses[0] if report.witnesses else None
    log = Log(
        calls=report.calls,
        recording=recording,
        origin_ns=report.origin_ns,
        idle_rows=report.idle_rows,
        numbers={
            entry.place: f"#{entry.number}{'!' if entry.culprit else ''}"
            for entry in (witness.entries if witness else ())
        },
    )
    if start_ns is None and end_ns is None:
        if witness is None or not report.calls.timed:
            return
        first, last = _around(log, witness)
    else:
        first = report.origin_ns + (start_ns or 0)
        last = report.calls.last_ns if end_ns is None else report.origin_ns + end_ns
    told = [moment_text(moment - report.origin_ns) for moment in (first, last)]
    yield f"Log from {told[0]} to {told[1]}:"
    lines = list(log.lines(first, last, width=width))
    yield from lines
    if len(lines) == 1:
        yield f"(nothing happened in this time; the run lasted {moment_text(report.duration_ns)})"
    if recording is None:
        yield "(this run has no recording: messages and nodes are not in the log)"
    elif recording.forgotten and _begins_ns(recording) > first:
        yield (
            f"({count_text(recording.forgotten, 'earlier message')} were not kept; a replay keeps "
            "all of them)"
        )
    yield ""


def _begins_ns(recording: Recording) -> int:
    """The moment of the first message that was kept."""
    times = recording.messages["end_ns"]
    return int(times.min()) if len(times) else 0


def _around(log: Log, witness: Witness) -> tuple[int, int]:
    """The stretch around the witness, or as much of it around its culprit as LINES_MAX allow."""
    calls = log.calls
    first, last = max(witness.around.start_ns, 0), witness.around.end_ns
    entry = witness.culprit or witness.entries[-1]
    begun, ended = int(calls.start_ns[entry.place]), int(calls.end_ns[entry.place])
    if calls.outcome[entry.place] == OPEN:
        ended = begun
    before, after = begun - first, last - ended
    while log.count(begun - before, ended + after) > LINES_MAX and before + after > 1_000:
        before, after = before * 4 // 5, after * 4 // 5
    while log.count(begun, ended) > LINES_MAX and ended - begun > 1_000:  # it took very long
        begun += (ended - begun) // 5
    return begun - before, ended + after
