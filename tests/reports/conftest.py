"""Runs to report on: a small one told by hand, and a big one drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from harness.history import History, Recorder
from harness.verdict import Verdict

MS = 1_000_000
Rows = list[tuple[Any, ...]]


@pytest.fixture
def told() -> Callable[[Rows], History]:
    """A history from rows (milliseconds, process, type, f[, key[, value[, error]]])."""

    def tell(rows: Rows) -> History:
        recorder = Recorder()
        for at_ms, process, kind, f, *rest in rows:
            key, value, error = (*rest, None, None, None)[:3]
            time_ns = int(at_ms * MS) if at_ms >= 0 else -1
            recorder.append(
                time_ns=time_ns, process=process, type=kind, f=f, key=key, value=value, error=error
            )
        return recorder.history()

    return tell


@pytest.fixture
def stale_read(told: Callable[[Rows], History]) -> dict[str, Any]:
    """The arguments of a report: process 1 reads 3, which was overwritten before; one partition."""
    history = told(
        [
            (2, 0, "invoke", "write", "x", 3),
            (5, 0, "ok", "write", "x", 3),
            (6, "nemesis", "info", "start-partition"),
            (7, "nemesis", "info", "start-partition", None, {"isolate": ["n3"]}),
            (8, 0, "invoke", "write", "x", 4),
            (12, 0, "ok", "write", "x", 4),
            (15, 1, "invoke", "read", "x"),
            (18, 1, "ok", "read", "x", 3),
            (20, "nemesis", "info", "stop-partition"),
            (21, "nemesis", "info", "stop-partition"),
            (22, 0, "invoke", "read", "y"),
            (23, 0, "fail", "read", "y", None, "no leader"),
        ]
    )
    return {
        "title": "raft, register, partition",
        "history": history,
        "verdicts": [
            Verdict(checker="stats", outcome="pass", reason="All functions succeeded."),
            Verdict(
                checker="linearizability",
                outcome="fail",
                reason="Process 1 read 3 after 4 had been acknowledged.",
                witness={"rows": [0, 1, 4, 5, 6, 7], "operation": 6, "states": [4]},
                could_not_detect=("Keys that nobody read.",),
                details={"configurations": 12},
            ),
        ],
        "facts": {"system": "raft", "seed": "7"},
        "replay_command": "splitbrain replay plan.json",
    }


@pytest.fixture(scope="session")
def long_run() -> Callable[[int, int], History]:
    """A history of `operations` by `clients`, with faults of two kinds that overlap."""

    def run(operations: int, clients: int) -> History:
        random_source = random.Random(7)
        processes = list(range(clients))
        free_at = [random_source.randrange(MS) for _ in range(clients)]
        rows: Rows = []
        for number in range(operations):
            client = number % clients
            start = free_at[client]
            end = start + int(random_source.lognormvariate(16, 1))
            outcome = random_source.choices(["ok", "fail", "info"], [94, 5, 1])[0]
            f = random_source.choice(["read", "write", "cas"])
            key = f"k{number % 5}"
            rows.append((start, processes[client], "invoke", f, key, number % 50))
            rows.append((end, processes[client], outcome, f, key, number % 50))
            if outcome == "info":
                processes[client] += clients
            free_at[client] = end + random_source.randrange(1, 20 * MS)
        last = max(free_at)
        for number in range(20):
            start = last * number // 20
            kind = ("partition", "kill")[number % 2]
            for time_ns, verb in ((start, "start"), (start + last // 12, "stop")):
                rows += [(time_ns + late, "nemesis", "info", f"{verb}-{kind}") for late in (0, 1)]
        rows.sort(key=lambda row: row[0])
        recorder = Recorder()
        for time_ns, process, kind, f, *rest in rows:
            key, value = (*rest, None, None)[:2]
            recorder.append(time_ns=time_ns, process=process, type=kind, f=f, key=key, value=value)
        return recorder.history()

    return run
