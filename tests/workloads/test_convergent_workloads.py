"""The workloads of convergent systems: what their histories look like, and how their probes end."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Experiment, carry_out, catalog, seconds
from harness.errors import UsageError
from harness.fitting import workloads_for
from harness.generators import simulate
from harness.history import History
from harness.making import make_workload
from harness.runner import replay, run
from workloads.convergent import Probes

MS = 1_000_000
WORKLOADS = workloads_for(catalog.load("system", "gossip"))


def calm(workload: str, **options: Any) -> Experiment:
    return Experiment(
        system="gossip", workload=workload, time_limit_ns=seconds(4), rate_per_s=50, options=options
    )


def answers(history: History, f: str) -> list[Any]:
    """The values of all successful operations of that kind."""
    return [row.value for row in history if row.f == f and row.type == "ok"]


# ---- what the rows look like


def is_stamp(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(n, int) for n in value)


@pytest.mark.parametrize("workload", ["lww-register", "kv-levels"])
def test_operations_on_keys_tell_level_stamp_and_node(workload: str) -> None:
    history = run(calm(workload), 1).history
    for write in answers(history, "write"):
        assert write.keys() == {"value", "level", "stamp"}
        assert is_stamp(write["stamp"])
    assert all(one.keys() == {"level", "stamp"} for one in answers(history, "delete"))
    reads = answers(history, "read")
    for read in reads:
        assert read.keys() == {"value", "level", "stamp", "node"}
        assert read["stamp"] is None or is_stamp(read["stamp"])
    assert {read["node"] for read in reads} == {1, 2, 3, 4, 5}
    written = [one["value"] for one in answers(history, "write")]
    assert len(set(written)) == len(written) > 20, "values are unique"
    levels = {one["level"] for one in reads}
    assert levels == {"One"} if workload == "lww-register" else len(levels) > 4


@pytest.mark.parametrize(
    ("workload", "f", "field"),
    [("crdt-set", "add", "elements"), ("broadcast", "broadcast", "elements")],
)
def test_elements_are_numbers_and_reads_tell_the_node(workload: str, f: str, field: str) -> None:
    history = run(calm(workload, read_ratio=0.3), 1).history
    added = answers(history, f)
    assert len(set(added)) == len(added) > 20
    for read in answers(history, "read"):
        assert read.keys() == {"node", field}
        assert read[field] == sorted(read[field])
        assert set(read[field]) <= set(added)


def test_a_counter_counts() -> None:
    history = run(calm("crdt-counter"), 1).history
    total = sum(answers(history, "increment")) - sum(answers(history, "decrement"))
    *_, last = answers(history, "replica")
    assert last["state"] == [["count", total, None]]
    assert {read.keys() >= {"node", "count"} for read in answers(history, "read")} == {True}


def test_a_grow_only_counter_never_counts_down() -> None:
    history = run(calm("crdt-counter", counter="g-counter"), 1).history
    assert "decrement" not in history.functions
    with pytest.raises(UsageError, match="no kind of counter called 'pm-counter'"):
        make_workload(calm("crdt-counter", counter="pm-counter"))


def test_every_node_tells_its_members_and_identifiers_are_stamps() -> None:
    members = answers(run(calm("membership"), 1).history, "members")
    assert {"node": 3, "members": [1, 2, 3, 4, 5]} in members
    made = answers(run(calm("unique-ids"), 1).history, "generate")
    assert all(map(is_stamp, made))


def test_a_broadcast_tells_its_hops_and_the_messages_that_were_sent() -> None:
    history = run(calm("broadcast"), 1).history
    costs = answers(history, "cost")
    assert sorted(cost["node"] for cost in costs) == [1, 2, 3, 4, 5]
    for cost in costs:
        assert {hops for _, hops in cost["hops"]} <= {0, 1, 2, 3}
        own = sum(hops == 0 for _, hops in cost["hops"])
        assert 0 < own < len(cost["hops"])
        assert cost["sent"]["Batch"] > 0
    broadcast = sorted(answers(history, "broadcast"))
    assert all(sorted(message for message, _ in cost["hops"]) == broadcast for cost in costs)
    assert sum(hops == 0 for cost in costs for _, hops in cost["hops"]) == len(broadcast)


# ---- the probes at the end


def test_probes_begin_with_the_heal_and_every_replica_answers() -> None:
    experiment = Experiment(
        system="gossip", workload="crdt-set", nemesis="partition", time_limit_ns=seconds(6),
        interval_ns=seconds(1), rate_per_s=30, recovery_ns=seconds(5),
    )  # fmt: skip
    history = run(experiment, 2).history
    heal_ns = max(row.time_ns for row in history if row.f == "stop-partition")
    probes = [row for row in history if row.f == "replica" and row.type == "invoke"]
    assert probes[0].time_ns - heal_ns < 10 * MS, "not after the five seconds of recovery"
    shown = answers(history, "replica")
    assert {one["node"] for one in shown} == {1, 2, 3, 4, 5}
    assert all(one.keys() == {"node", "state", "delivered", "repaired"} for one in shown)
    last = shown[-5:]
    assert len({str(one["state"]) for one in last}) == 1
    assert len({one["delivered"] for one in last}) == 1


def probes(**fields: Any) -> Probes:
    return Probes((0, 1), bound_ns=2_000 * MS, settle_ns=600 * MS, **fields)


def asked_ms(generator: Probes, answer: Any) -> list[int]:
    """When thread 0 was asked."""
    rows = simulate(generator, complete=answer, latency_ns=10 * MS)
    return [row.time_ns // MS for row in rows if row.type == "invoke" and row.process == 0]


def test_probes_end_when_all_have_agreed_for_long_enough() -> None:
    same = {"state": [1], "repaired": 0}
    assert asked_ms(probes(), lambda invocation: ("ok", same)) == [0, 250, 500]


def test_probes_go_on_to_their_bound_while_replicas_differ_or_repair_or_keep_silent() -> None:
    whole = [*range(0, 2_000, 250)]
    counted = iter(range(1_000))

    def differ(invocation: Any) -> Any:
        return "ok", {"state": [invocation.thread], "repaired": 0}

    def repairing(invocation: Any) -> Any:
        return "ok", {"state": [], "repaired": next(counted)}

    def silent(invocation: Any) -> Any:
        return ("ok", {"state": [], "repaired": 0}) if invocation.thread else ("fail", None)

    for answer in (differ, repairing, silent):
        assert asked_ms(probes(), answer) == whole


def test_probes_may_expect_something() -> None:
    found = {"members": [1, 2]}
    some = probes(shown="members", moved="members", expected=[1, 2, 3])
    assert len(asked_ms(some, lambda invocation: ("ok", found))) == 8


def test_a_replay_repeats_the_probes() -> None:
    first = run(calm("lww-register"), 3)
    again = replay(first.plan)
    assert again.digest == first.digest
    assert again.history == first.history


# ---- options


@pytest.mark.parametrize(
    ("workload", "options", "complaint"),
    [
        ("crdt-set", {"remove_ratio": 0.9, "read_ratio": 0.2}, "make 1.1 together"),
        ("crdt-counter", {"read_ratio": -0.1}, "a ratio lies between 0 and 1"),
        ("lww-register", {"keys": 0}, "at least 1 key"),
        ("lww-register", {"level": "Onee"}, "Did you mean 'One'"),
        ("kv-levels", {"level": "One,Most"}, "no consistency level called 'Most'"),
        ("broadcast", {"bound_s": 0}, "bound_s is 0; it is a duration in seconds"),
        ("unique-ids", {"bound_s": 1}, "no option of the workload unique-ids called 'bound_s'"),
    ],
)
def test_options_that_cannot_be_are_refused(
    workload: str, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        make_workload(calm(workload, **options))


def test_registers_without_compare_and_set() -> None:
    for system, options in (("raft", {"cas": False}), ("gossip-one", {})):
        experiment = Experiment(system=system, time_limit_ns=seconds(3), options=options)
        assert "cas" not in run(experiment, 1).history.functions


@pytest.mark.parametrize("system", ["gossip-one", "gossip-quorum"])
def test_what_only_converges_is_not_called_wrong_and_can_be_shown_not_to_be_linearizable(
    system: str,
) -> None:
    """By what it promises it passes; whoever asks for more gets the counterexample."""
    experiment = Experiment(system=system, time_limit_ns=seconds(10), nemesis="partition")
    assert carry_out(experiment, seed=1).verdict.passed
    asked = Experiment(
        system="gossip-one", time_limit_ns=seconds(10), checkers=("linearizability",)
    )
    assert carry_out(asked, seed=1).verdict.outcome == "fail"
