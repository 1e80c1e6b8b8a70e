"""From a history to a `Problem`: which operations count, and what each of them claims.

    completion   read, get                  write, put, append       cas
    ok           returned this value        took effect in between   compared equal and took effect
    fail         dropped                    dropped                  see `FailedCas`
    info, none   dropped: says nothing      may take effect, ever    may take effect, ever

An ok completion's value counts; where it brings none (a client need not repeat what it wrote), the
invocation's counts. An ok read without a value saw the value nil.

Everything that has to be done for each row is done by numpy; Python only sees distinct values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.models import OPEN, READ, REJECTED, RETURNED, UPDATE, Model
from checkers.linearizability.problem import OPERATION, Problem
from harness.errors import UsageError, unknown_name
from harness.history import FAIL, INVOKE, OK, History
from harness.interning import Interner

#: What a failed compare-and-set says about the state.
#: - "mismatch": it looked at some moment between call and return, and saw another value.
#: - "no-effect": nothing; it surely did not happen (Jepsen's plain meaning of `fail`).
#: - "mismatch-unless-error": "mismatch" if the row gives no error, else "no-effect". A client
#:   whose comparison failed has nothing to add; one that was refused for another reason says why.
FailedCas = Literal["mismatch-unless-error", "mismatch", "no-effect"]

Column = NDArray[np.int32]


def encode(
    history: History,
    model: Model,
    *,
    initial: Any = None,
    failed_cas: FailedCas = "mismatch-unless-error",
) -> Problem:
    """The problem that `history` poses for `model`; `initial` None means the model's own.

    Raises UsageError if a client operation is none of the model's, or a value does not fit it.
    """
    calls = np.flatnonzero(history.client_rows & (history.type == INVOKE))
    returns = history.partner[calls]
    does = _what_functions_do(history, model, calls)
    outcome = _outcomes(history, calls, returns, does, failed_cas)
    kept = outcome != _DROPPED
    calls, returns, does, outcome = calls[kept], returns[kept], does[kept], outcome[kept]

    # the kernel takes both from these columns, so their order is that of the history
    operations = np.zeros(len(calls), dtype=OPERATION)
    key_ids, operations["key"] = np.unique(history.key[calls], return_inverse=True)
    operations["function"] = does
    operations["outcome"] = outcome
    claimed = _claimed_values(history, calls, returns, outcome)
    values = Interner(history.values[1:]) if _needs_new_values(model, does, initial) else None
    _fill_values(history, model, calls, claimed, operations, values)
    start = model.initial if initial is None else initial
    return Problem(
        kind=model.kind,
        initial=0 if values is None else values.intern(_checked_initial(model, start)),
        operations=operations,
        events=_events(len(history), calls, returns, outcome),
        key_ids=key_ids.astype(np.int32),
        values=history.values if values is None else values.table(),
        call_row=calls,
        return_row=np.where(outcome == OPEN, -1, returns),
    )


_DROPPED = 3


def _what_functions_do(history: History, model: Model, calls: NDArray[np.int64]) -> Column:
    table = np.array([model.functions.get(name, -1) for name in history.functions] or [-1])
    does = table[history.f[calls]]
    if (does < 0).any():
        row = int(calls[np.argmax(does < 0)])
        name = history.functions[history.f[row]]
        raise UsageError(
            f"{unknown_name(f'function of the model {model.name}', name, model.functions)}\n"
            f"It is called in row {row}. Usually the history belongs to another model."
        )
    return does.astype(np.int32)


def _outcomes(
    history: History,
    calls: NDArray[np.int64],
    returns: NDArray[np.int64],
    does: Column,
    failed_cas: FailedCas,
) -> Column:
    completion = np.where(returns >= 0, history.type[returns], _DROPPED)
    outcome = np.full(len(calls), OPEN, dtype=np.int32)
    outcome[completion == OK] = RETURNED
    outcome[(outcome == OPEN) & (does == READ)] = _DROPPED
    failed = completion == FAIL
    outcome[failed] = _DROPPED
    failed &= np.array([name == "cas" for name in history.functions] or [False])[history.f[calls]]
    if failed_cas == "mismatch-unless-error" and history.errors:
        gives_error = np.zeros(len(history), dtype=bool)
        gives_error[list(history.errors)] = True
        failed &= ~gives_error[returns]
    if failed_cas != "no-effect":
        outcome[failed] = REJECTED
    return outcome


def _claimed_values(
    history: History, calls: NDArray[np.int64], returns: NDArray[np.int64], outcome: Column
) -> Column:
    answered = np.where(outcome == RETURNED, history.value[returns], 0)
    return np.where(answered > 0, answered, history.value[calls])


def _needs_new_values(model: Model, does: Column, initial: Any) -> bool:
    """Whether values occur that are not entries of the history's own table."""
    return model.kind == "text" or initial is not None or bool((does == UPDATE).any())


