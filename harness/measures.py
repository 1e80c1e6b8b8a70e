"""What a scenario did to a cluster, in numbers: from one finished run.

          cut                         shift (last one)                    heal
    ───────┼──────────────────────────────┼────────────────────────────────┼─────────▶ time
           │◀──────── down time ──────────┼───▶│ first answer to an operation invoked after the
           │                                     last change of the links
           │◀───────────── during the cut: availability, goodput, latency ─▶│◀─ recovery ─▶│

Scripts that change the links all the time (more than `FEW_STEPS` times) have no "last change":
there the first answer after the first cut counts. A leader that was cut off may go on answering
reads under its lease, so that only changes count as answers here, where there are any.

    write 7 ends      write 8 begins, ends          read begins, shows 7
       ─┼──────────────────┼────┼──────────────────────────┼─────────▶ time
                                │◀─ the age of its answer ─▶│

An answer is as old as the first write that it missed: one that began after the write that it shows
had ended. Such a read is never linearizable, and systems that promise no more than convergence
have them. Where writes overlap, or one was never answered, no age is counted.

>>> from harness.experiment import Experiment, seconds
>>> from harness.runner import run
>>> scenario = Experiment(nemesis="chained", time_limit_ns=seconds(40), wire=True)
>>> measures = measure(run(scenario, seed=1))
>>> measures.recovered, measures.down_ns < 200_000_000
(True, True)
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.history import INVOKE, OK, History
from harness.quantiles import nearest_rank
from harness.runner import Run

FEW_STEPS = 3
BUCKET_NS = 500_000_000


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of one run of one scenario.

    Three of them count changes alone, such as writes (and reads only if nothing else was answered
    in the whole run): `down_ns` is None if no change was answered until the heal;
    `unavailable_ratio` is the share of half-second slots in the second half of the cut in which
    none was; and so does `recovery_ns`. All others count every answer. Rates are answers per
    second during the cut and before it. `answered_ratio` is the share of the operations begun
    during the cut that succeeded. `stale_ratio` is the share of stale ones among all reads of the
    run; `age_p99_ns` and `age_max_ns` say how old the answers of reads were. `timeline` counts
    answers per half second of the run, from its start to the end of its time limit. `recovery_ns`
    is the time from the heal to the first answer to a change invoked after it; None if there was
    none.
    """

    cut_ns: int
    heal_ns: int
    down_ns: int | None
    unavailable_ratio: float
    goodput_per_s: float
    goodput_before_per_s: float
    leader_changes: int
    messages_per_operation: float
    bytes_per_operation: float
    latency_median_ns: int
    latency_p99_ns: int
    recovery_ns: int | None
    timeline: list[int]
    answered_ratio: float = 0.0
    stale_ratio: float = 0.0
    age_p99_ns: int = 0
    age_max_ns: int = 0

    @property
    def recovered(self) -> bool:
        """Whether changes were answered again before the links healed."""
        return self.down_ns is not None

    @property
    def steady(self) -> bool:
        """Whether it recovered and then stayed available: in nine of ten slots."""
        return self.recovered and self.unavailable_ratio <= 0.1


