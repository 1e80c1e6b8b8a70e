"""Every message must reach every node, soon and cheaply: broadcast over a set that only grows.

| operation | value                        | completion                              |
|-----------|------------------------------|-----------------------------------------|
| broadcast | a number, never used again   | the same: the home node has it          |
| read      | None                         | {"node": n, "elements": [sorted]}       |
| replica   | None                         | the state (`workloads.convergent`)      |
| cost      | None                         | {"node": n, "hops": [[m, hops], ...],   |
|           |                              | "sent": {kind: messages}}               |

At the very end every node tells over how many nodes each message came to it (0 for its own, 1 if
it came straight from where it was broadcast, 2 and more if repair brought it), and how many
messages of each kind it has sent to other nodes; both since its latest start.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from checkers.convergence import Broadcast as EveryMessage
from checkers.convergence import Convergence, RepairQuiet, StrongEventual
from checkers.stats import Stats
from harness.generators import Generator, Invocation, concat, on_threads, once, phases
from harness.node import StateMachine
from harness.system import Connection
from harness.verdict import Checker
from systems.crdt import Objects
from workloads.convergent import BOUND_S, SETTLE_S, ConvergentWorkload, check_ratios

NAME = "messages"


class Broadcast(ConvergentWorkload):
    """`read_ratio` of the operations read, the rest broadcast."""

    name = "broadcast"
    summary = "messages that every node must get; how soon, over how many hops; convergent"
    target = ("object", NAME)
    kind = "g-set"
    probes = ("replica", "cost")

    def __init__(
        self, *, read_ratio: float = 0.05, bound_s: float = BOUND_S, settle_s: float = SETTLE_S
    ) -> None:
        super().__init__(bound_s=bound_s, settle_s=settle_s)
        check_ratios(read_ratio=read_ratio)
        self.read_ratio = read_ratio

    def machine(self) -> StateMachine:
        return Objects({NAME: self.kind or ""}, counts_hops=True)

    def final(self) -> Generator:
        costs = [on_threads({thread}, once({"f": "cost"})) for thread in self.setting.witnesses]
        return phases(super().final(), concat(*costs))

    def draw(self, random: Random, number: int) -> tuple[str, Any, Any]:
        if random.random() < self.read_ratio:
            return "read", None, None
        return "broadcast", None, number

    async def carry_out(self, connection: Connection, invocation: Invocation, node: int) -> Any:
        match invocation.f:
            case "broadcast":
                await connection.execute(["update", NAME, "add", invocation.value])
                return invocation.value
            case "read":
                elements = await connection.execute(["read", NAME], read_only=True)
                return {"node": node, "elements": sorted(elements)}
            case "cost":
                hops, sent = await connection.execute(["cost", NAME], read_only=True)
                return {"node": node, "hops": sorted(hops), "sent": sent}
        raise self.unknown(invocation.f, "broadcast", "read", "replica", "cost")

    def checkers(self) -> Sequence[Checker]:
        return [
            Convergence(nodes=self.setting.nodes),
            StrongEventual(),
            EveryMessage(),
            RepairQuiet(),
            Stats(),
        ]
