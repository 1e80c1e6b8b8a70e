"""Columns that move from one table of distinct entries to another.

A column of a history holds numbers of entries in a table (see harness.history). What is worked
out here is worked out once for every entry of a table and then looked up for all rows at once.

>>> column = np.array([0, 1, 2, 1], dtype=np.int32)
>>> renumber(column, (None, "x", "y"), (None, "y", "x")).tolist()
[0, 2, 1, 2]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.interning import Interner

Table = tuple[Any, ...]


def renumber(column: NDArray[np.int32], own: Table, other: Table) -> NDArray[np.int32]:
    """`column`, which indexes the table `own`, as it indexes `other`; -1 for what is not there."""
    if own is other:
        return column
    starts_empty = other[:1] == (None,)  # as every Interner does, and the functions do not
    interner = Interner(other)
    numbers = [interner.find(entry) - (not starts_empty) for entry in own]
    lookup: NDArray[np.int32] = np.array(numbers or [0], dtype=np.int32)
    return np.take(lookup, column)


def renumber_names(
    process: NDArray[np.int64], own: tuple[str, ...], other: tuple[str, ...]
) -> NDArray[np.int64]:
    """A process column whose negative numbers name `own[-1 - process]`, as it names `other`."""
    if own == other:
        return process
    place = {name: -1 - number for number, name in enumerate(other)}
    nowhere = -1 - len(other)
    numbers = np.array([place.get(name, nowhere) for name in own] or [0], dtype=np.int64)
    named = process < 0
    return np.where(named, numbers[np.where(named, -1 - process, 0)], process)


class Split(NamedTuple):
    """Two columns and their tables, made of one column of pairs."""

    key: NDArray[np.int32]
    value: NDArray[np.int32]
    keys: Table
    values: Table


def split_pairs(
    value: NDArray[np.int32],
    values: Table,
    pairs: NDArray[np.bool_],
    clients: NDArray[np.bool_],
    *,
    describe: Callable[[int], str],
) -> Split:
    """Splits the values [k, v] of the rows `pairs` into k and v.

    Rows that are no `clients` keep their value and have no key. Raises UsageError, with
    `describe(row)` in it, if one of the rows `pairs` holds something else.
    """
    keys, rest = Interner(), Interner()
    key_of = np.zeros(len(values), dtype=np.int32)
    rest_of = np.zeros(len(values), dtype=np.int32)
    kept = np.zeros(len(values), dtype=np.int32)
    for number in np.unique(value[pairs]).tolist():
        entry = values[number]
        if not isinstance(entry, list) or len(entry) != 2:
            row = int(np.argmax(pairs & (value == number)))
            raise UsageError(
                f"The value of {describe(row)} is {entry!r}, but the values of independent keys "
                "are pairs [key, value].\n"
                "Usually the history is about one object only; leave `independent` out."
            )
        key_of[number] = keys.intern(entry[0])
        rest_of[number] = rest.intern(entry[1])
    for number in np.unique(value[~clients]).tolist():
        kept[number] = rest.intern(values[number])
    return Split(
        key=np.where(pairs, key_of[value], 0).astype(np.int32),
        value=np.where(pairs, rest_of[value], kept[value]).astype(np.int32),
        keys=keys.table(),
        values=rest.table(),
    )
