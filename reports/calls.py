"""The operations of a history as columns: an invocation joined with its completion, and a row.

    invoke ───────────── ok | fail | info        one call: start, end, outcome
    invoke ─────────────────────────────>        open: no completion, reaches to the end of the run

A client process that ends `info` is retired, and its thread goes on as process + concurrency; so
all processes of one thread share one row of a drawing: process % concurrency. The concurrency is
not written in a history. `infer_concurrency` takes the smallest number that fits: every process
above it must follow a retired one.

A history without times (all or some of them -1) is laid out by the order of its rows, one
"nanosecond" a row; `Calls.timed` says which.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for process, type in [(0, "invoke"), (1, "invoke"), (1, "ok"), (0, "info"), (2, "invoke")]:
...     _ = recorder.append(time_ns=-1, process=process, type=type, f="read")
>>> calls = Calls.of(recorder.history())
>>> calls.thread.tolist(), calls.concurrency, calls.timed
([0, 1, 0], 2, False)
>>> [OUTCOMES[code] for code in calls.outcome]
['info', 'ok', 'open']
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.history import FAIL, INFO, INVOKE, OK, History

#: Code of a call that never completed, beside OK, FAIL and INFO.
OPEN = 4
#: Outcome code -> its name, in the order in which tables show them.
OUTCOMES = {OK: "ok", FAIL: "fail", INFO: "info", OPEN: "open"}


@dataclass(frozen=True, kw_only=True)
class Calls:
    """One entry a call, in order of invocation. `row` and `completion` index the history.

    `start_ns` and `end_ns` are absolute; an open call ends at `last_ns`. `first_ns` and `last_ns`
    span all rows, nemeses included, and what is known to have happened after the last one.
    """

    history: History
    times_ns: NDArray[np.int64]
    timed: bool
    first_ns: int
    last_ns: int
    concurrency: int
    row: NDArray[np.int64]
    completion: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    outcome: NDArray[np.int64]
    f: NDArray[np.int64]
    process: NDArray[np.int64]
    thread: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    @staticmethod
    def of(history: History, *, concurrency: int | None = None, until_ns: int = 0) -> Calls:
        """The calls of `history`. `concurrency` is believed only if the history agrees.

        The run went on to `until_ns` at least, in the time of a history that has times.
        Raises PairingError if a client invokes twice at once or completes what it never invoked.
        """
        times_ns, timed = _times(history)
        row = np.flatnonzero(history.client_rows & (history.type == INVOKE))
        completion = history.partner[row]
        done = completion >= 0
        last_ns = max(int(times_ns.max(initial=0)), until_ns if timed else 0)
        # Times of an imported history may run backwards; a drawing cannot.
        start_ns = times_ns[row]
        end_ns = np.maximum(np.where(done, times_ns[completion], last_ns), start_ns)
        process = history.process[row]
        outcome = np.where(done, history.type[completion], OPEN).astype(np.int64)
        lives = Lives.of(process, row, completion, outcome)
        if concurrency is None or not lives.fit(concurrency):
            concurrency = infer_concurrency(lives)
        return Calls(
            history=history,
            times_ns=times_ns,
            timed=timed,
            first_ns=int(times_ns.min()) if len(times_ns) else 0,
            last_ns=last_ns,
            concurrency=concurrency,
            row=row,
            completion=completion,
            start_ns=start_ns,
            end_ns=end_ns,
            outcome=outcome,
            f=history.f[row].astype(np.int64),
            process=process,
            thread=process % concurrency,
        )

    def at_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of the call that each of `rows` (invocations or completions) belongs to.

        -1 where a row belongs to none or does not exist.
        """
        places = np.full(len(rows), -1, dtype=np.int64)
        there = (rows >= 0) & (rows < len(self.history))
        known = rows[there]
        invokes = np.where(self.history.type[known] == INVOKE, known, self.history.partner[known])
        of_client = self.history.client_rows[known] & (invokes >= 0)
        places[np.flatnonzero(there)[of_client]] = np.searchsorted(self.row, invokes[of_client])
        return places


def _times(history: History) -> tuple[NDArray[np.int64], bool]:
    if len(history) and bool((history.time_ns >= 0).all()):
        return history.time_ns, True
    return np.arange(len(history), dtype=np.int64), False


def infer_concurrency(lives: Lives) -> int:
    """The smallest number of threads that explains which processes there are, at least 1.

    Either no process follows another, or the last one follows one that was retired: that leaves
    few numbers to try.
    """
    if not lives.processes:
        return 1
    last = lives.processes[-1]
    candidates = sorted(last - process for process in lives.retired if process < last)
    return next((count for count in candidates if lives.fit(count)), last + 1)


@dataclass(frozen=True, kw_only=True)
class Lives:
    """When each process began (row of its first call) and was retired (row of its `info`)."""

    processes: list[int]  # ascending
    first: dict[int, int]
    retired: dict[int, int]

    @staticmethod
    def of(
        process: NDArray[np.int64],
        row: NDArray[np.int64],
        completion: NDArray[np.int64],
        outcome: NDArray[np.int64],
    ) -> Lives:
        """From the columns of `Calls`."""
        names, where = np.unique(process, return_index=True)
        gone = outcome == INFO
        return Lives(
            processes=names.tolist(),
            first=dict(zip(names.tolist(), row[where].tolist(), strict=True)),
            retired=dict(zip(process[gone].tolist(), completion[gone].tolist(), strict=True)),
        )

    def fit(self, concurrency: int) -> bool:
        """Whether each process p >= concurrency began after p - concurrency was retired."""
        if concurrency < 1:
            return False
        successors = self.processes[bisect_left(self.processes, concurrency) :]
        return all(
            self.retired.get(process - concurrency, self.first[process]) < self.first[process]
            for process in successors
        )
