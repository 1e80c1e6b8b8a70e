"""What Raft nodes say to each other (Ongaro, "Consensus: Bridging Theory and Practice", 2014)."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Message


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A log entry. `session` 0 is the no-op with which a leader begins its term."""

    term: int
    session: int
    serial: int
    command: Any


class RequestVote(Message, frozen=True, gc=False, array_like=True, tag=1):
    """Ask for a vote in `term`; with `trial` only ask whether there would be one (PreVote)."""

    term: int
    last_index: int
    last_term: int
    trial: bool


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


MESSAGES = (RequestVote, Vote, Append, Appended, Conflict)
