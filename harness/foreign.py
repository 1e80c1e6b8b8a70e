"""Runs of code that may kill its process: in a child process, whose death is a verdict.

    parent                                     child
    carry(plan) ── fork ─────────────────────▶ run or replay, as ever
      history, plan  ◀──── pipe, as they come ─┤
      last events    ◀──── shared memory ──────┤
      the finished Run ◀── pipe ───────────────┘  or SIGSEGV, SIGABRT ...
      or a Run made of what has come, and the verdict "survival: fail"

A system that says `foreign` gets this; all others run where they are called. Nothing of a run
depends on where it happens: its digest is the same. A process that dies leaves its history up to
the last row, its plan up to the last fault (so that it can be replayed) and its last events, since
each is written where the parent has it before the node hears of it: the last one says which node's
call was under way.

Limits: what a wild pointer overwrites before it kills may be anything, so a death is repeatable
only as far as the library's memory is. What it wrote to its standard error is told.

>>> from harness.experiment import seconds
>>> plan = Plan(experiment=Experiment(nodes=3, clients=2, time_limit_ns=seconds(1)), seed=1)
>>> carry(plan).digest == run(plan.experiment, 1).digest
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from harness import catalog
from harness.child import Died, Heard, Ring, in_child
from harness.experiment import Experiment
from harness.history import History
from harness.node import NodeStatus, endpoint_name
from harness.operation import Operation
from harness.plan import Plan, PlannedFault, PlannedOperation
from harness.runner import Onlooker, Run, Sink, last_moment, replay, run
from harness.simulation.recording import EVENTS_MAX, Event, Log, Sighting
from harness.simulation.trace import DISK, FAULT, LOST, MESSAGE, PROBE, REPLAY_EVENTS, TIMER
from harness.simulation.wire import Wire
from harness.units import SECOND_NS
from harness.verdict import Verdict

#: So many of the last events a verdict tells.
EVENTS_TOLD = 12

#: Kinds of what the child says.
_ROW, _OPERATION, _FAULT = b"h", b"o", b"f"


def carry(
    plan: Plan,
    *,
    scripted: bool = False,
    sink: Sink | None = None,
    broke_off: Callable[[Run], object] = lambda run: None,
) -> Run:
    """Run the experiment of `plan` with its seed, or with `scripted` replay it.

    In a child process if the system is foreign. Raises what run and replay raise; `broke_off` is
    told before what there is of the run, as `Onlooker.broke_off` is.
    """
    system = catalog.load("system", plan.experiment.system)
    if not system.foreign:
        return _run(plan, scripted, sink, _Near(broke_off))
    ring = Ring()
    wire = Wire(system.messages)
    heard = _HeardRun(plan, sink)

    def work(say: Heard) -> tuple[Run, _Parts | None]:
        done = _run(plan, scripted, None, _Far(say, ring, wire))
        parts = None if done.log is None else _parts(done.log)
        return replace(done, log=None), parts

    try:
        done, parts = in_child(work, heard)
    except Died as died:
        return heard.run_until(died, ring, wire)
    except BaseException as error:
        with suppress(Exception):  # the error itself is more important
            so_far = heard.run_until(None, ring, wire)
            if isinstance(error, KeyboardInterrupt):
                error.add_note(_whereabouts(so_far))
            broke_off(so_far)
        raise
    wire_in_use = wire if plan.experiment.wire else None
    return replace(done, log=None if parts is None else _log(plan.experiment, parts, wire_in_use))


def _run(plan: Plan, scripted: bool, sink: Sink | None, onlooker: Onlooker) -> Run:
    if scripted:
        return replay(plan, sink=sink, onlooker=onlooker)
    return run(plan.experiment, plan.seed, sink=sink, onlooker=onlooker)


class _Near(Onlooker):
    """Needs to be told of nothing but an error: all else is in this process."""

    def __init__(self, broke_off: Callable[[Run], object]) -> None:
        self._broke_off = broke_off

    def broke_off(self, run: Run) -> None:
        self._broke_off(run)


#: What a log holds, without what only its own process can use.
_Parts = tuple[list[Event], list[Sighting], list[tuple[int, int, str]]]


def _parts(log: Log) -> _Parts:
    return list(log.events), log.sightings, log.lives


def _log(experiment: Experiment, parts: _Parts, wire: Wire | None) -> Log:
    """A log that holds `parts`."""
    events, sightings, lives = parts
    made = Log(nodes=experiment.nodes, capacity=max(EVENTS_MAX, len(events)))
    made.wire = wire
    made.events.extend(events)
    made.sightings += sightings
    made.lives += lives
    return made


_EVENT, _SIGHTING, _LIFE = 0, 1, 2
_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode
_decode_record = msgspec.msgpack.Decoder(tuple[int, int, int, int, int, Any, int]).decode
_decode_status = msgspec.msgpack.Decoder(NodeStatus).decode


class _FarLog(Log):
    """A world's log whose events are in the ring as well, before anybody acts on them."""

    def __init__(self, experiment: Experiment, ring: Ring, wire: Wire) -> None:
        super().__init__(nodes=experiment.nodes, capacity=REPLAY_EVENTS)
        self.record = self._record
        self._ring = ring
        self._to_bytes = wire.encode

    def _record(self, event: Event) -> None:
        self.events.append(event)
        time_ns, _, kind, destination, source, payload, sent_ns = event
        if kind in (MESSAGE, LOST) and not isinstance(payload, bytes):
            payload = self._to_bytes(payload)
        record = (_EVENT | kind << 2, time_ns, 0, destination, source, payload, sent_ns)
        self._ring.write(_encode(record))

    def look(self, time_ns: int, node: int, status: NodeStatus) -> None:
        before = len(self.sightings)
        super().look(time_ns, node, status)
        if len(self.sightings) > before:
            self._ring.write(_encode((_SIGHTING, time_ns, 0, node, 0, _encode(status), 0)))

    def became(self, time_ns: int, node: int, state: str) -> None:
        super().became(time_ns, node, state)
        self._ring.write(_encode((_LIFE, time_ns, 0, node, 0, state, 0)))


