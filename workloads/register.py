"""Registers: read, write and compare-and-set on several keys, each of which must be linearizable.

| operation     | value                | completion            |
|---------------|----------------------|-----------------------|
| read          | None                 | the value read        |
| write         | the value to write   | the same              |
| cas           | [expected, new]      | the same; fails if the register held something else |

With unique values (the default) every write and cas brings a value that was never written to that
key before, which makes checking fast and every error traceable; a cas expects a value that was
seen lately. With reused values all are drawn from 0 to 4, which finds bugs that unique values hide
(such as a cache that takes an old write for a new one).

A cas that fails without an error has seen that the register held something else, and is checked as
the observation that it is; one that was refused, for want of a leader say, has its error.

Systems that promise no more than convergence are judged by that: there is no cas for them, values
are unique, and in the end every node is asked what it holds (`replica`, `workloads.convergent`)
until all hold the same. How stale their reads were is measured by `splitbrain compare`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.convergence import Convergence, RepairQuiet
from checkers.linearizability import Linearizability
from checkers.stats import Stats
from harness.errors import UsageError, unknown_name
from harness.experiment import seconds
from harness.generators import (
    PENDING,
    Context,
    Event,
    Generator,
    Invocation,
    Offer,
    each_thread,
    for_each,
)
from harness.node import StateMachine
from harness.system import Connection, Mismatch
from harness.verdict import Checker
from harness.workload import Workload
from systems.machines import KeyValue
from workloads.convergent import BOUND_S, SETTLE_S, Probes, show_replica

VALUES = ("unique", "reused")


#: The keyspace in which systems that speak of registers keep them.
KEYSPACE = "registers"


class Register(Workload):
    """`keys` registers, hit alike; `read_ratio` of the operations read, the rest write or cas, or
    only write if `cas` is false."""

    name = "register"
    summary = "read, write and cas on several keys; linearizable, or convergent as the system is"
    speaks = ("machine", "registers")
    probes = ("replica",)

    def __init__(
        self, *, keys: int = 5, values: str = "unique", read_ratio: float = 0.5, cas: bool = True
    ) -> None:
        if keys < 1:
            raise UsageError(f"The register workload needs at least 1 key, not {keys}.")
        if values not in VALUES:
            raise unknown_name("choice of values", values, VALUES)
        if not 0 <= read_ratio <= 1:
            raise UsageError(f"read_ratio is {read_ratio}; a ratio lies between 0 and 1.")
        self.keys = tuple(f"k{number}" for number in range(keys))
        self.values = values
        self.read_ratio = read_ratio
        self.cas = cas

    @property
    def converges(self) -> bool:
        """Whether convergence is all that the system promises."""
        return self.setting.promise == "convergent"

    @property
    def rests(self) -> bool:
        return not self.converges

    def machine(self) -> StateMachine:
        return KeyValue()

    def generator(self) -> Generator:
        unique = self.values == "unique" or self.converges
        cas_ratio = 0.5 if self.cas and not self.converges else 0.0
        nothing = (0,) * len(self.keys)
        return _Operations(self.keys, unique, self.read_ratio, cas_ratio, nothing)

    def final(self) -> Generator:
        """Every client reads every key; where nodes may differ, all are asked for all they hold."""
        if self.converges:
            return Probes(self.setting.witnesses, seconds(BOUND_S), seconds(SETTLE_S))
        return each_thread(for_each(self.keys, lambda key: {"f": "read", "key": key}))

    async def invoke(self, connection: Connection, invocation: Invocation) -> Any:
        key, value = invocation.key, invocation.value
        match invocation.f:
            case "read":
                return await connection.execute(("read", key), read_only=True)
            case "write":
                await connection.execute(("write", key, value))
                return value
            case "cas":
                if not await connection.execute(("cas", key, *value)):
                    raise Mismatch("held something else")
                return value
            case "replica":
                node = self.setting.home_of(int(invocation.process))
                return await show_replica(connection, node, ("keyspace", KEYSPACE))
        raise UsageError(f"The register workload knows read, write and cas, not {invocation.f!r}.")

    def checkers(self) -> Sequence[Checker]:
        if self.converges:
            return [Convergence(nodes=self.setting.nodes), RepairQuiet(), Stats()]
        return [Linearizability(model="cas-register"), Stats()]


class _Operations(Generator, frozen=True, gc=False):
    """Random operations; `written` counts the values given out, `seen` is the latest, by key."""

    keys: tuple[str, ...]
    unique: bool
    read_ratio: float
    cas_ratio: float
    written: tuple[int, ...]
    seen: tuple[Any, ...] = ()

    def op(self, context: Context) -> Offer:
        if not context.free_threads:
            return PENDING, self
        random = context.random
        thread = context.roster.threads[context.random_free_bit()]
        process = context.process_of(thread)
        place = int(random.random() * len(self.keys))
        key = self.keys[place]
        seen = self.seen or (None,) * len(self.keys)
        if random.random() < self.read_ratio:
            return Invocation(context.time_ns, thread, process, "read", key), self
        written = self.written
        if self.unique:
            value = written[place] + 1
            written = (*written[:place], value, *written[place + 1 :])
            expected = seen[place]
        else:
            value, expected = int(random.random() * 5), int(random.random() * 5)
        writes = random.random() < 1 - self.cas_ratio
        f, argument = ("write", value) if writes else ("cas", [expected, value])
        invocation = Invocation(context.time_ns, thread, process, f, key, argument)
        return invocation, self._with(written, seen)

    def update(self, context: Context, event: Event) -> Generator:
        if not self.unique or event.type != "ok" or event.key not in self.keys:
            return self
        place = self.keys.index(event.key)
        value = event.value[1] if event.f == "cas" else event.value
        seen = self.seen or (None,) * len(self.keys)
        if seen[place] == value:
            return self
        seen = (*seen[:place], value, *seen[place + 1 :])
        return self._with(self.written, seen)

    def _with(self, written: tuple[int, ...], seen: tuple[Any, ...]) -> _Operations:
        return _Operations(self.keys, self.unique, self.read_ratio, self.cas_ratio, written, seen)