def _checked_initial(model: Model, initial: Any) -> Any:
    allowed = ("free", "held") if model.fixed else None
    if (allowed and initial not in allowed) or (model.kind == "text" and type(initial) is not str):
        wanted = " or ".join(map(repr, allowed)) if allowed else "a string"
        raise UsageError(
            f"A {model.noun} cannot start as {initial!r}: `initial` of the model {model.name!r} is "
            f"{wanted}."
        )
    return initial


def _fill_values(
    history: History,
    model: Model,
    calls: NDArray[np.int64],
    claimed: Column,
    operations: NDArray[Any],
    values: Interner | None,
) -> None:
    """Sets `a` and `b` of all operations."""
    if values is None:
        operations["a"] = claimed
    elif model.fixed is not None:
        names = history.f[calls]
        for number, name in enumerate(history.functions):
            if name in model.fixed:
                operations["a"][names == number] = values.intern(model.fixed[name][0])
                operations["b"][names == number] = values.intern(model.fixed[name][1])
    elif model.kind == "text":
        _fill_texts(history, calls, claimed, operations, values)
    else:
        updates = operations["function"] == UPDATE
        operations["a"] = claimed
        pairs = _translate(history, calls[updates], claimed[updates], _is_pair, _PAIR)
        first = {number: values.intern(history.values[number][0]) for number in pairs}
        second = {number: values.intern(history.values[number][1]) for number in pairs}
        operations["a"][updates] = _look_up(first, claimed[updates])
        operations["b"][updates] = _look_up(second, claimed[updates])


def _fill_texts(
    history: History,
    calls: NDArray[np.int64],
    claimed: Column,
    operations: NDArray[Any],
    values: Interner,
) -> None:
    reads = operations["function"] == READ
    changes = ~reads
    _translate(history, calls[changes], claimed[changes], _is_text, _TEXT)
    _translate(history, calls[reads], claimed[reads], _is_text_or_nothing, _TEXT)
    operations["a"] = np.where(claimed == 0, values.intern(""), claimed)


def _translate(
    history: History,
    calls: NDArray[np.int64],
    claimed: Column,
    fits: Callable[[Any], bool],
    wanted: str,
) -> list[int]:
    """The distinct value identifiers of `claimed`. Raises UsageError if one does not fit."""
    distinct: list[int] = np.unique(claimed).tolist()
    for number in distinct:
        if not fits(history.values[number]):
            row = int(calls[np.argmax(claimed == number)])
            raise UsageError(
                f"The value of {history.describe(row)} is {history.values[number]!r}, but {wanted}."
                "\nUsually the history belongs to another model, or its values are pairs "
                "[key, value]: then read it with `independent` first."
            )
    return distinct


_PAIR = "a cas needs the two values [from, to]"
_TEXT = "this model works on strings"


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_nothing(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _look_up(table: dict[int, int], column: Column) -> Column:
    if not table:
        return column
    keys = np.fromiter(table, dtype=np.int32)
    order = np.argsort(keys)
    found = np.searchsorted(keys[order], column)
    return np.fromiter(table.values(), dtype=np.int32)[order][found]


def _events(
    rows: int, calls: NDArray[np.int64], returns: NDArray[np.int64], outcome: Column
) -> Column:
    """Calls and returns in the order of their rows."""
    at_row = np.full(rows, -1, dtype=np.int32)
    number = np.arange(len(calls), dtype=np.int32)
    at_row[calls] = 2 * number
    closed = outcome != OPEN
    at_row[returns[closed]] = 2 * number[closed] + 1
    return at_row[at_row >= 0]
