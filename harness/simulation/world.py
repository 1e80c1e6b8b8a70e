"""The simulated world: one heap of events, and everything that happens is popped from it.

    (time_ns, order, kind, destination, source, payload, sent_ns)
       MESSAGE  deliver to a node or to a client's port
       TIMER    a node's timer, on the node's own clock
       DISK     a flush has ended
       CALL     something of the harness (a fault, the next operation)
       WAKE     a parked task goes on

At equal times a waking task comes first, the events of nodes follow in the order in which they
were made, and the harness's own calls come last, in original and replay alike. Every delivery,
timer and flush enters the trace and the digest, which is a function of the seed alone: equal in
every process, whatever PYTHONHASHSEED is.

Limits: one thread. A handler of a node takes no virtual time.

>>> from harness.simulation.driver import simulate
>>> from harness.node import ClientReply, NodeStatus
>>> class Echo:
...     def __init__(self, context): self.context = context
...     def on_start(self, recovered): pass
...     def on_request(self, request):
...         self.context.reply(request, ClientReply(request.id, True, request.command))
...     def status(self): return NodeStatus(role="echo")
>>> world = SimulatedWorld(seed=1, nodes=1, clients=1, factory=Echo)
>>> async def client():
...     reply = await world.port(0).call(
...         1, "hello", session=1, serial=1, read_only=True, timeout_ns=10**9)
...     print(reply.value)
>>> simulate(world, client)
hello
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any

from harness.errors import UsageError
from harness.invariant import Invariant
from harness.node import Node, NodeFactory, NodeStatus, endpoint_name
from harness.randomness import keyed_ratio, stream
from harness.simulation import blame
from harness.simulation.driver import Tasks, Waiter
from harness.simulation.faults import carry_out
from harness.simulation.guard import enter, guarded, leave
from harness.simulation.lives import PAUSED, STATES, UP, Lives
from harness.simulation.network import LinkModel, Network
from harness.simulation.port import SimulatedPort
from harness.simulation.recording import EVENTS_MAX, Event, Log
from harness.simulation.timers import Timer, Timers
from harness.simulation.trace import (
    CALL,
    DISK,
    FAULT,
    LOST,
    MESSAGE,
    RING_EVENTS,
    TIMER,
    WAKE,
    TraceEvent,
)
from harness.simulation.watchdog import watched
from harness.simulation.wire import Wire
from harness.world import Action

_MULTIPLIER = 0x94D049BB133111EB
_SECOND_MULTIPLIER = 0xBF58476D1CE4E5B9
_MASK = (1 << 24) - 1
_FIRST_HARNESS_ORDER = -(1 << 62)
_LAST_NODE_ORDER = 1 << 62
_HASH_BITS = (1 << sys.hash_info.width) - 1

#: Who is to go on, if anybody is, and with what.
Woken = tuple[Waiter | None, Any]

#: time_ns, node, event: something that a node noted
Probe = tuple[int, int, str]
#: So many probes are kept with their times; beyond that they are only counted.
MAXIMUM_PROBES = 100_000


class SimulatedWorld:
    """Implements `harness.world.World` in virtual time.

    `factory` makes a node from its context. `clients` ports are endpoints `nodes + 1` and up.
    `drift_ppm` bounds the drift of each node's clock, drawn by seed; `flush_ns` is the range of
    the time that a disk takes to sync. With `wire`, every message is encoded and decoded. The
    `invariants` look at a node after each of its events. `log` takes the place of the world's own.
    The nodes start at once, or only by `start` if `started` is false. A node that raises, here or
    later, is a `NodeFailure`.
    """

    def __init__(
        self,
        *,
        seed: int,
        nodes: int,
        clients: int,
        factory: NodeFactory | None = None,
        link: LinkModel | None = None,
        drift_ppm: int = 100,
        flush_ns: tuple[int, int] = (200_000, 800_000),
        trace_capacity: int = RING_EVENTS,
        buggify: bool = False,
        wire: Wire | None = None,
        invariants: Sequence[Invariant] = (),
        log: Log | None = None,
        started: bool = True,
    ) -> None:
        if nodes and factory is None:
            raise UsageError("A world with nodes needs a factory that makes them.")
        self.seed = seed
        self.now_ns = 0
        self.nodes = tuple(range(1, nodes + 1))
        self.buggify_enabled = buggify
        self.delivered = 0
        self.dropped = 0
        self.goals: dict[str, int] = {}
        self.probes: list[Probe] = []
        self.trace_capacity = trace_capacity
        self.log = log or Log(nodes=nodes, capacity=max(EVENTS_MAX, trace_capacity))
        self.log.wire = wire
        self.tasks = Tasks(self)
        self.network = Network(nodes + clients, link or LinkModel())
        self.wire = wire
        self._digest = 0
        self._order = 0
        self._harness_order = _FIRST_HARNESS_ORDER
        self._heap: list[Event] = []
        self._flush_ns = flush_ns
        # the hottest lists of the network, at hand
        self._links = self.network.links
        self._stride = self.network.stride
        self._cuts = self.network.cuts
        self._tables = self.network.tables
        self._last_sent_ns = [-1] * (self.network.stride * self.network.stride)
        self._burst = [0] * (self.network.stride * self.network.stride)
        self.timers = Timers(self)
        self._ports = {
            nodes + 1 + client: SimulatedPort(self, nodes + 1 + client) for client in range(clients)
        }
        self.lives = lives = Lives(
            self, nodes=nodes, clients=clients, factory=factory, drift_ppm=drift_ppm,
            invariants=invariants,
        )  # fmt: skip
        # the hottest lists of the nodes, at hand
        self._states = lives.states
        self._node_objects = lives.objects
        if started:
            self.start()

    def start(self) -> None:
        """Let all nodes begin their first lives."""
        with guarded(), watched(self):
            for node in self.nodes:
                self.lives.boot(node)

    # ---- what clients, nemeses and the runner see

    @property
    def running(self) -> tuple[int, ...]:
        return tuple(node for node in self.nodes if self._states[node] == UP)

    @property
    def digest(self) -> str:
        """The rolling digest of all that happened so far, 16 hexadecimal digits."""
        return f"{self._digest & _HASH_BITS:016x}"

    def stream(self, *name: str | int) -> Random:
        return stream(self.seed, *name)

    def port(self, client: int) -> SimulatedPort:
        return self._ports[len(self.nodes) + 1 + client]

    def status(self, node: int) -> NodeStatus | None:
        if node not in self.nodes:
            raise UsageError(f"There is no node {node!r}; {self.describe_endpoints()}.")
        found = self._node_objects[node]
        return None if found is None else found.status()

    def leader(self) -> int | None:
        leading = [
            (status.term, node)
            for node in self.running
            if (status := self.status(node)) is not None and status.role == "leader"
        ]
        return max(leading)[1] if leading else None

    def node_object(self, node: int) -> Node | None:
        """The node itself, for invariants and tests; None while it is down."""
        return self._node_objects[node]

    def true_time_ns(self, node: int, local_ns: int) -> int:
        """When the monotonic clock of a running node shows `local_ns`, at its present rate.

        Raises UsageError if the node is down.
        """
        context = self.lives.contexts[node]
        if context is None:
            raise UsageError(f"Node n{node} is down, so it has no clock.")
        return self.now_ns + context.clock.to_true_ns(local_ns - context.clock.monotonic_ns())

    def name(self, endpoint: int) -> str:
        """`n1`, `n2`, ... for nodes and `c0`, `c1`, ... for clients."""
        return endpoint_name(endpoint, len(self.nodes))

    def describe_nodes(self) -> str:
        """The state of every node, for error messages."""
        return ", ".join(f"n{node} {STATES[self._states[node]]}" for node in self.nodes) or "none"

    def describe_endpoints(self) -> str:
        """Which numbers nodes and clients have, for error messages."""
        nodes = len(self.nodes)
        clients = self._stride - 1 - nodes
        told = f"nodes are 1 to {nodes}" if nodes else "this world has no nodes"
        return told + (f", clients {nodes + 1} to {nodes + clients}" if clients else "")

    @property
    def trace(self) -> list[TraceEvent]:
        """The last events, at most `trace_capacity`, without messages that were lost."""
        return self.log.trace(self.trace_capacity)

    async def perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self.act(action)

    def act(self, action: Action) -> None:
        """Do one action of the table in `harness.world`; unknown ones raise UsageError."""
        verb, *arguments = action or [""]
        self.log.record((self.now_ns, 0, FAULT, 0, 0, action, 0))
        self._digest = hash((self._digest, self.now_ns, FAULT, len(arguments)))
        carry_out(self, verb, arguments)

    # ---- the heap

    def call_at(self, time_ns: int, function: Callable[[], Woken | None]) -> None:
        """Call `function` at the given time, after all events of nodes at that time."""
        self._harness_order += 1
        order = self._harness_order - _FIRST_HARNESS_ORDER + _LAST_NODE_ORDER
        heappush(self._heap, (time_ns, order, CALL, 0, 0, function, 0))

    def wake_at(self, time_ns: int, waiter: Waiter, value: Any) -> None:
        """Wake a parked task at the given time with `value`, before all events of nodes then."""
        self._harness_order += 1
        heappush(self._heap, (time_ns, self._harness_order, WAKE, 0, 0, (waiter, value), 0))

    def advance(self, time_ns: int) -> None:
        """Let time pass up to `time_ns` without events."""
        self.now_ns = max(self.now_ns, time_ns)

    def transmit(self, source: int, destination: int, message: Any) -> None:
        """Put a message on the link from `source` to `destination`.

        Every draw is keyed by (seed, link, time, place in a burst), so that one message more or
        less elsewhere leaves the fate of this one as it was.
        """
        try:
            link = self._links[source][destination]
        except (KeyError, TypeError):
            raise blame.sent_to_nobody(self, source, destination, message) from None
        now_ns = self.now_ns
        if self._cuts[link]:
            self.dropped += 1
            self.log.record((now_ns, 0, LOST, destination, source, message, now_ns))
            return
        if self._last_sent_ns[link] == now_ns:
            self._burst[link] = burst = self._burst[link] + 1
        else:
            self._last_sent_ns[link] = now_ns
            self._burst[link] = burst = 0
        mixed = hash((self.seed, link, now_ns, burst))
        mixed = (mixed ^ (mixed >> 29)) * _MULTIPLIER
        network = self.network
        latency_ns = self._tables[link][mixed >> 40 & 4095] + network.extra_ns[link]
        if self.wire is not None:
            message = self.wire.encode(message)
        if network.loss[link] or network.duplicate[link]:
            fate = ((mixed ^ (mixed >> 31)) * _SECOND_MULTIPLIER >> 40) & _MASK
            if fate < network.loss[link]:
                self.dropped += 1
                self.log.record((now_ns, 0, LOST, destination, source, message, now_ns))
                return
            if _MASK - fate < network.duplicate[link]:
                self._order += 1
                again_ns = max(now_ns + 2 * latency_ns, network.held_until_ns[link])
                event = (again_ns, self._order, MESSAGE, destination, source, message, now_ns)
                heappush(self._heap, event)
        arrival_ns = now_ns + latency_ns
        if network.held_until_ns[link] > arrival_ns:
            arrival_ns = network.held_until_ns[link]
        self._order = order = self._order + 1
        heappush(self._heap, (arrival_ns, order, MESSAGE, destination, source, message, now_ns))

    def fired(self, timer: Timer) -> None:
        """A timer of a node rings now."""
        node = self._node_objects[timer.node]
        self._digest = hash((self._digest, self.now_ns, TIMER, timer.number, timer.node))
        self.log.record((self.now_ns, 0, TIMER, timer.node, timer.node, timer.name, 0))
        assert node is not None
        node.on_timer(timer.name)
        for observe in self.lives.observers:
            observe(self, timer.node, node)
        self.log.look(self.now_ns, timer.node, node.status())

    def note(self, node: int, event: str) -> None:
        """Count a probe of a node, and remember when it was passed."""
        self.goals[event] = self.goals.get(event, 0) + 1
        self.log.look_at_ns[node] = 0
        if len(self.probes) < MAXIMUM_PROBES:
            self.probes.append((self.now_ns, node, event))

    def push_flush(self, node: int, incarnation: int) -> None:
        """Put the end of a flush of the node's disk on the heap."""
        low_ns, high_ns = self._flush_ns
        ratio = keyed_ratio(self.seed, node, self.now_ns, DISK)
        self._order += 1
        time_ns = self.now_ns + low_ns + int(ratio * (high_ns - low_ns))
        heappush(self._heap, (time_ns, self._order, DISK, node, 0, incarnation, 0))

    def push_timer(self, timer: Timer, time_ns: int) -> None:
        """Put an entry for `timer` on the heap, the one that counts."""
        self._order += 1
        timer.armed_ns = time_ns
        heappush(self._heap, (time_ns, self._order, TIMER, timer.node, timer.number, timer, 0))

    def push_again(self, event: Event) -> None:
        """Let an event that was held back happen now, after all that is on the heap for now."""
        _, _, kind, destination, source, payload, sent_ns = event
        self._order += 1
        if kind == TIMER:
            payload.armed_ns = self.now_ns
        again = (self.now_ns, self._order, kind, destination, source, payload, sent_ns)
        heappush(self._heap, again)

    def run(self, limit_ns: int | None = None) -> bool:
        """Let events happen up to `limit_ns`; return early, with True, when a task is to go on.

        Returns False when no event is left before the limit.
        """
        enter()
        event: Event | None = None
        heap = self._heap
        states = self._states
        nodes = self._node_objects
        last_node = len(self.nodes)
        cuts = self._cuts
        stride = self._stride
        wire = self.wire
        go_on = self.tasks.go_on
        lives = self.lives
        observers, held = lives.observers, lives.held
        timers = self.timers
        log = self.log
        record = log.record
        look_at_ns = log.look_at_ns
        try:
            while heap:
                if limit_ns is not None and heap[0][0] > limit_ns:
                    return False
                event = heappop(heap)
                time_ns, _, kind, destination, source, payload, sent_ns = event
                self.now_ns = time_ns
                if kind == MESSAGE:
                    if states[destination]:
                        if states[destination] == PAUSED:
                            held[destination].append(event)
                        else:
                            self.dropped += 1
                            record((time_ns, 0, LOST, destination, source, payload, sent_ns))
                        continue
                    if cuts[source * stride + destination]:
                        self.dropped += 1
                        record((time_ns, 0, LOST, destination, source, payload, sent_ns))
                        continue
                    self.delivered += 1
                    record(event)
                    self._digest = hash((self._digest, time_ns, kind, source, destination))
                    if wire is not None:
                        self._digest = hash((self._digest, wire.fingerprint(payload)))
                        try:
                            payload = wire.decode(payload)
                        except UsageError as error:
                            raise blame.sender_of(self, event, error) from error
                    if destination > last_node:
                        woken = self._ports[destination].on_reply(payload)
                        if woken is not None:
                            leave()
                            if go_on(*woken):
                                return True
                            enter()
                    elif source > last_node:
                        nodes[destination].on_request(payload)  # type: ignore[union-attr]
                    else:
                        nodes[destination].on_message(source, payload)  # type: ignore[union-attr]
                    if destination <= last_node:
                        node = nodes[destination]
                        for observe in observers:
                            observe(self, destination, node)
                        if time_ns >= look_at_ns[destination]:
                            log.look(time_ns, destination, node.status())  # type: ignore[union-attr]
                elif kind == DISK:
                    if payload != lives.incarnations[destination]:
                        continue
                    if states[destination] == PAUSED:
                        held[destination].append(event)
                        continue
                    self._digest = hash((self._digest, time_ns, kind, destination))
                    record((time_ns, 0, kind, destination, destination, None, 0))
                    node = nodes[destination]
                    for token in lives.disks[destination].flushed():
                        node.on_durable(token)  # type: ignore[union-attr]
                    for observe in observers:
                        observe(self, destination, node)
                    if time_ns >= look_at_ns[destination]:
                        log.look(time_ns, destination, node.status())  # type: ignore[union-attr]
                elif kind == TIMER:
                    timers.came_up(event)
                elif kind == WAKE:
                    if payload[0].task is not None:
                        leave()
                        if go_on(*payload):
                            return True
                        enter()
                else:
                    leave()
                    woken = payload()
                    if woken is not None and go_on(*woken):
                        return True
                    enter()
            return False
        except BaseException as error:
            explained = blame.explained(self, event, error)
            if explained is error:
                raise
            raise explained from error
        finally:
            leave()
