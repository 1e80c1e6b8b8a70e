"""Directed schedules as prose: a cluster on a stage, driven step by step from one coroutine.

    async def the_old_leader_comes_back(stage):
        old = await stage.leader()
        stage.isolate(old)
        new = await stage.leader(other_than=old)
        await stage.client(new).write("x", 2)
        await stage.pinned(old).read("x")

    play(Raft(flaw="stale-read"), the_old_leader_comes_back).alarm     # "linearizability"
    play(Raft(), the_old_leader_comes_back).alarm                      # ""

A stage is a simulated world with a system in it, watched by the system's invariants. Its links
are even (every message takes `LATENCY_NS`, so that each link keeps its order), its clocks do not
drift and its disks take a fixed time, unless the scenario says otherwise: what happens is what
the scenario says.

| to say                                        | write                                        |
|-----------------------------------------------|----------------------------------------------|
| wait for a leader that answers                | `leader = await stage.leader()`              |
| let time pass                                 | `await stage.sleep(SECOND_NS)`               |
| go on at the very event that makes it so      | `await stage.until(condition, "what")`       |
| cut one direction; a node off; all healthy    | `cut(1, 2)`, `isolate(3)`, `heal()`          |
| lose, hold, delay or double certain messages  | `drop(Append, destination=2)`, `hold(...)`   |
| crash, restart, pause, resume                 | `crash(1, 2, mode="torn")`, ...              |
| a client that retries; one attempt at a node  | `stage.client(1)`, `stage.pinned(1)`         |
| an operation that may fail                    | `await tried(stage.pinned(1).read("x"))`     |
| several operations at once                    | `attempt = stage.begin(client.write, "x", 1)`|

Limits: one key-value machine by default; another one needs a `probe` command that only reads.

>>> from systems.raft import Raft
>>> async def a_write_is_read_back(stage):
...     await stage.client(1).write("x", 7)
...     print(await stage.client(2).read("x"))
>>> play(Raft(), a_write_is_read_back).alarm
7
''
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness import catalog
from harness.errors import SplitbrainError, UsageError
from harness.history import History, Recorder
from harness.invariant import Invariant, InvariantViolated, Observed
from harness.node import Command, NodeId, StateMachine
from harness.simulation.driver import simulate
from harness.simulation.failure import NodeFailure
from harness.simulation.network import LinkModel
from harness.simulation.wire import Wire
from harness.system import Refused, System, Unanswered
from harness.units import MILLISECOND_NS, SECOND_NS
from harness.verdict import Verdict
from systems.machines import KeyValue
from systems.stagecraft import Attempt, Client, Pinned, Rule, RuledWorld

LATENCY_NS = 500_000
EVEN_LINK = LinkModel(minimum_ns=LATENCY_NS, mean_extra_ns=0, slow_ratio=0.0)
FLUSH_NS = (200_000, 200_000)

#: While a scenario waits for a condition it looks after every event of a node, and this often.
_POLL_NS = 5 * MILLISECOND_NS
#: A scenario may wait so long for what it waits for, unless it says otherwise.
_PATIENCE_NS = 20 * SECOND_NS


class Stuck(SplitbrainError):
    """What a scenario waited for did not come about."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a scenario went. `alarm` names what was wrong, "" if nothing was.

    It is the name of an invariant, "linearizability", "stuck" (something that was waited for did
    not happen) or "node-failure" (a node raised an exception); `reason` says more.
    """

    alarm: str
    reason: str
    history: History
    verdict: Verdict | None
    stage: Stage


Scenario = Callable[["Stage"], Awaitable[object]]


def play(
    system: System, scenario: Scenario, *, model: str = "cas-register", **options: Any
) -> Outcome:
    """Play `scenario` with `system`; `options` are those of `Stage`."""
    return Stage(system, **options).play(scenario, model=model)


def check_flaw(
    flawed: System, sound: System, scenario: Scenario, *, alarm: str, **options: Any
) -> Outcome:
    """Play `scenario` with both; the outcome of the flawed one.

    Raises AssertionError unless that raises `alarm`, and the sound one none.
    """
    caught = play(flawed, scenario, **options)
    if caught.alarm != alarm:
        raise AssertionError(
            f"{flawed.name} with the flaw {flawed.flaw} should raise the alarm {alarm!r}, but it "
            f"raises {caught.alarm!r}: {caught.reason}"
        )
    silent = play(sound, scenario, **options)
    if silent.alarm:
        raise AssertionError(
            f"sound {sound.name} is accused in the schedule of {flawed.flaw}: "
            f"{silent.alarm}: {silent.reason}"
        )
    return caught


async def tried(operation: Awaitable[Any]) -> Any:
    """The result of an operation that may fail; None if it does."""
    try:
        return await operation
    except (Refused, Unanswered):
        return None


class _Watcher(Invariant):
    """Lets the stage look after each event of a node."""

    name = "scenario"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        self._stage.look()


class Stage:
    """One run of one system: a world, clients that write down what they do, and faults."""

    def __init__(
        self,
        system: System,
        *,
        seed: int = 1,
        nodes: int = 5,
        clients: int = 8,
        machine: Callable[[], StateMachine] = KeyValue,
        probe: Command = ("read", "probe"),
        link: LinkModel = EVEN_LINK,
        flush_ns: tuple[int, int] = FLUSH_NS,
        drift_ppm: int = 0,
        buggify: bool = False,
        wire: Wire | None = None,
        invariants: bool = True,
    ) -> None:
        self.system = system
        self._probe = probe
        self._recorder = Recorder()
        self._clients = clients
        self.processes = 0
        self._conditions: list[tuple[Callable[[], object], Any]] = []
        self.world = RuledWorld(
            seed=seed,
            nodes=nodes,
            clients=clients,
            factory=lambda context: system.node(context, machine()),
            link=link,
            flush_ns=flush_ns,
            drift_ppm=drift_ppm,
            buggify=buggify,
            wire=wire,
            invariants=[*(system.invariants() if invariants else ()), _Watcher(self)],
        )

    # ---- the whole play

    def play(self, scenario: Scenario, *, model: str = "cas-register") -> Outcome:
        """Run `scenario` to its end, and judge. Raises what the scenario itself raises."""

        async def main() -> None:
            await scenario(self)

        try:
            simulate(self.world, main)
        except InvariantViolated as violated:
            return self._outcome(violated.invariant, str(violated))
        except (Stuck, NodeFailure) as error:
            return self._outcome(
                "stuck" if isinstance(error, Stuck) else "node-failure", str(error)
            )
        history = self.history
        if not len(history):
            return self._outcome("", "no client did anything")
        checker = catalog.load("checker", "linearizability")(model=model)
        verdict: Verdict = checker.check(history)
        alarm = "" if verdict.passed else "linearizability"
        return self._outcome(alarm, verdict.reason, verdict)

    def _outcome(self, alarm: str, reason: str, verdict: Verdict | None = None) -> Outcome:
        return Outcome(
            alarm=alarm, reason=reason, history=self.history, verdict=verdict, stage=self
        )

    @property
    def history(self) -> History:
        """What clients have done so far."""
        return self._recorder.history()

    def note(self, process: int, kind: Any, f: str, key: Any, value: Any) -> None:
        """Write down that something was invoked or has ended."""
        now_ns = self.world.now_ns
        self._recorder.append(time_ns=now_ns, process=process, type=kind, f=f, key=key, value=value)

    # ---- looking and waiting

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        return self.world.nodes

    def node(self, number: NodeId) -> Any:
        """The node object itself. Raises UsageError while it is down."""
        found = self.world.node_object(number)
        if found is None:
            raise UsageError(f"n{number} is down; {self.world.describe_nodes()}")
        return found

    def others(self, *excluded: NodeId) -> list[NodeId]:
        """All nodes but these, in ascending order."""
        return [node for node in self.nodes if node not in excluded]

    async def sleep(self, duration_ns: int) -> None:
        """Let time pass."""
        await self.world.tasks.sleep_ns(duration_ns)

    async def until(
        self, condition: Callable[[], object], what: str, *, within_ns: int = _PATIENCE_NS
    ) -> None:
        """Go on right after the event of a node that makes `condition` true.

        Raises `Stuck` if that takes longer than `within_ns`; `what` completes "waited for".
        """
        world = self.world
        deadline_ns = world.now_ns + within_ns
        while not condition():
            if world.now_ns >= deadline_ns:
                raise Stuck(
                    f"Waited {within_ns / SECOND_NS:g} s for {what}, in vain "
                    f"({world.describe_nodes()})."
                )
            waiter = world.tasks.waiter(what)
            watched = (condition, waiter)
            self._conditions.append(watched)
            world.wake_at(min(world.now_ns + _POLL_NS, deadline_ns), waiter, None)
            await world.tasks.park(waiter)
            if watched in self._conditions:
                self._conditions.remove(watched)

    def look(self) -> None:
        """Something happened at a node: wake those whose condition has come true."""
        if self._conditions:
            for watched in list(self._conditions):
                if watched[0]():
                    self._conditions.remove(watched)
                    self.world.wake_at(self.world.now_ns, watched[1], None)

    async def leader(self, *, other_than: NodeId = 0, within_ns: int = _PATIENCE_NS) -> NodeId:
        """Wait for a leader that answers reads, and return it."""
        deadline_ns = self.world.now_ns + within_ns
        port = self.world.port(self._clients - 1)
        while True:
            leading = [
                node
                for node in self.world.running
                if node != other_than and self.node(node).status().role == "leader"
            ]
            for node in sorted(leading, key=lambda one: -self.node(one).status().term):
                reply = await port.call(
                    node, self._probe, session=0, serial=0, read_only=True,
                    timeout_ns=200 * MILLISECOND_NS,
                )  # fmt: skip
                if reply is not None and reply.done:
                    return node
            if self.world.now_ns >= deadline_ns:
                raise Stuck(
                    f"Waited {within_ns / SECOND_NS:g} s for a leader that answers, in vain "
                    f"({self.world.describe_nodes()})."
                )
            await self.sleep(10 * MILLISECOND_NS)

    # ---- clients

    def client(self, home: NodeId = 1) -> Client:
        """A client that asks `home` first, follows hints and retries as the system's own do."""
        return Client(self, lambda port, process: self.system.connect(
            port, process=process, nodes=self.nodes, home=home
        ))  # fmt: skip

    def pinned(self, node: NodeId, *, timeout_ns: int = 500 * MILLISECOND_NS) -> Client:
        """A client that asks `node` once and nobody else."""
        return Client(self, lambda port, process: Pinned(
            port, node, session=process + 1, timeout_ns=timeout_ns
        ))  # fmt: skip

    def new_process(self) -> tuple[int, Any]:
        """A process number that nobody had, and the port it may use."""
        process = self.processes
        self.processes += 1
        return process, self.world.port(process % max(1, self._clients - 1))

    def begin(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Attempt:
        """Start an operation such as `client.write` beside what goes on."""
        attempt = Attempt(self)
        self.world.tasks.spawn(attempt.run, function, args, name=f"attempt at {args}")
        return attempt

    async def read_everywhere(self, *keys: str) -> list[Any]:
        """Read every key through every running node; all reads enter the history."""
        return [await self.client(node).read(key) for node in self.world.running for key in keys]

    # ---- faults

    def act(self, *actions: list[Any]) -> None:
        """Do actions of the table in `harness.world`."""
        for action in actions:
            self.world.act(action)

    def cut(self, source: NodeId, destination: NodeId) -> None:
        """Nothing gets from `source` to `destination` any more."""
        self.act(["cut", source, destination])

    def cut_both(self, one: NodeId, *others: NodeId) -> None:
        """Cut both directions between `one` and each of `others`."""
        for other in others:
            self.act(["cut", one, other], ["cut", other, one])

    def isolate(self, *group: NodeId) -> None:
        """Cut all links between `group` and the other nodes."""
        for node in group:
            self.cut_both(node, *self.others(*group))

    def heal(self) -> None:
        """Mend all cuts; rules about messages stay."""
        cuts = self.world.network.cuts
        stride = self.world.network.stride
        for link, count in enumerate(list(cuts)):
            for _ in range(count):
                self.act(["mend", link // stride, link % stride])

    def crash(self, *nodes: NodeId, mode: str = "clean") -> None:
        """Crash nodes; with the mode clean they lose all that is not synced."""
        self.act(*(["crash", node, mode] for node in nodes))

    def restart(self, *nodes: NodeId) -> None:
        self.act(*(["restart", node] for node in nodes))

    def pause(self, *nodes: NodeId) -> None:
        self.act(*(["pause", node] for node in nodes))

    def resume(self, *nodes: NodeId) -> None:
        self.act(*(["resume", node] for node in nodes))

    def order(self, node: NodeId, *order: Any) -> None:
        """An operator at `node` orders something, such as "remove", 3."""
        self.act(["order", node, list(order)])

    # ---- rules about messages

    def drop(self, *types: type, **where: Any) -> Rule:
        """Lose all messages of these types (all messages, if none is named) until `rule.end()`.

        `source` and `destination` are nodes or collections of them; `when` is a predicate of the
        message; `count` ends the rule after so many.
        """
        return self._rule("drop", types, **where)

    def hold(self, *types: type, **where: Any) -> Rule:
        """Keep such messages back until `rule.release()`, which sends them on in their order."""
        return self._rule("hold", types, **where)

    def delay(self, delay_ns: int, *types: type, **where: Any) -> Rule:
        """Send such messages on later."""
        return self._rule("delay", types, delay_ns=delay_ns, **where)

    def double(self, delay_ns: int, *types: type, **where: Any) -> Rule:
        """Send such messages on, and once more after `delay_ns`."""
        return self._rule("double", types, delay_ns=delay_ns, **where)

    def _rule(self, kind: str, types: Sequence[type], **where: Any) -> Rule:
        rule = Rule(self.world, kind, tuple(types), **where)
        self.world.rules.append(rule)
        return rule
