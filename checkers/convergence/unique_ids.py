"""Generated identifiers never repeat, and those of one node go up, across restarts.

Identifiers are hybrid timestamps [wall_ms, counter, node], or anything else that is only asked not
to repeat. Of two that one node gave out, the later one is greater if the first was answered before
the second was asked for; nothing is said of two that were asked for at once.

Sound: an unanswered call may have taken an identifier that nobody was told.

>>> from checkers.convergence.notation import parse
>>> print(UniqueIds().check(parse('''
...     1000 0 generate = 50.0.1
...     2000 1 generate = 50.0.1
... ''')).reason)
50.0 n1 was given out twice: to process 0 at 1.001 s and to process 1 at 2.001 s.

Limits: identifiers of nodes are compared only if they are lists that end with the node.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from checkers.convergence.records import hashable
from checkers.convergence.words import (
    Story,
    count,
    failed,
    node_name,
    plain,
    seconds,
    shown,
    skipped,
)
from harness.history import INVOKE, OK, History
from harness.verdict import Checker, Verdict

_Given = tuple[int, int, Any]  # the row of the call, the row of the answer, the identifier


class UniqueIds(Checker):
    """What `generate` answers is unique, and increases at each node."""

    name = "unique-ids"

    def check(self, history: History) -> Verdict:
        given, asked = _given(history)
        if not asked:
            return skipped(
                self.name,
                "Nobody asked for an identifier (`generate`).",
            )
        if not given:
            return Verdict(
                checker=self.name,
                outcome="unknown",
                reason=f"No identifier was given out: {count(asked, 'call')}, none with an answer.",
            )
        doubled = _doubled(given)
        backward = _backward(given)
        stamps = [identifier for _, _, identifier in given if _is_stamp(identifier)]
        details: dict[str, Any] = {
            "asked": asked,
            "given": len(given),
            "doubled": len(doubled),
            "backward": len(backward),
            "nodes": len({str(stamp[-1]) for stamp in stamps}),
        }
        if not doubled and not backward:
            return Verdict(
                checker=self.name,
                outcome="pass",
                reason="Only one identifier was given, so none repeats."
                if len(given) == 1
                else f"All {count(len(given), 'identifier')} are different, and those of each "
                "node go up.",
                could_not_detect=(
                    "identifiers that nobody was told, because their call was not answered",
                ),
                details=details,
            )
        story = Story("Identifiers that repeat or go back", ("identifier", "given at", "to"))
        reasons = [_tell(history, story, *pair, doubled=True) for pair in doubled]
        reasons += [_tell(history, story, *pair, doubled=False) for pair in backward]
        return failed(self.name, reasons[0], story, details)


def _given(history: History) -> tuple[list[_Given], int]:
    asked = history.client_rows & (history.type == INVOKE) & history.named(("generate",))
    calls = np.flatnonzero(asked).tolist()
    found = []
    for row in calls:
        end = int(history.partner[row])
        if end >= 0 and history.type[end] == OK:
            found.append((row, end, history.values[history.value[end]]))
    return found, len(calls)


def _doubled(given: list[_Given]) -> list[tuple[_Given, _Given]]:
    first: dict[Any, _Given] = {}
    pairs = []
    for one in sorted(given, key=lambda one: one[1]):
        other = first.setdefault(hashable(one[2]), one)
        if other is not one:
            pairs.append((other, one))
    return pairs


def _backward(given: list[_Given]) -> list[tuple[_Given, _Given]]:
    """Pairs of one node in which the later, asked for after the earlier was told, is smaller."""
    by_node: dict[Any, list[_Given]] = {}
    for one in given:
        if _is_stamp(one[2]):
            by_node.setdefault(hashable(one[2][-1]), []).append(one)
    pairs = []
    for mine in by_node.values():
        told = sorted(mine, key=lambda one: one[1])
        place, greatest = 0, None
        for one in sorted(mine, key=lambda one: one[0]):
            while told[place][1] < one[0]:
                if greatest is None or told[place][2] > greatest[2]:
                    greatest = told[place]
                place += 1
            if greatest is not None and one[2] < greatest[2]:
                pairs.append((greatest, one))
    return pairs


def _is_stamp(identifier: Any) -> bool:
    return (
        isinstance(identifier, list)
        and len(identifier) == 3
        and all(isinstance(part, int) for part in identifier)
    )


def _tell(history: History, story: Story, one: _Given, other: _Given, *, doubled: bool) -> str:
    def when(given: _Given) -> str:
        return seconds(int(history.time_ns[given[1]]))

    def whom(given: _Given) -> str:
        return f"process {int(history.process[given[0]])}"

    def text(given: _Given) -> str:
        identifier = given[2]
        return plain(tuple(identifier)) or "" if _is_stamp(identifier) else shown(identifier)

    for given in (one, other):
        story.line(text(given), when(given), whom(given))
    if doubled:
        said = (
            f"{text(one)} was given out twice: to {whom(one)} at {when(one)} and to {whom(other)} "
            f"at {when(other)}."
        )
    else:
        said = (
            f"{node_name(one[2][-1])} went back: it gave out {text(one)} at {when(one)}, and "
            f"{text(other)} later, at {when(other)}."
        )
    story.say(said, [*one[:2], *other[:2]])
    return said
