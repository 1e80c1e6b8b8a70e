"""Did every kind of operation work at least once? A run in which no read ever succeeded is green
for every other checker, and worth nothing.

>>> from checkers.notation import parse
>>> verdict = Stats().check(parse("0w1. 1r! 2r? 1w2!"))
>>> verdict.outcome, verdict.reason
('fail', 'No read ever succeeded: 2 calls, 1 failed, 1 without an answer (no error was given).')
>>> verdict.details["functions"]["write"]
{'ok': 1, 'fail': 1, 'info': 0, 'open': 0}

Limits: one success is enough, however many calls failed; what the answers were is not looked at.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history import FAIL, INFO, INVOKE, OK, History
from harness.verdict import Checker, Verdict

_ROWS_SHOWN = 20


class Stats(Checker):
    """Counts the outcomes of client operations by function; fails if one never succeeded.

    `open` counts calls that the end of the run cut off. Skipped if no client did anything.
    """

    name = "stats"
    needs_whole_run = True

    def check(self, history: History) -> Verdict:
        calls = np.flatnonzero(history.client_rows & (history.type == INVOKE))
        if len(calls) == 0:
            return Verdict(
                checker=self.name,
                outcome="skipped",
                reason="No client did anything, so there is nothing to count.",
            )
        functions = {
            history.functions[number]: calls[history.f[calls] == number]
            for number in np.unique(history.f[calls]).tolist()
        }
        counts = {f: _count(history, rows) for f, rows in functions.items()}
        details = {"functions": counts, "operations": len(calls)}
        failing = [f for f, count in counts.items() if count["ok"] == 0]
        if not failing:
            ok = sum(count["ok"] for count in counts.values())
            return Verdict(
                checker=self.name,
                outcome="pass",
                reason="The only operation succeeded."
                if len(calls) == 1
                else f"Every function succeeded; {ok:,} of {len(calls):,} operations did.",
                could_not_detect=("one success of a function is enough, however many calls fail",),
                details=details,
            )
        return Verdict(
            checker=self.name,
            outcome="fail",
            reason=" ".join(_sentence(history, f, functions[f], counts[f]) for f in failing),
            witness={"functions": failing, "rows": _rows(history, functions[failing[0]])},
            details=details,
        )


def _count(history: History, calls: NDArray[np.int64]) -> dict[str, int]:
    ends = history.partner[calls]
    types = history.type[ends[ends >= 0]]
    return {
        "ok": int((types == OK).sum()),
        "fail": int((types == FAIL).sum()),
        "info": int((types == INFO).sum()),
        "open": int((ends < 0).sum()),
    }


def _sentence(history: History, f: str, calls: NDArray[np.int64], count: dict[str, int]) -> str:
    unanswered = count["info"] + count["open"]
    errors = Counter(
        _shown(history.errors[row])
        for row in history.partner[calls].tolist()
        if row in history.errors
    )
    commonest = "no error was given"
    if errors:
        error, times = min(errors.items(), key=lambda item: (-item[1], item[0]))
        commonest = f"commonest error: {error}, {times} time{'s' * (times != 1)}"
    return (
        f"No {f} ever succeeded: {len(calls):,} call{'s' * (len(calls) != 1)}, "
        f"{count['fail']:,} failed, {unanswered:,} without an answer ({commonest})."
    )


def _shown(error: Any) -> str:
    return error if isinstance(error, str) else json.dumps(error, sort_keys=True)


def _rows(history: History, calls: NDArray[np.int64]) -> list[int]:
    """The first calls and what became of them."""
    some = calls[:_ROWS_SHOWN]
    ends = history.partner[some]
    return sorted([*some.tolist(), *ends[ends >= 0].tolist()])
