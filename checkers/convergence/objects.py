"""Sets and counters under keys: each key is an object of its own, and is judged on its own.

    key x   add 1  ok        read [1]          what is at x says nothing of what is at y, so that
    key y   add 1  ok        read [ ]  ✗       the worst verdict counts, and it names its key

For each key the rows of the others become rows of nobody: all rows keep their numbers, and faults
concern every key.

>>> from checkers.convergence.set_full import SetFull
>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for f, key, said in [("add", "x", 1), ("add", "y", 1), ("read", "x", [1]), ("read", "y", [])]:
...     for type, value in [("invoke", None if f == "read" else said), ("ok", said)]:
...         _ = recorder.append(time_ns=0, process=0, type=type, f=f, key=key, value=value)
>>> print(SetFull().check(recorder.history()).reason)
Of key 'y', the worst of 2: 1 of 1 element was lost. 1, added by process 0 and acknowledged at 0.000
s, is missing in a read, asked for at 0.000 s; no answer ever had it.

Limits: what a replica says of all that it holds (`replica`, `cost`) has no key; where there are
several, it is left out. Cost: every key looks at as many rows as the history has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history import INFO, INVOKE, History
from harness.verdict import Verdict, worst


def key_by_key(
    history: History, updates: Collection[str], judge: Callable[[History], Verdict]
) -> Verdict:
    """The worst verdict of `judge` about a key that was updated; about one key: simply that.

    `updates` are the functions that update an object; only `read` reads one by its key.
    """
    calls = history.client_rows & (history.type == INVOKE)
    updated = np.unique(history.key[calls & history.named(updates)])
    known = np.union1d(updated, history.key[calls & history.named(("read",))])
    if len(updated) == 0 or len(known) == 1:
        return judge(history)
    # a completion may leave its key out
    key = np.where(calls | (history.partner < 0), history.key, history.key[history.partner])
    verdicts = [judge(_only(history, key == one)) for one in updated.tolist()]
    found = worst(verdicts)
    name = history.keys[int(updated[verdicts.index(found)])]
    details = {**found.details, "key": name, "keys": len(verdicts)}
    if len(verdicts) == 1:
        return replace(found, details=details)
    if found.passed:
        told = f"All {len(verdicts):,} keys pass, each on its own; {name!r}: {found.reason}"
    else:
        told = f"Of key {name!r}, the worst of {len(verdicts):,}: {found.reason}"
    return replace(found, reason=told, details=details)


def _only(history: History, wanted: NDArray[Any]) -> History:
    """`history` with the client rows that are not `wanted` made rows of nobody."""
    others = history.client_rows & ~wanted
    nobody = -1 - len(history.process_names)
    return History(
        index=history.index,
        time_ns=history.time_ns,
        process=np.where(others, nobody, history.process),
        type=np.where(others, INFO, history.type),
        f=history.f,
        key=history.key,
        value=history.value,
        process_names=(*history.process_names, "a client of another key"),
        functions=history.functions,
        keys=history.keys,
        values=history.values,
        errors=history.errors,
    )
