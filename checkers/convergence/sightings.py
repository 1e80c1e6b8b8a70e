"""What was seen of each key at each node, in order, and which updates a read had missed.

A sighting is a read of a key, or what a `replica` shows (or does not show) of it. Reads at a level
count as sightings of the node that answered: it has taken in what it answers.

Of two sightings at one node, the one *came after* the other if it began when that had ended. Only
then may they be compared.

>>> from checkers.convergence.notation import parse
>>> records = Records.of(parse('''
...     1000 0 write x 7 One = 1.0.1
...     2000 1 write x 8 One = 2.0.2
...     3000 0 read x One = 1 7@1.0.1
... '''))
>>> [(look.value, missed[0].value) for look, missed in reads_and_missed(records)]
[(7, 8)]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from checkers.convergence.records import Call, Look, Records, Stamp, Update


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a node showed of a key; no value with a stamp is a tombstone, without one nothing."""

    node: Any
    key: Any
    value: Any
    stamp: Stamp | None
    call: Call

    @property
    def live(self) -> bool:
        return self.value is not None


def sightings(records: Records) -> dict[tuple[Any, Any], list[Sighting]]:
    """All that was seen, by node and key, in order of the calls."""
    found: dict[tuple[Any, Any], list[Sighting]] = {}
    for look in records.looks:
        seen = Sighting(look.node, look.key, look.value, look.stamp, look.call)
        found.setdefault((look.node, look.key), []).append(seen)
    keys = list(records.by_key())
    for view in records.probes:
        for key in dict.fromkeys([*keys, *view.live]):
            value, stamp = view.live.get(key, (None, None))
            if value is None:
                stamp = view.dead.get(key)
            seen = Sighting(view.node, key, value, stamp, view.call)
            found.setdefault((view.node, key), []).append(seen)
    for mine in found.values():
        mine.sort(key=lambda seen: seen.call.call_row)
    return found


def reads_and_missed(records: Records) -> Iterator[tuple[Look, list[Update]]]:
    """Every read of a key, and the updates that it missed, those acknowledged first coming first.

    A read missed an update that had been acknowledged when it began, and whose timestamp is greater
    than that of what it showed. One that showed nothing at all may have seen a deletion whose
    tombstone is purged: then it missed what is newer than the greatest deletion that had begun;
    with an unanswered deletion among those, nothing is said of it.
    """
    stamped: dict[Any, list[Update]] = {}
    for update in records.updates:
        if update.ok and update.stamp is not None:
            stamped.setdefault(update.key, []).append(update)
    deletions = deletions_by_key(records)
    for mine in stamped.values():
        mine.sort(key=lambda update: update.call.end_row)
    for look in records.looks:
        floor = seen_up_to(look, deletions.get(look.key, []))
        if floor is None:
            yield look, []
            continue
        missed = []
        for update in stamped.get(look.key, []):
            if update.call.end_row > look.call.call_row:
                break
            if update.stamp is not None and update.stamp > floor:
                missed.append(update)
        yield look, missed


def deletions_by_key(records: Records) -> dict[Any, list[Update]]:
    """The deletions of each key, answered or not, in order of their calls."""
    found: dict[Any, list[Update]] = {}
    for update in records.updates:
        if update.deletes:
            found.setdefault(update.key, []).append(update)
    return found


def seen_up_to(look: Look, deletions: list[Update]) -> Stamp | None:
    """The timestamp of what a read showed: it missed nothing older. None if nobody knows it.

    `deletions` are those of its key. One that showed nothing may have seen any of them that had
    begun: their tombstones may be purged.
    """
    if look.stamp is not None or look.value is not None:
        return look.stamp
    begun = [one for one in deletions if one.call.call_row < look.call.end_row]
    if any(not one.ok for one in begun):
        return None
    return max((one.stamp for one in begun if one.stamp), default=())
