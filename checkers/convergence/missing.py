"""What a replica lacks, and which states no merge of the writes gives.

    kv       a replica lacks every acknowledged write or deletion of a key whose timestamp is
             greater than what it holds
    set      an element that is not there lacks its addition, one that is there its removal, if
             that is known to have removed something
    counter  only the total is known: `Sums` says which are possible

What is sound with unanswered updates. An unanswered write has no known timestamp; it explains any
state that shows its value, and nobody ever lacks it unless another replica shows it. An unanswered
deletion explains that a key without a tombstone is gone. A tombstone that is gone was purged, which
is as good as a tombstone; so whoever has nothing of a key lacks only what is newer than the
greatest acknowledged deletion.

A removal of an observed-remove set removes what its node had seen: it is *effective* if it was
acknowledged, and that node was seen with the element (or had acknowledged its addition) before the
removal began. An element is supposed to be added once; of one that is added again, nothing is said.

>>> from checkers.convergence.records import Records
>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> _ = recorder.append(time_ns=0, process=0, type="invoke", f="add", value=4)
>>> Merge(Records.of(recorder.history())).impossible(7, True, None)
'nobody ever added 7'
"""

from __future__ import annotations

from typing import Any

from checkers.convergence.records import Records, Stamp, Update, View, same
from checkers.convergence.sums import Sums
from checkers.convergence.words import plain, shown, told


class Merge:
    """What the updates of a history make, as far as it is known."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.by_key = records.by_key()
        self._removed = _effective_removals(records) if records.kind == "set" else {}
        self.sums = Sums(0, [])
        if records.kind == "counter":
            self.sums = Sums(
                sum(update.value for update in records.updates if update.ok),
                [update.value for update in records.updates if not update.ok],
            )

    # ---- what one replica lacks

    def lacked(self, key: Any, view: View, others: list[View]) -> list[Update]:
        """What `view` lacks of `key`, which `others` show otherwise; the greatest first."""
        updates = self.by_key.get(key, [])
        if self.records.kind == "set":
            return self._lacked_of_set(key, updates, key in view.live)
        if self.records.kind != "kv":
            return []
        held = held_stamp(view, key)
        floor = held if held is not None else self._buried(updates)
        seen = {_shown(other, key) for other in others}
        found = []
        for update in updates:
            stamp = update.stamp
            if stamp is None:
                # nobody knows its timestamp but from a replica that shows it
                stamp = _stamp_of(update, seen)
            if stamp is not None and (floor is None or stamp > floor):
                found.append((stamp, update))
        found.sort(key=lambda pair: (pair[0], pair[1].call.call_row), reverse=True)
        return [update for _, update in found]

    def _buried(self, updates: list[Update]) -> Stamp | None:
        """The greatest acknowledged deletion: whoever has nothing may have purged it."""
        stamps = [one.stamp for one in updates if one.ok and one.deletes and one.stamp]
        return max(stamps, default=None)

    def _lacked_of_set(self, key: Any, updates: list[Update], there: bool) -> list[Update]:
        removal = self._removed.get(key)
        if there:
            return [removal] if removal is not None else []
        if removal is not None:
            return []
        return [update for update in updates if not update.deletes]

    # ---- what all agree on

    def overlooked(self, key: Any, view: View) -> Update | None:
        """An acknowledged update that a merge of all could not have lost, but `view` shows none
        of it. Meant for keys on which all replicas agree."""
        updates = self.by_key.get(key, [])
        if self.records.kind == "set":
            removal = self._removed.get(key)
            if key in view.live:
                return removal
            if any(update.deletes for update in updates):
                return None
            return next((update for update in updates if update.ok), None)
        if self.records.kind != "kv":
            return None
        stamped = [update for update in updates if update.ok and update.stamp is not None]
        winner = max(stamped, key=lambda update: update.stamp or (), default=None)
        if winner is None or winner.stamp is None:
            return None
        held = held_stamp(view, key)
        if held is not None:
            return winner if winner.stamp > held else None
        unsure = any(update.deletes and not update.ok for update in updates)
        return None if winner.deletes or unsure else winner

    def impossible(self, key: Any, value: Any, stamp: Stamp | None) -> str | None:
        """Why no merge of the updates can show this value, in words; None if one can."""
        if self.records.kind not in ("kv", "set"):
            return None
        wrote = [one for one in self.by_key.get(key, []) if same(one.value, value)]
        if not wrote:
            refused = [
                one
                for one in self.records.failed
                if one.key == key and not one.deletes and same(one.value, value)
            ]
            if refused:
                return f"it comes from {told(refused[0])}"
            set_ = self.records.kind == "set"
            return (
                f"nobody ever added {shown(key)}" if set_ else f"nobody ever wrote {shown(value)}"
            )
        if stamp is None or any(one.stamp in (None, stamp) for one in wrote):
            return None
        return f"its timestamp is {plain(stamp)}, but that of {told(wrote[0])}, is " + (
            plain(wrote[0].stamp) or "unknown"
        )


def held_stamp(view: View, key: Any) -> Stamp | None:
    """The timestamp of what a replica has of a key, document or tombstone."""
    if key in view.live:
        return view.live[key][1]
    return view.dead.get(key)


def _shown(view: View, key: Any) -> tuple[str, Stamp | None]:
    if key in view.live:
        value, stamp = view.live[key]
        return repr(value), stamp
    return repr(None), view.dead.get(key)


def _stamp_of(update: Update, seen: set[tuple[str, Stamp | None]]) -> Stamp | None:
    """The timestamp under which an unanswered write was seen. Deletions cannot be told apart."""
    if update.deletes:
        return None
    wanted = repr(update.value)
    return max((stamp for value, stamp in seen if value == wanted and stamp), default=None)


def _effective_removals(records: Records) -> dict[Any, Update]:
    """By element, an acknowledged removal that surely removed its one addition."""
    found: dict[Any, Update] = {}
    homes = records.homes
    for key, updates in records.by_key().items():
        additions = [update for update in updates if not update.deletes]
        removals = [update for update in updates if update.deletes and update.ok]
        if len(additions) != 1 or not removals:
            continue
        addition = additions[0]
        # when each node was first known to have it: by row of the answer
        known: dict[Any, int] = {}
        if addition.ok:
            known[_home(homes, addition.call.process)] = addition.call.end_row
        for view in records.views:
            if key in view.live:
                node = view.node if view.node is not None else _home(homes, view.call.process)
                known[node] = min(known.get(node, view.call.end_row), view.call.end_row)
        for removal in removals:
            row = known.get(_home(homes, removal.call.process))
            if row is not None and row < removal.call.call_row:
                found[key] = removal
                break
    return found


def _home(homes: dict[int, Any], process: int) -> Any:
    """The node of a process; a process without one is a place of its own."""
    return homes.get(process, f"process {process}")
