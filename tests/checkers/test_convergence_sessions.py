"""Session guarantees of stores with levels, timestamps and deletions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkers.consistency import MonotonicReads, ReadYourWrites
from checkers.consistency.stamped import plain_registers
from checkers.convergence.notation import parse
from checkers.notation import parse as parse_registers
from harness.verdict import Checker

TABLE: dict[str, tuple[type[Checker], str, str, str]] = {
    "reads its own write": (
        ReadYourWrites,
        "1000 0 write x 7 One = 1.0.1\n 2000 0 read x One = 1 7@1.0.1",
        "pass",
        "has read-your-writes: 2 operations",
    ),
    "does not read its own write": (
        ReadYourWrites,
        "1000 0 write x 7 One = 1.0.1\n 2000 0 read x One = 1 nil",
        "fail",
        "process 0 read nil from 'x' at 2.001 s, after it had itself written 7 at 1.001 s",
    ),
    "does not see its own deletion": (
        ReadYourWrites,
        """
        1000 0 write x 7 One = 1.0.1
        2000 0 delete x One = 2.0.1
        3000 0 read x One = 1 7@1.0.1
        """,
        "fail",
        "process 0 read 7 from 'x' at 3.001 s, after it had itself written ['deleted', [2, 0, 1]]",
    ),
    "sees the tombstone": (
        ReadYourWrites,
        """
        1000 0 write x 7 One = 1.0.1
        2000 0 delete x One = 2.0.1
        3000 0 read x One = 1 nil@2.0.1
        """,
        "pass",
        "3 operations",
    ),
    "the tombstone is purged, which nobody can tell from never written": (
        MonotonicReads,
        """
        1000 0 write x 7 One = 1.0.1
        1500 1 read x One = 2 7@1.0.1
        2000 0 delete x One = 2.0.1
        3000 1 read x One = 2 nil
        """,
        "pass",
        "3 operations",
    ),
    "goes back to what it had not written yet": (
        MonotonicReads,
        """
        1000 0 write x 7 One = 1.0.1
        1100 0 write x 8 One = 2.0.1
        1500 1 read x One = 2 8@2.0.1
        3000 1 read x One = 2 7@1.0.1
        """,
        "fail",
        "process 1 read 7 from 'x' at 3.001 s, after it had read 8 at 1.501 s",
    ),
    "the tombstone of an unanswered deletion is left out": (
        MonotonicReads,
        """
        1000 0 write x 7 One = 1.0.1
        1100 2 delete x One ?
        1500 1 read x One = 2 nil@2.0.3
        3000 1 read x One = 2 7@1.0.1
        """,
        "pass",
        "2 operations",
    ),
    "what is no register's is left out": (
        MonotonicReads,
        "1000 0 write x 7 One = 1.0.1\n 2000 0 replica = 1 x:7@1.0.1\n 2500 0 replica",
        "pass",
        "has monotonic-reads: 1 operation.",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_verdict(name: str, verdict_is_as_told: Callable[..., None]) -> None:
    verdict_is_as_told(*TABLE[name])


def test_rows_stay_where_they_are() -> None:
    history = parse("""
        500 nemesis start-kill n1
        1000 0 write x 7 One = 1.0.1
        1500 1 replica = 2
        2000 0 delete x One ?
        3000 1 read x One !
    """)
    plain = plain_registers(history)
    assert len(plain) == len(history)
    assert plain.partner.tolist() == history.partner.tolist()
    assert plain.index.tolist() == history.index.tolist()
    clients = [(row.index, row.type, row.f, row.value) for row in plain if row.is_client]
    deleted = ["deleted", "nobody knows when", 7]
    assert clients == [
        (2, "invoke", "write", 7),
        (3, "ok", "write", 7),
        (6, "invoke", "write", deleted),
        (7, "info", "write", deleted),
        (8, "invoke", "read", None),
        (9, "fail", "read", None),
    ]


def test_plain_registers_stay_the_same_history() -> None:
    history = parse_registers("0w1. 1r=1")
    assert plain_registers(history) is history
