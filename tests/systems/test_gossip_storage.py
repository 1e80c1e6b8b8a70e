"""The storages keep their contract, and the kit finds those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

import pytest

from harness.simulation.disk import SimulatedDisk
from systems.crdt import Timestamp
from systems.gossip.journal import DiskStorage, Journal
from systems.gossip.keyspace import Key, Mark
from systems.gossip.storage import Document, MemoryStorage, Storage
from systems.gossip.storage_kit import check_storage


class Disks:
    """Makes storages on simulated disks, and reopens them after a crash of their nodes."""

    def __init__(self, compact_every: int, kind: type[DiskStorage] = DiskStorage) -> None:
        self.compact_every = compact_every
        self.kind = kind
        self.disk = SimulatedDisk(schedule_flush=lambda: None)

    def open(self) -> DiskStorage:
        journal = Journal(self.disk, self.disk.recover(), compact_every=self.compact_every)
        return self.kind(journal)

    def make(self) -> DiskStorage:
        self.disk = SimulatedDisk(schedule_flush=lambda: None)
        return self.open()

    def reopen(self, _: Storage) -> DiskStorage:
        self.disk.sync(None)
        self.disk.flushed()
        self.disk.crash("clean", Random(1))
        return self.open()


def test_the_storage_in_memory_keeps_the_contract() -> None:
    check_storage(MemoryStorage)


@pytest.mark.parametrize("compact_every", [1, 2, 5, 1000])
def test_the_storage_on_disk_keeps_it_too_however_often_it_compacts(compact_every: int) -> None:
    disks = Disks(compact_every)
    check_storage(disks.make, reopen=disks.reopen)


def test_what_was_not_synced_is_lost_and_the_rest_is_a_prefix() -> None:
    disks = Disks(1000)
    storage = disks.make()
    storage.put_many("ks", [Document("kept", Timestamp(1, 0, 1), 1)])
    storage = disks.reopen(storage)
    storage.put_many("ks", [Document("lost", Timestamp(2, 0, 1), 2)])
    disks.disk.crash("torn", Random(3))
    assert [document.key for document in disks.open().get_many("ks", ["kept", "lost"])] == ["kept"]


def test_sections_of_a_journal_do_not_mix_and_what_nobody_opens_stays() -> None:
    disk = SimulatedDisk(schedule_flush=lambda: None)
    journal = Journal(disk, disk.recover(), compact_every=3)
    journal.open("numbers", replay=lambda record: None, dump=lambda: [1, 2])
    journal.open("words", replay=lambda record: None, dump=lambda: ["one"])
    for record in (1, 2):
        journal.append("numbers", record)
    journal.append("words", "one")  # compacts

    def again(opened: Sequence[str]) -> dict[str, list[Any]]:
        disk.sync(None)
        disk.flushed()
        seen: dict[str, list[Any]] = {section: [] for section in opened}
        found = Journal(disk, disk.recover(), compact_every=1)
        for section in opened:
            found.open(section, replay=seen[section].append, dump=lambda s=section: list(seen[s]))
        found.append(opened[0], 3)  # compacts again
        return seen

    assert again(["numbers"]) == {"numbers": [1, 2]}
    assert again(["words", "numbers"]) == {"words": ["one"], "numbers": [1, 2]}


class Bad(MemoryStorage):
    """Known bad storages; each breaks one promise."""


class HidesOverwrites(Bad):
    def put_many(self, keyspace: str, documents: Sequence[Document]) -> None:
        fresh = [d for d in documents if self.timestamp(keyspace, d.key) is None]
        super().put_many(keyspace, fresh)


class ComparesTimestamps(Bad):
    def put_many(self, keyspace: str, documents: Sequence[Document]) -> None:
        for document in documents:
            held = self.timestamp(keyspace, document.key)
            if held is None or held < document.timestamp:
                super().put_many(keyspace, [document])


class MixesKeyspaces(Bad):
    def put_many(self, keyspace: str, documents: Sequence[Document]) -> None:
        super().put_many("one", documents)


class ShowsTombstones(Bad):
    def get_many(self, keyspace: str, keys: Iterable[Key]) -> list[Document]:
        rows = {
            key: (stamp, value) for key, (stamp, value, _) in self._held.get(keyspace, {}).items()
        }
        return [Document(key, *rows[key]) for key in keys if key in rows]


class BuriesOnlyTheLiving(Bad):
    def bury_many(self, keyspace: str, marks: Sequence[Mark]) -> None:
        known = [mark for mark in marks if self.timestamp(keyspace, mark[0]) is not None]
        super().bury_many(keyspace, known)


class NeverRevives(Bad):
    def put_many(self, keyspace: str, documents: Sequence[Document]) -> None:
        dead = {key for key, _, live in self.metadata(keyspace) if not live}
        super().put_many(keyspace, [d for d in documents if d.key not in dead])


class ForgetsOnlyTombstones(Bad):
    def forget_many(self, keyspace: str, keys: Sequence[Key]) -> None:
        dead = {key for key, _, live in self.metadata(keyspace) if not live}
        super().forget_many(keyspace, [key for key in keys if key in dead])


class AnswersInItsOwnOrder(Bad):
    def get_many(self, keyspace: str, keys: Iterable[Key]) -> list[Document]:
        return sorted(super().get_many(keyspace, keys), key=lambda document: repr(document.key))


class ForgetsKeyspaces(Bad):
    def keyspaces(self) -> list[str]:
        return [keyspace for keyspace in super().keyspaces() if self.metadata(keyspace)]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (HidesOverwrites, "overwrite one key and add another"),
        (ComparesTimestamps, "put a document with an older timestamp"),
        (MixesKeyspaces, "put the same key into another keyspace"),
        (ShowsTombstones, "bury a document and an unknown key"),
        (BuriesOnlyTheLiving, "bury a document and an unknown key"),
        (NeverRevives, "put documents where tombstones were"),
        (ForgetsOnlyTombstones, "forget a document"),
        (AnswersInItsOwnOrder, "put many values of all kinds"),
        (ForgetsKeyspaces, "forget all that a keyspace holds"),
    ],
)
def test_the_kit_finds_bad_storages(bad: Callable[[], Storage], complaint: str) -> None:
    with pytest.raises(AssertionError, match=f'after "{complaint}'):
        check_storage(bad)


class ForgetsToJournalGraves(DiskStorage):
    def bury_many(self, keyspace: str, marks: Sequence[Mark]) -> None:
        MemoryStorage.bury_many(self, keyspace, marks)


class DumpsNoGraves(DiskStorage):
    def _dump(self) -> Iterable[Any]:
        return (record for record in super()._dump() if record[0] == "put")


@pytest.mark.parametrize("kind", [ForgetsToJournalGraves, DumpsNoGraves])
def test_the_kit_finds_what_only_a_restart_shows(kind: type[DiskStorage]) -> None:
    disks = Disks(1, kind)
    with pytest.raises(AssertionError, match="then reopen"):
        check_storage(disks.make, reopen=disks.reopen)
