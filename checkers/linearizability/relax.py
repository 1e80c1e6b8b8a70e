"""Making operations of a problem optional: nobody may rely on them any more.

A read is gone then; everything else may take effect at any time after its call, or never. That
only adds orders, so what is illegal afterwards was illegal before.

>>> import numpy as np
>>> from checkers.linearizability.encoding import encode
>>> from checkers.linearizability.models import find_model
>>> from checkers.notation import parse
>>> problem = encode(parse("0w1. 0w2. 0r=2 0r=1"), find_model("register"))
>>> part, numbers = relaxed(problem, np.array([False, True, False, True]))
>>> numbers.tolist(), part.operations["outcome"].tolist()
([0, 1, 3], [2, 0, 0])
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.codes import (
    ADD,
    DISCARD,
    INSERT,
    OPEN,
    PURE,
    REJECTED,
    REMOVE,
    UPDATE,
)
from checkers.linearizability.problem import Problem

Mask = NDArray[np.bool_]

#: Objects whose operations keep their answers when they become optional: who took 5 from a queue
#: may have taken 5 or nothing. The kernel's others forget what they returned.
KEEP_ANSWERS: Final = frozenset({"queue", "stack", "bag", "priority-queue", "python"})


def keeps_meaning(kind: str) -> bool:
    """Whether an open operation means the same when it is made optional before it returns."""
    return kind in KEEP_ANSWERS or kind in ("register", "text")


def relaxed(
    problem: Problem, kept: Mask, gone: Mask | None = None
) -> tuple[Problem, NDArray[np.int64]]:
    """The problem in which all but the `kept` operations are optional, and without those that are
    `gone`, up to the last return that is left; and the numbers that its operations have in
    `problem`."""
    operations = problem.operations
    optional = ~kept & (operations["outcome"] != OPEN)
    looks = np.isin(operations["function"], list(PURE)) | (operations["outcome"] == REJECTED)
    stays = ~(optional & looks)
    if gone is not None:
        stays &= ~gone
    is_return = (problem.events & 1).astype(bool)
    number = problem.events >> 1
    events_kept = stays[number] & ~(is_return & optional[number])
    last = np.flatnonzero(events_kept & is_return)
    events_kept[(last[-1] + 1 if len(last) else 0) :] = False
    stays &= False
    stays[number[events_kept]] = True
    new_number = np.cumsum(stays, dtype=np.int32) - 1
    events = problem.events[events_kept]
    changed = operations[stays]
    _make_optional(problem.kind, changed, optional[stays])
    return_row = problem.return_row[stays]
    values = problem.values
    if problem.kind == "text":  # the kernel reads all texts that there are
        used = np.zeros(len(values), dtype=bool)
        used[changed["a"]] = used[problem.initial] = True
        values = tuple(v if u else "" for v, u in zip(values, used.tolist(), strict=True))
    if problem.kind not in KEEP_ANSWERS:
        return_row = np.where(optional[stays], -1, return_row)
    part = replace(
        problem,
        operations=changed,
        events=(new_number[events >> 1] * 2 + (events & 1)).astype(np.int32),
        values=values,
        call_row=problem.call_row[stays],
        return_row=return_row,
    )
    return part, np.flatnonzero(stays)


def _make_optional(kind: str, operations: NDArray[Any], optional: Mask) -> None:
    operations["outcome"][optional] = OPEN
    function = operations["function"]
    if kind == "set":
        function[optional & (function == INSERT)] = ADD
        function[optional & (function == REMOVE)] = DISCARD
    elif kind == "counter":
        operations["b"][optional & (function == UPDATE)] = -1
