"""Campaigns over many seeds: sound Harpoon is never accused; chance finds some flaws too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Experiment, carry_out, seconds

FAULTS = "partition,kill,pause,delay"

#: What a campaign goes through in turn, besides the faults.
CONDITIONS: tuple[dict[str, object], ...] = (
    {},
    {"buggify": True},
    {"options": {"values": "reused"}},
    {"drift_ppm": 1000, "wire": True},
    {"buggify": True, "loss_ratio": 0.03, "duplicate_ratio": 0.02},
)


def _experiment(number: int, duration_s: float) -> Experiment:
    conditions = CONDITIONS[number % len(CONDITIONS)]
    return Experiment(
        system="harpoon",
        nemesis=FAULTS,
        time_limit_ns=seconds(duration_s),
        **conditions,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("number", range(5))
def test_sound_harpoon_passes(number: int) -> None:
    for seed in range(1, 3):
        result = carry_out(_experiment(number, 25), seed=10 * number + seed)
        assert result.verdict.passed, (seed, result.verdict.reason)


@pytest.mark.slow
@pytest.mark.splitbrain(seeds=100)
def test_sound_harpoon_passes_a_hundred_seeds_of_everything(
    splitbrain: Callable[[Experiment], object], splitbrain_seed: int
) -> None:
    splitbrain(_experiment(splitbrain_seed, 30))


@pytest.mark.parametrize("flaw", ["reads-by-role", "votes-while-bound"])
def test_random_faults_find_what_is_easy_to_find(flaw: str) -> None:
    experiment = Experiment(system="harpoon", nemesis=FAULTS, flaw=flaw, time_limit_ns=seconds(20))
    assert any(carry_out(experiment, seed).verdict.outcome == "fail" for seed in range(1, 21))


def test_clocks_that_drift_beyond_the_promised_bound_are_noticed() -> None:
    """A tenth, where a thousandth is promised: without any fault some lease has no backing."""
    experiment = Experiment(system="harpoon", drift_ppm=100_000, time_limit_ns=seconds(5))
    violations = [carry_out(experiment, seed).run.violation for seed in range(1, 4)]
    assert any(found is not None and found.invariant == "lease-backed" for found in violations)
