"""Runs an experiment in the simulated world, or replays a plan; gives history, trace and plan.

    Experiment + seed ──▶ run ──┐
                                ├──▶ Run(history, plan, digest, trace)
    Plan ──────────▶ replay ────┘

A run draws its operations from the workload's generator and its faults from the nemesis, and
writes both down in its plan. A replay takes them from the plan. Both give the same digest.

Every row of the history goes to `sink` the moment it happens, so that nothing recorded is lost
when a run is interrupted.

>>> from harness.experiment import Experiment, seconds
>>> first = run(Experiment(nodes=3, clients=2, time_limit_ns=seconds(2)), seed=1)
>>> replay(first.plan).digest == first.digest
True
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from harness.checks import OnlineChecker, followers, judges
from harness.experiment import Experiment
from harness.formats.jsonl import jsonl_line
from harness.generators import (
    GeneratorLike,
    Invocation,
    any_of,
    clients,
    nemesis,
    phases,
    sleep,
    stagger,
    time_limit,
)
from harness.generators import replay as replayed
from harness.history import History, Recorder
from harness.interpreter import Carrier, Interpreter
from harness.invariant import InvariantViolated
from harness.making import make_nemesis, make_system, make_workload
from harness.node import endpoint_name
from harness.operation import Operation
from harness.plan import Plan, PlannedFault, PlannedOperation
from harness.scripted import Scripted, planned
from harness.simulation.driver import simulate
from harness.simulation.failure import NodeFailure
from harness.simulation.network import LinkModel
from harness.simulation.recording import Facts, Log, Recording
from harness.simulation.trace import REPLAY_EVENTS, RING_EVENTS, TraceEvent, trace_lines
from harness.simulation.wire import Wire
from harness.simulation.world import Probe, SimulatedWorld
from harness.units import SECOND_NS
from harness.verdict import Verdict

Sink = Callable[[bytes], object]


class Onlooker:
    """Is told what a run plans and does while it goes on, for whoever may not see its end.

    This one does not care; `harness.foreign` has one that carries it all to another process.
    """

    def row(self, line: bytes) -> None:
        """The next row of the history, as a line of JSON."""

    def planned(self, item: PlannedOperation | PlannedFault) -> None:
        """The next operation or fault, right before it begins."""

    def log(self, experiment: Experiment) -> Log | None:
        """What the world is to write its events to; None for a log of its own."""
        return None

    def broke_off(self, run: Run) -> None:
        """An error ends the run; `run` is what there is of it, without a digest."""


#: How long after its planned end a run may go on before it is given up.
GRACE_NS = 600 * SECOND_NS


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that one run left behind.

    `digest` is 16 hexadecimal digits over everything that was delivered and everything that the
    history says. `trace` holds the last `trace_capacity` events of `log`; `probes` what nodes
    noted as (time_ns, node, event), `goals` how often; `delivered` and `dropped` count messages.
    `delivered_bytes` is the size of the delivered messages, 0 unless the experiment has `wire`.
    `violation` is the invariant whose violation ended the run, if one did; `stopped` is what a
    checker that followed the run said when it stopped it, its details with the time and the row.
    `death` is the verdict on a node that raised an exception (`harness.simulation.failure`) or on a
    run that took its process with it (`harness.foreign`).
    """

    plan: Plan
    history: History
    digest: str
    goals: dict[str, int] = field(default_factory=dict)
    probes: Sequence[Probe] = ()
    delivered: int = 0
    delivered_bytes: int = 0
    dropped: int = 0
    duration_ns: int = 0
    violation: InvariantViolated | None = None
    stopped: Verdict | None = None
    log: Log | None = None
    trace_capacity: int = RING_EVENTS
    death: Verdict | None = None

    @property
    def trace(self) -> Sequence[TraceEvent]:
        return () if self.log is None else self.log.trace(self.trace_capacity)

    def recording(self) -> Recording:
        """What was recorded for a report, put into columns and words."""
        experiment = self.plan.experiment
        facts = Facts(
            digest=self.digest,
            duration_ns=self.duration_ns,
            delivered=self.delivered,
            delivered_bytes=self.delivered_bytes,
            dropped=self.dropped,
            goals=self.goals,
        )
        log = Log(nodes=experiment.nodes) if self.log is None else self.log
        return Recording.of(log, clients=experiment.clients, facts=facts, marks=self.probes)

    def trace_lines(self) -> Iterator[bytes]:
        """The trace as lines of JSON."""
        nodes = self.plan.experiment.nodes
        return trace_lines(self.trace, lambda endpoint: endpoint_name(endpoint, nodes))


