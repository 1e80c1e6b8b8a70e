"""Timings, sizes and switches of Raft.

>>> RaftOptions().check_quorum, RaftOptions().lease_ns(drift_ppm=1000)
(True, 149700000)
>>> RaftOptions(lease_reads=True, check_quorum=False)
Traceback (most recent call last):
    ...
harness.errors.UsageError: RaftOptions.lease_reads needs check_quorum: a lease rests on voters...
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError
from harness.units import MILLISECOND_NS


@dataclass(frozen=True, kw_only=True)
class RaftOptions:
    """An election timeout is drawn anew each time from the given range.

    A message carries at most `batch` entries, and `window` such messages may be under way to a
    peer. With `pre_vote` a node asks whether it could win before it begins an election; with
    `check_quorum` a leader that does not hear a quorum steps down, and voters that hear a leader
    ignore candidates; with `lease_reads` a leader reads without a round of messages while its
    lease lasts. A snapshot is taken every `snapshot_threshold` applied entries, `trailing` entries
    before it stay in the log, and it travels in pieces of `chunk_bytes`. The first `voters` nodes
    form the cluster at first (0: all). With `joint`, every change of voters is made by joint
    consensus, not only those of several nodes at once. A newcomer has `catch_up_rounds` to come
    close to the leader's log.
    """

    election_minimum_ns: int = 150 * MILLISECOND_NS
    election_maximum_ns: int = 300 * MILLISECOND_NS
    heartbeat_ns: int = 50 * MILLISECOND_NS
    batch: int = 64
    window: int = 4
    pre_vote: bool = True
    check_quorum: bool = True
    lease_reads: bool = False
    snapshot_threshold: int = 1000
    trailing: int = 500
    chunk_bytes: int = 16_384
    voters: int = 0
    joint: bool = False
    catch_up_rounds: int = 10

    def __post_init__(self) -> None:
        low_ns, high_ns = self.election_minimum_ns, self.election_maximum_ns
        if not self.heartbeat_ns < low_ns < high_ns:
            raise UsageError(
                f"RaftOptions draws election timeouts from {low_ns} to {high_ns} ns and sends a "
                f"heartbeat every {self.heartbeat_ns} ns. The first must be below the second, or "
                "candidates collide for ever, and the third below both, or followers never rest."
            )
        if self.lease_reads and not self.check_quorum:
            raise UsageError(
                "RaftOptions.lease_reads needs check_quorum: a lease rests on voters that ignore "
                "candidates while they hear a leader. Usually lease_reads was meant for `raft`, "
                "not for a variant without CheckQuorum."
            )
        for name in ("batch", "window", "snapshot_threshold", "chunk_bytes", "catch_up_rounds"):
            if getattr(self, name) < 1:
                raise UsageError(f"RaftOptions.{name} is {getattr(self, name)}; it is 1 at least.")

    def lease_ns(self, *, drift_ppm: int) -> int:
        """How long, on the leader's clock, a follower's patience surely lasts.

        The follower's clock may be fast and the leader's slow by the bound, each.
        """
        return self.election_minimum_ns * (1_000_000 - 2 * drift_ppm) // 1_000_000
