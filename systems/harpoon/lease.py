"""Leases: what a follower promises, and how long a leader may rely on it.

    leader     ──round 7 begins──────────────────────── lease ────────────┤
                      ╲                 ╱ Appended(round 7)
    follower           ╲── promise ────╱────────────────────────────────────┤

A follower that hears the elected leader of its term promises not to vote for anybody for
`lease_ns` on its own clock, counted from when it *heard*. The leader counts from when it began to
*send*, which was earlier, and so much less that the worst clocks allowed do not matter: with
drifts up to ρ, the promise lasts at least lease / (1 + ρ) of true time and the leader's share
at most share / (1 - ρ), so that share = lease × (1 - ρ) / (1 + ρ) ends no later.

A round stands for the moment at which it began. A follower that granted a later round has
promised even more, so the lease runs from the latest moment that a quorum has confirmed since:
the smallest of the quorum's largest rounds. Acknowledgements of different rounds are never added up
(flaws S1 and S1a of the published Harpoon); each node counts once.

Only monotonic clocks are asked (flaw S12). A restarted node has forgotten what it promised and
keeps a quarantine as long as any promise (flaw S2); a first start has promised nothing.

Source: Gray and Cheriton, "Leases", SOSP 1989; the flaws named are Rasputin's.

>>> longest_share_ns(1_000_000_000, 0), longest_share_ns(1_000_000_000, 1000)
(1000000000, 998001998)
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.node import Clock

PPM = 1_000_000
NEVER_NS = -(1 << 62)

#: The leader remembers when its latest rounds began; a lease of an older one would be over.
_ROUNDS_KEPT = 256


def longest_share_ns(lease_ns: int, drift_bound_ppm: int) -> int:
    """How long a leader may use a promise of `lease_ns` if no clock drifts more than the bound."""
    return lease_ns * (PPM - drift_bound_ppm) // (PPM + drift_bound_ppm)


class Promise:
    """The follower's side: until when this node may not vote."""

    def __init__(self, clock: Clock, lease_ns: int) -> None:
        self.clock = clock
        self.lease_ns = lease_ns
        self.until_ns = NEVER_NS

    def renew(self) -> None:
        """The elected leader was heard: promise from now on."""
        until_ns = self.clock.monotonic_ns() + self.lease_ns
        if until_ns > self.until_ns:
            self.until_ns = until_ns

    def quarantine(self) -> None:
        """This node had an earlier life, and may have promised something at its very end."""
        self.renew()

    def remaining_ns(self) -> int:
        """How long this node is still bound; 0 or less if it is free."""
        return self.until_ns - self.clock.monotonic_ns()


class Lease:
    """The leader's side: rounds, who granted which, and until when a quorum is bound."""

    def __init__(self, clock: Clock, lease_ns: int, peers: Sequence[int]) -> None:
        self.clock = clock
        self.share_ns = longest_share_ns(lease_ns, clock.drift_bound_ppm())
        self.until_ns = NEVER_NS
        #: A new leader has so long to get its first lease.
        self.grace_until_ns = clock.monotonic_ns() + lease_ns
        self.round = 0
        self._began_ns: dict[int, int] = {}
        self._granted = dict.fromkeys(peers, 0)
        # of n nodes, the leader and n // 2 others are a quorum
        self._others_needed = (len(peers) + 1) // 2

    def begin_round(self) -> None:
        """From now on messages ask for a lease in a new round."""
        self.round += 1
        self._began_ns[self.round] = self.clock.monotonic_ns()
        self._began_ns.pop(self.round - _ROUNDS_KEPT, None)
        if not self._others_needed:
            self._extend(self.round)

    def grant(self, peer: int, round_number: int) -> bool:
        """`peer` has promised in that round. Returns whether the lease became longer."""
        if round_number <= self._granted[peer]:
            return False
        self._granted[peer] = round_number
        latest = sorted(self._granted.values(), reverse=True)
        return self._extend(latest[self._others_needed - 1])

    def _extend(self, round_number: int) -> bool:
        began_ns = self._began_ns.get(round_number)
        if began_ns is None or began_ns + self.share_ns <= self.until_ns:
            return False
        self.until_ns = began_ns + self.share_ns
        return True

    def has_expired(self) -> bool:
        """Whether there is no lease, and the time to get one is over."""
        now_ns = self.clock.monotonic_ns()
        return now_ns >= self.until_ns and now_ns >= self.grace_until_ns

    def is_valid(self) -> bool:
        """Whether a quorum is bound at this moment; asked anew for each use, never remembered."""
        return self.clock.monotonic_ns() < self.until_ns
