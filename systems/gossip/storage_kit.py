"""The contract of every storage, as a test that can be run on any of them.

    def test_my_storage_keeps_the_contract():
        check_storage(MyStorage)
        check_storage(make_on_disk, reopen=close_and_open_again)

What it goes through:

    keyspaces    an unknown one is empty; the first write creates it; others stay as they are
    documents    missing, written, overwritten, many at once, in the order asked; plain data
    tombstones   hide documents, may be left for unknown keys, and give way to a new document
    forgetting   takes documents and tombstones away; unknown keys do no harm
    metadata     exactly what is held, with timestamps and what is a tombstone
    reopening    (with `reopen`) all of that is there again, and can be written to

After each step the storage must hold exactly what a dictionary beside it holds.

>>> from systems.gossip.storage import MemoryStorage
>>> check_storage(MemoryStorage)
>>> class Forgetful(MemoryStorage):
...     def bury_many(self, keyspace, marks): self.forget_many(keyspace, [key for key, _ in marks])
>>> check_storage(Forgetful)
Traceback (most recent call last):
    ...
AssertionError: Forgetful, after "bury a document and an unknown key": the metadata of 'one' is...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from systems.crdt.base import Timestamp
from systems.gossip.keyspace import Key
from systems.gossip.storage import Document, Storage

MakeStorage = Callable[[], Storage]
#: Gives back what a restart finds of a storage whose changes are durable.
Reopen = Callable[[Storage], Storage]

_VALUES: Sequence[Any] = (0, "", None, "text", 1.5, True, [1, [2]], {"a": {"b": 3}}, "é")


def _at(wall_ms: int) -> Timestamp:
    return Timestamp(wall_ms, wall_ms % 3, wall_ms % 5)


class _Checked:
    """A storage and the dictionary that it must agree with."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.model: dict[str, dict[Key, tuple[Timestamp, Any, bool]]] = {}
        self.step = "it was made"

    def demand(self, kept: bool, complaint: str) -> None:
        if not kept:
            raise AssertionError(f'{type(self.storage).__name__}, after "{self.step}": {complaint}')

    def put(self, keyspace: str, *documents: Document) -> None:
        self.storage.put_many(keyspace, documents)
        for document in documents:
            held = (document.timestamp, document.value, True)
            self.model.setdefault(keyspace, {})[document.key] = held

    def bury(self, keyspace: str, *marks: tuple[Key, Timestamp]) -> None:
        self.storage.bury_many(keyspace, marks)
        for key, timestamp in marks:
            self.model.setdefault(keyspace, {})[key] = (timestamp, None, False)

    def forget(self, keyspace: str, *keys: Key) -> None:
        self.storage.forget_many(keyspace, keys)
        for key in keys:
            self.model.get(keyspace, {}).pop(key, None)

    def compare(self, step: str) -> None:
        """Demand that the storage holds what the model holds, and nothing else."""
        self.step = step
        keyspaces = self.storage.keyspaces()
        self.demand(
            sorted(keyspaces) == sorted(self.model),
            f"its keyspaces are {sorted(keyspaces)}, and should be {sorted(self.model)}",
        )
        for keyspace in ("one", "two", "never written"):
            held = self.model.get(keyspace, {})
            found = {(key, stamp, live) for key, stamp, live in self.storage.metadata(keyspace)}
            wanted = {(key, stamp, live) for key, (stamp, _, live) in held.items()}
            self.demand(
                found == wanted,
                f"the metadata of {keyspace!r} is {sorted(found, key=repr)}, and should be "
                f"{sorted(wanted, key=repr)}",
            )
            keys: list[Key] = ["missing", *reversed(held), "missing too"]
            documents = self.storage.get_many(keyspace, keys)
            expected = [
                Document(key, held[key][0], held[key][1])
                for key in keys
                if key in held and held[key][2]
            ]
            self.demand(
                repr(documents) == repr(expected),
                f"get_many({keyspace!r}, {keys}) is {documents}, and should be {expected}",
            )


def check_storage(make: MakeStorage, *, reopen: Reopen | None = None) -> None:
    """Raises AssertionError if the storages that `make` makes break the contract of `Storage`."""
    _check_steps(make, None)
    if reopen is not None:
        _check_steps(make, reopen)


def _check_steps(make: MakeStorage, reopen: Reopen | None) -> None:
    checked = _Checked(make())

    def after(step: str) -> None:
        checked.compare(step)
        if reopen is not None:
            checked.storage = reopen(checked.storage)
            checked.compare(f"{step}, then reopen")

    after("it was made")
    checked.put("one", Document("a", _at(1), "first"))
    after("put into a new keyspace")
    checked.put("two", Document("a", _at(2), "other"))
    after("put the same key into another keyspace")
    checked.put("one", *(Document(number, _at(3), v) for number, v in enumerate(_VALUES)))
    after("put many values of all kinds")
    checked.put("one", Document("a", _at(4), "second"), Document("b", _at(4), "new"))
    after("overwrite one key and add another")
    checked.put("one", Document("a", _at(1), "older"))
    after("put a document with an older timestamp, which is for others to refuse")
    checked.bury("one", ("a", _at(5)), ("unknown", _at(6)))
    after("bury a document and an unknown key")
    checked.bury("one", *((number, _at(7)) for number in range(4)))
    after("bury many documents")
    checked.put("one", Document("a", _at(8), "revived"), Document("unknown", _at(8), 1))
    after("put documents where tombstones were")
    checked.forget("one", 0, 1, "never there")
    after("forget tombstones and an unknown key")
    checked.forget("one", "b")
    after("forget a document")
    checked.forget("two", "a")
    after("forget all that a keyspace holds")
    checked.put("two", Document("a", _at(9), "again"))
    after("put into a keyspace that was emptied")
