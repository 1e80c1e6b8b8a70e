"""TCP between nodes and from clients to nodes: frames, greetings, and a link that dials again.

    a frame      4 bytes of length, then the content
    a greeting   the first frame on each connection: [PROTOCOL, who], a node's number or 0, a client

A node sends to each peer over a connection of its own; the peer answers over another one. A client
sends requests and gets the replies over the same connection. Messages are dropped, never waited
for: where there is no connection, or where `QUEUE` of them wait already. Nodes are made for that.
"""

from __future__ import annotations

import struct
from collections import deque
from contextlib import suppress

import msgspec
import trio

from harness.errors import SplitbrainError
from harness.node import NodeId

#: Host and port.
Address = tuple[str, int]

PROTOCOL = "splitbrain/1"
#: Who a client is, in its greeting.
CLIENT = 0

#: So many messages may wait for a connection to take them.
QUEUE = 4096
#: A longer frame is no frame of ours.
MAXIMUM_FRAME = 1 << 28

#: Until a peer is dialled again: doubled with each failure, up to the second.
DIAL_AGAIN_S = (0.02, 0.5)

_LENGTH = struct.Struct("<I")
_decode_greeting = msgspec.msgpack.Decoder(tuple[str, int]).decode


class BadFrame(SplitbrainError):
    """Whoever is at the other end does not speak our protocol."""


def framed(content: bytes) -> bytes:
    """`content` as a frame.

    >>> framed(b"ping")
    b'\\x04\\x00\\x00\\x00ping'
    """
    return _LENGTH.pack(len(content)) + content


def greeting(who: NodeId) -> bytes:
    """The first frame of a connection."""
    return framed(msgspec.msgpack.encode((PROTOCOL, who)))


def read_greeting(content: bytes) -> NodeId:
    """Who greets. Raises BadFrame."""
    try:
        protocol, who = _decode_greeting(content)
    except msgspec.DecodeError as error:
        raise BadFrame(f"This is no greeting: {error}") from error
    if protocol != PROTOCOL:
        raise BadFrame(f"The other side speaks {protocol!r}, this one {PROTOCOL!r}.")
    return who


class Frames:
    """The contents of the frames that arrive on `stream`, until the connection ends.

    Raises BadFrame for one that is too long.
    """

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._ready: deque[bytes] = deque()

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> bytes:
        while not self._ready:
            chunk = await self._stream.receive_some()
            if not chunk:
                raise StopAsyncIteration
            self._buffer += chunk
            self._cut()
        return self._ready.popleft()

    def _cut(self) -> None:
        """Take the whole frames out of the buffer."""
        buffer, position = self._buffer, 0
        while len(buffer) - position >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, position)
            if length > MAXIMUM_FRAME:
                raise BadFrame(f"A frame of {length} bytes: this is not our protocol.")
            begin = position + _LENGTH.size
            if len(buffer) < begin + length:
                break
            position = begin + length
            self._ready.append(bytes(buffer[begin:position]))
        del buffer[:position]


class Outbox:
    """What waits to be sent over one connection."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](QUEUE)

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False if it was dropped."""
        try:
            self._send.send_nowait(frame)
        except trio.WouldBlock:
            return False
        return True

    async def drain(self, stream: trio.abc.SendStream) -> None:
        """Send what is queued, for ever; what has piled up goes as one piece."""
        async for frame in self._receive:
            pieces = [frame]
            with suppress(trio.WouldBlock):
                while len(pieces) < QUEUE:
                    pieces.append(self._receive.receive_nowait())
            await stream.send_all(b"".join(pieces))


class Link:
    """The way to one peer, dialled again whenever it breaks."""

    def __init__(self, me: NodeId, address: Address) -> None:
        self._me = me
        self._address = address
        self._outbox: Outbox | None = None

    @property
    def connected(self) -> bool:
        return self._outbox is not None

    def send(self, content: bytes) -> bool:
        """Send a message; False if it was dropped."""
        return self._outbox is not None and self._outbox.put(framed(content))

    async def run(self) -> None:
        """Keep the link up, for ever."""
        pause_s, longest_s = DIAL_AGAIN_S
        while True:
            try:
                stream = await trio.open_tcp_stream(*self._address)
            except OSError:
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, longest_s)
                continue
            pause_s = DIAL_AGAIN_S[0]
            async with stream:
                await self._use(stream)
            await trio.sleep(pause_s)

    async def _use(self, stream: trio.SocketStream) -> None:
        """Send over `stream` until either side gives it up."""
        outbox = Outbox()
        try:
            await stream.send_all(greeting(self._me))
            self._outbox = outbox
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._drain, outbox, stream, nursery.cancel_scope)
                with suppress(trio.BrokenResourceError):
                    await stream.receive_some()  # nothing comes this way but the end
                nursery.cancel_scope.cancel()
        except trio.BrokenResourceError:
            pass
        finally:
            self._outbox = None

    @staticmethod
    async def _drain(outbox: Outbox, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        with suppress(trio.BrokenResourceError):
            await outbox.drain(stream)
        scope.cancel()
