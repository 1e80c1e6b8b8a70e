"""The operations of a `Problem` as models in Python see them, read from the history's rows.

The numbers in a problem's columns are for the kernel. This goes around them, so that a mistake in
`columns` makes the engines disagree instead of both being wrong.

>>> from checkers.linearizability.encoding import encode
>>> from checkers.linearizability.models import find_model
>>> from checkers.notation import parse
>>> for call in calls_of(encode(parse("0w1. 1r=1 2c1,2! 3w4?"), find_model("cas-register"))):
...     print(call.f, call.argument, call.answer, call.refused, call.open)
write 1 1 False False
read None 1 False False
cas [1, 2] UNKNOWN True False
write 4 UNKNOWN False True
"""

from __future__ import annotations

from collections.abc import Sequence

from checkers.linearizability.codes import OPEN, REJECTED
from checkers.linearizability.model import UNKNOWN, Call
from checkers.linearizability.problem import Problem


def calls_of(problem: Problem, numbers: Sequence[int] | None = None) -> list[Call]:
    """The calls of all operations, or of those with these numbers.

    An open operation has the answer UNKNOWN unless it was only made optional, which is to say that
    its return has a row but is no event.
    """
    chosen = slice(None) if numbers is None else list(numbers)
    history, rows = problem.history, problem.call_row[chosen]
    returns = problem.return_row[chosen]
    processes = history.process[rows] if problem.model.sees_processes else rows * 0 - 1
    values, functions = history.values, history.functions
    return [
        Call(
            f=functions[f],
            argument=values[argument],
            answer=UNKNOWN if row < 0 or outcome == REJECTED else values[answer],
            refused=outcome == REJECTED,
            open=outcome == OPEN,
            process=process,
        )
        for f, argument, row, answer, outcome, process in zip(
            history.f[rows].tolist(),
            history.value[rows].tolist(),
            returns.tolist(),
            history.value[returns].tolist(),
            problem.operations["outcome"][chosen].tolist(),
            processes.tolist(),
            strict=True,
        )
    ]
