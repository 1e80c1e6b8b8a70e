"""Runs and replays: what a plan decides, what is left in the end, what bad runs leave behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import msgspec
import pytest
import trio

from harness import catalog, runner
from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from harness.formats import read_history
from harness.interpreter import Stalled
from harness.making import make_nemesis
from harness.node import ClientRequest, Context, Node, NodeStatus, Recovered, StateMachine
from harness.pipeline import carry_out, carry_out_again
from harness.plan import Plan, PlannedFault, PlannedOperation
from harness.runner import Run, replay, run
from harness.simulation.world import SimulatedWorld
from harness.system import Connection, System
from harness.world import Port
from nemeses import scenarios
from nemeses.membership import LAST_ORDERS

QUIET = Experiment(nodes=3, clients=2, rate_per_s=20, time_limit_ns=seconds(2), recovery_ns=0)
#: Five nodes, so that every scenario has its roles. Scenarios begin at 1 s (see `storm`) and last
#: longer than the run.
STORMY = Experiment(
    clients=3,
    rate_per_s=20,
    time_limit_ns=seconds(3.5),
    recovery_ns=seconds(0.5),
    interval_ns=seconds(0.5),
    loss_ratio=0.01,
    duplicate_ratio=0.01,
    buggify=True,
)
ALL_AT_ONCE = "partition,kill,pause,delay"
NEMESES = [*catalog.names("nemesis"), ALL_AT_ONCE]

change = msgspec.structs.replace


def with_world(action: Callable[[], Run]) -> tuple[Run, SimulatedWorld]:
    """What `action` runs, and the world that it ran in."""
    worlds: list[SimulatedWorld] = []

    def keep(**options: Any) -> SimulatedWorld:
        worlds.append(SimulatedWorld(**options))
        return worlds[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "SimulatedWorld", keep)
        done = action()
    (world,) = worlds
    return done, world


@cache
def storm(nemesis: str) -> tuple[Run, SimulatedWorld]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenarios, "WARM_UP_NS", seconds(1))
        return with_world(lambda: run(change(STORMY, nemesis=nemesis), seed=1))


def links_and_nodes(world: SimulatedWorld) -> tuple[Any, ...]:
    """All that a fault may change and the end of a run must restore."""
    network = world.network
    links = (network.cuts, network.extra_ns, network.loss, network.duplicate)
    return (*(tuple(link) for link in links), world.running)


# ---- replays


@pytest.mark.parametrize("nemesis", NEMESES)
def test_a_plan_replays_bit_for_bit(nemesis: str) -> None:
    done, _ = storm(nemesis)
    again = replay(Plan.decode(done.plan.encode()))
    assert again.digest == done.digest == done.plan.digest
    assert again.history == done.history
    assert again.plan == done.plan
    assert list(again.trace_lines()) == list(done.trace_lines())


def test_a_replay_needs_no_nemesis_and_no_generator() -> None:
    done, _ = storm("kill")
    without = change(done.plan, experiment=change(done.plan.experiment, nemesis="long-gone"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.load("workload", "register"), "generator", None)
        assert replay(without).digest == done.digest
        assert carry_out_again(without).run.digest == done.digest


def test_another_seed_is_another_run_of_the_same_plan() -> None:
    done, _ = storm("partition")
    other = replay(change(done.plan, seed=2))
    assert other.digest != done.digest
    assert other.plan.faults == done.plan.faults


# ---- edited plans


def edits(plan: Plan) -> dict[str, Plan]:
    """Plans with some operations and faults less, as shrinking would try them."""

    def some(items: Sequence[Any], ratio: float) -> tuple[Any, ...]:
        return tuple(item for item in items if random.random() < ratio)

    random = Random(1)
    operations, faults = plan.operations, plan.faults
    found = {
        "no faults": change(plan, faults=()),
        "no operations": change(plan, operations=()),
        "nothing": change(plan, operations=(), faults=()),
        "no starts": change(plan, faults=tuple(f for f in faults if f.f.startswith("stop"))),
        "no stops": change(plan, faults=tuple(f for f in faults if f.f.startswith("start"))),
        "backwards": change(plan, faults=faults[::-1], operations=operations[::-1]),
        "one thread": change(plan, operations=tuple(o for o in operations if o.thread == 1)),
    }
    for place in (0, len(operations) // 2, -1):
        rest = list(operations)
        del rest[place]
        found[f"without operation {place}"] = change(plan, operations=tuple(rest))
    for place in range(0, len(faults), 3):
        rest = list(faults)
        del rest[place]
        found[f"without fault {place}"] = change(plan, faults=tuple(rest))
    for ratio in (0.2, 0.5, 0.8):
        edited = change(plan, operations=some(operations, ratio), faults=some(faults, ratio))
        found[f"{ratio:.0%}"] = edited
    return found


def of_kind(operations: Sequence[PlannedOperation]) -> list[tuple[Any, ...]]:
    """What is tried, whenever that is."""
    return sorted((o.thread, o.f, str(o.key), str(o.value)) for o in operations)


def of_faults(faults: Sequence[PlannedFault]) -> list[tuple[Any, ...]]:
    return [(f.f, f.value, f.actions) for f in sorted(faults, key=lambda fault: fault.time_ns)]


@pytest.mark.parametrize("nemesis", ["partition", "kill", "pause", "delay", "rotating-star"])
def test_an_edited_plan_is_a_run_too(nemesis: str) -> None:
    plan = storm(nemesis)[0].plan
    checker = catalog.load("checker", "linearizability")("cas-register")
    for title, edited in edits(plan).items():
        done = replay(edited)
        assert of_kind(done.plan.operations) == of_kind(edited.operations), title
        assert of_faults(done.plan.faults) == of_faults(edited.faults), title
        verdict = checker.check(done.history)
        wanted = "pass" if edited.operations else "skipped"
        assert verdict.outcome == wanted, f"{title}: {verdict.reason}"
        assert replay(done.plan).digest == done.digest, title


def test_what_comes_before_an_edit_stays_as_it_was() -> None:
    done, _ = storm("kill")
    fault = done.plan.faults[len(done.plan.faults) // 2]
    edited = change(done.plan, faults=tuple(f for f in done.plan.faults if f is not fault))
    other = replay(edited)
    before = [row for row in done.history if row.time_ns < fault.time_ns]
    assert len(before) > 50
    assert [row for row in other.history if row.time_ns < fault.time_ns] == before
    assert other.digest != done.digest


@pytest.mark.parametrize(
    ("operations", "faults", "text"),
    [
        ([{"thread": 7, "f": "read", "key": "k1"}], [], "7"),
        ([{"thread": 0, "f": "erase"}], [], "knows read, write and cas, not 'erase'"),
        ([], [{"f": "start-kill", "actions": (["crush", 1],)}], "Did you mean 'crash'?"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(
    operations: list[Any], faults: list[Any], text: str
) -> None:
    plan = Plan(
        experiment=QUIET,
        seed=1,
        operations=tuple(PlannedOperation(time_ns=0, **operation) for operation in operations),
        faults=tuple(PlannedFault(time_ns=0, **fault) for fault in faults),
    )
    with pytest.raises(UsageError, match=text):
        replay(plan)


# ---- the end of a run


@pytest.mark.parametrize("nemesis", NEMESES)
def test_all_is_whole_again_at_the_end(nemesis: str) -> None:
    done, world = storm(nemesis)
    _, untouched = storm("none")
    assert links_and_nodes(world) == links_and_nodes(untouched)
    faults = make_nemesis(nemesis).faults
    last = [fault for fault in done.plan.faults if fault.time_ns >= STORMY.time_limit_ns]
    times = LAST_ORDERS if nemesis == "membership" else 1  # orders may be refused
    assert [fault.f for fault in last] == [f"stop-{fault}" for fault in faults] * times
    first_final_read_ns = max(operation.time_ns for operation in done.plan.operations)
    assert all(fault.time_ns < first_final_read_ns for fault in last)


def test_something_was_broken_when_time_was_up() -> None:
    """Or else the test above would show nothing."""
    healing = {
        action[0]
        for nemesis in NEMESES
        for fault in storm(nemesis)[0].plan.faults
        if fault.time_ns >= STORMY.time_limit_ns
        for action in fault.actions
    }
    assert healing >= {"mend", "fast", "restart", "resume"}


# ---- systems that go wrong


class Idle:
    """A node that answers nothing."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.requests = 0

    def on_start(self, recovered: Recovered) -> None:
        pass

    def on_request(self, request: ClientRequest) -> None:
        pass

    def status(self) -> NodeStatus:
        return NodeStatus(role="idle")


