"""State machines whose readers can wait for something to happen.

A read of the events after the fifth has an answer at any time: there may be none yet. A consensus
system that knows `Polled` holds such a read until there is something, or for a while; every other
system answers at once, and the client asks again. Either way the client sees the same events.

>>> class Bell:
...     '''Rings; `("rings", n)` is worth an answer once it has rung more than n times.'''
...     def __init__(self): self.rung = 0
...     def apply(self, command):
...         self.rung += command[0] == "ring"
...         return self.rung
...     def snapshot(self): return b"%d" % self.rung
...     def restore(self, snapshot): self.rung = int(snapshot)
...     def ready(self, command): return command[0] != "rings" or self.rung > command[1]
>>> isinstance(Bell(), Polled), Bell().ready(("rings", 0))
(True, False)
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from harness.node import Command, StateMachine


@runtime_checkable
class Polled(StateMachine, Protocol):
    """A state machine that can say whether a read is worth answering."""

    def ready(self, command: Command) -> bool:
        """Whether the read-only `command` has something to say now; pure and fast."""
