"""Which write each read saw, where the values leave it open: tried until the guarantees hold.

    0  w 1          1  w 1          2  r 1       seen from 0, or from 1?

If every written value is different there is nothing to try. Otherwise the guarantees hold if they
hold for some choice, and every try is one call of `explain`:

    1. no open read at all      broken: broken for every choice
    2. each sees the newest     the write that was called last before the read was answered
    3. one after the other      newest first, back as soon as what is chosen breaks a guarantee

>>> from checkers.notation import parse
>>> accesses = Accesses.of(parse("0w1. 0w2. 1w1. 2r=2 2r=1"))
>>> choose(accesses, {"monotonic-reads", "monotonic-writes"}, budget=1000).answer
'hold'

Limits: exponential in the number of open reads; `choose` gives up after its budget.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from checkers.consistency.accesses import AMBIGUOUS, INITIAL, Accesses
from checkers.consistency.visibility import Broken, explain


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether the guarantees hold for some choice, and why not if one reason is enough for all.

    `work` counts the accesses looked at.
    """

    answer: Literal["hold", "broken", "unknown"]
    work: int
    broken: Broken | None = None


def choose(accesses: Accesses, guarantees: Collection[str], *, budget: int) -> Choice:
    """Whether `guarantees` can hold together; `budget` is the number of accesses to look at."""
    work = max(len(accesses), 1)
    broken = explain(accesses, accesses.source, guarantees)
    if broken is not None:
        return Choice("broken", work, broken)
    source = list(accesses.source)
    if _first_open(accesses, source) < 0:
        return Choice("hold", work)
    while (number := _first_open(accesses, source)) >= 0:
        source[number] = _candidates(accesses, number)[-1]
    work += len(accesses)
    if explain(accesses, source, guarantees) is None:
        return Choice("hold", work)
    return _backtrack(accesses, guarantees, budget, work)


def _backtrack(accesses: Accesses, guarantees: Collection[str], budget: int, work: int) -> Choice:
    source = list(accesses.source)
    stack: list[tuple[int, list[int]]] = []  # a read, and the sources that it has not yet had
    number = _first_open(accesses, source)
    stack.append((number, _candidates(accesses, number)))
    while stack:
        number, candidates = stack[-1]
        if not candidates:
            stack.pop()
            source[number] = AMBIGUOUS
            continue
        if work >= budget:
            return Choice("unknown", work)
        source[number] = candidates.pop()
        work += len(accesses)
        if explain(accesses, source, guarantees) is None:
            number = _first_open(accesses, source)
            if number < 0:
                return Choice("hold", work)
            stack.append((number, _candidates(accesses, number)))
    return Choice("broken", work)


def _first_open(accesses: Accesses, source: list[int]) -> int:
    """The first read that took effect, directly or because somebody saw what it then wrote."""
    todo = [access.number for access in accesses.all if access.answered]
    happened = {*todo}
    open_reads = []
    while todo:
        number = todo.pop()
        if source[number] == AMBIGUOUS:
            open_reads.append(number)
        elif source[number] >= 0 and source[number] not in happened:
            happened.add(source[number])
            todo.append(source[number])
    return min(open_reads, default=-1)


def _candidates(accesses: Accesses, number: int) -> list[int]:
    """The possible sources of a read, the likeliest last: the newest that it can have known."""
    access = accesses.all[number]
    end = access.return_row if access.answered else len(accesses.history)
    writers = [writer for writer in accesses.writers[access.key, access.read] if writer != number]
    started = [accesses.all[writer].call_row < end for writer in writers]
    late = [writer for writer, known in zip(writers, started, strict=True) if not known]
    early = [writer for writer, known in zip(writers, started, strict=True) if known]
    initial = [INITIAL] if access.read == accesses.initial else []
    return [*reversed(late), *initial, *early]
