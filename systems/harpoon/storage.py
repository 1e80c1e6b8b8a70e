"""What a Harpoon node keeps: term and vote, the log, a snapshot in place of the log's beginning.

    disk   meta cell       (term, voted for)
           log records     one entry each; record r holds the entry at index r + shift
           snapshot cell   (index, term, shift, state); records before it are dropped

Everything is visible at once and durable after a flush. There is one flush at a time; what comes
meanwhile joins the next one. A crash keeps a prefix of what was done, so that a snapshot is there
whenever records before it are gone, and a record whose index it covers is ignored.

In memory some entries before the snapshot stay, so that a peer that lags a little needs no
snapshot. A snapshot that comes from a peer and lies ahead of the own log replaces it: record
numbers cannot jump, hence the shift.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from harness.node import Disk, Recovered
from systems.harpoon.messages import Snapshot
from systems.raft.log import Log
from systems.raft.messages import Entry

_encode = msgspec.msgpack.Encoder().encode
_decode_entry = msgspec.msgpack.Decoder(Entry).decode
_decode_meta = msgspec.msgpack.Decoder(tuple[int, int]).decode
_decode_snapshot = msgspec.msgpack.Decoder(tuple[int, int, int, bytes]).decode


class Storage:
    """The disk of a `HarpoonNode`, with the log.

    When a flush has ended, `flushed` is called with the term in which it began.
    """

    def __init__(self, disk: Disk, flushed: Callable[[int], None]) -> None:
        self.disk = disk
        self.log = Log()
        self.snapshot: Snapshot | None = None
        #: The log is durable up to here.
        self.durable = 0
        self._flushed = flushed
        self._flushing_up_to = -1
        self._unsynced = False
        self._term = 0
        self._shift = 1

    def recover(self, recovered: Recovered) -> tuple[int, int] | None:
        """Take over what an earlier life left; its term and vote, None if it made no promise."""
        first = recovered.first_record
        if recovered.snapshot is not None:
            index, term, self._shift, state = _decode_snapshot(recovered.snapshot)
            self.snapshot = Snapshot(index, term, state)
            self.log.reset(index, term)
        for record, content in enumerate(recovered.records, first):
            if record + self._shift > self.log.base_index:
                self.log.append(_decode_entry(content))
        self.durable = self.log.last_index
        if recovered.meta is None:
            return None
        meta = _decode_meta(recovered.meta)
        self._term = meta[0]
        return meta

    # ---- changes, durable after the next flush

    def put_meta(self, term: int, voted_for: int) -> None:
        """Note term and vote; 0 is nobody."""
        self._term = term
        self.disk.put_meta(_encode((term, voted_for)))
        self._unsynced = True

    def append(self, entry: Entry) -> None:
        """Add an entry at the end of the log."""
        self.log.append(entry)
        self.disk.append(_encode(entry))
        self._unsynced = True

    def truncate(self, last_index: int) -> None:
        """Drop the entries after `last_index`."""
        self.log.truncate(last_index)
        self.disk.truncate(last_index + 1 - self._shift)
        self._not_beyond(last_index)

    def compact(self, snapshot: Snapshot, keep: int) -> None:
        """The snapshot stands for the log up to its index; in memory `keep` more entries stay."""
        self._put_snapshot(snapshot)
        self.log.compact(max(self.log.base_index, snapshot.index - keep))

    def install(self, snapshot: Snapshot, agreed: int) -> None:
        """Take a peer's snapshot, which is ahead of all that is known to be committed here.

        What follows it in the log stays if the log contains the snapshot's last entry. Up to
        `agreed` the log says the same as the snapshot: what is durable of that stays so.
        """
        log = self.log
        if log.term_at(snapshot.index) == snapshot.term:
            self._put_snapshot(snapshot)
            log.compact(snapshot.index)
            return
        next_record = log.last_index + 1 - self._shift
        self._shift = snapshot.index + 1 - next_record
        self._put_snapshot(snapshot)
        log.reset(snapshot.index, snapshot.term)
        self._not_beyond(agreed)

    def _put_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        content = (snapshot.index, snapshot.term, self._shift, snapshot.state)
        self.disk.put_snapshot(_encode(content))
        self.disk.drop_prefix(snapshot.index + 1 - self._shift)
        self._unsynced = True

    def _not_beyond(self, index: int) -> None:
        """Entries after `index` were replaced: those that are durable are not the present ones."""
        self.durable = min(self.durable, index)
        self._flushing_up_to = min(self._flushing_up_to, index)

    # ---- flushes

    @property
    def is_durable(self) -> bool:
        """Whether nothing is left to flush."""
        return not self._unsynced and self._flushing_up_to < 0

    def flush(self) -> None:
        """Make everything durable; `flushed` is told when that is done."""
        if self._flushing_up_to < 0:
            self._unsynced = False
            self._flushing_up_to = self.log.last_index
            term = self._term
            self.disk.sync(lambda: self._on_flushed(term))

    def then(self, action: Callable[[], None]) -> None:
        """Call `action` when everything up to here is durable."""
        self.disk.sync(action)

    def _on_flushed(self, term: int) -> None:
        self.durable = max(self.durable, self._flushing_up_to)
        self._flushing_up_to = -1
        if self._unsynced:
            self.flush()
        self._flushed(term)
