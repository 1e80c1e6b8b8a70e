"""How long a linearizability check takes, beside the Go library Porcupine, as a Markdown table.

    python benchmarks/checker.py [--histories DIR] [--rounds 5] [--quick]

Both are asked about the same problem in turn, `--rounds` times, and the medians are compared.
Ours is the whole call of the native engine, from the columns of a problem to the answer, hashing of
texts included. Porcupine's is its own function, without the conversion of its input; it may take
`--timeout` seconds. Without its library (`make porcupine`) the ratio is not known.

`--quick` leaves out the histories of a million operations, which take a minute to make, and what
Porcupine surely does not answer. The published histories are those of --histories with its
expected.json; each verdict is compared with the one there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from histories import items, recorded_registers, registers, texts

from checkers.linearizability import Linearizability
from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Limits, Outcome, find_engine
from checkers.linearizability.models import find_model
from checkers.linearizability.problem import Problem
from checkers.porcupine import MODELS as PORCUPINE_MODELS
from checkers.porcupine import Porcupine, available
from harness.formats import read_history
from harness.history import History
from harness.verdict import Verdict

PUBLISHED = Path(__file__).resolve().parents[1].parent / "shared" / "histories"
ABORT = np.zeros(1, dtype=np.int32)
REPETITIONS = 7
LONG_MS = 20.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Medians in ms. `theirs` is None where Porcupine was not asked or gave no answer."""

    name: str
    ours: float
    outcome: Outcome
    theirs: float | None = None
    theirs_words: str = "not asked"

    @property
    def ratio(self) -> float | None:
        return None if self.theirs is None else self.theirs / self.ours


class Bench:
    def __init__(self, *, rounds: int, timeout_s: float) -> None:
        self.rounds, self.timeout_s = rounds, timeout_s
        self.engine = find_engine("native")
        self.with_porcupine = bool(available())
        self.rows: list[tuple[str, ...]] = []

    def once(self, problem: Problem) -> tuple[float, Outcome]:
        limits = Limits(configurations=self.engine.default_configurations)
        start = time.perf_counter()
        outcome = self.engine.check(problem, limits, ABORT)
        return (time.perf_counter() - start) * 1e3, outcome

    def ours(self, problem: Problem) -> Iterator[float]:
        """As many times as are worth while: short ones are repeated, so that not all of them are
        the first after a switch to another process."""
        spent = 0.0
        for _ in range(REPETITIONS):
            elapsed, _ = self.once(problem)
            yield elapsed
            spent += elapsed
            if spent > LONG_MS:
                return

    def theirs(
        self, name: str, history: History, model: str, answer: str
    ) -> Iterator[float | None]:
        """Likewise; None if there is no answer in time."""
        spent = 0.0
        for _ in range(REPETITIONS):
            told, elapsed = Porcupine(model, timeout_s=self.timeout_s).check_timed(history)
            if told == "unknown":
                yield None
                return
            agreed = told == {"legal": "pass", "illegal": "fail"}[answer]
            assert agreed, f"{name}: {answer} here, but Porcupine says {told}"
            yield elapsed
            spent += elapsed
            if spent > LONG_MS:
                return

    def measure(
        self, name: str, history: History, model: str, *, ask: bool = True, rounds: int = 0
    ) -> Measured:
        """Ours and theirs in turn. One answer of Porcupine that never comes is enough."""
        problem = encode(history, find_model(model))
        ask = ask and self.with_porcupine and model in PORCUPINE_MODELS
        words = "not asked" if self.with_porcupine else "not built"
        _, outcome = self.once(problem)
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(rounds or self.rounds):
            ours += self.ours(problem)
            for elapsed in self.theirs(name, history, model, outcome.answer) if ask else ():
                if elapsed is None:
                    ask, words = False, f"no answer in {self.timeout_s:g} s"
                else:
                    theirs.append(elapsed)
        return Measured(
            name=name,
            ours=statistics.median(ours),
            outcome=outcome,
            theirs=statistics.median(theirs) if theirs and ask else None,
            theirs_words=words,
        )

    def row(
        self, what: str, ours: str, theirs: str, ratio: str, bar: str, met: bool | None
    ) -> None:
        verdict = {True: "yes", False: "**no**", None: "-"}[met]
        self.rows.append((what, ours, theirs, ratio, bar, verdict))
        print("| " + " | ".join(self.rows[-1]) + " |", flush=True)

    def compare(self, found: Measured, bar: float, *, memory_mb: float | None = None) -> None:
        """A row with a ratio to Porcupine, and perhaps a bound of memory."""
        ours, wanted = f"{found.ours:.2f} ms", f"≥ {bar:g}x"
        fits = True
        if memory_mb is not None:
            used = found.outcome.memory_bytes / 1e6
            ours += f", {used:.1f} MB"
            wanted += f", < {memory_mb:g} MB"
            fits = used < memory_mb
        if found.ratio is not None:
            self.row(
                found.name, ours, f"{found.theirs:.1f} ms", f"{found.ratio:.0f}x", wanted,
                found.ratio >= bar and fits,
            )  # fmt: skip
            return
        least = self.timeout_s * 1e3 / found.ours
        given_up = found.theirs_words.startswith("no answer")
        ratio = f"> {least:.0f}x" if given_up else "-"
        self.row(
            found.name, ours, found.theirs_words, ratio, wanted,
            (least >= bar and fits) if given_up else None,
        )  # fmt: skip

    def within(self, found: Measured, bar_ms: float) -> None:
        """A row with a bound of time."""
        decided = found.outcome.answer != "unknown"
        theirs = found.theirs_words if found.theirs is None else f"{found.theirs:.1f} ms"
        ratio = "-" if found.ratio is None else f"{found.ratio:.0f}x"
        ours = f"{found.ours:.2f} ms ({found.outcome.answer}, {found.outcome.method})"
        self.row(
            found.name, ours, theirs, ratio, f"< {bar_ms:g} ms", decided and found.ours < bar_ms
        )


