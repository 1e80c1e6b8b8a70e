"""PySyncObj, a Raft library in pure Python that nobody here wrote, unmodified.

| system              | what it is                                                               |
|---------------------|--------------------------------------------------------------------------|
| `pysyncobj`         | release 0.3.17, with its journal                                         |
| `pysyncobj-0.3.14`  | that release; any other one likewise                                     |
| `systems.pysyncobj: | 0.3.17 as it is set up by default, in memory alone: a restarted node     |
| PySyncObjMemory`    | knows nothing, not even its vote                                         |
| `systems.pysyncobj: | 0.3.17 with a snapshot every 60 entries instead of every 5000            |
| PySyncObjSnapshots` |                                                                          |
| `systems.pysyncobj: | 0.3.17 with its journal, where a crash is a power failure instead of a   |
| PySyncObjPowerLoss` | killed process                                                           |

Releases are fetched from the package index when they are first run, see
`systems.pysyncobj.releases`.

>>> from harness import catalog
>>> older = catalog.load("system", "pysyncobj-0.3.14")
>>> older.name, catalog.reference("system", older)
('pysyncobj-0.3.14', 'systems.pysyncobj:PySyncObj_0_3_14')
>>> PySyncObj.at_release("latest")
Traceback (most recent call last):
    ...
harness.errors.UsageError: 'latest' is no release of PySyncObj: a number such as 0.3.17...
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from harness.invariant import Invariant
from harness.node import Context, Node, StateMachine
from harness.system import Connection, System
from harness.units import MILLISECOND_NS
from harness.world import Port
from systems.connection import RetryPolicy, SessionConnection
from systems.invariants import ElectionSafety, StateAgreement, StateMachineSafety, Watch
from systems.pysyncobj.library import library
from systems.pysyncobj.messages import MESSAGES
from systems.pysyncobj.node import PySyncObjNode, PySyncObjOptions
from systems.pysyncobj.releases import check_number, missing

__all__ = [
    "PySyncObj",
    "PySyncObjMemory",
    "PySyncObjNode",
    "PySyncObjOptions",
    "PySyncObjPowerLoss",
    "PySyncObjSnapshots",
]


#: A command waits for the next tick, the next heartbeat and the one after it.
_POLICY = RetryPolicy(
    attempt_timeout_ns=1000 * MILLISECOND_NS,
    deadline_ns=4000 * MILLISECOND_NS,
    pause_ns=200 * MILLISECOND_NS,
)


class PySyncObj(System):
    """The system `pysyncobj`; see `systems.pysyncobj.node` for how the library is hosted."""

    name = "pysyncobj"
    summary = "PySyncObj 0.3.17, unmodified; pysyncobj-0.3.14 and the like are other releases"
    messages = MESSAGES
    patience_ns = 1400 * MILLISECOND_NS
    #: Which release of the library it is.
    release: ClassVar[str] = "0.3.17"
    options: ClassVar[PySyncObjOptions] = PySyncObjOptions()

    def __init__(self, *, flaw: str | None = None) -> None:
        super().__init__(flaw=flaw)
        self._library = library(self.release)

    @classmethod
    def unavailable(cls) -> str | None:
        return missing(cls.release)

    @classmethod
    def at_release(cls, release: str) -> type[PySyncObj]:
        """The system with that release of the library. Raises UsageError for what is no number."""
        check_number(release)
        found: type[PySyncObj] = __getattr__("PySyncObj_" + release.replace(".", "_"))
        return found

    def node(self, context: Context, machine: StateMachine) -> Node:
        return PySyncObjNode(context, machine, self._library, self.options)

    def invariants(self) -> Sequence[Invariant]:
        return [Watch([ElectionSafety(), StateMachineSafety(), StateAgreement()])]

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        return SessionConnection(port, session=process + 1, nodes=nodes, home=home, policy=_POLICY)


class PySyncObjMemory(PySyncObj):
    """The system `pysyncobj-memory`: what the library does unless it is told to keep a journal."""

    name = "pysyncobj-memory"
    summary = "PySyncObj 0.3.17 without journal, its default: a restarted node knows nothing"
    options = PySyncObjOptions(journal=False)


class PySyncObjSnapshots(PySyncObj):
    """The same with a snapshot every 60 entries instead of every 5000, so that short runs have
    nodes that lag behind one."""

    name = "pysyncobj-snapshots"
    summary = "PySyncObj 0.3.17 with a snapshot every 60 entries"
    options = PySyncObjOptions(snapshot_entries=60)


class PySyncObjPowerLoss(PySyncObj):
    """The same under power failures in the place of kills: what is not forced to the disk is lost.

    The library writes its journal without forcing it, and does not say that it does.
    """

    name = "pysyncobj-power-loss"
    summary = "PySyncObj 0.3.17; a crash takes what the operating system had not written back"
    options = PySyncObjOptions(holds_back=False)


def __getattr__(name: str) -> type[PySyncObj]:
    """`PySyncObj_0_3_15` and the like: a system with that release."""
    if name in globals():
        made: type[PySyncObj] = globals()[name]
        return made
    found = re.fullmatch(r"PySyncObj((?:_\d+)+)", name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    release = found[1][1:].replace("_", ".")
    made = type(
        name,
        (PySyncObj,),
        {
            "__module__": __name__,
            "name": f"pysyncobj-{release}",
            "summary": f"PySyncObj {release}, unmodified",
            "release": release,
        },
    )
    globals()[name] = made
    return made
