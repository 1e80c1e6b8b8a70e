"""What was deleted stays so: at a node that saw the deletion, nothing older comes back.

A node has seen the deletion of a key if

- it showed a tombstone of it, or its own client was told that it deleted it; or
- it showed a document, and later nothing: only a deletion newer than the document does that.

From then on it must not show a document that is older than the deletion (in the second case: no
newer than the one that went). If every node that was heard of had seen the deletion, the verdict
says so: then no late message can be an excuse. And when all agree in the end, no document may
stand that is older than an acknowledged deletion.

Of a set whose elements are added once: an element that a node showed, then did not show, and then
shows again came back, if somebody tried to remove it.

Sound: compared are only answers of one node of which one was asked for after the other had come; a
node that loses its disk may forget what it showed, and must not be judged by this.

>>> from checkers.convergence.notation import parse
>>> print(NoResurrection().check(parse('''
...     1000 0 write x 7 One    = 1.0.1
...     2000 0 delete x One     = 2.0.1
...     3000 1 read x One       = 2 nil@2.0.1
...     4000 1 read x One       = 2 7@1.0.1
... ''')).reason)
'x' came back at n2: the answer at 4.001 s shows 7 of 1.0 n1 again, though n2 had shown it deleted
at 3.001 s (as of 2.0 n1), which every replica that was heard of had seen. It was deleted by the
deletion of 'x' by process 0, acknowledged at 2.001 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from checkers.convergence.final import Ending
from checkers.convergence.missing import Merge
from checkers.convergence.records import Call, Records, Stamp, Update
from checkers.convergence.sightings import Sighting, sightings
from checkers.convergence.words import (
    Story,
    count,
    failed,
    node_name,
    plain,
    seconds,
    shown,
    skipped,
    told,
)
from checkers.words import all_of
from harness.history import History
from harness.verdict import Checker, Verdict

_BLIND = (
    "deletions that no node showed before what was deleted came back",
    "what was unseen between two answers of a node",
)


@dataclass(frozen=True, slots=True)
class _Grave:
    """A node has seen that a key was deleted; whatever is below `stamp` must not come back."""

    stamp: Stamp
    call: Call
    how: str


@dataclass(frozen=True, slots=True)
class _Return:
    """Something that came back at a node after a grave was seen there."""

    seen: Sighting
    grave: _Grave
    by_all: bool


class NoResurrection(Checker):
    """Nothing that was deleted comes back. Raises UsageError on malformed probes."""

    name = "no-resurrection"

    def check(self, history: History) -> Verdict:
        records = Records.of(history)
        removals = [update for update in records.updates if update.deletes]
        if not removals or records.kind not in ("kv", "set"):
            return skipped(
                self.name,
                "Nothing was deleted or removed, so that nothing can come back.",
            )
        story = Story("What came back", ("key", "replica", "at", "shows", "deleted as of"))
        reasons = []
        if records.kind == "kv":
            returns = list(_returns(records))
            reasons += [_tell(records, story, one) for one in returns]
        else:
            reasons += list(_elements_back(records, story))
        reasons += _standing(records, story)
        details = {
            "deletions": len(removals),
            "acknowledged": sum(update.ok for update in removals),
            "keys": len({update.key for update in removals}),
            "came_back": len(reasons),
        }
        if reasons:
            return failed(self.name, reasons[0], story, details)
        what = "deletion" if records.kind == "kv" else "removal"
        return Verdict(
            checker=self.name,
            outcome="pass",
            reason=f"Nothing came back after {count(len(removals), what)} "
            f"of {count(details['keys'], 'key')}.",
            could_not_detect=_BLIND,
            details=details,
        )


def _returns(records: Records) -> Iterator[_Return]:
    """Documents that are older than a deletion that their node had seen."""
    deletions: dict[Any, list[Update]] = {}
    for update in records.updates:
        if update.deletes:
            deletions.setdefault(update.key, []).append(update)
    places = sightings(records)
    nodes = records.nodes
    graves: dict[tuple[Any, Any], list[_Grave]] = {
        (node, key): _graves(node, places.get((node, key), []), mine, records.homes)
        for key, mine in deletions.items()
        for node in nodes
    }
    for (node, key), found in graves.items():
        everywhere = [graves[other, key] for other in nodes]
        for seen in places.get((node, key), []):
            if not seen.live or seen.stamp is None:
                continue
            above = [one for one in found if one.call.before(seen.call) and seen.stamp < one.stamp]
            if above:
                grave = max(above, key=lambda one: (one.stamp, -one.call.end_row))
                by_all = all(
                    any(one.stamp >= grave.stamp and one.call.before(seen.call) for one in theirs)
                    for theirs in everywhere
                )
                yield _Return(seen, grave, by_all)
                break


def _graves(
    node: Any, mine: list[Sighting], deletions: list[Update], homes: dict[int, Any]
) -> list[_Grave]:
    """Each time that a node is known to have seen a deletion of a key."""
    found = [
        _Grave(update.stamp, update.call, "had told its client so")
        for update in deletions
        if update.ok and update.stamp is not None and homes.get(update.call.process) == node
    ]
    shown_live: list[Sighting] = []
    for seen in mine:
        if seen.live:
            if seen.stamp is not None:
                shown_live.append(seen)
        elif seen.stamp is not None:
            found.append(_Grave(seen.stamp, seen.call, "had shown it deleted"))
        else:
            gone = [one.stamp for one in shown_live if one.call.before(seen.call) and one.stamp]
            if gone:
                # whatever removed it is newer than what was there: above it by the least bit
                found.append(_Grave((*max(gone), 0), seen.call, "had shown nothing of it any more"))
    return found


def _tell(records: Records, story: Story, back: _Return) -> str:
    seen, grave = back.seen, back.grave
    node = node_name(seen.node)
    by = [
        update
        for update in records.updates
        if update.deletes and update.key == seen.key and update.stamp == grave.stamp
    ]
    everyone = ", which every replica that was heard of had seen" if back.by_all else ""
    as_of = f" (as of {plain(grave.stamp)})" if len(grave.stamp) == 3 else ""
    text = (
        f"{shown(seen.key)} came back at {node}: the answer at {seconds(seen.call.end_ns)} shows "
        f"{shown(seen.value)} of {plain(seen.stamp)} again, though {node} {grave.how} at "
        f"{seconds(grave.call.end_ns)}{as_of}{everyone}."
    )
    rows = [*grave.call.rows, *seen.call.rows]
    if by:
        text += f" It was deleted by {told(by[0])}."
        rows += by[0].call.rows
    story.say(text, rows)
    for call, what in ((grave.call, "nothing"), (seen.call, shown(seen.value))):
        story.line(seen.key, node, seconds(call.end_ns), what, plain(grave.stamp[:3]))
    return text


def _elements_back(records: Records, story: Story) -> Iterator[str]:
    """Elements of a set that a node showed, did not show, and shows again."""
    additions: dict[Any, int] = {}
    removed: dict[Any, Update] = {}
    for update in records.updates:
        if update.deletes:
            removed.setdefault(update.key, update)
        else:
            additions[update.key] = additions.get(update.key, 0) + 1
    by_node: dict[Any, list[Any]] = {}
    for view in records.views:
        by_node.setdefault(view.node, []).append(view)
    for node, views in by_node.items():
        views.sort(key=lambda view: view.call.call_row)
        for element, removal in removed.items():
            if additions.get(element) != 1:
                continue
            there: Call | None = None
            gone: Call | None = None
            for view in views:
                if element not in view.live:
                    if there is not None and there.before(view.call):
                        gone = gone or view.call
                elif gone is not None and gone.before(view.call):
                    text = (
                        f"{shown(element)} came back at {node_name(node)}: it was there at "
                        f"{seconds(there.end_ns if there else 0)}, gone at "
                        f"{seconds(gone.end_ns)}, and there again at "
                        f"{seconds(view.call.end_ns)}, after {told(removal)}."
                    )
                    calls = [*removal.call.rows, *(there.rows if there else []), *gone.rows]
                    story.say(text, [*calls, *view.call.rows])
                    for call, what in ((gone, "not there"), (view.call, "there")):
                        at = seconds(call.end_ns)
                        story.line(element, node_name(node), at, what, None)
                    yield text
                    break
                elif there is None or view.call.end_row < there.end_row:
                    there = view.call


def _standing(records: Records, story: Story) -> list[str]:
    """What all agree on in the end although an acknowledged deletion is newer."""
    ending = Ending(records)
    if not ending.last or records.faults.unhealed or ending.differing():
        return []
    merge = Merge(records)
    view = next(iter(ending.last.values()))
    found = []
    for key in view.live:
        winner = merge.overlooked(key, view)
        if winner is not None and winner.deletes:
            text = (
                f"{shown(key)} is there in the end, at {all_of(len(ending.last), 'replica')}, "
                f"in spite of {told(winner)}."
            )
            story.say(text, [*winner.call.rows, *view.call.rows])
            at, value = seconds(view.call.end_ns), view.live[key][0]
            story.line(key, "all", at, shown(value), plain(winner.stamp))
            found.append(text)
    return found