# ---- the rows --------------------------------------------------------------------------------


def published(folder: Path, group: str) -> Iterator[tuple[str, History, dict[str, Any]]]:
    expected = folder / "expected.json"
    for name, about in (json.loads(expected.read_text()) if expected.exists() else {}).items():
        if name.split("/")[0] == group:
            history = read_history(folder / name)
            yield name, history.independent() if about.get("independent") else history, about


def published_files(bench: Bench, folder: Path, group: str) -> list[Measured]:
    """The published histories of a group, each with the verdict that is expected."""
    files = []
    for name, history, about in published(folder, group):
        files.append(bench.measure(name, history, about["model"]))
        valid = files[-1].outcome.answer == "legal"
        assert valid == about["valid"], f"{name} was found {files[-1].outcome.answer}"
    if not files:
        print(f"(no published histories of {group} in {folder})")
    return files


def total(bench: Bench, name: str, files: list[Measured], bar: float | None) -> None:
    """A row with the sum over `files`."""
    ours = sum(found.ours for found in files)
    theirs = [found.theirs for found in files if found.theirs is not None]
    ratio = sum(theirs) / ours if files and len(theirs) == len(files) else None
    bench.row(
        f"{name}: total", f"{ours:.2f} ms",
        f"{sum(theirs):.0f} ms" if ratio else "not all answered",
        f"{ratio:.0f}x" if ratio else "-", f"≥ {bar:g}x" if bar else "-",
        ratio >= bar if ratio and bar else None,
    )  # fmt: skip


def etcd_rows(bench: Bench, folder: Path) -> None:
    files = published_files(bench, folder, "etcd-cas-register")
    if not files:
        return
    total(bench, f"etcd-cas-register, {len(files)} files", files, 200.0)
    ratios = sorted(found.ratio for found in files if found.ratio is not None)
    if len(ratios) == len(files):
        middle = statistics.median(ratios)
        bench.row("per file: worst", "", "", f"{ratios[0]:.1f}x", "≥ 5x", ratios[0] >= 5)
        bench.row("per file: median", "", "", f"{middle:.1f}x", "≥ 10x", middle >= 10)


def text_rows(bench: Bench, folder: Path) -> None:
    """The published group has six files. The two large ones, which take most of the time, do not
    have to be in the folder: histories as large as they are stand for them."""
    files = published_files(bench, folder, "kv-append")
    if files:
        total(bench, f"kv-append, {len(files)} small files", files, None)
    for stale, bar in ((False, 80.0), (True, 6.0)):
        history = texts(operations=2000, seed=1, stale=stale)
        what = "a stale get" if stale else "valid"
        name = f"kv-append, 2,000 operations, 50 clients, 10 keys, {what}"
        files.append(bench.measure(name, history, "kv-append"))
        bench.compare(files[-1], bar)
    total(bench, "kv-append, small files and these two", files, 25.0)


