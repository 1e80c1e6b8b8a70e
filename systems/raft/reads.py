"""How a leader reads: by asking a quorum whether it still leads, or by its lease.

    ReadIndex   read ─▶ a round of Append that begins after it ─▶ answered by a quorum ─▶ answer
    lease       a round that a quorum has answered ─▶ answer at once until its sending + patience

Either way the leader must have committed an entry of its own term, and the state must be at least
as new as what was committed when the request came (Ongaro 2014, §6.4).

A lease counts from the *sending* of a round: a follower that answers it has heard this leader
later than that, and will not help to elect another one for `election_minimum_ns` of its own time.
Handing the leadership over breaks that promise, so from then on there is no lease in this term.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from harness.node import ClientRequest

if TYPE_CHECKING:
    from systems.raft.leadership import Leadership


class Reads:
    """The reads that wait at a leader, and the rounds that confirm its leadership."""

    def __init__(self, leadership: Leadership) -> None:
        self.leadership = leadership
        self.node = leadership.node
        #: The latest round that a quorum has answered.
        self.confirmed = 0
        #: Until when no other node can be elected, on the own clock; 0 without lease reads.
        self.lease_until_ns = 0
        self.leases = self.node.options.lease_reads
        self._lease_ns = self.node.options.lease_ns(
            drift_ppm=self.node.context.clock.drift_bound_ppm()
        )
        self._sent: deque[tuple[int, int]] = deque()  # rounds and when they were sent
        self._waiting: list[tuple[int, int, ClientRequest]] = []

    def read(self, request: ClientRequest) -> None:
        """Answer now if the lease allows it, else once a quorum has confirmed the leadership."""
        leadership = self.leadership
        index = max(self.node.committed, leadership.first_index)
        if self.leases and index <= self.node.applied and self.has_lease():
            self.node.answer_read(request)
            return
        self._waiting.append((leadership.round + 1, index, request))
        if self.confirmed == leadership.round:
            self.next_round()

    def refuse_all(self) -> None:
        """The leader steps down: no read that waits is answered."""
        waiting, self._waiting = self._waiting, []
        for _, _, request in waiting:
            self.node.refuse(request)

    def serve(self) -> None:
        """Answer the reads that need wait no longer."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for read in waiting:
            round_number, index, request = read
            if round_number <= self.confirmed and index <= self.node.applied:
                self.node.answer_read(request)
            else:
                self._waiting.append(read)
        if (
            self._waiting
            and self.confirmed == self.leadership.round
            and self._waiting[-1][0] > self.leadership.round
        ):
            self.next_round()

    # ---- rounds

    def next_round(self) -> None:
        """Ask everybody whether this node still leads."""
        leadership = self.leadership
        self.begin_round()
        for peer, progress in leadership.progress.items():
            leadership.send(peer, progress)
        self.confirm()

    def begin_round(self) -> None:
        """What is sent from now on belongs to a new round."""
        leadership = self.leadership
        leadership.round += 1
        leadership.own.round = leadership.round
        if self.leases:
            self._sent.append((leadership.round, self.node.context.clock.monotonic_ns()))

    def on_heartbeat(self) -> None:
        """Renew the lease by the way."""
        if self.leases:
            self.begin_round()
            self.confirm()  # a leader that is the only voter gets no answer

    def confirm(self) -> None:
        """Some peer has answered a later round: has a quorum?"""
        confirmed = self.leadership.round
        for group in self.leadership.groups:
            rounds = sorted([progress.round for progress in group])
            confirmed = min(confirmed, rounds[(len(rounds) - 1) // 2])
        if confirmed > self.confirmed:
            self.confirmed = confirmed
            if self.leases:
                self.renew(confirmed)
            self.serve()

    # ---- lease

    def has_lease(self) -> bool:
        return self.node.context.clock.monotonic_ns() < self.lease_until_ns

    def renew(self, confirmed: int) -> None:
        """The round `confirmed` was answered by a quorum."""
        sent = self._sent
        while sent and sent[0][0] <= confirmed:
            _, sent_ns = sent.popleft()
            self.lease_until_ns = max(self.lease_until_ns, sent_ns + self._lease_ns)

    def give_up_lease(self) -> None:
        """Somebody may be elected although this node was heard: no lease for this term's rest."""
        self.leases = False
        self.lease_until_ns = 0
