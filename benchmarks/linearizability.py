"""How long a linearizability check takes: published logs and generated histories, both engines.

    python benchmarks/linearizability.py [--histories DIR] [--operations N] [--repetitions K]

Columns, in milliseconds, best of K: `encode` from a history to numbers, `native` and `reference`
the check of those, `total` all of `Linearizability().check` (native, with the explanation of a
failure). `configurations` and `MB` are the native engine's work and memory. The reference
engine gets its default budget; "-" means that it was not tried on so large a history.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from checkers.linearizability import Linearizability
from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Engine, Limits, Outcome, find_engine
from checkers.linearizability.problem import Problem
from harness.formats import read_history
from harness.history import History, Recorder

PUBLISHED = Path(__file__).resolve().parents[1].parent / "shared" / "histories"
REFERENCE_OPERATIONS = 1000
T = TypeVar("T")


class Row(NamedTuple):
    name: str
    operations: int
    encode_ms: float
    native_ms: float
    reference_ms: float | None
    total_ms: float
    native: Outcome


# ---- generated histories ---------------------------------------------------------------------


def generate(
    *,
    operations: int,
    seed: int,
    keys: int = 1,
    values: int = 0,
    clients: int = 8,
    open_ratio: float = 0.0,
    stale: bool = False,
) -> History:
    """A cas-register history: half reads, two fifths writes, the rest compare-and-sets.

    `values` is how many different ones are written, 0 for a new one each time. An open call takes
    effect half of the time, some time later. With `stale` one late read answers what was the
    value long before.
    """
    rng = random.Random(seed)
    moments: list[tuple[float, int, str, int]] = []  # (time, tie, call | effect | return, number)
    free = [(rng.random(), client) for client in range(clients)]
    calls: list[dict[str, Any]] = []
    for number in range(operations):
        now, process = heappop(free)
        is_open = rng.random() < open_ratio
        end = now + rng.expovariate(0.1) + 0.01
        f = rng.choices(("read", "write", "cas"), (5, 4, 1))[0]
        calls.append({"f": f, "key": f"k{rng.randrange(keys)}", "process": process, "type": "ok"})
        moments.append((now, 3 * number, "call", number))
        if is_open:
            calls[-1]["type"] = "info"
            if rng.random() < 0.5:
                moments.append((now + rng.random() * 40, 3 * number + 1, "effect", number))
            heappush(free, (now + 30 + rng.random(), process + clients))
        else:
            moments.append((now + rng.random() * (end - now), 3 * number + 1, "effect", number))
            moments.append((end, 3 * number + 2, "return", number))
            heappush(free, (end + rng.random(), process))
    return _play(rng, sorted(moments), calls, values, stale)


def _play(
    rng: random.Random,
    moments: list[tuple[float, int, str, int]],
    calls: list[dict[str, Any]],
    values: int,
    stale: bool,
) -> History:
    state: dict[str, Any] = {}
    long_ago: dict[str, Any] = {}
    recorder = Recorder()
    for at, _, what, number in moments:
        call = calls[number]
        f, key = call["f"], call["key"]
        if what == "call":
            fresh = rng.randrange(values) if values else number
            guess = state.get(key) if rng.random() < 0.6 else rng.randrange(values or number + 1)
            call["asked"] = {"read": None, "write": fresh, "cas": [guess, fresh]}[f]
            call["answer"] = call["asked"]
            _record(recorder, at, "invoke", call, call["asked"])
        elif what == "effect":
            if f == "read":
                call["answer"] = state.get(key)
            elif f == "write":
                state[key] = call["asked"]
            elif state.get(key) == call["asked"][0]:
                state[key] = call["asked"][1]
            elif call["type"] == "ok":
                call["type"] = "fail"
        else:
            if number * 4 // len(calls) == 1:
                long_ago[key] = state.get(key)
            if stale and f == "read" and number * 4 // len(calls) == 3 and key in long_ago:
                call["answer"] = -1 if values else long_ago[key]
                stale = False
            _record(recorder, at, call["type"], call, call["answer"])
    return recorder.history()


def _record(recorder: Recorder, at: float, kind: str, call: dict[str, Any], value: Any) -> None:
    recorder.append(
        time_ns=int(at * 1e6),
        process=call["process"],
        type=kind,
        f=call["f"],
        key=call["key"],
        value=value,
    )


def generated(most: int) -> Iterator[tuple[str, History]]:
    """Named histories of up to `most` operations, the sizes growing tenfold."""
    size = 1000
    while size <= most:
        for values in (0, 5):
            kind = f"{size:,} ops, {values or 'unique'} values"
            yield kind, generate(operations=size, values=values, seed=1)
            yield f"{kind}, stale", generate(operations=size, values=values, seed=2, stale=True)
            yield (
                f"{kind}, 5% open, stale",
                generate(operations=size, values=values, seed=3, open_ratio=0.05, stale=True),
            )
        keys = size // 100
        yield (
            f"{size:,} ops, {keys} keys, 1% open",
            generate(operations=size, keys=keys, values=5, seed=4, clients=50, open_ratio=0.01),
        )
        size *= 10


# ---- measuring -------------------------------------------------------------------------------


def best(work: Callable[[], T], repetitions: int) -> tuple[float, T]:
    """The shortest time of `work` in ms, and what it gave."""
    shortest = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter()
        result = work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest * 1e3, result


def measure(name: str, history: History, model: str, repetitions: int) -> Row:
    checker = Linearizability(model)
    encode_ms, problem = best(lambda: encode(history, checker.model), repetitions)
    native_ms, native = best(lambda: decided(find_engine(None), problem), repetitions)
    reference_ms = None
    if len(problem) <= REFERENCE_OPERATIONS:
        reference_ms, reference = best(lambda: decided(find_engine("reference"), problem), 1)
        assert reference.answer in (native.answer, "unknown"), f"the engines disagree on {name}"
    total_ms, _ = best(lambda: checker.check(history), min(repetitions, 3))
    return Row(name, len(problem), encode_ms, native_ms, reference_ms, total_ms, native)


def decided(engine: Engine, problem: Problem) -> Outcome:
    abort = np.zeros(1, dtype=np.int32)
    return engine.check(problem, Limits(configurations=engine.default_configurations), abort)


def show(row: Row) -> None:
    reference = "-" if row.reference_ms is None else f"{row.reference_ms:.1f}"
    print(
        f"{row.name:<38} {row.operations:>9,} {row.native.answer:<8} {row.encode_ms:>9.2f} "
        f"{row.native_ms:>9.3f} {reference:>9} {row.total_ms:>9.2f} "
        f"{row.native.configurations:>11,} {row.native.memory_bytes / 1e6:>7.1f}",
        flush=True,
    )


def show_sum(name: str, rows: list[Row]) -> None:
    if not rows:
        return
    worst = max(rows, key=lambda row: row.native_ms)
    print(
        f"{name}: {len(rows)} files, encode {sum(r.encode_ms for r in rows):.2f} ms, "
        f"native {sum(r.native_ms for r in rows):.3f} ms (worst {worst.native_ms:.3f}, "
        f"{worst.name}), reference {sum(r.reference_ms or 0 for r in rows):.0f} ms\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--histories", type=Path, default=PUBLISHED)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    print(f"engine: {find_engine(None).name}; times in ms")
    print(
        f"{'history':<38} {'ops':>9} {'verdict':<8} {'encode':>9} {'native':>9} "
        f"{'reference':>9} {'total':>9} {'configurat.':>11} {'MB':>7}"
    )
    expected = options.histories / "expected.json"
    groups: dict[str, list[Row]] = {}
    for name, about in (json.loads(expected.read_text()) if expected.exists() else {}).items():
        history = read_history(options.histories / name)
        if about.get("independent"):
            history = history.independent()
        row = measure(Path(name).name, history, about["model"], options.repetitions)
        assert row.native.answer == ("legal" if about["valid"] else "illegal"), name
        groups.setdefault(name.split("/")[0], []).append(row)
        show(row)
    print()
    for group, rows in groups.items():
        show_sum(group, rows)
    for name, history in generated(options.operations):
        show(measure(name, history, "cas-register", options.repetitions))


if __name__ == "__main__":
    main()
