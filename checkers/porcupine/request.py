"""What Porcupine is asked: the operations of a `Problem`, each with the moments of its call and its
return, in the layout of go/wrapper.h.

    problem   calls and returns in one sequence       0  1  2  3  4 ...
    request   operation 0: called 0, returned 3       operation 1: called 1, returned never

An operation without a known answer returns at the end of all time, as users of Porcupine have it:
it may be ordered after everything, where it disturbs nobody. So it may take effect at any time, or
never. What says nothing (failed writes, reads without answer) is gone already; `encode` says how.

>>> from checkers.linearizability.encoding import encode
>>> from checkers.linearizability.models import find_model
>>> from checkers.notation import parse
>>> request = Request.of(encode(parse("0w7 1w8? 0. 2r=8"), find_model("register")))
>>> [(o["called"].item(), o["returned"].item() == NEVER) for o in request.operations]
[(0, False), (1, True), (3, False)]
>>> len(request.until(2)), len(request.until(4))
(2, 3)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.models import OPEN, READ, REJECTED, RETURNED, UPDATE, WRITE
from checkers.linearizability.problem import Problem
from checkers.porcupine.worker import REQUEST, declared, interface

NEVER: Final = int(np.iinfo(np.int64).max)
CONSTANTS: Final = declared(interface())

#: One operation as Go has it (`porcupine_operation` in go/wrapper.h).
_OPERATION: Final = np.dtype(
    [
        ("called", "=i8"),
        ("returned", "=i8"),
        ("key", "=i4"),
        ("a", "=i4"),
        ("b", "=i4"),
        ("function", "=u1"),
        ("outcome", "=u1"),
        ("unused", "=u2"),
    ]
)
# both sides call these things by the same numbers, so that columns need no translation
_NUMBERS = {
    "READ": READ,
    "WRITE": WRITE,
    "UPDATE": UPDATE,
    "RETURNED": RETURNED,
    "REJECTED": REJECTED,
    "OPEN": OPEN,
}
assert all(CONSTANTS[f"PORCUPINE_{name}"] == number for name, number in _NUMBERS.items())


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """Operations on one or many keys, by key from 0 to `keys` - 1; none may be missing.

    `numbers` are those of the operations in the problem. `texts` are the texts one after another
    and where each begins; None for registers.
    """

    operations: NDArray[Any]
    numbers: NDArray[np.int64]
    keys: int
    initial: int
    texts: tuple[bytes, NDArray[np.int64]] | None

    @staticmethod
    def of(problem: Problem) -> Request:
        """The request that `problem` makes."""
        operations = np.zeros(len(problem), dtype=_OPERATION)
        for column in ("key", "a", "b", "function", "outcome"):
            operations[column] = problem.operations[column]
        moments = np.arange(len(problem.events), dtype=np.int64)
        numbers, is_return = problem.events >> 1, (problem.events & 1).astype(bool)
        operations["called"][numbers[~is_return]] = moments[~is_return]
        operations["returned"] = NEVER
        operations["returned"][numbers[is_return]] = moments[is_return]
        return Request(
            operations=operations,
            numbers=np.arange(len(problem), dtype=np.int64),
            keys=len(problem.key_ids),
            initial=problem.initial,
            texts=problem.text if problem.kind == "text" else None,
        )

    def __len__(self) -> int:
        return len(self.operations)

    def only(self, kept: NDArray[np.bool_]) -> Request:
        """The operations of a mask, their keys numbered anew."""
        operations = self.operations[kept]
        found, operations["key"] = np.unique(operations["key"], return_inverse=True)
        return replace(self, operations=operations, numbers=self.numbers[kept], keys=len(found))

    def until(self, moment: int) -> Request:
        """What was known at `moment`: calls that had not returned by then are open."""
        cut = self.operations["returned"] > moment
        says_nothing = cut & (
            (self.operations["function"] == READ) | (self.operations["outcome"] == REJECTED)
        )
        kept = (self.operations["called"] <= moment) & ~says_nothing
        part = self.only(kept)
        part.operations["outcome"][cut[kept]] = OPEN
        part.operations["returned"][cut[kept]] = NEVER
        return part

    def frames(self, *, timeout_ns: int, collect_garbage: bool) -> list[bytes]:
        """The bytes that a worker reads. `timeout_ns` 0 means no timeout."""
        text, starts = self.texts or (b"", np.zeros(1, dtype=np.int64))
        operations = np.ascontiguousarray(self.operations).tobytes()
        model = "PORCUPINE_REGISTER" if self.texts is None else "PORCUPINE_TEXT"
        header = REQUEST.pack(
            CONSTANTS[model],
            self.initial,
            self.keys,
            len(starts) - 1,
            collect_garbage,
            timeout_ns,
            len(self),
            len(operations),
            len(text),
        )
        return [header, operations, starts.tobytes(), text]
