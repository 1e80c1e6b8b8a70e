"""Carries out what clients ask: writes and reads at a consistency level.

    put ─▶ choose nodes ─▶ stamp ─▶ store here ─▶ durable ─▶ Write to them ─▶ all Written ─▶ ok
               │             │                       │
               │ too few     │ clock drift           └─▶ and to everybody, with the next batch
               ▼             ▼
              refused: nothing was done                         some silent ─▶ unfinished

A read asks as many nodes as a write of its level, and the latest of all answers counts; what was
news here is stored (read repair). So a read at Quorum sees every write that was acknowledged at
Quorum before it began, as long as both count the same members (`count_members` known).

| command                                       | result                                       |
|-----------------------------------------------|----------------------------------------------|
| `["put", ks, key, value, level]`              | the timestamp                                |
| `["put_many", ks, [[key, value], ...], level]`| the timestamp, one for all                   |
| `["del", ks, key, level]`, `["del_many", ...]`| the timestamp; an unknown key gets a         |
|                                               | tombstone as well                            |
| `["get", ks, key, level]`                     | `[value, timestamp]`; the value None for a   |
|                                               | tombstone, `[None, None]` for nothing        |
| `["get_many", ks, [keys], level]`             | `[[key, value, timestamp], ...]` of documents|
| `["keys", ks]`                                | the keys that hold a document, here          |
| `["members"]`                                 | the nodes that this one believes in, sorted  |
| `["timestamp"]`                               | a fresh timestamp                            |
| `["update", name, method, *args]`             | None: done here, and to be told to all       |
| `["read", name]`                              | the value of a CRDT, here                    |
| `["replica", "keyspace", ks]`,                | `[rows, delivered, repaired]`: all that is   |
| `["replica", "object", name]`                 | here (`views.py`), and how many documents    |
|                                               | and states came by repair in this life       |
| `["cost", name]`                              | `[[[element, hops], ...], {kind: messages    |
|                                               | sent}]`, both in this life                   |

A write that some of the chosen nodes did not confirm is *unfinished*: it stays where it is, and
will spread. Its result is `["unfinished", confirmed, asked]`, of which `GossipConnection` makes
`Unanswered`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.node import ClientReply, ClientRequest, Nanoseconds, NodeId
from systems.gossip.clock import ClockDrift
from systems.gossip.keyspace import Key
from systems.gossip.levels import NotEnoughNodes
from systems.gossip.messages import Change, QuestionId, Read, ReadAnswer, Write, Written
from systems.gossip.store import DIRECT, REPAIR
from systems.gossip.views import digest_of, object_rows, store_rows

if TYPE_CHECKING:
    from systems.gossip.node import GossipNode

#: The first word of a result that says: it was begun, and nobody knows how far it will get.
UNFINISHED = "unfinished"
#: So many client sessions are remembered, to answer a doubled request only once.
_SESSIONS = 10_000


class Operation:
    """A write or read that waits for other nodes."""

    __slots__ = ("asked", "changes", "keys", "keyspace", "request", "until_ns", "waiting")

    def __init__(
        self,
        request: ClientRequest,
        asked: Sequence[NodeId],
        until_ns: Nanoseconds,
        *,
        changes: Sequence[Change] = (),
        keyspace: str = "",
        keys: Sequence[Key] = (),
    ) -> None:
        self.request = request
        self.asked = len(asked)
        self.waiting = dict.fromkeys(asked)
        self.until_ns = until_ns
        self.changes = list(changes)
        self.keyspace = keyspace
        self.keys = keys


class Acknowledged:
    """A level that a client was told is reached: so many copies there should be."""

    __slots__ = ("asked", "changes", "level")

    def __init__(self, level: str, asked: int, changes: Sequence[Change]) -> None:
        self.level = level
        self.asked = asked
        self.changes = changes


class Coordinator:
    """The part of a node that talks with clients."""

    def __init__(self, node: GossipNode) -> None:
        self.node = node
        self.operations: dict[QuestionId, Operation] = {}
        #: The latest acknowledged write and how many there were, for invariants.
        self.acknowledged: Acknowledged | None = None
        self.acknowledgements = 0
        self._life = node.meta.generation
        self._number = 0
        self._ticking = False
        self.sessions: dict[int, int] = {}  # the last serial of each

    # ---- requests

    def on_request(self, request: ClientRequest) -> None:
        """Begin to carry out a command; a request that the network doubled is done once."""
        if request.serial <= self.sessions.get(request.session, 0):
            return
        self.sessions.pop(request.session, None)
        self.sessions[request.session] = request.serial
        if len(self.sessions) > _SESSIONS:
            del self.sessions[next(iter(self.sessions))]
        try:
            self._carry_out(request)
        except (NotEnoughNodes, ClockDrift, UsageError) as error:
            self.refuse(request, str(error))

    def _carry_out(self, request: ClientRequest) -> None:
        match request.command:
            case ["put", str(keyspace), key, value, str(level)]:
                self.write(request, keyspace, {_checked(key): value}, True, level)
            case ["put_many", str(keyspace), [_, *_] as rows, str(level)]:
                self.write(request, keyspace, dict(map(_pair, rows)), True, level)
            case ["del", str(keyspace), key, str(level)]:
                self.write(request, keyspace, {_checked(key): None}, False, level)
            case ["del_many", str(keyspace), [_, *_] as keys, str(level)]:
                self.write(request, keyspace, dict.fromkeys(map(_checked, keys)), False, level)
            case ["get", str(keyspace), key, str(level)]:
                self.read(request, keyspace, [_checked(key)], level)
            case ["get_many", str(keyspace), list(keys), str(level)]:
                self.read(request, keyspace, list(dict.fromkeys(map(_checked, keys))), level)
            case ["keys", str(keyspace)]:
                keys = self.node.store.keys(keyspace)
                self.node.release(lambda: self.answer(request, keys))
            case ["members"]:
                self.answer(request, sorted([self.node.context.id, *self.node.gossiper.live]))
            case ["timestamp"]:
                stamp = self.node.stamp()
                self.node.release(lambda: self.answer(request, list(stamp)))
            case ["update", str(name), str(method), *arguments]:
                self.node.update_object(request, name, method, arguments)
            case ["read", str(name)]:
                value = self.node.objects.get(name).value()
                self.node.release(lambda: self.answer(request, value))
            case ["replica", "keyspace" | "object" as kind, str(name)]:
                view = self.view(kind, name)
                self.node.release(lambda: self.answer(request, view))
            case ["cost", str(name)]:
                hops = [list(one) for one in self.node.objects.hops(name)]
                self.answer(request, [hops, dict(self.node.sent)])
            case _:
                raise UsageError(
                    f"A gossip node does not know the command {request.command!r}; it knows put, "
                    "put_many, del, del_many, get, get_many, keys, members, timestamp, update, "
                    "read, replica and cost. See systems/gossip/coordinator.py for their arguments."
                )

    def view(self, kind: str, name: str) -> list[Any]:
        """All that is here under a name, for those who compare replicas."""
        repaired = self.node.repair.transferred
        if kind == "keyspace":
            return [store_rows(self.node.store, name), None, repaired]
        objects = self.node.objects
        delivered = digest_of(objects.delivered(name).to_data())
        return [object_rows(objects.get(name)), delivered, repaired]

    def choose(self, level: str) -> list[NodeId]:
        """The nodes that a level asks. Raises `NotEnoughNodes`, or UsageError."""
        return self.node.selector.select(level, self.node.counted(), self.node.gossiper.live)

    # ---- writes

    def write(
        self,
        request: ClientRequest,
        keyspace: str,
        values: Mapping[Key, Any],
        live: bool,
        level: str,
    ) -> None:
        """Put or delete some keys, under one timestamp."""
        asked = self.choose(level)
        stamp = self.node.stamp()
        changes = [Change(keyspace, key, stamp, value, live) for key, value in values.items()]
        self.store(changes)
        until_ns = self.node.now_ns() + self.node.options.level_timeout_ns
        operation = Operation(request, asked, until_ns, changes=changes)
        self.node.release(lambda: self._spread(operation))

    def store(self, changes: Sequence[Change]) -> None:
        """Do the changes here. The stamp is greater than all that is stored, so they are news."""
        news = self.node.store.apply(changes, source=DIRECT)
        assert len(news) == len(changes), f"of {changes} only {news} is news"

    def _spread(self, operation: Operation) -> None:
        """The changes are durable here: tell those that the level wants, and later all."""
        self.node.distributor.add(*operation.changes)
        self._begin(operation, lambda question: Write(
            question, tuple(operation.changes), self.node.clock.latest
        ))  # fmt: skip

    def on_write(self, source: NodeId, message: Write) -> None:
        """Another node counts on a copy here."""
        if all(self.node.believes(change.timestamp) for change in message.changes):
            self.node.store.apply(message.changes, source=DIRECT)
            written = Written(message.operation, self.node.clock.latest)
            self.node.release(lambda: self.node.send(source, written))

    def on_written(self, source: NodeId, message: Written) -> None:
        operation = self.operations.get(message.operation)
        if operation is not None and source in operation.waiting:
            del operation.waiting[source]
            if not operation.waiting:
                self._end(message.operation)

    # ---- reads

    def read(self, request: ClientRequest, keyspace: str, keys: Sequence[Key], level: str) -> None:
        """Find the latest of what the asked nodes hold."""
        asked = self.choose(level)
        until_ns = self.node.now_ns() + self.node.options.level_timeout_ns
        operation = Operation(request, asked, until_ns, keyspace=keyspace, keys=keys)
        self._begin(operation, lambda question: Read(
            question, keyspace, tuple(keys), self.node.clock.latest
        ))  # fmt: skip

    def on_read(self, source: NodeId, message: Read) -> None:
        rows = self.node.store.rows(message.keyspace, message.keys)
        answer = ReadAnswer(message.operation, rows, self.node.clock.latest)
        self.node.release(lambda: self.node.send(source, answer))

    def on_read_answer(self, source: NodeId, message: ReadAnswer) -> None:
        operation = self.operations.get(message.operation)
        if operation is None or source not in operation.waiting:
            return
        if not all(self.node.believes(change.timestamp) for change in message.changes):
            return
        del operation.waiting[source]
        self.node.store.apply(message.changes, source=REPAIR)
        if not operation.waiting:
            self._end(message.operation)

    # ---- their end

    def _begin(self, operation: Operation, message: Any) -> None:
        self._number += 1
        question = self._life, self._number
        self.operations[question] = operation
        for target in operation.waiting:
            self.node.send(target, message(question))
        if not operation.waiting:
            self._end(question)
        elif not self._ticking:  # setting it again would put it off, with every operation
            self._tick()

    def _end(self, question: QuestionId) -> None:
        operation = self.operations.pop(question)
        if operation.changes:
            level = operation.request.command[-1]
            self.acknowledgements += 1
            self.acknowledged = Acknowledged(level, operation.asked, operation.changes)
            self.answer(operation.request, list(operation.changes[0].timestamp))
            return
        rows = self.node.store.rows(operation.keyspace, operation.keys)
        held = {row.key: row for row in rows}
        result: Any
        if operation.request.command[0] == "get":
            row = held.get(operation.keys[0])
            result = [row.value, list(row.timestamp)] if row is not None else [None, None]
        else:
            live = (held[key] for key in operation.keys if key in held and held[key].live)
            result = [[row.key, row.value, list(row.timestamp)] for row in live]
        self.node.release(lambda: self.answer(operation.request, result))

    def expire(self) -> None:
        """Tell the clients of operations that have waited long enough."""
        now_ns = self.node.now_ns()
        late = [question for question, one in self.operations.items() if one.until_ns <= now_ns]
        for question in late:
            operation = self.operations.pop(question)
            got = operation.asked - len(operation.waiting)
            self.node.context.probe("level-not-reached", got=got, asked=operation.asked)
            if operation.changes:
                self.answer(operation.request, [UNFINISHED, got, operation.asked])
            else:
                what = f"{got} of {operation.asked} nodes answered in time"
                self.refuse(operation.request, what)
        self._ticking = False
        if self.operations:
            self._tick()

    def _tick(self) -> None:
        self._ticking = True
        self.node.context.set_timer("levels", self.node.options.level_timeout_ns // 4)

    def answer(self, request: ClientRequest, value: Any) -> None:
        self.node.context.reply(request, ClientReply(request.id, True, value))

    def refuse(self, request: ClientRequest, reason: str) -> None:
        self.node.context.reply(request, ClientReply(request.id, False, None, reason))


def _checked(key: Any) -> Key:
    if isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)):
        return key
    raise UsageError(f"A key is a string or a whole number, not {key!r}.")


def _pair(row: Any) -> tuple[Key, Any]:
    if isinstance(row, list) and len(row) == 2:
        return _checked(row[0]), row[1]
    raise UsageError(f"put_many takes a list of [key, value]; {row!r} is none.")
