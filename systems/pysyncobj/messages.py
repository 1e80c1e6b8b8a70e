"""What travels between PySyncObj nodes: its own messages, in the segments of a connection.

PySyncObj talks over TCP and relies on it: bytes arrive in order, once, or the connection breaks.
Our network promises nothing of that, so that these messages carry a connection (`streams.py`).
"""

from __future__ import annotations

from harness.node import Message


class Open(Message, frozen=True, gc=False, array_like=True, tag=1):
    """Asks for a connection, which gets the number that the asker has drawn."""

    connection: int


class Opened(Message, frozen=True, gc=False, array_like=True, tag=2):
    """The connection is there."""

    connection: int


class Segment(Message, frozen=True, gc=False, array_like=True, tag=3):
    """One message of PySyncObj's: its number on this connection, and what the library pickled.

    `kind` and `term` say the same as the payload, for those who read traces.
    """

    connection: int
    number: int
    kind: str
    term: int
    payload: bytes


class Received(Message, frozen=True, gc=False, array_like=True, tag=4):
    """All segments numbered below `next` have arrived."""

    connection: int
    next: int


class Reset(Message, frozen=True, gc=False, array_like=True, tag=5):
    """There is no such connection here, or no longer."""

    connection: int


MESSAGES = (Open, Opened, Segment, Received, Reset)
