"""Where documents are kept: a small interface, and its implementation in memory.

| method                       | meaning                                                        |
|------------------------------|----------------------------------------------------------------|
| `keyspaces()`                | all keyspaces that were ever written to, in the order of that  |
| `metadata(keyspace)`         | (key, timestamp, live) of every document and every tombstone   |
| `put_many(keyspace, docs)`   | store documents, in place of what their keys held              |
| `bury_many(keyspace, marks)` | leave tombstones, in place of what their keys held             |
| `forget_many(keyspace, keys)`| remove whatever the keys hold, without a trace                 |
| `get_many(keyspace, keys)`   | the documents of those keys that hold one, in the order asked  |

An unknown keyspace is empty and is created by the first write; no key need exist to be buried or
forgotten. What was written can be read at once. When it is durable, whoever owns the disk knows:
a storage does not wait. A storage compares no timestamps: what may replace what is decided above
it (`store.py`). `storage_kit.check_storage` runs this contract against any implementation.

>>> from systems.crdt import Timestamp as T
>>> storage = MemoryStorage()
>>> ann, bob = Document("ann", T(1, 0, 1), {"age": 7}), Document("bob", T(1, 0, 1), 0)
>>> storage.put_many("users", [ann, bob])
>>> storage.bury_many("users", [("bob", T(2, 0, 1))])
>>> [document.value for document in storage.get_many("users", ["bob", "ann"])]
[{'age': 7}]
>>> [(key, live) for key, _, live in storage.metadata("users")]
[('ann', True), ('bob', False)]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from systems.crdt.base import Timestamp
from systems.gossip.keyspace import Key, Mark, fingerprint


class Document(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A value with the time at which it was written."""

    key: Key
    timestamp: Timestamp
    value: Any


class Storage(Protocol):
    """What a node needs of a storage; see the head of this module."""

    def keyspaces(self) -> list[str]:
        """All keyspaces that were ever written to."""

    def metadata(self, keyspace: str) -> list[tuple[Key, Timestamp, bool]]:
        """(key, timestamp, whether it is a document) of all that is held."""

    def put_many(self, keyspace: str, documents: Sequence[Document]) -> None:
        """Store documents."""

    def bury_many(self, keyspace: str, marks: Sequence[Mark]) -> None:
        """Leave tombstones."""

    def forget_many(self, keyspace: str, keys: Sequence[Key]) -> None:
        """Remove whatever the keys hold."""

    def get_many(self, keyspace: str, keys: Iterable[Key]) -> list[Document]:
        """The documents that are there."""


class Step(NamedTuple):
    """A key's timestamp before and after a change; None stands for nothing held."""

    keyspace: str
    key: Key
    before: Timestamp | None
    after: Timestamp | None
    live: bool

    def __str__(self) -> str:
        """Such as: a deletion of 'k4' in registers, timestamp 3658.0 n1 (before: 3721.0 n1)."""
        what = "" if self.live else "a deletion of "
        stamp = "nothing" if self.after is None else f"timestamp {self.after}"
        before = "" if self.before is None else f" (before: {self.before})"
        return f"{what}{self.key!r} in {self.keyspace}, {stamp}{before}"


class Trail:
    """The latest changes of a storage, for invariants: `count` of them so far, `durable` synced."""

    def __init__(self, capacity: int = 4096) -> None:
        self.steps: deque[Step] = deque(maxlen=capacity)
        self.count = 0
        self.durable = 0

    def add(self, step: Step) -> None:
        self.steps.append(step)
        self.count += 1

    def since(self, count: int) -> list[Step]:
        """The steps numbered `count` and up, as far as they are remembered."""
        fresh = min(self.count - count, len(self.steps))
        return list(self.steps)[len(self.steps) - fresh :] if fresh else []


class MemoryStorage:
    """Implements `Storage`; what it holds is gone with the object."""

    def __init__(self) -> None:
        self._held: dict[str, dict[Key, tuple[Timestamp, Any, bool]]] = {}
        self._checksums: dict[str, int] = {}
        self.trail = Trail()

    def keyspaces(self) -> list[str]:
        return list(self._held)

    def metadata(self, keyspace: str) -> list[tuple[Key, Timestamp, bool]]:
        held = self._held.get(keyspace, {})
        return [(key, timestamp, live) for key, (timestamp, _, live) in held.items()]

    def put_many(self, keyspace: str, documents: Sequence[Document]) -> None:
        self._held.setdefault(keyspace, {})
        for document in documents:
            self._set(keyspace, document.key, document.timestamp, document.value, live=True)

    def bury_many(self, keyspace: str, marks: Sequence[Mark]) -> None:
        for key, timestamp in marks:
            self._set(keyspace, key, timestamp, None, live=False)

    def forget_many(self, keyspace: str, keys: Sequence[Key]) -> None:
        for key in keys:
            before = self._take(keyspace, key)
            self.trail.add(Step(keyspace, key, before, None, False))

    def get_many(self, keyspace: str, keys: Iterable[Key]) -> list[Document]:
        held = self._held.get(keyspace, {})
        found = ((key, held[key]) for key in keys if key in held)
        return [Document(key, timestamp, value) for key, (timestamp, value, live) in found if live]

    # ---- for invariants

    def checksum(self, keyspace: str) -> int:
        """The XOR of the fingerprints of all that the keyspace holds."""
        return self._checksums.get(keyspace, 0)

    def timestamp(self, keyspace: str, key: Key) -> Timestamp | None:
        """When what `key` holds was written or deleted."""
        held = self._held.get(keyspace, {}).get(key)
        return held[0] if held else None

    def _set(self, keyspace: str, key: Key, timestamp: Timestamp, value: Any, live: bool) -> None:
        before = self._take(keyspace, key)
        self._held.setdefault(keyspace, {})[key] = (timestamp, value, live)
        self._checksums[keyspace] = self.checksum(keyspace) ^ fingerprint(key, timestamp, live)
        self.trail.add(Step(keyspace, key, before, timestamp, live))

    def _take(self, keyspace: str, key: Key) -> Timestamp | None:
        held = self._held.get(keyspace, {}).pop(key, None)
        if held is None:
            return None
        self._checksums[keyspace] ^= fingerprint(key, held[0], held[2])
        return held[0]
