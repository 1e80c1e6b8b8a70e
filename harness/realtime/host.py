"""Runs one node for real: its events one at a time, on the clock, disk and network of a computer.

    peers ──frames──▶ ┐                      ┌──▶ Link to each peer
    clients ─requests▶ ├─ one call at a time ─┤──▶ the client's connection
    timers, fsync ───▶ ┘      of the node     └──▶ FileDisk, Timers

A node that raises is a node that has failed: the error ends the host. What arrives and cannot be
understood ends the connection that it came over, nothing more.

`after_event` is called after each event of the node, for whoever watches it; it must not block.

Limits: replies go back over the connection that the request came by, if it is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from harness.errors import UsageError
from harness.node import (
    Administered,
    ClientReply,
    ClientRequest,
    Command,
    Message,
    Node,
    NodeFactory,
    NodeId,
    NodeStatus,
)
from harness.realtime.clock import RealClock, SystemRng
from harness.realtime.disk import FileDisk
from harness.realtime.links import (
    CLIENT,
    Address,
    BadFrame,
    Frames,
    Link,
    Outbox,
    framed,
    read_greeting,
)
from harness.realtime.timers import Timers
from harness.simulation.wire import Wire

Probe = Callable[[str, Mapping[str, int]], None]


class RealContext:
    """Implements `harness.node.Context`."""

    def __init__(self, host: Host, disk: FileDisk, clock: RealClock) -> None:
        self._host = host
        self.id = host.id
        self.peers = host.peers
        self.rng = SystemRng()
        self.disk = disk
        self.clock = clock
        self.set_timer = host.timers.set
        self.cancel_timer = host.timers.cancel

    def send(self, destination: NodeId, message: Message, /) -> None:
        self._host.send(destination, message)

    def reply(self, request: ClientRequest, reply: ClientReply) -> None:
        self._host.reply(request, reply)

    def probe(self, event: str, /, **numbers: int) -> None:
        self._host.probe(event, numbers)

    def buggify(self, site: str) -> bool:
        return False


class Host:
    """Runs the node number `node` that `make` makes, among the nodes of `addresses`.

    `messages` are all that its nodes exchange; `folder` is for this node alone. Raises UsageError
    if the folder is in use or `node` has no address.
    """

    def __init__(
        self,
        make: NodeFactory,
        *,
        node: NodeId,
        addresses: Mapping[NodeId, Address],
        messages: Sequence[type[Message]],
        folder: Path,
        drift_bound_ppm: int = 1000,
        after_event: Callable[[], None] = lambda: None,
        probe: Probe = lambda event, numbers: None,
    ) -> None:
        if node not in addresses:
            raise UsageError(
                f"Node {node} has no address; there are addresses of {sorted(addresses)}."
            )
        self.id = node
        self.peers = tuple(sorted(peer for peer in addresses if peer != node))
        self.probe = probe
        self.timers = Timers()
        self._make = make
        #: Where this node listens, once it does: with port 0 the system has chosen one.
        self.address = addresses[node]
        self._folder = folder
        self._clock = RealClock(drift_bound_ppm=drift_bound_ppm)
        self._wire = Wire(messages)
        self._links = {peer: Link(node, addresses[peer]) for peer in self.peers}
        self._to_myself: tuple[trio.MemorySendChannel[Any], trio.MemoryReceiveChannel[Any]]
        self._to_myself = trio.open_memory_channel[Any](float("inf"))
        self._clients: dict[int, Outbox] = {}
        self._after_event = after_event
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        """The node itself, once `run` has said that it has started."""
        assert self._node is not None, "the host does not run"
        return self._node

    def status(self) -> NodeStatus:
        return self.node.status()

    def order(self, order: Command) -> bool:
        """Let an operator order something; False if the node takes no orders."""
        node = self.node
        if not isinstance(node, Administered):
            return False
        self._event(node.on_order, order)
        return True

    async def run(
        self,
        listeners: list[trio.SocketListener] | None = None,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run the node until cancelled; says it has started once it listens and has recovered.

        `listeners` take the place of those on the node's own address.
        """
        with FileDisk(self._folder) as disk:
            if listeners is None:
                listeners = await self._listen()
            self.address = listeners[0].socket.getsockname()[:2]
            recovered = disk.recover()
            self._node = node = self._make(RealContext(self, disk, self._clock))
            async with trio.open_nursery() as nursery:
                for link in self._links.values():
                    nursery.start_soon(link.run)
                nursery.start_soon(self.timers.run, partial(self._event, node.on_timer))
                nursery.start_soon(disk.run, partial(self._event, node.on_durable))
                nursery.start_soon(self._hear_myself)
                self._event(node.on_start, recovered)
                await nursery.start(partial(trio.serve_listeners, self._serve, listeners))
                task_status.started()

    async def _listen(self) -> list[trio.SocketListener]:
        name, port = self.address
        try:
            return await trio.open_tcp_listeners(port, host=name)
        except OSError as error:
            raise UsageError(
                f"Node {self.id} cannot listen on {name}:{port}: {error}. Usually something else "
                "does so already, or the address is that of another computer."
            ) from error

    # ---- the node

    def _event(self, handler: Callable[..., None], *arguments: Any) -> None:
        handler(*arguments)
        self._after_event()

    def send(self, destination: NodeId, message: Message) -> None:
        """What the node says to a peer, or to itself."""
        if destination == self.id:
            self._to_myself[0].send_nowait(message)
        elif not self._links[destination].send(self._wire.encode(message)):
            self.probe("message-dropped", {"to": destination})

    def reply(self, request: ClientRequest, reply: ClientReply) -> None:
        """What the node answers a client."""
        outbox = self._clients.get(request.client)
        if outbox is not None:
            outbox.put(framed(self._wire.encode(reply)))

    async def _hear_myself(self) -> None:
        async for message in self._to_myself[1]:
            self._event(self.node.on_message, self.id, message)

    # ---- those who call

    async def _serve(self, stream: trio.SocketStream) -> None:
        """Whoever has connected: a peer, or a client."""
        incoming = Frames(stream)
        try:
            who = read_greeting(await anext(incoming))
            if who in self._links:
                async for content in incoming:
                    self._event(self.node.on_message, who, self._decoded(content))
            elif who == CLIENT:
                await self._serve_client(incoming, stream)
        except (trio.BrokenResourceError, BadFrame, StopAsyncIteration) as error:
            self.probe(f"connection-ended-{type(error).__name__}", {})

    async def _serve_client(self, incoming: Frames, stream: trio.SocketStream) -> None:
        outbox = Outbox()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain, outbox, stream)
            await self._hear_client(incoming, outbox)
            nursery.cancel_scope.cancel()

    async def _hear_client(self, incoming: Frames, outbox: Outbox) -> None:
        mine: list[int] = []
        try:
            async for content in incoming:
                request = self._decoded(content)
                if not isinstance(request, ClientRequest):
                    raise BadFrame("A client sends something other than requests.")
                if self._clients.get(request.client) is not outbox:
                    self._clients[request.client] = outbox
                    mine.append(request.client)
                self._event(self.node.on_request, request)
        except (trio.BrokenResourceError, BadFrame) as error:
            self.probe(f"connection-ended-{type(error).__name__}", {})
        finally:
            for client in mine:
                if self._clients.get(client) is outbox:
                    del self._clients[client]

    def _decoded(self, content: bytes) -> Any:
        try:
            return self._wire.decode(content)
        except (UsageError, msgspec.DecodeError) as error:
            raise BadFrame(str(error)) from error

    @staticmethod
    async def _drain(outbox: Outbox, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await outbox.drain(stream)
