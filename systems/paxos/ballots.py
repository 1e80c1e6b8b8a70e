"""Ballots and quorum sizes: what every Paxos in this folder is built on.

A ballot is unique to the node that made it, and ballots are totally ordered. A node's priority
only decides between equal numbers (Ng, Haridi, Carbone, "Omni-Paxos", EuroSys 2023, on ballot
leader election). Configurations are *not* part of a ballot: every message carries its
configuration beside it, and is dropped where it does not fit.

A leader asks a *prepare quorum* what was accepted before it, and an entry is decided once an
*accept quorum* has it. All that safety needs is that any two of these share a node (Howard,
Malkhi, Spiegelman, "Flexible Paxos", 2016).

>>> Ballot(3, 0, 1) < Ballot(3, 0, 2) < Ballot(3, 1, 1) < Ballot(4, 0, 1)
True
>>> Quorums.of(5), Quorums.of(5, accept=2)
(Quorums(prepare=3, accept=3), Quorums(prepare=4, accept=2))
>>> Quorums.of(5, prepare=3, accept=2)
Traceback (most recent call last):
    ...
harness.errors.UsageError: Quorums of 3 to prepare and 2 to accept, among 5 nodes, need not meet...
"""

from __future__ import annotations

from typing import NamedTuple

from harness.errors import UsageError


class Ballot(NamedTuple):
    """A round of leadership: its number, the priority and the id of the node that made it."""

    number: int
    priority: int
    node: int


#: Before the first ballot; nobody leads in it.
ZERO = Ballot(0, 0, 0)


class Quorums(NamedTuple):
    """How many nodes a new leader must hear, and how many must have accepted a decided entry."""

    prepare: int
    accept: int

    @staticmethod
    def of(nodes: int, *, prepare: int | None = None, accept: int | None = None) -> Quorums:
        """Quorums of `nodes` nodes: majorities, or the sizes given; one given implies the other.

        Raises UsageError if two quorums could miss each other.
        """
        majority = nodes // 2 + 1
        if prepare is None:
            prepare = majority if accept is None else nodes - accept + 1
        if accept is None:
            accept = majority if prepare == majority else nodes - prepare + 1
        if not (1 <= accept <= nodes and 1 <= prepare <= nodes and prepare + accept > nodes):
            raise UsageError(
                f"Quorums of {prepare} to prepare and {accept} to accept, among {nodes} nodes, "
                "need not meet, so that a new leader might never hear of what its predecessor "
                f"decided. Their sum must be more than {nodes}, and neither may exceed it."
            )
        return Quorums(prepare, accept)
