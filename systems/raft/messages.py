"""What Raft nodes say to each other (Ongaro, "Consensus: Bridging Theory and Practice", 2014)."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Message

#: Sessions of entries that no client asked for: the entry with which a leader begins its term, and
#: a new configuration, whose command is what `Configuration.command` gives.
NO_OP, CONFIGURATION = 0, -1


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A log entry: the command number `serial` of a client's session, NO_OP or CONFIGURATION."""

    term: int
    session: int
    serial: int
    command: Any


class RequestVote(Message, frozen=True, gc=False, array_like=True, tag=1):
    """Ask for a vote in `term`; with `trial` only ask whether there would be one (PreVote).

    With `transfer` the leader itself wants the election, so that hearing it is no reason to refuse.
    """

    term: int
    last_index: int
    last_term: int
    trial: bool
    transfer: bool


class Vote(Message, frozen=True, gc=False, array_like=True, tag=2):
    """The answer; a granted trial echoes the term asked for, a refusal carries one's own."""

    term: int
    granted: bool
    trial: bool


class Append(Message, frozen=True, gc=False, array_like=True, tag=3):
    """Entries that follow (`previous_index`, `previous_term`); none at all for a heartbeat.

    `round` numbers the leader's confirmations of its leadership, for reads.
    """

    term: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]
    committed: int
    round: int


class Appended(Message, frozen=True, gc=False, array_like=True, tag=4):
    """The log agrees with the leader's up to `index`, and is durable so far."""

    term: int
    index: int
    round: int


class Conflict(Message, frozen=True, gc=False, array_like=True, tag=5):
    """The log does not contain (`rejected`, its term); the leader should go on at `retry_from`."""

    term: int
    rejected: int
    retry_from: int
    round: int


class TimeoutNow(Message, frozen=True, gc=False, array_like=True, tag=6):
    """Begin an election at once: the leader of `term` hands over."""

    term: int


class Chunk(Message, frozen=True, gc=False, array_like=True, tag=7):
    """A piece of the snapshot that ends at (`index`, `index_term`), from byte `offset` on."""

    term: int
    index: int
    index_term: int
    offset: int
    data: bytes
    last: bool
    round: int


class ChunkStored(Message, frozen=True, gc=False, array_like=True, tag=8):
    """Of the snapshot at `index`, everything before byte `offset` is there."""

    term: int
    index: int
    offset: int
    round: int


MESSAGES = (RequestVote, Vote, Append, Appended, Conflict, TimeoutNow, Chunk, ChunkStored)
