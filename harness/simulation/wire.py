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


class Wire:
    """Encodes and decodes the given message types, and those between clients and nodes."""

    def __init__(self, messages: Sequence[type[Message]]) -> None:
        types = (*messages, ClientRequest, ClientReply)
        self.encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(reduce(or_, types)).decode

    def decode(self, encoded: bytes) -> Any:
        """The message; UsageError if it does not fit the type that it says it has."""
        try:
            return self._decode(encoded)
        except msgspec.ValidationError as error:
            content = msgspec.msgpack.decode(encoded)
            raise UsageError(
                f"A message does not survive the wire: {error}. It was {content!r}. Usually a "
                "field holds a list, dict, set or None that its annotation does not allow."
            ) from error

    def fingerprint(self, encoded: bytes) -> int:
        """A checksum of the content, for the digest."""
        return zlib.crc32(encoded)
