"""Lists by name that only grow at their end.

| command                   | result                                  |
|---------------------------|-----------------------------------------|
| `("read", key)`           | the list, empty if there is none        |
| `("append", key, value)`  | how long the list is then               |

Lists tell in which order commands were applied, which is why histories of appends show more than
those of writes.

>>> lists = AppendLists()
>>> lists.apply(("append", "x", 1)), lists.apply(("append", "x", 2)), lists.apply(("read", "x"))
(1, 2, [1, 2])
>>> copy = AppendLists(); copy.restore(lists.snapshot()); copy.apply(("read", "x"))
[1, 2]
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Command


class AppendLists:
    """Implements `harness.node.StateMachine`."""

    def __init__(self) -> None:
        self._lists: dict[Any, list[Any]] = {}

    def apply(self, command: Command) -> Any:
        match command:
            case ["read", key]:
                # a copy: what was answered once must not grow afterwards
                return list(self._lists.get(key, ()))
            case ["append", key, value]:
                values = self._lists.setdefault(key, [])
                values.append(value)
                return len(values)
        raise ValueError(f"AppendLists knows read and append, not {command!r}")

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(sorted(self._lists.items(), key=lambda item: repr(item[0])))

    def restore(self, snapshot: bytes) -> None:
        self._lists = dict(msgspec.msgpack.decode(snapshot))
