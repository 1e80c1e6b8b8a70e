"""A counter that goes both ways, at the home node; all replicas must end up at the same count.

| operation | value       | completion                         |
|-----------|-------------|------------------------------------|
| increment | how much, 1 to 5 | the same                      |
| decrement | how much, 1 to 5 | the same                      |
| read      | None        | {"node": n, "count": c}            |
| replica   | None        | the state (`workloads.convergent`) |
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from checkers.convergence import Convergence, Counter, RepairQuiet, StrongEventual
from checkers.stats import Stats
from harness.errors import unknown_name
from harness.generators import Invocation
from harness.system import Connection
from harness.verdict import Checker
from workloads.convergent import BOUND_S, SETTLE_S, ConvergentWorkload, check_ratios

NAME = "counter"
AMOUNT_MAX = 5


KINDS = ("pn-counter", "g-counter")


class CrdtCounter(ConvergentWorkload):
    """`read_ratio` of the operations read; of the rest `decrement_ratio` count down, but for the
    `counter` of the kind g-counter, which only grows."""

    name = "crdt-counter"
    summary = "count up and down, and read; convergent"
    target = ("object", NAME)

    def __init__(
        self,
        *,
        counter: str = KINDS[0],
        read_ratio: float = 0.3,
        decrement_ratio: float = 0.3,
        bound_s: float = BOUND_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        super().__init__(bound_s=bound_s, settle_s=settle_s)
        check_ratios(read_ratio=read_ratio)
        check_ratios(decrement_ratio=decrement_ratio)
        if counter not in KINDS:
            raise unknown_name("kind of counter", counter, KINDS)
        self.kind = counter
        self.read_ratio = read_ratio
        self.decrement_ratio = decrement_ratio if counter == "pn-counter" else 0.0

    def draw(self, random: Random, number: int) -> tuple[str, Any, Any]:
        if random.random() < self.read_ratio:
            return "read", None, None
        f = "decrement" if random.random() < self.decrement_ratio else "increment"
        return f, None, random.randint(1, AMOUNT_MAX)

    async def carry_out(self, connection: Connection, invocation: Invocation, node: int) -> Any:
        amount = invocation.value
        match invocation.f:
            case "increment":
                await connection.execute(["update", NAME, "add", amount])
                return amount
            case "decrement":
                await connection.execute(["update", NAME, "add", -amount])
                return amount
            case "read":
                count = await connection.execute(["read", NAME], read_only=True)
                return {"node": node, "count": count}
        raise self.unknown(invocation.f, "increment", "decrement", "read", "replica")

    def checkers(self) -> Sequence[Checker]:
        return [
            Convergence(nodes=self.setting.nodes),
            StrongEventual(),
            Counter(),
            RepairQuiet(),
            Stats(),
        ]
