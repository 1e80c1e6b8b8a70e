"""Checkers of systems that converge: stores and CRDTs that any node answers for.

    convergence      all replicas agree after the last fault, on something the writes give
    strong-eventual  replicas that took in the same updates hold the same, at any moment
    set-full         what was added to a set stays; how long until all see it
    broadcast        the same of messages
    counter          every read is a total that the updates can make
    lww              the greatest timestamp stands, and no node goes back
    no-resurrection  nothing that was deleted comes back
    repair-quiet     once all agree, repair moves nothing
    levels           no anomaly beyond what a consistency level permits
    staleness        how old answers are, for each level (measures)
    membership       all see all in the end, and notice who is down
    unique-ids       generated identifiers never repeat

>>> from checkers.convergence.notation import parse
>>> history = parse('''
...     1000 0 add 5 =
...     2000 0 replica = 1 5 #d1
...     2000 1 replica = 2 5 #d1
... ''')
>>> [checker().check(history).outcome for checker in (Convergence, StrongEventual, SetFull)]
['pass', 'pass', 'pass']

The rooms: `records` (what a history tells), `faults` (what went wrong when, and what is put down to
it), `final` (the end of a run), `missing` (who lacks what), `sightings` (what each node showed of a
key), `elements` (sets, by numpy), `sums` and `bounds` (counters), `words` (sentences, tables,
distributions), `notation` (histories for tests); and a file for each checker.
docs/convergence.md has the rows that they read, and examples of what they say.
"""

from checkers.convergence.agreement import Convergence
from checkers.convergence.broadcast import Broadcast
from checkers.convergence.counter import Counter
from checkers.convergence.levels import LevelContracts
from checkers.convergence.lww import LastWriterWins
from checkers.convergence.membership import Membership
from checkers.convergence.repair_quiet import RepairQuiet
from checkers.convergence.resurrection import NoResurrection
from checkers.convergence.set_full import SetFull
from checkers.convergence.staleness import Staleness
from checkers.convergence.strong_eventual import StrongEventual
from checkers.convergence.unique_ids import UniqueIds

__all__ = [
    "Broadcast",
    "Convergence",
    "Counter",
    "LastWriterWins",
    "LevelContracts",
    "Membership",
    "NoResurrection",
    "RepairQuiet",
    "SetFull",
    "Staleness",
    "StrongEventual",
    "UniqueIds",
]