class _Far(Onlooker):
    """Sends all that it is told to the parent."""

    def __init__(self, say: Heard, ring: Ring, wire: Wire) -> None:
        self._say = say
        self._ring = ring
        self._wire = wire

    def row(self, line: bytes) -> None:
        self._say(_ROW, line)

    def planned(self, item: PlannedOperation | PlannedFault) -> None:
        kind = _OPERATION if isinstance(item, PlannedOperation) else _FAULT
        self._say(kind, msgspec.msgpack.encode(item))

    def log(self, experiment: Experiment) -> Log:
        return _FarLog(experiment, self._ring, self._wire)


# ---- what is left of a run


class _HeardRun:
    """What the parent has heard of a run."""

    def __init__(self, plan: Plan, sink: Sink | None) -> None:
        self._plan = plan
        self._sink = sink
        self._rows: list[bytes] = []
        self._operations: list[PlannedOperation] = []
        self._faults: list[PlannedFault] = []

    def __call__(self, kind: bytes, content: bytes) -> None:
        if kind == _ROW:
            self._rows.append(content)
            if self._sink is not None:
                self._sink(content)
        elif kind == _OPERATION:
            self._operations.append(msgspec.msgpack.decode(content, type=PlannedOperation))
        else:
            self._faults.append(msgspec.msgpack.decode(content, type=PlannedFault))

    def run_until(self, died: Died | None, ring: Ring, wire: Wire) -> Run:
        """The run up to the death of its process; None: up to now, without a digest."""
        cause = "" if died is None else died.cause
        digest = hashlib.blake2b(cause.encode(), digest_size=8)
        for row in self._rows:
            digest.update(row)
        events: list[Event] = []
        sightings: list[Sighting] = []
        lives: list[tuple[int, int, str]] = []
        for record in ring.records():
            tag, time_ns, order, destination, source, payload, sent_ns = _decode_record(record)
            kind = tag >> 2
            if tag == _LIFE:
                lives.append((time_ns, destination, payload))
            elif tag == _SIGHTING:
                sightings.append((time_ns, destination, _decode_status(payload)))
            else:
                digest.update(record)
                told = wire.decode(payload) if kind in (MESSAGE, LOST) else payload
                events.append((time_ns, order, kind, destination, source, told, sent_ns))
        probes = [(event[0], event[3], event[5][0]) for event in events if event[2] == PROBE]
        goals: dict[str, int] = {}
        for _, _, name in probes:
            goals[name] = goals.get(name, 0) + 1
        history = History.from_operations(
            msgspec.json.decode(row, type=Operation) for row in self._rows
        )
        experiment = self._plan.experiment
        told_digest = "" if died is None else digest.hexdigest()
        reached_ns = events[-1][0] if events else 0
        return Run(
            plan=Plan(
                experiment=experiment,
                seed=self._plan.seed,
                operations=tuple(self._operations),
                faults=(*self._faults, *([] if died is None else [last_moment(reached_ns)])),
                digest=told_digest,
            ),
            history=history,
            digest=told_digest,
            goals=goals,
            probes=probes,
            delivered=sum(event[2] == MESSAGE for event in events),
            dropped=sum(event[2] == LOST for event in events),
            duration_ns=reached_ns,
            log=_log(experiment, (events, sightings, lives), None),
            trace_capacity=len(events),
            death=None if died is None else _verdict(died, experiment, events),
        )


