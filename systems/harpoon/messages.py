"""What Harpoon nodes say to each other.

| message       | meaning                                                  | as published        |
|---------------|----------------------------------------------------------|---------------------|
| `Canvass`     | would you be free to vote?                               | –                   |
| `Willing`     | yes: no lease binds me                                   | –                   |
| `RequestVote` | vote for me in this term; my log ends here               | VoteReq             |
| `Vote`        | you have it, with what my log has and yours has not      | VoteRes             |
| `Append`      | entries of the elected leader, and a request for a lease | Append, and VoteReq |
| `Install`     | a snapshot instead of entries that are gone, and that    | –                   |
| `Appended`    | stored so far; the lease of that round is granted        | AppendRes, VoteRes  |
| `Conflict`    | my log differs there, or my term is higher               | AppendRes           |

The published protocol asks for votes and for leases with one and the same message, which counts
surplus votes as leases and captures followers; here they are two. Entries are Raft's.
"""

from __future__ import annotations

import msgspec

from harness.node import Message
from systems.raft.messages import Entry


class Snapshot(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the entries up to `index`, the last of them of `term`, have led to."""

    index: int
    term: int
    state: bytes


class Canvass(Message, frozen=True, gc=False, array_like=True, tag=1):
    """Ask who could vote, without changing anything; `number` tells one attempt from the next."""

    number: int


class Willing(Message, frozen=True, gc=False, array_like=True, tag=2):
    """The sender could vote now, and is in `term`: an election must be held in a higher one."""

    number: int
    term: int


class RequestVote(Message, frozen=True, gc=False, array_like=True, tag=3):
    """Ask for the vote in `term`. The log ends at (`last_index`, `last_term`) and is known to
    agree with everybody's up to `committed`."""

    term: int
    last_index: int
    last_term: int
    committed: int


class Vote(Message, frozen=True, gc=False, array_like=True, tag=4):
    """The vote in `term`; the voter's log ends at (`last_index`, `last_term`).

    If that is ahead of the candidate's, `entries` is all of it after index `previous`, which is
    where the `snapshot` ends if there is one.
    """

    term: int
    last_index: int
    last_term: int
    previous: int
    entries: tuple[Entry, ...]
    snapshot: Snapshot | None = None


class Append(Message, frozen=True, gc=False, array_like=True, tag=5):
    """Entries that follow (`previous_index`, `previous_term`), perhaps none; a lease is asked for
    in `round`."""

    term: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]
    committed: int
    round: int


class Appended(Message, frozen=True, gc=False, array_like=True, tag=6):
    """The log agrees with the leader's up to `index`, and is durable so far; the sender has
    promised a lease in `round`."""

    term: int
    index: int
    round: int


class Conflict(Message, frozen=True, gc=False, array_like=True, tag=7):
    """The log does not contain (`rejected`, its term); the leader should go on at `retry_from`.

    With a higher term than the leader's it says only that; with the leader's own term the lease
    of `round` is promised all the same.
    """

    term: int
    rejected: int
    retry_from: int
    round: int


class Install(Message, frozen=True, gc=False, array_like=True, tag=8):
    """The entries that come next are gone: here is what they led to. A lease is asked for in
    `round`; the answer is `Appended`."""

    term: int
    snapshot: Snapshot
    round: int


MESSAGES = (Canvass, Willing, RequestVote, Vote, Append, Appended, Conflict, Install)
