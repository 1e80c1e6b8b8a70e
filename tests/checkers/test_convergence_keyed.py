"""Sets and counters under several keys: every key is judged on its own.

A line of a table is the checker, the calls (function, key, value; a read has what it answered) one
after the other, the outcome and a part of the reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from checkers.convergence import Broadcast, Counter, SetFull
from checkers.kit import check_checker
from harness.history import History, Recorder
from harness.verdict import Checker, worst

Step = tuple[str, Any, Any]

KEYED: dict[str, tuple[Callable[[], Checker], list[Step], str, str]] = {
    "lost at one key, and there at another": (
        SetFull,
        [("add", "x", 1), ("add", "y", 1), ("read", "y", []), ("read", "x", [1])],
        "fail",
        "Of key 'y', the worst of 2: 1 of 1 element was lost. 1, added by process 0 and "
        "acknowledged at 3.000 s, is missing in a read, asked for at 4.000 s",
    ),
    "every key has its own": (
        SetFull,
        [("add", "x", 1), ("add", "y", 2), ("read", "x", [1]), ("read", "y", [2])],
        "pass",
        "All 2 keys pass, each on its own; 'x': 1 element stayed",
    ),
    "what was added to another key is a stranger": (
        SetFull,
        [("add", "x", 1), ("add", "y", 2), ("read", "x", [1, 2]), ("read", "y", [2])],
        "fail",
        "Of key 'x', the worst of 2: The answer of row 5 has 2, that nobody added",
    ),
    "removed at another key only": (
        SetFull,
        [("add", "x", 1), ("remove", "y", 1), ("read", "x", []), ("read", "y", [])],
        "fail",
        "Of key 'x', the worst of 2: 1 of 1 element was lost",
    ),
    "one key that nobody read": (
        SetFull,
        [("add", "x", 1), ("add", "y", 2), ("read", "x", [1])],
        "unknown",
        "Of key 'y', the worst of 2: Nobody read the set",
    ),
    "a key that is only read is no object of these": (
        SetFull,
        [("add", None, 1), ("read", "x", 7), ("read", None, [1])],
        "pass",
        "1 element stayed",
    ),
    "messages of two topics": (
        Broadcast,
        [
            ("broadcast", "x", 1),
            ("broadcast", "y", 2),
            ("read", "x", {"node": 1, "elements": [1]}),
            ("read", "y", {"node": 1, "elements": []}),
        ],
        "fail",
        "Of key 'y', the worst of 2: 1 of 1 message was lost",
    ),
    "two counters": (
        Counter,
        [("add", "x", 1), ("add", "y", 5), ("read", "x", 1), ("read", "y", 5)],
        "pass",
        "All 2 keys pass",
    ),
    "one of two counters": (
        Counter,
        [("add", "x", 1), ("add", "y", 5), ("read", "x", 1), ("read", "y", 6)],
        "fail",
        "Of key 'y', the worst of 2: A read showed 6 at 7.000 s, but all that anybody had begun "
        "makes at most 5 (process 0, rows 6 and 7).",
    ),
    "one of two counters that name their node": (
        Counter,
        [
            ("increment", "x", 1),
            ("increment", "y", 5),
            ("read", "x", {"node": None, "count": 6}),
            ("read", "y", {"node": None, "count": 5}),
        ],
        "fail",
        "Of key 'x', the worst of 2: A read showed 6",
    ),
}


def _history(steps: Iterable[Step]) -> History:
    recorder = Recorder()
    for f, key, value in steps:
        for type, said in (("invoke", None if f == "read" else value), ("ok", value)):
            recorder.append(
                time_ns=len(recorder) * 10**9, process=0, type=type, f=f, key=key, value=said
            )
    return recorder.history()


@pytest.mark.parametrize("case", KEYED)
def test_every_key_is_judged_on_its_own(case: str) -> None:
    make, steps, outcome, reason = KEYED[case]
    history = _history(steps)
    verdict = make().check(history)
    assert (verdict.outcome, verdict.reason) == (outcome, verdict.reason)  # tells the reason
    assert reason in verdict.reason
    check_checker(make, [history])
    if outcome == "fail":
        assert verdict.witness is not None
        rows = verdict.witness["rows"]
        assert {history[row].key for row in rows} == {verdict.details["key"]}


@pytest.mark.parametrize("seed", range(30))
def test_the_verdict_is_the_worst_of_what_each_key_gets_alone(seed: int) -> None:
    rng = random.Random(seed)
    keys = ["x", "y", None][: rng.randint(2, 3)]
    kind = rng.choice(["set", "counter"])
    held: dict[Any, list[int]] = {key: [] for key in keys}
    steps: list[Step] = [("add", key, 1) for key in keys]
    for key in keys:
        held[key].append(1)
    for _ in range(rng.randint(2, 12)):
        key = rng.choice(keys)
        if rng.random() < 0.4:
            amount = len(held[key]) + 1
            held[key].append(amount)
            steps.append(("add", key, amount))
            continue
        # one read in six is that of another key
        shown = held[rng.choice(keys) if rng.random() < 1 / 6 else key]
        steps.append(("read", key, list(shown) if kind == "set" else sum(shown)))
    checker: Checker = SetFull() if kind == "set" else Counter()
    alone = [checker.check(_history([step for step in steps if step[1] == key])) for key in keys]
    assert checker.check(_history(steps)).outcome == worst(alone).outcome
