"""A gossip node: what belongs together, and what must not leave before the disk has it.

                      ┌─ Gossiper ── Membership, FailureDetector        who is there
                      ├─ Coordinator ── Selector                        what clients ask
    GossipNode ───────┼─ Distributor                                    what is new here
    clock, disk       ├─ Repair                                         what is missing here
                      └─ Store ── Orswot, Storage;  ObjectReplica       what there is

Changes are done in memory at once and written to the journal; whatever would let anybody know of
them (acknowledgements, answers, batches, repairs) is held back by `release` until the disk has
them. So nobody ever sees what a crash could undo. Timestamps are guarded the same way: the disk
knows a bound that no stamp has reached, and the next life begins there.

Fault model: crashes with loss of everything unsynced, any loss, delay, duplication and reordering
of messages, clocks that drift and jump. A disk that is lost comes back empty and is filled by
repair; what only it had is gone.

Sources: research on Datacake and chitchat, with their known defects mended;
`docs/systems/gossip.md` says which, and where this system departs from them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.node import ClientRequest, Context, Nanoseconds, NodeId, NodeStatus, Recovered
from systems.crdt import Objects, Timestamp
from systems.gossip.clock import HybridClock, SteadyWall
from systems.gossip.coordinator import Coordinator
from systems.gossip.distributor import Distributor
from systems.gossip.failure_detector import FailureDetector
from systems.gossip.gossiper import Gossiper
from systems.gossip.journal import DiskStorage, Journal, NoJournal
from systems.gossip.levels import Selector
from systems.gossip.messages import (
    AskState,
    Batch,
    BatchTaken,
    Fetch,
    Fetched,
    GossipAck,
    Poll,
    Read,
    ReadAnswer,
    State,
    Summary,
    Syn,
    SynAck,
    Write,
    Written,
)
from systems.gossip.options import GossipOptions
from systems.gossip.repair import Repair
from systems.gossip.replica import ObjectReplica
from systems.gossip.storage import MemoryStorage
from systems.gossip.store import BATCH, Store

DATA_CENTER = "data_center"


class Meta(msgspec.Struct, frozen=True, array_like=True):
    """What the metadata cell holds.

    `birth` is the generation in which the disk was new; it makes replicas of lost disks others.
    """

    generation: int
    birth: int
    ceiling_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode_meta = msgspec.msgpack.Decoder(Meta).decode


class GossipNode:
    """Implements `harness.node.Node`. Flawed variants put other classes in the places below."""

    clock_class: type[HybridClock] = HybridClock
    gossiper_class: type[Gossiper] = Gossiper
    detector_class: type[FailureDetector] = FailureDetector
    coordinator_class: type[Coordinator] = Coordinator
    selector_class: type[Selector] = Selector
    distributor_class: type[Distributor] = Distributor
    repair_class: type[Repair] = Repair
    store_class: type[Store] = Store

    def __init__(self, context: Context, machine: Objects, options: GossipOptions) -> None:
        self.context = context
        self.options = options
        self._machine = machine
        self.total = len(context.peers) + 1
        self._position = 0  # changes to the disk so far; those up to `_durable` are on it
        self._durable = 0
        self._asked_for = 0
        self._held: deque[tuple[int, Callable[[], object]]] = deque()
        self.started = False
        #: How many messages of each kind it has sent in this life.
        self.sent: Counter[str] = Counter()

    def on_start(self, recovered: Recovered) -> None:
        """Begin a new life with what the disk kept, and gossip once its generation is durable."""
        options = self.options
        wall = self.physical_time()
        self.meta = self.next_meta(
            None if recovered.meta is None else _decode_meta(recovered.meta), wall()
        )
        in_memory = options.storage == "memory"
        self.journal = (NoJournal if in_memory else Journal)(
            self.context.disk,
            Recovered() if in_memory else recovered,
            compact_every=options.compact_every,
        )
        self.storage = MemoryStorage() if in_memory else DiskStorage(self.journal)
        self.store = self.store_class(self.storage, self.journal)
        birth = self.meta.generation if in_memory else self.meta.birth
        self.objects = ObjectReplica(self._machine, self.journal, self.replica_name(birth))
        self.clock = self.clock_class(
            self.context.id,
            wall,
            max_drift_ms=options.max_drift_ms,
            last=self.clock_start(),
        )
        home = options.data_center_of(self.context.id, self.total)
        self.selector = self.selector_class(self.context.id, home, self.context.rng.below)
        detector = self.detector_class(options)
        self.gossiper = self.gossiper_class(self, self.meta.generation, detector)
        self.gossiper.membership.set(DATA_CENTER, home)
        self.coordinator = self.coordinator_class(self)
        self.distributor = self.distributor_class(self)
        self.repair = self.repair_class(self)
        self._put_meta(self.meta)
        self.release(self._begin)

    def physical_time(self) -> Callable[[], int]:
        """What to take for physical time, in milliseconds."""
        return SteadyWall(self.context.clock, window_ms=self.options.max_drift_ms // 2)

    def next_meta(self, kept: Meta | None, now_ms: int) -> Meta:
        """The generation of this life is greater than all before, even if the disk was lost."""
        if kept is None:
            return Meta(now_ms + 1, now_ms + 1, 0)
        return Meta(max(kept.generation, now_ms) + 1, kept.birth, kept.ceiling_ms)

    def clock_start(self) -> Timestamp:
        """Nothing was stamped here above this in earlier lives, and nothing that is held lies
        above: others, whose clocks are ahead, may have stamped that."""
        own = Timestamp(self.meta.ceiling_ms, 0, self.context.id)
        return max(own, self.store.latest(), self.objects.latest())

    def replica_name(self, birth: int) -> str:
        """As whom to update CRDTs: another one for every disk."""
        return f"{self.context.id}.{birth}"

    def _begin(self) -> None:
        self.started = True
        options = self.options
        for name, period_ns in (
            ("gossip", options.gossip_ns),
            ("batch", options.batch_ns),
            ("repair", options.repair_ns),
            ("purge", options.purge_ns),
        ):
            self.context.set_timer(name, self.context.rng.below(period_ns) + 1)

    # ---- events

    def on_message(self, source: NodeId, message: Any) -> None:
        if not self.started:
            return
        clock = getattr(message, "clock", None)
        if clock is not None:
            self.believes(clock)
        match message:
            case Syn():
                self.gossiper.on_syn(source, message)
            case SynAck():
                self.gossiper.on_syn_ack(source, message)
            case GossipAck():
                self.gossiper.on_ack(message)
            case Write():
                self.coordinator.on_write(source, message)
            case Written():
                self.coordinator.on_written(source, message)
            case Read():
                self.coordinator.on_read(source, message)
            case ReadAnswer():
                self.coordinator.on_read_answer(source, message)
            case Batch():
                self.on_batch(source, message)
            case BatchTaken():
                self.distributor.on_taken(source, message.number)
            case Poll():
                self.repair.on_poll(source, message)
            case Summary():
                self.repair.on_summary(source, message)
            case AskState():
                self.repair.on_ask_state(source, message)
            case State():
                self.repair.on_state(source, message)
            case Fetch():
                self.repair.on_fetch(source, message)
            case Fetched():
                self.repair.on_fetched(source, message)

    def on_timer(self, name: str) -> None:
        options = self.options
        match name:
            case "gossip":
                self.gossiper.round()
                self.context.set_timer(name, options.gossip_ns)
            case "batch":
                self.distributor.tick()
                self.context.set_timer(name, options.batch_ns)
            case "repair":
                self.repair.tick()
                self.context.set_timer(name, options.repair_ns)
            case "purge":
                self.repair.purge()
                self.context.set_timer(name, options.purge_ns)
            case "levels":
                self.coordinator.expire()

    def on_request(self, request: ClientRequest) -> None:
        if self.started:
            self.coordinator.on_request(request)

    def on_durable(self, token: Any) -> None:
        """Let go of what waited for the disk."""
        self._durable, self.storage.trail.durable = token
        while self._held and self._held[0][0] <= self._durable:
            self._held.popleft()[1]()

    def status(self) -> NodeStatus:
        return NodeStatus(role="member" if self.started else "starting")

    # ---- what the parts share

    def send(self, target: NodeId, message: Any) -> None:
        """Send a message to another node."""
        self.sent[type(message).__name__] += 1
        self.context.send(target, message)

    def now_ns(self) -> Nanoseconds:
        """This node's monotonic time."""
        return self.context.clock.monotonic_ns()

    def stamp(self) -> Timestamp:
        """A timestamp for something that happens here; it may leave once it is released.

        Raises `systems.gossip.clock.ClockDrift`.
        """
        return self._covered(self.clock.stamp())

    def moment(self) -> Timestamp:
        """Whatever this node stamped is at or below it, in all its lives so far; later ones are
        above. It may leave once it is released."""
        return self._covered(self.clock.advance())

    def _covered(self, stamp: Timestamp) -> Timestamp:
        """The next life will begin above `stamp`, as soon as the disk knows."""
        if stamp.wall_ms >= self.meta.ceiling_ms:
            ceiling_ms = stamp.wall_ms + self.options.clock_lead_ms
            self._put_meta(msgspec.structs.replace(self.meta, ceiling_ms=ceiling_ms))
        return stamp

    def believes(self, timestamp: Timestamp) -> bool:
        """Go on after `timestamp`; False if it is too far in the future to be true."""
        if self.clock.hear(timestamp):
            return True
        self.context.probe("timestamp-from-the-future")
        return False

    def release(self, output: Callable[[], object]) -> None:
        """Do `output` once everything that was changed so far is durable."""
        position = self._position + self.journal.written
        if position <= self._durable and not self._held:
            output()
            return
        self._held.append((position, output))
        if position > self._asked_for:
            self._asked_for = position
            self.context.disk.sync((position, self.storage.trail.count))

    def flush(self) -> None:
        """Make what was changed so far durable; nobody waits for it."""
        self.release(lambda: None)

    def _put_meta(self, meta: Meta) -> None:
        self.meta = meta
        self._position += 1
        self.context.disk.put_meta(_encode(meta))

    def begin_generation(self, generation: int) -> None:
        """Others know a later life of this node than this one: live one beyond that."""
        if generation > self.meta.generation:
            self._put_meta(msgspec.structs.replace(self.meta, generation=generation))
            self.release(lambda: self.gossiper.new_generation(generation))

    def roster(self) -> list[NodeId]:
        """All members, alive or not, but for those that were given up."""
        known = {self.context.id, *self.context.peers, *self.gossiper.membership.peers}
        return sorted(known - self.gossiper.given_up)

    def data_center(self, node: NodeId) -> str:
        """Where a node stands: as it says, or as is to be expected."""
        said = self.gossiper.membership.fact(node, DATA_CENTER)
        return str(said) if said is not None else self.options.data_center_of(node, self.total)

    def counted(self) -> dict[NodeId, str]:
        """The members that levels count, with their data centres."""
        if self.options.count_members == "known":
            members: Sequence[NodeId] = self.roster()
        else:
            members = [self.context.id, *self.gossiper.live]
        return {member: self.data_center(member) for member in members}

    def members_changed(self, live: tuple[NodeId, ...]) -> None:
        """Other nodes live now."""
        self.context.probe("members-changed", live=len(live))
        self.distributor.members_changed(live)

    # ---- objects and batches

    def object_stamp(self) -> Timestamp:
        """When an update of a CRDT happens."""
        return self.stamp()

    def update_object(
        self, request: ClientRequest, name: str, method: str, arguments: Sequence[Any]
    ) -> None:
        """Update a CRDT here, and let all others know."""
        if request.serial <= self.objects.last_serials.get(request.session, 0):
            return  # done in an earlier life
        change = self.objects.update(
            name,
            method,
            arguments,
            stamp=self.object_stamp(),
            session=request.session,
            serial=request.serial,
        )

        def tell() -> None:
            self.distributor.add_object(change)
            self.coordinator.answer(request, None)

        self.release(tell)

    def on_batch(self, source: NodeId, message: Batch) -> None:
        """What another node changed; whatever is not to be believed is left to repair."""
        believed = [change for change in message.changes if self.believes(change.timestamp)]
        self.store.apply(believed, source=BATCH)
        for state in message.objects:
            self.objects.merge(state)
        self.release(lambda: self.send(source, BatchTaken(message.number)))
