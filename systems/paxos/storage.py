"""What an OmniPaxos node must not forget: its promise, its log, its configuration.

    metadata cell   which life this is, and the promise
    log records     one per *change* of the replicated log: round, where it begins, entries
    snapshot cell   the state machine at an index, with configuration and accepted round

A record holds a whole change, so that a crash keeps all of it or nothing. It has to be so: a log
that was cut back but not yet filled again would lose entries that this node had helped to decide,
and a round without its entries would pass for a short log of that round. (An append-only file of
changes is how the operations that Sequence Paxos wants atomic become atomic on a plain disk.)

Everything is visible at once and durable after the next sync; who promises waits for that.

>>> from random import Random
>>> from harness.simulation.disk import SimulatedDisk
>>> from systems.paxos.messages import Entry
>>> disk = SimulatedDisk(schedule_flush=lambda: None)
>>> storage = Storage(disk, members=(1, 2, 3))
>>> one, two, three = (Entry(1, serial, None) for serial in (1, 2, 3))
>>> storage.accept(Ballot(1, 0, 1), 0, (one, two))
>>> storage.accept(Ballot(2, 0, 3), 1, (three,))
>>> storage.last_index, storage.entries == [one, three]
(2, True)
>>> disk.crash("wipe", Random(1))
>>> Storage(disk, members=(1, 2, 3)).recover(disk.recover())
False
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from harness.node import Disk, Recovered
from systems.paxos.ballots import ZERO, Ballot
from systems.paxos.messages import STOP_SIGN, Entry


class _Meta(NamedTuple):
    life: int
    configuration: int
    promise: Ballot


class _Change(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    configuration: int
    round: Ballot
    start: int
    decided: int
    entries: tuple[Entry, ...]


class _Configured(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    configuration: int
    members: tuple[int, ...]
    origin: int


class _Snapshot(msgspec.Struct, frozen=True, gc=False, array_like=True):
    index: int
    configuration: int
    members: tuple[int, ...]
    origin: int
    round: Ballot
    state: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_meta = msgspec.msgpack.Decoder(_Meta).decode
_decode_record = msgspec.msgpack.Decoder(_Change | _Configured).decode
_decode_snapshot = msgspec.msgpack.Decoder(_Snapshot).decode


class Storage:
    """Entries are numbered from 1; those up to `base_index` are gone, the snapshot stands for them.

    `configuration` began after the index `origin`; in a new one nothing is promised or accepted
    yet. `decided` is written along with other changes only: it is a lower bound that a restarted
    node learns anew.
    """

    def __init__(self, disk: Disk, *, members: tuple[int, ...]) -> None:
        self._disk = disk
        self.life = 1
        self.promise = ZERO
        self.configuration = 1
        self.members = members
        self.origin = 0
        self.accepted_round = ZERO
        self.base_index = 0
        self.entries: list[Entry] = []
        self.last_index = 0
        self.decided = 0
        self.snapshot_index = 0
        self.snapshot = b""
        # where the entries of each record begin that is still needed: (start, its number)
        self._records: list[tuple[int, int]] = []

    # ---- a new life

    def recover(self, recovered: Recovered) -> bool:
        """Take over what an earlier life has left; whether there was one."""
        if recovered.snapshot is not None:
            self._load_snapshot(_decode_snapshot(recovered.snapshot))
        for number, encoded in enumerate(recovered.records, recovered.first_record):
            record = _decode_record(encoded)
            if isinstance(record, _Configured):
                self._begin(record)
            elif record.configuration == self.configuration:
                self._load_change(record, number)
        self.decided = min(self.decided, self.last_index)
        if recovered.meta is None:
            self._write_meta()
            return False
        life, configuration, promise = _decode_meta(recovered.meta)
        self.life = life + 1
        self.promise = promise if configuration == self.configuration else ZERO
        self._write_meta()
        return True

    def _load_snapshot(self, snapshot: _Snapshot) -> None:
        self._begin(_Configured(snapshot.configuration, snapshot.members, snapshot.origin))
        self.accepted_round = snapshot.round
        self.base_index = self.last_index = self.decided = self.snapshot_index = snapshot.index
        self.snapshot = snapshot.state

    def _load_change(self, change: _Change, number: int) -> None:
        start = max(change.start, self.base_index)
        assert start <= self.last_index, "a record of the log is missing"
        self._put(start, change.entries[start - change.start :], number)
        self.accepted_round = change.round
        self.decided = max(self.decided, change.decided)

    def _put(self, start: int, entries: tuple[Entry, ...], number: int) -> None:
        del self.entries[start - self.base_index :]
        self.entries.extend(entries)
        self.last_index = self.base_index + len(self.entries)
        records = self._records
        while records and records[-1][0] >= start:
            records.pop()
        records.append((start, number))

    def _write_meta(self) -> None:
        self._disk.put_meta(_encode(_Meta(self.life, self.configuration, self.promise)))

    # ---- changes

    def promise_to(self, ballot: Ballot) -> None:
        """Accept nothing below `ballot` from now on."""
        self.promise = ballot
        self._write_meta()

    def accept(self, ballot: Ballot, start: int, entries: tuple[Entry, ...]) -> None:
        """Keep the log up to `start`, put `entries` behind it, all accepted in `ballot`."""
        self.accepted_round = ballot
        change = _Change(self.configuration, ballot, start, self.decided, entries)
        self._put(start, entries, self._disk.append(_encode(change)))

    def configure(self, configuration: int, members: tuple[int, ...], origin: int) -> None:
        """Begin a configuration with what is decided; nothing is promised or accepted in it."""
        record = _Configured(configuration, members, origin)
        self._disk.append(_encode(record))
        self._begin(record)

    def _begin(self, record: _Configured) -> None:
        if record.configuration > self.configuration:
            self.configuration, self.members = record.configuration, record.members
            self.origin = record.origin
            self.decided = max(self.decided, record.origin)  # or it would not have begun
            self.promise = self.accepted_round = ZERO

    # ---- snapshots

    def compact(self, index: int, state: bytes, *, everywhere: int, retain: int) -> None:
        """Write a snapshot of the decided prefix up to `index`, and trim the log.

        Gone is what every member has accepted, up to `everywhere`; of the rest of the prefix the
        last `retain` entries stay in any case, for those who lag a little.
        """
        self._write_snapshot(index, state)
        base = min(index, max(self.base_index, everywhere, index - retain))
        del self.entries[: base - self.base_index]
        self.base_index = base
        keep = 0
        while keep + 1 < len(self._records) and self._records[keep + 1][0] <= base:
            keep += 1
        del self._records[:keep]
        if self._records:
            self._disk.drop_prefix(self._records[0][1])

    def install(self, index: int, state: bytes) -> None:
        """Replace the log up to `index` by a snapshot of another node."""
        if index >= self.last_index:
            self.entries = []
        else:
            del self.entries[: index - self.base_index]
        self.base_index = index
        self.last_index = max(self.last_index, index)
        self.decided = max(self.decided, index)
        self._write_snapshot(index, state)

    def move(self, *, members: tuple[int, ...], configuration: int, origin: int) -> None:
        """Prepare to `install` a state of a later configuration, of which this node knows
        nothing yet."""
        self._begin(_Configured(configuration, members, origin))
        self.entries = []
        self.last_index = self.base_index

    def _write_snapshot(self, index: int, state: bytes) -> None:
        self.snapshot_index = index
        self.snapshot = state
        self._disk.put_snapshot(
            _encode(
                _Snapshot(
                    index,
                    self.configuration,
                    self.members,
                    self.origin,
                    self.accepted_round,
                    state,
                )
            )
        )

    # ---- looking

    @property
    def ends_with_stop_sign(self) -> bool:
        """Whether nothing may come behind the last entry in this configuration."""
        return (
            bool(self.entries)
            and self.entries[-1].session == STOP_SIGN
            and (self.last_index > self.origin)
        )

    def at(self, index: int) -> Entry:
        """The entry at `index`, which must be there."""
        return self.entries[index - self.base_index - 1]

    def slice(self, start: int, limit: int | None = None) -> tuple[Entry, ...]:
        """The entries behind the index `start`, at most `limit` of them."""
        offset = start - self.base_index
        assert offset >= 0, "these entries are compacted away"
        end: Any = None if limit is None else offset + limit
        return tuple(self.entries[offset:end])
