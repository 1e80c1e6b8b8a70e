"""What the library's nodes say to each other, as frozen messages, and the entries of their logs.

`number` counts the messages of a sender, over all its lives. The library is made for connections
that keep their order, so whoever gets a message after a later one of the same sender ignores it:
what is late or doubled on our links is lost for the library, never out of order.

>>> Entry(2, COMMAND, padded(pack((7, 1, ["write", "x", 1]))))
<term 2: session 7, command 1: ["write","x",1]>
>>> len(padded(b"12345678")), unpadded(padded(b"12345678"))
(16, b'12345678')
"""

from __future__ import annotations

import msgspec

from harness.node import Message, NodeId

#: Kinds of entries, as the library numbers them.
COMMAND, BARRIER, CHANGE = 1, 2, 3
#: Roles of members, as the library numbers them.
ROLES = ("standby", "voter", "spare")

#: (member, role) in ascending order of members
Members = tuple[tuple[NodeId, int], ...]

pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder().decode


def padded(content: bytes) -> bytes:
    """Up to a multiple of eight bytes, as the library's own storage wants data to be."""
    count = 8 - len(content) % 8
    return content + bytes([count]) * count


def unpadded(content: bytes) -> bytes:
    """What `padded` was given."""
    return content[: -content[-1]]


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A log entry: a client's command, a barrier or a new configuration."""

    term: int
    kind: int
    data: bytes

    def __repr__(self) -> str:
        return f"<term {self.term}: {self._content()}>"

    def _content(self) -> str:
        if self.kind == COMMAND:
            session, serial, command = unpack(unpadded(self.data))
            text = msgspec.json.encode(command).decode()
            return f"session {session}, command {serial}: {text}"
        if self.kind == BARRIER:
            return "a barrier"
        members = (f"n{node} {ROLES[role]}" for node, role in members_of(self.data))
        return f"members {', '.join(members)}"


def members_of(data: bytes) -> Members:
    """The configuration in an entry, which the library has encoded.

    Version (1 byte), count (8, little endian), then for each its id (8), its address as text that
    ends in zero, and its role (1).
    """
    return _end_of(data)[1]


def _end_of(data: bytes) -> tuple[int, Members]:
    """Where the configuration ends, and what it says."""
    count = int.from_bytes(data[1:9], "little")
    place = 9
    members = []
    for _ in range(count):
        end = data.index(0, place + 8) + 1
        members.append((int.from_bytes(data[place : place + 8], "little"), data[end]))
        place = end + 1
    return place, tuple(sorted(members))


def cleaned(kind: int, data: bytes) -> bytes:
    """What an entry means to hold: 0.15.0 sends and stores unwritten memory with every barrier, and
    behind the end of every configuration, which would differ from run to run."""
    if kind == COMMAND:
        return data
    end = _end_of(data)[0] if kind == CHANGE else 0
    return data[:end].ljust(len(data), b"\0")


class RequestVote(Message, frozen=True, gc=False, array_like=True, tag=1):
    """Ask for a vote in `term`; with `trial` only whether there would be one (PreVote).

    With `disrupt` the leader itself wants the election.
    """

    number: int
    term: int
    last_index: int
    last_term: int
    disrupt: bool
    trial: bool


class Vote(Message, frozen=True, gc=False, array_like=True, tag=2):
    """The answer; `trial` is the library's tribool: 0 unknown, 1 to a trial, 2 to an election."""

    number: int
    term: int
    granted: bool
    trial: int


class Append(Message, frozen=True, gc=False, array_like=True, tag=3):
    """Entries that follow (`previous_index`, `previous_term`); none at all for a heartbeat."""

    number: int
    term: int
    previous_index: int
    previous_term: int
    committed: int
    entries: tuple[Entry, ...]


class Appended(Message, frozen=True, gc=False, array_like=True, tag=4):
    """The log is stored up to `last_index`; or `rejected`, if not 0, is not in it."""

    number: int
    term: int
    rejected: int
    last_index: int


class Install(Message, frozen=True, gc=False, array_like=True, tag=5):
    """A whole snapshot that ends at (`last_index`, `last_term`)."""

    number: int
    term: int
    last_index: int
    last_term: int
    members: Members
    members_index: int
    state: bytes


class TimeoutNow(Message, frozen=True, gc=False, array_like=True, tag=6):
    """Begin an election at once: the leader of `term` hands over."""

    number: int
    term: int
    last_index: int
    last_term: int


MESSAGES = (RequestVote, Vote, Append, Appended, Install, TimeoutNow)
