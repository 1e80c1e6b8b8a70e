"""Locks by name, with fencing tokens.

| command                    | result                                                          |
|----------------------------|-----------------------------------------------------------------|
| `("acquire", key, owner)`  | the token if the lock was free or is the owner's own, else None |
| `("release", key, owner)`  | whether the owner held it                                       |
| `("holder", key)`          | `[owner, token]`, or None                                       |

The token of a lock grows with each change of hands, so that whoever guards a resource can turn
away a former holder that does not know it was replaced.

>>> lock = Lock()
>>> lock.apply(("acquire", "door", "ann")), lock.apply(("acquire", "door", "bob"))
(1, None)
>>> lock.apply(("release", "door", "bob")), lock.apply(("release", "door", "ann"))
(False, True)
>>> lock.apply(("acquire", "door", "bob")), lock.apply(("holder", "door"))
(2, ['bob', 2])

Limits: locks do not expire. A machine has no clock; a client that is gone must be released by
somebody else.
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Command


class Lock:
    """Implements `harness.node.StateMachine`."""

    def __init__(self) -> None:
        # key -> owner (None: free), token of the latest one
        self._locks: dict[Any, tuple[Any, int]] = {}

    def apply(self, command: Command) -> Any:
        match command:
            case ["acquire", key, owner] if owner is not None:
                holder, token = self._locks.get(key, (None, 0))
                if holder is None:
                    token += 1
                    self._locks[key] = (owner, token)
                return token if holder in (None, owner) else None
            case ["release", key, owner]:
                holder, token = self._locks.get(key, (None, 0))
                if holder is None or holder != owner:
                    return False
                self._locks[key] = (None, token)
                return True
            case ["holder", key]:
                holder, token = self._locks.get(key, (None, 0))
                return None if holder is None else [holder, token]
        raise ValueError(f"Lock knows acquire (by somebody), release and holder, not {command!r}")

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(sorted(self._locks.items(), key=lambda item: repr(item[0])))

    def restore(self, snapshot: bytes) -> None:
        decoded = msgspec.msgpack.decode(snapshot)
        self._locks = {key: (owner, token) for key, (owner, token) in decoded}
