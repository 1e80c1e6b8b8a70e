"""Where a history goes wrong, according to Porcupine itself.

Porcupine's answer is one word. So it is asked again about smaller parts: halves of the keys until
one key is left, then prefixes of that key, by bisection, until the shortest illegal one is found.

    whole history ──> key 'x' ──> its first 12 operations, which the return of a read ends

Every part that is kept is known to be illegal; parts that Porcupine cannot decide in the time that
is left count as legal, so that what is found may then not be the shortest.

Limits: not every operation in a prefix is to blame.

>>> import numpy as np
>>> from checkers.linearizability.encoding import encode
>>> from checkers.linearizability.models import find_model
>>> from checkers.notation import parse
>>> history = parse("0w1@x. 0r@x=1 1w2@y. 1r@y=3 1w3@y. 1r@y=3")
>>> request = Request.of(encode(history, find_model("register")))
>>> def wrong(part):  # stands in for Porcupine
...     return "illegal" if 3 in part.numbers else "legal"
>>> part, shortest = narrow(request, wrong)
>>> part.numbers.tolist(), shortest
([2, 3], True)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from checkers.linearizability.problem import Problem
from checkers.porcupine.process import Answer
from checkers.porcupine.request import NEVER, Request
from harness.history import History

Ask = Callable[[Request], Answer]


def narrow(illegal: Request, ask: Ask) -> tuple[Request, bool]:
    """The smallest illegal part found, and whether a shorter prefix would be legal."""
    part = illegal
    while part.keys > 1:
        low = part.operations["key"] < part.keys // 2
        halves = part.only(low), part.only(~low)
        first = ask(halves[0])
        if first == "unknown":
            second = ask(halves[1])
            if second == "unknown":
                return part, False
            first = "illegal" if second == "legal" else "legal"  # one of them is illegal
        part = halves[0] if first == "illegal" else halves[1]
    return _shortest_prefix(part, ask)


def _shortest_prefix(part: Request, ask: Ask) -> tuple[Request, bool]:
    returns = np.sort(part.operations["returned"])
    returns = returns[returns < NEVER]
    low, high = 0, len(returns) - 1  # illegal at `high`; nothing before `low` is known to be
    decided = True
    while low < high:
        middle = (low + high) // 2
        answer = ask(part.until(int(returns[middle])))
        decided &= answer != "unknown"
        if answer == "illegal":
            high = middle
        else:
            low = middle + 1
    return part.until(int(returns[high])), decided


def describe(
    history: History, problem: Problem, part: Request, *, shortest: bool
) -> tuple[str, dict[str, Any]]:
    """The illegal `part` of `problem` in a sentence, and as plain data for a witness."""
    calls, returns = problem.call_row[part.numbers], problem.return_row[part.numbers]
    closed = part.operations["returned"] < NEVER
    rows = sorted([*calls.tolist(), *returns[closed].tolist()])
    count = f"{len(part):,} operation{'s' * (len(part) != 1)}"
    if part.keys > 1:
        sentence = (
            f"Not linearizable: no order explains the {count} on {part.keys:,} keys; which of the "
            "keys is to blame was not found out in the time."
        )
        return sentence, {"rows": rows, "shortest": False}
    last = int(part.operations["returned"][closed].argmax())
    call_row, row = int(calls[closed][last]), int(returns[closed][last])
    call, end = history[call_row], history[row]
    value = call.value if end.value is None else end.value
    key = "" if call.key is None else f" of key {call.key!r}"
    sentence = (
        f"Not linearizable: no order explains the {count}{key} up to row {row}, in which process "
        f"{end.process}'s {end.f} ends as {end.type} with {_short(value)}."
    )
    operation = {
        "process": end.process,
        "f": end.f,
        "value": value,
        "type": end.type,
        "rows": [call_row, row],
    }
    return sentence, {
        "key": call.key,
        "rows": rows,
        "illegal_row": row,
        "shortest": shortest,
        "operation": operation,
    }


def _short(value: Any) -> str:
    text = "nil" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}"
