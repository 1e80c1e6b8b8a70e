"""What to run: a system, a workload, a nemesis and the conditions, as plain data.

>>> experiment = Experiment(nemesis="partition,kill", time_limit_ns=seconds(30))
>>> experiment.title
'raft register partition,kill'
>>> Experiment(nodes=0)
Traceback (most recent call last):
    ...
harness.errors.UsageError: Experiment.nodes is 0; at least 1 is needed.
>>> Experiment(time_limit_ns=30)
Traceback (most recent call last):
    ...
harness.errors.UsageError: Experiment.time_limit_ns is 30, less than a millisecond. It counts
nanoseconds: 30 seconds are seconds(30).
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness import catalog
from harness.errors import UsageError
from harness.units import MILLISECOND_NS, SECOND_NS

#: A clock cannot be said to go if it is wrong by more than half.
DRIFT_PPM_MAX = 500_000


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
        __tracebackhide__ = True  # of pytest: the mistake is in the line that makes the experiment
        for name, default in zip(self.__struct_fields__, self.__struct_defaults__, strict=True):
            _check_type(name, getattr(self, name), default)
        at_least = {"nodes": 1, "clients": 1, "time_limit_ns": 1, "interval_ns": 1}
        at_least |= {"recovery_ns": 0, "drift_ppm": 0}
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise UsageError(
                    f"Experiment.{name} is {getattr(self, name)}; at least {least} is needed."
                )
        for name in ("time_limit_ns", "interval_ns", "recovery_ns"):
            if 0 < getattr(self, name) < MILLISECOND_NS:
                raise UsageError(
                    f"Experiment.{name} is {getattr(self, name)}, less than a millisecond. It "
                    f"counts nanoseconds: {getattr(self, name)} seconds are "
                    f"seconds({getattr(self, name)})."
                )
        if self.drift_ppm > DRIFT_PPM_MAX:
            raise UsageError(
                f"Experiment.drift_ppm is {self.drift_ppm}, and at most {DRIFT_PPM_MAX:,} can be: "
                "a clock that goes half as fast as it should. Real ones stay below 500."
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


def _check_type(name: str, value: Any, default: Any) -> None:
    """Raises UsageError if `value` is not of the kind of the field's default."""
    __tracebackhide__ = True
    strings = isinstance(value, tuple | list) and all(isinstance(one, str) for one in value)
    match default:
        case bool():
            fits, wanted = isinstance(value, bool), "True or False"
        case int():
            fits, wanted = type(value) is int, "a whole number"
            if name.endswith("_ns"):
                wanted = "a whole number of nanoseconds, such as seconds(30),"
        case float():
            fits, wanted = type(value) in (int, float), "a number"
        case None:
            fits, wanted = value is None or isinstance(value, str), "a name or None"
        case tuple():
            fits, wanted = strings, 'several names, such as ("stats", "linearizability"),'
        case str():
            fits, wanted = isinstance(value, str), "a name"
            if isinstance(value, type):
                wanted = f"the name of it, {catalog.reference(name, value)!r},"
            elif name == "nemesis" and strings:
                wanted = f"a text with commas, {','.join(value)!r},"
        case _:
            fits, wanted = isinstance(value, dict), "a dict of names and values"
    if not fits:
        raise UsageError(f"Experiment.{name} is {value!r}; {wanted} is needed.")
