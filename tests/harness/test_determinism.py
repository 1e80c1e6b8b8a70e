"""Same seed, same digest: in another process, with another PYTHONHASHSEED, for all that there is.

Whatever the catalog lists is covered. For each pair of a system and a workload that fits it, two
processes with different hash seeds run every nemesis, and the composed one against each planted
flaw, and what they say is compared line by line. A system that many workloads fit has all of that
with one of them, and with the others no fault and all families at once. The processes run this
very file:

    python test_determinism.py digests raft register       a line of JSON for each nemesis
    python test_determinism.py trace '{"nemesis": ...}'    the events of one of them

Every message goes over the wire, so that its content counts, and nodes take rare paths often.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from harness import catalog
from harness.errors import SplitbrainError
from harness.experiment import Experiment, seconds
from harness.fitting import promise_of, workloads_for
from harness.making import make_nemesis
from harness.node import ClientRequest, Context, Node, Recovered, StateMachine
from harness.runner import Run, run
from harness.simulation.trace import first_difference
from harness.system import System
from nemeses import scenarios
from systems.raft import Raft, RaftNode

HASH_SEEDS = ("1", "2")
SEED = 3
ALL_AT_ONCE = "clock,delay,kill,partition,pause"
BRIEFLY = ("none", ALL_AT_ONCE)
#: What meets every nemesis and every flaw; the first that fits the system.
THOROUGH = ("register", "kv-levels")
#: Systems that are others under another name.
BY_ANOTHER_NAME = ("gossip-one", "gossip-quorum", "gossip-all")
#: How long the final probes go on, for workloads that have any.
PROBING = {"bound_s": 5.0, "settle_s": 0.5}
#: A nemesis that has not begun by the first of these gets the next.
TIME_LIMITS_S = (3, 7, 14, 28, 56)
#: How long scenarios let the cluster work before they begin; 5 s otherwise.
WARM_UP_NS = seconds(1)


# ---- what the processes run


def combination(system: str, workload: str, nemesis: str, flaw: str | None = None) -> Experiment:
    """A short run in which much happens."""
    return Experiment(
        system=system,
        workload=workload,
        nemesis=nemesis,
        flaw=flaw,
        clients=3,
        rate_per_s=20,
        time_limit_ns=seconds(TIME_LIMITS_S[0]),
        recovery_ns=seconds(0.5),
        interval_ns=seconds(1),
        loss_ratio=0.005,
        duplicate_ratio=0.005,
        buggify=True,
        wire=True,
        options=probing(workload),
    )


def probing(workload: str) -> dict[str, Any]:
    """Options that make the end of a run short, if the workload takes them."""
    taken = inspect.signature(catalog.load("workload", workload)).parameters
    return {name: value for name, value in PROBING.items() if name in taken}


def what_it_meets(system: str, workload: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The nemeses, and the flaws."""
    thing = catalog.load("system", system)
    fitting = workloads_for(thing)
    thorough = next(name for name in (*THOROUGH, *fitting) if name in fitting)
    if workload != thorough or system in BY_ANOTHER_NAME:
        return BRIEFLY, ()
    known = catalog.names("nemesis")
    if promise_of(thing) == "convergent":  # to which slow links are as good as cut ones
        known = [name for name in known if not name.endswith("-slow")]
    return (*known, ALL_AT_ONCE), tuple(thing.flaws)


def combinations(system: str, workload: str, *nemeses: str) -> Iterator[Experiment]:
    """The nemeses that are named, or else all that it meets, and then the flaws."""
    met, flaws = (nemeses, ()) if nemeses else what_it_meets(system, workload)
    for nemesis in met:
        yield combination(system, workload, nemesis)
    for flaw in flaws:
        yield combination(system, workload, ALL_AT_ONCE, flaw)


def run_until_it_begins(experiment: Experiment) -> tuple[Run, list[str]]:
    """Run it as long as it takes for all of its faults to start; which of them never did."""
    expected = [f"start-{fault}" for fault in make_nemesis(experiment.nemesis).faults]
    for limit_s in TIME_LIMITS_S:
        longer = msgspec.structs.replace(experiment, time_limit_ns=seconds(limit_s))
        done = run(longer, SEED)
        seen = {operation.f for operation in done.history if operation.process == "nemesis"}
        missing = [f for f in expected if f not in seen]
        if not missing:
            break
    return done, missing


def say(experiment: Experiment) -> dict[str, Any]:
    """What one process says of a combination; with a flaw, a crash is as good as a digest."""
    told: dict[str, Any] = {"experiment": msgspec.to_builtins(experiment)}
    try:
        done, missing = run_until_it_begins(experiment)
    except (SplitbrainError, AssertionError) as error:
        return told | {"error": f"{type(error).__name__}: {error}", "flawed": bool(experiment.flaw)}
    if experiment.flaw:
        missing = []  # an invariant may have ended the run
    return told | {"digest": done.digest, "rows": len(done.history), "missing": missing}