def register_rows(bench: Bench, *, quick: bool) -> None:
    for values in (0, 5):
        name = f"10,000 operations, one key, {values or 'unique'} values, valid"
        history = registers(operations=10_000, seed=1, values=values)
        bench.compare(bench.measure(name, history, "cas-register"), 25)
    history = registers(operations=10_000, seed=2, stale=True)
    name = "10,000 operations, one key, unique values, a stale read"
    bench.compare(bench.measure(name, history, "cas-register"), 40)
    if quick:
        return
    history = registers(operations=100_000, seed=1, values=5)
    name = "100,000 operations, one key, 5 values, valid"
    bench.compare(bench.measure(name, history, "cas-register", rounds=3), 100, memory_mb=64)
    history = registers(operations=1_000_000, seed=1, keys=1000, values=5, clients=50)
    name = "1,000,000 operations, 1,000 keys, 5 values, valid"
    bench.compare(bench.measure(name, history, "cas-register"), 8)


def million_rows(bench: Bench) -> None:
    """Both are one thread's work, and judged by processor time: on an idle machine that is the
    time that passes, which stands beside it."""
    recorder = recorded_registers(operations=1_000_000, seed=1)
    problem = encode(recorder.history(), find_model("cas-register"))
    checker = Linearizability("cas-register")

    def kernel() -> str:
        return bench.once(problem)[1].answer

    def from_records() -> str:
        return checker.check(recorder.history()).outcome

    for name, bar_ms, work in (
        ("1,000,000 operations, one key, unique values: kernel", 300, kernel),
        ("the same, from Python records", 1500, from_records),
    ):
        passed, used = [], []
        for _ in range(min(bench.rounds, 3)):
            start, start_used = time.perf_counter(), time.process_time()
            answer = work()
            used.append((time.process_time() - start_used) * 1e3)
            passed.append((time.perf_counter() - start) * 1e3)
        ours = (
            f"{statistics.median(used):.0f} ms ({statistics.median(passed):.0f} passed), {answer}"
        )
        met = answer in ("legal", "pass") and statistics.median(used) < bar_ms
        bench.row(name, ours, "not asked", "-", f"< {bar_ms} ms", met)


def open_rows(bench: Bench, *, quick: bool) -> None:
    for operations in (1000, 10_000):
        for values in (0, 50):
            for percent in (1, 5):
                history = registers(
                    operations=operations, seed=3, values=values, stale=True,
                    open_ratio=percent / 100,
                )  # fmt: skip
                kind = f"{values or 'unique'} values"
                name = f"illegal, {operations:,} operations, {kind}, {percent} % open for ever"
                found = bench.measure(name, history, "cas-register", ask=not quick)
                assert found.outcome.answer == "illegal", name
                bench.within(found, 500)


def item_rows(bench: Bench) -> None:
    kinds: tuple[Literal["fifo-queue", "stack"], ...] = ("fifo-queue", "stack")
    for kind in kinds:
        for lost in (False, True):
            history = items(kind, operations=10_000, seed=1, lost=lost)
            what = "one lost" if lost else "valid"
            bench.within(
                bench.measure(f"{kind}, 10,000 operations, distinct values, {what}", history, kind),
                50,
            )


def core_rows(bench: Bench) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "unique values": {},
        "unique values, 1 % open": {"open_ratio": 0.01},
        "50 values, 1 % open": {"values": 50, "open_ratio": 0.01},
    }
    for name, options in kinds.items():
        history = registers(operations=10_000, seed=2, stale=True, **options)
        elapsed, verdict = timed(bench.rounds, Linearizability("cas-register").check, history)
        assert verdict.witness is not None, name
        count = len(verdict.witness["steps"])
        bench.row(
            f"verdict and core of an illegal history, 10,000 operations, {name}",
            f"{elapsed:.0f} ms, {count} operations", "", "-", "< 1000 ms, ≤ 10 operations",
            elapsed < 1000 and count <= 10,
        )  # fmt: skip


def timed(rounds: int, work: Callable[[History], Verdict], about: History) -> tuple[float, Verdict]:
    """The median time of `work` in ms, and what it gave."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = work(about)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times), result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--histories", type=Path, default=PUBLISHED)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=10.0, help="of Porcupine, in seconds")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    bench = Bench(rounds=options.rounds, timeout_s=options.timeout)
    if not bench.with_porcupine:
        print(available(), file=sys.stderr)
    print("| what | ours | Porcupine | ratio | bar | met |\n|---|---|---|---|---|---|")
    etcd_rows(bench, options.histories)
    text_rows(bench, options.histories)
    register_rows(bench, quick=options.quick)
    open_rows(bench, quick=options.quick)
    item_rows(bench)
    core_rows(bench)
    if not options.quick:
        million_rows(bench)
    missed = [row[0] for row in bench.rows if row[-1] == "**no**"]
    print(f"\nBars missed: {', '.join(missed) or 'none'}.")


if __name__ == "__main__":
    main()
