"""Timings, sizes and choices of the gossip system.

The published timings are made for weeks, not for a simulated minute: a failure detector that takes
half a minute to warm up, a repair every hour. The defaults here are scaled down, and `PUBLISHED`
has the originals.

>>> GossipOptions().data_center_of(4, 5), PUBLISHED.repair_ns // 10**9
('dc2', 3600)
>>> GossipOptions(gossip_ns=10**9)
Traceback (most recent call last):
    ...
harness.errors.UsageError: GossipOptions.phi_longest_ns is 2000000000: intervals between...
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError, unknown_name
from harness.node import NodeId
from harness.units import MILLISECOND_NS, SECOND_NS

HOUR_NS = 3_600 * SECOND_NS


@dataclass(frozen=True, kw_only=True)
class GossipOptions:
    """How a gossip node behaves.

    | group       | options                                                                      |
    |-------------|------------------------------------------------------------------------------|
    | cluster     | `data_centers`: so many, of neighbouring nodes, as equal as possible; `seeds`|
    |             | nodes, the first ones, are known to everybody from the start                 |
    | gossip      | every `gossip_ns` to `gossip_fanout` live nodes, at most `gossip_bytes` of   |
    |             | news a message; a deleted fact is remembered for `fact_grace_ns`, a dead     |
    |             | node for `dead_grace_ns`                                                     |
    | detector    | a node lives while phi ≤ `phi_threshold`; the mean interval begins as        |
    |             | `phi_prior_weight` intervals of `phi_prior_ns`; ones longer than             |
    |             | `phi_longest_ns` are not recorded, and the last `phi_window` are             |
    | clock       | `max_drift_ms`; the disk is told `clock_lead_ms` ahead how far stamps may go |
    | replication | every `batch_ns` all fresh changes go to all live nodes, `batch_permits`     |
    |             | messages at once; a level must be reached within `level_timeout_ns`          |
    | repair      | every `repair_ns` with `repair_fanout` live nodes; a session that stalls for |
    |             | `repair_timeout_ns` is given up; `fetch_chunk` documents a message           |
    | purge       | every `purge_ns`                                                             |

    `count_members` says of whom a quorum is counted: of all `known` nodes, so that two quorums
    meet, or as published of those that this node believes to be `live`, so that in a partition both
    sides have one. `objects_as` says whether CRDTs travel as `deltas` or as whole `states`.
    `storage` is `disk`, or `memory`, which forgets in a restart.
    """

    cluster: str = "splitbrain"
    data_centers: int = 2
    seeds: int = 3
    gossip_ns: int = 200 * MILLISECOND_NS
    gossip_fanout: int = 3
    gossip_bytes: int = 65_507
    fact_grace_ns: int = 60 * SECOND_NS
    dead_grace_ns: int = 24 * HOUR_NS
    phi_threshold: float = 8.0
    phi_prior_ns: int = 1 * SECOND_NS
    phi_prior_weight: int = 5
    phi_longest_ns: int = 2 * SECOND_NS
    phi_window: int = 1000
    max_drift_ms: int = 4_100_000
    clock_lead_ms: int = 5_000
    batch_ns: int = 200 * MILLISECOND_NS
    batch_permits: int = 10
    batch_timeout_ns: int = 1 * SECOND_NS
    level_timeout_ns: int = 1 * SECOND_NS
    repair_ns: int = 500 * MILLISECOND_NS
    repair_fanout: int = 3
    repair_timeout_ns: int = 1 * SECOND_NS
    fetch_chunk: int = 256
    purge_ns: int = 1 * SECOND_NS
    compact_every: int = 2000
    count_members: Literal["known", "live"] = "known"
    objects_as: Literal["deltas", "states"] = "deltas"
    storage: Literal["disk", "memory"] = "disk"

    def __post_init__(self) -> None:
        for name, choices in (
            ("count_members", ("known", "live")),
            ("objects_as", ("deltas", "states")),
            ("storage", ("disk", "memory")),
        ):
            if getattr(self, name) not in choices:
                raise unknown_name(f"value of GossipOptions.{name}", getattr(self, name), choices)
        for name in ("data_centers", "seeds", "gossip_fanout", "batch_permits", "repair_fanout"):
            if getattr(self, name) < 1:
                raise UsageError(f"GossipOptions.{name} is {getattr(self, name)}; 1 is the least.")
        if self.phi_longest_ns < 3 * self.gossip_ns:
            raise UsageError(
                f"GossipOptions.phi_longest_ns is {self.phi_longest_ns}: intervals between "
                f"heartbeats of {self.gossip_ns} ns would hardly ever be recorded. Use three "
                "times gossip_ns at least."
            )

    def data_center_of(self, node: NodeId, total: int) -> str:
        """Where `node` of `total` nodes stands."""
        return f"dc{(node - 1) * min(self.data_centers, total) // total + 1}"


#: The timings of Datacake and chitchat.
PUBLISHED = GossipOptions(
    gossip_ns=SECOND_NS,
    fact_grace_ns=2 * HOUR_NS,
    phi_prior_ns=5 * SECOND_NS,
    phi_longest_ns=10 * SECOND_NS,
    batch_ns=SECOND_NS,
    level_timeout_ns=2 * SECOND_NS,
    repair_ns=HOUR_NS,
    repair_timeout_ns=5 * SECOND_NS,
    fetch_chunk=50_000,
    purge_ns=HOUR_NS,
    count_members="live",
)
