"""Sets and broadcasts by hand: what the checkers say of them, and why.

A line of the table is the checker, the history, the outcome and a part of the reason.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkers.convergence import (
    Broadcast,
    SetFull,
    StrongEventual,
)
from checkers.convergence.notation import parse
from checkers.kit import check_checker
from harness.verdict import Checker

Line = tuple[Callable[[], Checker], str, str, str]

TABLE: dict[str, Line] = {
    "stable": (SetFull, "1000 0 add 5 =\n 2000 0 elements = - 5", "pass", "1 element stayed"),
    "lost": (
        SetFull,
        "1000 0 add 5 =\n 2000 0 elements = - 5\n 3000 0 elements = -",
        "fail",
        "1 of 1 element was lost. 5, added by process 0 and acknowledged at 1.001 s, is missing in "
        "a read",
    ),
    "two reads at once: the later call may be the earlier read": (
        SetFull,
        """
        1000 0 add 5 =
        2000..2900 0 elements = - 5
        2100..2200 1 elements = -
        """,
        "pass",
        "stayed",
    ),
    "missing at one node only": (
        SetFull,
        """
        1000 0 add 5 =
        2000 nemesis start-partition n2
        3000 nemesis stop-partition
        4000 0 elements = 1 5
        4000 1 elements = 2
        4500 0 elements = 1 5
        """,
        "fail",
        "is missing at n2 in its last answer, asked for at 4.000 s; the last answer that has it "
        "came at 4.501 s from n1; since the partition of n2",
    ),
    "seen before it was acknowledged, then gone": (
        SetFull,
        "1000..5000 0 add 5 ?\n 2000 1 elements = - 5\n 3000 1 elements = -",
        "fail",
        "added by process 0 without an answer (first seen in row 2)",
    ),
    "unanswered and never seen": (
        SetFull,
        "1000 0 add 5 ?\n 1500 1 add 6 =\n 2000 1 elements = - 6",
        "pass",
        "1 element stayed",
    ),
    "never read": (SetFull, "1000 0 elements = -\n 2000 0 add 5 =", "unknown", "Nobody read the"),
    "no read": (SetFull, "2000 0 add 5 =", "unknown", "Nobody read the set"),
    "doubled": (
        SetFull,
        "1000 0 add 5 =\n 2000 0 elements = - 5 5",
        "fail",
        "5 is more than once in the answer of row 3.",
    ),
    "a stranger": (
        SetFull,
        "1000 0 add 5 =\n 2000 0 elements = - 5 9",
        "fail",
        "that nobody added",
    ),
    "refused, and there": (
        SetFull,
        "1000 0 add 5 !\n 1500 0 add 6 =\n 2000 0 elements = - 5 6",
        "fail",
        "The answer of row 5 has 5, whose addition was refused.",
    ),
    "stale": (
        SetFull,
        "1000 0 add 5 =\n 2000 0 elements = -\n 3000 0 elements = - 5",
        "pass",
        "1 took a while",
    ),
    "stale is a failure of one copy": (
        lambda: SetFull(linearizable=True),
        "1000 0 add 5 =\n 2000 0 elements = -\n 3000 0 elements = - 5",
        "fail",
        "5, known at 1.001 s, was not in the answer to the read begun at 2.000 s.",
    ),
    "removed elements are left out": (
        SetFull,
        "1000 0 add 5 =\n 1100 0 add 6 =\n 1500 0 remove 5 =\n 2000 0 elements = - 6",
        "pass",
        "1 element stayed",
    ),
    "words as elements": (
        SetFull,
        "1000 0 add ab =\n 2000 0 elements = - ab\n 3000 0 elements = -",
        "fail",
        "'ab', added by process 0",
    ),
    "a broadcast that n2 never gets": (
        Broadcast,
        "1000 0 broadcast 5 =\n 2000 0 elements = 1 5\n 2000 1 elements = 2",
        "fail",
        "1 of 1 message was lost. 5",
    ),
    "a broadcast": (
        Broadcast,
        "1000 0 broadcast 5 =\n 2000 0 replica = 1 5\n 2000 1 replica = 2 5",
        "pass",
        "1 message stayed",
    ),
    "equal updates": (
        StrongEventual,
        "1000 0 replica = 1 5 #d1\n 1000 1 replica = 2 5 #d1\n 1500 1 replica = 2 5 6 #d2",
        "pass",
        "In all 3 answers, equal updates made equal states (1 set of updates at more than one",
    ),
    "equal updates, other elements": (
        StrongEventual,
        "1000 0 replica = 1 5 #d1\n 1000 1 replica = 2 5 6 #d1",
        "fail",
        "but 6 was not there at the one and there at the other.",
    ),
    "no digests": (StrongEventual, "1000 0 replica = 1 5", "skipped", "No replica told which"),
    "the same answer twice, and then it is gone": (
        SetFull,
        "1000 0 add 5 =\n 2000 0 elements = -\n 3000 0 elements = - 5\n 4000 0 elements = -",
        "fail",
        "asked for at 4.000 s",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_verdict(name: str, verdict_is_as_told: Callable[..., None]) -> None:
    verdict_is_as_told(*TABLE[name])


CHECKERS: list[Callable[[], Checker]] = [Broadcast, SetFull, StrongEventual]


@pytest.mark.parametrize("make", CHECKERS, ids=lambda make: make().name)
def test_the_contract_of_checkers_is_kept_on_every_history(make: Callable[[], Checker]) -> None:
    check_checker(make, [parse(text) for _, text, _, _ in TABLE.values()])
