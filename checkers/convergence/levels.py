"""What each consistency level promises, and which anomalies it permits.

| anomaly          | a read ...                                        | permitted              |
|------------------|---------------------------------------------------|------------------------|
| stale-read       | misses what another client had been told before   | unless the levels meet |
| inversion        | misses what another client had read before        | but for a read at All  |
| own-write-missed | misses what its own client had been told before   | never                  |
| went-back        | is older than what its own client had read before | never                  |
| lost-write       | no replica has what was acknowledged, in the end  | for a write at None    |

*Levels meet* if every set of copies that the write was told to have shares a node with every set
that the read asked. A client talks with its home node, which is among both, so the last but one and
its neighbour are permitted at no level. All meets every level; of Quorum, EachQuorum and All any
two meet, because all known members are counted, and each has more than half of them; EachQuorum
meets LocalQuorum, which has more than half of one data centre. With `nodes` known, numbers decide
as well: a write at w copies and a read of r copies meet if w + r is above the number of nodes (One
is two copies: the home and one other). `data_centers` says which nodes stand together, so that
LocalQuorum meets itself there.

What is reported as a stale read goes by timestamps: a read that shows something with a greater
timestamp than an acknowledged write has not missed it, whatever came first. So clocks that differ
raise no false alarm.

>>> meets("Quorum", "EachQuorum"), meets("One", "One"), meets("Three", "One", nodes=5)
(True, False, True)
>>> from checkers.convergence.notation import parse
>>> print(LevelContracts().check(parse('''
...     1000 0 write x 7 Quorum    = 1.0.1
...     2000 0 write x 8 Quorum    = 2.0.1
...     3000 1 read x Quorum       = 2 7@1.0.1
... ''')).reason)
1 anomaly is beyond what the levels permit. stale-read: the read of 'x' at Quorum by process 1 at
n2, begun at 3.000 s, showed 7 (1.0 n1), and missed the write of 8 to 'x' by process 0, acknowledged
at 2.001 s at Quorum. A write at Quorum and a read at Quorum share a node, so it had to see it.

Limits: promises hold if quorums are counted over all known members (docs/systems/gossip.md); with
the published way (over the live ones) a partition breaks them, as this then shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from checkers.convergence.final import Ending
from checkers.convergence.missing import Merge
from checkers.convergence.records import Look, Records, Stamp, Update
from checkers.convergence.sightings import deletions_by_key, reads_and_missed, seen_up_to
from checkers.convergence.words import (
    Story,
    count,
    node_name,
    seconds,
    showed,
    shown,
    skipped,
    told,
)
from harness.errors import UsageError
from harness.history import History
from harness.verdict import Checker, Verdict

#: Levels that have more than half of all members.
_MAJORITIES: Final = ("Quorum", "EachQuorum", "All")
_COPIES: Final = {"None": 1, "One": 2, "Two": 3, "Three": 4}

#: In the order in which they are told.
ANOMALIES: Final = ("lost-write", "own-write-missed", "went-back", "stale-read", "inversion")


def meets(
    write: str | None,
    read: str | None,
    *,
    nodes: int | None = None,
    together: bool = False,
) -> bool:
    """Whether a read at one level sees what was acknowledged at the other before.

    `nodes` is the number of all members, None if it is not known; `together` says that both
    clients' homes stand in one data centre.
    """
    pair = {write, read}
    if "All" in pair or pair <= {*_MAJORITIES}:
        return True
    if pair == {"EachQuorum", "LocalQuorum"} or (pair == {"LocalQuorum"} and together):
        return True
    return nodes is not None and copies(write, nodes) + copies(read, nodes) > nodes


def copies(level: str | None, nodes: int) -> int:
    """How many of `nodes` have a copy, or are asked, at least."""
    if level == "All":
        return nodes
    if level in _MAJORITIES:
        return nodes // 2 + 1
    # a local quorum may be the home node alone
    return min(_COPIES.get(level or "", 1), nodes)


@dataclass(frozen=True, slots=True)
class _Found:
    """One anomaly: the read (None for a lost write), and what it missed, of which kind."""

    anomaly: str
    look: Look | None
    missed: Update | Look
    permitted: bool
    pair: str


class LevelContracts(Checker):
    """No anomaly beyond what the levels permit; says which of those that they permit occurred.

    `nodes`: how many members there are; `data_centers`: the data centre of each node, by its
    number as a string or an integer. Both may be left out. Raises UsageError if there are no nodes,
    and from `check` on malformed answers.
    """

    name = "levels"

    def __init__(
        self, *, nodes: int | None = None, data_centers: Mapping[Any, str] | None = None
    ) -> None:
        if nodes is not None and nodes < 1:
            raise UsageError(f"{nodes} nodes: a system has at least one.")
        self.nodes = nodes
        self.data_centers = {str(node): place for node, place in (data_centers or {}).items()}

    def check(self, history: History) -> Verdict:
        records = Records.of(history)
        looks = [look for look in records.looks if look.level is not None]
        if records.kind != "kv" or not looks:
            return skipped(
                self.name,
                "Nobody read keys at a consistency level, so that nothing was promised.",
            )
        found = [*self._lost(records), *self._missed(records), *self._backward(records)]
        beyond = [one for one in found if not one.permitted]
        beyond.sort(key=lambda one: ANOMALIES.index(one.anomaly))
        details = self._details(records, found)
        permitted = _counted(one for one in found if one.permitted)
        occurred = ", ".join(f"{name} {number:,}" for name, number in permitted.items())
        if not beyond:
            return Verdict(
                checker=self.name,
                outcome="pass",
                reason=f"No anomaly beyond what the levels permit in {count(len(looks), 'read')}; "
                + (f"permitted ones occurred: {occurred}." if occurred else "nor any permitted."),
                could_not_detect=_blind(self.nodes, self.data_centers),
                details=details,
            )
        story = Story("Beyond what the levels permit", _COLUMNS)
        texts = [_tell(story, one) for one in beyond]
        number = "1 anomaly is" if len(beyond) == 1 else f"{len(beyond):,} anomalies are"
        return Verdict(
            checker=self.name,
            outcome="fail",
            reason=f"{number} beyond what the levels permit. {texts[0]}",
            witness=story.witness(anomalies=_counted(beyond)),
            details=details,
        )

    # ---- anomalies

    def _missed(self, records: Records) -> Iterator[_Found]:
        for look, missed in reads_and_missed(records):
            if look.level is None or not missed:
                continue
            own = [one for one in missed if one.call.process == look.call.process]
            for update in own[:1]:
                yield _Found("own-write-missed", look, update, False, _pair(update.level, look))
            others = [one for one in missed if one.call.process != look.call.process]
            if not others:
                continue
            # the one that weighs most: a promise broken, if there is one
            broken = [one for one in others if self._promised(records, one, look)]
            update = (broken or others)[0]
            yield _Found("stale-read", look, update, not broken, _pair(update.level, look))

    def _promised(self, records: Records, update: Update, look: Look) -> bool:
        homes = records.homes
        mine, theirs = homes.get(look.call.process), homes.get(update.call.process)
        if mine is not None and mine == theirs:
            return True  # one node has done both
        places = self.data_centers.get(str(mine)), self.data_centers.get(str(theirs))
        together = places[0] is not None and places[0] == places[1]
        return meets(update.level, look.level, nodes=self.nodes, together=together)

    def _backward(self, records: Records) -> Iterator[_Found]:
        by_key: dict[Any, list[Look]] = {}
        deletions = deletions_by_key(records)
        for look in records.looks:
            if look.level is not None:
                by_key.setdefault(look.key, []).append(look)
        for mine in by_key.values():
            stamped = [look for look in mine if look.stamp is not None]
            by_end = sorted(stamped, key=lambda look: look.call.end_row)
            newest: dict[int, Look] = {}  # by process, the greatest timestamp that it has read
            place = 0
            for look in sorted(mine, key=lambda look: look.call.call_row):
                while place < len(by_end) and by_end[place].call.end_row < look.call.call_row:
                    earlier = by_end[place]
                    before = newest.get(earlier.call.process)
                    if before is None or (earlier.stamp or ()) > (before.stamp or ()):
                        newest[earlier.call.process] = earlier
                    place += 1
                stamp = seen_up_to(look, deletions.get(look.key, []))
                if stamp is not None:
                    yield from _inversions(look, stamp, newest)

    def _lost(self, records: Records) -> Iterator[_Found]:
        ending = Ending(records)
        if not ending.last or records.faults.unhealed or ending.differing():
            return
        merge, view = Merge(records), next(iter(ending.last.values()))
        for key in ending.all_keys():
            update = merge.overlooked(key, view)
            if update is not None:
                permitted = update.level == "None"
                yield _Found("lost-write", None, update, permitted, f"{update.level} write")

    # ---- numbers

    def _details(self, records: Records, found: list[_Found]) -> dict[str, Any]:
        reads: dict[str, int] = {}
        for look in records.looks:
            reads[look.level or ""] = reads.get(look.level or "", 0) + 1
        pairs: dict[str, dict[str, int]] = {}
        for one in found:
            mine = pairs.setdefault(one.pair, {})
            name = one.anomaly if one.permitted else f"{one.anomaly} (beyond)"
            mine[name] = mine.get(name, 0) + 1
        return {
            "reads": dict(sorted(reads.items())),
            "permitted": _counted(one for one in found if one.permitted),
            "beyond": _counted(one for one in found if not one.permitted),
            "pairs": dict(sorted(pairs.items())),
            "nodes": self.nodes,
        }


_COLUMNS = ("anomaly", "read by", "replica", "at", "level", "showed", "missed", "written at")


def _inversions(look: Look, stamp: Stamp, newest: Mapping[int, Look]) -> Iterator[_Found]:
    """Who had read something newer than `stamp`, which `look` showed."""
    own = newest.get(look.call.process)
    if own is not None and (own.stamp or ()) > stamp:
        yield _Found("went-back", look, own, False, _pair(own.level, look))
        return
    others = [one for one in newest.values() if (one.stamp or ()) > stamp]
    if others:
        at_home = [one for one in others if one.node is not None and one.node == look.node]
        other = (at_home or others)[0]
        permitted = look.level != "All" and not at_home
        yield _Found("inversion", look, other, permitted, _pair(other.level, look))


def _pair(level: str | None, look: Look) -> str:
    return f"{level} then {look.level}"


def _counted(found: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in found:
        counts[one.anomaly] = counts.get(one.anomaly, 0) + 1
    return {name: counts[name] for name in ANOMALIES if name in counts}


def _tell(story: Story, one: _Found) -> str:
    missed, look = one.missed, one.look
    if isinstance(missed, Update):
        what = f"{told(missed)} at {missed.level}"
    else:
        what = (
            f"{showed(missed.value, missed.stamp)}, which process {missed.call.process} had "
            f"read from {node_name(missed.node)} at {seconds(missed.call.end_ns)}"
        )
    if look is None:
        text = f"{one.anomaly}: in the end no replica has what came of {what}."
        story.say(text, missed.call.rows)
        story.line(one.anomaly, None, "all", None, None, None, what, missed.level)
        return text
    answer = showed(look.value, look.stamp)
    text = (
        f"{one.anomaly}: the read of {shown(look.key)} at {look.level} by process "
        f"{look.call.process} at {node_name(look.node)}, begun at {seconds(look.call.call_ns)}, "
        f"showed {answer}, and missed {what}. {_why(one)}"
    )
    story.say(text, [*missed.call.rows, *look.call.rows])
    story.line(
        one.anomaly,
        f"process {look.call.process}",
        node_name(look.node),
        seconds(look.call.call_ns),
        look.level,
        answer,
        what,
        missed.level,
    )
    return text


def _why(one: _Found) -> str:
    """Why that was not permitted."""
    assert one.look is not None
    match one.anomaly:
        case "stale-read":
            return (
                f"A write at {one.missed.level} and a read at {one.look.level} share a node, so it "
                "had to see it."
            )
        case "inversion":
            return "Both asked a node in common, so it had to see it."
    return "A client and its home node keep what they have seen, at any level."


def _blind(nodes: int | None, data_centers: Mapping[str, str]) -> tuple[str, ...]:
    found = ["reads that were refused or not answered", "writes that were not acknowledged"]
    if nodes is None:
        found.append("whether counted levels (One, Two, Three) meet: `nodes` was not given")
    if not data_centers:
        found.append("whether two local quorums are of one data centre: it was not given")
    return tuple(found)
