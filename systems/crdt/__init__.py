"""Conflict-free replicated data types: states that merge in any order to the same thing.

| kind         | module         | updates                   |
|--------------|----------------|---------------------------|
| g-counter    | `counters.py`  | add(n), n ≥ 0             |
| pn-counter   | `counters.py`  | add(n)                    |
| g-set        | `sets.py`      | add(e)                    |
| or-set       | `causal.py`    | add(e), remove(e)         |
| lww-register | `registers.py` | write(value)              |
| lww-map      | `registers.py` | put(key, value), del(key) |
| mv-register  | `causal.py`    | write(value)              |

`base.py` says what they have in common, `objects.py` keeps them by name for a gossip system.

>>> sorted(KINDS)
['g-counter', 'g-set', 'lww-map', 'lww-register', 'mv-register', 'or-set', 'pn-counter']
"""

from systems.crdt.base import ZERO, Crdt, Replica, Timestamp, pack, unpack
from systems.crdt.causal import MVRegister, ORSet
from systems.crdt.counters import GCounter, PNCounter
from systems.crdt.objects import KINDS, Objects
from systems.crdt.registers import LWWMap, LWWRegister
from systems.crdt.sets import GSet

__all__ = [
    "KINDS",
    "ZERO",
    "Crdt",
    "GCounter",
    "GSet",
    "LWWMap",
    "LWWRegister",
    "MVRegister",
    "ORSet",
    "Objects",
    "PNCounter",
    "Replica",
    "Timestamp",
    "pack",
    "unpack",
]
