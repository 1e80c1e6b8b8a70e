"""Replays a linearization: a proof that a history is legal, checked without any search.

A certificate is a list of rows of the history: the calls of all operations that took effect, in an
order that explains every answer. Operations on different keys (or parts of an object that are
independent of each other) may be interleaved as one likes. `verify` checks, in one pass,

    complete     every operation that returned is there, once, and none that surely did not happen
    real time    nothing stands after something that was called only when it had returned
    the model    step by step, every answer is one that the object could have given

It shares nothing with the kernel or with the columns that the kernel is given; only the history
and the model in Python. So a verdict of "legal" need not be believed.

>>> from checkers.notation import parse
>>> history = parse("0w1 1w2 0. 1. 2r=1")
>>> history[2].type, history[4].type
('ok', 'invoke')
>>> verify(history, "register", [1, 0, 4])
3
>>> verify(history, "register", [0, 1, 4])
Traceback (most recent call last):
    ...
checkers.linearizability.certificate.WrongCertificate: In place 2, row 4, process 2 invoke 'read':
read → 1 is impossible there, for the register could only hold 2.

Memory: 8 bytes an operation for the certificate, which is made only on request if a history is
large (`Linearizability.linearization`, or the option `certificate_operations`). Time: some five
microseconds for a step; objects that may choose (a dequeue without an answer, from an unordered
queue) are followed in all their states, of which there may be `STATES_AT_MOST`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from checkers.linearizability.encoding import FailedCas
from checkers.linearizability.model import UNKNOWN, Call, Model, careful_step
from checkers.linearizability.models import resolve
from checkers.linearizability.words import label, possibilities
from harness.errors import SplitbrainError, UsageError
from harness.history import FAIL, INFO, INVOKE, OK, History

STATES_AT_MOST: Final = 10_000
_NEVER: Final = 1 << 62


class WrongCertificate(SplitbrainError):
    """The order does not prove that the history is legal; the text says where it goes wrong."""


class _Objects:
    """Which object each call is about: its key, and its part if the model has parts."""

    def __init__(self, history: History, model: Model) -> None:
        self.model = model
        self.has_parts = type(model).partition is not Model.partition
        invoked = history.client_rows & (history.type == INVOKE)
        calls = np.flatnonzero(invoked & history.named(model.wholes))
        ends = history.partner[calls]
        ended = np.where(ends >= 0, history.type[ends], INFO)
        counts = (ended == OK) | ((ended == INFO) & ~history.named(model.reads)[calls])
        self.undivided = set(np.unique(history.key[calls[counts]]).tolist())

    def of(self, key: int, call: Call) -> Any:
        if not self.has_parts or key in self.undivided:
            return key
        return key, self.model.partition(call)


def verify(
    history: History,
    model: Any,
    linearization: Iterable[int],
    *,
    initial: Any = None,
    failed_cas: FailedCas = "mismatch-unless-error",
) -> int:
    """Checks that the rows `linearization` explain `history`; how many operations they order.

    `model`, `initial` and `failed_cas` are those of `Linearizability`. Raises WrongCertificate, or
    UsageError if the model does not fit the history.
    """
    model = resolve(model)
    start = model.init() if initial is None else model.start(initial)
    order = [int(row) for row in linearization]
    calls = _calls(history, model, order, failed_cas)
    _check_complete(history, model, order, failed_cas)
    objects, step = _Objects(history, model), careful_step(model)
    states: dict[Any, dict[Any, None]] = {}
    latest: dict[Any, int] = {}
    for place, (row, (call, end)) in enumerate(zip(order, calls, strict=True)):
        which = objects.of(int(history.key[row]), call)
        if end < latest.get(which, -1):
            raise WrongCertificate(
                f"{_where(history, place, row)}: it had returned in row {end}, before row "
                f"{latest[which]} was called, which stands before it."
            )
        latest[which] = max(latest.get(which, -1), row)
        before = states.get(which) or {start: None}
        after = {new: None for state in before for new in step(state, call)}
        if not after:
            shown = tuple(map(model.show, before))
            raise WrongCertificate(
                f"{_where(history, place, row)}: {label(model, call)} is impossible there, for "
                f"the {model.noun} {possibilities(model, shown, True)}."
            )
        if len(after) > STATES_AT_MOST:
            raise UsageError(
                f"The {model.noun} may be in more than {STATES_AT_MOST:,} states in place {place}, "
                "so the order cannot be replayed. Usually many calls have no answer."
            )
        states[which] = after
    return len(order)


def _calls(
    history: History, model: Model, order: list[int], failed_cas: FailedCas
) -> list[tuple[Call, int]]:
    """Each row as a call, and the row where it ended."""
    found = []
    partner, kinds, processes = history.partner, history.type, history.process
    for place, row in enumerate(order):
        if not 0 <= row < len(history) or kinds[row] != INVOKE or processes[row] < 0:
            raise WrongCertificate(f"In place {place}: row {row} is no call of a client.")
        end = int(partner[row])
        kind = int(kinds[end]) if end >= 0 else -1
        f = history.functions[history.f[row]]
        refused = kind == FAIL and _observes(history, model, f, end, failed_cas)
        if kind == FAIL and not refused:
            raise WrongCertificate(
                f"{_where(history, place, row)}: it failed, so it surely did not happen."
            )
        call = Call(
            f=f,
            argument=history.values[history.value[row]],
            answer=history.values[history.value[end]] if kind == OK else UNKNOWN,
            refused=refused,
            open=kind not in (OK, FAIL),
            process=int(processes[row]) if model.sees_processes else -1,
        )
        found.append((call, end if kind in (OK, FAIL) else _NEVER))
    return found


def _observes(history: History, model: Model, f: str, end: int, failed_cas: FailedCas) -> bool:
    """Whether the failure in row `end` says something about the object."""
    if f not in model.refusals or failed_cas == "no-effect":
        return False
    return failed_cas == "mismatch" or end not in history.errors


def _check_complete(
    history: History, model: Model, order: list[int], failed_cas: FailedCas
) -> None:
    count = np.bincount(np.array(order, dtype=np.int64), minlength=len(history))
    if len(order) and count.max() > 1:
        row = int(count.argmax())
        raise WrongCertificate(f"Row {row} stands in the order {count[row]} times.")
    ends = np.flatnonzero(history.client_rows & ((history.type == OK) | (history.type == FAIL)))
    for end in ends[count[history.partner[ends]] == 0].tolist():
        f = history.functions[history.f[end]]
        if history.type[end] == OK or _observes(history, model, f, end, failed_cas):
            raise WrongCertificate(
                f"{history.describe(int(history.partner[end]))} is missing: it returned in row "
                f"{end}, so the order must explain it."
            )


def _where(history: History, place: int, row: int) -> str:
    return f"In place {place}, {history.describe(row)}"
