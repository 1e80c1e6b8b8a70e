"""Timings and sizes of Harpoon; the published lease is 12 s, with attempts every 400 to 500 ms.

>>> HarpoonOptions().lease_ns
1200000000
>>> HarpoonOptions(heartbeat_ns=600_000_000)
Traceback (most recent call last):
    ...
harness.errors.UsageError: HarpoonOptions.heartbeat_ns is 600000000: a lease of 1200000000 ns...
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError
from harness.units import MILLISECOND_NS


@dataclass(frozen=True, kw_only=True)
class HarpoonOptions:
    """How long a node waits for what; ranges are drawn from anew each time.

    A follower promises `lease_ns`; the leader asks again every `heartbeat_ns`. A node that is free
    of promises waits between `wait_minimum_ns` and `wait_maximum_ns`, then stands for election,
    and gives each attempt, its own or another's, between `campaign_minimum_ns` and
    `campaign_maximum_ns`. A message carries at most `batch` entries, and `window` such messages
    may be under way to a peer. A request that waits for something to happen is answered after
    `hold_ns` all the same. After `compact_every` commands a node takes a snapshot, and keeps
    `compact_keep` entries before it in memory.
    """

    lease_ns: int = 1200 * MILLISECOND_NS
    heartbeat_ns: int = 100 * MILLISECOND_NS
    wait_minimum_ns: int = 40 * MILLISECOND_NS
    wait_maximum_ns: int = 300 * MILLISECOND_NS
    campaign_minimum_ns: int = 400 * MILLISECOND_NS
    campaign_maximum_ns: int = 800 * MILLISECOND_NS
    batch: int = 64
    window: int = 4
    hold_ns: int = 150 * MILLISECOND_NS
    compact_every: int = 1000
    compact_keep: int = 100

    def __post_init__(self) -> None:
        if self.heartbeat_ns * 3 > self.lease_ns:
            raise UsageError(
                f"HarpoonOptions.heartbeat_ns is {self.heartbeat_ns}: a lease of {self.lease_ns} "
                "ns would run out whenever a message or two are lost. Use a third of it at most."
            )
        for name in ("wait", "campaign"):
            low, high = getattr(self, f"{name}_minimum_ns"), getattr(self, f"{name}_maximum_ns")
            if not 0 < low < high:
                raise UsageError(
                    f"HarpoonOptions.{name}_minimum_ns is {low} and {name}_maximum_ns {high}; "
                    "without a range to draw from, candidates would collide for ever."
                )
