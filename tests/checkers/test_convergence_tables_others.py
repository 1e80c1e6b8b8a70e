"""Membership and identifiers by hand: what the checkers say of them, and why.

A line of the table is the checker, the history, the outcome and a part of the reason.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkers.convergence import (
    Membership,
    UniqueIds,
)
from checkers.convergence.notation import parse
from checkers.kit import check_checker
from harness.verdict import Checker

Line = tuple[Callable[[], Checker], str, str, str]

TABLE: dict[str, Line] = {
    "all see all": (
        Membership,
        "1000 0 members = 1 1 2\n 1000 1 members = 2 1 2",
        "pass",
        "In the end all 2 nodes see each other.",
    ),
    "one is not seen again": (
        Membership,
        """
        1000 0 members = 1 1 2
        2000 nemesis start-kill n2
        3000 nemesis stop-kill n2
        9000 0 members = 1 1
        9000 1 members = 2 1 2
        """,
        "fail",
        "n1 does not see n2, which answers; since the kill of n2 (2.000 s to 3.001 s).",
    ),
    "not yet": (
        lambda: Membership(bound_ns=60 * 10**9),
        "1000 0 members = 1 1\n 1000 1 members = 2 1 2",
        "unknown",
        "nobody asked until the bound of 60.000 s",
    ),
    "a death that is not noticed": (
        lambda: Membership(detect_ns=5 * 10**9),
        """
        2000 nemesis start-kill n2
        9000 0 members = 1 1 2
        10000 nemesis stop-kill n2
        """,
        "fail",
        "n1 still sees n2 at 9.001 s, 7.000 s after the kill of n2 (2.000 s to 10.001 s) began.",
    ),
    "a death that is not noticed yet": (
        lambda: Membership(detect_ns=5 * 10**9),
        """
        2000 nemesis start-kill n2
        6000 0 members = 1 1 2
        10000 nemesis stop-kill n2
        11000 0 members = 1 1 2
        11000 1 members = 2 1 2
        """,
        "pass",
        "In the end all 2 nodes see each other.",
    ),
    "twice in the list": (
        Membership,
        "1000 0 members = 1 1 2 2\n 1000 1 members = 2 1 2",
        "fail",
        "n1 lists n2 twice",
    ),
    "different": (
        UniqueIds,
        "1000 0 generate = 5.0.1\n 2000 0 generate = 5.1.1\n 2000 1 generate = 5.0.2",
        "pass",
        "All 3 identifiers are different",
    ),
    "doubled id": (
        UniqueIds,
        "1000 0 generate = 5.0.1\n 2000 0 generate = 5.0.1",
        "fail",
        "5.0 n1 was given out twice",
    ),
    "backward": (
        UniqueIds,
        "1000 0 generate = 9.0.1\n 2000 0 generate = 5.0.1",
        "fail",
        "n1 went back: it gave out 9.0 n1 at 1.001 s, and 5.0 n1 later, at 2.001 s.",
    ),
    "at once": (
        UniqueIds,
        "1000..2000 0 generate = 9.0.1\n 1500..1600 1 generate = 5.0.1",
        "pass",
        "different",
    ),
    "none given": (UniqueIds, "1000 0 generate ?", "unknown", "No identifier was given out"),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_verdict(name: str, verdict_is_as_told: Callable[..., None]) -> None:
    verdict_is_as_told(*TABLE[name])


CHECKERS: list[Callable[[], Checker]] = [Membership, UniqueIds]


@pytest.mark.parametrize("make", CHECKERS, ids=lambda make: make().name)
def test_the_contract_of_checkers_is_kept_on_every_history(make: Callable[[], Checker]) -> None:
    check_checker(make, [parse(text) for _, text, _, _ in TABLE.values()])
