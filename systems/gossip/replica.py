"""The CRDTs of one node: updates are journalled as deltas, told to others, and merged from others.

A doubled request must not count twice, not even across a restart: the journal keeps which request
of a session each update was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from systems.crdt import Crdt, Objects, Replica, Timestamp
from systems.gossip.journal import Journal, Record
from systems.gossip.messages import ObjectState


class ObjectReplica:
    """`objects` as the replica `name` has them, on the section "objects" of a journal."""

    def __init__(self, objects: Objects, journal: Journal, name: Replica) -> None:
        self.name = name
        self.objects = objects
        self.last_serials: dict[int, int] = {}  # by session, of the updates done here
        self._journal = journal
        journal.open("objects", replay=self._replay, dump=self._dump)

    def get(self, name: str) -> Crdt:
        """The object called `name`. Raises UsageError if there is none of that name."""
        return self.objects.get(name)

    def checksum(self, name: str) -> int:
        return self.objects.checksum(name)

    def checksums(self) -> list[tuple[str, int]]:
        """The names of all objects with their checksums, in order."""
        return self.objects.checksums()

    def update(
        self,
        name: str,
        method: str,
        arguments: Sequence[Any],
        *,
        stamp: Timestamp,
        session: int,
        serial: int,
    ) -> ObjectState:
        """Do an update here; returns what does it elsewhere. Raises UsageError."""
        change = self.objects.delta(name, method, arguments, replica=self.name, stamp=stamp)
        data = change.to_data()
        self.objects.merge(name, data)
        self.last_serials[session] = serial
        self._journal.append("objects", [name, data, session, serial])
        return ObjectState(name, data)

    def merge(self, name: str, data: Any) -> bool:
        """Take in what another replica sent; whether it was news."""
        before = self.checksum(name)
        self.objects.merge(name, data)
        if self.checksum(name) == before:
            return False
        self._journal.append("objects", [name, data, 0, 0])
        return True

    def _replay(self, record: Record) -> None:
        name, data, session, serial = record
        if name is not None:
            self.objects.merge(name, data)
        if session:
            self.last_serials[session] = max(serial, self.last_serials.get(session, 0))

    def _dump(self) -> Iterable[Record]:
        for name in sorted(self.objects.states):
            yield [name, self.objects.get(name).to_data(), 0, 0]
        for session, serial in self.last_serials.items():
            yield [None, None, session, serial]
