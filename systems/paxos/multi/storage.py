"""What a Multi-Paxos node must not forget: its promise, and what it has accepted in every slot.

    metadata cell   the promise
    log records     one per acceptance: ballot, the slot before the first, entries
    snapshot cell   the state machine at a slot; all slots up to there were chosen

A value that is known to be chosen is kept as if accepted in the ballot CHOSEN, which is higher
than all others: whoever hears of it in phase 1 must propose it, and that is right.

>>> from harness.simulation.disk import SimulatedDisk
>>> log = SlotLog(SimulatedDisk(schedule_flush=lambda: None))
>>> one, two = Entry(7, 1, None), Entry(7, 2, None)
>>> log.accept(Ballot(1, 0, 1), 0, (one,)); log.accept(Ballot(1, 0, 1), 2, (two,))
>>> log.last_index, log.ballot_at(2) == ZERO, log.at(3) == two
(3, True, True)
"""

from __future__ import annotations

import msgspec

from harness.node import Disk, Recovered
from systems.paxos.ballots import ZERO, Ballot
from systems.paxos.messages import Entry
from systems.paxos.multi.messages import Accepted

CHOSEN = Ballot(1 << 62, 0, 0)


class _Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    ballot: Ballot
    start: int
    chosen: int
    entries: tuple[Entry, ...]


class _Snapshot(msgspec.Struct, frozen=True, gc=False, array_like=True):
    index: int
    state: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_meta = msgspec.msgpack.Decoder(Ballot).decode
_decode_record = msgspec.msgpack.Decoder(_Record).decode
_decode_snapshot = msgspec.msgpack.Decoder(_Snapshot).decode


class SlotLog:
    """Slots are numbered from 1; those up to `base_index` are gone, `snapshot` stands for them.

    All slots up to `chosen` are chosen, and here; it is written along with acceptances only. A
    slot that nothing was accepted in has the ballot ZERO, and None for an entry.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.promise = ZERO
        self.base_index = 0
        self.entries: list[Entry | None] = []
        self.last_index = 0
        self.chosen = 0
        self.snapshot_index = 0
        self.snapshot = b""
        self._ballots: list[Ballot] = []
        self._records: list[tuple[int, int]] = []  # (its last slot, its number)

    def recover(self, recovered: Recovered) -> bool:
        """Take over what an earlier life has left; whether it had promised anything."""
        if recovered.snapshot is not None:
            snapshot = _decode_snapshot(recovered.snapshot)
            self.snapshot_index, self.snapshot = snapshot.index, snapshot.state
            self.base_index = self.last_index = self.chosen = snapshot.index
        for number, encoded in enumerate(recovered.records, recovered.first_record):
            record = _decode_record(encoded)
            self._put(record.ballot, record.start, record.entries)
            self._records.append((record.start + len(record.entries), number))
            self.chosen = max(self.chosen, record.chosen)
        self.chosen = min(self.chosen, self.last_index)
        if recovered.meta is not None:
            self.promise = _decode_meta(recovered.meta)
        return recovered.meta is not None

    def promise_to(self, ballot: Ballot) -> None:
        """Accept nothing below `ballot` from now on."""
        self.promise = ballot
        self._disk.put_meta(_encode(ballot))

    def accept(self, ballot: Ballot, start: int, entries: tuple[Entry, ...]) -> None:
        """Accept `entries` for the slots behind `start`; what is compacted away stays so."""
        self._put(ballot, start, entries)
        number = self._disk.append(_encode(_Record(ballot, start, self.chosen, entries)))
        self._records.append((start + len(entries), number))

    def _put(self, ballot: Ballot, start: int, entries: tuple[Entry, ...]) -> None:
        for slot, entry in enumerate(entries, start + 1):
            if slot <= self.base_index:
                continue
            while self.last_index < slot:
                self.entries.append(None)
                self._ballots.append(ZERO)
                self.last_index += 1
            place = slot - self.base_index - 1
            # a leader that was overtaken may still propose where the chosen value was learned
            if ballot >= self._ballots[place]:
                self.entries[place] = entry
                self._ballots[place] = ballot

    # ---- snapshots

    def compact(self, index: int, state: bytes, *, retain: int) -> None:
        """Write a snapshot of the chosen slots up to `index`; `retain` of them stay in the log."""
        self._write_snapshot(index, state)
        self._drop(max(self.base_index, index - retain))

    def install(self, index: int, state: bytes) -> None:
        """Replace the slots up to `index` by a snapshot of another node."""
        self._write_snapshot(index, state)
        self._drop(index)
        self.chosen = max(self.chosen, index)

    def _write_snapshot(self, index: int, state: bytes) -> None:
        self.snapshot_index, self.snapshot = index, state
        self._disk.put_snapshot(_encode(_Snapshot(index, state)))

    def _drop(self, base: int) -> None:
        del self.entries[: base - self.base_index]
        del self._ballots[: base - self.base_index]
        self.base_index = base
        self.last_index = max(base, self.last_index)
        keep = 0
        while keep < len(self._records) - 1 and self._records[keep][0] <= base:
            keep += 1
        if keep:
            del self._records[:keep]
            self._disk.drop_prefix(self._records[0][1])

    # ---- looking

    def at(self, index: int) -> Entry | None:
        """What was accepted in a slot that is not compacted away; None for nothing."""
        return self.entries[index - self.base_index - 1]

    def ballot_at(self, index: int) -> Ballot:
        """The ballot in which that was accepted; ZERO beyond the log, CHOSEN before it."""
        if index > self.last_index:
            return ZERO
        return self._ballots[index - self.base_index - 1] if index > self.base_index else CHOSEN

    def accepted_above(self, index: int) -> tuple[Accepted, ...]:
        """All that was accepted behind `index`, as far as the log still has it."""
        return tuple(
            Accepted(slot, ballot, entry)
            for slot, (ballot, entry) in enumerate(
                zip(self._ballots, self.entries, strict=True), self.base_index + 1
            )
            if slot > index and entry is not None
        )

    def chosen_behind(self, start: int, limit: int) -> tuple[Entry, ...]:
        """At most `limit` chosen entries behind `start`, which the log must still have."""
        last = min(self.chosen, start + limit)
        entries = self.entries[start - self.base_index : max(0, last - self.base_index)]
        return tuple(entry for entry in entries if entry is not None)
