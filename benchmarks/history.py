"""How long a large history takes: recording, writing, reading, pairing, splitting by key.

    python benchmarks/history.py --operations 1000000 --distinct 5

Bar: one million operations (rows) are read from JSON Lines within 5 seconds. `--distinct` is the
number of different values that are written; the more there are, the more has to be decoded.
Every step is timed once, with what it made checked after it; run it again for a second opinion.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.formats import read_history, write_edn, write_jsonl
from harness.history import History, Recorder

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--operations", type=int, default=1_000_000, help="rows of the history")
    parser.add_argument("--distinct", type=int, default=5, help="different values written")
    parser.add_argument("--clients", type=int, default=10, help="client processes")
    parser.add_argument("--keys", type=int, default=7, help="independent registers")
    parser.add_argument("--seed", type=int, default=1, help="of the history that is made up")
    parser.add_argument("--edn", action="store_true", help="also write and read it as EDN")
    options = parser.parse_args()
    rows = options.operations

    history = timed("record", rows, lambda: made_up(options))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.jsonl")
        timed("write JSON Lines", rows, lambda: write_jsonl(history, path))
        read = timed("read JSON Lines", rows, lambda: read_history(path))
        assert read == history
        timed("pair", rows, lambda: read.partner)
        parts = timed("split by key", rows, read.by_key)
        assert sum(map(len, parts.values())) == len(read)
        count = timed("iterate", rows, lambda: sum(1 for _ in read))
        assert count == rows
        if options.edn:
            path = Path(folder, "history.edn")
            timed("write EDN", rows, lambda: write_edn(history, path))
            read = timed("read EDN", rows, lambda: read_history(path))
            assert read.independent() == history


def timed(name: str, rows: int, work: Callable[[], T]) -> T:
    """The result of `work`, after a line on how long it took."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    print(f"{name:18}{seconds:8.2f} s {rows / seconds:14,.0f} operations/s")
    return result


def made_up(options: argparse.Namespace) -> History:
    """A history of reads, writes and compare-and-sets; nothing is linearizable about it."""
    draw = random.Random(options.seed)
    recorder = Recorder()
    keys = [f"k{number}" for number in range(options.keys)]
    for row in range(0, options.operations, 2):
        process = row // 2 % options.clients
        key = keys[draw.randrange(options.keys)]
        value = draw.randrange(options.distinct)
        f = ("read", "write", "cas")[draw.randrange(3)]
        argument = None if f == "read" else [value, value + 1] if f == "cas" else value
        result = value if f == "read" else argument
        time_ns = row * 1000
        recorder.append(
            time_ns=time_ns, process=process, type="invoke", f=f, key=key, value=argument
        )
        if row + 1 < options.operations:
            recorder.append(
                time_ns=time_ns + 700, process=process, type="ok", f=f, key=key, value=result
            )
    return recorder.history()


if __name__ == "__main__":
    main()
