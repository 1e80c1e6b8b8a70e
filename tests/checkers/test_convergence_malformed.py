"""Rows that break the conventions of docs/convergence.md: who looks at them says which, and why.

A line of the table has the calls (process, function, what it was invoked with and answered), the
checkers that look, and what their error says. No other checker trips over them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from checkers.consistency import MonotonicReads, ReadYourWrites
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
from harness.errors import UsageError
from harness.history import History, Recorder
from harness.verdict import Checker

Step = tuple[int, str, Any, Any]

OF_RECORDS: list[type[Checker]] = [
    Convergence,
    Counter,
    LastWriterWins,
    LevelContracts,
    NoResurrection,
    RepairQuiet,
    Staleness,
    StrongEventual,
]
OF_SETS: list[type[Checker]] = [Broadcast, SetFull]
ALL: list[type[Checker]] = [
    *OF_RECORDS,
    *OF_SETS,
    Membership,
    UniqueIds,
    ReadYourWrites,
    MonotonicReads,
]
REPLICA = '`replica` answers {"node": n, "state": [[key, value, timestamp], ...]'
WRITE: Step = (0, "write", {"value": 1, "level": "One"}, {"value": 1, "stamp": [1, 0, 1]})
ADD: Step = (0, "add", 5, 5)


def replica(state: Any, node: Any = 1, **more: Any) -> Step:
    return (0, "replica", None, {"node": node, "state": state, **more})


def written(stamp: Any) -> Step:
    return (1, "write", {"value": 2, "level": "One"}, {"value": 2, "stamp": stamp})


MALFORMED: dict[str, tuple[list[Step], list[type[Checker]], str]] = {
    "a line without a timestamp": ([WRITE, replica([["x", 1]])], OF_RECORDS, REPLICA),
    "a line that is none": ([ADD, replica([1])], [*OF_RECORDS, *OF_SETS], REPLICA),
    "no state": ([ADD, replica(None)], [*OF_RECORDS, *OF_SETS], REPLICA),
    "repairs that are no number": ([ADD, replica([], repaired="x")], OF_RECORDS, REPLICA),
    "a replica that is a list": (
        [ADD, replica([], node=[1])],
        [*OF_RECORDS, *OF_SETS],
        "row 3, process 0 ok 'replica' is {'node': [1], 'state': []}, but a node is a number or a",
    ),
    "a set that is nothing": (
        [ADD, (0, "read", None, {"node": 1, "elements": None})],
        [*OF_RECORDS, *OF_SETS],
        "row 3, process 0 ok 'read' is {'elements': None, 'node': 1}, but a read of a set answers ",
    ),
    "a set that is an object": (
        [ADD, (0, "read", None, {"node": 1, "elements": {"5": True}})],
        [*OF_RECORDS, *OF_SETS],
        'a read of a set answers {"node": n, "elements": [...]}',
    ),
    "members that are nothing": (
        [(0, "members", None, {"node": 1, "members": None})],
        [Membership],
        '`members` answers {"node": n, "members": [...]}',
    ),
    "members of a node that is a list": (
        [WRITE, (0, "members", None, {"node": [1], "members": [1]})],
        [*OF_RECORDS, Membership],
        "a node is a number or a name",
    ),
    "nodes by name and by number": (
        [WRITE, written([1, 0, "n2"])],
        OF_RECORDS,
        "row 3, process 1 ok 'write' is {'stamp': [1, 0, 'n2'], 'value': 2}, but its timestamp "
        "[1, 0, 'n2'] has a name where one of row 1 has a number",
    ),
    "the same, in a state": (
        [WRITE, replica([["x", 2, [1, 0, "n2"]]])],
        OF_RECORDS,
        "its timestamp [1, 0, 'n2'] has a name where one of row 1 has a number",
    ),
    "a timestamp with a hole": (
        [WRITE, written([1, None, 1])],
        OF_RECORDS,
        "a timestamp is [wall_ms, counter, node], of numbers and names",
    ),
    "a level that is a list": (
        [(0, "write", {"value": 1, "level": ["Quorum"]}, {"value": 1, "stamp": [1, 0, 1]})],
        OF_RECORDS,
        "row 0, process 0 invoke 'write' is {'level': ['Quorum'], 'value': 1}, but a level is a n",
    ),
    "a read at a level that is a number": (
        [WRITE, (0, "read", {"level": "One"}, {"value": 1, "level": 3, "stamp": [1, 0, 1]})],
        OF_RECORDS,
        "row 3, process 0 ok 'read' is",
    ),
    "hops without messages": (
        [
            (0, "broadcast", 5, 5),
            (0, "read", None, {"node": 1, "elements": [5]}),
            (0, "cost", None, {"node": 1, "hops": [1], "sent": {}}),
        ],
        [Broadcast],
        '`cost` answers {"node": n, "hops": [[message, hops], ...], "sent": {kind: count}}',
    ),
    "messages that nobody counted": (
        [
            (0, "broadcast", 5, 5),
            (0, "read", None, {"node": 1, "elements": [5]}),
            (0, "cost", None, {"node": 1, "hops": [[5, 1]], "sent": [1]}),
        ],
        [Broadcast],
        '`cost` answers {"node": n, "hops": [[message, hops], ...], "sent": {kind: count}}',
    ),
    "a deletion without an answer": (
        [WRITE, (0, "delete", {"level": "One"}, None)],
        [ReadYourWrites, MonotonicReads],
        'deletion of a store with levels answers {"level": L, "stamp": timestamp}',
    ),
}


def history_of(steps: list[Step]) -> History:
    recorder = Recorder()
    for process, f, asked, answered in steps:
        for type, value in (("invoke", asked), ("ok", answered)):
            of_key = f in ("write", "delete") or (
                isinstance(answered, dict) and "value" in answered
            )
            key = "x" if of_key else None
            recorder.append(time_ns=0, process=process, type=type, f=f, key=key, value=value)
    return recorder.history()


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_row_is_named_with_what_was_expected(case: str) -> None:
    steps, looking, words = MALFORMED[case]
    history = history_of(steps)
    for checker in looking:
        with pytest.raises(UsageError) as refused:
            checker().check(history)
        assert words in str(refused.value)
        assert "docs/convergence.md" in str(refused.value)
    for checker in ALL:
        try:
            verdict = checker().check(history)
        except UsageError:
            continue
        json.dumps([verdict.witness, verdict.details])


FOREIGN: list[Step] = [
    (0, "write", {"a": [1]}, None),
    (0, "read", None, {"a": [1]}),
    (0, "read", "x", None),
    (0, "write", 7, 7),
    (0, "members", None, ["n1", "n2"]),
    (0, "cost", None, 12),
]


@pytest.mark.parametrize("checker", [*OF_RECORDS, *OF_SETS, Membership, UniqueIds])
def test_rows_of_other_conventions_are_left_out(checker: type[Checker]) -> None:
    assert checker().check(history_of(FOREIGN)).outcome in ("pass", "skipped", "unknown")


NODES: list[Step] = [
    (0, "replica", None, {"node": 1, "state": [["x", 1, [1, 0, 1]]], "delivered": "d"}),
    (1, "replica", None, {"node": 2, "state": [["x", True, [1, 0, 1]]], "delivered": "d"}),
]
NESTED: list[Step] = [
    (0, "replica", None, {"node": 1, "state": [["x", [1], [1, 0, 1]]], "delivered": "d"}),
    (1, "replica", None, {"node": 2, "state": [["x", [1.0], [1, 0, 1]]], "delivered": "d"}),
]


@pytest.mark.parametrize("nodes", [NODES, NESTED])
def test_one_is_not_true_nor_a_fraction(nodes: list[Step]) -> None:
    """JSON tells 1, 1.0 and true apart, Python does not."""
    value = nodes[0][3]["state"][0][1]
    history = history_of([(0, "write", value, value), *nodes])
    assert StrongEventual().check(history).outcome == "fail"
    verdict = Convergence().check(history)
    assert verdict.outcome == "fail"
    assert "'x'" in verdict.reason


@pytest.mark.parametrize("shown", [[1, 2], [True, 2], [1.0, 2], [0, 2], [False, 2]])
def test_elements_of_a_set_are_told_apart_too(shown: list[Any]) -> None:
    steps: list[Step] = [(0, "add", 1, 1), (0, "add", 2, 2), (0, "read", None, shown)]
    outcome = "pass" if repr(shown) == "[1, 2]" else "fail"
    assert SetFull().check(history_of(steps)).outcome == outcome
