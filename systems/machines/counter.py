"""Counters by name, which start at 0.

| command              | result                       |
|----------------------|------------------------------|
| `("read", key)`      | the value                    |
| `("add", key, n)`    | the value after adding `n`   |

A command that is applied twice, or not at all, shows in every value that follows.

>>> counter = Counter()
>>> counter.apply(("add", "x", 2)), counter.apply(("add", "x", -5)), counter.apply(("read", "y"))
(2, -3, 0)
>>> copy = Counter(); copy.restore(counter.snapshot()); copy.apply(("read", "x"))
-3
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Command


class Counter:
    """Implements `harness.node.StateMachine`."""

    def __init__(self) -> None:
        self._values: dict[Any, int] = {}

    def apply(self, command: Command) -> int:
        match command:
            case ["read", key]:
                return self._values.get(key, 0)
            case ["add", key, int(amount)]:
                value = self._values[key] = self._values.get(key, 0) + amount
                return value
        raise ValueError(f"Counter knows read and add (of a whole number), not {command!r}")

    def snapshot(self) -> bytes:
        # a counter that is back at 0 is as if it had never been touched
        kept = [(key, value) for key, value in self._values.items() if value]
        return msgspec.msgpack.encode(sorted(kept, key=lambda item: repr(item[0])))

    def restore(self, snapshot: bytes) -> None:
        self._values = dict(msgspec.msgpack.decode(snapshot))
