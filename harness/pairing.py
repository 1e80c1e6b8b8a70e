"""Finds the completion of every invocation, by Jepsen's rules.

    client process   invoke, then ok | fail | info, then the next invoke ...
                     one open call at a time; after an `info` the process never acts again
    named process    `info` rows only, paired by succession: begin, end, begin, end ...

A call without completion is open: it may take effect at any later time, like an `info`. The
completion of a client names the function that was called and, if it names a key, the key: else it
ends another call, whose beginning was lost together with the end of this one.

Two steps: numpy sorts the rows by process and checks that each process alternates, which is all
there is to do for a sound history (0.1 s for a million rows). Only a history that breaks a rule
is walked row by row, to say which rule and where.

>>> import numpy as np
>>> from harness.operation import OK
>>> process = np.array([0, 1, 0, -1, 1, -1])
>>> kind = np.array([INVOKE, INVOKE, OK, INFO, INFO, INFO])
>>> pair(process, kind, describe=str).tolist()
[2, 4, 0, 5, 1, 3]
>>> pair(process[:2] * 0, kind[:2], describe="row {}".format)
Traceback (most recent call last):
    ...
harness.errors.PairingError: row 1: the process invokes while its call of row 0 is still open...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import PairingError
from harness.operation import INFO, INVOKE


def pair(
    process: NDArray[Any], kind: NDArray[Any], *, describe: Callable[[int], str]
) -> NDArray[np.int64]:
    """For each row the row of its partner, -1 where the call is open.

    `process` is negative for named processes; `kind` holds type codes; `describe(row)` words a
    row for an error. Raises PairingError on the first row that breaks a rule.
    """
    rows = len(process)
    partner = np.full(rows, -1, dtype=np.int64)
    if rows == 0:
        return partner
    order = np.argsort(process, kind="stable")
    by_process = process[order]
    by_kind = kind[order]
    starts_process = np.empty(rows, dtype=bool)
    starts_process[0] = True
    np.not_equal(by_process[1:], by_process[:-1], out=starts_process[1:])
    starts = np.flatnonzero(starts_process)
    turn = np.arange(rows) - np.repeat(starts, np.diff(starts, append=rows))
    completes = (turn & 1).astype(bool)

    client = by_process >= 0
    wrong = np.where(client, (by_kind == INVOKE) == completes, by_kind != INFO)
    # a row after the `info` completion of the same client
    retired = client[:-1] & completes[:-1] & (by_kind[:-1] == INFO) & ~starts_process[1:]
    if wrong.any() or retired.any():
        raise _first_error(process, kind, describe)

    second = np.flatnonzero(completes)
    partner[order[second]] = order[second - 1]
    partner[order[second - 1]] = order[second]
    return partner


def refuse_strange_ends(
    partner: NDArray[Any],
    ends: NDArray[Any],
    *,
    f: NDArray[Any],
    key: NDArray[Any],
    describe: Callable[[int], str],
) -> None:
    """Raises PairingError on the first of `ends`, the completions of clients, that names another
    function or another key than its call; key 0 is none."""
    calls = partner[ends]
    strange = f[ends] != f[calls]
    if key.any():
        strange |= (key[ends] != key[calls]) & (key[ends] != 0)
    if strange.any():
        row = int(ends[np.argmax(strange)])
        call = int(partner[row])
        what = "function" if f[row] != f[call] else "key"
        raise PairingError(f"{describe(row)}: {_STRANGE.format(what, describe(call))}")


def _first_error(
    process: NDArray[Any], kind: NDArray[Any], describe: Callable[[int], str]
) -> PairingError:
    """The error about the first row, in the order of the history, that breaks a rule."""
    open_call: dict[int, int] = {}
    last_row: dict[int, int] = {}
    retired: dict[int, int] = {}
    for row, (who, code) in enumerate(zip(process.tolist(), kind.tolist(), strict=True)):
        trouble = None
        if who < 0:
            if code != INFO:
                trouble = _NAMED
        elif who in retired:
            trouble = _RETIRED.format(retired[who])
        elif code == INVOKE:
            if who in open_call:
                trouble = _DOUBLE.format(open_call[who])
            open_call[who] = row
        elif who not in open_call:
            trouble = _ORPHAN.format(
                f"its last call was completed by row {last_row[who]}"
                if who in last_row
                else "it has not invoked anything before"
            )
        else:
            del open_call[who]
            if code == INFO:
                retired[who] = row
        if trouble is not None:
            return PairingError(f"{describe(row)}: {trouble}")
        last_row[who] = row
    raise AssertionError("the vectorised rules and the row by row rules disagree")


_NAMED = (
    "a process with a name is no client and writes rows of type `info` only, one when it begins "
    "and one when it is done.\nUsually a client got a name instead of a number: client processes "
    "are integers >= 0."
)
_RETIRED = (
    "the process acts again after row {} left its call unknown (`info`).\nThat call may still "
    "take effect, so nothing else may be done under its number. Usually the client went on under "
    "the same process: it must go on as process + number of clients."
)
_DOUBLE = (
    "the process invokes while its call of row {} is still open.\nA process makes one call at a "
    "time. Usually two clients share a number, or the row that completes the first call is missing."
)
_ORPHAN = (
    "the process completes a call that it does not have: {}.\nUsually rows were removed (select "
    "keeps what you name, not whole calls), sorted, or written by two runs into one file."
)
_STRANGE = (
    "this is another {} than that of its call, {}.\nUsually the rows between them were lost or "
    "removed, or two clients share a number."
)
