"""Defects of the original, each beside the sound code and alone.

| letter | flaw                    | letter | flaw                     |
|--------|-------------------------|--------|--------------------------|
| A      | set-refuses-below-max   | E      | own-stamps-unseen        |
| A2     | older-overwrites        | F      | repair-below-max         |
| B      | removals-first          | M1     | left-never-leave         |
| B2     | overtaken-delete-buries | M2     | latest-change-only       |
| C      | seen-not-kept           | M3     | vanished-data-center     |
| D      | silent-drop             | M4     | no-permits               |
| D2     | clock-not-kept          | M5     | clock-dies               |

The letters are those of the research on Datacake, where A to F were confirmed by driving its own
`OrSWotSet`. The root of A, B and F: the set keeps the greatest timestamp of each node and source,
and refuses what lies below it after the storage has taken it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from harness.node import NodeId
from harness.system import Flaw
from systems.crdt import ZERO, Timestamp
from systems.gossip.clock import ClockDrift, HybridClock
from systems.gossip.coordinator import Coordinator
from systems.gossip.distributor import Distributor
from systems.gossip.levels import Selector
from systems.gossip.messages import Change
from systems.gossip.node import GossipNode
from systems.gossip.repair import Repair
from systems.gossip.store import BATCH, DIRECT, REPAIR, Store

# ---- keyspaces


class _RefusesBelowMax(Store):
    """The set takes nothing below the greatest timestamp of a node; the storage takes all."""

    gated: ClassVar[tuple[str, ...]] = (DIRECT, BATCH)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._maxima: dict[NodeId, Timestamp] = {}

    def apply_one(self, change: Change, source: str) -> bool:
        if source not in self.gated:
            return super().apply_one(change, source)
        node = change.timestamp.node
        if change.timestamp >= self._maxima.get(node, ZERO):
            self._maxima[node] = change.timestamp
            return super().apply_one(change, source)
        orswot = self.open(change.keyspace)
        if orswot.will_apply(change.key, change.timestamp, live=change.live):
            self.write(change)
        return True


class SetRefusesBelowMax(GossipNode):
    store_class = _RefusesBelowMax


class _RemovalsFirst(_RefusesBelowMax):
    gated = (BATCH,)

    def in_order(self, changes: Iterable[Change]) -> Iterable[Change]:
        return sorted(changes, key=lambda change: change.live)


class RemovalsFirst(GossipNode):
    store_class = _RemovalsFirst


class _RepairBelowMax(_RefusesBelowMax):
    gated = (REPAIR,)


class RepairBelowMax(GossipNode):
    store_class = _RepairBelowMax


class _OlderOverwrites(Store):
    def apply_one(self, change: Change, source: str) -> bool:
        applied = super().apply_one(change, source)
        if not applied and change.live:
            self.write(change)
        return applied


class OlderOverwrites(GossipNode):
    store_class = _OlderOverwrites


class _OvertakenDeleteBuries(Store):
    def apply_one(self, change: Change, source: str) -> bool:
        applied = super().apply_one(change, source)
        if not applied and not change.live:
            self.write(change)
        return applied


class OvertakenDeleteBuries(GossipNode):
    store_class = _OvertakenDeleteBuries


class _SeenNotKept(Store):
    def _replay_seen(self, record: Any) -> None:
        pass


class SeenNotKept(GossipNode):
    store_class = _SeenNotKept


class _OwnStampsUnseen(Repair):
    def speak_of_own(self) -> None:
        pass


class OwnStampsUnseen(GossipNode):
    repair_class = _OwnStampsUnseen


# ---- clocks


class ClockNotKept(GossipNode):
    def clock_start(self) -> Timestamp:
        return ZERO


class _SilentDrop(Coordinator):
    def store(self, changes: Sequence[Change]) -> None:
        self.node.store.apply(changes)


class SilentDrop(ClockNotKept):
    coordinator_class = _SilentDrop


class _MortalClock(HybridClock):
    dead = False

    def stamp(self) -> Timestamp:
        if self.dead:
            raise ClockDrift("the clock is dead")
        try:
            return super().stamp()
        except ClockDrift:
            self.dead = True
            raise


class ClockDies(GossipNode):
    clock_class = _MortalClock

    def physical_time(self) -> Callable[[], int]:
        return lambda: self.context.clock.wall_ns() // 1_000_000


# ---- membership


class _NobodyLeaves(Distributor):
    def members_changed(self, live: tuple[NodeId, ...]) -> None:
        self.peers |= dict.fromkeys(live)


class _OneAtATime(Repair):
    """Polls everybody who ever lived in turn, and waits for each as long as it takes."""

    turn = 0

    def tick(self) -> None:
        candidates = self.candidates()
        if candidates and not self.sessions:
            self.turn += 1
            self.begin(candidates[self.turn % len(candidates)])

    def candidates(self) -> list[NodeId]:
        return sorted(self.node.distributor.peers)


class LeftNeverLeave(GossipNode):
    distributor_class = _NobodyLeaves
    repair_class = _OneAtATime


class _LatestChangeOnly(Distributor):
    """Hears of members by changes, of which a later one replaces an earlier unheard one."""

    def __init__(self, node: GossipNode) -> None:
        super().__init__(node)
        self._before: tuple[NodeId, ...] = ()
        self._joined: list[NodeId] = []
        self._left: list[NodeId] = []

    def members_changed(self, live: tuple[NodeId, ...]) -> None:
        self._joined = [peer for peer in live if peer not in self._before]
        self._left = [peer for peer in self._before if peer not in live]
        self._before = live

    def tick(self) -> None:
        self.peers |= dict.fromkeys(self._joined)
        for peer in self._left:
            self.peers.pop(peer, None)
        super().tick()


class LatestChangeOnly(GossipNode):
    distributor_class = _LatestChangeOnly


class _RemembersDataCenters(Selector):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._places: dict[str, list[NodeId]] = {}

    def select(
        self, level: str, members: Mapping[NodeId, str], live: Sequence[NodeId]
    ) -> list[NodeId]:
        places: dict[str, list[NodeId]] = {}
        for member, place in members.items():
            places.setdefault(place, []).append(member)
        self._places |= places
        everybody = {member: place for place, nodes in self._places.items() for member in nodes}
        return super().select(level, everybody, list(dict.fromkeys([*live, *everybody])))


class VanishedDataCenter(GossipNode):
    selector_class = _RemembersDataCenters


class _NoPermits(Distributor):
    def has_permit(self) -> bool:
        return True


class NoPermits(GossipNode):
    distributor_class = _NoPermits


FLAWS: tuple[tuple[Flaw, type[GossipNode]], ...] = (
    (
        Flaw(
            name="set-refuses-below-max",
            change="A: a keyspace refuses what a node stamped before the greatest it has of it, "
            "after the storage has taken it",
            breaks="a write that was overtaken is in the storage and not in the set: this node "
            "serves it, and tells nobody",
        ),
        SetRefusesBelowMax,
    ),
    (
        Flaw(
            name="older-overwrites",
            change="A2: the storage is written whatever the keyspace decides",
            breaks="an older write replaces a newer one",
        ),
        OlderOverwrites,
    ),
    (
        Flaw(
            name="removals-first",
            change="B: of a batch the deletions are done first, and what lies below them refused",
            breaks="a write before a deletion in the same batch is stored and not in the set",
        ),
        RemovalsFirst,
    ),
    (
        Flaw(
            name="overtaken-delete-buries",
            change="B2: a deletion buries the document even if the key was written later",
            breaks="the keyspace says that a document is there, and the storage has a tombstone",
        ),
        OvertakenDeleteBuries,
    ),
    (
        Flaw(
            name="seen-not-kept",
            change="C: a restart forgets what was seen",
            breaks="a late message brings back what was deleted, purged and forgotten",
        ),
        SeenNotKept,
    ),
    (
        Flaw(
            name="silent-drop",
            change="D: the hybrid clock begins at the wall clock in each life, and a write that "
            "does not apply is answered ok",
            breaks="after a restart with the clock set back, an acknowledged write is nowhere",
        ),
        SilentDrop,
    ),
    (
        Flaw(
            name="clock-not-kept",
            change="D2: the hybrid clock begins at the wall clock in each life",
            breaks="a new key bears a timestamp that others believe to have seen, and vanishes",
        ),
        ClockNotKept,
    ),
    (
        Flaw(
            name="own-stamps-unseen",
            change="E: what a node stamped itself never counts as seen",
            breaks="no tombstone is ever purged",
        ),
        OwnStampsUnseen,
    ),
    (
        Flaw(
            name="repair-below-max",
            change="F: a keyspace refuses what repair brings of a node, below the greatest that "
            "repair brought of it",
            breaks="the same document is fetched again in every round; and since this node says "
            "that it has seen it, the others take it for deleted",
        ),
        RepairBelowMax,
    ),
    (
        Flaw(
            name="left-never-leave",
            change="M1: who left stays a peer, and repair polls one peer after the other without "
            "a timeout",
            breaks="one dead node stops all repair",
        ),
        LeftNeverLeave,
    ),
    (
        Flaw(
            name="latest-change-only",
            change="M2: batches go to those of whose joining the latest change told",
            breaks="a node that joined just before another gets no batches",
        ),
        LatestChangeOnly,
    ),
    (
        Flaw(
            name="vanished-data-center",
            change="M3: a data centre without live nodes is still asked",
            breaks="All and EachQuorum fail for as long as a data centre is away",
        ),
        VanishedDataCenter,
    ),
    (
        Flaw(
            name="no-permits",
            change="M4: permits to send are asked for and not waited for",
            breaks="any number of batches is under way at once",
        ),
        NoPermits,
    ),
    (
        Flaw(
            name="clock-dies",
            change="M5: every jump of the wall clock is followed, and the clock does not survive "
            "an error of drift",
            breaks="after one jump back a node takes no writes for the rest of its life",
        ),
        ClockDies,
    ),
)
