"""Hand-written histories of convergent workloads: what each checker says of them, and why.

A line of a table is the checker, the history, the outcome and a part of the reason. In the end
every checker is held to the contract of checkers, on all histories of the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from checkers.consistency import SequentialConsistency
from checkers.convergence import (
    Broadcast,
    Convergence,
    Counter,
    LastWriterWins,
    LevelContracts,
    Membership,
    NoResurrection,
    RepairQuiet,
    SetFull,
    Staleness,
    StrongEventual,
    UniqueIds,
)
from checkers.convergence.notation import parse
from checkers.kit import check_checker
from checkers.linearizability import Linearizability
from harness.errors import UsageError
from harness.history import History, Recorder
from harness.verdict import Checker

Line = tuple[Callable[[], Checker], str, str, str]

#: Process 0 writes at n1, 1 at n2, 2 at n3. The partition goes from 2 to 5 s.
TABLE: dict[str, Line] = {
    "all agree": (
        Convergence,
        """
        1000 0 write x 7 One = 1.0.1
        2000 nemesis start-partition n2
        5000 nemesis stop-partition
        5100 0 replica = 1 x:7@1.0.1
        5100 1 replica = 2
        5300 1 replica = 2 x:7@1.0.1
        """,
        "pass",
        "All 2 replicas that answered agree on 1 key, within 0.300 s of the last fault, the",
    ),
    "few of them answered": (
        lambda: Convergence(nodes=7),
        """
        1000 0 write x 7 One = 1.0.1
        5100 0 replica = 1 x:7@1.0.1
        5300 1 replica = 2 x:7@1.0.1
        """,
        "pass",
        "The 2 of 7 replicas that answered agree on 1 key, within",
    ),
    "one lacks a write since the partition": (
        Convergence,
        """
        2000 nemesis start-partition n2
        3000 0 write x 7 One = 1.0.1
        5000 nemesis stop-partition
        9000 0 replica = 1 x:7@1.0.1
        9000 1 replica = 2
        """,
        "fail",
        "n2 still lacks updates of 1 key. First of all it lacks the write of 7 to 'x' by "
        "process 0, "
        "acknowledged at 3.001 s; since the partition of n2 (2.000 s to 5.001 s).",
    ),
    "one lacks a deletion": (
        Convergence,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 delete x One = 2.0.2
        9000 0 replica = 1 x:7@1.0.1
        9000 1 replica = 2 x:nil@2.0.2
        """,
        "fail",
        "n1 still lacks updates of 1 key. First of all it lacks the deletion of 'x' by process 1",
    ),
    "purged tombstones are no difference": (
        Convergence,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 delete x One = 2.0.2
        9000 0 replica = 1
        9000 1 replica = 2 x:nil@2.0.2
        """,
        "pass",
        "agree on 1 key",
    ),
    "all agree on the older write": (
        Convergence,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 write x 8 One = 2.0.2
        9000 0 replica = 1 x:7@1.0.1
        9000 1 replica = 2 x:7@1.0.1
        """,
        "fail",
        "merged wrongly: all agree on 7 in 'x', as if the write of 8 to 'x' by process 1, "
        "acknowledged at 2.001 s under the timestamp 2.0 n2, had never been.",
    ),
    "an unanswered write may stand": (
        Convergence,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 write x 8 One ?
        9000 0 replica = 1 x:8@2.0.2
        9000 2 replica = 2 x:8@2.0.2
        """,
        "pass",
        "agree",
    ),
    "and it may not": (
        Convergence,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 write x 8 One ?
        9000 0 replica = 1 x:7@1.0.1
        9000 2 replica = 2 x:7@1.0.1
        """,
        "pass",
        "agree",
    ),
    "an unanswered write that only one has is lacked": (
        Convergence,
        """
        2000 1 write x 8 One ?
        9000 0 replica = 1
        9000 2 replica = 2 x:8@2.0.2
        """,
        "fail",
        "n1 still lacks updates of 1 key. First of all it lacks the write of 8 to 'x' by process "
        "1, begun at 2.000 s and never answered; no fault was under way then, nor later.",
    ),
    "a refused write must not stand": (
        Convergence,
        """
        1000 0 write x 7 One !
        9000 0 replica = 1 x:7@1.0.1
        9000 1 replica = 2 x:7@1.0.1
        """,
        "fail",
        "n1 holds 7 in 'x', but it comes from the write of 7 to 'x' by process 0, refused at 1.001",
    ),
    "gone, perhaps by an unanswered deletion": (
        Convergence,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 delete x One ?
        9000 0 replica = 1
        9000 2 replica = 2
        """,
        "pass",
        "agree",
    ),
    "a value of nowhere": (
        Convergence,
        "1000 0 write x 7 One = 1.0.1\n 9000 0 replica = 1 x:9@3.0.1",
        "fail",
        "n1 holds 9 in 'x', but nobody ever wrote 9.",
    ),
    "one timestamp, two values": (
        Convergence,
        """
        1000 0 write x 7 One ?
        1000 1 write x 8 One ?
        9000 2 replica = 1 x:7@1.0.1
        9000 3 replica = 2 x:8@1.0.1
        """,
        "fail",
        "merged wrongly: under one timestamp, 1.0 n1, n1 holds 7 in 'x' and n2 8 in 'x'.",
    ),
    "same updates, different totals": (
        Convergence,
        """
        1000 0 increment 3 =
        9000 0 replica = 1 count:3 #d1
        9000 1 replica = 2 count:6 #d1
        """,
        "fail",
        "merged wrongly: n1 and n2 have taken in the same updates (digest d1), but one holds 3, "
        "the",
    ),
    "different updates, different totals": (
        Convergence,
        """
        1000 0 increment 3 =
        9000 0 replica = 1 count:3 #d1
        9000 1 replica = 2 count:0 #d2
        """,
        "fail",
        "did not converge: 8.000 s after the last update at 1.001 s (there was no fault), the "
        "replicas differ in 1 key: n1 holds 3, n2 holds 0; the acknowledged updates make 3, and "
        "all",
    ),
    "an impossible total": (
        Convergence,
        """
        1000 0 increment 3 =
        1500 1 increment 10 ?
        9000 0 replica = 1 count:5
        9000 2 replica = 2 count:5
        """,
        "fail",
        "merged wrongly: all agree on 5, but the acknowledged updates make 3, with the 1 "
        "unanswered "
        "update anything that they add up to, from 3 to 13.",
    ),
    "a set: one lacks an element": (
        Convergence,
        """
        1000 0 add 5 =
        2000 nemesis start-kill n2
        5000 nemesis stop-kill n2
        9000 0 replica = 1 5
        9000 1 replica = 2
        """,
        "fail",
        "n2 still lacks updates of 1 element. First of all it lacks the addition of 5 by "
        "process 0, "
        "acknowledged at 1.001 s; since the kill of n2 (2.000 s to 5.001 s).",
    ),
    "a set: one lacks a removal": (
        Convergence,
        """
        1000 0 add 5 =
        2000 0 remove 5 =
        9000 0 replica = 1
        9000 1 replica = 2 5
        """,
        "fail",
        "n2 still lacks updates of 1 element. First of all it lacks the removal of 5 by process 0",
    ),
    "a set: a removal that knew nothing of the element": (
        Convergence,
        """
        1000 0 add 5 =
        2000 1 remove 5 =
        9000 0 replica = 1 5
        9000 1 replica = 2 5
        """,
        "pass",
        "agree on 1 element",
    ),
    "a set: an effective removal that all overlooked": (
        Convergence,
        """
        1000 0 add 5 =
        1500 1 elements = 2 5
        2000 1 remove 5 =
        9000 0 replica = 1 5
        9000 1 replica = 2 5
        """,
        "fail",
        "all agree on 5, as if the removal of 5 by process 1, acknowledged at 2.001 s, had never",
    ),
    "one never answers": (
        Convergence,
        """
        1000 0 write x 7 One = 1.0.1
        1000 1 write x 8 One = 2.0.2
        9000 0 replica = 1 x:8@2.0.2
        9000 1 replica !
        9300 1 replica !
        """,
        "fail",
        "n2 never answered.",
    ),
    "late, by a bound": (
        lambda: Convergence(bound_ns=10**9),
        """
        1000 0 write x 7 One = 1.0.1
        5000 0 replica = 1 x:7@1.0.1
        5000 1 replica = 2
        5500 1 replica = 2 x:7@1.0.1
        """,
        "fail",
        "1 key took longer than the bound of 1.000 s: n2 still showed another value of 'x' 3.999 s",
    ),
    "within the bound": (
        lambda: Convergence(bound_ns=5 * 10**9),
        """
        1000 0 write x 7 One = 1.0.1
        5000 0 replica = 1 x:7@1.0.1
        5000 1 replica = 2
        5500 1 replica = 2 x:7@1.0.1
        """,
        "pass",
        "agree",
    ),
    "nobody looked until the bound": (
        lambda: Convergence(bound_ns=20 * 10**9),
        """
        1000 0 write x 7 One = 1.0.1
        5000 0 replica = 1 x:7@1.0.1
        5000 1 replica = 2
        """,
        "unknown",
        "nobody looked 20.000 s after quiet",
    ),
    "a fault that never heals": (
        Convergence,
        "1000 nemesis start-partition n2\n 2000 0 replica = 1 x:7@1.0.1",
        "skipped",
        "A fault never ended: the partition of n2 (1.000 s never healed).",
    ),
    "no probe after quiet": (
        Convergence,
        "1000 0 replica = 1\n 2000 0 write x 7 One = 1.0.1",
        "skipped",
        "No replica told its state after the last fault had healed",
    ),
    "no probe at all": (Convergence, "1000 0 write x 7 One = 1.0.1", "skipped", "No replica was"),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_verdict(name: str, verdict_is_as_told: Callable[..., None]) -> None:
    verdict_is_as_told(*TABLE[name])


CHECKERS: list[Callable[[], Checker]] = [
    Broadcast,
    Convergence,
    lambda: Convergence(bound_ns=10**9),
    Counter,
    LastWriterWins,
    LevelContracts,
    Membership,
    NoResurrection,
    RepairQuiet,
    SetFull,
    Staleness,
    StrongEventual,
    UniqueIds,
]


@pytest.mark.parametrize("make", CHECKERS, ids=lambda make: make().name)
def test_every_checker_keeps_the_contract_on_every_history(make: Callable[[], Checker]) -> None:
    check_checker(make, [parse(text) for _, text, _, _ in TABLE.values()])


@pytest.mark.parametrize("make", CHECKERS, ids=lambda make: make().name)
def test_a_history_of_something_else_is_no_reason_to_fail(make: Callable[[], Checker]) -> None:
    recorder = Recorder()
    for time_ns, (type_, value) in enumerate([("invoke", None), ("ok", 7)]):
        recorder.append(time_ns=time_ns, process=0, type=type_, f="read", key="x", value=value)
    assert make().check(recorder.history()).outcome in ("skipped", "unknown")


def test_plain_registers_are_written_as_well() -> None:
    """A write without level and timestamp gets that of the replica that shows its value."""
    recorder = Recorder()
    states = [[["x", 7, [1, 0, 1]]], []]
    rows: list[tuple[int, str, str, Any, Any]] = [
        (0, "invoke", "write", "x", 7),
        (0, "ok", "write", "x", 7),
        *(
            (process, type_, "replica", None, {"node": process + 1, "state": states[process]})
            for process in (0, 1)
            for type_ in ("invoke", "ok")
        ),
    ]
    for time_ns, (process, type_, f, key, value) in enumerate(rows):
        asked = None if (type_, f) == ("invoke", "replica") else value
        recorder.append(time_ns=time_ns, process=process, type=type_, f=f, key=key, value=asked)
    verdict = Convergence().check(recorder.history())
    assert "n2 still lacks updates of 1 key. First of all it lacks the write of 7" in verdict.reason
    assert LastWriterWins().check(recorder.history()).outcome == "skipped"


def lost_since(history: History) -> Any:
    verdict = Convergence().check(history)
    assert verdict.witness is not None
    return verdict.witness


def test_the_witness_names_what_a_replica_lacks_and_since_which_fault() -> None:
    history = parse(TABLE["one lacks a write since the partition"][1])
    witness = lost_since(history)
    assert witness["sentences"] == [
        {
            "text": "n2 holds nothing in 'x' and lacks the write of 7 to 'x' by process 0, "
            "acknowledged at 3.001 s under the timestamp 1.0 n1; since the partition of n2 "
            "(2.000 s to 5.001 s).",
            "rows": [0, 2, 3, 5, 7, 9],
        }
    ]
    told = [history[row] for row in witness["rows"]]
    assert [(row.process, row.f) for row in told] == [
        ("nemesis", "start-partition"),
        (0, "write"),
        (0, "write"),
        ("nemesis", "stop-partition"),
        (1, "replica"),
        (1, "replica"),
    ]
    fault = "the partition of n2 (2.000 s to 5.001 s)"
    lacks = "the write of 7 to 'x' by process 0, acknowledged at 3.001 s"
    assert witness["table"] == {
        "caption": "What each replica holds, and lacks",
        "columns": ["key", "replica", "holds", "timestamp", "lacks", "since"],
        "rows": [
            ["x", "n1", 7, "1.0 n1", None, None],
            ["x", "n2", None, None, lacks, fault],
        ],
    }


def test_the_fault_that_names_the_node_is_blamed_before_others() -> None:
    history = parse("""
        1000 nemesis start-kill n2
        2000 nemesis start-pause n3
        3000 0 write x 7 One = 1.0.1
        4000 nemesis stop-pause n3
        5000 nemesis stop-kill n2
        9000 0 replica = 1 x:7@1.0.1
        9000 1 replica = 2
        9000 2 replica = 3
    """)
    lines = lost_since(history)["table"]["rows"]
    assert [line[1:2] + line[5:] for line in lines] == [
        ["n1", None],
        ["n2", "the kill of n2 (1.000 s to 5.001 s)"],
        ["n3", "the pause of n3 (2.000 s to 4.001 s)"],
    ]


def test_times_to_converge_are_told_by_key() -> None:
    history = parse("""
        1000 0 write x 7 One = 1.0.1
        1000 1 write y 8 One = 1.0.2
        2000 0 replica = 1 x:7@1.0.1
        2000 1 replica = 2 y:8@1.0.2
        2100 0 replica = 1 x:7@1.0.1 y:8@1.0.2
        2300 1 replica = 2 x:7@1.0.1 y:8@1.0.2
    """)
    found = Convergence().check(history).details["distributions"]["time to converge"]
    assert found["values"] == [1100.0, 1300.0]  # since 1.001 s
    assert found["quantiles"] == {"0.5": 1100.0, "0.9": 1300.0, "0.99": 1300.0, "1": 1300.0}


def test_repair_that_took_in_documents_in_vain_is_told() -> None:
    witness = lost_since(
        parse("""
        1000 0 write x 7 One = 1.0.1
        5000 0 replica = 1 x:7@1.0.1
        5000 1 replica = 2 +1
        9000 1 replica = 2 +6
        """)
    )
    text = witness["sentences"][0]["text"]
    assert "although it took in 5 documents by repair meanwhile" in text


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Convergence(bound_ns=0), "A bound of 0 ns"),
        (lambda: RepairQuiet(grace_ns=-1), "A grace of -1 ns"),
        (lambda: Staleness(bound_ns=-1), "A bound of -1 ns"),
        (lambda: LevelContracts(nodes=0), "0 nodes"),
        (lambda: Membership(detect_ns=0), "detect_ns is 0"),
    ],
)
def test_senseless_options(make: Callable[[], Checker], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()


def test_a_malformed_replica_says_what_is_wanted() -> None:
    recorder = Recorder()
    for time_ns, (type_, value) in enumerate([("invoke", None), ("ok", [1, 2])]):
        recorder.append(time_ns=time_ns, process=0, type=type_, f="replica", value=value)
    with pytest.raises(UsageError, match="docs/convergence.md has the conventions"):
        Convergence().check(recorder.history())


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        (None, "nodes that no client talks with"),
        (7, "the state of n2, n4, n5, n6 and n7: 5 of 7 replicas that no client talks with"),
        (4, "the state of n2 and n4: 2 of 4 replicas that no client talks with"),
    ],
)
def test_replicas_that_nobody_asked_are_a_blind_spot(nodes: int | None, told: str) -> None:
    history = parse(
        """
        1000 0 add 5 =
        2000 0 replica = 1 5
        2000 1 replica = 3 5
        """
    )
    assert told in Convergence(nodes=nodes).check(history).could_not_detect


def test_no_replica_is_a_blind_spot_where_all_were_asked() -> None:
    spots = Convergence(nodes=1).check(parse("1000 0 add 5 =\n2000 0 replica = 1 5"))
    assert not any("no client talks with" in spot for spot in spots.could_not_detect)


@pytest.mark.parametrize(
    ("checker", "text", "reason"),
    [
        (Convergence(), "1000 0 add 5 =\n2000 0 replica = 1 5", "The only replica that answered s"),
        (Convergence(nodes=3), "1000 0 add 5 =\n2000 0 replica = 1 5", "The 1 of 3 replicas that"),
        (Linearizability(), "1000 0 write x 7 =", "some order explains the only operation."),
        (
            SequentialConsistency(),
            "1000 0 write x 7 One = 1.0.1",
            "of the only operation keeps that of its",
        ),
    ],
)
def test_one_thing_is_not_told_as_many(checker: Checker, text: str, reason: str) -> None:
    verdict = checker.check(parse(text))
    assert verdict.outcome == "pass"
    assert reason in verdict.reason
