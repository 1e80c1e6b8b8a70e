"""Counters by hand: what the checkers say of them, and why.

A line of the table is the checker, the history, the outcome and a part of the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from checkers.convergence import (
    Counter,
)
from checkers.convergence.notation import parse
from checkers.kit import check_checker
from harness.history import Recorder
from harness.verdict import Checker

Line = tuple[Callable[[], Checker], str, str, str]

TABLE: dict[str, Line] = {
    "exact": (Counter, "1000 0 increment 3 =\n 2000 0 count = - 3", "pass", "The only read"),
    "too few": (
        Counter,
        "1000 0 increment 3 =\n 2000 0 count = - 2",
        "fail",
        "showed 2 at 2.001 s, but what it had acknowledged before makes at least 3",
    ),
    "too many": (
        Counter,
        "1000 0 increment 3 =\n 2000 0 count = - 4",
        "fail",
        "but all that anybody had begun makes at most 3",
    ),
    "a gap": (
        Counter,
        "1000 0 increment 3 ?\n 2000 1 count = - 2",
        "fail",
        "no choice of the unanswered and concurrent updates makes; the nearest are 0 and 3",
    ),
    "a gap between large amounts": (
        Counter,
        "1000 0 increment 3900000 ?\n 2000 1 count = - 1900000",
        "fail",
        "the nearest are 0 and 3900000",
    ),
    "a decrement": (
        Counter,
        "1000 0 increment 3 =\n 1500 1 decrement 5 ?\n 2000 0 count = - -2",
        "pass",
        "The only read",
    ),
    "a failed one counts not": (
        Counter,
        "1000 0 increment 3 !\n 1100 0 increment 1 =\n 2000 0 count = - 4",
        "fail",
        "at most 1",
    ),
    "another node lags": (
        Counter,
        "1000 0 increment 3 =\n 1500 0 count = 1 3\n 2000 1 count = 2 0",
        "pass",
        "All 2 reads",
    ),
    "a node forgets what it showed": (
        Counter,
        "1000 0 increment 3 =\n 1500 0 count = 1 3\n 2000 1 count = 2 3\n 3000 1 count = 2 0",
        "fail",
        "n2 showed 0 at 3.001 s, but after the 3 that it had shown at 2.001 s no update that was",
    ),
    "a node forgets what it acknowledged": (
        Counter,
        "900 0 count = 1 0\n 1000 0 increment 3 =\n 2000 0 count = 1 0",
        "fail",
        "n1 showed 0 at 2.001 s, but what it had acknowledged before makes at least 3",
    ),
    "more between two reads than came": (
        Counter,
        """
        1000 0 increment 3 =
        1100 1 increment 9 ?
        1100 2 increment 8 ?
        2000 0 count = 1 12
        2500 0 increment 1 =
        3000 0 count = 1 12
        """,
        "fail",
        "n1 showed 12 at 3.001 s, but after the 12 that it had shown at 2.001 s",
    ),
    "less than a decrement takes": (
        Counter,
        """
        900 0 increment 9 =
        1000 2 decrement 2 ?
        2000 0 count = 1 9
        2500 3 increment 4 ?
        3000 0 count = 1 4
        """,
        "fail",
        "n1 showed 4 at 3.001 s, but what it had acknowledged before makes at least 7",
    ),
    "a decrement that came before does not come again": (
        Counter,
        """
        900 0 increment 9 ?
        1000 1 decrement 2 =
        2000 1 count = 1 7
        2500 3 increment 4 ?
        3000 1 count = 1 2
        """,
        "fail",
        "n1 showed 2 at 3.001 s, but after the 7 that it had shown at 2.001 s",
    ),
    "what came between is counted": (
        Counter,
        """
        800 2 increment 6 ?
        900 3 increment 3 ?
        2000 1 count = 1 6
        2500 1 increment 5 =
        2600 1 decrement 2 =
        3000 1 count = 1 6
        """,
        "fail",
        "n1 showed 6 at 3.001 s, but after the 6 that it had shown at 2.001 s",
    ),
    "less than the higher of two reads at once": (
        Counter,
        """
        800 2 increment 9 ?
        900 3 increment 7 ?
        1000 1 decrement 2 =
        2000..2100 1 count = 1 7
        2000..2200 0 count = 1 -2
        3000 1 count = 1 5
        """,
        "fail",
        "n1 showed 5 at 3.001 s, but after the 7 that it had shown at 2.100 s no update that "
        "was under "
        "way or came since takes it further than from 7 to 14",
    ),
    "a decrement between does not count twice": (
        Counter,
        """
        800 2 increment 6 ?
        900 3 increment 4 ?
        2000 1 count = 1 6
        2500 1 increment 5 =
        2600 1 decrement 2 =
        3000 1 count = 1 7
        """,
        "fail",
        "further than from 9 to 19",
    ),
    "lost in the end": (
        Counter,
        """
        1000 0 increment 3 =
        1100 1 increment 4 =
        9000 0 replica = 1 count:3
        9000 1 replica = 2 count:3
        """,
        "fail",
        "n2 showed 3 at 9.001 s, but what it had acknowledged before makes at least 4",
    ),
    "Jepsen's form": (Counter, "1000 0 add 3 =", "skipped", "Nobody read a counter"),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_verdict(name: str, verdict_is_as_told: Callable[..., None]) -> None:
    verdict_is_as_told(*TABLE[name])


CHECKERS: list[Callable[[], Checker]] = [Counter]


@pytest.mark.parametrize("make", CHECKERS, ids=lambda make: make().name)
def test_the_contract_of_checkers_is_kept_on_every_history(make: Callable[[], Checker]) -> None:
    check_checker(make, [parse(text) for _, text, _, _ in TABLE.values()])


def test_jepsens_counter_is_read_as_well() -> None:
    recorder = Recorder()
    rows: list[tuple[str, str, Any]] = [
        ("invoke", "add", 3),
        ("ok", "add", 3),
        ("invoke", "read", None),
        ("ok", "read", 7),
    ]
    for time_ns, (type_, f, value) in enumerate(rows):
        recorder.append(time_ns=time_ns, process=0, type=type_, f=f, value=value)
    verdict = Counter().check(recorder.history())
    assert verdict.outcome == "fail"
    assert "showed 7" in verdict.reason
