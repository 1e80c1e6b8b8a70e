"""Levels and staleness by hand: what the checkers say of them, and why.

A line of the table is the checker, the history, the outcome and a part of the reason.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkers.convergence import (
    LevelContracts,
    Staleness,
)
from checkers.convergence.notation import parse
from checkers.kit import check_checker
from harness.verdict import Checker

Line = tuple[Callable[[], Checker], str, str, str]

TABLE: dict[str, Line] = {
    "stale at One": (
        LevelContracts,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 read x One = 2 nil
        """,
        "pass",
        "No anomaly beyond what the levels permit in 1 read; permitted ones occurred: "
        "stale-read 1.",
    ),
    "stale at Quorum": (
        LevelContracts,
        "1000 0 write x 7 Quorum = 1.0.1\n 2000 1 read x Quorum = 2 nil",
        "fail",
        "stale-read: the read of 'x' at Quorum by process 1 at n2, begun at 2.000 s, showed "
        "nothing, "
        "and missed the write of 7 to 'x' by process 0, acknowledged at 1.001 s at Quorum.",
    ),
    "a write at Quorum, a read at One": (
        LevelContracts,
        "1000 0 write x 7 Quorum = 1.0.1\n 2000 1 read x One = 2 nil",
        "pass",
        "permitted ones occurred: stale-read 1.",
    ),
    "another client of the same node": (
        LevelContracts,
        "900 4 members = 1 1\n 1000 0 write x 7 One = 1.0.1\n 2000 4 read x One = 1 nil",
        "fail",
        "stale-read: the read of 'x' at One by process 4 at n1",
    ),
    "begun before it was acknowledged": (
        LevelContracts,
        "1000..2500 0 write x 7 Quorum = 1.0.1\n 2000 1 read x Quorum = 2 nil",
        "pass",
        "nor any permitted",
    ),
    "three of four and three of four": (
        lambda: LevelContracts(nodes=4),
        "1000 0 write x 7 Two = 1.0.1\n 2000 1 read x Two = 2 nil",
        "fail",
        "A write at Two and a read at Two share a node, so it had to see it.",
    ),
    "local quorums of one data centre": (
        lambda: LevelContracts(data_centers={1: "a", 2: "a"}),
        "1000 0 write x 7 LocalQuorum = 1.0.1\n 2000 1 read x LocalQuorum = 2 nil",
        "fail",
        "A write at LocalQuorum and a read at LocalQuorum share a node",
    ),
    "local quorums of two": (
        lambda: LevelContracts(data_centers={1: "a", 2: "b"}),
        "1000 0 write x 7 LocalQuorum = 1.0.1\n 2000 1 read x LocalQuorum = 2 nil",
        "pass",
        "stale-read 1",
    ),
    "own write missed at None": (
        LevelContracts,
        "1000 0 write x 7 None = 1.0.1\n 2000 0 read x None = 1 nil",
        "fail",
        "own-write-missed: the read of 'x' at None by process 0 at n1",
    ),
    "went back": (
        LevelContracts,
        """
        1000 0 write x 7 One ?
        2000 1 read x One = 2 7@2.0.1
        3000 1 read x One = 2 6@1.0.1
        """,
        "fail",
        "went-back: the read of 'x' at One by process 1 at n2, begun at 3.000 s, showed 6 (1.0 "
        "n1), "
        "and missed 7 (2.0 n1), which process 1 had read from n2 at 2.001 s.",
    ),
    "went back to nothing": (
        LevelContracts,
        """
        1000 0 write x 7 One ?
        2000 1 read x One = 2 7@2.0.1
        3000 1 read x One = 2 nil
        """,
        "fail",
        "went-back: the read of 'x' at One by process 1 at n2, begun at 3.000 s, showed nothing, "
        "and missed 7 (2.0 n1), which process 1 had read from n2 at 2.001 s.",
    ),
    "went back to nothing, behind a deletion that was older": (
        LevelContracts,
        """
        500 0 delete x One = 1.0.1
        1000 0 write x 7 One ?
        2000 1 read x One = 2 7@2.0.1
        3000 1 read x One = 2 nil
        """,
        "fail",
        "went-back: the read of 'x' at One by process 1 at n2, begun at 3.000 s, showed nothing",
    ),
    "nothing after a deletion whose tombstone is purged": (
        LevelContracts,
        """
        1000 0 write x 7 One ?
        2000 1 read x One = 2 7@2.0.1
        2500..3500 4 delete x One = 3.0.1
        3000 1 read x One = 2 nil
        """,
        "pass",
        "nor any permitted",
    ),
    "nothing after a deletion without an answer": (
        LevelContracts,
        """
        1000 0 write x 7 One ?
        2000 1 read x One = 2 7@2.0.1
        2500 3 delete x One ?
        3000 1 read x One = 2 nil
        """,
        "pass",
        "nor any permitted",
    ),
    "nothing after a purged tombstone was seen": (
        LevelContracts,
        """
        1000 0 delete x One = 2.0.1
        2000 1 read x One = 2 nil@2.0.1
        3000 1 read x One = 2 nil
        """,
        "pass",
        "nor any permitted",
    ),
    "an inversion to nothing": (
        LevelContracts,
        """
        1000 0 write x 7 One ?
        2000 1 read x Quorum = 2 7@2.0.1
        3000 2 read x Quorum = 3 nil
        4000 3 read x All = 4 nil
        """,
        "fail",
        "1 anomaly is beyond what the levels permit. inversion: the read of 'x' at All by process "
        "3 at n4, begun at 4.000 s, showed nothing",
    ),
    "an inversion": (
        LevelContracts,
        """
        1000 0 write x 7 One ?
        2000 1 read x Quorum = 2 7@2.0.1
        3000 2 read x Quorum = 3 6@1.0.1
        """,
        "pass",
        "permitted ones occurred: inversion 1.",
    ),
    "an inversion at All": (
        LevelContracts,
        """
        1000 0 write x 7 One ?
        2000 1 read x Quorum = 2 7@2.0.1
        3000 2 read x All = 3 6@1.0.1
        """,
        "fail",
        "inversion: the read of 'x' at All",
    ),
    "lost at Two": (
        LevelContracts,
        """
        1000 0 write x 7 Two = 1.0.1
        2000 1 read x One = 2 nil
        9000 0 replica = 1
        """,
        "fail",
        "lost-write: in the end no replica has what came of the write of 7 to 'x' by process 0",
    ),
    "lost at None": (
        LevelContracts,
        """
        1000 0 write x 7 None = 1.0.1
        2000 1 read x One = 2 nil
        9000 0 replica = 1
        """,
        "pass",
        "lost-write 1, stale-read 1",
    ),
    "how old": (
        Staleness,
        """
        1000 0 write x 7 One = 1.0.1
        1500 0 write x 8 One = 1500.0.1
        2001 1 read x One = 2 nil
        3000 1 read x Quorum = 2 8@1500.0.1
        """,
        "pass",
        "1 of 2 reads was stale; the oldest answer was 1.000 s old (at level One).",
    ),
    "too old": (
        lambda: Staleness(bound_ns=500_000_000),
        "1000 0 write x 7 One = 1.0.1\n 2001 1 read x One = 2 nil",
        "fail",
        "and 0.500 s is the bound. The read of process 1, begun at 2.001 s, got nothing from "
        "n2, and "
        "missed the write of 7 to 'x' by process 0, acknowledged at 1.001 s, 1.000 s before.",
    ),
    "a purged deletion is as good as seen": (
        Staleness,
        """
        1000 0 write x 7 One = 1.0.1
        1500 0 delete x One = 2.0.1
        3000 1 read x One = 2 nil
        """,
        "pass",
        "0 of 1 read were stale.",
    ),
    "the age of a set": (
        Staleness,
        "1000 0 add 5 =\n 2001 1 elements = 2\n 3000 1 elements = 2 5",
        "pass",
        "1 of 2 reads was stale; the oldest answer was 1.000 s old.",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_verdict(name: str, verdict_is_as_told: Callable[..., None]) -> None:
    verdict_is_as_told(*TABLE[name])


CHECKERS: list[Callable[[], Checker]] = [LevelContracts, Staleness]


@pytest.mark.parametrize("make", CHECKERS, ids=lambda make: make().name)
def test_the_contract_of_checkers_is_kept_on_every_history(make: Callable[[], Checker]) -> None:
    check_checker(make, [parse(text) for _, text, _, _ in TABLE.values()])
