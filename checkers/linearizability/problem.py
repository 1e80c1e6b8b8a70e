"""What the search engines work on: operations and events in numbers, in the kernel's own layout.

A `Problem` is a history with everything removed that cannot matter: calls that surely did not
happen, reads whose answer nobody knows, nemeses, times. Its two main columns are

    operations   one record each, in the order of their calls
    events       2 * operation for a call, 2 * operation + 1 for its return, in real time

and `call_row` and `return_row` lead back to the rows of the history.

Limits: up to 2^29 operations.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.codes import OPEN, READ, REJECTED, Kind
from checkers.linearizability.model import Model
from harness.history import History

#: One operation as the kernel has it (`lin_operation` in kernel/lin.h).
OPERATION: Final = np.dtype(
    [
        ("key", "=i4"),
        ("a", "=i4"),
        ("b", "=i4"),
        ("function", "=u1"),
        ("outcome", "=u1"),
        ("unused", "=u2"),
    ]
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """One or many keys to decide; `a` and `b` of the operations index `values`.

    `key_ids` holds the history's identifier of each key; `call_row` and `return_row` the rows of
    each operation in `history`, -1 where it did not return (or the return is cut off). `model` says
    in Python what the columns say in numbers.
    """

    kind: Kind
    model: Model
    history: History
    start: Any
    initial: int
    operations: NDArray[Any]
    events: NDArray[np.int32]
    key_ids: NDArray[np.int32]
    values: tuple[Any, ...]
    call_row: NDArray[np.int64]
    return_row: NDArray[np.int64]
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    items: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    item_start: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.operations)

    @cached_property
    def text(self) -> tuple[bytes, NDArray[np.int64]]:
        """The values as UTF-8 one after another, and where each begins (and the last ends).

        Only for texts; values that are no strings belong to no operation and count as empty.
        """
        encoded = [
            value.encode("utf-8", "surrogatepass") if isinstance(value, str) else b""
            for value in self.values
        ]
        starts = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(part) for part in encoded], out=starts[1:])
        return b"".join(encoded), starts

    def only_key(self, key: int) -> Problem:
        """The part that is about one key, which becomes key 0."""
        kept = self.operations["key"] == key
        part = self._keep(kept, self.events)
        part.operations["key"] = 0
        return replace(part, key_ids=self.key_ids[key : key + 1])

    def until_return_of(self, operation: int) -> Problem:
        """What was known the moment when `operation` returned.

        Calls that had not returned by then are open; reads among them are gone.
        """
        end = int(np.flatnonzero(self.events == 2 * operation + 1)[0]) + 1
        events = self.events[:end]
        numbers = events >> 1
        returned = np.zeros(len(self), dtype=bool)
        returned[numbers[(events & 1) == 1]] = True
        kept = np.zeros(len(self), dtype=bool)
        kept[numbers] = True
        kept &= returned | (
            (self.operations["function"] != READ) & (self.operations["outcome"] != REJECTED)
        )
        part = self._keep(kept, events)
        cut = ~returned[kept]
        part.operations["outcome"][cut] = OPEN
        return replace(part, return_row=np.where(cut, -1, part.return_row))

    def _keep(self, kept: NDArray[np.bool_], events: NDArray[np.int32]) -> Problem:
        """The operations of a mask with their part of `events`, numbered anew."""
        number = np.cumsum(kept, dtype=np.int32) - 1
        events = events[kept[events >> 1]]
        return replace(
            self,
            operations=self.operations[kept],
            events=(number[events >> 1] * 2 + (events & 1)).astype(np.int32),
            call_row=self.call_row[kept],
            return_row=self.return_row[kept],
        )
