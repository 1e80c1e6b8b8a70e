"""A key-value map that remembers its changes, for those who subscribe to them.

Every change is a mutation with the next number, its `txid`, counted from 1: all replicas make the
same changes in the same order, so the numbers mean the same at every node. Besides the commands of
`KeyValue` it knows two that only read:

| command                                               | result                              |
|-------------------------------------------------------|-------------------------------------|
| `("latest",)`                                         | the txid of the latest mutation     |
| `("mutations", key, recursive, after_txid, limit)`    | `[up_to_txid, [mutation, ...]]`     |

A mutation is `[txid, kind, key, value, old_value]`, kind one of write, cas and delete. The result
has those of `key` (with `recursive`, of every key that begins with it) that follow `after_txid`,
in order and at most `limit` of them; whoever asks on from `up_to_txid` sees each exactly once.
The state itself is `KeyValue`'s, so that everything that works on that works on this.

Limits: the latest `capacity` mutations are remembered. Who lags behind further gets None, and must
read the map anew.

>>> store = ObservedKeyValue()
>>> store.apply(("write", "a/1", "x")), store.apply(("cas", "a/1", "x", "y"))
(None, True)
>>> store.apply(("mutations", "a/", True, 1, 10))
[2, [[2, 'cas', 'a/1', 'y', 'x']]]
>>> store.ready(("mutations", "a/", True, 2, 10)), store.ready(("mutations", "a/1", False, 0, 10))
(False, True)
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Any

import msgspec

from harness.node import Command
from systems.machines.kv import KeyValue


class ObservedKeyValue(KeyValue):
    """Implements `systems.machines.polled.Polled`."""

    def __init__(self, capacity: int = 10_000) -> None:
        super().__init__()
        self.latest_txid = 0
        self._capacity = capacity
        self._mutations: deque[list[Any]] = deque(maxlen=capacity)

    def apply(self, command: Command) -> Any:
        match command:
            case ["latest"]:
                return self.latest_txid
            case ["mutations", key, recursive, after_txid, limit]:
                return self._after(key, recursive, after_txid, limit)
        return super().apply(command)

    def ready(self, command: Command) -> bool:
        """Whether there is a mutation to tell, or none can be told any more."""
        match command:
            case ["mutations", key, recursive, after_txid, _]:
                found = self._after(key, recursive, after_txid, 1)
                return found is None or bool(found[1])
        return True

    def snapshot(self) -> bytes:
        content = (self.latest_txid, list(self._mutations), super().snapshot())
        return msgspec.msgpack.encode(content)

    def restore(self, snapshot: bytes) -> None:
        self.latest_txid, mutations, values = msgspec.msgpack.decode(snapshot)
        self._mutations = deque(mutations, maxlen=self._capacity)
        super().restore(values)

    def _change(self, kind: str, key: Any, value: Any) -> None:
        self.latest_txid += 1
        self._mutations.append([self.latest_txid, kind, key, value, self._values.get(key)])
        super()._change(kind, key, value)

    def _after(self, key: str, recursive: bool, after_txid: int, limit: int) -> list[Any] | None:
        forgotten_txid = self.latest_txid - len(self._mutations)
        if after_txid < forgotten_txid:
            return None
        found: list[Any] = []
        for mutation in islice(self._mutations, after_txid - forgotten_txid, None):
            if mutation[2] == key or (recursive and str(mutation[2]).startswith(key)):
                found.append(mutation)
                if len(found) >= limit:
                    return [mutation[0], found]
        return [max(after_txid, self.latest_txid), found]
