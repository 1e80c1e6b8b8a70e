"""Partial connectivity: which Paxos recovers from which script, as published and as simulated.

Sources: Ng, Haridi, Carbone, "Omni-Paxos", EuroSys 2023 (P1-P3: OmniPaxos recovers from all,
Multi-Paxos is stuck in quorum loss and changes leaders without end in chained networks).
"""

from __future__ import annotations

import pytest

from harness.experiment import Experiment, seconds
from harness.measures import Measures, measure
from harness.runner import run

OMNI = ("omnipaxos", "omnipaxos-happy")
MULTI = ("multipaxos", "multipaxos-gossip")
SCENARIOS = (
    "quorum-loss",
    "constrained",
    "chained",
    "line-middle",
    "line-end",
    "two-tails",
    "leader-by-a-thread",
    "deaf-leader",
    "mute-leader",
    "isolated-leader",
    "half-switch",
    "flapping",
    "rotating-star",
)

#: Where nothing is answered until the links heal.
STUCK = {
    ("multipaxos", "quorum-loss"),
    ("multipaxos", "deaf-leader"),
    ("multipaxos", "half-switch"),
    ("multipaxos-gossip", "quorum-loss"),
    ("multipaxos-gossip", "half-switch"),
}
#: Where a lucky seed may see an answer between two moves of the hub.
UNSETTLED = {("multipaxos", "rotating-star")}
#: What the paper and the simulators agree on, and no more than a few seconds of CPU time.
FAST = (
    ("omnipaxos", "quorum-loss"),
    ("omnipaxos", "constrained"),
    ("omnipaxos-happy", "quorum-loss"),
    ("omnipaxos-happy", "constrained"),
    ("multipaxos", "quorum-loss"),
    ("multipaxos", "constrained"),
    ("multipaxos-gossip", "quorum-loss"),
    ("multipaxos-gossip", "constrained"),
)


def measured(system: str, scenario: str, seed: int, rate_per_s: float = 100) -> Measures:
    result = run(
        Experiment(
            system=system, nemesis=scenario, time_limit_ns=seconds(40), rate_per_s=rate_per_s
        ),
        seed=seed,
    )
    assert result.violation is None, result.violation
    return measure(result)


@pytest.mark.parametrize(("system", "scenario"), FAST)
def test_who_recovers_while_the_links_are_cut(system: str, scenario: str) -> None:
    measures = measured(system, scenario, 1, rate_per_s=20)
    assert measures.recovered == ((system, scenario) not in STUCK)
    assert measures.recovery_ns is not None, "it works again once the links are healed"


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("system", [*OMNI, *MULTI])
def test_who_recovers_in_every_script(system: str, scenario: str) -> None:
    measures = measured(system, scenario, 2, rate_per_s=20)
    if (system, scenario) not in UNSETTLED:
        assert measures.recovered == ((system, scenario) not in STUCK)
    assert measures.recovery_ns is not None


@pytest.mark.parametrize(
    ("system", "fewest", "most"),
    [
        ("omnipaxos", 1, 2),  # the node that does not hear the leader becomes it, once
        ("omnipaxos-happy", 0, 0),  # everybody else is happy with the leader
        ("multipaxos-gossip", 30, 100),  # the two take turns
        # the two raise their ballots at every message
        pytest.param("multipaxos", 1000, 100_000, marks=pytest.mark.slow),
    ],
)
def test_how_often_the_leader_changes_in_a_chained_network(
    system: str, fewest: int, most: int
) -> None:
    measures = measured(system, "chained", 1, rate_per_s=50)
    assert measures.steady
    assert fewest <= measures.leader_changes <= most


@pytest.mark.parametrize("system", OMNI)
def test_quorum_loss_is_over_within_five_election_rounds(system: str) -> None:
    """The paper's bound is four, from the time at which the connected leader has noticed."""
    measures = measured(system, "quorum-loss", 2, rate_per_s=20)
    assert measures.down_ns is not None
    assert measures.down_ns <= 5 * 250_000_000 + 200_000_000
