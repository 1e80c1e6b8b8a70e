r"""Histories as Jepsen prints them: `history.txt`, and the operations in its logs.

    0       :invoke :write  4                                   history.txt, tab separated
    0       :info   :write  4       :timeout                    ... with an error at the end
    INFO  jepsen.util - 0   :invoke :cas    [3 3]               a log of 2014
    2024-05-01 10:00:00,123{GMT}  INFO  [jepsen worker 0] jepsen.util: 0  :ok  :read  3

One operation a line: process, type, function, value, and after that the error, as far as the line
goes. Blanks may stand for tabs. There are no times, and a row's index is its number.

- A completion of the logs of 2014 that failed or timed out says so in the place of its value
  (`:info :cas :timed-out`): its value is None then and its error "timed-out".
- A line that begins as a log line does (a level or a date) and comes from another logger than
  `jepsen.util` is no operation and is skipped. Any other line that is none is an error: lines of a
  stack trace, for instance.
- Blank lines are allowed, and lines that begin with `#` or `;`.

Limits: there is no writer; history.edn and JSON Lines say more.

>>> log = b"INFO  jepsen.util - 3\t:invoke\t:write\t2\n"
>>> log += b"INFO  jepsen.util - 3\t:info\t:write\t:timed-out\n"
>>> for operation in read_text(Source("etcd.log", log)):
...     print(operation.process, operation.type, operation.f, operation.value, operation.error)
3 invoke write 2 None
3 info write None timed-out
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from harness.errors import MalformedHistory
from harness.formats.edn import function_name, is_process
from harness.formats.edn_syntax import CLOSE, Form, Forms
from harness.formats.source import Source
from harness.history import History
from harness.operation import TYPE_CODES, TYPE_NAMES, UNKNOWN_TIME_NS, Operation

_DATE: Final = r"\[?\d{4}-\d\d-\d\d[T ]?[\d:.,]*(?:Z|[+-]\d\d:?\d\d|\{\w+\})?\]?"
_LEVEL: Final = r"(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\b"
_LOG_LINE = re.compile(rf"(?:{_DATE}\s+)?{_LEVEL}|{_DATE}\s")
_OUR_LOGGER = re.compile(r".*?\bjepsen\.util\b(?:\s*[-:])?\s+")
_TIMED_OUT: Final = ":timed-out"
_PROCESS_START: Final = frozenset(":0123456789")
_PROCESS: Final = "a process: an integer >= 0, or a keyword such as :nemesis"
_TYPE: Final = f"one of the types :{', :'.join(TYPE_NAMES)}"
_FUNCTION: Final = "a function: a keyword such as :read"
_LINE_HINT: Final = "A line of a history is: process, type, function, value and perhaps an error."


def read_text(source: Source) -> History:
    """The history in `source`. Raises MalformedHistory on a line that is no operation."""
    history = History.from_operations(_operations(source))
    if len(history) == 0:
        raise source.empty()
    return history


def _operations(source: Source) -> Iterator[Operation]:
    index = 0
    start = 0
    for line in source.text.split("\n"):
        operation_start = _operation_start(line)
        if operation_start is not None:
            yield _operation(source, start + operation_start, start + len(line.rstrip()), index)
            index += 1
        start += len(line) + 1


def _operation_start(line: str) -> int | None:
    """Where in `line` its operation begins; None if the line is meant for somebody else."""
    content = line.lstrip()
    if not content or content[0] in "#;":
        return None
    if not _LOG_LINE.match(content):
        return len(line) - len(content)
    ours = _OUR_LOGGER.match(line)
    return None if ours is None else ours.end()


def _operation(source: Source, start: int, end: int, index: int) -> Operation:
    forms = Forms(source, end)
    process = _form(forms, start, _PROCESS)
    if not (source.text[process.start] in _PROCESS_START and is_process(process.value)):
        raise _unexpected(source, process, _PROCESS)
    kind = _form(forms, process.end, _TYPE)
    if not (source.text[kind.start] == ":" and kind.value in TYPE_CODES):
        raise _unexpected(source, kind, _TYPE)
    function = _form(forms, kind.end, _FUNCTION)
    f = function_name(function.value)
    if f is None:
        raise _unexpected(source, function, _FUNCTION)
    value = _form(forms, function.end, "a value, or nil")
    result, error = value.value, _error(forms, value.end, end)
    if (
        error is None
        and kind.value in ("fail", "info")
        and source.text[value.start : value.end] == _TIMED_OUT
    ):
        result, error = None, value.value
    return Operation(
        index=index,
        time_ns=UNKNOWN_TIME_NS,
        process=process.value,
        type=TYPE_NAMES[TYPE_CODES[kind.value]],
        f=f,
        value=result,
        error=error,
    )


def _form(forms: Forms, offset: int, expected: str) -> Form:
    form = forms.read(offset)
    if form is None:
        raise forms.malformed(forms.peek(offset), expected, hint=_LINE_HINT)
    if form.value is CLOSE:
        raise forms.malformed(form.start, expected, hint=_LINE_HINT)
    return form


def _unexpected(source: Source, form: Form, expected: str) -> MalformedHistory:
    found = source.text[form.start : form.end]
    return source.malformed(form.start, expected=expected, found=found[:60], hint=_LINE_HINT)


def _error(forms: Forms, start: int, end: int) -> Any:
    """The error that ends a line: data if it is one EDN form, else the text as it stands."""
    text = forms.source.text[start:end].strip()
    if not text:
        return None
    try:
        form = forms.read(start)
        if form is not None and form.value is not CLOSE and forms.peek(form.end) >= end:
            return form.value
    except MalformedHistory:
        pass  # printed raw: it was never meant to be read again
    return text
