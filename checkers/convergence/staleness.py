"""How old the answers are: a distribution for each consistency level.

    write 8 acknowledged        read begins, shows 7
            │◀───── the age of the answer ─────▶│

An answer is as old as the oldest update that it missed: the time from when that was acknowledged to
when the read began; 0 if it missed nothing. What a read missed follows from timestamps
(`sightings`); of a set, from the elements that were acknowledged and never removed. Reads of
counters have no age: their total does not tell what is in it.

This measures, and passes, unless a bound is asked for: `bound_ns`.

Sound: unanswered updates are never missed, and a read that shows nothing may have seen any deletion
that had begun. So ages are lower bounds.

>>> from checkers.convergence.notation import parse
>>> verdict = Staleness().check(parse('''
...     1000 0 write x 7 One    = 1.0.1
...     2000 1 write x 8 One    = 2.0.2
...     2501 0 read x One       = 1 7@1.0.1
... '''))
>>> print(verdict.reason)
1 of 1 read was stale; the oldest answer was 0.500 s old (at level One).
>>> verdict.details["distributions"]["age at One"]["quantiles"]["1"]
500.0
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from checkers.convergence.records import Call, Records, Update
from checkers.convergence.sightings import reads_and_missed
from checkers.convergence.words import (
    Story,
    count,
    distribution,
    milliseconds,
    node_name,
    seconds,
    showed,
    skipped,
    told,
)
from harness.errors import UsageError
from harness.history import History
from harness.verdict import Checker, Verdict

#: Of sets, so many pairs of a read and an element are looked at.
PAIRS_AT_MOST: Final = 20_000_000
_WORST: Final = 5


@dataclass(frozen=True, slots=True)
class _Age:
    """One read: at which level, what it showed, and the first of the updates that it missed."""

    level: str
    node: Any
    showed: str
    call: Call
    missed: Update | None

    @property
    def ns(self) -> int:
        return 0 if self.missed is None else max(self.call.call_ns - self.missed.call.end_ns, 0)


class Staleness(Checker):
    """Measures the age of answers; fails only if one is older than `bound_ns` (None: no bound).

    Raises UsageError on a negative bound, and from `check` on malformed probes.
    """

    name = "staleness"

    def __init__(self, *, bound_ns: int | None = None) -> None:
        if bound_ns is not None and bound_ns < 0:
            raise UsageError(f"A bound of {bound_ns} ns: an age is not negative.")
        self.bound_ns = bound_ns

    def check(self, history: History) -> Verdict:
        records = Records.of(history)
        ages = list(_ages(records))
        if not ages:
            return skipped(
                self.name,
                "No read tells how old it was: that takes reads of keys with timestamps, or "
                "of sets.",
            )
        by_level: dict[str, list[_Age]] = {}
        for age in ages:
            by_level.setdefault(age.level, []).append(age)
        stale = [age for age in ages if age.missed is not None]
        details = {
            "reads": len(ages),
            "stale": len(stale),
            "bound_ns": self.bound_ns,
            "levels": {
                level: {
                    "reads": len(mine),
                    "stale": sum(age.missed is not None for age in mine),
                }
                for level, mine in by_level.items()
            },
            "distributions": {
                f"age at {level}" if level else "age": distribution(
                    milliseconds(age.ns) for age in mine
                )
                for level, mine in by_level.items()
            },
        }
        worst = max(ages, key=lambda age: age.ns)
        at = f" (at level {worst.level})" if worst.level else ""
        were = "was" if len(stale) == 1 else "were"
        reason = f"{len(stale):,} of {count(len(ages), 'read')} {were} stale"
        reason += f"; the oldest answer was {seconds(worst.ns)} old{at}." if stale else "."
        if self.bound_ns is None or worst.ns <= self.bound_ns:
            return Verdict(
                checker=self.name,
                outcome="pass",
                reason=reason,
                could_not_detect=("updates that were never acknowledged, and missed",),
                details=details,
            )
        story = Story("The oldest answers", ("level", "replica", "at", "showed", "missed", "age"))
        for age in sorted(stale, key=lambda age: -age.ns)[:_WORST]:
            self._tell(story, age)
        return Verdict(
            checker=self.name,
            outcome="fail",
            reason=f"{reason[:-1]}, and {seconds(self.bound_ns)} is the bound. "
            f"{story.sentences[0]['text']}",
            witness=story.witness(),
            details=details,
        )

    def _tell(self, story: Story, age: _Age) -> None:
        assert age.missed is not None
        at, node = seconds(age.call.call_ns), node_name(age.node)
        story.say(
            f"The read of process {age.call.process}, begun at {at}, got {age.showed} from {node}, "
            f"and missed {told(age.missed)}, {seconds(age.ns)} before.",
            [*age.missed.call.rows, *age.call.rows],
        )
        story.line(age.level, node, at, age.showed, told(age.missed), seconds(age.ns))


def _ages(records: Records) -> Iterator[_Age]:
    for look, missed in reads_and_missed(records):
        answer = showed(look.value, look.stamp)
        yield _Age(look.level or "", look.node, answer, look.call, missed[0] if missed else None)
    if records.kind == "set":
        yield from _ages_of_sets(records)


def _ages_of_sets(records: Records) -> Iterator[_Age]:
    removable = {update.key for update in records.updates if update.deletes}
    added = [one for one in records.updates if one.ok and one.key not in removable]
    added.sort(key=lambda update: update.call.end_row)
    reads = [view for view in records.views if not view.probe]
    for view in reads[: max(PAIRS_AT_MOST // max(len(added), 1), 1)]:
        first = None
        for update in added:
            if update.call.end_row > view.call.call_row:
                break
            if update.key not in view.live:
                first = update
                break
        yield _Age("", view.node, count(len(view.live), "element"), view.call, first)
