"""What clients do and what must hold: a workload is one short file.

Its parts, in the order in which its file should show them: the state machine that it works on,
the operations (a generator), how a client carries one out, and the checkers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from harness.generators import Generator, Invocation
from harness.node import StateMachine
from harness.system import Connection
from harness.verdict import Checker


class Workload:
    """The base of all workloads. Keyword arguments of a subclass are its options."""

    name: ClassVar[str]
    #: One line for `splitbrain list`.
    summary: ClassVar[str]

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

        Raises `Refused` if it surely did not happen, `Unanswered` if nobody knows.
        """
        raise NotImplementedError

    def checkers(self) -> Sequence[Checker]:
        """What must hold of the history."""
        raise NotImplementedError
