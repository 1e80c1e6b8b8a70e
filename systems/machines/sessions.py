"""Exactly-once: remembers the last result of every client session (Ongaro 2014, §6.3).

A client numbers its commands and repeats one with the same number until it is answered. The
repetition is then answered from memory instead of being applied again. All replicas apply the
same commands in the same order, so their memories agree, evictions included.

>>> from systems.machines.kv import KeyValue
>>> sessions = Sessions(KeyValue())
>>> sessions.apply(7, 1, ("cas", "x", None, 1)), sessions.apply(7, 1, ("cas", "x", None, 1))
(True, True)
>>> sessions.apply(8, 1, ("cas", "x", None, 1))
False
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Command, StateMachine


class Sessions:
    """A state machine behind a table of sessions; the `capacity` latest ones are remembered.

    Beyond that the session unused for longest is forgotten, and a late repetition of its last
    command would be applied again: the capacity bounds how long a client may keep retrying.
    """

    def __init__(self, machine: StateMachine, capacity: int = 10_000) -> None:
        self.machine = machine
        self._capacity = capacity
        self._last: dict[int, tuple[int, Any]] = {}

    def apply(self, session: int, serial: int, command: Command) -> Any:
        """Apply `command` unless the session has done it already; its result either way."""
        last = self._last.get(session)
        if last is not None and serial <= last[0]:
            return last[1]
        result = self.machine.apply(command)
        self._last.pop(session, None)
        self._last[session] = (serial, result)
        if len(self._last) > self._capacity:
            del self._last[next(iter(self._last))]
        return result

    def answered(self, session: int, serial: int) -> tuple[int, Any] | None:
        """The last (serial, result) of the session if it is `serial` or later."""
        last = self._last.get(session)
        return last if last is not None and serial <= last[0] else None

    def snapshot(self) -> bytes:
        table = [(session, *last) for session, last in self._last.items()]
        return msgspec.msgpack.encode((table, self.machine.snapshot()))

    def restore(self, snapshot: bytes) -> None:
        table, inner = msgspec.msgpack.decode(snapshot)
        self._last = {session: (serial, result) for session, serial, result in table}
        self.machine.restore(inner)
