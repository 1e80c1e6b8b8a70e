"""Raft, replicating any state machine.

| system         | PreVote | CheckQuorum | in comparisons                                          |
|----------------|---------|-------------|---------------------------------------------------------|
| `raft`         | yes     | yes         | "Raft+PV+CQ": stuck only where the hub lacks the log    |
| `raft-lease`   | yes     | yes         | the same; reads rest on a lease                         |
| `raft-prevote` | yes     | no          | "Raft+PV": stuck where a leader cannot tell it is alone |
| `raft-plain`   | no      | no          | "Raft": toppled by whoever cannot hear the leader       |

Flaws are planted in `raft` alone, with the options that they need to show.

>>> from systems.raft import Raft
>>> Raft().summary
'Raft with PreVote and CheckQuorum, snapshots, membership changes, ReadIndex'
>>> RaftPlain().options.pre_vote
False
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from harness.invariant import Invariant
from harness.system import Flaw
from systems.consensus import ConsensusSystem
from systems.invariants import of_terms
from systems.raft.flaws import FLAWS
from systems.raft.messages import MESSAGES
from systems.raft.node import RaftNode
from systems.raft.options import RaftOptions

__all__ = ["Raft", "RaftLease", "RaftNode", "RaftOptions", "RaftPlain", "RaftPreVote"]


class Raft(ConsensusSystem):
    """The system `raft`; see `systems.raft.node` for the algorithm."""

    name = "raft"
    summary = "Raft with PreVote and CheckQuorum, snapshots, membership changes, ReadIndex"
    messages = MESSAGES
    patience_ns = RaftOptions.election_maximum_ns
    flaws: ClassVar[Mapping[str, Flaw]] = {name: planted.flaw for name, planted in FLAWS.items()}
    #: What this variant has other than the defaults of `RaftOptions`.
    settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *, flaw: str | None = None, options: RaftOptions | None = None) -> None:
        super().__init__(flaw=flaw)
        options = options or RaftOptions(**self.settings)
        self.node_class = RaftNode
        if flaw is not None:
            planted = FLAWS[flaw]
            self.node_class = planted.node
            options = replace(options, **planted.settings)
        self.options: RaftOptions = options

    def invariants(self) -> Sequence[Invariant]:
        return of_terms(leases=self.options.lease_reads)


class RaftLease(Raft):
    """The system `raft-lease`."""

    name = "raft-lease"
    summary = "Raft whose leaders read by lease, without a round of messages"
    flaws: ClassVar[Mapping[str, Flaw]] = {}
    settings: ClassVar[Mapping[str, Any]] = {"lease_reads": True}


class RaftPreVote(Raft):
    """The system `raft-prevote`."""

    name = "raft-prevote"
    summary = "Raft with PreVote but without CheckQuorum"
    flaws: ClassVar[Mapping[str, Flaw]] = {}
    settings: ClassVar[Mapping[str, Any]] = {"check_quorum": False}


class RaftPlain(Raft):
    """The system `raft-plain`."""

    name = "raft-plain"
    summary = "Raft as in the paper: neither PreVote nor CheckQuorum"
    flaws: ClassVar[Mapping[str, Flaw]] = {}
    settings: ClassVar[Mapping[str, Any]] = {"pre_vote": False, "check_quorum": False}
