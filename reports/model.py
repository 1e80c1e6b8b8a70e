"""Step one of three: everything that a report says, computed from a finished run, as plain data.

    history, verdicts, facts ──> Report ──> drawings, plots ──> one HTML page
                                 ^-- you are here

No checker logic: verdicts are shown as they are, and the worst one speaks for the run. Strings
from outside are made visible and bounded here (reports.wording), and nowhere else.

Limits: what is bounded says so in `Report.notes` or in the text itself (`FACTS_MAX` and so on).

>>> from harness.history import Recorder
>>> report = build_report(title="t", history=Recorder().history(), verdicts=[], facts={},
...                       replay_command="splitbrain replay 7")
>>> report.verdict.outcome, report.functions, report.witnesses
('skipped', (), ())
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.history import FAIL, INFO, OK, History
from harness.quantiles import nearest_rank
from harness.simulation.recording import Recording
from harness.verdict import SEVERITY, Outcome, Verdict, worst
from reports.blind_spots import BlindSpots
from reports.calls import OPEN, Calls
from reports.faults import FaultLane, fault_lanes
from reports.findings import Anomaly, Distribution, anomalies, distributions
from reports.ladder import Model, ladder
from reports.telling import Statement, sentences_of, statement_in_short, statement_of
from reports.witness import Witness, witness_context, witness_of
from reports.wording import COMMAND_CHARACTERS, value_text, visible

CHECKS_MAX = 60
WITNESSES_MAX = 5
FACTS_MAX = 80
FUNCTIONS_MAX = 40
CLIENTS_MAX = 64
DETAILS_MAX = 30
SENTENCES_MAX = 30
#: Runs longer than this from zero are shown from their first row (imported wall clock times).
ORIGIN_MAX_NS = 30 * 24 * 3600 * 10**9


@dataclass(frozen=True, kw_only=True)
class Check:
    """One verdict in words."""

    name: str
    outcome: Outcome
    reason: str
    could_not_detect: tuple[str, ...]
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class FunctionCounts:
    """How the calls of one function ended, and how long the ones that succeeded took."""

    name: str
    ok: int
    fail: int
    info: int
    open: int
    median_ns: int | None = None
    high_ns: int | None = None  # 99 of 100 took no longer
    longest_ns: int | None = None

    @property
    def total(self) -> int:
        return self.ok + self.fail + self.info + self.open


@dataclass(frozen=True, kw_only=True)
class ClientCounts:
    """How the calls of one thread ended; `processes` are the ids that it went through."""

    thread: int
    processes: int
    ok: int
    fail: int
    info: int
    open: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """A run, ready to be drawn. `origin_ns` is the moment that reads as zero.

    `broken_off` says of a run that was not judged how it ended, and what there is of it.
    """

    title: str
    verdict: Check
    checks: tuple[Check, ...]
    facts: tuple[tuple[str, str], ...]
    replay_command: str
    broken_off: tuple[tuple[str, str], ...]
    calls: Calls
    idle_rows: frozenset[int]  # in which a nemesis began what changed nothing
    lanes: tuple[FaultLane, ...]
    functions: tuple[FunctionCounts, ...]
    clients: tuple[ClientCounts, ...]
    client_count: int
    witnesses: tuple[Witness, ...]
    statements: tuple[Statement, ...]
    anomalies: tuple[Anomaly, ...]
    distributions: tuple[Distribution, ...]
    ladder: tuple[tuple[Model, ...], ...]
    blind_spots: BlindSpots
    origin_ns: int
    notes: tuple[str, ...]

    @property
    def start_ns(self) -> int:
        """Where drawings of the whole run begin: at zero, unless nothing happened for long."""
        idle_ns = self.calls.first_ns - self.origin_ns
        return self.origin_ns if idle_ns <= self.duration_ns // 5 else self.calls.first_ns

    @property
    def fault_count(self) -> int:
        return sum(len(lane.faults) for lane in self.lanes)

    @property
    def duration_ns(self) -> int:
        return self.calls.last_ns - self.calls.first_ns


def build_report(
    *,
    title: str,
    history: History,
    verdicts: Sequence[Verdict],
    facts: Mapping[str, str],
    replay_command: str,
    broken_off: Mapping[str, str] | None = None,
    idle_rows: Collection[int] = (),
    recording: Recording | None = None,
) -> Report:
    """The report of one run; see `reports.render_report`.

    Raises PairingError if the history's operations contradict.
    """
    until_ns = 0 if recording is None else _until_ns(recording, verdicts)
    calls = Calls.of(history, concurrency=_concurrency(facts), until_ns=until_ns)
    origin_ns = 0 if calls.first_ns < ORIGIN_MAX_NS and calls.timed else calls.first_ns
    ranked = sorted(verdicts, key=lambda verdict: -SEVERITY[verdict.outcome])
    attempts = [
        witness_of(verdict, calls, origin_ns=origin_ns) if verdict.outcome == "fail" else None
        for verdict in ranked
    ]
    found = [witness for witness in attempts if witness is not None]
    statements = [
        statement
        for verdict, witness in zip(ranked, attempts, strict=True)
        if verdict.outcome == "fail" and witness is None
        if (statement := statement_of(verdict)) is not None
    ]
    checks = tuple(
        _check(verdict, untold=witness is None)
        for verdict, witness in list(zip(ranked, attempts, strict=True))[:CHECKS_MAX]
    )
    return Report(
        title=visible(title, 300),
        verdict=_check(worst(verdicts)),
        checks=checks,
        facts=tuple(
            (visible(name, 80), visible(value, 400))
            for name, value in list(facts.items())[:FACTS_MAX]
        ),
        replay_command=visible(replay_command, COMMAND_CHARACTERS, lines=True),
        broken_off=tuple(
            (visible(name, 60), visible(text, lines=True))
            for name, text in (broken_off or {}).items()
        ),
        calls=calls,
        idle_rows=frozenset(idle_rows),
        lanes=fault_lanes(
            history, times_ns=calls.times_ns, end_ns=calls.last_ns, idle_rows=idle_rows
        ),
        functions=_functions(calls),
        clients=_clients(calls),
        client_count=len(np.unique(calls.thread)),
        witnesses=tuple(found[:WITNESSES_MAX]),
        statements=tuple(statements[:WITNESSES_MAX]),
        anomalies=anomalies(ranked),
        distributions=distributions(ranked),
        ladder=ladder(verdicts),
        blind_spots=BlindSpots.of((check.name, check.could_not_detect) for check in checks),
        origin_ns=origin_ns,
        notes=tuple(
            f"{count - limit} of {count} {what} are left out of this report."
            for what, count, limit in (
                ("checks", len(ranked), CHECKS_MAX),
                ("witnesses", len(found), WITNESSES_MAX),
                ("facts", len(facts), FACTS_MAX),
            )
            if count > limit
        ),
    )


def _until_ns(recording: Recording, verdicts: Sequence[Verdict]) -> int:
    """Until when the run went on: that may be long after the last row of its history."""
    told = [one for verdict in verdicts for one in sentences_of(verdict.witness or {})]
    seen = [one.time_ns for one in told if one.time_ns is not None]
    return max(recording.facts.duration_ns, *(at for at in seen if at < ORIGIN_MAX_NS), 0)


def _concurrency(facts: Mapping[str, str]) -> int | None:
    """How many threads the run had, if its facts say so in figures."""
    for name in ("concurrency", "clients"):
        text = str(facts.get(name, ""))
        if text.isascii() and text.isdigit() and len(text) < 8:
            return int(text)
    return None


def _check(verdict: Verdict, *, untold: bool = False) -> Check:
    """`verdict` in words; with `untold`, what its witness says has no place of its own."""
    details = [item for item in verdict.details.items() if item[0] != "distributions"]
    shown = [(visible(name, 60), _detail(value)) for name, value in details[:DETAILS_MAX]]
    if len(details) > DETAILS_MAX:
        shown.append(("…", f"{len(details) - DETAILS_MAX} further details"))
    return Check(
        name=visible(verdict.checker, 80),
        outcome=verdict.outcome,
        reason=visible(statement_in_short(verdict)),
        could_not_detect=_bounded_list(verdict.could_not_detect),
        details=(*(witness_context(verdict.witness or {}) if untold else ()), *shown),
    )


def _bounded_list(sentences: Sequence[str]) -> tuple[str, ...]:
    shown = tuple(visible(sentence, 600) for sentence in sentences[:SENTENCES_MAX])
    rest = len(sentences) - len(shown)
    return (*shown, f"… and {rest} more.") if rest else shown


def _detail(value: object) -> str:
    return visible(value, 400) if isinstance(value, str) else value_text(value, 400)


def _clients(calls: Calls) -> tuple[ClientCounts, ...]:
    """Counts per thread, at most the first CLIENTS_MAX."""
    threads, where = np.unique(calls.thread, return_inverse=True)
    table = {
        code: np.bincount(where[calls.outcome == code], minlength=len(threads))
        for code in (OK, FAIL, INFO, OPEN)
    }
    processes = np.bincount(np.unique(calls.process) % calls.concurrency)
    return tuple(
        ClientCounts(
            thread=thread,
            processes=int(processes[thread]),
            ok=int(table[OK][place]),
            fail=int(table[FAIL][place]),
            info=int(table[INFO][place]),
            open=int(table[OPEN][place]),
        )
        for place, thread in enumerate(threads[:CLIENTS_MAX].tolist())
    )


def _functions(calls: Calls) -> tuple[FunctionCounts, ...]:
    """Counts per function, the most used first; what is beyond FUNCTIONS_MAX in one sum."""
    names = calls.history.functions
    table = {
        code: np.bincount(calls.f[calls.outcome == code], minlength=len(names))
        for code in (OK, FAIL, INFO, OPEN)
    }
    totals = np.bincount(calls.f, minlength=len(names))
    order = np.argsort(-totals, kind="stable")
    used = [int(f) for f in order if totals[f] > 0]
    rows = [
        _with_latency(
            calls,
            np.flatnonzero((calls.f == f) & (calls.outcome == OK)),
            FunctionCounts(
                name=visible(names[f], 60),
                ok=int(table[OK][f]),
                fail=int(table[FAIL][f]),
                info=int(table[INFO][f]),
                open=int(table[OPEN][f]),
            ),
        )
        for f in used[:FUNCTIONS_MAX]
    ]
    if rest := used[FUNCTIONS_MAX:]:
        sums = {code: int(column[rest].sum()) for code, column in table.items()}
        rows.append(
            FunctionCounts(
                name=f"{len(rest)} others",
                ok=sums[OK],
                fail=sums[FAIL],
                info=sums[INFO],
                open=sums[OPEN],
            )
        )
    return tuple(rows)


def _with_latency(
    calls: Calls, places: NDArray[np.int64], counts: FunctionCounts
) -> FunctionCounts:
    """`counts` with latencies that were really measured (nearest rank), if there are any."""
    if not calls.timed or not len(places):
        return counts
    took = np.sort(calls.end_ns[places] - calls.start_ns[places])
    return FunctionCounts(
        name=counts.name,
        ok=counts.ok,
        fail=counts.fail,
        info=counts.info,
        open=counts.open,
        median_ns=int(nearest_rank(took, 0.5)),
        high_ns=int(nearest_rank(took, 0.99)),
        longest_ns=int(took[-1]),
    )
