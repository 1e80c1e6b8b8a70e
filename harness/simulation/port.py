"""A client's endpoint of the simulated network: one request at a time, with a timeout."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from harness.node import ClientReply, ClientRequest, Command
from harness.simulation.driver import Waiter
from harness.simulation.failure import Misuse

if TYPE_CHECKING:
    from harness.simulation.world import SimulatedWorld

_Result = TypeVar("_Result")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def _plain(command: Command) -> Any:
    """The command as any network would deliver it: a copy, with lists for tuples.

    Otherwise a state machine would compare a tuple that came straight from a client with the
    list that a restarted node has read from its disk.
    """
    return _decode(_encode(command))


class SimulatedPort:
    """Implements `harness.world.Port`."""

    __slots__ = ("_endpoint", "_next_id", "_waiters", "_world")

    def __init__(self, world: SimulatedWorld, endpoint: int) -> None:
        self._world = world
        self._endpoint = endpoint
        self._next_id = 0
        self._waiters: dict[int, Waiter] = {}

    async def call(
        self,
        node: int,
        command: Command,
        *,
        session: int,
        serial: int,
        read_only: bool,
        timeout_ns: int,
    ) -> ClientReply | None:
        world = self._world
        self._next_id += 1
        number = self._next_id
        request = ClientRequest(
            client=self._endpoint,
            id=number,
            session=session,
            serial=serial,
            command=_plain(command),
            read_only=read_only,
        )
        waiter = world.tasks.waiter(f"the answer of n{node} to its request {number}")
        self._waiters[number] = waiter
        world.transmit(self._endpoint, node, request)
        world.wake_at(world.now_ns + timeout_ns, waiter, None)
        try:
            reply: ClientReply | None = await world.tasks.park(waiter)
            return reply
        finally:
            self._waiters.pop(number, None)

    async def errand(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        return await self._world.tasks.errand(coroutine)

    async def sleep_ns(self, duration_ns: int) -> None:
        await self._world.tasks.sleep_ns(duration_ns)

    def on_reply(self, reply: ClientReply) -> tuple[Waiter, Any] | None:
        """A reply arrived; the task to wake, or None if nobody waits for it any more."""
        if not isinstance(reply, ClientReply):
            raise Misuse(
                f"A node sent a client {reply!r}, which is no ClientReply. Usually it should have "
                "gone to a node; clients are answered with context.reply(request, reply)."
            )
        waiter = self._waiters.pop(reply.id, None)
        return None if waiter is None else (waiter, reply)
