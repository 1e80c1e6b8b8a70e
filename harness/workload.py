"""What clients do and what must hold: a workload is one short file.

Its parts, in the order in which its file should show them: the state machine that it works on,
the operations (a generator), how a client carries one out, and the checkers.

What fits what: systems and workloads say in which languages they can talk (`LANGUAGES` in
`harness.system`), and need one in common. What a system promises it is judged by: a workload is
told the promise, with the size of the cluster, as its `setting` before it is asked for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.generators import Generator, Invocation
from harness.node import StateMachine
from harness.system import Connection, Promise
from harness.verdict import Checker


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a workload may know of the run: what the system promises, and how many there are.

    >>> setting = Setting(nodes=3, clients=4)
    >>> [setting.home_of(process) for process in (0, 1, 2, 3, 4)]
    [1, 2, 3, 1, 1]
    >>> setting.witnesses
    (0, 1, 2)
    """

    promise: Promise = "linearizable"
    nodes: int = 5
    clients: int = 10

    def home_of(self, process: int) -> int:
        """The node that a client process asks first, or, where any node answers, alone."""
        return 1 + process % self.clients % self.nodes

    @property
    def witnesses(self) -> tuple[int, ...]:
        """One client thread for each node that has one at home."""
        return tuple(range(min(self.nodes, self.clients)))


class Workload:
    """The base of all workloads. Keyword arguments of a subclass are its options."""

    name: ClassVar[str]
    #: One line for `splitbrain list`.
    summary: ClassVar[str]
    #: In which of `harness.system.LANGUAGES` its clients can talk.
    speaks: ClassVar[tuple[str, ...]] = ("machine",)
    #: Operations that only look at replicas, at the end: checkers that are not the workload's own
    #: do not get to see them.
    probes: ClassVar[tuple[str, ...]] = ()
    #: Set by the runner before anything is asked of the workload.
    setting: Setting = Setting()

    @property
    def rests(self) -> bool:
        """Whether the final operations wait for the experiment's `recovery_ns` after the heal.

        Those that watch the recovery itself must not.
        """
        return True

    def machine(self) -> StateMachine:
        """A new state machine, which a consensus system replicates."""
        raise NotImplementedError

    def generator(self) -> Generator:
        """The operations of clients, without end; rate and duration are the experiment's."""
        raise NotImplementedError

    def final(self) -> Generator | None:
        """Operations after all faults are healed, such as last reads."""
        return None

    async def invoke(self, connection: Connection, invocation: Invocation) -> Any:
        """Carry one operation out and return the value of its completion.

        Raises `Refused` if it surely did not happen, for whatever reason, `Mismatch` if it was
        tried and found another value than it expected, and `Unanswered` if nobody knows. Any other
        exception is a crash, and ends the run.
        """
        raise NotImplementedError

    def checkers(self) -> Sequence[Checker]:
        """What must hold of the history."""
        raise NotImplementedError
