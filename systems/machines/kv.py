"""A key-value map: each key is a register that starts as None.

| command                          | result                                     |
|----------------------------------|--------------------------------------------|
| `("read", key)`                  | the value                                  |
| `("write", key, value)`          | None                                       |
| `("cas", key, expected, value)`  | whether `expected` was there, and replaced |

>>> store = KeyValue()
>>> store.apply(("write", "x", 1)), store.apply(("cas", "x", 1, 2)), store.apply(("read", "x"))
(None, True, 2)
>>> copy = KeyValue(); copy.restore(store.snapshot()); copy.apply(("read", "x"))
2
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Command


class KeyValue:
    """Implements `harness.node.StateMachine`."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def apply(self, command: Command) -> Any:
        match command:
            case ["read", key]:
                return self._values.get(key)
            case ["write", key, value]:
                self._values[key] = value
                return None
            case ["cas", key, expected, value]:
                if self._values.get(key) != expected:
                    return False
                self._values[key] = value
                return True
        raise ValueError(f"KeyValue knows read, write and cas; it was given {command!r}")

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(sorted(self._values.items(), key=lambda item: repr(item[0])))

    def restore(self, snapshot: bytes) -> None:
        self._values = dict(msgspec.msgpack.decode(snapshot))
