"""Campaigns over many seeds: sound Raft is never accused, its flaws are found in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Experiment, carry_out, seconds
from harness.runner import replay, run

FAULTS = "partition,kill,pause,delay"
EVERYTHING = f"{FAULTS},membership"
SHORT = seconds(12)
#: Under five nemeses a cluster may have no quorum for twelve seconds, which `stats` would fail.
SAFETY = ("linearizability",)
VARIANTS = ["raft", "raft-lease", "raft-prevote", "raft-plain"]


def with_changing_members(system: str, *, wire: bool = False) -> Experiment:
    return Experiment(
        system=system,
        nemesis=EVERYTHING,
        time_limit_ns=SHORT,
        buggify=True,
        wire=wire,
        checkers=SAFETY,
    )


@pytest.mark.slow
@pytest.mark.splitbrain(seeds=100)  # `--splitbrain-seeds 2` makes it two hundred
def test_sound_raft_passes_a_hundred_seeds_of_everything(
    splitbrain: Callable[[Experiment], object],
) -> None:
    splitbrain(Experiment(nemesis=FAULTS))


@pytest.mark.slow
@pytest.mark.splitbrain(seeds=40)
@pytest.mark.parametrize("system", VARIANTS)
def test_every_variant_is_safe_in_forty_seeds_with_changing_members(
    splitbrain: Callable[[Experiment], object], system: str
) -> None:
    splitbrain(with_changing_members(system, wire=True))


@pytest.mark.splitbrain(seeds=3)
@pytest.mark.parametrize("values", ["unique", "reused"])
def test_sound_raft_passes(splitbrain: Callable[[Experiment], object], values: str) -> None:
    splitbrain(Experiment(nemesis=FAULTS, time_limit_ns=SHORT, options={"values": values}))


@pytest.mark.splitbrain(seeds=2)
@pytest.mark.parametrize("system", VARIANTS)
def test_every_variant_passes_with_changing_members(
    splitbrain: Callable[[Experiment], object], system: str
) -> None:
    splitbrain(with_changing_members(system))


@pytest.mark.parametrize("seed", [1, 2])
def test_changes_of_members_are_replayed_from_the_plan(seed: int) -> None:
    first = run(Experiment(nemesis=EVERYTHING, time_limit_ns=SHORT), seed)
    orders = [action for fault in first.plan.faults for action in fault.actions]
    assert any(action[0] == "order" for action in orders)
    again = replay(first.plan)
    assert again.digest == first.digest
    assert again.history == first.history
    assert again.goals == first.goals


@pytest.mark.parametrize("nemesis", ["partition", FAULTS])
def test_stale_reads_are_found_within_fifty_seeds(nemesis: str) -> None:
    experiment = Experiment(nemesis=nemesis, flaw="stale-read", time_limit_ns=seconds(20))
    assert any(carry_out(experiment, seed).verdict.outcome == "fail" for seed in range(1, 51))
