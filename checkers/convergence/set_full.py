"""Elements of a set: does what was added stay, and how long until everybody sees it?

    stable       the last reads of every node that read it after it was known have it
    lost         the last read of some node lacks it, though it began after the element was known
    never-read   nobody read after it was known
    stale        stable, but some read that began after it was known did not have it yet
    doubled      an answer has it more than once
    stranger     an answer has what nobody added, or what was refused

*Known* is an element from the answer to its addition, or from the first read that shows it. This is
Jepsen's set-full, node by node where reads name their node, with three differences: what an answer
repeats is found (Jepsen asks whether something occurs less than once); an element counts as lost
only if no read that ended after the last absent one began has it (of two reads at once, either may
be the earlier); and strangers fail.

Sound: an unanswered addition counts from when somebody saw it; before, nothing is asked of it.
Elements that somebody tried to remove are left out: `no-resurrection` and `convergence` know of
them. Whether a store *may* be stale is the option `linearizable`.

>>> from checkers.convergence.notation import parse
>>> print(SetFull().check(parse('''
...     1000 0 add 5 =
...     2000 1 elements = 2 5
...     3000 0 add 6 =
...     4000 1 elements = 2 6
... ''')).reason)
1 of 2 elements was lost. 5, added by process 0 and acknowledged at 1.001 s, is missing at n2 in its
last answer, asked for at 4.000 s; the last answer that has it came at 2.001 s from n2.

Limits: a history without reads when all has settled makes late elements look lost. Convergent
workloads ask for every `replica` until the end, which counts as reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkers.convergence.elements import ADDS, Sight
from checkers.convergence.faults import Faults
from checkers.convergence.objects import key_by_key
from checkers.convergence.words import (
    Story,
    count,
    distribution,
    failed,
    listed,
    milliseconds,
    node_name,
    seconds,
    shown,
    skipped,
)
from harness.history import History
from harness.verdict import Checker, Verdict

#: So many elements of a kind are named in the details.
_NAMED = 50
#: So many of the worst latencies are named, as Jepsen does.
_WORST = 8


class SetFull(Checker):
    """What was added stays; key by key.

    `linearizable`: also no read may miss what was known before it began. Passes only if at least
    one element is stable; `unknown` if none was ever read. `check` raises UsageError on malformed
    answers.
    """

    name = "set-full"
    needs_whole_run = True
    noun = "element"

    def __init__(self, *, linearizable: bool = False) -> None:
        self.linearizable = linearizable

    def check(self, history: History) -> Verdict:
        return key_by_key(history, (*ADDS, "remove"), self._judge)

    def _judge(self, history: History) -> Verdict:
        sight = Sight.of(history)
        if not (sight.added >= 0).any():
            return skipped(
                self.name,
                f"No {self.noun} was ever added, so that none can be lost.",
            )
        if not sight.reads:
            return Verdict(
                checker=self.name,
                outcome="unknown",
                reason=f"Nobody read the set: what became of {len(sight.elements):,} "
                f"{self.noun}s, nobody knows.",
            )
        fates = Fates(sight)
        details = self._details(fates)
        story = self._story(fates)
        reasons = [sentence for sentence in self._complaints(fates, story) if sentence]
        if reasons:
            return failed(self.name, " ".join(reasons), story, details)
        if not fates.stable.any():
            return Verdict(
                checker=self.name,
                outcome="unknown",
                reason=f"Nobody read the set after one of its {self.noun}s was known to be in it.",
                details=details,
            )
        return Verdict(
            checker=self.name,
            outcome="pass",
            reason=f"{count(int(fates.stable.sum()), self.noun)} stayed, none was lost; "
            f"{int(fates.stale.sum()):,} took a while to be seen everywhere.",
            could_not_detect=(
                f"{self.noun}s that somebody tried to remove ({int(fates.left_out.sum()):,})",
                f"{self.noun}s that nobody read after they were known "
                f"({int(fates.never_read.sum()):,})",
                "what was added without an answer and never seen",
            ),
            details=details,
        )

    # ---- what is wrong

    def _complaints(self, fates: Fates, story: Story) -> list[str]:
        found = []
        if fates.lost.any():
            found.append(self._some(fates, fates.lost, "lost"))
            found.append(self._tell_lost(fates, story))
        if fates.sight.doubled:
            element, row = fates.sight.doubled[0]
            text = f"{shown(element)} is more than once in the answer of row {row}."
            story.say(text, [row])
            found.append(text)
        if fates.strangers:
            found.append(self._tell_strangers(fates, story))
        if self.linearizable and fates.stale.any():
            found.append(self._some(fates, fates.stale, "stale"))
            found.append(self._tell_stale(fates, story))
        return found

    def _some(self, fates: Fates, mask: NDArray[np.bool_], what: str) -> str:
        number, total = int(mask.sum()), int(fates.counted.sum())
        verb = "was" if number == 1 else "were"
        return f"{number:,} of {count(total, self.noun)} {verb} {what}."

    def _story(self, fates: Fates) -> Story:
        columns = (self.noun, "added by", "known at", "missing at", "last seen at", "since")
        return Story(f"What was lost, of {len(fates.sight.elements):,} {self.noun}s", columns)

    def _tell_lost(self, fates: Fates, story: Story) -> str:
        sight, history = fates.sight, fates.sight.history
        faults = Faults.of(history)
        first = ""
        for place in np.flatnonzero(fates.lost).tolist():
            nodes = [node for node in sight.nodes if fates.lost_at[node][place]]
            node = nodes[0]
            absent = int(sight.last_absent[node][place])
            element, adder = shown(sight.elements[place]), self._adder(sight, place)
            where = (
                f"in {'its' if len(nodes) == 1 else 'their'} last answer{'s' * (len(nodes) > 1)}"
            )
            where = f"at {listed(map(node_name, nodes))} {where}"
            text = (
                f"{element}, {adder}, is missing {where if node is not None else 'in a read'}, "
                f"asked for at {seconds(int(history.time_ns[absent]))}; {fates.last_seen(place)}."
            )
            fault = faults.blamed(fates.known_ns(place), nodes[0])
            if fault is not None:
                text = f"{text[:-1]}; since {fault.words()}."
            rows = [int(sight.added[place]), int(sight.known[place]), absent]
            story.say(text, [*rows, int(history.partner[absent])])
            story.line(
                sight.elements[place] if isinstance(sight.elements[place], int | str) else element,
                f"process {int(history.process[sight.added[place]])}",
                seconds(fates.known_ns(place)),
                listed(map(node_name, nodes)),
                fates.last_seen(place),
                None if fault is None else fault.words(),
            )
            first = first or text
        return first

    def _adder(self, sight: Sight, place: int) -> str:
        history, row = sight.history, int(sight.added[place])
        end = int(sight.acknowledged[place])
        who = f"added by process {int(history.process[row])}"
        if end < 0:
            return f"{who} without an answer (first seen in row {int(sight.known[place])})"
        return f"{who} and acknowledged at {seconds(int(history.time_ns[end]))}"

    def _tell_strangers(self, fates: Fates, story: Story) -> str:
        sight = fates.sight
        first = ""
        for place in fates.strangers:
            row = int(sight.known[place])
            why = "whose addition was refused" if sight.refused[place] else "that nobody added"
            text = f"The answer of row {row} has {shown(sight.elements[place])}, {why}."
            story.say(text, [row])
            first = first or text
        return first

    def _tell_stale(self, fates: Fates, story: Story) -> str:
        history = fates.sight.history
        places = np.flatnonzero(fates.stale)
        place = int(places[np.argmax(fates.stable_latency_ns[places])])
        row = int(fates.absent[place])
        text = (
            f"{shown(fates.sight.elements[place])}, known at {seconds(fates.known_ns(place))}, "
            f"was not in the answer to the read begun at {seconds(int(history.time_ns[row]))}."
        )
        story.say(text, [int(fates.sight.known[place]), row, int(history.partner[row])])
        return text

    def _details(self, fates: Fates) -> dict[str, Any]:
        sight = fates.sight
        worst = [p for p in np.argsort(-fates.stable_latency_ns).tolist() if fates.stale[p]]
        return {
            "attempted": int((sight.added >= 0).sum()),
            "acknowledged": int((sight.acknowledged >= 0).sum()),
            "reads": sight.reads,
            "nodes": [node_name(node) for node in sight.nodes],
            "stable": int(fates.stable.sum()),
            "lost": fates.named(fates.lost),
            "lost_count": int(fates.lost.sum()),
            "never_read": fates.named(fates.never_read),
            "never_read_count": int(fates.never_read.sum()),
            "stale_count": int(fates.stale.sum()),
            "worst_stale": [
                {"element": sight.elements[p], "latency_ms": fates.latency_ms(p)}
                for p in worst[:_WORST]
            ],
            "removed_count": int(fates.left_out.sum()),
            "doubled": [element for element, _ in sight.doubled[:_NAMED]],
            "doubled_count": len(sight.doubled),
            "strangers": [sight.elements[place] for place in fates.strangers[:_NAMED]],
            "distributions": {
                "stable latency": distribution(
                    map(fates.latency_ms, np.flatnonzero(fates.stable).tolist())
                ),
                "lost latency": distribution(
                    map(fates.lost_latency_ms, np.flatnonzero(fates.lost).tolist())
                ),
            },
        }


class Fates:
    """What became of each element. Masks have one entry an element."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        added = sight.added >= 0
        self.strangers = (
            sight.strangers + np.flatnonzero(sight.refused & (sight.known >= 0)).tolist()
        )
        self.left_out = sight.removable
        self.counted = added & ~sight.refused & ~sight.removable & (sight.known >= 0)
        self.lost_at: dict[Any, NDArray[np.bool_]] = {}
        self.absent = np.full(len(sight.elements), -1)
        present = np.zeros(len(sight.elements), dtype=bool)
        for node in sight.nodes:
            absent = np.where(sight.last_absent[node] > sight.known, sight.last_absent[node], -1)
            self.absent = np.maximum(self.absent, absent)
            lost = self.counted & (absent >= 0) & (sight.last_present[node] < absent)
            self.lost_at[node] = lost
            present |= sight.last_present[node] >= 0
        self.lost = np.zeros(len(sight.elements), dtype=bool)
        for lost in self.lost_at.values():
            self.lost |= lost
        self.stable = self.counted & ~self.lost & present
        self.never_read = self.counted & ~self.lost & ~present
        self.stale = self.stable & (self.absent >= 0)
        times = sight.history.time_ns
        waited = np.zeros(len(sight.elements), dtype=np.int64)
        seen = self.absent >= 0
        waited[seen] = times[self.absent[seen]] - times[sight.known[seen]]
        self.stable_latency_ns = np.maximum(waited, 0)

    def known_ns(self, place: int) -> int:
        return int(self.sight.history.time_ns[self.sight.known[place]])

    def latency_ms(self, place: int) -> float:
        """From known to the last read that missed it."""
        return milliseconds(int(self.stable_latency_ns[place]))

    def lost_latency_ms(self, place: int) -> float:
        """From known to the last answer that had it; 0 if none did."""
        row = max(int(rows[place]) for rows in self.sight.last_present.values())
        if row < 0:
            return 0.0
        return milliseconds(int(self.sight.history.time_ns[row]) - self.known_ns(place))

    def last_seen(self, place: int) -> str:
        """When an answer had the element for the last time, as the end of a sentence."""
        sight = self.sight
        node = max(sight.nodes, key=lambda one: int(sight.last_present[one][place]))
        row = int(sight.last_present[node][place])
        if row < 0:
            return "no answer ever had it"
        when = seconds(int(sight.history.time_ns[row]))
        whence = f" from {node_name(node)}" if node is not None else ""
        return f"the last answer that has it came at {when}{whence}"

    def named(self, mask: NDArray[np.bool_]) -> list[Any]:
        """Some of the elements of a mask."""
        return [self.sight.elements[place] for place in np.flatnonzero(mask)[:_NAMED].tolist()]
