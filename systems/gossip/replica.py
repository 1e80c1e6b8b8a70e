"""The CRDTs of one node: updates are journalled as deltas, told to others, and merged from others.

A doubled request must not count twice, not even across a restart: the journal keeps which request
of a session each update was.

Beside each state runs a record of which updates it has taken in, as dots of the replicas that did
them, whatever the type makes of them. So whoever watches can say of two replicas that they have
heard the same, and must be the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from systems.crdt import ZERO, Crdt, GSet, Objects, Replica, Timestamp, unpack
from systems.crdt.causal import Context
from systems.gossip.journal import Journal, Record
from systems.gossip.messages import ObjectState


class ObjectReplica:
    """`objects` as the replica `name` has them, on the section "objects" of a journal."""

    def __init__(self, objects: Objects, journal: Journal, name: Replica) -> None:
        self.name = name
        self.objects = objects
        self.last_serials: dict[int, int] = {}  # by session, of the updates done here
        self._delivered: dict[str, Context] = {}
        self._hops: dict[str, dict[bytes, int]] = {}
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

    def latest(self) -> Timestamp:
        """The greatest timestamp in any of the objects."""
        return max((one.latest() for one in self.objects.states.values()), default=ZERO)

    def delivered(self, name: str) -> Context:
        """Which updates of the object called `name` have been taken in."""
        return self._delivered.setdefault(name, Context())

    def whole(self, name: str) -> ObjectState:
        """All of the object called `name`."""
        state = self.get(name)
        hops = None
        if self.objects.counts_hops:
            hops = sorted(self._hops.get(name, {}).items())
        return ObjectState(name, state.to_data(), self.delivered(name).to_data(), hops)

    def hops(self, name: str) -> list[tuple[Any, int]]:
        """Over how many nodes each element of a g-set came here in this life, if it is counted."""
        return [(unpack(packed), count) for packed, count in self._hops.get(name, {}).items()]

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
        dot = self.delivered(name).next(self.name)
        state = ObjectState(name, change.to_data(), Context([dot]).to_data())
        self._count_hops(state, 0)
        self._take(state)
        self.last_serials[session] = serial
        self._journal.append("objects", [*_fields(state), session, serial])
        return state

    def merge(self, state: ObjectState) -> bool:
        """Take in what another replica sent; whether it was news."""
        fresh = not self.delivered(state.name).includes(Context.from_data(state.updates))
        before = None if fresh else self.checksum(state.name)
        self._count_hops(state, 1)
        self._take(state)
        if not fresh and self.checksum(state.name) == before:
            return False
        self._journal.append("objects", [*_fields(state), 0, 0])
        return True

    def _count_hops(self, state: ObjectState, hops: int) -> None:
        here = self.get(state.name)
        if not self.objects.counts_hops or not isinstance(here, GSet):
            return
        before, mine = dict(state.hops or ()), self._hops.setdefault(state.name, {})
        for packed in state.data:
            if packed not in here.elements:
                mine[packed] = hops + before.get(packed, 0)

    def _take(self, state: ObjectState) -> None:
        self.objects.merge(state.name, state.data)
        self.delivered(state.name).merge(Context.from_data(state.updates))

    def _replay(self, record: Record) -> None:
        name, data, updates, session, serial = record
        if name is not None:
            self._take(ObjectState(name, data, updates))
        if session:
            self.last_serials[session] = max(serial, self.last_serials.get(session, 0))

    def _dump(self) -> Iterable[Record]:
        for name in sorted(self.objects.states):
            yield [*_fields(self.whole(name)), 0, 0]
        for session, serial in self.last_serials.items():
            yield [None, None, None, session, serial]


def _fields(state: ObjectState) -> list[Any]:
    return [state.name, state.data, state.updates]
