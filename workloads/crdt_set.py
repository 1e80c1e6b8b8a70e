"""An observed-remove set: add, remove and read at the home node; all replicas must end up the same.

| operation | value                     | completion                              |
|-----------|---------------------------|-----------------------------------------|
| add       | a number, never used again| the same                                |
| remove    | a number added before     | the same                                |
| read      | None                      | {"node": n, "elements": [sorted]}       |
| replica   | None                      | the state (`workloads.convergent`)      |

A removal takes away what the home node has seen of the element; beside an addition that it has not
seen, the addition wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from checkers.convergence import Convergence, RepairQuiet, SetFull, StrongEventual
from checkers.stats import Stats
from harness.generators import Invocation
from harness.system import Connection
from harness.verdict import Checker
from workloads.convergent import BOUND_S, SETTLE_S, ConvergentWorkload, check_ratios

NAME = "set"
#: Most removals are of one of so many that were added last, which their node may not have seen
#: yet; the others are of any.
_LATEST = 50
_ANY_RATIO = 0.1


class CrdtSet(ConvergentWorkload):
    """`remove_ratio` of the operations remove, `read_ratio` read, the rest add."""

    name = "crdt-set"
    summary = "add to, remove from and read an observed-remove set; convergent"
    target = ("object", NAME)
    kind = "or-set"

    def __init__(
        self,
        *,
        remove_ratio: float = 0.6,
        read_ratio: float = 0.05,
        bound_s: float = BOUND_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        super().__init__(bound_s=bound_s, settle_s=settle_s)
        check_ratios(remove_ratio=remove_ratio, read_ratio=read_ratio)
        self.remove_ratio = remove_ratio
        self.read_ratio = read_ratio

    def draw(self, random: Random, number: int) -> tuple[str, Any, Any]:
        drawn = random.random()
        if drawn < self.read_ratio:
            return "read", None, None
        if drawn < self.read_ratio + self.remove_ratio and number > 1:
            added = number - 1
            among = added if random.random() < _ANY_RATIO else min(added, _LATEST)
            return "remove", None, added - int(random.random() * among)
        return "add", None, number

    async def carry_out(self, connection: Connection, invocation: Invocation, node: int) -> Any:
        match invocation.f:
            case "add" | "remove" as method:
                await connection.execute(["update", NAME, method, invocation.value])
                return invocation.value
            case "read":
                elements = await connection.execute(["read", NAME], read_only=True)
                return {"node": node, "elements": sorted(elements)}
        raise self.unknown(invocation.f, "add", "remove", "read", "replica")

    def checkers(self) -> Sequence[Checker]:
        return [
            Convergence(nodes=self.setting.nodes),
            StrongEventual(),
            SetFull(),
            RepairQuiet(),
            Stats(),
        ]
