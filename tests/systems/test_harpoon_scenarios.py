"""Harpoon under the partial partitions P1 to P13: it goes on, and keeps a leader it can keep.

The rows are those on which the published measurements and the simulations behind this design agree;
"keeps" means that no other leader is elected while the links are broken.
"""

from __future__ import annotations

import pytest

from harness.experiment import Experiment, seconds
from harness.measures import Measures, measure
from harness.runner import Run, run
from systems.harpoon import Harpoon

#: scenario -> whether the leader of before stays, since it still hears a quorum
KEEPS = {
    "quorum-loss": False,
    "constrained": False,
    "chained": True,
    "line-middle": True,
    "line-end": False,
    "two-tails": True,
    "leader-by-a-thread": False,
    "deaf-leader": False,
    "mute-leader": False,
    "isolated-leader": False,
    "half-switch": True,
    "flapping": True,
}
#: Howard and Abraham's outage has three nodes.
NODES = {"half-switch": 3}


def _run(scenario: str, seed: int, *, flaw: str | None = None) -> Run:
    experiment = Experiment(
        system="harpoon",
        nemesis=scenario,
        flaw=flaw,
        nodes=NODES.get(scenario, 5),
        time_limit_ns=seconds(40),
        rate_per_s=40.0,
        options={"read_ratio": 0.0},
    )
    done = run(experiment, seed=seed)
    assert done.violation is None, str(done.violation)
    return done


def _check(scenario: str, measures: Measures) -> None:
    assert measures.recovered
    assert measures.steady, "and stays so"
    assert measures.down_ns is not None
    assert measures.down_ns <= 3.5 * Harpoon.patience_ns
    assert measures.recovery_ns is not None
    assert (measures.leader_changes == 0) == KEEPS[scenario]


@pytest.mark.parametrize("scenario", KEEPS)
def test_harpoon_goes_on_writing(scenario: str) -> None:
    _check(scenario, measure(_run(scenario, seed=1)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("scenario", KEEPS)
def test_harpoon_goes_on_writing_whatever_the_seed(scenario: str, seed: int) -> None:
    _check(scenario, measure(_run(scenario, seed)))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [name for name, keeps in KEEPS.items() if keeps])
def test_a_slow_link_deposes_nobody_either(scenario: str) -> None:
    assert measure(_run(f"{scenario}-slow", seed=1)).leader_changes == 0


def test_a_hub_that_moves_faster_than_leases_end_leaves_gaps() -> None:
    """P13: the hub moves every 1.5 s and a lease lasts 1.2 s, so that somebody leads for a part of
    the time only; what is asked is that every stay of the hub suffices for a leader."""
    measures = measure(_run("rotating-star", seed=1))
    assert measures.recovered
    assert measures.leader_changes >= 5
    assert measures.recovery_ns is not None


@pytest.mark.parametrize(
    ("flaw", "scenario"),
    [
        ("captured-by-candidates", "quorum-loss"),
        ("captured-by-candidates", "deaf-leader"),
        ("captured-by-candidates", "leader-by-a-thread"),
        ("no-log-transfer", "constrained"),
    ],
)
def test_with_the_flaw_nothing_goes_on(flaw: str, scenario: str) -> None:
    """As Rasputin was published, it deadlocks in just these topologies."""
    assert not measure(_run(scenario, seed=1, flaw=flaw)).recovered
