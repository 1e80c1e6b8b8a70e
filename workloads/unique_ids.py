"""Identifiers that never repeat, whoever makes them: hybrid timestamps.

| operation | value | completion                  |
|-----------|-------|-----------------------------|
| generate  | None  | [wall_ms, counter, node]    |
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from checkers.convergence import UniqueIds as NeverTwice
from checkers.stats import Stats
from harness.generators import Invocation
from harness.system import Connection
from harness.verdict import Checker
from workloads.convergent import ConvergentWorkload


class UniqueIds(ConvergentWorkload):
    """Has no options."""

    name = "unique-ids"
    summary = "identifiers that never repeat"

    def __init__(self) -> None:
        super().__init__()

    def draw(self, random: Random, number: int) -> tuple[str, Any, Any]:
        return "generate", None, None

    def final(self) -> None:
        return None

    async def carry_out(self, connection: Connection, invocation: Invocation, node: int) -> Any:
        if invocation.f != "generate":
            raise self.unknown(invocation.f, "generate")
        return await connection.execute(["timestamp"])

    def checkers(self) -> Sequence[Checker]:
        return [NeverTwice(), Stats()]
