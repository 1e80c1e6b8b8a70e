"""What a node must not forget, on its disk: a log of records in sections, and snapshots of it.

    section "documents"  DiskStorage   put, bury, forget
    section "objects"    CRDTs         deltas
    section "seen"       Seen          vectors

Each section knows how to replay a record and how to write all of itself down anew. After
`compact_every` records the journal does that: it puts a snapshot and drops the log before it.

>>> from harness.simulation.disk import SimulatedDisk
>>> from systems.crdt import Timestamp as T
>>> disk = SimulatedDisk(schedule_flush=lambda: None)
>>> storage = DiskStorage(Journal(disk, disk.recover()))
>>> storage.put_many("users", [Document("ann", T(1, 0, 1), 7)])
>>> disk.sync(None); _ = disk.flushed()
>>> DiskStorage(Journal(disk, disk.recover())).get_many("users", ["ann"])
[Document(key='ann', timestamp=Timestamp(wall_ms=1, counter=0, node=1), value=7)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from harness.node import Disk, Recovered
from systems.crdt.base import Timestamp, pack, unpack
from systems.gossip.keyspace import Key, Mark
from systems.gossip.storage import Document, MemoryStorage

#: One change, as plain data.
Record = Any


class Journal:
    """The log of one node, with its sections."""

    def __init__(self, disk: Disk, recovered: Recovered, *, compact_every: int = 2000) -> None:
        self._disk = disk
        self._compact_every = compact_every
        self._dumps: dict[str, Callable[[], Iterable[Record]]] = {}
        self._recovered: dict[str, list[Record]] = {}
        if recovered.snapshot is not None:
            self._recovered = unpack(recovered.snapshot)
        for packed in recovered.records:
            section, record = unpack(packed)
            self._recovered.setdefault(section, []).append(record)
        self._first = recovered.first_record
        self._next = recovered.first_record + len(recovered.records)
        #: How many changes this life has made; who wants them durable asks the disk to sync.
        self.written = 0

    def open(
        self,
        section: str,
        *,
        replay: Callable[[Record], None],
        dump: Callable[[], Iterable[Record]],
    ) -> None:
        """Begin to use a section: `replay` gets every record that the disk kept, in order.

        `dump` gives records that make all of the section anew.
        """
        for record in self._recovered.pop(section, []):
            replay(record)
        self._dumps[section] = dump

    def append(self, section: str, record: Record) -> None:
        """Add a record; it is durable after the next sync of the disk."""
        self.written += 1
        self._next = self._disk.append(pack([section, record])) + 1
        if self._next - self._first >= self._compact_every:
            self._compact()

    def _compact(self) -> None:
        content = {section: list(dump()) for section, dump in self._dumps.items()}
        # what nobody has opened in this life is kept as it was
        self._disk.put_snapshot(pack({**self._recovered, **content}))
        self._disk.drop_prefix(self._next)
        self._first = self._next


class NoJournal(Journal):
    """Keeps nothing: for nodes that hold everything in memory."""

    def append(self, section: str, record: Record) -> None:
        pass


class DiskStorage(MemoryStorage):
    """Implements `Storage`; what it holds is in the section "documents" of a journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self._replaying = True
        journal.open("documents", replay=self._replay, dump=self._dump)
        self._replaying = False
        # what was there at the start is no change of this life
        self.trail = type(self.trail)()

    def put_many(self, keyspace: str, documents: Sequence[Document]) -> None:
        super().put_many(keyspace, documents)
        rows = [[document.key, document.timestamp, document.value] for document in documents]
        self._write(["put", keyspace, rows])

    def bury_many(self, keyspace: str, marks: Sequence[Mark]) -> None:
        super().bury_many(keyspace, marks)
        self._write(["bury", keyspace, [list(mark) for mark in marks]])

    def forget_many(self, keyspace: str, keys: Sequence[Key]) -> None:
        super().forget_many(keyspace, keys)
        self._write(["forget", keyspace, list(keys)])

    def _write(self, record: Record) -> None:
        if record[2] and not self._replaying:
            self._journal.append("documents", record)

    def _replay(self, record: Record) -> None:
        kind, keyspace, rows = record
        match kind:
            case "put":
                documents = [Document(key, Timestamp(*stamp), value) for key, stamp, value in rows]
                self.put_many(keyspace, documents)
            case "bury":
                self.bury_many(keyspace, [(key, Timestamp(*stamp)) for key, stamp in rows])
            case _:
                self.forget_many(keyspace, rows)

    def _dump(self) -> Iterable[Record]:
        for keyspace, held in self._held.items():
            live = [[key, stamp, value] for key, (stamp, value, there) in held.items() if there]
            dead = [[key, stamp] for key, (stamp, _, there) in held.items() if not there]
            yield ["put", keyspace, live]
            yield ["bury", keyspace, dead]
