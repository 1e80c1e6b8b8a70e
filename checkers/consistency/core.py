"""Fewer operations that prove the same: a small witness where no rule names one.

Without a read, or without a write that nobody sees, a history of registers is easier to explain.
What is left without an explanation therefore proves that the whole has none.

>>> from checkers.notation import parse
>>> from checkers.consistency.saturation import saturated
>>> everything = Accesses.of(parse("0w1. 1r=1 2w3. 2r=3 1r=nil"))
>>> core = smallest(everything, lambda fewer: bool(saturated(fewer).cycle))
>>> [core.describe(number) for number in range(len(core))]
['process 0 wrote 1', 'process 1 read 1', 'process 1 read nil']

Limits: gives up after `TRIES` tries; what it has found until then is right, but may not be least.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from checkers.consistency.accesses import Accesses

#: Smaller sets that are tried at most.
TRIES: Final = 200


def smallest(accesses: Accesses, still_fails: Callable[[Accesses], bool]) -> Accesses:
    """A part of `accesses` that fails as well, from which no single one can be left out.

    Blocks are tried from the end, ever smaller ones (Zeller and Hildebrandt, "Simplifying and
    isolating failure-inducing input", 2002).
    """
    tries = 0
    step = max(len(accesses) // 2, 1)
    while True:
        shrunk = False
        position = len(accesses)
        while position > 0:
            if tries == TRIES:
                return accesses
            block = _removable(accesses, range(max(position - step, 0), position))
            position -= step
            if not block:
                continue
            tries += 1
            smaller = accesses.keep(lambda number, block=block: number not in block)  # type: ignore[misc]
            if still_fails(smaller):
                accesses, shrunk = smaller, True
        if step == 1 and not shrunk:
            return accesses
        step = max(step // 2, 1)


def _removable(accesses: Accesses, numbers: Sequence[int]) -> frozenset[int]:
    """Those that no other access needs: reads, and writes that only reads among them see."""
    block = {number for number in numbers if accesses.all[number].is_read}
    seen = {
        (access.key, access.read)
        for access in accesses.all
        if not access.is_write and access.number not in block
    }
    for number in numbers:
        access = accesses.all[number]
        if access.is_write and (access.key, access.written) not in seen:
            block.add(number)
    return frozenset(block)
