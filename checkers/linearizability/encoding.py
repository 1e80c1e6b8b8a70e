"""From a history to a `Problem`: which operations count, and what each of them claims.

    completion   read, get, contains ...    all that change something      cas
    ok           returned this value        took effect in between         compared equal, and set
    fail         dropped                    dropped                        see `FailedCas`
    info, none   dropped: says nothing      may take effect, ever          may take effect, ever

An ok completion's value counts; where it brings none (a client need not repeat what it wrote), the
invocation's counts. An ok read without a value saw the value nil.

Everything that has to be done for each row is done by numpy; Python only sees distinct values,
except for models written in Python that split their calls by `partition`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.calls import calls_of
from checkers.linearizability.codes import OPEN, REJECTED, RETURNED
from checkers.linearizability.columns import Rows, fill
from checkers.linearizability.model import Call, Model
from checkers.linearizability.models import fitting
from checkers.linearizability.problem import Problem
from harness.errors import UsageError
from harness.history import FAIL, INVOKE, OK, History

#: What a failed compare-and-set says about the state.
#: - "mismatch": it looked at some moment between call and return, and saw another value.
#: - "no-effect": nothing; it surely did not happen (Jepsen's plain meaning of `fail`).
#: - "mismatch-unless-error": "mismatch" if the row gives no error, else "no-effect". A client
#:   whose comparison failed has nothing to add; one that was refused for another reason says why.
FailedCas = Literal["mismatch-unless-error", "mismatch", "no-effect"]

Column = NDArray[np.int32]
_DROPPED = 3


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
    start = model.init() if initial is None else model.start(initial)
    calls = np.flatnonzero(history.client_rows & (history.type == INVOKE))
    _refuse_unknown_functions(history, model, calls)
    returns = history.partner[calls]
    outcome = _outcomes(history, model, calls, returns, failed_cas)
    kept = outcome != _DROPPED
    calls, returns, outcome = calls[kept], returns[kept], outcome[kept]
    rows = Rows(
        history=history,
        model=model,
        calls=calls,
        returns=np.where(outcome == OPEN, -1, returns),
        outcome=outcome,
    )
    filled = fill(rows, initial)
    key_ids, key = _keys(history.key[calls], filled.part)
    filled.operations["key"] = key
    filled.operations["outcome"] = outcome
    problem = Problem(
        kind=filled.kind,
        model=model,
        history=history,
        start=start,
        initial=filled.initial,
        operations=filled.operations,
        # the kernel takes both from these columns, so their order is that of the history
        events=_events(len(history), calls, returns, outcome),
        key_ids=key_ids,
        values=filled.values,
        call_row=calls,
        return_row=rows.returns,
        **filled.extra,
    )
    return _partitioned(problem) if filled.kind == "python" else problem


def _refuse_unknown_functions(history: History, model: Model, calls: NDArray[np.int64]) -> None:
    if not model.functions:
        return
    strange = ~history.named(model.functions)[calls]
    if not strange.any():
        return
    row = int(calls[np.argmax(strange)])
    used = [history.functions[number] for number in np.unique(history.f[calls]).tolist()]
    raise UsageError(
        f"The model {model.name!r} does not know {history.functions[history.f[row]]!r}, which is "
        f"called in row {row}; it knows {', '.join(model.functions)}.\n"
        f"{_better_models(model, used, [name for name in used if name not in model.functions])}"
    )


def _better_models(model: Model, used: list[str], strange: Collection[str]) -> str:
    names = list(fitting(used))
    if names:
        options = " or ".join(f"--model {name}" for name in names)
        return f"Usually the history belongs to another model: did you mean {options}?"
    near = [
        f"{name!r} means {found[0]!r}"
        for name in strange
        if (found := difflib.get_close_matches(name, model.functions, n=1, cutoff=0.6))
    ]
    if near:
        return f"Perhaps {' and '.join(near)}: the names must be the same."
    return (
        f"The history calls {', '.join(used)}, and no model knows all of these. Check the part "
        "that one knows, or write a model of your own: --model package.module:ClassName."
    )


def _outcomes(
    history: History,
    model: Model,
    calls: NDArray[np.int64],
    returns: NDArray[np.int64],
    failed_cas: FailedCas,
) -> Column:
    completion = np.where(returns >= 0, history.type[returns], _DROPPED)
    outcome = np.full(len(calls), OPEN, dtype=np.int32)
    outcome[completion == OK] = RETURNED
    outcome[(outcome == OPEN) & history.named(model.reads)[calls]] = _DROPPED
    failed = completion == FAIL
    outcome[failed] = _DROPPED
    failed &= history.named(model.refusals)[calls]
    if failed_cas == "mismatch-unless-error" and history.errors:
        gives_error = np.zeros(len(history), dtype=bool)
        gives_error[list(history.errors)] = True
        failed &= ~gives_error[returns]
    if failed_cas != "no-effect":
        outcome[failed] = REJECTED
    return outcome


def _keys(key: Column, part: Column | None) -> tuple[Column, Column]:
    """The history's identifier of each key of the problem, and each operation's key.

    Keys of the problem are numbered by identifier, and then by part.
    """
    if part is None:
        key_ids, number = np.unique(key, return_inverse=True)
        return key_ids.astype(np.int32), number.astype(np.int32)
    pair = key.astype(np.int64) << 32 | part
    pairs, number = np.unique(pair, return_inverse=True)
    return (pairs >> 32).astype(np.int32), number.astype(np.int32)


def _partitioned(problem: Problem) -> Problem:
    """Splits keys by what the model's `partition` says of each call."""
    model = problem.model
    if type(model).partition is Model.partition or not len(problem):
        return problem
    numbers: dict[Any, int] = {}
    part = np.empty(len(problem), dtype=np.int32)
    key = problem.key_ids[problem.operations["key"]]
    whole = np.isin(key, key[problem.history.named(model.wholes)[problem.call_row]])
    for number, call in enumerate(calls_of(problem)):
        part[number] = 0 if whole[number] else numbers.setdefault(_part(model, call), len(numbers))
    key_ids, problem.operations["key"] = _keys(key, part)
    return replace(problem, key_ids=key_ids)


def _part(model: Model, call: Call) -> Any:
    part = model.partition(call)
    try:
        hash(part)
    except TypeError as error:
        raise UsageError(
            f"{model.name}.partition returned {part!r} for {call}: {error}.\n"
            "Parts are told apart by equality, so return a number, a text or a tuple."
        ) from error
    return part


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
