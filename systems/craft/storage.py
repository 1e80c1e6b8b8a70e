"""What the library stores, on our disk: term and vote, entries, snapshots.

    metadata cell   lives, term, vote         set_term, set_vote: the caller waits for a sync
    log records     (index, entry) each       append, truncate
    snapshot cell   index, term, members,     snapshot_put
                    state

What a crash keeps is a prefix of these changes, in their order, so that no entry outlives the term
that was set before it. `log` is how the library's log should look according to what it has asked
to be stored, as of the last `show`; invariants read it.

>>> from harness.simulation.disk import SimulatedDisk
>>> from systems.craft.messages import BARRIER
>>> disk = SimulatedDisk(schedule_flush=lambda: None)
>>> storage = Storage(disk, disk.recover())
>>> storage.set_term(3)
>>> storage.append([Entry(3, BARRIER, b"")] * 3)
>>> after_three = Snapshot(index=3, term=3, members=((1, 1),), members_index=1, state=b"")
>>> storage.put_snapshot(after_three, trailing=1)
>>> storage.log.last_index, storage.show(), storage.log.last_index
(0, None, 3)
>>> disk.sync(None); _ = disk.flushed()
>>> again = Storage(disk, disk.recover())
>>> again.term, again.log.base_index, again.log.last_index, again.snapshot.index, again.lives
(3, 2, 3, 3, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from harness.node import Disk, NodeId, Recovered
from systems.craft.messages import Entry, Members, pack
from systems.raft.log import Log

_decode_meta = msgspec.msgpack.Decoder(tuple[int, int, int]).decode
_decode_record = msgspec.msgpack.Decoder(tuple[int, Entry]).decode


class Snapshot(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """The state after entry `index`; the members are those of entry `members_index`."""

    index: int
    term: int
    members: Members
    members_index: int
    state: bytes


_decode_snapshot = msgspec.msgpack.Decoder(Snapshot).decode


class Storage:
    """One life of a node on its disk."""

    def __init__(self, disk: Disk, recovered: Recovered) -> None:
        self._disk = disk
        self.lives, self.term, self.vote = 0, 0, 0
        if recovered.meta is not None:
            self.lives, self.term, self.vote = _decode_meta(recovered.meta)
        self.snapshot: Snapshot | None = None
        self.log: Any = Log()
        # changes that the log does not show yet, and where it begins and ends with them
        self._unshown: list[Callable[[], None]] = []
        self._base_index = self._last_index = 0
        # the number of an entry's record is its index plus this; the first one on the disk
        self._shift = -1
        self._first_record = recovered.first_record
        self._recover(recovered)
        self._base_index, self._last_index = self.log.base_index, self.log.last_index
        #: Up to here the log is known to be on the disk.
        self.durable = self._last_index
        self._truncations = 0
        self.lives += 1
        self._put_meta()

    @property
    def pristine(self) -> bool:
        """Whether nothing was ever stored here, or no more than half of a bootstrap."""
        return self.snapshot is None and not self._last_index

    def show(self) -> None:
        """From now on `log` has all that was stored."""
        if self._unshown:
            for change in self._unshown:
                change()
            self._unshown.clear()

    def _recover(self, recovered: Recovered) -> None:
        log = self.log
        if recovered.snapshot is not None:
            self.snapshot = _decode_snapshot(recovered.snapshot)
            log.reset(self.snapshot.index, self.snapshot.term)
        records = [_decode_record(record) for record in recovered.records]
        if records and self._are_stale(records):
            self._disk.truncate(recovered.first_record)
            records = []
        first = records[0][0] if records else log.last_index + 1
        self._shift = recovered.first_record - first
        if first == 1:
            log.reset(0, 0)
        elif first <= log.base_index:
            # trailing entries: the first of them stands for what lies before
            index, entry = records.pop(0)
            log.reset(index, entry.term)
        for _, entry in records:
            log.append(entry)

    def _are_stale(self, records: Sequence[tuple[int, Entry]]) -> bool:
        """Whether a snapshot replaced these, and a crash came before they were gone."""
        if self.snapshot is None:
            return False
        index, first, last = self.snapshot.index, records[0][0], records[-1][0]
        if first > index:
            return False
        return last < index or records[index - first][1].term != self.snapshot.term

    # ---- what the library asks for

    def set_term(self, term: int) -> None:
        """A new term, in which nobody has this node's vote yet."""
        self.term, self.vote = term, 0
        self._put_meta()

    def set_vote(self, vote: NodeId) -> None:
        self.vote = vote
        self._put_meta()

    def append(self, entries: Sequence[Entry]) -> None:
        show, disk = self.log.append, self._disk
        for entry in entries:
            self._last_index += 1
            self._unshown.append(partial(show, entry))
            disk.append(pack((self._last_index, entry)))

    def position(self) -> tuple[int, int]:
        """What `synced` is to be told when all that was stored until now is durable."""
        return self._truncations, self._last_index

    def synced(self, position: tuple[int, int]) -> None:
        truncations, last_index = position
        if truncations == self._truncations:
            self.durable = last_index

    def truncate(self, first: int) -> None:
        """Drop the entries from `first` on."""
        if first > self._last_index:
            return
        self._truncations += 1
        self.durable = min(self.durable, first - 1)
        if first > self._base_index:
            self._last_index = first - 1
            self._unshown.append(partial(self.log.truncate, first - 1))
        else:  # a sound library never asks for this: a snapshot stands for that entry
            self._reset(first - 1, 0)
        self._disk.truncate(self._shift + first)

    def put_snapshot(self, snapshot: Snapshot, trailing: int) -> None:
        """Keep `trailing` entries before it, and one more that stands for the rest; with 0 it takes
        the place of the whole log."""
        self.snapshot = snapshot
        disk = self._disk
        disk.put_snapshot(pack(snapshot))
        if not trailing:
            disk.truncate(self._first_record)
            self._shift = self._first_record - (snapshot.index + 1)
            self._reset(snapshot.index, snapshot.term)
            self._truncations += 1
            self.durable = min(self.durable, snapshot.index)
        elif snapshot.index - trailing > self._base_index:
            base = self._base_index = snapshot.index - trailing
            self._unshown.append(partial(self.log.compact, base))
            self._first_record = self._shift + base
            disk.drop_prefix(self._first_record)

    def _reset(self, index: int, term: int) -> None:
        self._base_index = self._last_index = index
        self._unshown.append(partial(self.log.reset, index, term))

    def _put_meta(self) -> None:
        self._disk.put_meta(pack((self.lives, self.term, self.vote)))
