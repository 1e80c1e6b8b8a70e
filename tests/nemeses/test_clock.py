"""The clock nemesis: what it does to clocks, what it never does, and that leases bear it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from harness.experiment import Experiment, seconds
from harness.nemesis import Fault
from harness.node import NodeStatus
from harness.pipeline import carry_out
from harness.simulation import SimulatedWorld
from harness.units import MILLISECOND_NS
from nemeses.clock import DRIFT_PPM_MAX, KINDS, LONGEST_STEP, Clock

#: What a deployment promises unless it says otherwise, see harness.simulation.clock.
PROMISED_PPM = 1000
LONGEST_NS = MILLISECOND_NS << LONGEST_STEP


class Watchmaker:
    """A node that only has clocks."""

    def __init__(self, context: Any) -> None:
        self.clock = context.clock

    def on_start(self, recovered: Any) -> None:
        pass

    def status(self) -> NodeStatus:
        return NodeStatus(role="follower")


def make_world() -> SimulatedWorld:
    return SimulatedWorld(seed=1, nodes=5, clients=1, drift_ppm=0, factory=Watchmaker)  # type: ignore[arg-type]


def walls_ns(world: SimulatedWorld) -> list[int]:
    """By how much each wall clock is wrong."""
    return [world.node_object(node).clock.wall_ns() - world.now_ns for node in world.nodes]  # type: ignore[union-attr]


def act(world: SimulatedWorld, fault: Fault) -> None:
    for action in fault.actions:
        world.act(action)


def test_steps_are_taken_back_even_if_the_node_was_restarted_or_is_down_meanwhile() -> None:
    moved = 0
    for seed in range(40):
        world, nemesis = make_world(), Clock()
        act(world, nemesis.resolve("start-clock", world, Random(seed)))
        stepped = walls_ns(world)
        assert all(abs(step) <= LONGEST_NS for step in stepped)
        moved += sum(step != 0 for step in stepped)
        world.act(["crash", 2, "clean"])
        world.act(["restart", 2])
        assert walls_ns(world) == stepped, "a restart does not set a clock right"
        world.act(["crash", 3, "clean"])
        act(world, nemesis.resolve("stop-clock", world, Random(seed)))
        world.act(["restart", 3])
        assert walls_ns(world) == [0] * 5
        assert nemesis.resolve("stop-clock", world, Random(seed)).actions == []
    assert moved > 40


def test_monotonic_clocks_never_step_and_stay_within_what_is_promised() -> None:
    world, nemesis, draws = make_world(), Clock(), Random(7)
    kinds = set()
    for turn in range(60):
        before = [world.node_object(node).clock.monotonic_ns() for node in world.nodes]  # type: ignore[union-attr]
        fault = nemesis.resolve(f"{('start', 'stop')[turn % 2]}-clock", world, draws)
        act(world, fault)
        kinds |= {key for key in fault.value if key in ("step_ms", "drift_ppm")}
        clocks = [world.node_object(node).clock for node in world.nodes]  # type: ignore[union-attr]
        assert [clock.monotonic_ns() for clock in clocks] == before
        assert all(abs(clock.rate_ppm) <= DRIFT_PPM_MAX < PROMISED_PPM for clock in clocks)
        world.advance(world.now_ns + seconds(1))
    assert len(KINDS) == 3
    assert kinds == {"step_ms", "drift_ppm"}


@pytest.mark.parametrize("system", ["raft-lease", "harpoon"])
def test_systems_with_leases_stay_linearizable(system: str) -> None:
    experiment = Experiment(
        system=system, nemesis="clock,partition", time_limit_ns=seconds(15), interval_ns=seconds(1)
    )
    result = carry_out(experiment, seed=1)
    assert result.verdict.passed, result.verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize("system", ["raft-lease", "harpoon"])
def test_so_they_do_in_many_runs(system: str) -> None:
    for seed in range(2, 12):
        experiment = Experiment(
            system=system, nemesis="clock,pause,partition,delay", interval_ns=seconds(1)
        )
        result = carry_out(experiment, seed=seed)
        assert result.verdict.passed, f"seed {seed}: {result.verdict.reason}"
