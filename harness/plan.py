"""The replay file: everything that decides a run, as plain data.

A first run draws its operations and faults as it goes and writes down the concrete ones ("crash
n3", never "crash the leader"). Replaying the plan needs neither the generator nor the nemesis,
and a plan from which a fault or an operation was dropped can still be run.

>>> plan = Plan(experiment=Experiment(), seed=7)
>>> Plan.decode(plan.encode()) == plan
True
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.errors import UsageError
from harness.experiment import Experiment
from harness.world import Action

FORMAT = 1


class PlannedOperation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A client operation: which thread tries what, from when on."""

    time_ns: int
    thread: int
    f: str
    key: Any = None
    value: Any = None


class PlannedFault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fault: what the history says of it, and the actions that make it."""

    time_ns: int
    f: str
    value: Any = None
    actions: tuple[Action, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether it changed nothing: the nemesis looked, and waited."""
        return self.value is None and not self.actions


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Experiment, seed, operations and faults; `digest` is that of the run it was drawn from.

    The seed still decides the network, the disks and the nodes' own draws.
    """

    experiment: Experiment
    seed: int
    operations: tuple[PlannedOperation, ...] = ()
    faults: tuple[PlannedFault, ...] = ()
    digest: str = ""
    format: int = FORMAT

    @property
    def fault_changes(self) -> int:
        """How many of the faults changed something."""
        return sum(not fault.idle for fault in self.faults)

    def encode(self) -> bytes:
        """The plan as indented JSON, one operation or fault a line."""
        lines = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, tuple) and value:
                items = b",\n  ".join(map(msgspec.json.encode, value))
                lines.append(b'"%s": [\n  %s\n]' % (name.encode(), items))
            else:
                lines.append(b'"%s": %s' % (name.encode(), msgspec.json.encode(value)))
        return b"{\n" + b",\n".join(lines) + b"\n}\n"

    @classmethod
    def decode(cls, content: bytes) -> Plan:
        """Read what `encode` wrote. Raises UsageError that says what does not fit."""
        try:
            plan = msgspec.json.decode(content, type=cls)
        except msgspec.DecodeError as error:
            raise UsageError(
                f"This is no plan: {error}. A plan is the plan.json that `splitbrain run` writes "
                "into the folder of a run."
            ) from error
        if plan.format != FORMAT:
            raise UsageError(
                f"The plan has format {plan.format}; this version reads format {FORMAT}. Replay "
                "it with the version of splitbrain that wrote it."
            )
        return plan
