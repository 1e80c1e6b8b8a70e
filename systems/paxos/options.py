"""Timings, sizes and variants of OmniPaxos and Multi-Paxos.

>>> OmniPaxosOptions().round_ns
250000000
>>> OmniPaxosOptions(election="loudest")
Traceback (most recent call last):
    ...
harness.errors.UsageError: There is no election called 'loudest'...
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError, unknown_name
from harness.units import MILLISECOND_NS

#: How OmniPaxos elects, and how Multi-Paxos does; `systems.paxos.election` explains them.
OMNI_ELECTIONS = ("connected", "happy")
MULTI_ELECTIONS = ("ping", "gossip")
READS = ("index", "log", "quorum")


@dataclass(frozen=True, kw_only=True)
class PaxosOptions:
    """What both have in common.

    Nodes ask each other for signs of life every `round_ns`, which is also how long a silent
    leader is waited for. The leader repeats itself every `heartbeat_ns`. A message carries at most
    `batch` entries, and `window` such messages may be under way. An entry is decided by
    `accept_quorum` nodes, None for a majority; new leaders ask as many as that makes necessary.
    Every `snapshot_entries` entries the state machine is written down, and at most `retain`
    entries before that stay in the log.
    """

    round_ns: int = 250 * MILLISECOND_NS
    heartbeat_ns: int = 50 * MILLISECOND_NS
    batch: int = 64
    window: int = 4
    accept_quorum: int | None = None
    snapshot_entries: int = 1000
    retain: int = 200

    def __post_init__(self) -> None:
        for name in ("round_ns", "heartbeat_ns", "batch", "window", "snapshot_entries"):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"{type(self).__name__}.{name} is {getattr(self, name)}; it must be positive."
                )


@dataclass(frozen=True, kw_only=True)
class OmniPaxosOptions(PaxosOptions):
    """`election` is a variant of ballot leader election, `reads` a way to read linearizably.

    `members` are the nodes of the first configuration, None for all. `priorities` decide between
    equal ballots: the first is that of node 1, and nodes beyond the last have priority 0.
    """

    election: str = "connected"
    reads: str = "index"
    members: tuple[int, ...] | None = None
    priorities: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind, known in (("election", OMNI_ELECTIONS), ("reads", READS)):
            if getattr(self, kind) not in known:
                raise unknown_name(kind, getattr(self, kind), known)


@dataclass(frozen=True, kw_only=True)
class MultiPaxosOptions(PaxosOptions):
    """`election` says how nodes notice that the leader is gone."""

    election: str = "ping"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.election not in MULTI_ELECTIONS:
            raise unknown_name("election", self.election, MULTI_ELECTIONS)
