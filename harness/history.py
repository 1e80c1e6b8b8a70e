"""A history: what clients and nemeses said, row by row, kept in columns.

Columns are numpy arrays that the checkers read without copying, and everything that is not a
number (functions, keys, values) is *interned*: a row holds the number of its entry in a table,
and equal entries have equal numbers. harness.interning says what counts as equal.

      row   process   type     f              value
       0       0      INVOKE   0 ──> "write"    1 ──> 7
       1       0      OK       0 ──> "write"    1 ──> 7
       2       4      INVOKE   1 ──> "read"     0 ──> None

A `Recorder` builds a history while a run goes on; harness.formats reads and writes files.

Limits: a history never changes once made, and its tables are shared by all that is derived from
it: treat the values as read-only. Rows stay in the order of recording, which is the order that
checkers go by; `time_ns` is for people and plots.

>>> recorder = Recorder()
>>> recorder.append(time_ns=0, process=0, type="invoke", f="write", value=7)
0
>>> recorder.append(time_ns=3, process=0, type="ok", f="write", value=7)
1
>>> history = recorder.history()
>>> history
<History: 2 rows, 1 client process, functions write>
>>> history.partner.tolist(), history[1].value
([1, 0], 7)
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.interning import Interner, decode, encode
from harness.operation import FAIL, INFO, INVOKE, OK, TYPE_CODES, TYPE_NAMES, Operation
from harness.pairing import pair, refuse_strange_ends
from harness.tables import renumber, renumber_names, split_pairs

__all__ = ["FAIL", "INFO", "INVOKE", "OK", "History", "Recorder"]

_CHUNK_ROWS = 1 << 15
_pack_row = struct.Struct("=6q").pack


class History:
    """The rows of one run in columns; make one with `Recorder`, `from_operations` or a reader.

    - `index`, `time_ns`, `process`, `type`, `f`, `key`, `value`: one entry a row (read-only).
      `type` holds the codes INVOKE, OK, FAIL, INFO. A `process` < 0 is no client; its name is
      `process_names[-1 - process]`.
    - `functions`, `keys`, `values`: the tables that `f`, `key` and `value` index. Entry 0 of
      `keys` and of `values` is None.
    - `errors`: the error of a row, for the rows that have one.
    """

    index: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    process: NDArray[np.int64]
    type: NDArray[np.uint8]
    f: NDArray[np.int32]
    key: NDArray[np.int32]
    value: NDArray[np.int32]
    process_names: tuple[str, ...]
    functions: tuple[str, ...]
    keys: tuple[Any, ...]
    values: tuple[Any, ...]
    errors: Mapping[int, Any]

    def __init__(
        self,
        *,
        index: NDArray[np.int64],
        time_ns: NDArray[np.int64],
        process: NDArray[np.int64],
        type: NDArray[np.uint8],
        f: NDArray[np.int32],
        key: NDArray[np.int32],
        value: NDArray[np.int32],
        process_names: tuple[str, ...],
        functions: tuple[str, ...],
        keys: tuple[Any, ...],
        values: tuple[Any, ...],
        errors: Mapping[int, Any],
    ) -> None:
        self.index = _frozen(index, np.int64)
        self.time_ns = _frozen(time_ns, np.int64)
        self.process = _frozen(process, np.int64)
        self.type = _frozen(type, np.uint8)
        self.f = _frozen(f, np.int32)
        self.key = _frozen(key, np.int32)
        self.value = _frozen(value, np.int32)
        self.process_names = process_names
        self.functions = functions
        self.keys = keys
        self.values = values
        self.errors = errors
        self._partner: NDArray[np.int64] | None = None

    @staticmethod
    def from_operations(operations: Iterable[Operation]) -> History:
        """The history of `operations`, in this order and with their `index`."""
        recorder = Recorder()
        append = recorder.append
        index = array("q")
        for operation in operations:
            append(
                time_ns=operation.time_ns,
                process=operation.process,
                type=operation.type,
                f=operation.f,
                key=operation.key,
                value=operation.value,
                error=operation.error,
            )
            index.append(operation.index)
        return recorder._history(np.array(index, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.type)

    def __iter__(self) -> Iterator[Operation]:
        """The rows as operations, in order."""
        for start in range(0, len(self), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            for row, (index, time_ns, process, kind, f, key, value) in enumerate(
                zip(
                    self.index[chunk].tolist(),
                    self.time_ns[chunk].tolist(),
                    self.process[chunk].tolist(),
                    self.type[chunk].tolist(),
                    self.f[chunk].tolist(),
                    self.key[chunk].tolist(),
                    self.value[chunk].tolist(),
                    strict=True,
                ),
                start,
            ):
                yield Operation(
                    index=index,
                    time_ns=time_ns,
                    process=process if process >= 0 else self.process_names[-1 - process],
                    type=TYPE_NAMES[kind],
                    f=self.functions[f],
                    key=self.keys[key],
                    value=self.values[value],
                    error=self.errors.get(row),
                )

    def __getitem__(self, row: int) -> Operation:
        """The operation in `row` (from the end if negative). Raises IndexError past the rows."""
        row = range(len(self))[row]
        process = int(self.process[row])
        return Operation(
            index=int(self.index[row]),
            time_ns=int(self.time_ns[row]),
            process=process if process >= 0 else self.process_names[-1 - process],
            type=TYPE_NAMES[self.type[row]],
            f=self.functions[self.f[row]],
            key=self.keys[self.key[row]],
            value=self.values[self.value[row]],
            error=self.errors.get(row),
        )

    def __repr__(self) -> str:
        clients = len(np.unique(self.process[self.client_rows]))
        keys = len(np.unique(self.key[self.key > 0]))
        parts = [f"{len(self)} rows", f"{clients} client process{'es' * (clients != 1)}"]
        if keys:
            parts.append(f"{keys} key{'s' * (keys != 1)}")
        parts.append(f"functions {', '.join(self.functions) or 'none'}")
        return f"<History: {', '.join(parts)}>"

    def __eq__(self, other: object) -> bool:
        """Whether both have the same rows with the same content, however their tables lie."""
        if not isinstance(other, History):
            return NotImplemented
        return (
            np.array_equal(self.index, other.index)
            and np.array_equal(self.time_ns, other.time_ns)
            and np.array_equal(self.type, other.type)
            and np.array_equal(
                self.process, renumber_names(other.process, other.process_names, self.process_names)
            )
            and np.array_equal(self.f, renumber(other.f, other.functions, self.functions))
            and np.array_equal(self.key, renumber(other.key, other.keys, self.keys))
            and np.array_equal(self.value, renumber(other.value, other.values, self.values))
            and self.errors.keys() == other.errors.keys()
            and all(
                Interner([error]).find(other.errors[row]) == 1 for row, error in self.errors.items()
            )
        )

    __hash__ = None  # type: ignore[assignment]  # equal by content, and content is large

    @property
    def client_rows(self) -> NDArray[np.bool_]:
        """A mask of the rows that clients made."""
        return self.process >= 0

    def named(self, functions: Collection[str]) -> NDArray[np.bool_]:
        """A mask of the rows whose function is one of `functions`."""
        wanted = np.array([name in functions for name in self.functions] or [False])
        rows: NDArray[np.bool_] = wanted[self.f]
        return rows

    @property
    def partner(self) -> NDArray[np.int64]:
        """For each row the row of its completion or invocation; -1 for an open call. Cached.

        Raises PairingError if the rows contradict each other; harness.pairing has the rules.
        """
        if self._partner is None:
            partner = pair(self.process, self.type, describe=self.describe)
            ends = np.flatnonzero(self.client_rows & (self.type != INVOKE))
            describe = self._describe_with_key
            refuse_strange_ends(partner, ends, f=self.f, key=self.key, describe=describe)
            partner.flags.writeable = False
            self._partner = partner
        return self._partner

    def describe(self, row: int) -> str:
        """`row` in words, for an error about it."""
        operation = self[row]
        index = f" (index {operation.index})" if operation.index != row else ""
        return f"row {row}{index}, process {operation.process} {operation.type} {operation.f!r}"

    def _describe_with_key(self, row: int) -> str:
        key = "" if self.key[row] == 0 else f" of key {self[row].key!r}"
        return self.describe(row) + key

    def select(self, mask_or_rows: NDArray[Any] | Sequence[int] | Sequence[bool]) -> History:
        """The rows that a mask keeps, or those whose numbers are given, in that order.

        Index numbers stay what they were. Raises UsageError on a mask of another length.
        """
        wanted = np.asarray(mask_or_rows)
        if wanted.dtype == np.bool_:
            if len(wanted) != len(self):
                raise UsageError(
                    f"A mask of {len(wanted)} entries cannot select from {len(self)} rows.\n"
                    "Usually it was made from another history than the one it is used on."
                )
            rows = np.flatnonzero(wanted)
        else:
            rows = np.arange(len(self), dtype=np.int64)[wanted.astype(np.int64)]
        errors = {}
        if self.errors:
            errors = {n: self.errors[r] for n, r in enumerate(rows.tolist()) if r in self.errors}
        return self._derive(rows, errors)

    def by_key(self) -> dict[int, History]:
        """The client rows of each key, by key identifier, in the order of first appearance."""
        clients = np.flatnonzero(self.client_rows)
        if len(clients) == 0:
            return {}
        keys = self.key[clients]
        order = np.argsort(keys, kind="stable")
        found, starts = np.unique(keys[order], return_index=True)
        groups = np.split(clients[order], starts[1:])
        errors: dict[int, dict[int, Any]] = {key: {} for key in found.tolist()}
        by_identifier = dict(zip(found.tolist(), groups, strict=True))
        for row, error in self.errors.items():
            if self.process[row] >= 0:
                key = int(self.key[row])
                errors[key][int(np.searchsorted(by_identifier[key], row))] = error
        first_appearance = sorted(by_identifier, key=lambda key: int(by_identifier[key][0]))
        return {key: self._derive(by_identifier[key], errors[key]) for key in first_appearance}

    def independent(self) -> History:
        """The same history with the values [k, v] of client rows split into key k and value v.

        Jepsen lifts a workload to many keys that way, and its files cannot tell such a pair from
        any other list of two, so that only the caller knows. A completion `fail` or `info`
        without value takes the key of its invocation. Raises UsageError if another client row
        holds no pair, or if rows have keys already.
        """
        if self.key.any():
            row = int((self.key > 0).argmax())
            raise UsageError(
                f"The history is split by key already: {self.describe(row)} "
                f"works on key {self[row].key!r}.\n"
                "Usually the file was written with a `key` of its own; leave `independent` out."
            )
        clients = self.client_rows
        inherits = clients & (self.type >= FAIL) & (self.value == 0)  # FAIL or INFO
        split = split_pairs(
            self.value, self.values, clients & ~inherits, clients, describe=self.describe
        )
        key = split.key
        if inherits.any():
            key[inherits] = key[self.partner[inherits]]
        return History(
            index=self.index,
            time_ns=self.time_ns,
            process=self.process,
            type=self.type,
            f=self.f,
            key=key,
            value=split.value,
            process_names=self.process_names,
            functions=self.functions,
            keys=split.keys,
            values=split.values,
            errors=self.errors,
        )

    def _derive(self, rows: NDArray[np.int64], errors: Mapping[int, Any]) -> History:
        return History(
            index=self.index[rows],
            time_ns=self.time_ns[rows],
            process=self.process[rows],
            type=self.type[rows],
            f=self.f[rows],
            key=self.key[rows],
            value=self.value[rows],
            process_names=self.process_names,
            functions=self.functions,
            keys=self.keys,
            values=self.values,
            errors=errors,
        )


class Recorder:
    """Takes rows as they happen, about a microsecond each, and makes histories of them."""

    def __init__(self) -> None:
        # time_ns, process, type, f, key, value of a row side by side, as 64 bit integers: one
        # packed row is three times as fast as six appends or as lists made arrays later
        self._cells = bytearray()
        self._rows = 0
        self._names: dict[str, int] = {}
        self._functions: dict[str, int] = {}
        self._keys = Interner()
        self._values = Interner()
        self._errors: dict[int, Any] = {}

    def __len__(self) -> int:
        return self._rows

    def append(
        self,
        *,
        time_ns: int,
        process: int | str,
        type: str,
        f: str,
        key: Any = None,
        value: Any = None,
        error: Any = None,
    ) -> int:
        """Adds a row and returns its number, which is also its `index`.

        Raises UsageError on an unknown type, a negative process or a value that is no JSON data;
        no row is added then.
        """
        kind = TYPE_CODES.get(type)
        if kind is None:
            raise UsageError(f"There is no operation type {type!r}; have {', '.join(TYPE_NAMES)}.")
        number: int = process if process.__class__ is int else self._named(process)
        function = self._functions.get(f)
        if function is None:
            function = self._functions[_text(f, "f")] = len(self._functions)
        row = self._rows
        try:
            if number < 0 and process.__class__ is int:
                raise ValueError("a client process is an integer >= 0")
            cells = _pack_row(
                time_ns,
                number,
                kind,
                function,
                0 if key is None else self._keys.intern(key),
                0 if value is None else self._values.intern(value),
            )
        except (ValueError, struct.error) as problem:
            raise UsageError(
                f"Row {row} has time_ns {time_ns!r} and process {process!r}: {problem}.\n"
                "Times are integer nanoseconds and processes integers >= 0 or names, 64 bits each."
            ) from problem
        if error is not None:
            self._errors[row] = decode(encode(error))
        self._cells += cells
        self._rows = row + 1
        return row

    def history(self) -> History:
        """The history of all rows so far; the recorder may go on."""
        return self._history(np.arange(self._rows, dtype=np.int64))

    def _named(self, name: int | str) -> int:
        return -1 - self._names.setdefault(_text(name, "process"), len(self._names))

    def _history(self, index: NDArray[np.int64]) -> History:
        cells = np.frombuffer(bytes(self._cells), dtype=np.int64).reshape(-1, 6)
        return History(
            index=index,
            time_ns=cells[:, 0],
            process=cells[:, 1],
            type=cells[:, 2].astype(np.uint8),
            f=cells[:, 3].astype(np.int32),
            key=cells[:, 4].astype(np.int32),
            value=cells[:, 5].astype(np.int32),
            process_names=tuple(self._names),
            functions=tuple(self._functions),
            keys=self._keys.table(),
            values=self._values.table(),
            errors=dict(self._errors),
        )


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise UsageError(
            f"The {what} of a row is {value!r}, which is no name.\n"
            "Functions and named processes are text; client processes are plain ints."
        )
    encode(value)  # refuses what no file can hold
    return str(value)


def _frozen(column: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """`column` contiguous, of this type and read-only, copied only if it must be."""
    frozen = np.ascontiguousarray(column, dtype=kind)
    if frozen.flags.writeable:
        frozen = frozen.view()
        frozen.flags.writeable = False
    return frozen
