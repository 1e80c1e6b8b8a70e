"""Does a counter show totals that its updates can make? With bounds for every read, both ways.

Increments and decrements, acknowledged or not; reads that name their node are judged by what that
node must have (what its own clients were told) and can have (what anybody began); others by what
everybody was told. `bounds` says how, and why it is sound. When all replicas have come to agree
after the last fault, the total must be that of all acknowledged updates, give or take unanswered
ones.

Jepsen's counter takes the sum of what was acknowledged and the sum of what was attempted for
bounds, and only increments. Here also gaps are seen (with one increment by 10 open, 5 is not
between), reads that go back (or ahead) of earlier ones by more than anything allows, and
decrements.

>>> from checkers.convergence.notation import parse
>>> print(Counter().check(parse('''
...     1000 0 increment 10 =
...     2000 1 increment 10 ?
...     3000 0 count = - 15
... ''')).reason)
A read showed 15 at 3.001 s, which no choice of the unanswered and concurrent updates makes; the
nearest are 10 and 20 (process 0, rows 4 and 5).

Limits: see `bounds`. Amounts are whole numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from checkers.convergence.bounds import Amount, Bounds, Excess, Reading, Span
from checkers.convergence.final import Ending
from checkers.convergence.objects import key_by_key
from checkers.convergence.records import Records
from checkers.convergence.sums import Sums
from checkers.convergence.words import (
    Story,
    count,
    failed,
    node_name,
    seconds,
)
from checkers.words import all_of
from harness.history import FAIL, INVOKE, OK, History
from harness.verdict import Checker, Verdict

_BLIND = (
    "whether one choice of updates explains all reads at once: each read is held against its own "
    "bounds and those that earlier reads give",
    "lost updates that unanswered ones make up for",
)


class Counter(Checker):
    """Reads lie within tight bounds, and the agreed total is right; key by key.

    Raises UsageError on malformed probes.
    """

    name = "counter"

    def check(self, history: History) -> Verdict:
        return key_by_key(history, ("add", "increment", "decrement"), self._judge)

    def _judge(self, history: History) -> Verdict:
        records = Records.of(history)
        amounts, readings = _read(records) if _is_ours(history) else _read_jepsen(history)
        if not amounts or not readings:
            what = "updated" if not amounts else "read"
            return Verdict(
                checker=self.name,
                outcome="unknown" if amounts and _is_ours(history) else "skipped",
                reason=f"Nobody {what} a counter, so that there is no total to look at.",
            )
        by_place: dict[Any, list[Reading]] = {}
        for reading in readings:
            by_place.setdefault(reading.place, []).append(reading)
        excesses = [
            excess
            for place, mine in by_place.items()
            for excess in Bounds(place, amounts).check(mine)
        ]
        excesses.sort(key=lambda one: one.reading.span.end)
        story = Story("Totals that the updates cannot make", _COLUMNS)
        reasons = [_tell(history, story, excess) for excess in excesses]
        final = _final(records, story)
        if final:
            reasons.append(final)
        details = {
            "updates": len(amounts),
            "unanswered": sum(one.span.end < 0 for one in amounts),
            "reads": len(readings),
            "places": [node_name(place) for place in by_place],
            "out_of_bounds": len(excesses),
        }
        if not reasons:
            return Verdict(
                checker=self.name,
                outcome="pass",
                reason=f"{all_of(len(readings), 'read').capitalize()} showed totals that the "
                f"{count(len(amounts), 'update')} can make.",
                could_not_detect=_BLIND,
                details=details,
            )
        return failed(self.name, reasons[0], story, details)


_COLUMNS = ("read by", "at", "of", "showed", "least", "most", "bounded by")


def _is_ours(history: History) -> bool:
    return any(name in ("increment", "decrement") for name in history.functions)


def _read(records: Records) -> tuple[list[Amount], list[Reading]]:
    readings = [
        Reading(view.node, view.live["count"][0], Span(view.call.call_row, view.call.end_row))
        for view in records.views
        if "count" in view.live and isinstance(view.live["count"][0], int)
    ]
    one_place = all(reading.place is None for reading in readings)
    amounts = [
        Amount(
            None if one_place else records.homes.get(update.call.process, _NOWHERE),
            update.value,
            Span(update.call.call_row, update.call.end_row if update.ok else -1),
        )
        for update in records.updates
        if update.key == "count"
    ]
    return amounts, readings


#: The home of a process of which nobody knows it.
_NOWHERE = "nowhere"


def _read_jepsen(history: History) -> tuple[list[Amount], list[Reading]]:
    """Jepsen's form: `add` of an amount, and reads that answer a number."""
    amounts, readings = [], []
    for row in np.flatnonzero(history.client_rows & (history.type == INVOKE)).tolist():
        end = int(history.partner[row])
        kind = int(history.type[end]) if end >= 0 else -1
        f = history.functions[history.f[row]]
        asked = history.values[history.value[row]]
        if f == "add" and type(asked) is int and kind != FAIL:
            amounts.append(Amount(None, asked, Span(row, end if kind == OK else -1)))
        elif f == "read" and kind == OK:
            answer = history.values[history.value[end]]
            if type(answer) is int:
                readings.append(Reading(None, answer, Span(row, end)))
    return amounts, readings


