"""Our checkers keep the contract, and the kit notices those that do not."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest

from checkers.kit import check_checker
from checkers.linearizability import Linearizability
from checkers.notation import parse
from checkers.stats import Stats
from harness.errors import UsageError
from harness.history import History
from harness.verdict import Checker, Verdict

HISTORIES = ["0w1. 1r=1", "0w1. 1r=2", "0w1? 1w2@x 2r=1 2r@x=2 1.", "0w1. 1w2. 2r=1 2r=2", "0r!"]


def test_ours() -> None:
    histories = [parse(text) for text in HISTORIES]
    check_checker(Stats, histories)
    check_checker(Linearizability, histories)
    check_checker(lambda: Linearizability(engine="reference"), histories)
    check_checker(lambda: Linearizability("kv-append"), [parse("0pa. 1g=a"), parse("0pa. 1g=b")])
    check_checker(lambda: Linearizability("mutex"), [parse("0t. 1t."), parse("0t. 0l.")])
    check_checker(lambda: Linearizability(budget=1), histories)


def test_a_checker_that_is_made_already_is_refused_with_the_cure() -> None:
    with pytest.raises(UsageError, match=r"given a Stats, .*: check_checker\(Stats\), or check_ch"):
        check_checker(Stats())  # type: ignore[arg-type]


class Bad(Stats):
    """Stats with one field of its verdicts spoiled."""

    spoiled: dict[str, Any]

    def check(self, history: History) -> Verdict:
        return dataclasses.replace(super().check(history), **self.spoiled)


@pytest.mark.parametrize(
    ("spoiled", "complaint"),
    [
        ({"outcome": "maybe"}, "is no outcome"),
        ({"reason": " "}, "reason in words"),
        ({"checker": "other"}, "it signs as"),
        ({"witness": {"rows": (0, 1)}}, "no plain JSON"),
        ({"witness": {"at": {1: 2}}}, "no plain JSON"),
        ({"witness": {"at": float("nan")}}, "no plain JSON"),
        ({"details": {"at": object()}}, "details are no plain JSON"),
        ({"witness": {"rows": [0, 99]}}, "rows that the history does not have"),
        ({"outcome": "fail", "witness": None}, "a failure needs a witness"),
        ({"outcome": "fail", "witness": {}}, "the empty history holds nothing to fail for"),
    ],
)
def test_spoiled_verdicts_are_noticed(spoiled: dict[str, Any], complaint: str) -> None:
    class Spoiled(Bad):
        pass

    Spoiled.spoiled = spoiled
    with pytest.raises(AssertionError, match=complaint):
        check_checker(Spoiled, [parse("0w1.")])


def test_moods_are_noticed() -> None:
    counter = itertools.count()

    class Moody(Stats):
        def check(self, history: History) -> Verdict:
            verdict = super().check(history)
            return dataclasses.replace(verdict, details={"at": next(counter)})

    with pytest.raises(AssertionError, match="differently a second time"):
        check_checker(Moody, [parse("0w1.")])


def test_changing_the_history_is_noticed() -> None:
    class Vandal(Stats):
        def check(self, history: History) -> Verdict:
            history.errors[len(history.errors)] = "oops"  # type: ignore[index]
            return super().check(history)

    with pytest.raises(AssertionError, match="changed the history"):
        check_checker(Vandal, [parse("0w1.")])


def test_what_is_no_verdict_is_noticed() -> None:
    class Silent(Stats):
        def check(self, history: History) -> Verdict:
            return None  # type: ignore[return-value]

    with pytest.raises(AssertionError, match="no Verdict"):
        check_checker(Silent)


def test_a_checker_that_raises_is_told_with_the_history() -> None:
    class Fragile(Stats):
        def check(self, history: History) -> Verdict:
            return super().check(history) if not len(history) else history.missing  # type: ignore[attr-defined]

    with pytest.raises(AssertionError, match="stats on <History: 2 rows.*check.. raised Attribute"):
        check_checker(Fragile, [parse("0w1.")])


def test_a_checker_needs_a_name() -> None:
    class Nameless(Checker):
        def check(self, history: History) -> Verdict:
            return Verdict(checker=self.name, outcome="pass", reason="fine")

    with pytest.raises(AssertionError, match="Nameless has no name of its own"):
        check_checker(Nameless)
