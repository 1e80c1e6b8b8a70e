"""The last writer wins: of all that was delivered, the greatest timestamp stands.

    final       where all replicas agree in the end, every acknowledged write and deletion has a
                timestamp no greater than what stands
    backward    what a node shows of a key never goes back to an older timestamp, and does not
                vanish without a deletion
    own         a node shows nothing older than what its own client was told before
    origin      what is shown was written, under that timestamp
    doubled     no two updates have one timestamp

Sound: an unanswered write has no known timestamp, and may stand with any; an unanswered deletion
explains that a key has vanished. A tombstone may be purged, so that a node may show nothing where
it had shown one. Compared are only answers of one node of which one was asked for after the other
had come. A node that loses its disk may go back, and must not be judged by this.

>>> from checkers.convergence.notation import parse
>>> print(LastWriterWins().check(parse('''
...     1000 0 write x 7 One    = 1.0.1
...     2000 1 write x 8 One    = 2.0.2
...     3000 0 read x One       = 1 8@2.0.2
...     4000 0 read x One       = 1 7@1.0.1
... ''')).reason)
n1 went back: of 'x' it showed 8 (2.0 n2) at 3.001 s, and at 4.001 s 7 (1.0 n1), which is older.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checkers.convergence.final import Ending
from checkers.convergence.missing import Merge
from checkers.convergence.records import Call, Records, Stamp, Update
from checkers.convergence.sightings import Sighting, sightings
from checkers.convergence.words import (
    Story,
    count,
    node_name,
    plain,
    seconds,
    showed,
    shown,
    since,
    skipped,
    told,
)
from checkers.words import all_of
from harness.history import History
from harness.verdict import Checker, Verdict

_BLIND = (
    "whether an unanswered write took effect: it may stand, or not",
    "keys on which the replicas do not agree in the end (see `convergence`)",
    "nodes that no client talks with",
)


class LastWriterWins(Checker):
    """The greatest timestamp stands. Raises UsageError on malformed probes."""

    name = "lww"

    def check(self, history: History) -> Verdict:
        records = Records.of(history)
        stamped = any(one.stamp for one in records.updates) or any(
            one.stamp for one in records.looks
        )
        if records.kind != "kv" or not stamped:
            return skipped(
                self.name,
                "Nobody wrote keys with timestamps, so that there is no last writer.",
            )
        story = Story(
            "Against the order of timestamps", ("key", "replica", "shows", "at", "but", "since")
        )
        counts: dict[str, int] = {}
        first = ""
        for kind, text in _findings(records, story):
            counts[kind] = counts.get(kind, 0) + 1
            first = first or text
        ending = Ending(records)
        differing = len(ending.differing()) if ending.last else 0
        agreed = len(records.by_key()) - differing
        details = {
            "updates": len(records.updates),
            "reads": len(records.looks),
            "probes": len(records.probes),
            "keys": len(records.by_key()),
            "disagreeing_keys": differing,
            "found": counts,
        }
        if first:
            return Verdict(
                checker=self.name,
                outcome="fail",
                reason=first,
                witness=story.witness(kinds=counts),
                details=details,
            )
        return Verdict(
            checker=self.name,
            outcome="pass",
            reason=f"In {count(agreed, 'key')} the greatest timestamp stood"
            + (f" (on {differing:,} more the replicas do not agree)" if differing else "")
            + f", and no node went back in {count(len(records.looks), 'read')}.",
            could_not_detect=_BLIND,
            details=details,
        )


def _findings(records: Records, story: Story) -> Iterator[tuple[str, str]]:
    """What is wrong: its kind and a sentence; each is told to the story as well."""
    yield from _final(records, story)
    yield from _backward(records, story)
    yield from _origin(records, story)
    yield from _doubled(records, story)


def _final(records: Records, story: Story) -> Iterator[tuple[str, str]]:
    ending = Ending(records)
    if not ending.last or records.faults.unhealed:
        return
    merge = Merge(records)
    differ = {*ending.differing()}
    node, view = next(iter(ending.last.items()))
    for key in ending.all_keys():
        winner = None if key in differ else merge.overlooked(key, view)
        if winner is None:
            continue
        value, stamp = view.live.get(key, (None, view.dead.get(key)))
        fault, _ = since(records, winner, node)
        stands = showed(value, stamp)
        text = (
            f"In the end {all_of(len(ending.last), 'replica', 'show')} {stands} in {shown(key)}, "
            f"but the greatest timestamp is {plain(winner.stamp)}: {told(winner)}"
            f"{f'; since {fault}' if fault else ''}."
        )
        story.say(text, [*winner.call.rows, *view.call.rows])
        story.line(key, "all", stands, seconds(view.call.end_ns), told(winner), fault or None)
        yield "final", text


def _backward(records: Records, story: Story) -> Iterator[tuple[str, str]]:
    """Per node and key, the first time that it goes back."""
    by_key = records.by_key()
    for (node, key), mine in sightings(records).items():
        updates = by_key.get(key, [])
        own = [
            update
            for update in updates
            if update.ok
            and update.stamp is not None
            and records.homes.get(update.call.process) == node
        ]
        evidence: list[tuple[Call, Stamp, Any]] = [
            (update.call, update.stamp, update) for update in own if update.stamp is not None
        ]
        evidence += [(seen.call, seen.stamp, seen) for seen in mine if seen.stamp is not None]
        evidence.sort(key=lambda item: item[0].end_row)
        found = _first_step_back(mine, evidence, updates)
        if found is not None:
            seen, before = found
            yield _tell_back(story, seen, before)


def _first_step_back(
    mine: list[Sighting], evidence: list[tuple[Call, Stamp, Any]], updates: list[Update]
) -> tuple[Sighting, Any] | None:
    """A sighting, and the update or sighting before it that is newer."""
    place = 0
    newest: tuple[Stamp, Any] | None = None
    for seen in mine:
        while place < len(evidence) and evidence[place][0].end_row < seen.call.call_row:
            _, stamp, what = evidence[place]
            if newest is None or stamp > newest[0]:
                newest = (stamp, what)
            place += 1
        if newest is None:
            continue
        if seen.stamp is not None:
            if seen.stamp < newest[0]:
                return seen, newest[1]
        elif not seen.live and newest[1].value is not None:
            excused = any(
                update.deletes
                and update.call.call_row < seen.call.end_row
                and (update.stamp is None or update.stamp > newest[0])
                for update in updates
            )
            if not excused:
                return seen, newest[1]
    return None


def _tell_back(story: Story, seen: Sighting, before: Any) -> tuple[str, str]:
    node, at = node_name(seen.node), seconds(seen.call.end_ns)
    now = showed(seen.value, seen.stamp)
    if isinstance(before, Sighting):
        kind = "backward"
        was = showed(before.value, before.stamp)
        then = seconds(before.call.end_ns)
        older = "which is older" if seen.stamp else "though nobody deleted it"
        text = f"{node} went back: of {shown(seen.key)} it showed {was} at {then}, and at {at} "
        text += f"{now}, {older}."
    else:
        kind = "own"
        text = (
            f"{node} does not know what it did itself: at {at} it shows {now} in "
            f"{shown(seen.key)}, after {told(before)} under {plain(before.stamp)}."
        )
    story.say(text, [*before.call.rows, *seen.call.rows])
    but = told(before) if kind == "own" else f"had shown {plain(before.stamp)}"
    story.line(seen.key, node, now, at, but, None)
    return kind, text


def _origin(records: Records, story: Story) -> Iterator[tuple[str, str]]:
    """What was shown, and never written like that."""
    merge = Merge(records)
    known: set[tuple[Any, str, Stamp | None]] = set()
    for (node, key), mine in sightings(records).items():
        for seen in mine:
            name = (key, repr(seen.value), seen.stamp)
            if not seen.live or name in known:
                continue
            known.add(name)
            why = merge.impossible(key, seen.value, seen.stamp)
            if why:
                at = seconds(seen.call.end_ns)
                text = f"{node_name(node)} showed {shown(seen.value)} in {shown(key)} at {at}, "
                text += f"but {why}."
                story.say(text, seen.call.rows)
                story.line(key, node_name(node), shown(seen.value), at, why, None)
                yield "origin", text


def _doubled(records: Records, story: Story) -> Iterator[tuple[str, str]]:
    first: dict[Stamp, Update] = {}
    for update in records.updates:
        if update.ok and update.stamp is not None:
            other = first.setdefault(update.stamp, update)
            if other is not update:
                text = f"Two updates have the timestamp {plain(update.stamp)}: {told(other)}, and "
                text += f"{told(update)}."
                story.say(text, [*other.call.rows, *update.call.rows])
                yield "doubled", text
