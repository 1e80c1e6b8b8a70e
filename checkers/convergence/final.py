"""The end of a run: what the replicas said when everything had gone quiet, and since when.

    last fault heals,   first probes            all alike            last probes
    last update ends          │                     │                     │
    ├───────────────────────────────────────────────┼─────────────────────┤
    quiet                                           converged             ended

*Quiet* is when the last fault has healed and the last update has ended. Only probes that began
after it count. A key has settled at a node when a probe shows its last value and so do all later
ones; the answer to that probe is when it is known, and the call of the last probe that showed
something else is when it was surely not yet so.

>>> from checkers.convergence.records import Records
>>> from harness.history import Recorder
>>> Ending(Records.of(Recorder().history())).last
{}

Limits: as fine as the probes are close. A tombstone counts as nothing: replicas purge tombstones
at different times, and nobody can read one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from checkers.convergence.records import Records, Stamp, View, same, same_state

_ABSENT = (None, None)


@dataclass(frozen=True, slots=True)
class Settled:
    """When a key got its last value everywhere: known by `by_ns`, surely not before `after_ns`.

    `node` is the last to get there, and `late_row` the row of the call that showed another value;
    -1 if no probe did.
    """

    key: Any
    by_ns: int
    after_ns: int
    node: Any
    late_row: int


class Ending:
    """What is known of the replicas after quiet."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.quiet_row, self.quiet_ns = records.quiet
        self.timeline: dict[Any, list[View]] = {}
        for view in records.probes:
            if view.call.call_row > self.quiet_row:
                self.timeline.setdefault(view.node, []).append(view)
        order = {node: place for place, node in enumerate(records.nodes)}
        self.timeline = dict(sorted(self.timeline.items(), key=lambda item: order[item[0]]))
        #: The last state of every node that answered.
        self.last = {node: views[-1] for node, views in self.timeline.items()}
        self.ended_ns = max((view.call.end_ns for view in self.last.values()), default=0)

    @property
    def silent(self) -> list[Any]:
        """Nodes that were asked for their state after quiet, and never answered."""
        homes = self.records.homes
        asked = {
            homes.get(one.call.process)
            for one in self.records.unanswered
            if one.call.call_row > self.quiet_row
        }
        return [node for node in self.records.nodes if node in asked and node not in self.last]

    def silent_rows(self, node: Any) -> list[int]:
        """The calls that `node` did not answer."""
        homes = self.records.homes
        return [
            one.call.call_row
            for one in self.records.unanswered
            if one.call.call_row > self.quiet_row and homes.get(one.call.process) == node
        ]

    def all_keys(self) -> list[Any]:
        """All keys that any of the probes shows, and those that were ever updated."""
        found: dict[Any, None] = {}
        for update in self.records.updates:
            found[update.key] = None
        for views in self.timeline.values():
            for view in views:
                found.update(dict.fromkeys(view.live))
        return list(found)

    def differing(self) -> list[Any]:
        """The keys of which the last states of the nodes are not all alike."""
        views = list(self.last.values())
        if all(same_state(view, views[0]) for view in views[1:]):
            return []
        return [
            key for key in self.all_keys() if len({repr(held(view, key)) for view in views}) > 1
        ]

    def settled(self) -> list[Settled]:
        """When each key on which all agree got there."""
        differ = {*self.differing()}
        keys = [key for key in self.all_keys() if key not in differ]
        late: dict[Any, Settled] = {}
        first_ns = max((views[0].call.end_ns for views in self.timeline.values()), default=0)
        for node, views in self.timeline.items():
            last = views[-1]
            open_keys = dict.fromkeys(keys)
            for view, following in zip(views[-2::-1], views[:0:-1], strict=True):
                if same_state(view, last):
                    continue
                for key in list(open_keys):
                    if not same_held(view, last, key):
                        del open_keys[key]
                        by_ns = following.call.end_ns
                        if key not in late or by_ns > late[key].by_ns:
                            late[key] = Settled(
                                key, by_ns, view.call.call_ns, node, view.call.call_row
                            )
        return [late.get(key) or Settled(key, first_ns, self.quiet_ns, None, -1) for key in keys]

    def agreed_row(self) -> int:
        """From which row on every probe shows the last states, all alike; -1 if they differ."""
        if not self.last or self.differing():
            return -1
        row = self.quiet_row
        for views in self.timeline.values():
            last = views[-1]
            for view in views:
                if not same_state(view, last):
                    row = max(row, view.call.end_row)
        return row


def held(view: View, key: Any) -> tuple[Any, Stamp | None]:
    """What a node holds of a key: value and timestamp, both None for nothing or a tombstone."""
    return view.live.get(key, _ABSENT)


def same_held(one: View, other: View, key: Any) -> bool:
    """Whether two nodes held the same of a key."""
    (value, stamp), (other_value, other_stamp) = held(one, key), held(other, key)
    return stamp == other_stamp and same(value, other_value)