def _tell(history: History, story: Story, excess: Excess) -> str:
    reading, after = excess.reading, excess.after
    process = int(history.process[reading.span.begin])
    at = seconds(int(history.time_ns[reading.span.end]))
    who = "A read" if reading.place is None else f"{node_name(reading.place)}"
    where = f"(process {process}, rows {reading.span.begin} and {reading.span.end})"
    rows = [*reading.span]
    if after is not None:
        rows += after.span
        before = (
            f"the {after.value} that it had shown at "
            f"{seconds(int(history.time_ns[after.span.end]))}"
        )
        text = (
            f"{who} showed {reading.value} at {at}, but after {before} no update that was under "
            f"way or came since takes it further than from {excess.low} to {excess.high} {where}."
        )
    elif excess.gap:
        text = (
            f"{who} showed {reading.value} at {at}, which no choice of the unanswered and "
            f"concurrent updates makes; the nearest are {excess.low} and {excess.high} {where}."
        )
    else:
        less = reading.value < excess.low
        bound = excess.low if less else excess.high
        known = (
            "what it had acknowledged before makes at least"
            if less
            else "all that anybody had begun makes at most"
        )
        text = f"{who} showed {reading.value} at {at}, but {known} {bound} {where}."
    story.say(text, rows)
    story.line(
        f"process {process}",
        at,
        node_name(reading.place) if reading.place is not None else None,
        reading.value,
        excess.low,
        excess.high,
        None if after is None else f"the {after.value} of row {after.span.end}",
    )
    return text


def _final(records: Records, story: Story) -> str:
    """What is wrong with the total on which all agree in the end; nothing if they do not."""
    ending = Ending(records)
    if not ending.last or records.faults.unhealed or ending.differing():
        return ""
    view = next(iter(ending.last.values()))
    total = view.live.get("count", (None, None))[0]
    if not isinstance(total, int):
        return ""
    sure, unsure = 0, []
    for update in records.updates:
        # what only a silent node was told of may be on its way for ever
        if update.ok and records.homes.get(update.call.process) in ending.last:
            sure += update.value
        else:
            unsure.append(update.value)
    sums = Sums(sure, unsure)
    if sums.reach(total):
        return ""
    span = str(sums.low) if sums.low == sums.high else f"from {sums.low} to {sums.high}"
    text = (
        f"In the end {all_of(len(ending.last), 'replica', 'count')} {total}, but what was "
        f"acknowledged makes {sure}"
        + (f", with {count(len(unsure), 'unanswered update')} {span}" if unsure else "")
        + "."
    )
    story.say(text, [row for one in ending.last.values() for row in one.call.rows])
    for one in ending.last.values():
        at = seconds(one.call.end_ns)
        process = f"process {one.call.process}"
        story.line(process, at, node_name(one.node), total, sums.low, sums.high, "all updates")
    return text
