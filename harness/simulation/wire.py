"""Wire mode: every message is encoded when it is sent and decoded when it arrives.

It proves that no two nodes share an object and that every message could travel a real network,
and it lets the content of messages enter the digest. It costs about a quarter of the speed.

>>> from harness.node import ClientReply, Message
>>> class Ping(Message, frozen=True, gc=False, array_like=True, tag=True):
...     count: int
>>> wire = Wire([Ping])
>>> wire.decode(wire.encode(Ping(3)))
Ping(count=3)
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from harness.errors import UsageError
from harness.node import ClientReply, ClientRequest, Message

#: The first byte says whether what follows is between nodes, or between a client and a node: the
#: tags of the one may be numbers while those of the other are names.
_BETWEEN_NODES, _OF_CLIENT = b"\x00", b"\x01"


class Wire:
    """Encodes and decodes the given message types, and those between clients and nodes."""

    def __init__(self, messages: Sequence[type[Message]]) -> None:
        self.delivered_bytes = 0
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoders = {_OF_CLIENT: msgspec.msgpack.Decoder(ClientRequest | ClientReply)}
        if messages:
            try:
                decoder = msgspec.msgpack.Decoder(reduce(or_, messages))
            except (TypeError, ValueError) as error:
                raise UsageError(
                    f"The message types cannot be told apart on the wire: {error}. Usually two of "
                    "them have the same tag, or some have numbers and some have names."
                ) from error
            self._decoders[_BETWEEN_NODES] = decoder

    def encode(self, message: Any) -> bytes:
        """The message as bytes; TypeError if it holds what has no encoding."""
        of_client = isinstance(message, ClientRequest | ClientReply)
        return (_OF_CLIENT if of_client else _BETWEEN_NODES) + self._encode(message)

    def decode(self, encoded: bytes) -> Any:
        """The message, delivered; UsageError if it does not fit the type that it says it has."""
        self.delivered_bytes += len(encoded)
        return self.read(encoded)

    def read(self, encoded: bytes) -> Any:
        """What `decode` says, for whoever looks at a message without delivering it."""
        content = memoryview(encoded)[1:]
        try:
            return self._decoders[encoded[:1]].decode(content)
        except (KeyError, msgspec.ValidationError) as error:
            problem = "the system declares no messages" if isinstance(error, KeyError) else error
            raise UsageError(
                f"A message does not survive the wire: {problem}. It was "
                f"{msgspec.msgpack.decode(content)!r}. Usually a field holds a list, dict, set or "
                "None that its annotation does not allow, or System.messages lacks its type."
            ) from error

    def fingerprint(self, encoded: bytes) -> int:
        """A checksum of the content, for the digest."""
        return zlib.crc32(encoded)
