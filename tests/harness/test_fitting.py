"""What fits what, what is said where it does not, and what promises change."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from harness import Experiment, catalog, seconds
from harness.commands import BAD_ARGUMENTS
from harness.comparison import compare
from harness.errors import UsageError
from harness.fitting import check_fit, fits, promise_of, systems_for, workloads_for
from harness.making import make_workload
from harness.runner import run
from harness.system import LANGUAGES
from harness.workload import Setting, Workload

SYSTEMS = [catalog.load("system", name) for name in catalog.names("system")]
WORKLOADS = [catalog.load("workload", name) for name in catalog.names("workload")]


def test_every_system_and_every_workload_has_somebody_to_talk_to() -> None:
    assert all(workloads_for(system) for system in SYSTEMS)
    assert all(systems_for(workload) for workload in WORKLOADS)
    assert {word for thing in (*SYSTEMS, *WORKLOADS) for word in thing.speaks} <= LANGUAGES.keys()


@pytest.mark.parametrize(
    ("workload", "system", "instead"),
    [
        ("register", "gossip", ["crdt-set", "lww-register", "raft", "gossip-one"]),
        ("crdt-set", "raft", ["register", "gossip"]),
        ("kv-levels", "gossip-one", ["register", "gossip"]),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(
    workload: str, system: str, instead: list[str]
) -> None:
    with pytest.raises(UsageError) as refused:
        run(Experiment(system=system, workload=workload), 1)
    said = str(refused.value)
    assert f"workload {workload!r} cannot be run on the system {system!r}" in said
    assert set(instead) <= set(re.findall(r"[\w-]+", said))


def test_what_says_nothing_is_taken_for_what_there_was_before_promises() -> None:
    class Silent:
        """Made for an older harness."""

    assert promise_of(Silent) == "linearizable"
    assert fits(Silent, catalog.load("system", "raft"))
    assert not fits(Silent, catalog.load("system", "gossip"))


def test_a_workload_is_told_the_promise_and_the_size_of_the_cluster() -> None:
    check_fit("register", "gossip-one")
    experiment = Experiment(system="gossip-one", nodes=3, clients=7)
    assert make_workload(experiment).setting == Setting(promise="convergent", nodes=3, clients=7)
    assert make_workload(Experiment()).setting == Setting()
    assert Workload().rests


def test_with_fewer_clients_than_nodes_some_nodes_have_no_witness() -> None:
    assert Setting(nodes=5, clients=3).witnesses == (0, 1, 2)
    assert Setting(nodes=2, clients=3).witnesses == (0, 1)


def test_a_comparison_refuses_a_system_without_registers_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="'register' cannot be run on the system 'gossip'"):
        compare(["raft", "gossip"], ["chained"], [1])


def test_probing_workloads_do_not_rest_before_their_last_operations() -> None:
    short = Experiment(
        system="gossip-one", time_limit_ns=seconds(3), recovery_ns=seconds(50), rate_per_s=30
    )
    assert run(short, 1).duration_ns < seconds(20)
    resting = Experiment(time_limit_ns=seconds(1), recovery_ns=seconds(7))
    assert run(resting, 1).duration_ns > seconds(8)


def test_list_says_what_is_promised_and_what_fits(splitbrain_command: Callable[..., Any]) -> None:
    told = splitbrain_command("list", "gossip", "crdt-set").output
    assert "promises to be convergent; workloads: broadcast, crdt-counter, crdt-set" in told
    assert "systems: gossip" in told
    refused = splitbrain_command("run", "gossip")
    assert refused.code == BAD_ARGUMENTS
    assert "Workloads for gossip: broadcast" in refused.errors
