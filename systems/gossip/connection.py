"""How a client talks to a gossip system: with its home node alone, once.

Any node answers, so there is nobody to be sent to, and a write that is tried again would be another
write with another timestamp.
"""

from __future__ import annotations

from typing import Any

from harness.node import Command
from harness.system import Connection, Refused, Unanswered
from harness.units import MILLISECOND_NS
from harness.world import Port
from systems.gossip.coordinator import UNFINISHED


class GossipConnection:
    """Implements `harness.system.Connection` over a `Port`."""

    def __init__(
        self, port: Port, *, session: int, home: int, timeout_ns: int = 1500 * MILLISECOND_NS
    ) -> None:
        self._port = port
        self._session = session
        self._serial = 0
        self._home = home
        self._timeout_ns = timeout_ns

    async def execute(self, command: Command, *, read_only: bool = False) -> Any:
        """The result of `command`; see `systems.gossip.coordinator` for what there is.

        Raises `Refused`, or `Unanswered` for a write that did not reach its level in time.
        """
        self._serial += 1
        reply = await self._port.call(
            self._home,
            command,
            session=self._session,
            serial=self._serial,
            read_only=read_only,
            timeout_ns=self._timeout_ns,
        )
        if reply is None:
            raise Refused("timed out") if read_only else Unanswered("timed out")
        if not reply.done:
            raise Refused(reply.error)
        match reply.value:
            case [str(word), int(confirmed), int(asked)] if word == UNFINISHED:
                raise Unanswered(f"{confirmed} of {asked} nodes confirmed in time")
        return reply.value


class RegisterConnection:
    """Speaks to the store as to a map of registers, `systems.machines.KeyValue`, at one level.

    So that comparisons can set gossip beside consensus. There is no compare-and-set: what would
    decide it is not in one place.
    """

    def __init__(self, inner: Connection, level: str, keyspace: str = "registers") -> None:
        self._inner = inner
        self._level = level
        self._keyspace = keyspace

    async def execute(self, command: Command, *, read_only: bool = False) -> Any:
        """The result of `command`; those that are not of registers are passed on."""
        match command:
            case ["read", key]:
                wanted = ["get", self._keyspace, key, self._level]
                return (await self._inner.execute(wanted, read_only=True))[0]
            case ["write", key, value]:
                await self._inner.execute(["put", self._keyspace, key, value, self._level])
                return None
            case ["cas", *_] | ["exchange", *_]:
                raise Refused("a gossip system has no compare-and-set")
        return await self._inner.execute(command, read_only=read_only)
