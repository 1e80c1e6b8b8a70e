"""Who sees whom: does every node come to see all others, and notice those that are down?

    missing        in the end, all faults healed, a node does not see one that answers itself
    missed death   a node sees one that has been down for `detect_ns`
    doubled        a node lists one twice

How long things took, as distributions: `noticed` from a crash to the first answer without the dead
node (of every other node), `welcomed` from its restart to the first answer with it, and
`false suspicions`: how long a node did not see one that was not down (partitions make them, so they
are no failure).

Sound: who answers after everything has healed is there. Whether a node is down is what the nemesis
says (`start-kill` to `stop-kill`, with the names of the nodes).

>>> from checkers.convergence.notation import parse
>>> print(Membership().check(parse('''
...     1000 nemesis start-kill n2
...     2000 nemesis stop-kill n2
...     9000 0 members = 1 1
...     9000 1 members = 2 1 2
... ''')).reason)
In the end, 6.999 s after the last fault, n1 does not see n2, which answers; since the kill of n2
(1.000 s to 2.001 s).

Limits: nodes that no client talks with are seen by others, and not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from checkers.convergence.conventions import refuse_malformed
from checkers.convergence.faults import Fault, Faults
from checkers.convergence.records import Call
from checkers.convergence.words import (
    Story,
    count,
    distribution,
    failed,
    listed,
    milliseconds,
    node_name,
    seconds,
    skipped,
)
from harness.errors import UsageError
from harness.history import INVOKE, OK, History
from harness.verdict import Checker, Verdict

#: Within this time the default failure detector of gossip has noticed any crash.
DEFAULT_DETECT_NS: Final = 20_000_000_000
_DOWN: Final = ("kill", "crash")


@dataclass(frozen=True, slots=True)
class _Answer:
    """Whom a node saw."""

    node: Any
    members: tuple[Any, ...]
    call: Call


class Membership(Checker):
    """In the end all see all; nobody sees for longer than `detect_ns` who is down.

    `bound_ns`: how long after the last fault nodes may take to see all others; None: until the
    last answer. Raises UsageError on durations that are not positive, and from `check` on malformed
    answers.
    """

    name = "membership"
    needs_whole_run = True

    def __init__(self, *, bound_ns: int | None = None, detect_ns: int = DEFAULT_DETECT_NS) -> None:
        for name, value in (("bound_ns", bound_ns), ("detect_ns", detect_ns)):
            if value is not None and value <= 0:
                raise UsageError(f"{name} is {value}; it is a duration in nanoseconds, above 0.")
        self.bound_ns = bound_ns
        self.detect_ns = detect_ns

    def check(self, history: History) -> Verdict:
        refuse_malformed(history)
        answers = _answers(history)
        if not answers:
            return skipped(
                self.name,
                "No node was asked whom it sees (`members`).",
            )
        faults = Faults.of(history)
        story = Story("Who does not see whom", ("replica", "at", "sees", "but", "since"))
        reasons = _doubled(story, answers)
        unhealed = bool(faults.unhealed)
        missing, undecided = self._missing(story, answers, faults)
        reasons += [] if unhealed else missing
        reasons += self._missed_deaths(story, answers, faults)
        details: dict[str, Any] = {
            "answers": len(answers),
            "nodes": [node_name(node) for node in _nodes(answers)],
            "healed_ns": faults.healed_ns,
            "distributions": _measures(answers, faults),
        }
        if reasons:
            return failed(self.name, reasons[0], story, details)
        if undecided or unhealed:
            why = undecided or f"a fault never ended: {faults.unhealed[0].words()}"
            return Verdict(
                checker=self.name,
                outcome="unknown" if undecided else "skipped",
                reason=f"Nothing can be said of the end: {why}.",
                details=details,
            )
        return Verdict(
            checker=self.name,
            outcome="pass",
            reason="In the end the only node sees nobody else."
            if len(details["nodes"]) == 1
            else f"In the end all {count(len(details['nodes']), 'node')} see each other.",
            could_not_detect=(
                "what nodes believe between two answers",
                "nodes that are down without the nemesis saying so",
            ),
            details=details,
        )

    def _missing(
        self, story: Story, answers: list[_Answer], faults: Faults
    ) -> tuple[list[str], str]:
        """Who in the end does not see whom; or why it is not yet to be said."""
        last: dict[Any, _Answer] = {}
        for answer in answers:
            if answer.call.call_row > faults.healed_row:
                last[answer.node] = answer
        reasons = []
        for answer in last.values():
            unseen = [node for node in last if node != answer.node and node not in answer.members]
            if not unseen:
                continue
            after_ns = answer.call.call_ns - faults.healed_ns
            names = listed(map(node_name, unseen))
            if self.bound_ns is not None and after_ns < self.bound_ns:
                return [], (
                    f"{node_name(answer.node)} does not see {names} {seconds(after_ns)} after the "
                    f"last fault, and nobody asked until the bound of {seconds(self.bound_ns)}"
                )
            fault = _blamed(faults, [answer.node, *unseen])
            since = f"; since {fault.words()}" if fault is not None else ""
            after = "the last fault" if faults.last is not None else "the beginning"
            text = (
                f"In the end, {seconds(after_ns)} after {after}, {node_name(answer.node)} does not "
                f"see {names}, which answer{'s' if len(unseen) == 1 else ''}{since}."
            )
            others = [row for node in unseen for row in last[node].call.rows]
            story.say(text, [*answer.call.rows, *others])
            _line(story, answer, f"{names} not seen", fault)
            reasons.append(text)
        return reasons, ""

    def _missed_deaths(self, story: Story, answers: list[_Answer], faults: Faults) -> list[str]:
        reasons = []
        for fault in _deaths(faults):
            until_ns = fault.stop_ns if fault.stop_ns is not None else 1 << 62
            for answer in answers:
                since_ns = answer.call.call_ns - fault.start_ns
                seen = [node for node in answer.members if fault.names(node)]
                # asked for after it had been down for long enough, answered before it came back
                if since_ns > self.detect_ns and answer.call.end_ns < until_ns and seen:
                    text = (
                        f"{node_name(answer.node)} still sees {listed(map(node_name, seen))} at "
                        f"{seconds(answer.call.end_ns)}, {seconds(since_ns)} after "
                        f"{fault.words()} began."
                    )
                    story.say(text, [fault.start_row, *answer.call.rows])
                    _line(story, answer, f"{listed(map(node_name, seen))} down", fault)
                    reasons.append(text)
                    break
        return reasons


def _answers(history: History) -> list[_Answer]:
    found = []
    asked = history.client_rows & (history.type == INVOKE) & history.named(("members",))
    for row in np.flatnonzero(asked).tolist():
        end = int(history.partner[row])
        answer = history.values[history.value[end]] if end >= 0 else None
        if end < 0 or history.type[end] != OK or not isinstance(answer, dict):
            continue
        times = int(history.time_ns[row]), int(history.time_ns[end])
        call = Call(int(history.process[row]), row, end, *times)
        found.append(_Answer(answer.get("node"), tuple(answer["members"]), call))
    return found


def _nodes(answers: list[_Answer]) -> list[Any]:
    return sorted(dict.fromkeys(answer.node for answer in answers), key=str)


def _deaths(faults: Faults) -> list[Fault]:
    return [fault for fault in faults.all if fault.kind in _DOWN and fault.nodes]


def _blamed(faults: Faults, nodes: list[Any]) -> Fault | None:
    """The last fault that names one of the nodes, or the last of all."""
    named = [fault for fault in faults.all if any(map(fault.names, nodes))]
    return named[-1] if named else faults.last


def _doubled(story: Story, answers: list[_Answer]) -> list[str]:
    for answer in answers:
        twice = [node for node in answer.members if answer.members.count(node) > 1]
        if twice:
            text = (
                f"{node_name(answer.node)} lists {node_name(twice[0])} twice at "
                f"{seconds(answer.call.end_ns)}."
            )
            story.say(text, answer.call.rows)
            _line(story, answer, f"{node_name(twice[0])} twice", None)
            return [text]
    return []


def _line(story: Story, answer: _Answer, but: str, fault: Fault | None) -> None:
    sees = " ".join(map(node_name, answer.members))
    since = None if fault is None else fault.words()
    story.line(node_name(answer.node), seconds(answer.call.end_ns), sees, but, since)


def _measures(answers: list[_Answer], faults: Faults) -> dict[str, Any]:
    by_node: dict[Any, list[_Answer]] = {}
    for answer in answers:
        by_node.setdefault(answer.node, []).append(answer)
    noticed, welcomed, suspicions = [], [], []
    for mine in by_node.values():
        for fault in _deaths(faults):
            if fault.names(mine[0].node):
                continue
            for name in fault.nodes:
                gone = _first(mine, name, fault.start_ns, fault.stop_ns, there=False)
                if gone is not None:
                    noticed.append(milliseconds(gone - fault.start_ns))
                    back = _first(mine, name, fault.stop_ns, None, there=True)
                    if fault.stop_ns is not None and back is not None:
                        welcomed.append(milliseconds(back - fault.stop_ns))
        suspicions += _suspicions(mine, _nodes(answers), faults)
    return {
        "noticed": distribution(noticed),
        "welcomed": distribution(welcomed),
        "false suspicions": distribution(suspicions),
    }


def _first(
    mine: list[_Answer], name: str, from_ns: int | None, to_ns: int | None, *, there: bool
) -> int | None:
    """When the first answer between two times came that has a node, or has it not."""
    for answer in mine:
        if from_ns is None or answer.call.call_ns < from_ns:
            continue
        if to_ns is not None and answer.call.end_ns > to_ns:
            return None
        if (name in map(node_name, answer.members)) == there:
            return answer.call.end_ns
    return None


def _suspicions(mine: list[_Answer], nodes: list[Any], faults: Faults) -> list[float]:
    """How long each node was not seen although it was not down."""
    found = []
    deaths = _deaths(faults)
    seen: dict[Any, bool] = {}
    began: dict[Any, int] = {}
    for answer in mine:
        for node in nodes:
            down = any(fault.during(answer.call.call_ns) and fault.names(node) for fault in deaths)
            if node in answer.members:
                if node in began:
                    found.append(milliseconds(answer.call.end_ns - began.pop(node)))
                seen[node] = True
            elif seen.get(node) and not down:
                began.setdefault(node, answer.call.end_ns)
            if down:
                began.pop(node, None)
                seen[node] = False
    return found
