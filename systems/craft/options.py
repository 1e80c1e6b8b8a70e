"""Timings, sizes and switches of the library.

>>> CraftOptions().pre_vote
True
>>> CraftOptions(heartbeat_ms=1000)
Traceback (most recent call last):
    ...
harness.errors.UsageError: CraftOptions has heartbeats every 1000 ms and an election timeout of...
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class CraftOptions:
    """Times are in milliseconds, the library's own unit; its defaults, but for these.

    PreVote is on, as those who use the library have it, and a snapshot that was sent is given up
    after two seconds, not thirty, which would look like a node that never catches up. An election
    timeout is drawn between one and two times `election_ms`; a tick comes every `heartbeat_ms`.
    A snapshot is taken every `snapshot_threshold` entries, and `trailing` entries before it stay in
    the log. The first `voters` nodes form the cluster at first (0: all).

    A read waits for a barrier, an entry of its own. Without `always_barrier` only a leader that has
    yet to apply some of its log asks for one, and any other answers at once.
    """

    election_ms: int = 1000
    heartbeat_ms: int = 100
    install_ms: int = 2000
    snapshot_threshold: int = 1024
    trailing: int = 2048
    pre_vote: bool = True
    voters: int = 0
    always_barrier: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.heartbeat_ms < self.election_ms:
            raise UsageError(
                f"CraftOptions has heartbeats every {self.heartbeat_ms} ms and an election timeout "
                f"of {self.election_ms} ms. The first must be shorter, or followers never rest."
            )
        for name in ("snapshot_threshold", "trailing"):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"CraftOptions.{name} is {getattr(self, name)}; it is 1 at least. (To the "
                    "library's storage, no trailing entries mean that a snapshot replaces the log.)"
                )
