"""A key-value map: each key is a register that starts as None, which is to be absent.

| command                              | result                                          |
|--------------------------------------|-------------------------------------------------|
| `("read", key)`                      | the value                                       |
| `("write", key, value)`              | None                                            |
| `("cas", key, expected, value)`      | whether `expected` was there, and replaced      |
| `("exchange", key, expected, value)` | the same, and the value that is there afterwards|
| `("delete", key)`                    | the value that was there                        |

>>> store = KeyValue()
>>> store.apply(("write", "x", 1)), store.apply(("cas", "x", 1, 2)), store.apply(("read", "x"))
(None, True, 2)
>>> store.apply(("exchange", "x", 1, 3)), store.apply(("exchange", "x", 2, 3))
([False, 2], [True, 3])
>>> copy = KeyValue(); copy.restore(store.snapshot()); copy.apply(("delete", "x"))
3
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Command


class KeyValue:
    """Implements `harness.node.StateMachine`. Subclasses may look at every change in `_change`."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def apply(self, command: Command) -> Any:
        match command:
            case ["read", key]:
                return self._values.get(key)
            case ["write", key, value]:
                self._change("write", key, value)
                return None
            case ["cas", key, expected, value]:
                return self._exchange(key, expected, value)
            case ["exchange", key, expected, value]:
                done = self._exchange(key, expected, value)
                return [done, self._values.get(key)]
            case ["delete", key]:
                last = self._values.get(key)
                if last is not None:
                    self._change("delete", key, None)
                return last
        raise ValueError(
            f"KeyValue knows read, write, cas, exchange and delete; it was given {command!r}"
        )

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(sorted(self._values.items(), key=lambda item: repr(item[0])))

    def restore(self, snapshot: bytes) -> None:
        self._values = dict(msgspec.msgpack.decode(snapshot))

    def _exchange(self, key: Any, expected: Any, value: Any) -> bool:
        if self._values.get(key) != expected:
            return False
        self._change("cas", key, value)
        return True

    def _change(self, kind: str, key: Any, value: Any) -> None:
        """Every change passes here; `kind` is write, cas or delete."""
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
