"""A node's side of the simulated world: the `Context` of one incarnation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.node import ClientReply, ClientRequest
from harness.randomness import NodeRng, keyed_ratio
from harness.simulation.clock import NodeClock
from harness.simulation.disk import SimulatedDisk
from harness.simulation.failure import Misuse
from harness.simulation.timers import Timer, whole_delay_ns
from harness.simulation.trace import PROBE

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld

#: As in FoundationDB: a site is active in a quarter of the runs, and then fires a quarter of the
#: times that it is reached.
_BUGGIFY_RATIO = 0.25


class SimulatedContext:
    """Implements `harness.node.Context` for one incarnation of one node."""

    __slots__ = ("_timers", "_world", "clock", "disk", "id", "incarnation", "peers", "rng", "send")

    def __init__(
        self,
        world: SimulatedWorld,
        node: int,
        *,
        incarnation: int,
        disk: SimulatedDisk,
        rate_ppm: int,
    ) -> None:
        self._world = world
        self._timers: dict[str, Timer] = {}
        self.id = node
        self.incarnation = incarnation
        self.peers = tuple(peer for peer in world.nodes if peer != node)
        self.disk = disk
        self.clock = NodeClock(world, rate_ppm=rate_ppm)
        self.rng = NodeRng(world.stream("node", node, incarnation))
        self.send: Callable[[int, Any], None] = partial(world.transmit, node)

    def reply(self, request: ClientRequest, reply: ClientReply) -> None:
        if not isinstance(reply, ClientReply):
            raise Misuse(
                f"A node answered a request with {reply!r}, which is no ClientReply. Answer with "
                "context.reply(request, ClientReply(request.id, True, value)), or with "
                "ClientReply(request.id, False, error=...) to refuse."
            )
        if not 0 <= reply.hint <= len(self.peers) + 1:
            raise Misuse(
                f"A node answered a request with {reply!r}, whose hint is nobody: "
                f"{self._world.describe_endpoints()}. A hint is the number of the node to ask "
                "instead, or 0 if none is known."
            )
        self._world.transmit(self.id, request.client, reply)

    def set_timer(self, name: str, delay_ns: int) -> None:
        if delay_ns.__class__ is not int or delay_ns < 0:
            delay_ns = whole_delay_ns(name, delay_ns)
        timer = self._timers.get(name)
        if timer is None:
            number = self._world.timers.number(name)
            timer = self._timers[name] = Timer(self.id, name, number)
        clock = self.clock
        if clock.rate_ppm:
            delay_ns = clock.to_true_ns(delay_ns)
        deadline_ns = self._world.now_ns + delay_ns
        timer.deadline_ns = deadline_ns
        if timer.armed_ns < 0 or deadline_ns < timer.armed_ns:
            self._world.push_timer(timer, deadline_ns)

    def cancel_timer(self, name: str) -> None:
        timer = self._timers.get(name)
        if timer is not None:
            timer.deadline_ns = -1

    def probe(self, event: str, /, **numbers: int) -> None:
        if event.__class__ is not str:
            raise Misuse(f"A node noted {event!r}; what a node notes is a string, with numbers=...")
        world = self._world
        world.note(self.id, event)
        world.log.record((world.now_ns, 0, PROBE, self.id, self.id, (event, numbers), 0))

    def buggify(self, site: str) -> bool:
        world = self._world
        if not world.buggify_enabled:
            return False
        number = world.timers.number("buggify/" + site)
        if keyed_ratio(world.seed, number, 25) >= _BUGGIFY_RATIO:
            return False
        return keyed_ratio(world.seed, number, self.id, world.now_ns) < _BUGGIFY_RATIO

    def die(self) -> None:
        """The node has crashed: none of its timers will ring."""
        for timer in self._timers.values():
            timer.armed_ns = timer.deadline_ns = -1