def main(command: str, *arguments: str) -> None:
    scenarios.WARM_UP_NS = WARM_UP_NS
    if command == "digests":
        for experiment in combinations(*arguments):
            print(json.dumps(say(experiment)))
    else:
        done, _ = run_until_it_begins(Experiment(**json.loads(arguments[0])))
        sys.stdout.buffer.writelines(done.trace_lines())


# ---- nodes that must be found out

MANY = frozenset(f"name-{number}" for number in range(8))


class _OrderOfASet(RaftNode):
    """Sets timers in the order of a set of strings; none of them does anything."""

    def on_request(self, request: ClientRequest) -> None:
        for name in MANY:
            self.context.set_timer(name, 1_000_000)
        super().on_request(request)

    def on_timer(self, name: str) -> None:
        if name not in MANY:
            super().on_timer(name)


class _HashOfAString(RaftNode):
    """How long it waits for a leader depends on hash()."""

    def on_start(self, recovered: Recovered) -> None:
        super().on_start(recovered)
        self.context.set_timer("election", 100_000_000 + hash("election") % 100_000_000)


class OrderOfASet(Raft):
    def node(self, context: Context, machine: StateMachine) -> Node:
        return _OrderOfASet(context, machine, self.options)


class HashOfAString(Raft):
    def node(self, context: Context, machine: StateMachine) -> Node:
        return _HashOfAString(context, machine, self.options)


# ---- what is asked of them


def in_two_processes(*arguments: str) -> list[list[bytes]]:
    """The lines that this file prints when it is run under each of the hash seeds."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, *arguments],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for hash_seed in HASH_SEEDS
    ]
    try:
        outputs = [process.communicate() for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors.decode()
    return [output.splitlines(keepends=True) for output, _ in outputs]


def differences(ones: list[bytes], others: list[bytes]) -> list[str]:
    """Each combination of which two processes say different things, and where it begins."""
    assert len(ones) == len(others)
    found = []
    for one, other in zip(ones, others, strict=True):
        if one != other:
            experiment = json.loads(one)["experiment"]
            title = Experiment(**experiment).title
            found.append(f"{title}: {where_it_begins(experiment)}")
    return found


def where_it_begins(experiment: dict[str, Any]) -> str:
    left, right = in_two_processes("trace", json.dumps(experiment))
    return first_difference(left, right) or "the traces of nodes and network are equal"


@pytest.mark.parametrize(
    ("system", "workload"),
    [
        (system, workload)
        for system in catalog.names("system")
        for workload in workloads_for(catalog.load("system", system))
    ],
)
def test_a_seed_gives_the_same_run_in_every_process(
    system: str, workload: str, obtained: Callable[[str], type[System]]
) -> None:
    obtained(system)
    ones, others = in_two_processes("digests", system, workload)
    told = [json.loads(line) for line in ones]
    titles = [Experiment(**line["experiment"]).title for line in told]
    assert len(set(titles)) == sum(map(len, what_it_meets(system, workload)))
    crashed = [
        (title, line["error"])
        for title, line in zip(titles, told, strict=True)
        if "error" in line and not line["flawed"]
    ]
    assert not crashed
    idle = [
        (title, line["missing"])
        for title, line in zip(titles, told, strict=True)
        if line.get("missing")
    ]
    assert not idle, "these nemeses never began, so that nothing was compared"
    assert differences(ones, others) == []


@pytest.mark.parametrize(
    ("system", "first"),
    [
        ("OrderOfASet", '"timer","n[1-5]","n[1-5]","name-[0-7]"'),
        ("HashOfAString", '"timer","n[1-5]","n[1-5]","election"'),
    ],
    ids=["order of a set", "hash of a string"],
)
def test_a_node_that_hangs_on_the_hash_seed_is_found_out(system: str, first: str) -> None:
    outputs = in_two_processes("digests", f"__main__:{system}", "register", "none")
    (found,) = differences(*outputs)
    title, _, where = found.partition(": ")
    assert title == f"__main__:{system} register none"
    assert re.fullmatch(r"event \d+ is \[.*\] in one run and \[.*\] in the other", where)
    assert re.search(first, where)


def test_the_digest_tells_runs_apart() -> None:
    plain = combination("raft", "register", "none")
    digests = [run(plain, seed).digest for seed in (1, 2)]
    digests.append(run(msgspec.structs.replace(plain, nodes=3), 1).digest)
    assert len(set(digests)) == 3


if __name__ == "__main__":
    main(*sys.argv[1:])
