"""Campaigns over many seeds: sound Raft is never accused, its flaw is always found in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Experiment, carry_out, seconds

FAULTS = "partition,kill,pause,delay"
SHORT = seconds(12)


@pytest.mark.slow
@pytest.mark.splitbrain(seeds=200)
def test_sound_raft_passes_two_hundred_seeds_of_everything(
    splitbrain: Callable[[Experiment], object],
) -> None:
    splitbrain(Experiment(nemesis=FAULTS))


@pytest.mark.splitbrain(seeds=3)
@pytest.mark.parametrize("values", ["unique", "reused"])
def test_sound_raft_passes(splitbrain: Callable[[Experiment], object], values: str) -> None:
    splitbrain(Experiment(nemesis=FAULTS, time_limit_ns=SHORT, options={"values": values}))


@pytest.mark.parametrize("nemesis", ["partition", FAULTS])
def test_stale_reads_are_found_within_fifty_seeds(nemesis: str) -> None:
    experiment = Experiment(nemesis=nemesis, flaw="stale-read", time_limit_ns=seconds(20))
    assert any(carry_out(experiment, seed).verdict.outcome == "fail" for seed in range(1, 51))
