"""A keyspace: which key was written or deleted last, when, and what of it may be forgotten.

    entries  {key: timestamp}   what is there
    dead     {key: timestamp}   tombstones: what was deleted, until everybody knows
    seen     {node: timestamp}  all that `node` stamped up to there has been taken in

An observed-remove set without tombstones for ever, keyed and with the last writer winning. The
greater timestamp wins; an insertion wins over a deletion of the same timestamp. A tombstone is
purged once every member has seen all that everybody stamped up to it. What is known then is told
by `seen`: a key that is neither an entry nor dead, but whose timestamp is covered, was here and
was purged. So it is not taken in again, from however stale a replica or delayed a message, and a
replica that lacks something it has seen says that it is gone.

`seen` covers whole prefixes: it grows only when the *whole* state of another replica was merged,
never by a single write, which may have overtaken others. (The set of Datacake keeps the greatest
timestamp of each node instead and refuses what lies below; see `flaws_of_datacake.py`.)

Source: research on Datacake's OrSWotSet; Bieniusa et al., "An optimized conflict-free replicated
set", 2012; causal stability after Baquero, Almeida, Shoker, "Pure operation-based CRDTs", 2017.

>>> from systems.crdt import Timestamp as T
>>> here = Orswot(Seen())
>>> here.insert("k", T(1, 0, 1)), here.delete("k", T(2, 0, 2)), here.insert("k", T(1, 5, 1))
(True, True, False)
>>> here.seen.merge({1: T(2, 0, 1), 2: T(2, 0, 2)}); here.purge(before_ms=3)
['k']
>>> here.insert("k", T(1, 0, 1))      # an old message arrives late
False
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.node import NodeId
from systems.crdt.base import ZERO, Timestamp, pack

Key = str | int
#: A key and when it was written or deleted.
Mark = tuple[Key, Timestamp]


def fingerprint(key: Key, timestamp: Timestamp, live: bool) -> int:
    """64 bits for one entry or tombstone; the checksum of a keyspace is the XOR of all."""
    packed = pack([key, timestamp, live])
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "big")


class Seen:
    """Of each node, up to which timestamp all that it stamped has been taken in."""

    def __init__(self, vector: Mapping[NodeId, Timestamp] | None = None) -> None:
        self.vector: dict[NodeId, Timestamp] = dict(vector or {})

    def covers(self, timestamp: Timestamp) -> bool:
        """Whether what bears `timestamp` has been taken in, for all that is known."""
        return timestamp <= self.vector.get(timestamp.node, ZERO)

    def merge(self, other: Mapping[NodeId, Timestamp]) -> None:
        """The whole state of a replica that had seen `other` has been merged."""
        for node, timestamp in other.items():
            self.vector[node] = max(timestamp, self.vector.get(node, ZERO))

    def horizon_ms(self, members: Iterable[NodeId]) -> int:
        """Everything that the members stamped before this millisecond has been taken in."""
        return min((self.vector.get(member, ZERO).wall_ms for member in members), default=0)


@dataclass
class Difference:
    """What a keyspace lacks of another: to fetch, to bury, and to drop because it is gone."""

    modified: list[Mark] = field(default_factory=list)
    removed: list[Mark] = field(default_factory=list)
    dropped: list[Key] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.modified or self.removed or self.dropped)


class Orswot:
    """The state of one keyspace. Keyspaces of one node share `seen`."""

    def __init__(self, seen: Seen) -> None:
        self.entries: dict[Key, Timestamp] = {}
        self.dead: dict[Key, Timestamp] = {}
        self.seen = seen
        #: Equal for equal entries and tombstones, and otherwise different but for bad luck.
        self.checksum = 0

    def will_apply(self, key: Key, timestamp: Timestamp, *, live: bool) -> bool:
        """Whether an insertion (`live`) or a deletion would change anything."""
        entry = self.entries.get(key)
        if entry is not None:
            return (timestamp, live) > (entry, True)
        grave = self.dead.get(key)
        if grave is not None:
            return (timestamp, live) > (grave, False)
        return not self.seen.covers(timestamp)

    def restore(self, key: Key, timestamp: Timestamp, *, live: bool) -> None:
        """Put back what a storage kept, when a node starts."""
        (self.entries if live else self.dead)[key] = timestamp
        self.checksum ^= fingerprint(key, timestamp, live)

    def insert(self, key: Key, timestamp: Timestamp) -> bool:
        """`key` was written; False if something later is known."""
        return self._put(key, timestamp, live=True)

    def delete(self, key: Key, timestamp: Timestamp) -> bool:
        """`key` was deleted, which is remembered even of an unknown one; False as for insert."""
        return self._put(key, timestamp, live=False)

    def _put(self, key: Key, timestamp: Timestamp, *, live: bool) -> bool:
        if not self.will_apply(key, timestamp, live=live):
            return False
        self.drop(key)
        (self.entries if live else self.dead)[key] = timestamp
        self.checksum ^= fingerprint(key, timestamp, live)
        return True

    def drop(self, key: Key) -> bool:
        """Forget whatever is known of `key`; whether there was something."""
        for marks, live in ((self.entries, True), (self.dead, False)):
            timestamp = marks.pop(key, None)
            if timestamp is not None:
                self.checksum ^= fingerprint(key, timestamp, live)
                return True
        return False

    def diff(
        self, entries: Iterable[Mark], dead: Iterable[Mark], seen: Mapping[NodeId, Timestamp]
    ) -> Difference:
        """What must happen here to have merged a replica with this state."""
        found = Difference()
        there: set[Key] = set()
        for marks, live, wanted in ((entries, True, found.modified), (dead, False, found.removed)):
            for key, timestamp in marks:
                there.add(key)
                if self.will_apply(key, timestamp, live=live):
                    wanted.append((key, timestamp))
        theirs = Seen(seen)
        for marks_here in (self.entries, self.dead):
            for key, timestamp in marks_here.items():
                if key not in there and theirs.covers(timestamp):
                    found.dropped.append(key)
        return found

    def merge(self, other: Orswot) -> None:
        """Take the whole state of another replica in, and what it has seen."""
        difference = self.diff(other.entries.items(), other.dead.items(), other.seen.vector)
        for key in difference.dropped:
            self.drop(key)
        for key, timestamp in difference.modified:
            self.insert(key, timestamp)
        for key, timestamp in difference.removed:
            self.delete(key, timestamp)
        self.seen.merge(other.seen.vector)

    def purge(self, *, before_ms: int) -> list[Key]:
        """Forget the tombstones stamped before `before_ms`, and return their keys.

        The caller vouches that every member has seen all that was stamped before.
        """
        purged = [key for key, timestamp in self.dead.items() if timestamp.wall_ms < before_ms]
        for key in purged:
            self.drop(key)
        return purged
