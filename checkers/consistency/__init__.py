"""Consistency weaker than linearizability: sequential consistency and the session guarantees.

    linearizable ──▶ sequentially consistent ──▶ read-your-writes, monotonic-reads,
                                                 monotonic-writes, writes-follow-reads

Each arrow means "whatever holds here holds there". The first looks at one key at a time and at
real time; the others look at all keys at once, and at the order of each session only.

>>> from checkers.notation import parse
>>> stale = parse("0w1. 1r=1 2r=nil")  # process 2 asks a replica that lags behind
>>> [checker().check(stale).outcome for checker in (SequentialConsistency, MonotonicReads)]
['pass', 'pass']

The rooms: `accesses` (what was read and written, and seen from whom); for sequential consistency
`precedence` and `saturation` (rules) and `search` (exact); for sessions `visibility` (rules, exact
if values are unique) and `sources` (where they are not); `core` and `words` for witnesses.
docs/consistency.md says which guarantee to check for which system.

Limits: registers only; a session is a process.
"""

from checkers.consistency.sequential import SequentialConsistency
from checkers.consistency.sessions import (
    MonotonicReads,
    MonotonicWrites,
    ReadYourWrites,
    WritesFollowReads,
)

__all__ = [
    "MonotonicReads",
    "MonotonicWrites",
    "ReadYourWrites",
    "SequentialConsistency",
    "WritesFollowReads",
]
