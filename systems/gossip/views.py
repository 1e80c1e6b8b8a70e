"""What one replica holds, as plain data, for checkers that compare replicas.

| of                | state                                                                       |
|-------------------|-----------------------------------------------------------------------------|
| a keyspace        | [key, value, timestamp] of each document, [key, None, timestamp] of each    |
|                   | tombstone                                                                   |
| a set             | [element, True, None] of each element                                       |
| a counter         | [["count", value, None]]                                                    |
| a register        | [["value", value, timestamp]], [["values", [value, ...], None]] of several  |
| a map             | as of a keyspace                                                            |

Rows are in the order of their keys. `delivered` is a digest of which updates a replica has taken
in, equal for two replicas if and only if these are the same. Of a keyspace nobody knows: a write
that a later one overtook leaves no trace.

>>> from systems.crdt import GSet
>>> tags = GSet(); _ = [tags.update("add", [tag], replica="1") for tag in "ba"]
>>> object_rows(tags)
[['a', True, None], ['b', True, None]]
"""

from __future__ import annotations

import hashlib
from typing import Any

from systems.crdt import (
    Crdt,
    GCounter,
    GSet,
    LWWMap,
    LWWRegister,
    MVRegister,
    ORSet,
    PNCounter,
    Timestamp,
    pack,
    unpack,
)
from systems.gossip.store import Store

Rows = list[list[Any]]


def store_rows(store: Store, keyspace: str) -> Rows:
    """Documents and tombstones of a keyspace, as its storage has them: that is what clients read,
    whatever the keyspace has decided."""
    metadata = store.storage.metadata(keyspace)
    live = [key for key, _, there in metadata if there]
    rows = [
        [one.key, one.value, list(one.timestamp)] for one in store.storage.get_many(keyspace, live)
    ]
    rows += [[key, None, list(stamp)] for key, stamp, there in metadata if not there]
    return _sorted(rows)


def object_rows(crdt: Crdt) -> Rows:
    """The state of a CRDT, as its readers see it."""
    match crdt:
        case GSet() | ORSet():
            return _sorted([[element, True, None] for element in crdt.value()])
        case GCounter() | PNCounter():
            return [["count", crdt.value(), None]]
        case LWWRegister():
            stamp = crdt.written[0]
            return [["value", crdt.value(), list(stamp)]] if any(stamp) else []
        case LWWMap():
            return _sorted([_map_row(key, *written) for key, written in crdt.written.items()])
        case MVRegister():
            return [["values", crdt.value(), None]]
    return [["value", crdt.value(), None]]


def digest_of(data: Any) -> str:
    """16 hexadecimal digits that are equal for equal data, and otherwise but for bad luck not."""
    return hashlib.blake2b(pack(data), digest_size=8).hexdigest()


def _map_row(key: bytes, stamp: Timestamp, packed: bytes) -> list[Any]:
    return [unpack(key), unpack(packed) if packed else None, list(stamp)]


def _sorted(rows: Rows) -> Rows:
    """Numbers first, each kind in order."""
    return sorted(rows, key=lambda row: _order(row[0]))


def _order(key: Any) -> tuple[int, Any]:
    if isinstance(key, int | float):
        return 0, key
    return (1, key) if isinstance(key, str) else (2, pack(key))
