"""Campaigns of gossip over many seeds: five nodes in two data centres, and all that can break.

Whatever the faults, all replicas agree within the bound once the last has healed, every checker of
the workload passes, and no invariant is violated.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Experiment, carry_out, catalog, seconds
from harness.fitting import workloads_for
from harness.making import make_workload

FAULTS = "partition,kill,pause,delay,clock"
WORKLOADS = workloads_for(catalog.load("system", "gossip"))


def stormy(workload: str, system: str = "gossip") -> Experiment:
    """Everything at once; who succeeds at least once (`stats`) is not the question then."""
    experiment = Experiment(
        system=system,
        workload=workload,
        nemesis=FAULTS,
        time_limit_ns=seconds(20),
        interval_ns=seconds(2),
        rate_per_s=60,
        loss_ratio=0.01,
        duplicate_ratio=0.01,
        buggify=True,
    )
    names = [checker.name for checker in make_workload(experiment).checkers()]
    return Experiment(
        **{name: getattr(experiment, name) for name in Experiment.__struct_fields__}
        | {"checkers": tuple(name for name in names if name != "stats")}
    )


@pytest.mark.slow
@pytest.mark.splitbrain(seeds=4)  # `--splitbrain-seeds 18` makes it five hundred runs and four
@pytest.mark.parametrize("workload", WORKLOADS)
def test_gossip_converges_whatever_happens(
    splitbrain: Callable[[Experiment], object], workload: str
) -> None:
    splitbrain(stormy(workload))


@pytest.mark.parametrize("workload", WORKLOADS)
def test_so_it_does_in_one_run(workload: str) -> None:
    result = carry_out(stormy(workload), seed=1)
    assert result.verdict.passed, result.verdict.reason


@pytest.mark.parametrize("system", ["gossip-one", "gossip-quorum", "gossip-all"])
def test_its_registers_are_judged_by_what_they_promise(system: str) -> None:
    result = carry_out(stormy("register", system), seed=1)
    assert result.verdict.passed, result.verdict.reason
    assert "convergence" in {verdict.checker for verdict in result.verdicts}
