"""What Multi-Paxos nodes say to each other, beside the heartbeats of gossiped elections.

    election      Ping ─▶
    phase 1       Prepare ─▶  ◀─ Promise, or Nack
    phase 2       Propose ─▶  ◀─ Agree, or Nack
    learning      LearnRequest ─▶  ◀─ Learn

Slots are numbered from 1. Each is decided for itself: a node may have accepted the third and the
fifth and not the fourth. (Lamport, "Paxos Made Simple", 2001; van Renesse and Altinbuken, "Paxos
Made Moderately Complex", 2015.)
"""

from __future__ import annotations

import msgspec

from harness.node import Message
from systems.paxos.ballots import Ballot
from systems.paxos.messages import Entry, HeartbeatReply, HeartbeatRequest


class Accepted(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a node has accepted in a slot, and in which ballot."""

    slot: int
    ballot: Ballot
    entry: Entry


class Ping(Message, frozen=True, gc=False, array_like=True, tag=21):
    """I lead in this round of the election. (Rounds are no ballots.)"""

    round: int


class Prepare(Message, frozen=True, gc=False, array_like=True, tag=22):
    """Phase 1: promise to accept nothing below `ballot`; what have you accepted above `chosen`?"""

    ballot: Ballot
    chosen: int


class Promise(Message, frozen=True, gc=False, array_like=True, tag=23):
    """A promise, and all that was accepted above what the leader knows to be chosen.

    If some of that is compacted away, `snapshot` stands for all slots up to `base`.
    """

    ballot: Ballot
    accepted: tuple[Accepted, ...]
    base: int
    snapshot: bytes | None


class Propose(Message, frozen=True, gc=False, array_like=True, tag=24):
    """Phase 2: accept these for the slots behind `start`; none at all for a sign of life.

    All slots up to `chosen` are chosen. `round` numbers confirmations of leadership, for reads.
    """

    ballot: Ballot
    start: int
    entries: tuple[Entry, ...]
    chosen: int
    round: int


class Agree(Message, frozen=True, gc=False, array_like=True, tag=25):
    """Accepted, and durable: `count` slots behind `start`."""

    ballot: Ballot
    start: int
    count: int
    round: int


class Nack(Message, frozen=True, gc=False, array_like=True, tag=26):
    """I have promised `ballot`, which is higher than yours."""

    ballot: Ballot


class LearnRequest(Message, frozen=True, gc=False, array_like=True, tag=27):
    """What was chosen behind `start`?"""

    start: int


class Learn(Message, frozen=True, gc=False, array_like=True, tag=28):
    """These were chosen for the slots behind `start`; `snapshot` stands for all before them."""

    start: int
    entries: tuple[Entry, ...]
    snapshot: bytes | None


MESSAGES = (
    HeartbeatRequest,
    HeartbeatReply,
    Ping,
    Prepare,
    Promise,
    Propose,
    Agree,
    Nack,
    LearnRequest,
    Learn,
)
