"""The contract of every checker, as a test that can be run on any of them.

    def test_my_checker_keeps_the_contract():
        check_checker(lambda: MyChecker(limit=3), [good_history, bad_history])

>>> from checkers.notation import parse
>>> from checkers.stats import Stats
>>> check_checker(Stats, [parse("0w1. 1r=1"), parse("0w1? 1r!")])
>>> import dataclasses
>>> class Moody(Stats):
...     def check(self, history):
...         verdict = super().check(history)
...         return dataclasses.replace(verdict, reason="")
>>> check_checker(Moody, [parse("0w1.")])  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
AssertionError: stats on <History: 0 rows, ... functions none>: a verdict must give its reason in
words

Limits: it cannot know whether a verdict is right, only whether it is well-behaved.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from harness.errors import UsageError
from harness.history import History, Recorder
from harness.verdict import SEVERITY, Checker, Verdict

_COLUMNS = ("index", "time_ns", "process", "type", "f", "key", "value")


def check_checker(make: Callable[[], Checker], histories: Iterable[History] = ()) -> None:
    """Raises AssertionError if the checkers that `make` makes break the contract of `Checker`.

    `make` is the class, or a function that makes one. `histories` should be such that some pass and
    some fail. The empty history is always tried: it must not fail, for nothing happened that could
    be wrong. Raises UsageError for a checker that is made already.
    """
    if isinstance(make, Checker):
        name = type(make).__name__
        raise UsageError(
            f"check_checker was given a {name}, and takes what makes one, for it tries several: "
            f"check_checker({name}), or check_checker(lambda: {name}(...))."
        )
    empty = Recorder().history()
    first = _check_one(make, empty)
    _demand(first.outcome != "fail", first, empty, "the empty history holds nothing to fail for")
    for history in histories:
        _check_one(make, history)


def _check_one(make: Callable[[], Checker], history: History) -> Verdict:
    before = _content(history)
    checker = make()
    named = checker.name != Checker.name
    assert named, f"{type(checker).__name__} has no name of its own, for reports and --checker"
    try:
        verdict = checker.check(history)
    except Exception as error:
        what = f"check() raised {type(error).__name__}: {error}"
        raise AssertionError(f"{checker.name} on {history!r}: {what}") from error
    assert isinstance(verdict, Verdict), f"check() returned {verdict!r}, which is no Verdict"
    demand: list[tuple[bool, str]] = [
        (verdict.outcome in SEVERITY, f"{verdict.outcome!r} is no outcome"),
        (bool(verdict.reason.strip()), "a verdict must give its reason in words"),
        (verdict.checker == checker.name, f"it signs as {verdict.checker!r}"),
        (_content(history) == before, "it changed the history"),
        (checker.check(history) == verdict, "it judged the same history differently a second time"),
        (make().check(history) == verdict, "another checker made alike judged differently"),
        (_is_plain(verdict.witness), "its witness is no plain JSON data"),
        (_is_plain(dict(verdict.details)), "its details are no plain JSON data"),
        (_rows_exist(verdict, history), "its witness names rows that the history does not have"),
        (verdict.outcome != "fail" or verdict.witness is not None, "a failure needs a witness"),
    ]
    for kept, complaint in demand:
        _demand(kept, verdict, history, complaint)
    return verdict


def _demand(kept: bool, verdict: Verdict, history: History, complaint: str) -> None:
    if not kept:
        raise AssertionError(f"{verdict.checker} on {history!r}: {complaint}")


def _content(history: History) -> list[Any]:
    tables = (history.functions, history.keys, history.values, dict(history.errors))
    return [getattr(history, name).tobytes() for name in _COLUMNS] + [repr(tables)]


def _is_plain(data: Any) -> bool:
    """Whether JSON gives back exactly what it was given: no numpy numbers, tuples or int keys."""
    try:
        return bool(json.loads(json.dumps(data, allow_nan=False)) == data)
    except (TypeError, ValueError):
        return False


def _rows_exist(verdict: Verdict, history: History) -> bool:
    rows = (verdict.witness or {}).get("rows", [])
    return all(type(row) is int and 0 <= row < len(history) for row in rows)
