"""What is wrong with the end of a run, in words: wrong merges, lagging replicas, late ones.

Each method tells its findings to a `Story` (sentences with rows, and a table with a line for every
replica of a key that is told of), and returns the first of them for the reason of a verdict.

>>> from checkers.convergence.notation import parse
>>> records = Records.of(parse('''
...     1000 0 add 5 =
...     2000 0 replica = 1 5
...     2000 1 replica = 2
... '''))
>>> findings = Findings(records, Ending(records))
>>> findings.wrong(), findings.lagging()[:81]
('', '1.000 s after the last update at 1.001 s (there was no fault), n2 still lacks upd')

Limits: `agreement` says what counts, and why that is sound.
"""

from __future__ import annotations

from typing import Any

from checkers.convergence.final import Ending, Settled, held
from checkers.convergence.missing import Merge
from checkers.convergence.records import Records, Update, View
from checkers.convergence.words import (
    Story,
    count,
    listed,
    node_name,
    plain,
    seconds,
    shown,
    since,
    told,
)

_COLUMNS = ("key", "replica", "holds", "timestamp", "lacks", "since")


class Findings:
    """The findings about the end of one run; `story` collects them."""

    def __init__(self, records: Records, ending: Ending) -> None:
        self.records = records
        self.ending = ending
        self.merge = Merge(records)
        self.views = list(ending.last.values())
        self.differing = ending.differing()
        self.silent = ending.silent
        self.noun = "element" if records.kind == "set" else "key"
        self.story = Story("What each replica holds, and lacks", _COLUMNS)

    # ---- a wrong merge

    def wrong(self) -> str:
        """What no waiting will mend, as the rest of a sentence."""
        found = self._same_updates() or self._same_timestamp()
        for view in self.views:
            for key, (value, stamp) in view.live.items():
                why = self.merge.impossible(key, value, stamp)
                if why:
                    holds = self._holds(view, key)
                    text = f"{node_name(view.node)} holds {holds}, but {why}."
                    self.story.say(text, view.call.rows)
                    self._table(key)
                    found = found or text
        if self.differing:
            return found
        for key in self.ending.all_keys():
            lost = self.merge.overlooked(key, self.views[0])
            if lost is not None:
                holds = self._holds(self.views[0], key)
                text = (
                    f"all agree on {holds}, as if {told(lost)}"
                    f"{self._stamped(lost)}, had never been."
                )
                self.story.say(text[0].upper() + text[1:], lost.call.rows)
                self._table(key)
                found = found or text
        return found or self._total()

    def _same_updates(self) -> str:
        for place, view in enumerate(self.views):
            for other in self.views[:place]:
                if view.delivered is None or view.delivered != other.delivered:
                    continue
                differ = [k for k in self.differing if held(view, k) != held(other, k)]
                if differ:
                    key = differ[0]
                    text = (
                        f"{node_name(other.node)} and {node_name(view.node)} have taken in the "
                        f"same updates (digest {view.delivered}), but one holds "
                        f"{self._holds(other, key)}, the other {self._holds(view, key)}."
                    )
                    self.story.say(text, [*other.call.rows, *view.call.rows])
                    self._table(key)
                    return text
        return ""

    def _same_timestamp(self) -> str:
        for key in self.differing:
            by_stamp: dict[Any, View] = {}
            for view in self.views:
                stamp = held(view, key)[1]
                other = by_stamp.setdefault(stamp, view)
                if stamp is not None and held(other, key) != held(view, key):
                    text = (
                        f"under one timestamp, {plain(stamp)}, {node_name(other.node)} holds "
                        f"{self._holds(other, key)} and {node_name(view.node)} "
                        f"{self._holds(view, key)}."
                    )
                    self.story.say(text, [*other.call.rows, *view.call.rows])
                    self._table(key)
                    return text
        return ""

    def _total(self) -> str:
        """Of a counter on which all agree: whether the updates can make that total."""
        if self.records.kind != "counter" or not self.records.updates:
            return ""
        total = self.views[0].live.get("count", (0, None))[0]
        sums = self.merge.sums
        if sums.reach(total):
            return ""
        text = f"all agree on {total}, but {possible(self.merge)}."
        self.story.say(text[0].upper() + text[1:], self.views[0].call.rows)
        self._table("count")
        return text

    # ---- lagging replicas

    def lagging(self) -> str:
        """Who lacks what, as the rest of a sentence."""
        lacks = self._lacks()
        for view, key, update in lacks:
            self._say_lack(view, key, update)
        for key in dict.fromkeys([*(key for _, key, _ in lacks), *self.differing]):
            self._table(key)
        for node in self.silent:
            rows = self.ending.silent_rows(node)
            text = f"{node_name(node)} was asked {count(len(rows), 'time')} and never answered"
            self.story.say(f"{text}.", rows)
        since_ns = max(self.ending.ended_ns - self.ending.quiet_ns, 0)
        span = f"{seconds(since_ns)} after {self.quiet()}"
        silent = f"{listed(map(node_name, self.silent))} never answered" if self.silent else ""
        if not lacks:
            differ = self._differences() if self.differing else ""
            return f"{span}, {'; '.join(filter(None, [silent, differ]))}."
        who = ", ".join(filter(None, [*self._who(lacks), silent]))
        view, _, update = lacks[0]
        alone = len({view.node for view, _, _ in lacks}) == 1
        fault, _ = since(self.records, update, view.node)
        blame = f"; since {fault}." if fault else "; no fault was under way then, nor later."
        return (
            f"{span}, {who}. First of all {'it' if alone else node_name(view.node)} lacks "
            f"{told(update)}{blame}"
        )

    def _lacks(self) -> list[tuple[View, Any, Update]]:
        """Who lacks the greatest update of which key; acknowledged ones first, they weigh more."""
        found = [
            (view, key, lacked[0])
            for key in self.differing
            for view in self.views
            if (lacked := self.merge.lacked(key, view, self.views))
        ]
        return sorted(found, key=lambda lack: not lack[2].ok)

    def _who(self, lacks: list[tuple[View, Any, Update]]) -> list[str]:
        """Each replica with how many keys it lags in; those that lag alike together."""
        keys: dict[Any, int] = {}
        for view, _, _ in lacks:
            keys[view.node] = keys.get(view.node, 0) + 1
        alike: dict[int, list[str]] = {}
        for node in self.ending.last:
            if node in keys:
                alike.setdefault(keys[node], []).append(node_name(node))
        return [
            f"{listed(names)} still lack{'s' if len(names) == 1 else ''} updates of "
            f"{count(number, self.noun)}{' each' if len(names) > 1 else ''}"
            for number, names in alike.items()
        ]

    def _say_lack(self, view: View, key: Any, update: Update) -> None:
        fault, rows = since(self.records, update, view.node)
        repaired = _repaired(self.ending.timeline[view.node])
        took = f", although it took in {count(repaired, 'document')} by repair meanwhile"
        self.story.say(
            f"{node_name(view.node)} holds {self._holds(view, key)} and lacks {told(update)}"
            f"{self._stamped(update)}{took if repaired else ''}"
            f"{f'; since {fault}' if fault else ''}.",
            [*update.call.rows, *view.call.rows, *rows],
        )

    def _differences(self) -> str:
        key = self.differing[0]
        holds = [f"{node_name(view.node)} holds {self._holds(view, key)}" for view in self.views]
        rows = [row for view in self.views for row in view.call.rows]
        text = f"the replicas differ in {count(len(self.differing), self.noun)}: {', '.join(holds)}"
        if self.records.kind == "counter":
            text += f"; {possible(self.merge)}"
            sums = self.merge.sums
            for view in self.views:
                total = view.live.get("count", (0, None))[0]
                off = sums.low - total if total < sums.low else total - sums.high
                if off > 0:
                    what = "increments" if total < sums.low else "decrements"
                    self.story.say(
                        f"{node_name(view.node)} counts {total}, and so lacks {what} of at least "
                        f"{off} in all.",
                        view.call.rows,
                    )
        self.story.say(f"{text[0].upper()}{text[1:]}.", rows)
        return text

    def late(self, late: list[Settled], bound_ns: int) -> str:
        """Which key took longer than the bound, as a sentence."""
        worst = max(late, key=lambda one: one.after_ns)
        took_ns = worst.after_ns - self.ending.quiet_ns
        text = (
            f"{node_name(worst.node)} still showed another value of {shown(worst.key)} "
            f"{seconds(took_ns)} after {self.quiet()}"
        )
        self.story.say(f"{text}.", [worst.late_row])
        for one in late:
            self._table(one.key)
        return (
            f"All replicas agree in the end, but {count(len(late), 'key')} took longer than the "
            f"bound of {seconds(bound_ns)}: {text}."
        )

    # ---- words

    def quiet(self) -> str:
        """What the waiting began with."""
        last = self.records.faults.last
        if self.ending.quiet_row == self.records.faults.healed_row and last is not None:
            return f"the last fault, {last.words()}"
        if last is None:
            return f"the last update at {seconds(self.ending.quiet_ns)} (there was no fault)"
        return f"the last update at {seconds(self.ending.quiet_ns)}, after {last.words()}"

    def _holds(self, view: View, key: Any) -> str:
        if self.records.kind == "counter":
            return shown(view.live.get(key, (0, None))[0])
        if self.records.kind == "set":
            return f"{shown(key)}" if key in view.live else f"no {shown(key)}"
        if key in view.live:
            return f"{shown(view.live[key][0])} in {shown(key)}"
        buried = " (deleted)" if key in view.dead else ""
        return f"nothing in {shown(key)}{buried}"

    def _stamped(self, update: Update) -> str:
        return f" under the timestamp {plain(update.stamp)}" if update.stamp is not None else ""

    def _table(self, key: Any) -> None:
        """A line for every replica."""
        for view in self.views:
            value, stamp = held(view, key)
            lacked = self.merge.lacked(key, view, self.views)[:1]
            fault = since(self.records, lacked[0], view.node)[0] if lacked else ""
            self.story.line(
                key,
                node_name(view.node),
                _cell(value, key, view),
                plain(stamp if stamp is not None else view.dead.get(key)),
                told(lacked[0]) if lacked else None,
                fault or None,
            )


def possible(merge: Merge) -> str:
    """Which totals of a counter the updates can make."""
    sums = merge.sums
    unanswered = count(len(sums.open), "unanswered update")
    if not sums.open:
        return f"the acknowledged updates make {sums.sure}, and all were answered"
    return (
        f"the acknowledged updates make {sums.sure}, with the {unanswered} anything that they add "
        f"up to, from {sums.low} to {sums.high}"
    )


def _cell(value: Any, key: Any, view: View) -> Any:
    if value is None:
        return "deleted" if key in view.dead else None
    return value if isinstance(value, str | int | float) and value is not True else shown(value)


def _repaired(views: list[View]) -> int:
    """How many documents a node took in by repair between its first and its last probe."""
    first, last = views[0].repaired, views[-1].repaired
    return max(last - first, 0) if first is not None and last is not None else 0
