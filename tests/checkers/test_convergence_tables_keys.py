"""Keys with timestamps by hand: what the checkers say of them, and why.

A line of the table is the checker, the history, the outcome and a part of the reason.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkers.convergence import (
    LastWriterWins,
    NoResurrection,
    RepairQuiet,
)
from checkers.convergence.notation import parse
from checkers.kit import check_checker
from harness.verdict import Checker

Line = tuple[Callable[[], Checker], str, str, str]

TABLE: dict[str, Line] = {
    "the last writer wins": (
        LastWriterWins,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 write x 8 One = 2.0.2
        3000 0 read x One = 1 7@1.0.1
        9000 0 replica = 1 x:8@2.0.2
        9000 1 replica = 2 x:8@2.0.2
        """,
        "pass",
        "the greatest timestamp stood",
    ),
    "an older write stands": (
        LastWriterWins,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 write x 8 One = 2.0.2
        9000 0 replica = 1 x:7@1.0.1
        """,
        "fail",
        "In the end the only replica shows 7 (1.0 n1) in 'x', but the greatest timestamp is "
        "2.0 n2: the write of 8 to 'x' by process 1",
    ),
    "a node does not know its own write": (
        LastWriterWins,
        "1000 0 write x 7 One = 1.0.1\n 2000 0 read x One = 1 nil",
        "fail",
        "n1 does not know what it did itself: at 2.001 s it shows nothing in 'x', after the write",
    ),
    "vanished": (
        LastWriterWins,
        "1000 0 write x 7 One ?\n 2000 1 read x One = 2 7@1.0.1\n 3000 1 read x One = 2 nil",
        "fail",
        "n2 went back: of 'x' it showed 7 (1.0 n1) at 2.001 s, and at 3.001 s nothing, though "
        "nobody",
    ),
    "vanished, but somebody may have deleted it": (
        LastWriterWins,
        """
        1000 0 write x 7 One ?
        1500 3 delete x One ?
        2000 1 read x One = 2 7@1.0.1
        3000 1 read x One = 2 nil
        """,
        "pass",
        "no node went back",
    ),
    "another value under the timestamp": (
        LastWriterWins,
        """
        1000 0 write x 7 One = 1.0.1
        1100 0 write x 8 One = 2.0.1
        2000 1 read x One = 2 7@2.0.1
        """,
        "fail",
        "n2 showed 7 in 'x' at 2.001 s, but its timestamp is 2.0 n1, but that of",
    ),
    "one timestamp for two": (
        LastWriterWins,
        "1000 0 write x 7 One = 1.0.1\n 2000 1 write y 8 One = 1.0.1",
        "fail",
        "Two updates have the timestamp 1.0 n1",
    ),
    "a purged tombstone comes back": (
        NoResurrection,
        """
        1000 0 write x 7 One = 1.0.1
        2000 0 delete x One = 2.0.1
        3000 1 read x One = 2 7@1.0.1
        4000 1 read x One = 2 nil
        5000 1 read x One = 2 7@1.0.1
        """,
        "fail",
        "'x' came back at n2: the answer at 5.001 s shows 7 of 1.0 n1 again, though n2 had shown "
        "nothing of it any more at 4.001 s",
    ),
    "a late document before the deletion was seen": (
        NoResurrection,
        """
        1000 0 write x 7 One = 1.0.1
        2000 0 delete x One = 2.0.1
        3000 1 read x One = 2 nil
        5000 1 read x One = 2 7@1.0.1
        """,
        "pass",
        "Nothing came back after 1 deletion of 1 key.",
    ),
    "written anew": (
        NoResurrection,
        """
        1000 0 delete x One = 2.0.1
        3000 0 write x 8 One = 3.0.1
        5000 0 read x One = 1 8@3.0.1
        """,
        "pass",
        "Nothing came back",
    ),
    "stands in the end": (
        NoResurrection,
        """
        1000 0 write x 7 One = 1.0.1
        2000 1 delete x One = 2.0.2
        9000 0 replica = 1 x:7@1.0.1
        """,
        "fail",
        "'x' is there in the end, at the only replica, in spite of the deletion of 'x' by "
        "process 1",
    ),
    "an element comes back": (
        NoResurrection,
        """
        1000 0 add 5 =
        2000 1 elements = 2 5
        2500 0 remove 5 =
        3000 1 elements = 2
        4000 1 elements = 2 5
        """,
        "fail",
        "5 came back at n2: it was there at 2.001 s, gone at 3.001 s, and there again at 4.001 s",
    ),
    "repair goes on": (
        RepairQuiet,
        """
        1000 0 replica = 1 x:7@1.0.1 +1
        3000 0 replica = 1 x:7@1.0.1 +2
        5000 0 replica = 1 x:7@1.0.1 +3
        """,
        "fail",
        "All replicas agree since 0.000 s, but n1 took in 1 more document by repair, from 2 at",
    ),
    "repair ends": (
        RepairQuiet,
        """
        1000 0 replica = 1 x:7@1.0.1 +1
        3000 0 replica = 1 x:7@1.0.1 +3
        5000 0 replica = 1 x:7@1.0.1 +3
        """,
        "pass",
        "repair moved nothing in 2 later answers",
    ),
    "a restart begins to count anew": (
        RepairQuiet,
        "3000 0 replica = 1 5 +9\n 5000 0 replica = 1 5 +0\n 6000 0 replica = 1 5 +0",
        "pass",
        "moved nothing",
    ),
    "nobody looked again": (
        RepairQuiet,
        "3000 0 replica = 1 5 +9",
        "unknown",
        "Nobody looked twice",
    ),
    "there is something to repair": (
        RepairQuiet,
        "3000 0 replica = 1 5 +9\n 3000 1 replica = 2 +9",
        "skipped",
        "The replicas do not agree in the end (they differ in 1 key)",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_verdict(name: str, verdict_is_as_told: Callable[..., None]) -> None:
    verdict_is_as_told(*TABLE[name])


CHECKERS: list[Callable[[], Checker]] = [LastWriterWins, NoResurrection, RepairQuiet]


@pytest.mark.parametrize("make", CHECKERS, ids=lambda make: make().name)
def test_the_contract_of_checkers_is_kept_on_every_history(make: Callable[[], Checker]) -> None:
    check_checker(make, [parse(text) for _, text, _, _ in TABLE.values()])
