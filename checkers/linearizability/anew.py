"""Cores of registers that begin with a write, for values that were written over and over.

    0  ─[ w5 ]──[ w5 ]──[ w5 ]──
    1  ───────────────────────────[ w7 ]──────────────      w5, w7 and the read contradict, because
    2  ─────[ w5 ]───────────────────────────[ r=5 ]──      all that wrote 5 had ended before w7

If all that is known of the others is that they may take effect at any time after their calls (see
`core`), such a contradiction needs *every* write of 5: each one that is optional could come last,
right before the read. More exactly: take a core without some of the writes of the value that the
last operation found. Without that operation it has an order. A write in that order that is
optional, and whose value nobody in the core sees, can be moved to its end. So the core has, for
each write of the value, either that write or somebody who saw it; no core is smaller than the
number of these writes, plus one (`least_size`).

But a write wipes out what was before it. If there is an order of all operations, what follows a
write w in it is an order as well, of a register that begins with the value of w, and it contains

    all that was called after w had returned,
    none of what had returned before w was called,
    and perhaps some of the rest, so that these are optional.

If that question (`beginning_with`) has no order, then neither has the whole. It is much shorter,
and its core is about what happened since.

>>> import numpy as np
>>> from checkers.linearizability.encoding import encode
>>> from checkers.linearizability.models import find_model
>>> from checkers.notation import parse
>>> problem = encode(parse("0w5. 0w5. 3w4 1w7 3. 1. 2w8 2. 2r=5"), find_model("register"))
>>> least_size(problem, 5)
3
>>> part, numbers = beginning_with(problem, 3)
>>> numbers.tolist(), part.values[part.initial], (part.operations["outcome"] == OPEN).tolist()
([2, 4, 5], 7, [True, False, False])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.codes import OPEN, READ, REJECTED, RETURNED, UPDATE, WRITE
from checkers.linearizability.model import exact
from checkers.linearizability.problem import Problem
from checkers.linearizability.relax import relaxed


def moments(problem: Problem) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When each operation was called and when it returned, as places among the events; what is
    open returns after all of them."""
    places = np.arange(len(problem.events), dtype=np.int64)
    is_return = (problem.events & 1) == 1
    begin = np.zeros(len(problem), dtype=np.int64)
    end = np.full(len(problem), len(problem.events), dtype=np.int64)
    begin[problem.events[~is_return] >> 1] = places[~is_return]
    end[problem.events[is_return] >> 1] = places[is_return]
    return begin, end


def found_by(problem: Problem, number: int) -> int | None:
    """The value that an operation on a register surely found there."""
    operation = problem.operations[number]
    finds = operation["function"] in (READ, UPDATE) and operation["outcome"] == RETURNED
    return int(operation["a"]) if problem.kind == "register" and finds else None


def least_size(problem: Problem, last: int) -> int:
    """No core of optional operations is smaller, if all is legal without the operation `last`."""
    value, operations = found_by(problem, last), problem.operations
    return 1 + int(((operations["function"] == WRITE) & (operations["a"] == value)).sum())


def beginnings(problem: Problem, last: int) -> Iterator[int]:
    """Writes to begin with: the latest that had returned before `last` was called, and then some
    earlier ones, further apart each time."""
    begin, end = moments(problem)
    operations = problem.operations
    writes = (operations["function"] == WRITE) & (operations["a"] != operations["a"][last])
    found = np.flatnonzero(writes & (end < begin[last]))
    found = found[np.argsort(-begin[found], kind="stable")]
    place = 0
    while place < len(found):
        yield int(found[place])
        place = 2 * place + 1


def beginning_with(problem: Problem, write: int) -> tuple[Problem, NDArray[np.int64]]:
    """What there is to explain since `write`, a write that returned; and the numbers that its
    operations have in `problem`. Illegal only if `problem` is."""
    begin, end = moments(problem)
    over = end < begin[write]
    over[write] = True
    part, numbers = relaxed(problem, begin > end[write], over)
    value = int(problem.operations["a"][write])
    return replace(part, initial=value, start=exact(problem.values[value])), numbers


def last_writer(problem: Problem, last: int, write: int) -> int | None:
    """Of what left the value that `last` found and had ended when `write` was called, the latest:
    for those who want to know where the value came from. None if there was none."""
    begin, end = moments(problem)
    operations = problem.operations
    function, a, b = (operations[name] for name in ("function", "a", "b"))
    changes = (function == UPDATE) & (operations["outcome"] != REJECTED)
    value = a[last]
    wrote = ((function == WRITE) & (a == value)) | (changes & (b == value))
    found = np.flatnonzero(wrote & (end < begin[write]) & (operations["outcome"] != OPEN))
    return int(found[np.argmax(end[found])]) if len(found) else None
