"""Connections as PySyncObj knows them, over a network that loses, doubles and reorders.

    the node with the greater number asks: Open ─▶ Opened
    Segment 0, 1, 2 ... ─▶ delivered in order, once ─▶ Received (what is missing is sent again)
    ─▶ Reset: the other side knows no such connection, usually because it was restarted

What the library sees of TCP is kept: who connects to whom, how often it is tried, that a connection
over which nothing was read for `timeout_ns` is given up the next time it is used, and that what was
sent over a broken one may or may not have arrived. A killed peer is noticed by silence, or by its
next life, which answers with `Reset`.

Limits: no bound on what is under way, and no congestion: the simulated network has no bandwidth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.node import Message, NodeId
from harness.units import MILLISECOND_NS
from systems.pysyncobj.messages import Open, Opened, Received, Reset, Segment

#: What was not acknowledged for so long is sent again, at most `BURST` segments at a time.
RESEND_NS = 200 * MILLISECOND_NS
BURST = 64


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What a stream needs of its node: the clock, the network, numbers, and who listens."""

    now_ns: Callable[[], int]
    send: Callable[[Message], None]
    draw: Callable[[], int]
    on_connected: Callable[[], None]
    on_disconnected: Callable[[], None]
    on_payload: Callable[[bytes], None]


class Stream:
    """One node's side of its connection to `peer`."""

    def __init__(
        self, endpoint: Endpoint, peer: NodeId, *, asks: bool, timeout_ns: int, retry_ns: int
    ) -> None:
        self.peer = peer
        self.connected = False
        self._endpoint = endpoint
        self._asks = asks
        self._timeout_ns = timeout_ns
        self._retry_ns = retry_ns
        self._connection = 0
        self._asked_ns = -retry_ns
        self._read_ns = 0
        self._sent = 0
        self._sent_ns = 0
        self._unacknowledged: deque[Segment] = deque()
        self._next = 0
        self._early: dict[int, Segment] = {}

    # ---- the library's side

    def send(self, kind: str, term: int, payload: bytes) -> bool:
        """Send a message of the library's; False if the connection is known to be broken."""
        self._give_up_if_silent()
        if not self.connected:
            return False
        segment = Segment(self._connection, self._sent, kind, term, payload)
        if not self._unacknowledged:
            self._sent_ns = self._endpoint.now_ns()
        self._sent += 1
        self._unacknowledged.append(segment)
        self._endpoint.send(segment)
        return True

    def tick(self) -> None:
        """Ask for a connection if there is none, send again what may have been lost."""
        now_ns = self._endpoint.now_ns()
        if not self.connected:
            if self._asks and now_ns - self._asked_ns >= self._retry_ns:
                self._asked_ns = now_ns
                self._connection = self._endpoint.draw()
                self._endpoint.send(Open(self._connection))
        elif self._unacknowledged and now_ns - self._sent_ns >= RESEND_NS:
            self._sent_ns = now_ns
            for segment in list(self._unacknowledged)[:BURST]:
                self._endpoint.send(segment)

    # ---- the network's side

    def on_message(self, message: Any) -> None:
        """A message of `systems.pysyncobj.messages` has arrived from the peer."""
        if isinstance(message, Open):
            if message.connection != self._connection:
                self._break()
                self._begin(message.connection)
            self._endpoint.send(Opened(message.connection))
        elif message.connection != self._connection or not self._connection:
            if not isinstance(message, Opened | Reset):
                self._endpoint.send(Reset(message.connection))
        elif isinstance(message, Reset):
            self._break()
        else:
            if not self.connected:  # asked for, and here is the first that is heard of it
                self._begin(message.connection)
            self._give_up_if_silent()
            if self.connected:
                self._read_ns = self._endpoint.now_ns()
                self._take(message)

    def _take(self, message: Any) -> None:
        if isinstance(message, Received):
            pending = self._unacknowledged
            while pending and pending[0].number < message.next:
                pending.popleft()
                self._sent_ns = self._endpoint.now_ns()
        elif isinstance(message, Segment):
            if message.number >= self._next:
                self._early[message.number] = message
            connection = self._connection
            while self._next in self._early:
                segment = self._early.pop(self._next)
                self._next += 1
                self._endpoint.on_payload(segment.payload)
                if self._connection != connection:  # what was delivered has broken it
                    return
            self._endpoint.send(Received(connection, self._next))

    def _give_up_if_silent(self) -> None:
        if self.connected and self._endpoint.now_ns() - self._read_ns > self._timeout_ns:
            self._endpoint.send(Reset(self._connection))
            self._break()

    def _begin(self, connection: int) -> None:
        self._connection = connection
        self._read_ns = self._endpoint.now_ns()
        self._sent = self._next = 0
        self._unacknowledged.clear()
        self._early.clear()
        self.connected = True
        self._endpoint.on_connected()

    def _break(self) -> None:
        self._connection = 0
        self._unacknowledged.clear()
        self._early.clear()
        if self.connected:
            self.connected = False
            self._endpoint.on_disconnected()
