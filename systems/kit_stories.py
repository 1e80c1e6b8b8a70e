"""What `systems.kit.check_system` puts a system through: clients at work, and restarts.

A client asks in the language that the system speaks: of a key-value machine or of registers read,
write and cas; of a store put and get at One. What comes of it must be what the system promises:

| promise      | calm                                | after restarts                           |
|--------------|-------------------------------------|------------------------------------------|
| linearizable | the whole history is linearizable   | every write is read back at once         |
| convergent   | all nodes come to hold one value of | every write is read back at every node,  |
|              | each key, which was written to it   | as soon as repair has got round          |
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import catalog
from harness.node import Command
from harness.system import Refused, Unanswered
from harness.units import SECOND_NS

if TYPE_CHECKING:
    from systems.kit import KitStage

#: How long a system may take until it answers, after its start and after restarts; and until its
#: nodes agree, if it promises no more.
PATIENCE_NS = 60 * SECOND_NS

CLIENTS = 3
_OPERATIONS = 20
_KEYS = ("x", "y")
#: Where and at which level a store is asked.
_KEYSPACE, _LEVEL = "kit", "One"


class KitClient:
    """A client process that writes down what it does."""

    def __init__(self, stage: KitStage, number: int, process: int) -> None:
        nodes = stage.world.nodes
        self.stage = stage
        self.process = process
        self.connection = stage.system.connect(
            stage.world.port(number),
            process=process,
            nodes=nodes,
            home=nodes[number % len(nodes)],
        )
        self._of_store = not {"machine", "registers"} & set(stage.system.speaks)

    async def ask(self, key: str) -> Any:
        """What `key` holds; nothing is written down. Raises `Refused` or `Unanswered`."""
        if not self._of_store:
            return await self.connection.execute(("read", key), read_only=True)
        command = ["get", _KEYSPACE, key, _LEVEL]
        return (await self.connection.execute(command, read_only=True))[0]

    async def read(self, key: str) -> Any:
        self.stage.note(self.process, "invoke", "read", key, None)
        value = await self._surely(self.ask(key), ("read", key))
        self.stage.note(self.process, "ok", "read", key, value)
        return value

    async def write(self, key: str, value: int) -> None:
        self.stage.note(self.process, "invoke", "write", key, value)
        command: Command = ("write", key, value)
        if self._of_store:
            command = ["put", _KEYSPACE, key, value, _LEVEL]
        await self._surely(self.connection.execute(command), command)
        self.stage.note(self.process, "ok", "write", key, value)

    async def compare_and_set(self, key: str, old: Any, new: int) -> None:
        self.stage.note(self.process, "invoke", "cas", key, [old, new])
        command = ("cas", key, old, new)
        done = await self._surely(self.connection.execute(command), command)
        self.stage.note(self.process, "ok" if done else "fail", "cas", key, [old, new])

    async def _surely(self, operation: Awaitable[Any], what: Command) -> Any:
        try:
            return await operation
        except (Refused, Unanswered) as error:
            ending = "refused" if isinstance(error, Refused) else "not answered"
            self.stage.demand(False, f"without any fault going on, {what} was {ending}: {error}")


async def _until_it_answers(stage: KitStage) -> None:
    """Wait until every client has had an answer; nobody may take longer than `PATIENCE_NS`."""
    begin_ns = stage.world.now_ns
    for number in range(CLIENTS):
        answered = False
        while not answered:
            stage.demand(
                stage.world.now_ns - begin_ns < PATIENCE_NS,
                f"client c{number} has had no answer for {PATIENCE_NS // SECOND_NS} s although "
                f"all nodes are up ({stage.world.describe_nodes()})",
            )
            client = stage.worker(number)
            try:
                await client.ask("warm-up")
                answered = True
            except (Refused, Unanswered):
                await stage.sleep(SECOND_NS // 10)


async def idle(stage: KitStage) -> None:
    await stage.sleep(SECOND_NS // 2)


async def calm(stage: KitStage) -> None:
    """Several clients at once; every operation must succeed, and all be as promised."""
    await _until_it_answers(stage)
    converges = stage.system.promise == "convergent"

    async def work(number: int) -> None:
        client = stage.worker(number)
        draws = stage.world.stream("kit", number)
        seen: Any = None
        for step in range(_OPERATIONS):
            key = draws.choice(_KEYS)
            value = number * _OPERATIONS + step
            match draws.randrange(3):
                case 0:
                    seen = await client.read(key)
                case 1:
                    await client.write(key, value)
                case _ if converges:
                    await client.write(key, value)
                case _:
                    await client.compare_and_set(key, seen, value)
            await stage.sleep(draws.randrange(SECOND_NS // 100))
        waiting.remove(number)

    waiting = list(range(CLIENTS))
    for number in range(CLIENTS):
        stage.world.tasks.spawn(work, number, name=f"client c{number}")
    while waiting:
        await stage.sleep(SECOND_NS // 10)
    if converges:
        await _agree(stage, dict.fromkeys(_KEYS), "after all writes")
        return
    verdict = catalog.load("checker", "linearizability")(model="cas-register").check(stage.history)
    stage.demand(verdict.passed, verdict.reason)


async def restarts(stage: KitStage) -> None:
    """Restart each node, then all at once, right after a write; every write must be read back."""
    world = stage.world
    await _until_it_answers(stage)
    written: dict[str, int | None] = {}
    converges = stage.system.promise == "convergent"
    victims: list[Sequence[int]] = [*((node,) for node in world.nodes), world.nodes, world.nodes]
    for number, together in enumerate(victims):
        await _write_and_crash(stage, number, together, written)
        await stage.sleep(SECOND_NS // 5)
        for node in together:
            world.act(["restart", node])
        await _until_it_answers(stage)
        names = ", ".join(f"n{node}" for node in together)
        when = f"after the restart of {names}"
        await (_agree if converges else _read_back)(stage, written, when)


async def _write_and_crash(
    stage: KitStage, number: int, together: Sequence[int], written: dict[str, int | None]
) -> None:
    client = stage.worker(number % CLIENTS)
    for step in range(3):
        key, value = f"k{step}", 10 * number + step
        await client.write(key, value)
        written[key] = value
    for node in together:
        stage.world.act(["crash", node, ("clean", "torn")[number % 2]])


async def _read_back(stage: KitStage, written: Mapping[str, int | None], when: str) -> None:
    client = stage.worker(0)
    for key, value in written.items():
        found = await client.read(key)
        stage.demand(found == value, f"{value} was written to {key}; {when} it holds {found!r}")


async def _agree(stage: KitStage, written: Mapping[str, int | None], when: str) -> None:
    """Every client must soon read `written`; None stands for any value, but the same for all."""
    begin_ns = stage.world.now_ns
    clients = [stage.worker(number) for number in range(CLIENTS)]
    for key, value in written.items():
        while True:
            found = [await _asked(client, key) for client in clients]
            wanted = found[0] if value is None else value
            if wanted is not None and all(one == wanted for one in found):
                break
            stage.demand(
                stage.world.now_ns - begin_ns < PATIENCE_NS,
                f"{'something' if value is None else value} was written to {key}; "
                f"{PATIENCE_NS // SECOND_NS} s {when} the clients read {found}",
            )
            await stage.sleep(SECOND_NS // 10)


async def _asked(client: KitClient, key: str) -> Any:
    """What `key` holds; None as well if that cannot be said now."""
    try:
        return await client.ask(key)
    except (Refused, Unanswered):
        return None
