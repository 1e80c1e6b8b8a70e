"""Once all replicas agree, repair moves nothing any more.

Each answer to `replica` tells how many documents the node has taken in by repair since it started.
From when all replicas show the same for good (and `grace_ns` later, for what was under way then),
the count of a node must stand still. A repair that goes on is one that repairs nothing: it fetches
the same again and again, because what arrives is refused, or because what is compared is not what
is there.

Sound: counts are compared of one node and one life (a smaller count is a new life).

>>> from checkers.convergence.notation import parse
>>> print(RepairQuiet().check(parse('''
...     1000 0 replica = 1 x:7@1.0.1 +5
...     2000 0 replica = 1 x:7@1.0.1 +5
...     8000 0 replica = 1 x:7@1.0.1 +9
... ''')).reason)
All replicas agree since 0.000 s, but n1 took in 4 more documents by repair, from 5 at 2.001 s to 9
at 8.001 s.

Limits: `unknown` if no node was asked twice after they agreed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from checkers.convergence.agreement import unsuitable
from checkers.convergence.final import Ending
from checkers.convergence.records import Records, View
from checkers.convergence.words import (
    Story,
    count,
    failed,
    node_name,
    seconds,
)
from harness.errors import UsageError
from harness.history import History
from harness.verdict import Checker, Verdict

#: Repairs that were under way when the replicas came to agree have this long to end.
DEFAULT_GRACE_NS = 1_500_000_000


class RepairQuiet(Checker):
    """Repair transfers nothing once all agree.

    `grace_ns`: how long after they agree a repair may still end. Raises UsageError on a negative
    one, and from `check` on malformed probes.
    """

    name = "repair-quiet"

    def __init__(self, *, grace_ns: int = DEFAULT_GRACE_NS) -> None:
        if grace_ns < 0:
            raise UsageError(f"A grace of {grace_ns} ns: a duration is not negative.")
        self.grace_ns = grace_ns

    def check(self, history: History) -> Verdict:
        records = Records.of(history)
        ending = Ending(records)
        why_not = unsuitable(records, ending)
        if why_not is None and all(view.repaired is None for view in ending.last.values()):
            why_not = "No replica told what it had repaired (`repaired` of `replica`)."
        if why_not is None and ending.differing():
            why_not = (
                f"The replicas do not agree in the end (they differ in "
                f"{count(len(ending.differing()), 'key')}), so that there is something to repair."
            )
        if why_not is not None:
            return Verdict(checker=self.name, outcome="skipped", reason=why_not)
        agreed_row = ending.agreed_row()
        agreed_ns = int(history.time_ns[agreed_row]) if agreed_row >= 0 else 0
        after = {
            node: [
                view
                for view in views
                if view.call.call_row > agreed_row
                and view.call.call_ns >= agreed_ns + self.grace_ns
                and view.repaired is not None
            ]
            for node, views in ending.timeline.items()
        }
        steps = {node: _step(views) for node, views in after.items()}
        looks = sum(map(len, after.values()))
        moved = {node: step for node, step in steps.items() if step is not None}
        details = {
            "agreed_ns": agreed_ns,
            "grace_ns": self.grace_ns,
            "probes_after": looks,
            "moved": {node_name(node): total for node, (total, _, _) in moved.items()},
        }
        if moved:
            return self._failed(moved, agreed_ns, details)
        if all(len(views) < 2 for views in after.values()):
            return Verdict(
                checker=self.name,
                outcome="unknown",
                reason="Nobody looked twice at a replica after all had agreed (and had "
                f"{seconds(self.grace_ns)} to end what was under way).",
                details=details,
            )
        return Verdict(
            checker=self.name,
            outcome="pass",
            reason=f"All replicas that answered agree since {seconds(agreed_ns)}, and repair moved "
            "nothing in "
            f"{count(looks, 'later answer')}.",
            could_not_detect=("repair that moves things less often than replicas were asked",),
            details=details,
        )

    def _failed(
        self, moved: dict[Any, tuple[int, View, View]], agreed_ns: int, details: dict[str, Any]
    ) -> Verdict:
        story = Story("What repair moved once all agreed", ("replica", "from", "to", "documents"))
        reasons = []
        for node, (total, first, last) in moved.items():
            text = (
                f"All replicas agree since {seconds(agreed_ns)}, but {node_name(node)} took in "
                f"{count(total, 'more document')} by repair, from {first.repaired} at "
                f"{seconds(first.call.end_ns)} to {last.repaired} at {seconds(last.call.end_ns)}."
            )
            story.say(text, [*first.call.rows, *last.call.rows])
            at = seconds(first.call.end_ns), seconds(last.call.end_ns)
            story.line(node_name(node), *at, total)
            reasons.append(text)
        return failed(self.name, reasons[0], story, details)


def _step(views: list[View]) -> tuple[int, View, View] | None:
    """By how much the count of a node grew, and between which answers; None if it did not."""
    total, first, last = 0, None, None
    for view, following in pairwise(views):
        grown = (following.repaired or 0) - (view.repaired or 0)
        if grown > 0 and view.call.before(following.call):
            total += grown
            first = first or view
            last = following
    return None if first is None or last is None else (total, first, last)
