"""What to run: a system, a workload, a nemesis and the conditions, as plain data.

>>> experiment = Experiment(nemesis="partition,kill", time_limit_ns=seconds(30))
>>> experiment.title
'raft register partition,kill'
>>> Experiment(nodes=0)
Traceback (most recent call last):
    ...
harness.errors.UsageError: Experiment.nodes is 0; at least 1 is needed.
"""

from __future__ import annotations

import msgspec

from harness.errors import UsageError

SECOND_NS = 1_000_000_000


def seconds(duration_s: float) -> int:
    """A duration in nanoseconds.

    >>> seconds(1.5)
    1500000000
    """
    return round(duration_s * SECOND_NS)


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment; a seed makes it a run.

    `system`, `workload` and `nemesis` are names of the catalog (`splitbrain list`) or references
    `module:attribute`; several nemeses are joined by commas. `flaw` plants one of the system's
    flaws. Clients together try `rate_per_s` operations a second until `time_limit_ns`; then the
    faults stop, and after `recovery_ns` of quiet the workload's final operations follow; workloads
    that watch the recovery itself (those of convergent systems) go without that quiet. The
    nemesis starts or stops each of its faults every `interval_ns` on average. `options` go to the
    workload. `drift_ppm` bounds the drift of the nodes' clocks. `wire` encodes and decodes every
    message. `invariants` lets the system's invariants watch its nodes, and end the run when one is
    violated. `checkers` names those that judge the run; none means the workload's own. `stop_early`
    ends the run at the first violation that one of them can see while it goes on: nothing new
    begins then, faults are healed, and what is under way comes to its end. `loss_ratio` and
    `duplicate_ratio` hold for every message all the time.
    """

    system: str = "raft"
    workload: str = "register"
    nemesis: str = "none"
    flaw: str | None = None
    nodes: int = 5
    clients: int = 10
    time_limit_ns: int = 60 * SECOND_NS
    rate_per_s: float = 100.0
    recovery_ns: int = 5 * SECOND_NS
    interval_ns: int = 3 * SECOND_NS
    options: dict[str, str | int | float | bool] = {}
    drift_ppm: int = 100
    loss_ratio: float = 0.0
    duplicate_ratio: float = 0.0
    buggify: bool = False
    wire: bool = False
    invariants: bool = True
    checkers: tuple[str, ...] = ()
    stop_early: bool = False

    def __post_init__(self) -> None:
        at_least = {"nodes": 1, "clients": 1, "time_limit_ns": 1, "interval_ns": 1}
        at_least |= {"recovery_ns": 0, "drift_ppm": 0}
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise UsageError(
                    f"Experiment.{name} is {getattr(self, name)}; at least {least} is needed."
                )
        for name in ("loss_ratio", "duplicate_ratio"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(
                    f"Experiment.{name} is {getattr(self, name)}; a ratio lies between 0 and 1."
                )
        if not self.rate_per_s > 0:
            raise UsageError(
                f"Experiment.rate_per_s is {self.rate_per_s}; it is the number of operations that "
                "all clients together try in a second, and must be positive."
            )

    @property
    def title(self) -> str:
        """A short name: system, workload, nemesis and flaw."""
        planted = [f"flaw {self.flaw}"] if self.flaw else []
        return " ".join([self.system, self.workload, self.nemesis, *planted])

    @property
    def slug(self) -> str:
        """The title as the name of a folder."""
        return "".join(c if c.isalnum() or c in "-,." else "-" for c in self.title)
