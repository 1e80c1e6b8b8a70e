"""What must hold at every instant, checked in simulation after every event of a node.

    node handles an event ─▶ observe(world, node, replica) ─▶ nothing, or InvariantViolated
                                                               (the two events that contradict)

An invariant sees what no client can: the replicas themselves, and true time. It keeps what it
needs of the past (who led in which term, what was committed where) and compares only what has
changed, so that most calls cost one comparison. A violated one ends the run at once.

>>> class OneLeaderPerTerm(Invariant):
...     name = "election-safety"
...     def __init__(self):
...         self.leaders = {}
...     def observe(self, world, node, replica):
...         status = replica.status()
...         if status.role == "leader":
...             now = Sighting(time_ns=world.now_ns, node=node, what=f"leads term {status.term}")
...             before = self.leaders.setdefault(status.term, now)
...             if before.node != node:
...                 raise self.violated("two leaders in one term", before, now)
>>> from types import SimpleNamespace
>>> from harness.node import NodeStatus
>>> watch = OneLeaderPerTerm()
>>> leads = SimpleNamespace(status=lambda: NodeStatus(role="leader", term=3))
>>> watch.observe(SimpleNamespace(now_ns=1_000_000), 1, leads)
>>> watch.observe(SimpleNamespace(now_ns=2_000_000), 2, leads)
Traceback (most recent call last):
    ...
harness.invariant.InvariantViolated: election-safety: two leaders in one term.
  0.001000 s  n1 leads term 3
  0.002000 s  n2 leads term 3
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import msgspec

from harness.errors import SplitbrainError
from harness.node import NodeId
from harness.verdict import Verdict


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was seen at a node; `time_ns` is true time since the start of the run."""

    time_ns: int
    node: NodeId
    what: str

    def __str__(self) -> str:
        return f"{self.time_ns / 1e9:.6f} s  n{self.node} {self.what}"


class InvariantViolated(SplitbrainError):
    """Two sightings that cannot both be right."""

    def __init__(self, invariant: str, reason: str, first: Sighting, second: Sighting) -> None:
        super().__init__(f"{invariant}: {reason}.\n  {first}\n  {second}")
        self.invariant = invariant
        self.reason = reason
        self.first = first
        self.second = second

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.invariant, self.reason, self.first, self.second)

    def verdict(self) -> Verdict:
        """The violation as the verdict `invariants`, its two sightings as the witness."""
        return Verdict(
            checker="invariants",
            outcome="fail",
            reason=f"{self.invariant}: {self.reason} ({self.first}; {self.second})",
            witness={
                "invariant": self.invariant,
                "sentences": [
                    {"text": str(sighting), **msgspec.to_builtins(sighting)}
                    for sighting in (self.first, self.second)
                ],
                "conclusion": f"Both cannot be: {self.reason}.",
            },
        )


class Observed(Protocol):
    """What an invariant may ask of the world."""

    @property
    def now_ns(self) -> int:
        """True time since the start of the run."""

    def true_time_ns(self, node: NodeId, local_ns: int) -> int:
        """When the monotonic clock of a running node shows `local_ns`, at its present rate."""


class Invariant:
    """The base of invariants. One instance watches one run; it must not change what it sees."""

    #: As it appears in verdicts, such as "election-safety".
    name: ClassVar[str]

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        """`replica`, the object that runs as `node`, has just handled an event or started.

        Raises what `violated` makes.
        """
        raise NotImplementedError

    def violated(self, reason: str, first: Sighting, second: Sighting) -> InvariantViolated:
        """The exception to raise when the two sightings contradict each other."""
        return InvariantViolated(self.name, reason, first, second)
