"""A client's conversation: what it is told, by a script, decides whom it asks and how it ends."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

from harness.node import ClientReply
from harness.system import Refused, Unanswered
from systems.connection import RetryPolicy, SessionConnection

MS = 1_000_000

#: What one attempt meets: silence, a refusal with a hint (0: without), or the answer.
Silence = None


@dataclass(frozen=True)
class Refusal:
    hint: int = 0
    error: str = "not the leader"


@dataclass(frozen=True)
class Answer:
    value: Any = None


Step = Refusal | Answer | None


@dataclass
class ScriptedPort:
    """Implements `harness.world.Port`: the attempts meet the steps of the script, one by one."""

    script: Sequence[Step]
    asked: list[int] = field(default_factory=list)
    sessions: list[tuple[int, int]] = field(default_factory=list)
    commands: list[tuple[Any, bool]] = field(default_factory=list)
    now_ns: int = 0

    async def call(
        self,
        node: int,
        command: Any,
        *,
        session: int,
        serial: int,
        read_only: bool,
        timeout_ns: int,
    ) -> ClientReply | None:
        step = self.script[min(len(self.asked), len(self.script) - 1)]
        self.asked.append(node)
        self.sessions.append((session, serial))
        self.commands.append((command, read_only))
        match step:
            case Refusal(hint, error):
                return ClientReply(1, False, None, error, hint)
            case Answer(value):
                return ClientReply(1, True, value)
        self.now_ns += timeout_ns
        return None

    async def errand(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await coroutine

    async def sleep_ns(self, duration_ns: int) -> None:
        self.now_ns += duration_ns


POLICY = RetryPolicy(attempt_timeout_ns=300 * MS, deadline_ns=1000 * MS, pause_ns=50 * MS)


def connect(port: ScriptedPort, *, home: int = 1, nodes: int = 3) -> SessionConnection:
    return SessionConnection(
        port, session=7, nodes=tuple(range(1, nodes + 1)), home=home, policy=POLICY
    )


def execute(port: ScriptedPort, *, home: int = 1, read_only: bool = False) -> Any:
    """The result of one command, or the error, as `Refused: why`."""

    async def main() -> Any:
        try:
            return await connect(port, home=home).execute(("write", "x", 1), read_only=read_only)
        except (Refused, Unanswered) as error:
            return f"{type(error).__name__}: {error}"

    return trio.run(main)


# script; what comes of it for a write and for a read; whom it asked; how long it took
TABLE: dict[str, tuple[list[Step], Any, Any, list[int], int]] = {
    "answered at once": ([Answer(5)], 5, 5, [1], 0),
    "answered with nothing": ([Answer(None)], None, None, [1], 0),
    "answered with false": ([Answer(False)], False, False, [1], 0),
    "the first hint is followed at once": ([Refusal(3), Answer(5)], 5, 5, [1, 3], 0),
    "without a hint it goes round, after a pause": (
        [Refusal(), Refusal(), Answer(5)], 5, 5, [1, 2, 3], 100,
    ),
    "later hints are followed after a pause": (
        [Refusal(3), Refusal(2), Answer(5)], 5, 5, [1, 3, 2], 50,
    ),
    "a hint to itself is followed as well": ([Refusal(1), Answer(5)], 5, 5, [1, 1], 0),
    "after silence it asks the next one": ([Silence, Answer(5)], 5, 5, [1, 2], 300),
    "silence, then a hint": ([Silence, Refusal(3), Answer(5)], 5, 5, [1, 2, 3], 300),
    "refused by all until the end": (
        [Refusal(error="no leader")], "Refused: no leader", "Refused: no leader",
        [1, 2, 3] * 6 + [1, 2], 1000,
    ),
    "two that point at each other": (
        [Refusal(2), Refusal(1)] * 11, "Refused: not the leader", "Refused: not the leader",
        [1, *[2, 1] * 10], 1000,
    ),
    "silence until the end": (
        [Silence], "Unanswered: timed out", "Refused: timed out", [1, 2, 3, 1], 1200,
    ),
    "one silence among refusals leaves it open": (
        [Silence, *[Refusal()] * 20], "Unanswered: timed out", "Refused: timed out",
        [1, 2, 3] * 5, 1000,
    ),
    "silence after a refusal leaves it open too": (
        [Refusal(2), *[Silence] * 4], "Unanswered: timed out", "Refused: timed out",
        [1, 2, 3, 1, 2], 1200,
    ),
}  # fmt: skip


@pytest.mark.parametrize("read_only", [False, True], ids=["write", "read"])
@pytest.mark.parametrize("name", TABLE)
def test_what_a_client_makes_of_what_it_meets(name: str, read_only: bool) -> None:
    script, written, read, asked, took_ms = TABLE[name]
    port = ScriptedPort(script)
    assert execute(port, read_only=read_only) == (read if read_only else written)
    assert port.asked == asked
    assert port.now_ns == took_ms * MS


@pytest.mark.parametrize("name", TABLE)
def test_retries_are_the_same_command_under_the_same_number(name: str) -> None:
    port = ScriptedPort(TABLE[name][0])
    execute(port)
    assert set(port.sessions) == {(7, 1)}
    assert port.commands == [(("write", "x", 1), False)] * len(port.asked)


def test_every_command_has_a_number_of_its_own_and_begins_at_home() -> None:
    port = ScriptedPort([Refusal(3), Answer(1), Silence, Answer(2), Answer(3)])
    connection = connect(port, home=2)

    async def main() -> list[Any]:
        return [await connection.execute(("read", "x"), read_only=True) for _ in range(3)]

    assert trio.run(main) == [1, 2, 3]
    assert port.asked == [2, 3, 2, 3, 2]
    assert port.sessions == [(7, 1), (7, 1), (7, 2), (7, 2), (7, 3)]
    assert {read_only for _, read_only in port.commands} == {True}


def test_the_round_begins_at_home_and_passes_everybody() -> None:
    port = ScriptedPort([Refusal(), Refusal(), Refusal(), Answer()])
    execute(port, home=3)
    assert port.asked == [3, 1, 2, 3]


def test_a_command_that_fails_leaves_the_next_one_a_fresh_start() -> None:
    port = ScriptedPort([*[Silence] * 4, Answer(9)])
    connection = connect(port)

    async def main() -> Any:
        with pytest.raises(Unanswered):
            await connection.execute(("write", "x", 1))
        return await connection.execute(("write", "x", 2))

    assert trio.run(main) == 9
    assert port.asked == [1, 2, 3, 1, 1]
    assert port.sessions[-1] == (7, 2)


def test_without_a_policy_it_gives_up_within_two_seconds() -> None:
    port = ScriptedPort([Silence])

    async def main() -> None:
        connection = SessionConnection(port, session=1, nodes=(1, 2, 3), home=1)
        with pytest.raises(Unanswered):
            await connection.execute(("write", "x", 1))

    trio.run(main)
    assert 1_000 * MS <= port.now_ns <= 2_000 * MS
