"""Reads, writes and deletions of a few keys, each at a consistency level.

| operation | value                    | completion                                          |
|-----------|--------------------------|-----------------------------------------------------|
| write k   | {"value": v, "level": L} | the same, and "stamp": [wall_ms, counter, node]     |
| delete k  | {"level": L}             | the same, and "stamp"                               |
| read k    | {"level": L}             | the same, "value": v or None, "stamp" or None, and  |
|           |                          | "node"; a value of None with a stamp is a tombstone |
| replica   | None                     | the state (`workloads.convergent`)                  |

Values are numbers that were never written before. A write whose level cannot be reached is refused
(fail); one whose nodes do not all answer in time may have happened, and will spread (info).

`lww-register` uses one level throughout and asks who won; `kv-levels` draws the level of each
operation and asks what each of them promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from checkers.convergence import (
    Convergence,
    LastWriterWins,
    LevelContracts,
    NoResurrection,
    RepairQuiet,
    Staleness,
)
from checkers.stats import Stats
from harness.errors import UsageError, unknown_name
from harness.generators import Invocation
from harness.system import Connection
from harness.verdict import Checker
from systems.gossip import LEVELS
from workloads.convergent import BOUND_S, SETTLE_S, ConvergentWorkload, check_ratios

KEYSPACE = "registers"


class LwwRegister(ConvergentWorkload):
    """`keys` keys; `read_ratio` of the operations read, `delete_ratio` delete, the rest write.

    `level` is one of those of gossip, or several joined by commas, of which each operation draws.
    """

    name = "lww-register"
    summary = "write, delete and read keys at one level; the last writer wins, convergent"
    target = ("keyspace", KEYSPACE)

    def __init__(
        self,
        *,
        keys: int = 5,
        level: str = "One",
        read_ratio: float = 0.45,
        delete_ratio: float = 0.1,
        bound_s: float = BOUND_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        super().__init__(bound_s=bound_s, settle_s=settle_s)
        if keys < 1:
            raise UsageError(f"The {self.name} workload needs at least 1 key, not {keys}.")
        self.levels = tuple(one.strip() for one in str(level).split(","))
        for one in self.levels:
            if one not in LEVELS:
                raise unknown_name("consistency level", one, LEVELS)
        check_ratios(read_ratio=read_ratio, delete_ratio=delete_ratio)
        self.keys = tuple(f"k{number}" for number in range(keys))
        self.read_ratio = read_ratio
        self.delete_ratio = delete_ratio

    def draw(self, random: Random, number: int) -> tuple[str, Any, Any]:
        key = self.keys[int(random.random() * len(self.keys))]
        level = self.levels[int(random.random() * len(self.levels))]
        drawn = random.random()
        if drawn < self.read_ratio:
            return "read", key, {"level": level}
        if drawn < self.read_ratio + self.delete_ratio:
            return "delete", key, {"level": level}
        return "write", key, {"value": number, "level": level}

    async def carry_out(self, connection: Connection, invocation: Invocation, node: int) -> Any:
        key, value = invocation.key, invocation.value
        level = value["level"]
        match invocation.f:
            case "write":
                command = ["put", KEYSPACE, key, value["value"], level]
                return {**value, "stamp": await connection.execute(command)}
            case "delete":
                command = ["del", KEYSPACE, key, level]
                return {**value, "stamp": await connection.execute(command)}
            case "read":
                command = ["get", KEYSPACE, key, level]
                found, stamp = await connection.execute(command, read_only=True)
                return {"value": found, "level": level, "stamp": stamp, "node": node}
        raise self.unknown(invocation.f, "write", "delete", "read", "replica")

    def checkers(self) -> Sequence[Checker]:
        return [
            Convergence(nodes=self.setting.nodes),
            LevelContracts(nodes=self.setting.nodes),
            LastWriterWins(),
            NoResurrection(),
            RepairQuiet(),
            Staleness(),
            Stats(),
        ]


class KvLevels(LwwRegister):
    """As `lww-register`, with a level drawn for each operation."""

    name = "kv-levels"
    summary = "write, delete and read keys at all consistency levels; what each level promises"

    def __init__(
        self,
        *,
        keys: int = 5,
        level: str = ",".join(LEVELS),
        read_ratio: float = 0.5,
        delete_ratio: float = 0.05,
        bound_s: float = BOUND_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        super().__init__(
            keys=keys,
            level=level,
            read_ratio=read_ratio,
            delete_ratio=delete_ratio,
            bound_s=bound_s,
            settle_s=settle_s,
        )
