"""What gossip nodes say to each other.

| conversation  | messages                                                     | module            |
|---------------|--------------------------------------------------------------|-------------------|
| membership    | Syn ─▶ SynAck ─▶ GossipAck                                   | `gossiper.py`     |
| levels        | Write ─▶ Written; Read ─▶ ReadAnswer                         | `coordinator.py`  |
| distribution  | Batch ─▶ BatchTaken                                          | `distributor.py`  |
| repair        | Poll ─▶ Summary; AskState ─▶ State; Fetch ─▶ Fetched         | `repair.py`       |

`clock` is the greatest timestamp that the sender knows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import Message, NodeId
from systems.crdt.base import Timestamp
from systems.gossip.keyspace import Key, Mark

#: A question among all that a node has ever asked: the generation in which its life began, and a
#: number in that life. Answers carry it, so that one that was meant for an earlier life is none.
QuestionId = tuple[int, int]


class Change(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A document that was written, or (`live` false) a key that was deleted."""

    keyspace: str
    key: Key
    timestamp: Timestamp
    value: Any
    live: bool


class ObjectState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A whole state or a delta of the CRDT called `name`, as plain data.

    `updates` says which updates it stands for (a `systems.crdt.causal.Context`), and `hops`, where
    that is counted, over how many nodes each element came to the sender: both for those who watch,
    no type needs them to merge.
    """

    name: str
    data: Any
    updates: Any
    hops: Any = None


class Fact(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Something that a node says of itself, with the version in which it began to."""

    key: str
    value: str | int
    version: int
    deleted: bool = False


#: How much is known of a node in one of its lives: (node, generation, heartbeat, gc_version,
#: max_version). A plain tuple, since clusters of hundreds of nodes do little but read these.
NodeDigest = tuple[NodeId, int, int, int, int]


class NodeDelta(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The facts of a node above `from_version`, all of them up to `max_version`."""

    node: NodeId
    generation: int
    from_version: int
    gc_version: int
    max_version: int
    facts: tuple[Fact, ...]


Digest = tuple[NodeDigest, ...]
Delta = tuple[NodeDelta, ...]


class Syn(Message, frozen=True, gc=False, array_like=True, tag=1):
    """This is what I know of."""

    cluster: str
    digest: Digest
    clock: Timestamp


class SynAck(Message, frozen=True, gc=False, array_like=True, tag=2):
    """This is news to you; and this is what I know of."""

    cluster: str
    digest: Digest
    delta: Delta
    clock: Timestamp


class GossipAck(Message, frozen=True, gc=False, array_like=True, tag=3):
    """And this is news to you."""

    cluster: str
    delta: Delta
    clock: Timestamp


class Write(Message, frozen=True, gc=False, array_like=True, tag=4):
    """Store these changes and say so: a level counts on it."""

    operation: QuestionId
    changes: tuple[Change, ...]
    clock: Timestamp


class Written(Message, frozen=True, gc=False, array_like=True, tag=5):
    """All changes of the operation, or later ones, are durable here."""

    operation: QuestionId
    clock: Timestamp


class Read(Message, frozen=True, gc=False, array_like=True, tag=6):
    """Tell what these keys hold."""

    operation: QuestionId
    keyspace: str
    keys: tuple[Key, ...]
    clock: Timestamp


class ReadAnswer(Message, frozen=True, gc=False, array_like=True, tag=7):
    """Documents and tombstones of the keys that have one."""

    operation: QuestionId
    changes: tuple[Change, ...]
    clock: Timestamp


class Batch(Message, frozen=True, gc=False, array_like=True, tag=8):
    """What was changed at the sender since its last batch."""

    number: int
    changes: tuple[Change, ...]
    objects: tuple[ObjectState, ...]
    clock: Timestamp


class BatchTaken(Message, frozen=True, gc=False, array_like=True, tag=9):
    """The batch has arrived."""

    number: int


class Poll(Message, frozen=True, gc=False, array_like=True, tag=10):
    """What do you have? Begins a session of repair."""

    session: QuestionId
    clock: Timestamp


class Summary(Message, frozen=True, gc=False, array_like=True, tag=11):
    """Checksums of all keyspaces and objects, and what the sender has seen.

    Each of `seen` stands for all that its node stamped up to there.
    """

    session: QuestionId
    seen: tuple[Timestamp, ...]
    keyspaces: tuple[tuple[str, int], ...]
    objects: tuple[tuple[str, int], ...]
    clock: Timestamp


class AskState(Message, frozen=True, gc=False, array_like=True, tag=12):
    """Tell all of these keyspaces and objects."""

    session: QuestionId
    keyspaces: tuple[str, ...]
    objects: tuple[str, ...]


class KeyspaceState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """All keys of a keyspace, without values."""

    keyspace: str
    entries: tuple[Mark, ...]
    dead: tuple[Mark, ...]


class State(Message, frozen=True, gc=False, array_like=True, tag=13):
    """All of some keyspaces and objects, and what the sender has seen when it told so."""

    session: QuestionId
    seen: tuple[Timestamp, ...]
    keyspaces: tuple[KeyspaceState, ...]
    objects: tuple[ObjectState, ...]


class Fetch(Message, frozen=True, gc=False, array_like=True, tag=14):
    """Send these documents."""

    session: QuestionId
    keyspace: str
    keys: tuple[Key, ...]


class Fetched(Message, frozen=True, gc=False, array_like=True, tag=15):
    """What the keys hold now, documents and tombstones."""

    session: QuestionId
    keyspace: str
    changes: tuple[Change, ...]


MESSAGES = (
    Syn, SynAck, GossipAck, Write, Written, Read, ReadAnswer, Batch, BatchTaken,
    Poll, Summary, AskState, State, Fetch, Fetched,
)  # fmt: skip
