"""Raft's variants under the partial partitions P1 to P13: who recovers, and who keeps its leader.

The rows are those on which the OmniPaxos paper, Howard and Abraham, and the simulations behind this
design agree. "keeps" means that no other leader is elected while the links are broken, "churns"
that leaders topple each other all the time, "answers" that it does one or the other, "stuck" that
nothing is answered until the links heal.
"""

from __future__ import annotations

import pytest

from harness.experiment import Experiment, seconds
from harness.measures import Measures, measure
from harness.runner import run
from systems.raft import Raft

SYSTEMS = ("raft", "raft-prevote", "raft-plain")

#: what is to be seen in raft, raft-prevote and raft-plain
TELLING = {
    "quorum-loss": ("recovers", "stuck", "recovers"),
    "constrained": ("stuck", "stuck", "stuck"),
    "leader-by-a-thread": ("recovers", "stuck", "recovers"),
    "deaf-leader": ("recovers", "stuck", "stuck"),
}
OTHERS = {
    "chained": ("keeps", "keeps", "recovers"),
    "line-middle": ("keeps", "keeps", "churns"),
    "line-end": ("recovers", "recovers", "answers"),
    "two-tails": ("keeps", "keeps", "churns"),
    "mute-leader": ("recovers", "recovers", "recovers"),
    "isolated-leader": ("recovers", "recovers", "recovers"),
}
#: Beyond this many changes of leaders in thirty seconds, they topple each other.
CHURN = 10


def rows(table: dict[str, tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [
        (scenario, system, expected)
        for scenario, row in table.items()
        for system, expected in zip(SYSTEMS, row, strict=True)
    ]


def observe(system: str, scenario: str, seed: int) -> Measures:
    experiment = Experiment(
        system=system, nemesis=scenario, time_limit_ns=seconds(40), rate_per_s=30.0
    )
    done = run(experiment, seed=seed)
    assert done.violation is None, str(done.violation)
    return measure(done)


def check(system: str, scenario: str, expected: str, seed: int) -> None:
    measures = observe(system, scenario, seed)
    assert measures.recovery_ns is not None, "all are well after the heal"
    if expected == "stuck":
        assert not measures.recovered
        return
    assert measures.down_ns is not None
    if expected == "answers":
        return
    if expected == "churns":
        assert measures.leader_changes > CHURN
        return
    assert measures.steady
    assert measures.down_ns <= 8 * Raft.patience_ns
    assert measures.leader_changes <= (0 if expected == "keeps" else 2)


@pytest.mark.parametrize(("scenario", "system", "expected"), rows(TELLING))
def test_what_tells_the_variants_apart(scenario: str, system: str, expected: str) -> None:
    check(system, scenario, expected, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.parametrize(("scenario", "system", "expected"), rows({**TELLING, **OTHERS}))
def test_all_rows(scenario: str, system: str, expected: str, seed: int) -> None:
    check(system, scenario, expected, seed)
