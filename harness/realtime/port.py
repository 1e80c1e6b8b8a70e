"""A client's way to real nodes: `harness.world.Port` over TCP.

A node that cannot be reached has refused: nothing was sent. A connection that breaks while an
answer is awaited leaves the question open, as silence does.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import suppress
from random import SystemRandom
from typing import Any, TypeVar

import msgspec
import trio

from harness.errors import UsageError
from harness.node import ClientReply, ClientRequest, Command, NodeId
from harness.realtime.links import CLIENT, Address, BadFrame, Frames, Outbox, framed, greeting
from harness.simulation.wire import Wire

_Result = TypeVar("_Result")


class _Conversation:
    """A connection to one node, and those who wait for its answers by the ids of their requests."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.waiting: dict[int, tuple[trio.Event, list[ClientReply]]] = {}
        self.open = True

    def end(self) -> None:
        """Nobody will answer any more."""
        self.open = False
        for event, _ in self.waiting.values():
            event.set()


class TcpPort:
    """Implements `harness.world.Port`; reads answers in tasks of `nursery`."""

    def __init__(self, nursery: trio.Nursery, addresses: Mapping[NodeId, Address]) -> None:
        self._nursery = nursery
        self._addresses = addresses
        self._wire = Wire(())
        self._client = SystemRandom().randrange(1 << 48, 1 << 62)
        self._next_id = 0
        self._conversations: dict[NodeId, _Conversation] = {}
        self._dialling = {node: trio.Lock() for node in addresses}

    async def call(
        self,
        node: NodeId,
        command: Command,
        *,
        session: int,
        serial: int,
        read_only: bool,
        timeout_ns: int,
    ) -> ClientReply | None:
        """The reply of `node`; None if none came in time."""
        self._next_id += 1
        number = self._next_id
        request = ClientRequest(
            client=self._client,
            id=number,
            session=session,
            serial=serial,
            command=command,
            read_only=read_only,
        )
        sent = False
        with trio.move_on_after(timeout_ns / 1e9):
            try:
                conversation = await self._conversation_with(node)
            except OSError as error:
                return ClientReply(number, False, None, f"node {node} cannot be reached: {error}")
            if not conversation.outbox.put(framed(self._wire.encode(request))):
                return ClientReply(number, False, None, f"too much waits for node {node} already")
            event, replies = conversation.waiting[number] = (trio.Event(), [])
            sent = True
            try:
                await event.wait()
            finally:
                del conversation.waiting[number]
            if replies:
                return replies[0]
        return None if sent else ClientReply(number, False, None, f"node {node} cannot be reached")

    async def errand(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        return await coroutine

    async def sleep_ns(self, duration_ns: int) -> None:
        await trio.sleep(duration_ns / 1e9)

    async def _conversation_with(self, node: NodeId) -> _Conversation:
        """The connection to `node`, dialled if there is none. Raises OSError."""
        async with self._dialling[node]:
            conversation = self._conversations.get(node)
            if conversation is None or not conversation.open:
                stream = await trio.open_tcp_stream(*self._addresses[node])
                conversation = self._conversations[node] = _Conversation()
                conversation.outbox.put(greeting(CLIENT))
                self._nursery.start_soon(self._converse, conversation, stream)
            return conversation

    async def _converse(self, conversation: _Conversation, stream: trio.SocketStream) -> None:
        """Send requests and hand the answers to those who wait, until the connection ends."""
        try:
            async with stream, trio.open_nursery() as nursery:
                nursery.start_soon(self._drain, conversation, stream)
                with suppress(trio.BrokenResourceError, BadFrame):
                    async for content in Frames(stream):
                        self._hear(conversation, content)
                nursery.cancel_scope.cancel()
        finally:
            conversation.end()

    def _hear(self, conversation: _Conversation, content: bytes) -> None:
        try:
            reply = self._wire.decode(content)
        except (UsageError, msgspec.DecodeError) as error:
            raise BadFrame(str(error)) from error
        waiting = conversation.waiting.get(reply.id)
        if waiting is not None:
            waiting[1].append(reply)
            waiting[0].set()

    @staticmethod
    async def _drain(conversation: _Conversation, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await conversation.outbox.drain(stream)
