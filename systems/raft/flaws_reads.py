"""Flaws of reads and leases."""

from __future__ import annotations

from harness.node import ClientRequest
from systems.raft.leadership import Leadership
from systems.raft.node import RaftNode
from systems.raft.planted import in_leadership, planted
from systems.raft.reads import Reads


class _UnconfirmedReads(Reads):
    def read(self, request: ClientRequest) -> None:
        self.node.answer_read(request)


class _Unconfirmed(Leadership):
    reads_class = _UnconfirmedReads


class _FollowerReads(RaftNode):
    def on_request(self, request: ClientRequest) -> None:
        if request.read_only and self.leadership is None:
            self.answer_read(request)
        else:
            super().on_request(request)


class _NoBarrierReads(Reads):
    def read(self, request: ClientRequest) -> None:
        self.leadership.first_index = 0
        super().read(request)


class _NoBarrier(Leadership):
    reads_class = _NoBarrierReads


class _RoundUnderWayReads(Reads):
    def read(self, request: ClientRequest) -> None:
        if self.confirmed < self.leadership.round:
            index = max(self.node.committed, self.leadership.first_index)
            self._waiting.append((self.leadership.round, index, request))
        else:
            super().read(request)


class _RoundUnderWay(Leadership):
    reads_class = _RoundUnderWayReads


class _FromReceiptReads(Reads):
    def renew(self, confirmed: int) -> None:
        self._sent.clear()
        self._sent.append((confirmed, self.node.context.clock.monotonic_ns()))
        super().renew(confirmed)


class _FromReceipt(Leadership):
    reads_class = _FromReceiptReads


class _EndlessLeaseReads(Reads):
    def has_lease(self) -> bool:
        return self.lease_until_ns > 0


class _EndlessLease(Leadership):
    reads_class = _EndlessLeaseReads


class _LeaseKeptReads(Reads):
    def give_up_lease(self) -> None:
        pass


class _LeaseKept(Leadership):
    reads_class = _LeaseKeptReads


FLAWS = (
    in_leadership(
        "stale-read",
        "a leader answers reads without confirming its leadership",
        "a deposed leader that was cut off answers from the past",
        _Unconfirmed,
    ),
    planted(
        "follower-read",
        "followers answer reads from their own state",
        "whoever lags behind answers from the past",
        _FollowerReads,
    ),
    in_leadership(
        "no-read-barrier",
        "a new leader reads before an entry of its own term is committed",
        "it does not know yet what its predecessor has committed",
        _NoBarrier,
    ),
    in_leadership(
        "round-under-way",
        "a read is content with a confirmation that was asked for before it came",
        "late answers confirm a leadership that is over",
        _RoundUnderWay,
        check_quorum=False,
    ),
    in_leadership(
        "lease-from-receipt",
        "a lease counts from when the answers came, not from when they were asked for",
        "slow answers make it outlast the promise",
        _FromReceipt,
        lease_reads=True,
    ),
    in_leadership(
        "endless-lease",
        "a leader that once had a lease does not look at its end",
        "a leader that was cut off answers from the past",
        _EndlessLease,
        lease_reads=True,
    ),
    in_leadership(
        "lease-kept-in-transfer",
        "a leader keeps its lease while it hands over",
        "two nodes hold a lease at one time",
        _LeaseKept,
        lease_reads=True,
    ),
)
