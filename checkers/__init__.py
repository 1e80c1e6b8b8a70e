"""Checkers: pure functions from a finished history to a verdict.

>>> from checkers import Linearizability, Stats
>>> from checkers.notation import parse
>>> history = parse("0w1. 1r=1 2c1,2? 1r=2")
>>> [checker.check(history).outcome for checker in (Linearizability(), Stats())]
['pass', 'fail']
>>> Stats().check(history).reason
'No cas ever succeeded: 1 call, 0 failed, 1 without an answer (no error was given).'

Which one to take:

    Linearizability   one order in real time explains every answer: registers, texts, locks
    SequentialConsistency, ReadYourWrites, MonotonicReads, MonotonicWrites, WritesFollowReads
                      less than that, of registers: docs/consistency.md says what to ask of whom
    Stats             every kind of operation worked at least once; counts
    checkers.convergence
                      stores and CRDTs that any node answers for: docs/convergence.md

A checker answers pass, fail, unknown (it ran out of budget) or skipped (nothing to check), gives
its reason in words, a witness that can be checked again on its own, and says what it could not
have detected. `notation` writes histories in one line; `kit.check_checker` tests a checker of
your own. `pip install` builds the native linearizability kernel if there is a C compiler.
"""

from checkers.consistency import (
    MonotonicReads,
    MonotonicWrites,
    ReadYourWrites,
    SequentialConsistency,
    WritesFollowReads,
)
from checkers.kit import check_checker
from checkers.linearizability import Linearizability
from checkers.stats import Stats
from harness.verdict import Checker, Verdict, worst

__all__ = [
    "Checker",
    "Linearizability",
    "MonotonicReads",
    "MonotonicWrites",
    "ReadYourWrites",
    "SequentialConsistency",
    "Stats",
    "Verdict",
    "WritesFollowReads",
    "check_checker",
    "worst",
]
