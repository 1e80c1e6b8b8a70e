"""Planted flaws of leases: what the published Harpoon got wrong about time, one by one.

The numbers S1, S2, ... in brackets are those of the list of Rasputin's flaws in
docs/systems/harpoon.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.node import Clock
from harness.system import Flaw
from systems.harpoon.election import Election
from systems.harpoon.leadership import Leadership
from systems.harpoon.lease import Lease, Promise
from systems.harpoon.messages import Vote
from systems.harpoon.node import HarpoonNode

# ---- lease-from-receipt (S1)


class _LeaseFromReceipt(Lease):
    def _extend(self, round_number: int) -> bool:
        if not super()._extend(round_number):
            return False
        self.until_ns = self.clock.monotonic_ns() + self.share_ns
        return True


class _LeadershipFromReceipt(Leadership):
    lease_class = _LeaseFromReceipt


class LeaseFromReceipt(HarpoonNode):
    """Acknowledgements that took long extend the lease beyond what was promised."""

    leadership_class = _LeadershipFromReceipt


# ---- lease-acknowledgements-summed (S1)


class _LeaseOfManyRounds(Lease):
    def __init__(self, clock: Clock, lease_ns: int, peers: Sequence[int]) -> None:
        super().__init__(clock, lease_ns, peers)
        self._have: dict[int, bool] = {}

    def grant(self, peer: int, round_number: int) -> bool:
        if round_number <= self._granted[peer]:
            return False
        self._granted[peer] = round_number
        self._have[peer] = True
        if len(self._have) < self._others_needed:
            return False
        self._have.clear()
        return self._extend(round_number)


class _LeadershipOfManyRounds(Leadership):
    lease_class = _LeaseOfManyRounds


class LeaseAcknowledgementsSummed(HarpoonNode):
    """A promise of long ago and one of today make a quorum of today."""

    leadership_class = _LeadershipOfManyRounds


# ---- votes-extend-lease (S1a)


class _VotesExtendLease(Election):
    def on_vote(self, source: int, message: Vote) -> None:
        leadership = self.node.leadership
        super().on_vote(source, message)
        if leadership is not None and message.term == self.node.term:
            leadership.on_grant(source, leadership.lease.round)


class VotesExtendLease(HarpoonNode):
    """The votes that an election did not need any more count as promises."""

    election_class = _VotesExtendLease


# ---- reads-by-role (S1b)


class _ReadsByRole(Leadership):
    def has_expired(self) -> bool:
        return False

    def may_read(self) -> bool:
        return self.node.applied >= self.first_index

    def heartbeat(self) -> None:
        if self.lease.has_expired():
            self.node.context.set_timer("heartbeat", self.node.options.heartbeat_ns)
        else:
            super().heartbeat()


class ReadsByRole(HarpoonNode):
    """Who has been elected answers reads until it hears of another leader."""

    leadership_class = _ReadsByRole


# ---- no-quarantine (S2)


class _ForgetfulPromise(Promise):
    def quarantine(self) -> None:
        pass


class NoQuarantine(HarpoonNode):
    """A restart ends all promises."""

    promise_class = _ForgetfulPromise


# ---- wall-clock-lease (S12)


class _WallClock:
    """Implements `Clock`, with the wall clock in place of the monotonic one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def monotonic_ns(self) -> int:
        return self._clock.wall_ns()

    def wall_ns(self) -> int:
        return self._clock.wall_ns()

    def drift_bound_ppm(self) -> int:
        return self._clock.drift_bound_ppm()


class _WallClockLease(Lease):
    def __init__(self, clock: Clock, lease_ns: int, peers: Sequence[int]) -> None:
        super().__init__(_WallClock(clock), lease_ns, peers)


class _LeadershipByWallClock(Leadership):
    lease_class = _WallClockLease


class WallClockLease(HarpoonNode):
    """A clock that is set back makes a lease last longer."""

    leadership_class = _LeadershipByWallClock


# ---- drift-ignored


class _LeaseWithoutMargin(Lease):
    def __init__(self, clock: Clock, lease_ns: int, peers: Sequence[int]) -> None:
        super().__init__(clock, lease_ns, peers)
        self.share_ns = lease_ns


class _LeadershipWithoutMargin(Leadership):
    lease_class = _LeaseWithoutMargin


class DriftIgnored(HarpoonNode):
    """The leader uses the whole lease, as if all clocks ran alike."""

    leadership_class = _LeadershipWithoutMargin


# ---- never-resigns


class _NeverResigns(Leadership):
    def has_expired(self) -> bool:
        return False


class NeverResigns(HarpoonNode):
    """A leader without a quorum goes on asking for promises; reads still need a lease."""

    leadership_class = _NeverResigns


FLAWS: tuple[tuple[Flaw, type[HarpoonNode]], ...] = (
    (
        Flaw(
            name="lease-from-receipt",
            change="a lease is counted from when acknowledgements arrive, not from when the "
            "messages that they answer were sent [S1]",
            breaks="slow acknowledgements: two leaders with a lease, stale reads",
        ),
        LeaseFromReceipt,
    ),
    (
        Flaw(
            name="lease-acknowledgements-summed",
            change="acknowledgements of different rounds are added up to a quorum [S1]",
            breaks="peers that are heard one after the other: two leases, stale reads",
        ),
        LeaseAcknowledgementsSummed,
    ),
    (
        Flaw(
            name="votes-extend-lease",
            change="votes that arrive after the election count as promises [S1a]",
            breaks="late votes prolong the lease of a leader that is cut off: stale reads",
        ),
        VotesExtendLease,
    ),
    (
        Flaw(
            name="reads-by-role",
            change="reads ask for the role of a leader and not for its lease [S1b]",
            breaks="a leader that is cut off answers from the past",
        ),
        ReadsByRole,
    ),
    (
        Flaw(
            name="no-quarantine",
            change="a restarted node votes at once, whatever it has promised [S2, S8]",
            breaks="a quorum restarts while a lease lasts: two leases, stale reads",
        ),
        NoQuarantine,
    ),
    (
        Flaw(
            name="wall-clock-lease",
            change="the leader measures its lease with the wall clock [S12]",
            breaks="its clock is set back: stale reads",
        ),
        WallClockLease,
    ),
    (
        Flaw(
            name="drift-ignored",
            change="the leader uses the whole lease, without a margin for the drift of clocks",
            breaks="a leader with a slow clock outlasts the promises to it",
        ),
        DriftIgnored,
    ),
    (
        Flaw(
            name="never-resigns",
            change="a leader without a quorum keeps asking its peers for promises [L1]",
            breaks="the hub of a star stays bound to a leader that can commit nothing",
        ),
        NeverResigns,
    ),
)
