"""What must hold in every Paxos of this folder, beside what holds in any replicated log.

| invariant           | holds                                                                  |
|---------------------|------------------------------------------------------------------------|
| promise-kept        | what a node may have told of its promise, no later life of it forgets  |
| ballot-safety       | one node, in one life of it, leads with a ballot                       |
| round-safety        | one entry is accepted at an index in a ballot                          |
| leader-completeness | whoever begins to lead has all that was decided in lower ballots       |
| decided-is-accepted | what is decided is on the disks of an accept quorum                    |

They read, beside what `systems.invariants.watch` names:

| attribute         | meaning                                                                 |
|-------------------|-------------------------------------------------------------------------|
| `configuration`   | its number                                                              |
| `promise`         | the highest ballot that was promised                                    |
| `told`            | the highest (configuration, ballot) that others may have heard promised |
| `quorums`         | `systems.paxos.ballots.Quorums`                                         |
| `latest_accepted` | (index, ballot, entry) of what was accepted last, or None               |
| `stored(index)`   | the ballot in which its disk has accepted the entry at an index, ZERO   |
|                   | if it has none                                                          |

Entries are accepted in the order of the log, so that looking at the last one of each change is
enough to notice two that differ.

>>> from types import SimpleNamespace
>>> watch, world = PromiseKept(), SimpleNamespace(now_ns=0)
>>> watch.observe(world, 1, SimpleNamespace(told=(1, Ballot(3, 0, 2))))
>>> watch.observe(world, 1, SimpleNamespace(told=(1, Ballot(2, 0, 5))))
Traceback (most recent call last):
    ...
harness.invariant.InvariantViolated: promise-kept: a promise was forgotten.
  0.000000 s  n1 has told its promise to ballot 3.0.2 of configuration 1
  0.000000 s  n1 has told its promise to ballot 2.0.5 of configuration 1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.invariant import Observed, Sighting
from harness.node import NodeId
from systems.invariants import CommitMonotone, StateAgreement, StateMachineSafety, Watch
from systems.invariants.watch import NodeInvariant
from systems.paxos.ballots import ZERO, Ballot
from systems.paxos.messages import Entry


def of_paxos() -> Sequence[Watch]:
    """All invariants of OmniPaxos and Multi-Paxos; one watch over them."""
    return [
        Watch(
            [
                PromiseKept(),
                BallotSafety(),
                RoundSafety(),
                LeaderCompleteness(),
                DecidedIsAccepted(),
                StateMachineSafety(),
                CommitMonotone(),
                StateAgreement(),
            ]
        )
    ]


def _name(configuration: int, ballot: Ballot) -> str:
    return f"ballot {'.'.join(map(str, ballot))} of configuration {configuration}"


class PromiseKept(NodeInvariant):
    """What a node has told grows, also from one life to the next.

    A promise that was lost in a crash before anybody heard of it is nobody's business.
    """

    name = "promise-kept"
    aspects = ("every-event",)

    def __init__(self) -> None:
        self._told: dict[NodeId, tuple[Any, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        told = replica.told
        before = self._told.get(node)
        if before is not None:
            if before[0] is told:
                return
            if told < before[0]:
                first = Sighting(time_ns=before[1], node=node, what=_telling(*before[0]))
                now = self.seen(world, node, _telling(*told))
                raise self.violated("a promise was forgotten", first, now)
        self._told[node] = (told, world.now_ns)


def _telling(configuration: int, ballot: Ballot) -> str:
    return f"has told its promise to {_name(configuration, ballot)}"


class BallotSafety(NodeInvariant):
    """A ballot has one leader: one node, and that in one of its lives only."""

    name = "ballot-safety"
    aspects = ("role",)

    def __init__(self) -> None:
        self._leaders: dict[tuple[int, Ballot], tuple[Any, Sighting]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        if replica.role != "leader":
            return
        key = (replica.configuration, replica.promise)
        first = self._leaders.get(key)
        if first is not None and first[0] is replica:
            return
        now = self.seen(world, node, f"leads {_name(*key)}")
        if first is not None:
            raise self.violated("a ballot has two leaders, or one in two lives", first[1], now)
        self._leaders[key] = (replica, now)


class RoundSafety(NodeInvariant):
    """In one ballot one entry is accepted at an index, by whomever."""

    name = "round-safety"
    aspects = ("log",)

    def __init__(self) -> None:
        self._accepted: dict[tuple[int, int, Ballot], tuple[Entry, NodeId, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        latest = replica.latest_accepted
        if latest is None:
            return
        index, ballot, entry = latest
        key = (replica.configuration, index, ballot)
        first = self._accepted.get(key)
        if first is None:
            self._accepted[key] = (entry, node, world.now_ns)
        elif first[0] is not entry and first[0] != entry:
            what = f"at {index} in {_name(replica.configuration, ballot)}"
            raise self.violated(
                "two entries are accepted at one index in one ballot",
                Sighting(time_ns=first[2], node=first[1], what=f"has accepted {first[0]} {what}"),
                self.seen(world, node, f"has accepted {entry} {what}"),
            )


class LeaderCompleteness(NodeInvariant):
    """Who begins to lead has every entry in its log that was decided in a lower ballot.

    Promises may be so slow that a higher ballot has led meanwhile: whoever leads with them can
    decide nothing, and need not know what that one has decided.
    """

    name = "leader-completeness"
    aspects = ("role", "commit")

    def __init__(self) -> None:
        # the entry, where it was first seen decided, the (configuration, ballot) there, and when
        self._decided: list[tuple[Entry | None, NodeId, tuple[int, Ballot], int]] = []
        self._leading: dict[NodeId, tuple[Any, Ballot]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        self._learn(world, node, replica)
        if replica.role != "leader":
            self._leading.pop(node, None)
            return
        leading = (replica, replica.promise)
        before = self._leading.get(node)
        if before is not None and before[0] is replica and before[1] == leading[1]:
            return
        self._leading[node] = leading
        log = replica.log
        for index in range(log.base_index + 1, len(self._decided) + 1):
            entry, where, ballot, when_ns = self._decided[index - 1]
            if entry is None or ballot >= (replica.configuration, replica.promise):
                continue
            held = log.at(index) if index <= log.last_index else None
            if held != entry:
                raise self.violated(
                    "a leader lacks what was decided before",
                    Sighting(time_ns=when_ns, node=where, what=f"has decided {entry} at {index}"),
                    self.seen(world, node, f"begins to lead with {held} at {index}"),
                )

    def _learn(self, world: Observed, node: NodeId, replica: Any) -> None:
        decided, log = self._decided, replica.log
        while len(decided) < min(replica.committed, log.last_index):
            index = len(decided) + 1
            # compacted before anybody looked: nothing to compare with
            entry = log.at(index) if index > log.base_index else None
            ballot = (replica.configuration, replica.promise)
            decided.append((entry, node, ballot, world.now_ns))


class DecidedIsAccepted(NodeInvariant):
    """When a leader decides, an accept quorum has accepted that much durably, in its ballot.

    Nodes that are down count with what their disks held when they were last seen: only what was
    durable counts, which a crash does not take.
    """

    name = "decided-is-accepted"
    aspects = ("role", "commit")

    def __init__(self) -> None:
        self._replicas: dict[NodeId, Any] = {}
        self._decided: dict[NodeId, tuple[Any, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        self._replicas[node] = replica
        if replica.role != "leader":
            self._decided.pop(node, None)  # what it learns when it begins was decided before
            return
        index = replica.committed
        before = self._decided.get(node)
        self._decided[node] = (replica, index)
        if before is None or before[0] is not replica or before[1] >= index:
            return
        configuration, ballot = replica.configuration, replica.promise
        holders = [
            number
            for number, other in sorted(self._replicas.items())
            if other.configuration == configuration and other.stored(index) >= ballot != ZERO
        ]
        if len(holders) < replica.quorums.accept:
            names = ", ".join(f"n{number}" for number in holders) or "nobody"
            first = self.seen(world, node, f"has decided {index} in {_name(configuration, ballot)}")
            now = self.seen(world, node, f"so far only {names} has that on disk")
            raise self.violated("what is decided is not on enough disks", first, now)
