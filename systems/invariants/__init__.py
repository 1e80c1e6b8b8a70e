"""Invariants that hold in every replicated log, to watch replicas while a simulation runs.

| invariant            | holds                                                        |
|----------------------|--------------------------------------------------------------|
| election-safety      | at most one leader in a term                                 |
| vote-once            | a node's vote counts for one candidate in a term, for ever   |
| term-monotone        | a node's term never goes back while it lives                 |
| log-matching         | equal index and term mean equal logs up to there             |
| leader-append-only   | a leader drops nothing of its own log                        |
| leader-completeness  | an elected leader has all that was committed                 |
| ack-soundness        | what a leader counts as stored is stored                     |
| state-machine-safety | what is decided at an index is the same everywhere, for ever |
| commit-monotone      | what is decided is not taken back, and is in the log         |
| state-agreement      | equally many applied entries give the same state             |
| lease-disjointness   | at most one node holds a lease at any instant of true time   |

The first seven need a term and a vote, the others hold for any replicated log.
`watch.py` says what they read of a replica. The first five of Raft are those of Ongaro 2014,
figure 3.2; a system adds its own by subclassing `NodeInvariant`.

>>> from systems.raft import Raft
>>> [type(one).__name__ for one in Raft().invariants()]
['Watch']
"""

from __future__ import annotations

from collections.abc import Sequence

from systems.invariants.elections import ElectionSafety, TermMonotone, VoteOnce
from systems.invariants.logs import LeaderAppendOnly, LeaderCompleteness, LogMatching
from systems.invariants.promises import AckSoundness, LeaseDisjointness
from systems.invariants.states import CommitMonotone, StateAgreement, StateMachineSafety
from systems.invariants.watch import NodeInvariant, Watch

__all__ = [
    "AckSoundness",
    "CommitMonotone",
    "ElectionSafety",
    "LeaderAppendOnly",
    "LeaderCompleteness",
    "LeaseDisjointness",
    "LogMatching",
    "NodeInvariant",
    "StateAgreement",
    "StateMachineSafety",
    "TermMonotone",
    "VoteOnce",
    "Watch",
    "of_terms",
]


def of_terms(*more: NodeInvariant, leases: bool = False) -> Sequence[Watch]:
    """All invariants of a log with terms and votes, and `more`; one watch over them."""
    return [
        Watch(
            [
                ElectionSafety(),
                VoteOnce(),
                TermMonotone(),
                LeaderAppendOnly(),
                LogMatching(),
                LeaderCompleteness(),
                AckSoundness(),
                StateMachineSafety(),
                CommitMonotone(),
                StateAgreement(),
                *([LeaseDisjointness()] if leases else []),
                *more,
            ]
        )
    ]
