"""Histories in one line, for tests, bug reports and documentation.

    0w1.          process 0 writes 1, and that is done before anything else happens
    0w1 1r=2 0.   process 0 begins to write 1; process 1 reads 2 meanwhile; then 0 is done
    0w1? 1c1,2!   the write ends without an answer (info); the compare-and-set of 1 to 2 fails

A token is a process number, then an invocation, a completion, or both:

    invocation    w1 write   r read   c1,2 compare-and-set   t acquire (take)   l release (leave)
                  g get   pX put the text X   aX append the text X
                  and @key after it for a history of many keys
    completion    .  ok      =1  ok with this value      !  fail      ?  info

Values of w, r and c are integers if they look like it, `nil` is None, everything else is a string;
those of g, p and a are always strings. Each token takes a millisecond.

>>> history = parse("0w1 1r=2 0.")
>>> [(row.process, row.type, row.value) for row in history]
[(0, 'invoke', 1), (1, 'invoke', None), (1, 'ok', 2), (0, 'ok', 1)]
>>> unparse(history)
'0w1 1r=2 0.'
>>> unparse(parse("3c1,2@x! 4g@y 4=ab 5pabc@y 5? 6t. 6l."))
'3c1,2@x! 4g@y=ab 5pabc@y? 6t. 6l.'

Limits: one-letter functions only, no nemeses, no errors, and no text with any of `@.=!?` or blanks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError
from harness.history import History, Recorder
from harness.operation import OperationType

_FUNCTIONS = {
    "r": "read",
    "w": "write",
    "c": "cas",
    "g": "get",
    "p": "put",
    "a": "append",
    "t": "acquire",
    "l": "release",
}
_LETTERS = {name: letter for letter, name in _FUNCTIONS.items()}
_TYPES: dict[str, OperationType] = {".": "ok", "=": "ok", "!": "fail", "?": "info"}
_MARKS = {"ok": ".", "fail": "!", "info": "?"}
_TOKEN = re.compile(r"(\d+)(?:([a-z])([^@.=!?]*)(?:@([^.=!?]+))?)?(?:([.!?])|(=)([^@.=!?]*))?")


@dataclass(frozen=True, kw_only=True)
class _Call:
    f: str
    key: Any
    value: Any


def parse(text: str) -> History:
    """The history that `text` describes. Raises UsageError on a token that is none."""
    recorder = Recorder()
    open_calls: dict[int, _Call] = {}
    for moment, token in enumerate(text.split()):
        found = _TOKEN.fullmatch(token)
        if found is None or (found[2] is not None and found[2] not in _FUNCTIONS):
            raise UsageError(
                f"The token {token!r} is none of the notation: a process number, then an "
                "invocation such as w1 or r, a completion such as . or =1, or both.\n"
                f"Functions: {', '.join(f'{k} {v}' for k, v in _FUNCTIONS.items())}."
            )
        process = int(found[1])
        if found[2] is not None:
            f = _FUNCTIONS[found[2]]
            call = _Call(f=f, key=_plain(found[4]), value=_argument(f, found[3]))
            open_calls[process] = call
            _append(recorder, moment, process, "invoke", call, call.value)
        mark = found[5] or found[6]
        if mark is not None:
            call = open_calls.get(process) or _Call(f="?", key=None, value=None)
            value = _result(call.f, found[7]) if mark == "=" else call.value
            _append(recorder, moment, process, _TYPES[mark], call, value)
    return recorder.history()


def unparse(history: History) -> str:
    """The shortest text that parses to the client rows of `history` (times apart).

    Raises UsageError if a function has no letter.
    """
    tokens: list[str] = []
    last = -1
    for operation in history.select(history.client_rows):
        if operation.f not in _LETTERS:
            raise UsageError(f"The notation has no letter for {operation.f!r}.")
        process = int(operation.process)
        if operation.type == "invoke":
            key = "" if operation.key is None else f"@{operation.key}"
            tokens.append(f"{process}{_LETTERS[operation.f]}{_spell(operation.value)}{key}")
        else:
            mark = _MARKS[operation.type]
            if operation.f in ("read", "get") and operation.type == "ok":
                mark = "=" + ("nil" if operation.value is None else _spell(operation.value))
            if last != process:
                tokens.append(str(process))
            tokens[-1] += mark
        last = process if operation.type == "invoke" else -1
    return " ".join(tokens)


def _append(
    recorder: Recorder, moment: int, process: int, kind: OperationType, call: _Call, value: Any
) -> None:
    recorder.append(
        time_ns=moment * 1_000_000,
        process=process,
        type=kind,
        f=call.f,
        key=call.key,
        value=value,
    )


def _argument(f: str, text: str) -> Any:
    if f in ("put", "append"):
        return text
    if f == "cas":
        return [_plain(part) for part in text.split(",")]
    return _plain(text) if text else None


def _result(f: str, text: str) -> Any:
    return text if f == "get" else _plain(text)


def _plain(text: str | None) -> Any:
    if text is None or text == "nil":
        return None
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _spell(value: Any) -> str:
    if isinstance(value, list):
        return ",".join("nil" if part is None else str(part) for part in value)
    return "" if value is None else str(value)