class _Once:
    """A client that asks the node at home, once, and waits as long as it takes."""

    def __init__(self, port: Port, home: int) -> None:
        self.port = port
        self.home = home

    async def execute(self, command: Any, *, read_only: bool = False) -> Any:
        return await self.port.call(
            self.home, command, session=1, serial=1, read_only=read_only, timeout_ns=1 << 62
        )


class Silent(System):
    """Its nodes never answer, and its clients never give up."""

    name = "silent"
    summary = "never answers"

    def node(self, context: Context, machine: StateMachine) -> Node:
        return Idle(context)  # type: ignore[return-value]

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        return _Once(port, home)


class NativeWait(Silent):
    """Its clients wait for something that is not of this world."""

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        class Forever:
            async def execute(self, command: Any, *, read_only: bool = False) -> NoReturn:
                await trio.sleep_forever()

        return Forever()


class _FailsLater(Idle):
    def on_request(self, request: ClientRequest) -> None:
        raise LookupError("lost the thread")


class BrokenNode(Silent):
    def node(self, context: Context, machine: StateMachine) -> Node:
        return _FailsLater(context)  # type: ignore[return-value]


class BrokenClient(Silent):
    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        class Fails:
            async def execute(self, command: Any, *, read_only: bool = False) -> NoReturn:
                await port.sleep_ns(1)
                raise LookupError("lost the thread")

        return Fails()


