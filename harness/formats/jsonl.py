"""Histories as JSON Lines: our own format, one object a line; JSON arrays are read too.

    {"index":0,"time_ns":12,"process":3,"type":"invoke","f":"cas","key":"x","value":[1,2]}
    {"index":1,"time_ns":80,"process":3,"type":"info","f":"cas","key":"x","value":null,"error":"?"}

- `process`, `type` and `f` must be there; `key` and `error` are left out when null.
- A missing `index` is the number of the row, a missing `time_ns` is -1 (unknown). `time` is
  taken for `time_ns`. Other fields are ignored.
- Blank lines are allowed, and lines that begin with `#`.

Reading is built for millions of rows: keys and values stay raw bytes, of which equal ones are
looked up and never decoded twice; a first sight is decoded and interned by content, so that `1`
and ` 1` agree. Only lines that do not decode are looked at one by one, for the error.

Limits: the file must fit into memory.

>>> jsonl_line(Operation(index=0, time_ns=-1, process="nemesis", type="info", f="heal"))
b'{"index":0,"time_ns":-1,"process":"nemesis","type":"info","f":"heal","value":null}\\n'
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from harness.formats.json_errors import diagnose_array, diagnose_line
from harness.formats.source import Source, write_bytes
from harness.history import History
from harness.interning import Interner, decode, encode
from harness.operation import TYPE_CODES, TYPE_NAMES, UNKNOWN_TIME_NS, Operation, OperationType

_CHUNK_BYTES = 1 << 22
_CHUNK_ROWS = 1 << 16

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Time = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Row(msgspec.Struct, gc=False):
    process: _Count | str
    type: OperationType
    f: str
    index: _Count | None = None
    time_ns: _Time | None = None
    time: _Time | None = None
    key: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_ROW_DECODER = msgspec.json.Decoder(_Row)
_ARRAY_DECODER = msgspec.json.Decoder(list[_Row])
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def jsonl_line(operation: Operation) -> bytes:
    """`operation` as one line, with its newline; raises UsageError if it holds no JSON data."""
    key = b"" if operation.key is None else b',"key":' + encode(operation.key)
    error = b"" if operation.error is None else b',"error":' + encode(operation.error)
    return b'{"index":%d,"time_ns":%d,"process":%b,"type":"%b","f":%b%b,"value":%b%b}\n' % (
        operation.index,
        operation.time_ns,
        encode(operation.process),
        operation.type.encode(),
        encode(operation.f),
        key,
        encode(operation.value),
        error,
    )


def write_jsonl(history: History, path: str | Path) -> None:
    """Writes `history` to `path`; what `read_jsonl` makes of it equals `history`."""
    write_bytes(path, list(_lines(history)))


def read_jsonl(source: Source) -> History:
    """The history in `source`: JSON Lines, or one array of objects.

    Raises MalformedHistory on the first line that is no operation, or if there is none at all.
    """
    columns = _Columns()
    collecting = gc.isenabled()
    gc.disable()  # a million live objects and no cycle: the collector would only look on
    try:
        if source.data.lstrip()[:1] == b"[":
            _read_array(source, columns)
        else:
            _read_lines(source, columns)
    finally:
        if collecting:
            gc.enable()
    if not columns.rows:
        raise source.empty()
    return columns.history()


def _read_lines(source: Source, columns: _Columns) -> None:
    data = source.data
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _CHUNK_BYTES) + 1
        if end == 0:  # a line longer than a chunk, or the last one
            end = data.find(b"\n", start + _CHUNK_BYTES) + 1 or len(data)
        chunk = data[start:end]
        lines = chunk.count(b"\n") + (not chunk.endswith(b"\n"))
        try:
            chunk.decode("utf-8")  # the decoder skips fields that it does not know
        except UnicodeDecodeError:
            _ = source.text  # raises, with the place
        try:
            rows = _ROW_DECODER.decode_lines(chunk)
            if len(rows) != lines:
                rows = list(_rows_one_by_one(source, start, chunk))
            columns.extend(rows)
        except _DECODE_ERRORS:
            columns.extend(list(_rows_one_by_one(source, start, chunk)))
        start = end


def _rows_one_by_one(source: Source, start: int, chunk: bytes) -> Iterator[_Row]:
    """The rows of `chunk`, which begins at byte `start`; raises on the first malformed line."""
    for line in chunk.splitlines(keepends=True):
        content = line.strip()
        if content and not content.startswith(b"#"):
            try:
                row = _ROW_DECODER.decode(line)
                for raw in (row.key, row.value, row.error):
                    _decode_raw(bytes(raw))
            except _DECODE_ERRORS as error:
                raise diagnose_line(source, start, start + len(line), error) from None
            yield row
        start += len(line)


def _read_array(source: Source, columns: _Columns) -> None:
    _ = source.text  # raises unless all of it is UTF-8
    try:
        rows = _ARRAY_DECODER.decode(source.data)
        for start in range(0, len(rows), _CHUNK_ROWS):
            columns.extend(rows[start : start + _CHUNK_ROWS])
    except _DECODE_ERRORS as error:
        raise diagnose_array(source, error) from None


def _decode_raw(data: bytes) -> Any:
    return decode(data) if data else None


class _ByRawBytes(dict[bytes, int]):
    """Identifiers by raw JSON text; what is not known yet is decoded and interned."""

    def __init__(self) -> None:
        self.interner = Interner()

    def __missing__(self, raw: bytes) -> int:
        identifier = self[raw] = self.interner.intern_json(raw) if raw else 0
        return identifier


class _Columns:
    """The columns of a history under construction, a chunk of rows at a time."""

    def __init__(self) -> None:
        self.rows = 0
        self._chunks: dict[str, list[np.ndarray[Any, Any]]] = {}
        self._names: dict[str, int] = {}
        self._functions: dict[str, int] = {}
        self._keys = _ByRawBytes()
        self._values = _ByRawBytes()
        self._errors: dict[int, Any] = {}

    def extend(self, rows: list[_Row]) -> None:
        """Adds `rows` whole, or raises one of _DECODE_ERRORS and adds none of them."""
        keys, values, first = self._keys, self._values, self.rows
        key = [keys[bytes(row.key)] for row in rows]
        value = [values[bytes(row.value)] for row in rows]
        errors = {
            number: decode(bytes(row.error))
            for number, row in enumerate(rows, first)
            if bytes(row.error) not in (b"", b"null")
        }
        index: list[Any] = [row.index for row in rows]
        if None in index:
            index = [n if given is None else given for n, given in enumerate(index, first)]
        time_ns: list[Any] = [row.time_ns for row in rows]
        if None in time_ns:
            time_ns = [_time_of(row) for row in rows]
        functions = self._functions
        f = [functions.setdefault(row.f, len(functions)) for row in rows]
        names = self._names
        process = [
            who if isinstance(who := row.process, int) else -1 - names.setdefault(who, len(names))
            for row in rows
        ]
        self._append("index", index, np.int64)
        self._append("time_ns", time_ns, np.int64)
        self._append("process", process, np.int64)
        self._append("type", [TYPE_CODES[row.type] for row in rows], np.uint8)
        self._append("f", f, np.int32)
        self._append("key", key, np.int32)
        self._append("value", value, np.int32)
        self._errors.update(errors)
        self.rows += len(rows)

    def history(self) -> History:
        """The history of all rows so far."""
        return History(
            **{name: np.concatenate(chunks) for name, chunks in self._chunks.items()},
            process_names=tuple(self._names),
            functions=tuple(self._functions),
            keys=self._keys.interner.table(),
            values=self._values.interner.table(),
            errors=self._errors,
        )

    def _append(self, name: str, cells: list[Any], kind: type[np.generic]) -> None:
        self._chunks.setdefault(name, []).append(np.array(cells, dtype=kind))


def _time_of(row: _Row) -> int:
    if row.time_ns is not None:
        return row.time_ns
    return UNKNOWN_TIME_NS if row.time is None else row.time


def _lines(history: History) -> Iterator[bytes]:
    """The lines of `history`, many at a time; each distinct value is encoded once."""
    # a client process is its own text; the name of process -1 comes last, as Python counts
    names = [encode(name).decode() for name in reversed(history.process_names)]
    functions = [encode(name).decode() for name in history.functions]
    keys = [""] + [f',"key":{encode(key).decode()}' for key in history.keys[1:]]
    values = [encode(value).decode() for value in history.values]
    errors = {row: f',"error":{encode(e).decode()}' for row, e in history.errors.items()}
    for start in range(0, len(history), _CHUNK_ROWS):
        chunk = slice(start, start + _CHUNK_ROWS)
        lines = [
            f'{{"index":{index},"time_ns":{time_ns},"process":{who if who >= 0 else names[who]}'
            f',"type":"{TYPE_NAMES[kind]}","f":{functions[f]}{keys[key]},"value":{values[value]}'
            f"{errors.get(row, '') if errors else ''}}}\n"
            for row, (index, time_ns, who, kind, f, key, value) in enumerate(
                zip(
                    history.index[chunk].tolist(),
                    history.time_ns[chunk].tolist(),
                    history.process[chunk].tolist(),
                    history.type[chunk].tolist(),
                    history.f[chunk].tolist(),
                    history.key[chunk].tolist(),
                    history.value[chunk].tolist(),
                    strict=True,
                ),
                start,
            )
        ]
        yield "".join(lines).encode()
