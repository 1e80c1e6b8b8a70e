"""What the workloads of convergent systems have in common: draws, probes of replicas, checks.

    work under faults ─▶ heal ─▶ "replica" at every node, every 250 ms ─▶ all agree, and go on to
                                 until then, or until the bound is over

The probes begin right after the last fault is healed, so that the history shows how long it took
to agree. They end when all replicas have shown the same for `settle_s`, and no repair has moved
anything since; at the latest after `bound_s`.

Operation `replica`, completed: {"node": n, "state": [[key, value, timestamp], ...], "delivered":
digest or None, "repaired": count}, as the node's `replica` command has them
(`systems.gossip.views`).

>>> from harness.generators import simulate
>>> probes = Probes((0, 1), bound_ns=10**10, settle_ns=400 * MILLISECOND_NS)
>>> same = {"state": [["count", 3, None]], "repaired": 0}
>>> rows = simulate(probes, complete=lambda invocation: ("ok", same))
>>> [row.time_ns // MILLISECOND_NS for row in rows if (row.type, row.process) == ("invoke", 0)]
[0, 250]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, ClassVar

import msgspec

from harness.errors import UsageError
from harness.experiment import seconds
from harness.generators import PENDING, Context, Event, Generator, Invocation, Offer, Pending
from harness.generators.core import earlier
from harness.node import StateMachine
from harness.system import Connection
from harness.units import MILLISECOND_NS
from harness.workload import Workload
from systems.crdt import Objects

PROBE_INTERVAL_NS = 250 * MILLISECOND_NS
#: How long the probes go on at most, and how long all must agree until they end.
BOUND_S = 60.0
SETTLE_S = 3.0

#: What to do next: f, key, value; drawn from a stream and a number that is still unused.
Draw = Callable[[Random, int], tuple[str, Any, Any]]


class Drawn(Generator, frozen=True, gc=False):
    """Operations without end, each drawn by `draw` for a random free thread.

    `number` is a value that was not used yet; the next one follows once it is used.
    """

    draw: Draw
    number: int = 1

    def op(self, context: Context) -> Offer:
        if not context.free_threads:
            return PENDING, self
        thread = context.roster.threads[context.random_free_bit()]
        f, key, value = self.draw(context.random, self.number)
        process = context.process_of(thread)
        invocation = Invocation(context.time_ns, thread, process, f, key, value)
        used = value == self.number or (isinstance(value, dict) and self.number in value.values())
        return invocation, Drawn(self.draw, self.number + 1) if used else self


class Probes(Generator, frozen=True, gc=False):
    """The operation `f` on each of `threads`, every `interval_ns`, until all agree or time is up.

    They agree when the latest answers of all threads are the same `shown`, and, if `expected` is
    not None, that; and stay so for `settle_ns`, with nothing `moved` in between. At the latest it
    ends `bound_ns` after its first operation.
    """

    threads: tuple[int, ...]
    bound_ns: int
    settle_ns: int
    f: str = "replica"
    shown: str = "state"
    moved: str = "repaired"
    expected: Any = None
    interval_ns: int = PROBE_INTERVAL_NS
    #: By position in `threads`: when to ask again, and the latest answer.
    due_ns: tuple[int, ...] = ()
    latest: tuple[Any, ...] = ()
    until_ns: int | None = None
    agreed_ns: int | None = None

    def op(self, context: Context) -> Offer:
        now_ns = context.time_ns
        settled_ns = None if self.agreed_ns is None else self.agreed_ns + self.settle_ns
        soonest_ns = earlier(self.until_ns, settled_ns)
        if soonest_ns is not None and now_ns >= soonest_ns:
            return None
        for place, thread in enumerate(self.threads):
            if thread not in context.free_threads:
                continue
            due_ns = self.due_ns[place] if self.due_ns else now_ns
            if due_ns <= now_ns:
                process = context.process_of(thread)
                return Invocation(now_ns, thread, process, self.f), self
            soonest_ns = earlier(soonest_ns, due_ns)
        return Pending(soonest_ns), self

    def update(self, context: Context, event: Event) -> Generator:
        if event.f != self.f or not isinstance(event.process, int):
            return self
        thread = context.thread_of(event.process)
        if thread not in self.threads:
            return self
        place = self.threads.index(thread)
        if event.type == "invoke":
            return self._asked(place, event.time_ns)
        return self._answered(place, event)

    def _asked(self, place: int, now_ns: int) -> Generator:
        due_ns = self.due_ns or (now_ns,) * len(self.threads)
        return self._changed(
            due_ns=_with(due_ns, place, now_ns + self.interval_ns),
            until_ns=now_ns + self.bound_ns if self.until_ns is None else self.until_ns,
        )

    def _answered(self, place: int, event: Event) -> Generator:
        latest = self.latest or (None,) * len(self.threads)
        before, now = latest[place], event.value if event.type == "ok" else None
        latest = _with(latest, place, now)
        if now is None or not self._agree(latest):
            return self._changed(latest=latest, agreed_ns=None)
        still = before is not None and before.get(self.moved) == now.get(self.moved)
        agreed_ns = self.agreed_ns if still and self.agreed_ns is not None else event.time_ns
        return self._changed(latest=latest, agreed_ns=agreed_ns)

    def _agree(self, latest: Sequence[Any]) -> bool:
        if any(answer is None for answer in latest):
            return False
        first = latest[0][self.shown]
        if self.expected is not None and first != self.expected:
            return False
        return all(answer[self.shown] == first for answer in latest)

    def _changed(self, **changes: Any) -> Generator:
        return msgspec.structs.replace(self, **changes)


def _with(values: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*values[:place], value, *values[place + 1 :])


class ConvergentWorkload(Workload):
    """The base of the workloads of this kind; subclasses say what to draw and how to do it.

    `target` is what probes look at: ("keyspace", name) or ("object", name). `kind` is the kind of
    CRDT that the object is.
    """

    speaks = ("store",)
    probes: ClassVar[tuple[str, ...]] = ("replica",)
    target: ClassVar[tuple[str, str]]
    kind: str | None = None

    def __init__(self, *, bound_s: float = BOUND_S, settle_s: float = SETTLE_S) -> None:
        for name, value in (("bound_s", bound_s), ("settle_s", settle_s)):
            if not value > 0:
                raise UsageError(f"{name} is {value}; it is a duration in seconds, above 0.")
        self.bound_ns = seconds(bound_s)
        self.settle_ns = seconds(settle_s)

    @property
    def rests(self) -> bool:
        return False

    def machine(self) -> StateMachine:
        return Objects({self.target[1]: self.kind} if self.kind else None)

    def generator(self) -> Generator:
        return Drawn(self.draw)

    def draw(self, random: Random, number: int) -> tuple[str, Any, Any]:
        """f, key and value of an operation; `number` is a value that was not used yet."""
        raise NotImplementedError

    def final(self) -> Generator | None:
        return Probes(self.setting.witnesses, self.bound_ns, self.settle_ns)

    async def invoke(self, connection: Connection, invocation: Invocation) -> Any:
        node = self.setting.home_of(int(invocation.process))
        if invocation.f == "replica":
            return await show_replica(connection, node, self.target)
        return await self.carry_out(connection, invocation, node)

    async def carry_out(self, connection: Connection, invocation: Invocation, node: int) -> Any:
        """Carry one operation out; `node` is the home of its process."""
        raise NotImplementedError

    def unknown(self, f: str, *known: str) -> UsageError:
        """The error for an operation that is none of `known`."""
        return UsageError(f"The {self.name} workload knows {', '.join(known)}, not {f!r}.")


async def show_replica(connection: Connection, node: int, target: tuple[str, str]) -> Any:
    """The value of a completed `replica` operation."""
    shown = await connection.execute(["replica", *target], read_only=True)
    state, delivered, repaired = shown
    return {"node": node, "state": state, "delivered": delivered, "repaired": repaired}


def check_ratios(**ratios: float) -> None:
    """Raises UsageError if the ratios are not such that together they leave something."""
    for name, ratio in ratios.items():
        if not 0 <= ratio <= 1:
            raise UsageError(f"{name} is {ratio}; a ratio lies between 0 and 1.")
    if sum(ratios.values()) > 1:
        raise UsageError(f"{' and '.join(ratios)} make {sum(ratios.values())} together, above 1.")