def measure(run: Run) -> Measures:
    """The measures of a run under a scenario nemesis. Raises UsageError for any other run."""
    faults = run.plan.faults
    starts = [fault.time_ns for fault in faults if fault.f.startswith("start-")]
    shifts = [fault.time_ns for fault in faults if fault.f.startswith("shift-")]
    stops = [fault.time_ns for fault in faults if fault.f.startswith("stop-")]
    if len(starts) != 1 or not stops:
        raise UsageError(
            f"The nemesis {run.plan.experiment.nemesis!r} is no scenario: it began "
            f"{len(starts)} faults, and a scenario has one beginning and one end. Scenarios are "
            "quorum-loss, chained and so on; `splitbrain list` shows them with P1 to P13."
        )
    cut_ns, heal_ns = starts[0], stops[0]
    last_change_ns = max(shifts) if 0 < len(shifts) <= FEW_STEPS else cut_ns
    invoked_ns, answered_ns, changes = _answers(run.history)
    during = (answered_ns >= cut_ns) & (answered_ns < heal_ns)
    first = answered_ns[changes & (invoked_ns >= last_change_ns) & (answered_ns < heal_ns)]
    after = answered_ns[changes & (invoked_ns >= heal_ns)]
    worked = answered_ns < run.plan.experiment.time_limit_ns
    latencies = np.sort((answered_ns - invoked_ns)[during])
    answers = max(1, len(answered_ns))
    middle_ns = (cut_ns + heal_ns) // 2
    slots = np.arange(middle_ns, heal_ns - BUCKET_NS + 1, BUCKET_NS)
    served = np.searchsorted(np.sort(answered_ns[changes]), np.stack([slots, slots + BUCKET_NS]))
    ages = np.sort(np.array(answer_ages_ns(run.history), dtype=np.int64))
    elections = [time_ns for time_ns, _, event in run.probes if event == "elected"]
    return Measures(
        cut_ns=cut_ns,
        heal_ns=heal_ns,
        down_ns=int(first.min()) - cut_ns if len(first) else None,
        unavailable_ratio=float(np.mean(served[0] == served[1])) if len(slots) else 0.0,
        goodput_per_s=_per_second(int(during.sum()), heal_ns - cut_ns),
        goodput_before_per_s=_per_second(int((answered_ns < cut_ns).sum()), cut_ns),
        leader_changes=sum(cut_ns <= time_ns < heal_ns for time_ns in elections),
        messages_per_operation=run.delivered / answers,
        bytes_per_operation=run.delivered_bytes / answers,
        latency_median_ns=_quantile(latencies, 0.5),
        latency_p99_ns=_quantile(latencies, 0.99),
        recovery_ns=int(after.min()) - heal_ns if len(after) else None,
        timeline=np.bincount(answered_ns[worked] // BUCKET_NS).tolist() if worked.any() else [],
        answered_ratio=_answered_ratio(run.history, cut_ns, heal_ns),
        stale_ratio=float(np.mean(ages > 0)) if len(ages) else 0.0,
        age_p99_ns=_quantile(ages, 0.99),
        age_max_ns=_quantile(ages, 1.0),
    )


def answer_ages_ns(history: History) -> list[int]:
    """How old the answer of each successful read was, in nanoseconds; 0 for a fresh one.

    Reads, writes and cas are those of registers, and every written value is written once.
    """
    reads: list[tuple[Any, Any, int]] = []
    ended_ns: dict[tuple[Any, Any], int] = {}  # when the write of a value to a key was answered
    writes: dict[Any, list[tuple[int, int]]] = {}
    for row in np.flatnonzero(_work(history)).tolist():
        invoked, end = history[row], int(history.partner[row])
        answer = history[end] if end >= 0 and history.type[end] == OK else None
        match invoked.f:
            case "read" if answer is not None:
                reads.append((invoked.key, answer.value, invoked.time_ns))
            case "write" | "cas" if answer is not None:
                value = invoked.value[1] if invoked.f == "cas" else invoked.value
                ended_ns[invoked.key, value] = answer.time_ns
                writes.setdefault(invoked.key, []).append((invoked.time_ns, answer.time_ns))
    begun_ns: dict[Any, list[int]] = {}
    first_end_ns: dict[Any, list[int]] = {}  # of the write with that number and all later ones
    for key, times in writes.items():
        begun_ns[key] = [begin for begin, _ in times]
        ends = [end for _, end in times]
        first_end_ns[key] = list(accumulate(reversed(ends), min))[::-1]
    ages = []
    for key, value, time_ns in reads:
        # the start counts as written before all; of a write without an answer nobody knows
        shown_ns = -1 if value is None else ended_ns.get((key, value))
        age_ns = 0
        if shown_ns is not None:
            later = bisect_right(begun_ns.get(key, []), shown_ns)
            if later < len(begun_ns.get(key, [])):
                age_ns = max(0, time_ns - first_end_ns[key][later])
        ages.append(age_ns)
    return ages


def _answered_ratio(history: History, begin_ns: int, end_ns: int) -> float:
    """The share of operations begun in that time that ended ok."""
    rows = np.flatnonzero(_work(history))
    rows = rows[(history.time_ns[rows] >= begin_ns) & (history.time_ns[rows] < end_ns)]
    ends = history.partner[rows]
    return float(np.mean((ends >= 0) & (history.type[ends] == OK))) if len(rows) else 0.0


def _work(history: History) -> NDArray[np.bool_]:
    """Invocations of clients, without the probes of replicas that end a run."""
    work: NDArray[np.bool_] = history.client_rows & (history.type == INVOKE)
    return work & ~history.named(("replica",))


def _answers(
    history: History,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """When each client operation that ended ok was invoked and answered, in nanoseconds, and
    whether it changed something (or all of them, if nothing but reads was answered)."""
    rows = np.flatnonzero(_work(history))
    ends = history.partner[rows]
    rows, ends = rows[ends >= 0], ends[ends >= 0]
    ok = history.type[ends] == OK
    changes = ~history.named(("read",))[rows[ok]]
    if not changes.any():
        changes = ~changes
    return history.time_ns[rows[ok]], history.time_ns[ends[ok]], changes


def _per_second(count: int, duration_ns: int) -> float:
    return count * 1e9 / duration_ns if duration_ns > 0 else 0.0


def _quantile(ordered: NDArray[np.int64], ratio: float) -> int:
    return int(nearest_rank(ordered, ratio)) if len(ordered) else 0
