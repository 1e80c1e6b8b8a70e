"""What stands behind a stage (`systems.scenario`): rules about messages, and recorded clients.

A rule takes messages out of the stream before they are put on a link:

    node ─▶ transmit ─▶ does a rule want it? ─ no ─▶ link
                          │ yes
                          ├ drop    gone
                          ├ hold    kept until release()
                          ├ delay   put on the link later
                          └ double  put on the link now, and later again

Cuts, latency and loss come after that, when the message is put on the link.

>>> from systems.raft import Raft
>>> from systems.raft.messages import Append
>>> from systems.scenario import play
>>> async def deaf_to_appends(stage):
...     leader = await stage.leader()
...     (victim, *_) = stage.others(leader)
...     held = stage.hold(Append, destination=victim)
...     await stage.client(leader).write("x", 1)
...     print(stage.node(victim).log.last_index < stage.node(leader).log.last_index)
...     held.release()
...     await stage.until(lambda: stage.node(victim).log.last_index ==
...         stage.node(leader).log.last_index, "the victim to catch up")
>>> play(Raft(), deaf_to_appends).alarm
True
''
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from harness.node import Command, NodeId
from harness.simulation.world import SimulatedWorld
from harness.system import Connection, Refused, Unanswered
from harness.world import Port

if TYPE_CHECKING:
    from systems.scenario import Stage


class RuledWorld(SimulatedWorld):
    """A simulated world whose messages pass by rules first."""

    def __init__(self, **options: Any) -> None:
        self.rules: list[Rule] = []
        super().__init__(**options)

    def transmit(self, source: int, destination: int, message: Any) -> None:
        for rule in self.rules:
            if rule.wants(source, destination, message):
                rule.take(source, destination, message)
                return
        super().transmit(source, destination, message)

    def send_on(self, source: int, destination: int, message: Any) -> None:
        """Put a message on its link, whatever the rules say."""
        super().transmit(source, destination, message)


class Rule:
    """What happens to certain messages; see `Stage.drop` and those that follow it."""

    def __init__(
        self,
        world: RuledWorld,
        kind: str,
        types: tuple[type, ...],
        *,
        source: NodeId | Collection[NodeId] | None = None,
        destination: NodeId | Collection[NodeId] | None = None,
        when: Callable[[Any], object] | None = None,
        count: int | None = None,
        delay_ns: int = 0,
    ) -> None:
        self._world = world
        self._kind = kind
        self._types = types
        self._sources = _collection(source)
        self._destinations = _collection(destination)
        self._when = when
        self._left = count
        self._delay_ns = delay_ns
        self.held: list[tuple[int, int, Any]] = []
        #: How many messages the rule has taken.
        self.taken = 0

    def wants(self, source: int, destination: int, message: Any) -> bool:
        return (
            (not self._types or isinstance(message, self._types))
            and (self._sources is None or source in self._sources)
            and (self._destinations is None or destination in self._destinations)
            and (self._when is None or bool(self._when(message)))
        )

    def take(self, source: int, destination: int, message: Any) -> None:
        self.taken += 1
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.end()
        if self._kind == "hold":
            self.held.append((source, destination, message))
        elif self._kind != "drop":
            if self._kind == "double":
                self._world.send_on(source, destination, message)

            def later() -> None:
                self._world.send_on(source, destination, message)

            self._world.call_at(self._world.now_ns + self._delay_ns, later)

    def end(self) -> None:
        """Let messages pass from now on; what is held stays so."""
        if self in self._world.rules:
            self._world.rules.remove(self)

    def release(self) -> None:
        """End the rule, and send on what was held, in its order."""
        self.end()
        held, self.held = self.held, []
        for source, destination, message in held:
            self._world.send_on(source, destination, message)


def _collection(nodes: NodeId | Collection[NodeId] | None) -> Collection[NodeId] | None:
    return (nodes,) if isinstance(nodes, int) else nodes


class Pinned:
    """A `Connection` that asks one node, once."""

    def __init__(self, port: Port, node: NodeId, *, session: int, timeout_ns: int) -> None:
        self._port = port
        self._node = node
        self._session = session
        self._serial = 0
        self._timeout_ns = timeout_ns

    async def execute(self, command: Command, *, read_only: bool = False) -> Any:
        """The result of `command`. Raises `Refused` or `Unanswered`."""
        self._serial += 1
        reply = await self._port.call(
            self._node,
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
        return reply.value


class Client:
    """Does operations on registers and writes them down, one at a time.

    After an operation whose end it does not know, it goes on as a new process, as Jepsen's do.
    """

    def __init__(self, stage: Stage, connect: Callable[[Port, int], Connection]) -> None:
        self._stage = stage
        self._connect = connect
        self._be_new()

    def _be_new(self) -> None:
        self.process, port = self._stage.new_process()
        self.connection = self._connect(port, self.process)

    async def read(self, key: str) -> Any:
        """The value of `key`. Raises `Refused`."""
        return await self.operate("read", key, None, ("read", key), read_only=True)

    async def write(self, key: str, value: Any) -> None:
        """Raises `Refused` or `Unanswered`."""
        await self.operate("write", key, value, ("write", key, value))

    async def compare_and_set(self, key: str, old: Any, new: Any) -> bool:
        """Whether `old` was there and was replaced. Raises `Refused` or `Unanswered`."""
        done = await self.operate("cas", key, [old, new], ("cas", key, old, new))
        return bool(done)

    async def operate(
        self, f: str, key: Any, value: Any, command: Command, *, read_only: bool = False
    ) -> Any:
        """Execute `command`, written down as `f` with `value`; a read's value is its result."""
        process = self.process
        note = self._stage.note
        note(process, "invoke", f, key, value)
        try:
            result = await self.connection.execute(command, read_only=read_only)
        except Unanswered:
            note(process, "info", f, key, value)
            self._be_new()
            raise
        except Refused:
            note(process, "fail", f, key, value)
            raise
        failed = f == "cas" and not result
        note(process, "fail" if failed else "ok", f, key, result if read_only else value)
        return result


class Attempt:
    """An operation that goes on beside the scenario; `ended` tells whether it still does."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.ended = False
        self.value: Any = None
        self.error: Refused | Unanswered | None = None

    async def run(self, function: Callable[..., Awaitable[Any]], arguments: Sequence[Any]) -> None:
        """What the task does; `Stage.begin` starts it."""
        try:
            self.value = await function(*arguments)
        except (Refused, Unanswered) as error:
            self.error = error
        self.ended = True

    @property
    def succeeded(self) -> bool:
        return self.ended and self.error is None

    async def end(self) -> Any:
        """Wait for its end; its value, or its `Refused` or `Unanswered` raised."""
        await self._stage.until(lambda: self.ended, "an attempt to end")
        if self.error is not None:
            raise self.error
        return self.value