def reference(system: type[System]) -> str:
    return f"{__name__}:{system.__qualname__}"


@pytest.mark.parametrize(
    ("system", "error", "text"),
    [
        (BrokenClient, LookupError, "lost the thread"),
        (Silent, Stalled, "tasks wait"),
    ],
)
def test_what_was_recorded_is_on_disk_when_a_run_fails(
    system: type[System], error: type[Exception], text: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=text):
        carry_out(change(QUIET, system=reference(system)), seed=1, store=tmp_path)
    folder = tmp_path / "latest"
    rows = list(read_history(folder / "history.jsonl"))
    assert rows[0].type == "invoke"
    assert {row.f for row in rows} <= {"read", "write", "cas"}
    plan = Plan.decode((folder / "plan.json").read_bytes())
    assert (plan.seed, plan.digest) == (1, "")
    assert not (folder / "verdict.json").exists()


def test_a_node_that_raises_fails_its_run(tmp_path: Path) -> None:
    """It is the system's bug, so it gets a verdict, a report and a replay as any other."""
    result = carry_out(change(QUIET, system=reference(BrokenNode)), seed=1, store=tmp_path)
    verdict = result.verdict
    assert (verdict.checker, verdict.outcome) == ("survival", "fail")
    assert re.search(r"Node n\d raised LookupError: lost the thread, at 0\.\d+ s", verdict.reason)
    assert verdict.witness is not None
    assert any("in on_request: raise LookupError" in str(said) for said in verdict.witness.values())
    report = (tmp_path / "latest" / "report.html").read_text(encoding="utf-8")
    assert "lost the thread" in report
    assert "in on_request: raise LookupError" in report
    again = carry_out_again(result.run.plan)
    assert again.run.digest == result.run.digest
    assert again.verdict == verdict


@pytest.mark.parametrize("last_row", [0, 1, 2, 3, 10])
def test_rows_reach_the_sink_as_they_happen(last_row: int) -> None:
    lines: list[bytes] = []

    def full_disk(line: bytes) -> None:
        if len(lines) == last_row:
            raise OSError(28, "No space left on device")
        lines.append(line)

    whole: list[bytes] = []
    done = run(QUIET, seed=1, sink=whole.append)
    assert len(whole) == len(done.history)
    with pytest.raises(OSError, match="No space left"):
        run(QUIET, seed=1, sink=full_disk)
    assert lines == whole[:last_row]


def test_a_run_in_which_nothing_can_happen_stops_and_says_who_waits() -> None:
    with pytest.raises(Stalled) as caught:
        run(change(QUIET, system=reference(Silent)), seed=1)
    text = str(caught.value)
    assert "client c0 waits for the answer of n1 to its request 1, since 0.0" in text
    assert "client c1 waits for the answer of n2 to its request 1, since 0.0" in text
    assert "n1 up, n2 up, n3 up" in text
    assert "Usually a node kept a request without ever answering it" in text


def test_a_wait_for_something_of_trios_own_is_named_as_such() -> None:
    with pytest.raises(Stalled, match="client c1 waits for something of trio's own"):
        run(change(QUIET, system=reference(NativeWait)), seed=1)


# ---- names


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"system": "rafft"}, "There is no system called 'rafft'. Did you mean 'raft'"),
        ({"workload": "registr"}, "no workload called 'registr'. Did you mean 'register'"),
        ({"nemesis": "partion"}, "no nemesis called 'partion'. Did you mean 'partition'?"),
        ({"nemesis": "kill, puase"}, "no nemesis called 'puase'. Did you mean 'pause'?"),
        ({"nemesis": "kill,"}, "no nemesis called ''"),
        ({"nemesis": "kill,pause,kill"}, "names kill twice"),
        ({"flaw": "stale-reed"}, "no flaw of raft called 'stale-reed'. Did you mean 'stale-read'"),
        ({"options": {"kyes": 3}}, "register called 'kyes'. Did you mean 'keys'"),
        ({"options": {"values": "uniqe"}}, "Did you mean 'unique'?"),
        ({"system": "no_such_package:Raft"}, "No module named 'no_such_package'"),
        ({"system": "systems.raft:Rafft"}, "no attribute 'Rafft'"),
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(
    fields: dict[str, Any], text: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        carry_out(change(QUIET, **fields), seed=1, store=tmp_path)
    assert text in str(caught.value)
    assert list(tmp_path.iterdir()) == [], "a run that never was left something behind"
