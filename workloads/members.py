"""Who sees whom: every client asks its home node again and again whom it believes to live.

| operation | value | completion                                                         |
|-----------|-------|--------------------------------------------------------------------|
| members   | None  | {"node": n, "members": [sorted node numbers, n among them]}        |

In the end, all faults healed, every node must see all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from checkers.convergence import Membership as EveryMember
from checkers.stats import Stats
from harness.generators import Generator, Invocation
from harness.system import Connection
from harness.verdict import Checker
from workloads.convergent import ConvergentWorkload, Probes


class Membership(ConvergentWorkload):
    """Has no options but those of the probes at the end."""

    name = "membership"
    summary = "who sees whom, and after how long; convergent"

    def draw(self, random: Random, number: int) -> tuple[str, Any, Any]:
        return "members", None, None

    def final(self) -> Generator:
        return Probes(
            self.setting.witnesses,
            self.bound_ns,
            self.settle_ns,
            f="members",
            shown="members",
            moved="members",
            expected=list(range(1, self.setting.nodes + 1)),
        )

    async def carry_out(self, connection: Connection, invocation: Invocation, node: int) -> Any:
        if invocation.f != "members":
            raise self.unknown(invocation.f, "members")
        members = await connection.execute(["members"], read_only=True)
        return {"node": node, "members": members}

    def checkers(self) -> Sequence[Checker]:
        return [EveryMember(), Stats()]
