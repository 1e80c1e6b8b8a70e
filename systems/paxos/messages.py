"""What OmniPaxos nodes say to each other, and what a log entry is.

Every message begins with the configuration that it belongs to; a node of another configuration
drops it, and one of the two brings itself up to date (`systems.paxos.handover`).

    election      HeartbeatRequest ─▶  ◀─ HeartbeatReply
    taking over   PrepareRequest ─▶ leader: Prepare ─▶  ◀─ Promise   AcceptSync ─▶  ◀─ Accepted
    replication   Accept ─▶  ◀─ Accepted, or NotAccepted
    quorum reads  ReadQuery ─▶  ◀─ ReadReport
    handover      Hello ─▶  ◀─ StateRequest   State ─▶

A *session* is a number that the follower makes up with its promise, and that no other promise of
its has, not even in another life. The leader's answer and all that follows carry it, so that a
follower knows an AcceptSync which answers an earlier promise. The published library has no such
guard and loses decided entries to one that is late or doubled. Within a session, messages
carry the index where their entries begin, and may be lost, doubled and reordered at will.
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Message
from systems.paxos.ballots import Ballot

#: `session` of entries that no client asked for.
STOP_SIGN, NOTHING = -1, -2


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A log entry: a client's command, NOTHING, or a STOP_SIGN.

    A stop-sign ends its configuration: `serial` is the number of the next one, and `command` the
    list of its members.
    """

    session: int
    serial: int
    command: Any


class HeartbeatRequest(Message, frozen=True, gc=False, array_like=True, tag=1):
    """Are you there?"""

    configuration: int
    round: int


class HeartbeatReply(Message, frozen=True, gc=False, array_like=True, tag=2):
    """Yes; this is my own ballot, the leader that I follow, and whether I am content.

    `content` means: quorum-connected (variant "connected"), or happy with the leader ("happy").
    """

    configuration: int
    round: int
    ballot: Ballot
    leader: Ballot
    content: bool


class PrepareRequest(Message, frozen=True, gc=False, array_like=True, tag=3):
    """I have restarted, or missed something: whoever leads, take me in again."""

    configuration: int
    ballot: Ballot


class Prepare(Message, frozen=True, gc=False, array_like=True, tag=4):
    """Promise to accept nothing below `ballot`, and send me what I lack.

    The leader's log was accepted in `accepted_round`, has `length` entries, `decided` of them
    decided.
    """

    configuration: int
    ballot: Ballot
    decided: int
    accepted_round: Ballot
    length: int


class Promise(Message, frozen=True, gc=False, array_like=True, tag=5):
    """A promise, and what the follower has accepted.

    `entries` follow the index `start` and are what the leader lacks, if the follower is ahead of
    it; `snapshot` then stands for all up to `start` if the log no longer has what the leader
    lacks.
    """

    configuration: int
    ballot: Ballot
    session: int
    accepted_round: Ballot
    length: int
    decided: int
    start: int
    entries: tuple[Entry, ...]
    snapshot: bytes | None


class AcceptSync(Message, frozen=True, gc=False, array_like=True, tag=6):
    """The answer to the promise of `session`: keep your log up to `start`, then take this.

    If the leader's log no longer reaches so far back, `snapshot` stands for all up to `start`.
    """

    configuration: int
    ballot: Ballot
    session: int
    start: int
    entries: tuple[Entry, ...]
    snapshot: bytes | None
    decided: int
    round: int


class Accept(Message, frozen=True, gc=False, array_like=True, tag=7):
    """Entries that follow the index `start`; none at all for a sign of life.

    `round` numbers the leader's confirmations of its leadership, for reads; every member has
    accepted all up to `everywhere`, so that nobody needs it any more.
    """

    configuration: int
    ballot: Ballot
    session: int
    start: int
    entries: tuple[Entry, ...]
    decided: int
    round: int
    everywhere: int


class Accepted(Message, frozen=True, gc=False, array_like=True, tag=8):
    """The first `length` entries of the leader's log are here, and durable."""

    configuration: int
    ballot: Ballot
    length: int
    round: int


class NotAccepted(Message, frozen=True, gc=False, array_like=True, tag=9):
    """I have promised `ballot`, which is higher than yours."""

    configuration: int
    ballot: Ballot


class ReadQuery(Message, frozen=True, gc=False, array_like=True, tag=10):
    """How long is your log? `query` is the life of who asks, and a number in it."""

    configuration: int
    query: tuple[int, int]


class ReadReport(Message, frozen=True, gc=False, array_like=True, tag=11):
    """So long."""

    configuration: int
    query: tuple[int, int]
    length: int


class Hello(Message, frozen=True, gc=False, array_like=True, tag=12):
    """The configuration that you speak of is over."""

    configuration: int


class StateRequest(Message, frozen=True, gc=False, array_like=True, tag=13):
    """My configuration is over, or has not begun: send me the state of yours."""

    configuration: int


class State(Message, frozen=True, gc=False, array_like=True, tag=14):
    """All that was decided up to `index`, in a configuration that began after `origin`."""

    configuration: int
    members: tuple[int, ...]
    origin: int
    index: int
    snapshot: bytes


MESSAGES = (
    HeartbeatRequest,
    HeartbeatReply,
    PrepareRequest,
    Prepare,
    Promise,
    AcceptSync,
    Accept,
    Accepted,
    NotAccepted,
    ReadQuery,
    ReadReport,
    Hello,
    StateRequest,
    State,
)
