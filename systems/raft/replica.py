"""The ground that a Raft node stands on: log, disk, state machine, snapshots, configurations.

    append ─▶ log + disk record ─▶ flush ─▶ durable        commit ─▶ apply ─▶ compact
                                                                        (now and then)
    metadata cell   (term, vote)
    log records     (index, entry), those after the compacted prefix
    snapshot cell   (index, term, configuration, state): the state machine at an index

A snapshot is put before the log is cut, and the disk keeps a prefix of what is done: so after a
crash the snapshot is there whenever records are missing. It may also be there with records that an
interrupted installation was about to drop; their indices and terms give them away.

What is appended counts as durable only after a flush; there is one at a time, and what comes
meanwhile joins the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.node import Context, Recovered, StateMachine
from systems.consensus import ConsensusNode
from systems.raft.configuration import Configuration, of_command
from systems.raft.log import Log
from systems.raft.messages import Entry
from systems.raft.options import RaftOptions

if TYPE_CHECKING:
    from systems.raft.leadership import Leadership


class Snapshot(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The state after the entry at `index`, and the configuration there."""

    index: int
    term: int
    configuration: Configuration
    state: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(tuple[int, Entry]).decode
_decode_snapshot = msgspec.msgpack.Decoder(Snapshot).decode


class Replica(ConsensusNode):
    """A log on a disk, and a state machine that follows it."""

    #: Flawed variants put another class here.
    log_class: type[Log] = Log

    def __init__(
        self, context: Context, machine: StateMachine, options: RaftOptions | None = None
    ) -> None:
        super().__init__(context, machine)
        self.options = options or RaftOptions()
        self.term = 0
        self.log = self.log_class()
        self.committed = 0
        self.leadership: Leadership | None = None
        # the latest snapshot as it lies on the disk, and where it ends
        self.snapshot = b""
        self.snapshot_index = 0
        self._compact_at = self._next_compaction()
        # by index where they began; the last one counts, even before it is committed
        first = sorted((context.id, *context.peers))[: self.options.voters or None]
        self._configurations = [(0, Configuration(tuple(first)))]
        self.configuration = self._configurations[0][1]
        # of the present term's leader: agreed with it up to here; on the own disk up to here
        self.agreed = 0
        self.durable = 0
        self._flushing = False
        self._unsynced = False
        self._truncations = 0
        # the number of an entry's record is its index plus this; the first one on the disk
        self._shift = -1
        self._first_record = 0

    # ---- a new life

    def recover(self, recovered: Recovered) -> None:
        """Take over what the disk kept of an earlier life."""
        if recovered.snapshot is not None:
            self._load(recovered.snapshot)
        records = [_decode_record(record) for record in recovered.records]
        if records and self._are_stale(records):
            self.context.disk.truncate(recovered.first_record)
            records = []
        log = self.log
        self._first_record = recovered.first_record
        self._shift = recovered.first_record - (records[0][0] if records else log.last_index + 1)
        if records and records[0][0] <= log.base_index:
            # trailing entries: the first of them stands for what lies before
            index, entry = records.pop(0)
            log.reset(index, entry.term)
        for index, entry in records:
            log.append(entry)
            if index > self.snapshot_index:
                self._configure(index, entry)
        self.durable = log.last_index

    def _load(self, blob: bytes) -> Snapshot:
        """Become what a snapshot says."""
        snapshot = _decode_snapshot(blob)
        self.snapshot, self.snapshot_index = blob, snapshot.index
        self.log.reset(snapshot.index, snapshot.term)
        self.load_state(snapshot)
        self.committed = self.applied = snapshot.index
        self._compact_at = self._next_compaction()
        self._configurations = [(snapshot.index, snapshot.configuration)]
        self.configuration = snapshot.configuration
        return snapshot

    def load_state(self, snapshot: Snapshot) -> None:
        """Let the state machine, and the sessions with it, become what a snapshot says."""
        self.sessions.restore(snapshot.state)

    def _are_stale(self, records: list[tuple[int, Entry]]) -> bool:
        """Whether a snapshot was installed over these, and a crash came before they were gone."""
        index, first = self.snapshot_index, records[0][0]
        if first > index:
            return False
        last = records[-1][0]
        return last < index or records[index - first][1].term != self.log.base_term

    # ---- log

    def append(self, entry: Entry) -> None:
        """Add an entry to log and disk; it is durable after the next flush."""
        log = self.log
        log.append(entry)
        index = log.last_index
        self.context.disk.append(_encode((index, entry)))
        self._unsynced = True
        if entry.session < 0:
            self._configure(index, entry)
            self.configured()

    def truncate(self, last_index: int) -> None:
        """Entries that were never committed give way to the leader's."""
        assert last_index >= self.committed, "a committed entry would be lost"
        self.context.probe("log-truncated", index=last_index)
        self.log.truncate(last_index)
        self.context.disk.truncate(self._shift + last_index + 1)
        self._truncations += 1
        self.durable = min(self.durable, last_index)
        if self._configurations[-1][0] > last_index:
            while self._configurations[-1][0] > last_index:
                self._configurations.pop()
            self.configuration = self._configurations[-1][1]
            self.configured()

    def _configure(self, index: int, entry: Entry) -> None:
        if entry.session < 0:
            self.configuration = of_command(entry.command)
            self._configurations.append((index, self.configuration))

    @property
    def configuration_index(self) -> int:
        """Where the present configuration began; it is decided once this is committed."""
        return self._configurations[-1][0]

    def configured(self) -> None:
        """The configuration has just changed, by an entry or by its loss."""

    # ---- disk

    def flush(self) -> None:
        """Make everything durable; `flushed` is called when that is done."""
        if self._flushing:
            return
        self._flushing = True
        self._unsynced = False
        term, last_index, truncations = self.term, self.log.last_index, self._truncations
        self.context.disk.sync(lambda: self._flushed(term, last_index, truncations))

    def _flushed(self, term: int, last_index: int, truncations: int) -> None:
        self._flushing = False
        if truncations == self._truncations:
            self.durable = last_index
        if self._unsynced:
            self.flush()
        if term == self.term:  # a promise of an earlier term is worth nothing now
            self.flushed()

    def flushed(self) -> None:
        """A flush has ended that began in the present term."""

    # ---- state machine

    def commit(self, index: int) -> None:
        """Everything up to `index` is decided: apply it, and answer the clients that wait."""
        if index > self.committed:
            self.committed = index
        log, leadership = self.log, self.leadership
        while self.applied < self.committed:
            self.applied += 1
            entry = log.at(self.applied)
            if entry.session <= 0:
                continue
            result = self.sessions.apply(entry.session, entry.serial, entry.command)
            if leadership is not None:
                leadership.applied(self.applied, result)
        if self.applied >= self._compact_at:
            self.compact()

    # ---- snapshots

    def compact(self) -> None:
        """Write a snapshot of what is applied; drop all but the trailing entries before it."""
        index, log = self.applied, self.log
        configuration = next(c for i, c in reversed(self._configurations) if i <= index)
        made = Snapshot(index, log.term_at(index), configuration, self.sessions.snapshot())
        self.snapshot, self.snapshot_index = _encode(made), index
        self.context.disk.put_snapshot(self.snapshot)
        self._compact_at = self._next_compaction()
        base = index - self.options.trailing
        if base > log.base_index:
            log.compact(base)
            self._first_record = self._shift + base + 1
            self.context.disk.drop_prefix(self._first_record)
        self.context.probe("compacted", index=index)

    def _next_compaction(self) -> int:
        threshold = self.options.snapshot_threshold
        if self.context.buggify("early-snapshot"):
            threshold = threshold // 50 + 1
        return self.snapshot_index + threshold

    def install(self, blob: bytes) -> None:
        """Replace log and state by a snapshot of the leader's, unless the log has all of it."""
        snapshot = _decode_snapshot(blob)
        if self.log.term_at(snapshot.index) == snapshot.term:
            self.commit(snapshot.index)
            return
        disk = self.context.disk
        self._load(blob)
        disk.put_snapshot(blob)
        disk.truncate(self._first_record)
        self._shift = self._first_record - (snapshot.index + 1)
        self._truncations += 1
        self.durable = min(self.durable, self.agreed)
        self._unsynced = True
        self.context.probe("snapshot-installed", index=snapshot.index)
        self.configured()


def encoded(value: Any) -> bytes:
    """As the disk keeps it."""
    return _encode(value)
