"""Invariants of elections: one leader a term, one vote a node and term, terms that never go back.

Votes are looked at where they count, with the candidate: a vote that was drawn up but lost in a
crash before it was durable and sent has harmed nobody. For this a candidate offers `votes`, the
set of nodes that have voted for it in `term`, itself included (a replica without `votes` is judged
by `voted_for` alone).

>>> from types import SimpleNamespace
>>> watch = ElectionSafety()
>>> world = SimpleNamespace(now_ns=0)
>>> watch.observe(world, 1, SimpleNamespace(role="leader", term=3))
>>> watch.observe(world, 2, SimpleNamespace(role="leader", term=3))
Traceback (most recent call last):
    ...
harness.invariant.InvariantViolated: election-safety: two leaders in one term.
  0.000000 s  n1 leads term 3
  0.000000 s  n2 leads term 3
"""

from __future__ import annotations

from typing import Any

from harness.invariant import Observed, Sighting
from harness.node import NodeId
from systems.invariants.watch import NodeInvariant


class ElectionSafety(NodeInvariant):
    """At most one node leads in any one term (Ongaro 2014, figure 3.2)."""

    name = "election-safety"
    aspects = ("role",)

    def __init__(self) -> None:
        self._leaders: dict[int, Sighting] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        if replica.role != "leader":
            return
        first = self._leaders.get(replica.term)
        if first is None:
            self._leaders[replica.term] = self.seen(world, node, f"leads term {replica.term}")
        elif first.node != node:
            now = self.seen(world, node, f"leads term {replica.term}")
            raise self.violated("two leaders in one term", first, now)


class VoteOnce(NodeInvariant):
    """A node votes for one candidate in a term, whatever it may have forgotten in a crash.

    It also never comes back in a term below one in which its vote has been counted, and no vote
    counts that it has not given.
    """

    name = "vote-once"
    aspects = ("role", "candidate")

    def __init__(self) -> None:
        # (voter, term) -> who counted that vote; the latest such term of each voter
        self._counted: dict[tuple[NodeId, int], Sighting] = {}
        self._candidates: dict[tuple[NodeId, int], NodeId] = {}
        self._latest: dict[NodeId, int] = {}
        # in one life: replica, term, voted_for
        self._votes: dict[NodeId, tuple[Any, int, NodeId]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        before = self._votes.get(node)
        term, voted_for = replica.term, replica.voted_for
        if before is None or before[0] is not replica:
            self._check_memory(world, node, replica)
            self._votes[node] = (replica, term, voted_for)
        elif before[1] != term or before[2] != voted_for:
            if before[1] == term and before[2]:
                first = self.seen(world, node, f"had voted for n{before[2]} in term {term}")
                now = self.seen(world, node, f"votes for n{voted_for} in term {term}")
                raise self.violated("a vote was given twice", first, now)
            self._votes[node] = (replica, term, voted_for)
        role = replica.role
        if role == "candidate" or (role == "leader" and (node, term) not in self._candidates):
            votes = getattr(replica, "votes", ())
            # as long as a candidate has only its own vote, it need not have told anybody
            if len(votes) > 1 or role == "leader":
                self._count(world, node, term, sorted(votes))

    def _count(self, world: Observed, node: NodeId, term: int, voters: list[NodeId]) -> None:
        """Write down whose votes a candidate has."""
        for voter in voters:
            key = (voter, term)
            candidate = self._candidates.get(key)
            if candidate == node:
                continue
            now = self.seen(world, node, f"counts the vote of n{voter} in term {term}")
            if candidate is not None:
                raise self.violated("one vote counts for two", self._counted[key], now)
            _, its_term, its_vote = self._votes.get(voter, (None, term, node))
            if its_term < term or (its_term == term and its_vote != node):
                what = f"is in term {its_term}, with its vote for n{its_vote}"
                first = self.seen(world, voter, what)
                raise self.violated("a vote counts that was not given", first, now)
            self._candidates[key] = node
            self._counted[key] = now
            self._latest[voter] = max(self._latest.get(voter, 0), term)

    def _check_memory(self, world: Observed, node: NodeId, replica: Any) -> None:
        """A node has just (re)started: does it still know what it promised?"""
        latest = self._latest.get(node, 0)
        if replica.term > latest or not latest:
            return
        candidate = self._candidates[node, latest]
        if replica.term < latest or (replica.voted_for != candidate):
            what = f"starts in term {replica.term}, with its vote for n{replica.voted_for}"
            now = self.seen(world, node, what)
            raise self.violated("a vote was forgotten", self._counted[node, latest], now)


class TermMonotone(NodeInvariant):
    """Within one life a node's term never goes back."""

    name = "term-monotone"
    aspects = ("role",)

    def __init__(self) -> None:
        self._terms: dict[NodeId, tuple[Any, int]] = {}

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        before = self._terms.get(node)
        if before is not None and before[0] is replica and replica.term < before[1]:
            first = self.seen(world, node, f"was in term {before[1]}")
            raise self.violated(
                "a term went back", first, self.seen(world, node, f"is in term {replica.term}")
            )
        self._terms[node] = (replica, replica.term)
