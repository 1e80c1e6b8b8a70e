"""Histories in Clojure's EDN, as Jepsen, Knossos and Elle read and write them.

    {:index 0, :time 12, :type :invoke, :process 3, :f :cas, :value [1 2]}
    {:index 1, :time 80, :type :info, :process :nemesis, :f :start-partition, :value nil}

Reading takes maps one after the other, or all of them in one vector or list, plain or tagged
(`#jepsen.history.Op{..}`), with their fields in any order. Missing fields: `:index` becomes the
number of the row, `:time` -1 (unknown), `:process` the name "unknown", `:f` "", `:value` nil.
`:key` goes to the key column, `:error` to the errors; fields that we do not know are left out.
Keywords become plain strings, and so does all else that JSON has not: harness.formats.edn_syntax
has the list. Values are taken as they stand; for a completion that is not `ok` it is the checker
that looks at the invocation instead.

Writing gives one plain map a line. What a value was in Clojure is not kept, so some of it is
guessed back, in a way that reading undoes:

- `:type`, `:f` and a named `:process` are keywords; other text is a string, but
- in a transaction (f is "txn") the first text of each micro-operation is a keyword, for Elle:
  [["append", 9, 1]] is written as [[:append 9 1]];
- map keys that are the text of an integer are integers, as in a bank read {0 10, 1 10};
- "##NaN", {"#tag": x} and their like are what they were read from;
- a row with a key has the value [key value], as Jepsen's independent workloads have. Reading
  cannot tell such a pair from another: use `History.independent` on what was read.

>>> forms = b'{:type :invoke, :f :read, :process 0} {:type :ok, :f :read, :process 0, :value 5}'
>>> history = read_edn(Source("two.edn", forms))
>>> history[1].value, history.partner.tolist()
(5, [1, 0])
>>> edn_line(history[1])
b'{:index 1, :type :ok, :process 0, :f :read, :value 5}\\n'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from harness.errors import MalformedHistory
from harness.formats.edn_syntax import CLOSE, Form, Forms
from harness.formats.source import Source, write_bytes
from harness.history import History
from harness.interning import decode, encode
from harness.operation import TYPE_CODES, TYPE_NAMES, UNKNOWN_TIME_NS, Operation

_SYMBOL: Final = r"[A-Za-z*!_?][\w*!?$%&=<>.+-]*"
_KEYWORD = re.compile(rf"{_SYMBOL}(?:/{_SYMBOL})?", re.ASCII)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_TAG = re.compile(rf"#(?=[A-Za-z]){_SYMBOL}(?:/{_SYMBOL})?", re.ASCII)
_SYMBOLIC: Final = frozenset(("##NaN", "##Inf", "##-Inf"))
_INT64: Final = range(-(2**63), 2**63)
_CHUNK_LINES: Final = 1 << 14

#: The process of a row that names none.
UNKNOWN_PROCESS: Final = "unknown"


def read_edn(source: Source) -> History:
    """The history in `source`. Raises MalformedHistory where it is no EDN or no operation."""
    history = History.from_operations(_operations(source))
    if len(history) == 0:
        raise source.empty()
    return history


def write_edn(history: History, path: str | Path) -> None:
    """Writes `history` to `path`, one map a line."""
    write_bytes(path, list(_chunks(history)))


def edn_line(operation: Operation) -> bytes:
    """`operation` as one line of EDN, with its newline."""
    plain = decode(encode([operation.key, operation.value]))
    return _line(operation, _value_text(plain[0], plain[1], operation.f))


def _operations(source: Source) -> Iterator[Operation]:
    forms = Forms(source)
    text = source.text
    offset = forms.peek(0)
    closer = {"[": "]", "(": ")"}.get(text[offset : offset + 1])
    opened = offset
    if closer is not None:
        offset += 1
    index = 0
    while (form := forms.read(offset)) is not None and form.value is not CLOSE:
        yield _operation(source, form, index)
        index += 1
        offset = form.end
    if form is None and closer is not None:
        place = source.position(text, opened).partition(", ")[2]
        raise forms.malformed(len(text.rstrip()), f"{closer!r} for the {text[opened]!r} at {place}")
    if form is None:
        return
    if text[form.start] != closer:
        wanted = "another operation" if closer is None else f"an operation or {closer!r}"
        raise forms.malformed(form.start, wanted)
    rest = forms.peek(form.end)
    if rest < len(text):
        raise forms.malformed(
            rest, "the end of the file", hint="All operations are in one list, which ended before."
        )


def _operation(source: Source, form: Form, index: int) -> Operation:
    fields = form.value
    while isinstance(fields, dict) and len(fields) == 1 and next(iter(fields))[:1] == "#":
        fields = next(iter(fields.values()))  # a tagged map: a record
    if not isinstance(fields, dict):
        raise source.malformed(
            form.start, expected="an operation: a map such as {:type :invoke ..}"
        )
    kind = fields.get("type")
    process = fields.get("process")
    f = fields.get("f")
    time_ns = fields.get("time")
    if process is None:
        process = UNKNOWN_PROCESS
    if f.__class__ is not str:
        f = function_name(f)
    if time_ns is None:
        time_ns = UNKNOWN_TIME_NS
    given = fields.get("index")
    if (
        not isinstance(kind, str)
        or kind not in TYPE_CODES
        or f is None
        or not is_process(process)
        or not _is_integer(time_ns)
        or not (given is None or (_is_integer(given) and given >= 0))
    ):
        raise _bad_field(source, form, fields)
    return Operation(
        index=index if given is None else given,
        time_ns=time_ns,
        process=process,
        type=TYPE_NAMES[TYPE_CODES[kind]],
        f=f,
        key=fields.get("key"),
        value=fields.get("value"),
        error=fields.get("error"),
    )


def function_name(f: Any) -> str | None:
    """The name in the field `f`: roles such as [:primary :kill] are joned; None if it is none."""
    if f is None:
        return ""
    if isinstance(f, str):
        return f
    if isinstance(f, list) and f and all(isinstance(part, str) for part in f):
        return "/".join(f)
    return None


def _is_integer(value: Any) -> bool:
    return type(value) is int and value in _INT64


def is_process(value: Any) -> bool:
    return isinstance(value, str) or (_is_integer(value) and value >= 0)


_CHECKS: Final[tuple[tuple[str, Callable[[Any], bool], str], ...]] = (
    ("type", lambda v: v in TYPE_NAMES, f"one of the types :{', :'.join(TYPE_NAMES)}"),
    (
        "process",
        lambda v: v is None or is_process(v),
        "a process: an integer >= 0, or a keyword such as :nemesis for what is no client",
    ),
    ("f", lambda v: function_name(v) is not None, "a function: a keyword such as :read"),
    ("time", lambda v: v is None or _is_integer(v), "a time: integer nanoseconds"),
    ("index", lambda v: v is None or (_is_integer(v) and v >= 0), "an index: an integer >= 0"),
)


def _bad_field(source: Source, form: Form, fields: dict[str, Any]) -> MalformedHistory:
    """The error about the first field of the map in `form` that is not as it must be."""
    if "type" not in fields:
        return source.malformed(form.start, expected="an operation, which has a :type")
    for name, is_good, expected in _CHECKS:
        if not is_good(fields.get(name)):
            start, end = _locate(source, form, name)
            found = " ".join(source.text[start:end].split())
            return source.malformed(start, expected=expected, found=found[:60])
    raise AssertionError("an operation is refused for no reason")


def _locate(source: Source, form: Form, name: str) -> tuple[int, int]:
    """Where the value of field `name` of the map in `form` stands."""
    forms = Forms(source)
    offset = source.text.index("{", form.start) + 1
    while (key := forms.read(offset)) is not None and key.value is not CLOSE:
        value = forms.read(key.end)
        if value is None or key.value == name:
            break
        offset = value.end
    else:
        value = None
    return (form.start, form.end) if value is None else (value.start, value.end)


def _chunks(history: History) -> Iterator[bytes]:
    """The lines of `history`, many at a time; each distinct value is worded once."""
    texts: dict[tuple[int, int, bool], str] = {}
    lines: list[bytes] = []
    keys, values = history.key.tolist(), history.value.tolist()
    for row, operation in enumerate(history):
        what = (keys[row], values[row], operation.f == "txn")
        text = texts.get(what)
        if text is None:
            text = texts[what] = _value_text(operation.key, operation.value, operation.f)
        lines.append(_line(operation, text))
        if len(lines) == _CHUNK_LINES:
            yield b"".join(lines)
            lines.clear()
    yield b"".join(lines)


def _line(operation: Operation, value: str) -> bytes:
    who = operation.process
    fields = [f":index {operation.index}"]
    if operation.time_ns != UNKNOWN_TIME_NS:
        fields.append(f":time {operation.time_ns}")
    fields.append(f":type :{operation.type}")
    fields.append(f":process {who if isinstance(who, int) else _name(who)}")
    fields.append(f":f {_name(operation.f)}")
    fields.append(f":value {value}")
    if operation.error is not None:
        fields.append(f":error {_text(decode(encode(operation.error)))}")
    return f"{{{', '.join(fields)}}}\n".encode()


def _name(name: str) -> str:
    """`name` as a keyword if it can be one, else as a string."""
    return f":{name}" if _KEYWORD.fullmatch(name) else _text(name)


def _value_text(key: Any, value: Any, f: str) -> str:
    if f == "txn" and isinstance(value, list):
        text = f"[{' '.join(_micro_operation(item) for item in value)}]"
    else:
        text = _text(value)
    return text if key is None else f"[{_text(key)} {text}]"


def _micro_operation(item: Any) -> str:
    if isinstance(item, list) and item and isinstance(item[0], str):
        return f"[{' '.join([_name(item[0]), *(_text(part) for part in item[1:])])}]"
    return _text(item)


def _text(value: Any) -> str:
    """Plain JSON data as EDN."""
    if value is None:
        return "nil"
    if isinstance(value, str):
        return value if value in _SYMBOLIC else encode(value).decode()
    if isinstance(value, list):
        return f"[{' '.join(map(_text, value))}]"
    if isinstance(value, dict):
        if len(value) == 1:
            ((tag, item),) = value.items()
            if _TAG.fullmatch(tag):
                return f"{tag} {_text(item)}"
        return f"{{{', '.join(f'{_key(k)} {_text(v)}' for k, v in value.items())}}}"
    text = encode(value).decode()
    return f"{text}N" if isinstance(value, int) and value not in _INT64 else text


def _key(key: str) -> str:
    return key if _INTEGER.fullmatch(key) else _text(key)