def run(
    experiment: Experiment,
    seed: int,
    *,
    sink: Sink | None = None,
    onlooker: Onlooker | None = None,
) -> Run:
    """Run `experiment` with `seed`. Raises UsageError for unknown names and bad options."""
    return _Execution(Plan(experiment=experiment, seed=seed), sink, onlooker).run()


def replay(plan: Plan, *, sink: Sink | None = None, onlooker: Onlooker | None = None) -> Run:
    """Run exactly the operations and faults of `plan`, without generator or nemesis."""
    return _Execution(plan, sink, onlooker, scripted=True).run()


#: The function of the last fault of a plan whose run was ended by a node.
LAST_MOMENT = "last-moment"


def last_moment(time_ns: int) -> PlannedFault:
    """The last fault of a plan whose run a node has ended then. It does nothing; but without it a
    replay would be over with its last operation, and never come to that moment."""
    return PlannedFault(time_ns=time_ns + 1, f=LAST_MOMENT)


class _Execution:
    """One run on its way."""

    def __init__(
        self,
        plan: Plan,
        sink: Sink | None,
        onlooker: Onlooker | None,
        *,
        scripted: bool = False,
    ) -> None:
        self.plan = plan
        self.onlooker = onlooker or Onlooker()
        self.experiment = experiment = plan.experiment
        self.sink = sink
        self.system = make_system(experiment)
        self.workload = make_workload(experiment)
        self.nemesis = None if scripted else make_nemesis(experiment.nemesis)
        self.script = Scripted(plan.faults) if scripted else None
        self.followers: list[OnlineChecker] = []
        if experiment.stop_early:
            self.followers = followers(judges(experiment.checkers, self.workload))
        self.stopped: Verdict | None = None
        self.nemesis_rows = 0
        self.recorder = Recorder()
        self.hash = hashlib.blake2b(digest_size=8)
        self.operations: list[PlannedOperation] = []
        self.faults: list[PlannedFault] = []
        self.world = SimulatedWorld(
            seed=plan.seed,
            nodes=experiment.nodes,
            clients=experiment.clients,
            factory=lambda context: self.system.node(context, self.workload.machine()),
            link=LinkModel(
                loss_ratio=experiment.loss_ratio, duplicate_ratio=experiment.duplicate_ratio
            ),
            drift_ppm=experiment.drift_ppm,
            buggify=experiment.buggify,
            wire=Wire(self.system.messages) if experiment.wire else None,
            trace_capacity=REPLAY_EVENTS if scripted else RING_EVENTS,
            log=self.onlooker.log(experiment),
            started=False,
            invariants=self.system.invariants() if experiment.invariants else (),
        )
        self.draws = self.world.stream("nemesis")

    def run(self) -> Run:
        experiment = self.experiment
        self.interpreter = interpreter = Interpreter(
            self.world,
            self._recorded() if self.script else self._drawn(),
            clients=experiment.clients,
            carriers=self._client,
            nemesis=self._break,
            journal=self._journal,
            dispatched=self._dispatched,
            horizon_ns=experiment.time_limit_ns + experiment.recovery_ns + GRACE_NS,
        )
        violation = death = None
        try:
            with _few_collections():
                self.world.start()
                simulate(self.world, interpreter.run)
        except InvariantViolated as violated:
            violation = violated
            self.hash.update(str(violated).encode())
        except NodeFailure as failure:
            death = failure.verdict()
            self.hash.update(str(failure).encode())
        except BaseException:
            with suppress(Exception):  # the error itself is more important
                self.onlooker.broke_off(self._run_so_far())
            raise
        if violation is not None or death is not None:
            self.faults.append(last_moment(self.world.now_ns))
        self.hash.update(self.world.digest.encode())
        return self._run_so_far(self.hash.hexdigest(), violation=violation, death=death)

    def _run_so_far(
        self,
        digest: str = "",
        *,
        violation: InvariantViolated | None = None,
        death: Verdict | None = None,
    ) -> Run:
        return Run(
            plan=Plan(
                experiment=self.experiment,
                seed=self.plan.seed,
                operations=tuple(self.operations),
                faults=tuple(self.faults),
                digest=digest,
            ),
            history=self.recorder.history(),
            digest=digest,
            goals=dict(self.world.goals),
            probes=tuple(self.world.probes),
            delivered=self.world.delivered,
            delivered_bytes=0 if self.world.wire is None else self.world.wire.delivered_bytes,
            dropped=self.world.dropped,
            duration_ns=self.world.now_ns,
            violation=violation,
            stopped=self.stopped,
            log=self.world.log,
            trace_capacity=self.world.trace_capacity,
            death=death,
        )

    # ---- what happens when

    def _drawn(self) -> GeneratorLike:
        """Work under faults; then heal, rest, and do the final operations."""
        assert self.nemesis is not None
        experiment = self.experiment
        rest_ns = experiment.recovery_ns if self.workload.rests else 0
        spacing_ns = round(SECOND_NS / experiment.rate_per_s)
        work = clients(
            stagger(spacing_ns, self.workload.generator()),
            self.nemesis.generator(experiment.interval_ns),
        )
        return phases(
            time_limit(experiment.time_limit_ns, work),
            nemesis(self.nemesis.final()),
            sleep(rest_ns),
            clients(self.workload.final()),
        )

    def _recorded(self) -> GeneratorLike:
        return any_of(replayed(self.plan.operations), planned(self.plan.faults))

    # ---- who does it

    def _client(self, thread: int, process: int) -> Carrier:
        connection = self.system.connect(
            self.world.port(thread),
            process=process,
            nodes=self.world.nodes,
            home=self.workload.setting.home_of(process),
        )

        async def carry(invocation: Invocation) -> Any:
            return await self.workload.invoke(connection, invocation)

        return carry

    async def _break(self, invocation: Invocation) -> Any:
        if self.script is not None:
            fault = self.script.resolve(invocation.f)
        else:
            assert self.nemesis is not None
            fault = self.nemesis.resolve(invocation.f, self.world, self.draws)
        planned = PlannedFault(
            time_ns=invocation.time_ns,
            f=invocation.f,
            value=fault.value,
            actions=tuple(fault.actions),
        )
        self.onlooker.planned(planned)
        self.faults.append(planned)
        await self.world.perform(fault.actions)
        return fault.value

    # ---- what is written down

    def _dispatched(self, invocation: Invocation) -> None:
        if isinstance(invocation.thread, int):
            planned = PlannedOperation(
                time_ns=invocation.time_ns,
                thread=invocation.thread,
                f=invocation.f,
                key=invocation.key,
                value=invocation.value,
            )
            self.onlooker.planned(planned)
            self.operations.append(planned)

    def _journal(self, operation: Operation) -> None:
        line = jsonl_line(operation)
        self.hash.update(line)
        if self.sink is not None:
            self.sink(line)
        self.onlooker.row(line)
        self.recorder.append(
            time_ns=operation.time_ns,
            process=operation.process,
            type=operation.type,
            f=operation.f,
            key=operation.key,
            value=operation.value,
            error=operation.error,
        )
        self.nemesis_rows += not operation.is_client
        watched = self.followers and operation.f not in self.workload.probes
        if watched and self.stopped is None:
            self._follow(operation)

    def _follow(self, operation: Operation) -> None:
        """Let those who follow the run see a row, and stop it if one of them has seen enough."""
        for follower in self.followers:
            verdict = follower.observe(operation)
            if verdict is not None:
                assert operation.is_client, f"{operation.process} contradicts no client"
                assert operation.type != "invoke", "what only begins contradicts nothing"
                at = {"stopped_at_ns": operation.time_ns, "stopped_at_row": operation.index}
                self.stopped = replace(verdict, details={**verdict.details, **at})
                self.interpreter.stop(self._healing())
                return

    def _healing(self) -> GeneratorLike:
        if self.script is not None:
            # the nemesis says when it begins and when it is done: an odd row is a begin
            return self.script.only_heal(begun=(self.nemesis_rows + 1) // 2 - len(self.faults))
        assert self.nemesis is not None
        return nemesis(self.nemesis.final())


@contextmanager
def _few_collections() -> Iterator[None]:
    """A run makes few cycles and many objects: collect rarely, and not what was there before."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
