"""The lives of the nodes: their beginnings and ends, and what outlasts them.

    boot ─▶ UP ─▶ crash ─▶ DOWN ─▶ restart ─▶ UP        a new incarnation: a new node object,
            UP ─▶ pause ─▶ PAUSED ─▶ resume ─▶ UP       context and clock

A disk, the drift of a clock and the offset of a wall clock outlast a crash; whatever a disk had
not synced and all timers are gone. What comes to a paused node is held and arrives when it goes
on; what comes to a crashed one is lost.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.invariant import Invariant
from harness.node import Administered, Node, NodeFactory
from harness.randomness import stream
from harness.simulation.blame import is_of_code
from harness.simulation.context import SimulatedContext
from harness.simulation.disk import SimulatedDisk
from harness.simulation.failure import NodeFailure
from harness.simulation.guard import check_module, inside_node
from harness.simulation.recording import Event

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld

#: States of an endpoint; a client's port is always UP.
UP, DOWN, PAUSED = 0, 1, 2
STATES = ("up", "down", "paused")


class Lives:
    """The nodes of one world; lists are by the number of the node, with nothing at 0."""

    def __init__(
        self,
        world: SimulatedWorld,
        *,
        nodes: int,
        clients: int,
        factory: NodeFactory | None,
        drift_ppm: int,
        invariants: Sequence[Invariant],
    ) -> None:
        self._world = world
        self._factory = factory
        self.states = bytearray(nodes + clients + 1)
        self.objects: list[Node | None] = [None] * (nodes + 1)
        self.contexts: list[SimulatedContext | None] = [None] * (nodes + 1)
        self.incarnations = [0] * (nodes + 1)
        self.held: list[list[Event]] = [[] for _ in range(nodes + 1)]
        self.disks = [
            SimulatedDisk(schedule_flush=partial(self._schedule_flush, node))
            for node in range(nodes + 1)
        ]
        self.observers = tuple(invariant.observe for invariant in invariants)
        self._drifts_ppm = [0] + [
            stream(world.seed, "drift", node).randint(-drift_ppm, drift_ppm)
            for node in range(1, nodes + 1)
        ]
        self._offsets_ns = [0] * (nodes + 1)

    def _schedule_flush(self, node: int) -> None:
        self._world.push_flush(node, self.incarnations[node])

    def boot(self, node: int) -> None:
        """A new life begins, with what the disk has kept."""
        world = self._world
        assert self._factory is not None
        self.incarnations[node] += 1
        context = SimulatedContext(
            world,
            node,
            incarnation=self.incarnations[node],
            disk=self.disks[node],
            rate_ppm=self._drifts_ppm[node],
        )
        context.clock.skew(offset_ns=self._offsets_ns[node])
        with self._in_code_of(node, "it started"):
            made = self._factory(context)
            check_module(sys.modules[type(made).__module__])
            self.contexts[node] = context
            self.objects[node] = made
            self.states[node] = UP
            made.on_start(self.disks[node].recover())
            for observe in self.observers:
                observe(world, node, made)
            world.log.became(world.now_ns, node, "up")
            world.log.look(world.now_ns, node, made.status())

    def crash(self, node: int, mode: Any = "torn") -> None:
        """A life ends; `mode` says what becomes of what the disk has not synced."""
        context = self.contexts[node]
        if self.states[node] == DOWN or context is None:
            return
        context.die()
        self.states[node] = DOWN
        self._world.log.became(self._world.now_ns, node, "down")
        self.held[node].clear()
        self.contexts[node] = None
        self.objects[node] = None
        self.incarnations[node] += 1
        self.disks[node].crash(mode, stream(self._world.seed, "crash", node, self._world.now_ns))

    def restart(self, node: int) -> None:
        """Boot the node if it is down."""
        if self.states[node] == DOWN:
            self.boot(node)

    def pause(self, node: int) -> None:
        """Freeze the node if it is up."""
        if self.states[node] == UP:
            self.states[node] = PAUSED
            self._world.log.became(self._world.now_ns, node, "paused")

    def resume(self, node: int) -> None:
        """All that was held arrives now, in its order; timers ring late."""
        if self.states[node] != PAUSED:
            return
        self.states[node] = UP
        self._world.log.became(self._world.now_ns, node, "up")
        held, self.held[node] = self.held[node], []
        for event in held:
            self._world.push_again(event)

    def skew(self, node: int, *, offset_ns: int, rate_ppm: int) -> None:
        """Step the node's wall clock, and let its clock run at another rate from now on."""
        self._drifts_ppm[node] = rate_ppm
        self._offsets_ns[node] += offset_ns
        context = self.contexts[node]
        if context is not None:
            context.clock.skew(offset_ns=offset_ns, rate_ppm=rate_ppm)

    def order(self, node: int, order: Any) -> None:
        """An operator at a node tells it what to do; see `harness.node.Administered`."""
        found = self.objects[node]
        if self.states[node] != UP or not isinstance(found, Administered):
            return
        with self._in_code_of(node, f"it carried out the order {order!r}"):
            found.on_order(order)
            for observe in self.observers:
                observe(self._world, node, found)

    @contextmanager
    def _in_code_of(self, node: int, under_way: str) -> Iterator[None]:
        """What is raised in here is the failure of the node, if it is of its code."""
        try:
            with inside_node():
                yield
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                error.add_note(f"It was in n{node} while {under_way}.")
            if not is_of_code(error):
                raise
            raise self.failure(node, under_way, error) from error

    def failure(self, node: int, under_way: str, error: BaseException) -> NodeFailure:
        """The error that a node has raised, now."""
        return NodeFailure(node, self._world.now_ns, self._world.seed, under_way, error)
