"""Replicas that have taken in the same updates hold the same, whatever the order they came in.

That is strong eventual consistency (Shapiro, Preguiça, Baquero, Zawirski, "Conflict-free replicated
data types", 2011): nothing is left to be settled once the updates are there. It holds at every
moment, so all answers to `replica` count, also those given while faults went on, and also of one
node at different times.

Sound as far as the digests are: `delivered` must be equal only for equal sets of updates. A state
is what can be read; tombstones, which replicas purge when they like, are left out.

>>> from checkers.convergence.notation import parse
>>> verdict = StrongEventual().check(parse('''
...     1000 0 replica = 1 count:7 #d1
...     2000 1 replica = 2 count:9 #d1
... '''))
>>> print(verdict.reason)
n1 at 1.001 s and n2 at 2.001 s had taken in the same updates (digest d1), but 'count' was 7 at the
one and 9 at the other.

Limits: says nothing where no replica tells what was delivered to it.
"""

from __future__ import annotations

from typing import Any

from checkers.convergence.final import held, same_held
from checkers.convergence.records import Records, View, same_state
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
from checkers.words import all_of
from harness.history import History
from harness.verdict import Checker, Verdict

_BLIND = (
    "replicas that never had taken in the same updates at a moment when they were asked",
    "whether a digest tells of all updates",
)


class StrongEventual(Checker):
    """Equal `delivered` digests, equal states. Raises UsageError on malformed probes."""

    name = "strong-eventual"

    def check(self, history: History) -> Verdict:
        views = [view for view in Records.of(history).probes if view.delivered is not None]
        if not views:
            return skipped(
                self.name,
                "No replica told which updates it had taken in (`delivered` of `replica`), "
                "so that no two can be compared.",
            )
        groups: dict[str, list[View]] = {}
        for view in views:
            groups.setdefault(str(view.delivered), []).append(view)
        broken = [pair for group in groups.values() for pair in _different(group)]
        compared = sum(len({view.node for view in group}) > 1 for group in groups.values())
        details = {
            "probes": len(views),
            "sets_of_updates": len(groups),
            "shared_by_several_replicas": compared,
            "broken": len(broken),
        }
        if not broken:
            return Verdict(
                checker=self.name,
                outcome="pass",
                reason=f"In {all_of(len(views), 'answer')}, equal updates made equal states "
                f"({count(compared, 'set')} of updates at more than one replica).",
                could_not_detect=_BLIND,
                details=details,
            )
        story = Story("Equal updates, different states", ("key", "replica", "at", "holds"))
        reasons = [_tell(story, *pair) for pair in broken]
        return failed(self.name, reasons[0], story, details)


def _different(group: list[View]) -> list[tuple[View, View]]:
    """The first view, and the first of each state that differs from it."""
    first, found = group[0], list[View]()
    for view in group[1:]:
        if not any(same_state(view, other) for other in (first, *found)):
            found.append(view)
    return [(first, view) for view in found]


def _tell(story: Story, one: View, other: View) -> str:
    keys = [key for key in {**one.live, **other.live} if not same_held(one, other, key)]
    for key in keys:
        for view in (one, other):
            value, stamp = held(view, key)
            at = seconds(view.call.end_ns)
            story.line(key, node_name(view.node), at, _text(value, stamp))
    key = keys[0]
    text = (
        f"{node_name(one.node)} at {seconds(one.call.end_ns)} and {node_name(other.node)} at "
        f"{seconds(other.call.end_ns)} had taken in the same updates (digest {one.delivered}), but "
        f"{shown(key)} was {_text(*held(one, key))} at the one and {_text(*held(other, key))} at "
        "the other."
    )
    story.say(text, [*one.call.rows, *other.call.rows])
    return text


def _text(value: Any, stamp: Any) -> str:
    if value is None:
        return "not there"
    said = "there" if value is True else shown(value)
    return said if stamp is None else f"{said} ({plain(stamp)})"
