"""A PySyncObj node in our world: the library's object, between our events and our context.

    on_message ─▶ stream ─▶ transport.received ─▶ SyncObj ─▶ transport.send ─▶ stream ─▶ send
    on_timer   ─▶ doTick, every 50 ms and after each message, as its own thread would
    on_request ─▶ a replicated method ─▶ its callback ─▶ reply
    on_start   ─▶ a new SyncObj on the files that the disk has kept

Fault model: a kill of the process. What the library has written then survives, for the operating
system has it, although the library never asks for it to be forced to the disk. So everything that
a node says is held back until what it wrote before is durable: a crash that loses unsynced writes
is then one that came a moment earlier, and nobody can tell. With `holds_back` false nothing is
held back, and what the disk has not synced within `write_back_ns` is lost: a power failure.

Reads go through the log like all commands: the library offers no other read that is linearizable.
A result that the library reports as certain is answered as certain; where it only says that the
leader has changed or that the outcome is unknown, the client gets no answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import SplitbrainError
from harness.node import (
    ClientReply,
    ClientRequest,
    Context,
    Message,
    NodeId,
    NodeStatus,
    Recovered,
    StateMachine,
)
from harness.units import MILLISECOND_NS
from systems.machines.sessions import Sessions
from systems.pysyncobj.files import Files
from systems.pysyncobj.messages import Received
from systems.pysyncobj.streams import Endpoint, Stream
from systems.pysyncobj.view import ROLES, LogView

if TYPE_CHECKING:
    from systems.pysyncobj.library import Library

_RANDOM_BITS = 53

#: How much time passes while the library works, told by how often it looks at the clock: so much
#: each time, and a millisecond more each time if it does so more often than in any usual event.
LOOK_NS = 1_000
USUAL_LOOKS = 64


@dataclass(frozen=True, kw_only=True)
class PySyncObjOptions:
    """How the library is set up; what is not named here has its own defaults.

    With `journal` it keeps its log, term and snapshots in files, else in memory alone. A snapshot
    is taken every `snapshot_entries`, and a message carries about `batch_bytes` of entries. The
    library ticks every `tick_ns` and looks for lost peers every `retry_ns`. For `holds_back` and
    `write_back_ns` see the head of this module.
    """

    journal: bool = True
    snapshot_entries: int = 5000
    batch_bytes: int = 1 << 16
    tick_ns: int = 50 * MILLISECOND_NS
    retry_ns: int = 1000 * MILLISECOND_NS
    holds_back: bool = True
    write_back_ns: int = 5000 * MILLISECOND_NS


class PySyncObjNode:
    """Implements `harness.node.Node`, and `Surroundings` for the library."""

    def __init__(
        self, context: Context, machine: StateMachine, library: Library, options: PySyncObjOptions
    ) -> None:
        self.context = context
        self.options = options
        self.sessions = Sessions(machine)
        self.files: Files
        self._library = library
        self._members = {
            number: library.member_class(number) for number in (context.id, *context.peers)
        }
        self._streams: dict[NodeId, Stream] = {}
        # what is said, with the number of the write that must be durable before; see _say
        self._held: deque[tuple[int, Callable[[], None]]] = deque()
        self._writes = self._durable = self._syncing = 0
        # the clock as the library knows it; see monotonic_s
        self._looks = self._latest_ns = 0
        self._object: Any = None

    # ---- events

    def on_start(self, recovered: Recovered) -> None:
        self._act()
        self.files = Files(self.context.disk, recovered, self._written)
        others = [self._members[peer] for peer in self.context.peers]
        self._transport = self._library.transport_class(self._carry)
        self._machine = self._library.machine_class(self.sessions)
        self._object = self._library.syncobj.SyncObj(
            self._members[self.context.id],
            others,
            conf=self._configuration(),
            consumers=[self._machine],
            nodeClass=lambda name: self._members[int(name[1:])],
            transport=self._transport,
        )
        self.log = LogView(self._private("raftLog"), self._library.pickle)
        timeout_ns = round(self._object.conf.connectionTimeout * 1e9)
        for peer in self.context.peers:
            member = self._members[peer]
            endpoint = Endpoint(
                now_ns=self.context.clock.monotonic_ns,
                send=partial(self._send, peer),
                draw=lambda: 1 + self.context.rng.below(1 << 48),
                on_connected=partial(self._transport.connected, member),
                on_disconnected=partial(self._transport.disconnected, member),
                on_payload=partial(self._receive, member),
            )
            self._streams[peer] = Stream(
                endpoint,
                peer,
                asks=self.context.id > peer,
                timeout_ns=timeout_ns,
                retry_ns=self.options.retry_ns,
            )
        self._sync()
        self.context.set_timer("tick", 1 + self.context.rng.below(self.options.tick_ns))
        if not self.options.holds_back:
            self.context.set_timer("write-back", self.options.write_back_ns)

    def on_message(self, source: NodeId, message: Message) -> None:
        self._act()
        self._streams[source].on_message(message)
        if type(message) is not Received:  # of those, TCP tells nobody
            self._tick()
        self._sync()

    def on_timer(self, name: str) -> None:
        self._act()
        if name == "write-back":
            self.context.disk.sync(0)
            self.context.set_timer("write-back", self.options.write_back_ns)
            return
        for stream in self._streams.values():
            stream.tick()
        self._tick()
        self._sync()
        self.context.set_timer("tick", self.options.tick_ns)

    def on_durable(self, token: int) -> None:
        self._durable = max(self._durable, token)
        self._syncing = 0
        while self._held and self._held[0][0] <= self._durable:
            self._held.popleft()[1]()
        self._sync()

    def on_request(self, request: ClientRequest) -> None:
        self._act()
        self._machine.execute(
            request.session, request.serial, request.command, callback=partial(self._done, request)
        )

    def status(self) -> NodeStatus:
        return NodeStatus(
            role=self.role, term=self.term, leader=self.leader, committed=self.committed
        )

    # ---- what invariants look at

    @property
    def role(self) -> str:
        return ROLES[self._private("raftState")]

    @property
    def term(self) -> int:
        term: int = self._object.raftCurrentTerm
        return term

    @property
    def voted_for(self) -> NodeId:
        name = self._private("votedForNodeId")
        return 0 if name is None else int(name[1:])

    @property
    def leader(self) -> NodeId:
        leader = self._object._getLeader()
        return 0 if leader is None else leader.number

    @property
    def committed(self) -> int:
        index: int = self._object.raftCommitIndex
        return index

    @property
    def applied(self) -> int:
        index: int = self._object.raftLastApplied
        return index

    def _private(self, name: str) -> Any:
        return getattr(self._object, f"_SyncObj__{name}")

    # ---- Surroundings of the library

    def _act(self) -> None:
        """An event begins: from now on the library works for this node."""
        self._library.acting = self
        self._looks = 0

    def monotonic_s(self) -> float:
        """The node's clock, and a little more each time it is looked at within an event: some of
        the library's loops go on until time has passed."""
        self._looks = looks = self._looks + 1
        now_ns = self.context.clock.monotonic_ns() + looks * LOOK_NS
        if looks > USUAL_LOOKS:
            now_ns += (looks - USUAL_LOOKS) * MILLISECOND_NS
        if now_ns < self._latest_ns:
            now_ns = self._latest_ns
        self._latest_ns = now_ns
        return now_ns / 1e9

    def random(self) -> float:
        return self.context.rng.below(1 << _RANDOM_BITS) / (1 << _RANDOM_BITS)

    def note(self, event: str) -> None:
        self.context.probe(event)

    # ---- the library

    def _configuration(self) -> Any:
        files = {"journalFile": "journal", "fullDumpFile": "dump"} if self.options.journal else {}
        return self._library.conf_class(
            autoTick=False,
            useFork=False,
            logCompactionMinEntries=self.options.snapshot_entries,
            appendEntriesBatchSizeBytes=self.options.batch_bytes,
            onStateChanged=self._state_changed,
            **files,
        )

    def _state_changed(self, old: int, new: int) -> None:
        if ROLES[new] == "leader":
            self.context.probe("elected", term=self.term)

    def _tick(self) -> None:
        """One round of the library's thread, which survives whatever goes wrong in it."""
        try:
            self._object.doTick(0)
        except SplitbrainError:
            raise
        except Exception as error:
            self.context.probe(f"exception-in-tick-{type(error).__name__}")

    def _receive(self, member: Any, payload: bytes) -> None:
        try:
            self._transport.received(member, self._library.pickle.loads(payload))
        except SplitbrainError:
            raise
        except Exception as error:
            self.context.probe(f"exception-in-message-{type(error).__name__}")

    def _done(self, request: ClientRequest, result: Any, reason: int) -> None:
        reasons = self._library.reasons
        if reason == reasons.SUCCESS:
            self._reply(request, ClientReply(request.id, True, result))
        elif reason in (
            reasons.QUEUE_FULL,
            reasons.MISSING_LEADER,
            reasons.DISCARDED,
            reasons.NOT_LEADER,
            reasons.REQUEST_DENIED,
        ):
            hint = 0 if self.leader == self.context.id else self.leader
            self._reply(request, ClientReply(request.id, False, None, f"reason {reason}", hint))
        else:
            self.context.probe("outcome-unknown")

    # ---- saying things, and the disk

    def _carry(self, peer: NodeId, message: Any) -> bool:
        """Send a message of the library's."""
        kind, term = message["type"], message.get("term", 0)
        return self._streams[peer].send(kind, term, self._library.pickle.dumps(message))

    def _send(self, peer: NodeId, message: Message) -> None:
        self._say(partial(self.context.send, peer, message))

    def _reply(self, request: ClientRequest, reply: ClientReply) -> None:
        self._say(partial(self.context.reply, request, reply))

    def _say(self, words: Callable[[], None]) -> None:
        """Now, or as soon as what was written before is durable."""
        if self._writes > self._durable and self.options.holds_back:
            self._held.append((self._writes, words))
        else:
            words()

    def _written(self) -> None:
        self._writes += 1

    def _sync(self) -> None:
        if self.options.holds_back and self._writes > max(self._durable, self._syncing):
            self._syncing = self._writes
            self.context.disk.sync(self._writes)
