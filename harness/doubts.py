"""What makes a recorded history look as if it were meant otherwise than it was read.

The check goes by what is written; whoever wrote it may have meant something else. A doubt is no
error: it stands beside the verdict.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for type_, value in (("invoke", ["x", None]), ("ok", ["x", 5])):
...     _ = recorder.append(time_ns=-1, process=0, type=type_, f="read", value=value)
>>> print(*doubts(recorder.history(), failed=True))
All values are pairs, as Jepsen writes those of independent keys. If that is what they are, this
failure means nothing: say --independent.
>>> list(doubts(recorder.history(), failed=False))
[]

Limits: a history of nothing but compare-and-set has pairs as values, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.history import History

#: So much earlier than a row before it a row may be: recorders do not stamp and write at once.
JITTER_NS = 10_000_000


def doubts(history: History, *, failed: bool) -> Iterator[str]:
    """One sentence or more for each doubt about `history`; `failed` if its check did."""
    client = np.flatnonzero(history.client_rows)
    timed = client[history.time_ns[client] >= 0]
    times_ns = history.time_ns[timed]
    back_ns = np.maximum.accumulate(times_ns) - times_ns if len(timed) else times_ns
    if (back_ns > JITTER_NS).any():
        row = int(timed[int(np.argmax(back_ns > JITTER_NS))])
        yield (
            f"The time goes back in row {row}, and by up to {int(back_ns.max()) / 1e9:.3f} s in "
            "all. Rows count in the order in which they are written. Usually the files of several "
            "recorders were put one behind the other: sort them by time."
        )
    values = [history.values[number] for number in np.unique(history.value[client]).tolist()]
    pairs = all(isinstance(value, list) and len(value) == 2 for value in values)
    if failed and values and pairs and not history.key[client].any():
        yield (
            "All values are pairs, as Jepsen writes those of independent keys. If that is what "
            "they are, this failure means nothing: say --independent."
        )