def _verdict(died: Died, experiment: Experiment, events: list[Event]) -> Verdict:
    """What happened, for a reader who sees nothing else."""
    node, under_way = _under_way(experiment, events)
    at_ns = events[-1][0] if events else 0
    where = f"n{node} " if node else ""
    reason = (
        f"The code of {experiment.system} {died} at {at_ns / SECOND_NS:.6f} s, "
        f"in a call that {where}{under_way}."
    )
    if died.last_words:
        reason += f" Its last words: {died.last_words.splitlines()[-1]}"
    last = [event for event in events if event[2] != LOST][-EVENTS_TOLD:]
    return Verdict(
        checker="survival",
        outcome="fail",
        reason=reason,
        witness={
            "died of": died.cause,
            "node": f"n{node}" if node else "unknown",
            "time_ns": at_ns,
            "under way": f"{where}{under_way}",
            **({"last words": died.last_words} if died.last_words else {}),
            "sentences": [
                {"text": _line(experiment, event), **_place(experiment, event)} for event in last
            ],
            "conclusion": f"In the call that {where}{under_way} the process {died}.",
        },
    )


def _whereabouts(so_far: Run) -> str:
    """Where Ctrl-C has met the run."""
    told = f"It was at {so_far.duration_ns / SECOND_NS:.6f} s of simulated time"
    events = [] if so_far.log is None else list(so_far.log.events)
    node, under_way = _under_way(so_far.plan.experiment, events)
    return f"{told}, in the call that n{node} {under_way}." if node else f"{told}."


def _under_way(experiment: Experiment, events: list[Event]) -> tuple[int, str]:
    """The node whose call was under way (0: unknown), and what it had just been told."""
    for event in reversed(events):
        _, _, kind, destination, _, payload, _ = event
        if kind in (LOST, PROBE):
            continue
        if kind == FAULT:
            match payload:
                case ["restart", int(node)]:
                    return node, "made when it started again"
                case ["order", int(node), order]:
                    return node, f"made to carry out the order {order}"
        elif destination <= experiment.nodes:
            return destination, f"made {_told(experiment, event)}"
        break
    return 0, "nobody has written down" if events else "was made when the nodes started"


def _told(experiment: Experiment, event: Event) -> str:
    _, _, kind, _, source, payload, _ = event
    if kind == MESSAGE:
        return f"to handle {payload!r} from {endpoint_name(source, experiment.nodes)}"
    return f"when its timer {payload!r} rang" if kind == TIMER else "when its disk had synced"


def _place(experiment: Experiment, event: Event) -> dict[str, int]:
    """Where to look for an event, if it is one of a node."""
    time_ns, _, kind, destination, *_ = event
    at_node = kind != FAULT and 1 <= destination <= experiment.nodes
    return {"node": destination, "time_ns": time_ns} if at_node else {}


def _line(experiment: Experiment, event: Event) -> str:
    time_ns, _, kind, destination, source, payload, _ = event
    what = {
        MESSAGE: f"{endpoint_name(destination, experiment.nodes)} gets {payload!r} "
        f"from {endpoint_name(source, experiment.nodes)}",
        TIMER: f"n{destination}: timer {payload!r}",
        DISK: f"n{destination}: disk synced",
        PROBE: f"n{destination} notes {payload!r}",
        FAULT: f"fault {payload!r}",
    }
    return f"{time_ns / SECOND_NS:.6f} s  {what.get(kind, payload)}"
