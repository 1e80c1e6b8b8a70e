"""The keyspaces of one node: for each an ORSWOT that decides, and the storage that keeps.

    Change ─▶ Orswot.will_apply? ─ no ─▶ nothing: something later is known
                    │ yes
                    └─▶ Orswot and Storage, both or neither

Invariant: entries and tombstones of an Orswot are those of the storage, at any time. After a
restart the Orswots are made from the storage, and `seen` from the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.node import NodeId
from systems.crdt.base import ZERO, Timestamp
from systems.gossip.journal import Journal
from systems.gossip.keyspace import Key, Mark, Orswot, Seen
from systems.gossip.messages import Change, KeyspaceState
from systems.gossip.storage import Document, MemoryStorage

#: Where a change came from, for those variants to which it makes a difference.
DIRECT, BATCH, REPAIR = "direct", "batch", "repair"


class Store:
    """Keyspaces over a storage; `journal` keeps what they have seen."""

    #: Flawed variants put another class here.
    orswot_class: type[Orswot] = Orswot

    def __init__(self, storage: MemoryStorage, journal: Journal) -> None:
        self.storage = storage
        self.seen = Seen()
        self.keyspaces: dict[str, Orswot] = {}
        self._journal = journal
        self._load_seen()
        for keyspace in storage.keyspaces():
            orswot = self.open(keyspace)
            for key, timestamp, live in storage.metadata(keyspace):
                orswot.restore(key, timestamp, live=live)

    def open(self, keyspace: str) -> Orswot:
        """The state of a keyspace, empty if it is new."""
        found = self.keyspaces.get(keyspace)
        if found is None:
            found = self.keyspaces[keyspace] = self.orswot_class(self.seen)
        return found

    # ---- changes

    def apply(self, changes: Iterable[Change], *, source: str = DIRECT) -> list[Change]:
        """Do those changes that are news, in memory and storage; returns them.

        They are durable when the journal is synced.
        """
        news = []
        for change in self.in_order(changes):
            if self.apply_one(change, source):
                news.append(change)
        return news

    def in_order(self, changes: Iterable[Change]) -> Iterable[Change]:
        """The order in which the changes of one message are done; it makes no difference."""
        return changes

    def apply_one(self, change: Change, source: str) -> bool:
        """Do one change if it is news."""
        orswot = self.open(change.keyspace)
        put = orswot.insert if change.live else orswot.delete
        if not put(change.key, change.timestamp):
            return False
        self.write(change)
        return True

    def write(self, change: Change) -> None:
        """Hand a change to the storage."""
        if change.live:
            document = Document(change.key, change.timestamp, change.value)
            self.storage.put_many(change.keyspace, [document])
        else:
            self.storage.bury_many(change.keyspace, [(change.key, change.timestamp)])

    def drop(self, keyspace: str, keys: Iterable[Key]) -> None:
        """Forget keys without a trace: another replica has seen all of them, and they are gone."""
        orswot = self.open(keyspace)
        self.storage.forget_many(keyspace, [key for key in keys if orswot.drop(key)])

    def purge(self, before_ms: int) -> int:
        """Forget tombstones that every member has seen; how many there were."""
        count = 0
        for keyspace, orswot in self.keyspaces.items():
            purged = orswot.purge(before_ms=before_ms)
            if purged:
                if not count:
                    self.saw({}, keep=True)
                self.storage.forget_many(keyspace, purged)
                count += len(purged)
        return count

    # ---- looking

    def rows(self, keyspace: str, keys: Sequence[Key]) -> tuple[Change, ...]:
        """Documents and tombstones of the keys that have one."""
        if keyspace not in self.keyspaces:
            return ()
        dead = self.keyspaces[keyspace].dead
        documents = self.storage.get_many(keyspace, keys)
        return (
            *(Change(keyspace, one.key, one.timestamp, one.value, True) for one in documents),
            *(Change(keyspace, key, dead[key], None, False) for key in keys if key in dead),
        )

    def keys(self, keyspace: str) -> list[Key]:
        """All keys that hold a document; numbers first, each kind in order."""
        found = self.keyspaces.get(keyspace)
        keys = list(found.entries) if found is not None else []
        return sorted(keys, key=lambda key: (isinstance(key, str), key))

    def state(self, keyspace: str) -> KeyspaceState:
        """All keys of a keyspace, for another replica to compare with its own."""
        orswot = self.open(keyspace)
        marks: tuple[tuple[Mark, ...], ...] = (
            tuple(orswot.entries.items()),
            tuple(orswot.dead.items()),
        )
        return KeyspaceState(keyspace, *marks)

    def checksums(self) -> tuple[tuple[str, int], ...]:
        """Of every keyspace that holds something."""
        return tuple(
            (keyspace, orswot.checksum)
            for keyspace, orswot in self.keyspaces.items()
            if orswot.entries or orswot.dead
        )

    def latest(self) -> Timestamp:
        """The greatest timestamp of all that is held."""
        return max(
            (
                timestamp
                for orswot in self.keyspaces.values()
                for marks in (orswot.entries, orswot.dead)
                for timestamp in marks.values()
            ),
            default=ZERO,
        )

    # ---- what was seen

    def saw(self, vector: dict[NodeId, Timestamp], *, keep: bool = False) -> None:
        """The whole state of a replica that had seen `vector` has been merged.

        A restart may forget it, at the cost of seeing it again, unless `keep` says that something
        is gone of which only the vector tells that it was here.
        """
        self.seen.merge(vector)
        if keep:
            self._journal.append("seen", self._seen_record())

    def _load_seen(self) -> None:
        self._journal.open("seen", replay=self._replay_seen, dump=lambda: [self._seen_record()])

    def _replay_seen(self, record: Any) -> None:
        self.seen.merge({stamp[2]: Timestamp(*stamp) for stamp in record})

    def _seen_record(self) -> Any:
        return [list(stamp) for stamp in self.seen.vector.values()]
