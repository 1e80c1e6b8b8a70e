"""The election of most Multi-Paxos systems: whoever hears no leader for a while becomes one.

    leader ──Ping(round) every T/5──▶ all            silence for T ± 10 %: round + 1, lead

Pings of a higher round, or of the same round and a higher node, win. That is all: nobody asks
whether the leader hears a quorum, so that one that is heard but deaf leads for ever; and where two
nodes do not hear each other both lead, each raising its ballot as soon as it is overtaken.

(As in the Multi-Paxos that the Omni-Paxos paper was compared with; Whittaker's frankenpaxos has
the same participants and timeouts.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems.paxos.ballots import ZERO, Ballot
from systems.paxos.multi.messages import Ping

if TYPE_CHECKING:
    from systems.paxos.multi.node import MultiPaxosNode

PINGS_PER_SILENCE = 5


class PingElection:
    """One node's part. Rounds are forgotten in a crash: a node listens before it speaks."""

    def __init__(self, node: MultiPaxosNode, *, round_ns: int) -> None:
        self._node = node
        self._silence_ns = round_ns
        self.round = 0
        self.leader = 0
        self.leads = False

    def start(self, *, recovered: bool) -> None:
        """Listen."""
        self._listen()

    def _listen(self) -> None:
        context, silence_ns = self._node.context, self._silence_ns
        context.set_timer(
            "election", context.rng.uniform_ns(silence_ns * 9 // 10, silence_ns * 11 // 10)
        )

    def on_timer(self) -> None:
        """Time to ping; or nobody was heard."""
        if self.leads:
            self._ping()
        else:
            self.try_to_lead()

    def try_to_lead(self) -> None:
        """Lead from now on, until somebody pings in a higher round."""
        self.round += 1
        self.leader = self._node.context.id
        self.leads = True
        self._ping()
        self._lead_above(self._node.promise)

    def _ping(self) -> None:
        node = self._node
        for peer in node.peers:
            node.context.send(peer, Ping(self.round))
        node.context.set_timer("election", self._silence_ns // PINGS_PER_SILENCE)

    def on_ping(self, source: int, message: Ping) -> None:
        theirs, mine = (message.round, source), (self.round, self.leader)
        if theirs < mine:
            return
        if theirs > mine:
            self.round, self.leader = theirs
            self.leads = False
            self._node.follow(ZERO._replace(node=source))
        self._listen()

    def preempted(self, ballot: Ballot) -> None:
        """Somebody leads with a higher ballot: go above it, as long as nobody pings higher."""
        if self.leads:
            self._node.context.probe("ballot-raised")
            self._lead_above(ballot)

    def _lead_above(self, ballot: Ballot) -> None:
        number = max(ballot, self._node.promise).number + 1
        self._node.lead(Ballot(number, 0, self._node.context.id))
