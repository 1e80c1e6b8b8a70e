"""Sends what was changed here to all live nodes, in batches, a few at a time.

    fresh changes ─▶ (every batch_ns) ─▶ one Batch a live node ─▶ at most `batch_permits` under way
                                                                       │
                                          BatchTaken or a timeout ─────┘ makes room for the next

A batch that is lost is not sent again: repair finds what is missing. Deltas of CRDTs travel along;
with `objects_as = "states"` it is the whole state of every object that was updated.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from harness.node import Nanoseconds, NodeId
from systems.gossip.messages import Batch, Change, ObjectState

if TYPE_CHECKING:
    from systems.gossip.node import GossipNode


class Distributor:
    """The outgoing side of a node. `peers` are those who get everything."""

    def __init__(self, node: GossipNode) -> None:
        self.node = node
        self.peers: dict[NodeId, None] = {}
        self._changes: list[Change] = []
        self._objects: list[ObjectState] = []
        self._number = 0
        self._waiting: deque[tuple[NodeId, Batch]] = deque()
        self.in_flight: dict[tuple[NodeId, int], Nanoseconds] = {}  # until when to wait

    def members_changed(self, live: tuple[NodeId, ...]) -> None:
        """These, and no others, are to get what is sent from now on."""
        self.peers = dict.fromkeys(live)

    def add(self, *changes: Change) -> None:
        """Send these along; they must be durable here."""
        self._changes += changes

    def add_object(self, state: ObjectState) -> None:
        """Send a delta along, or in its place the state of its object."""
        if self.node.options.objects_as == "deltas":
            self._objects.append(state)
        elif all(queued.name != state.name for queued in self._objects):
            self._objects.append(state)  # what it says then is what is sent

    def tick(self) -> None:
        """Send what has come together, and give up on what is not answered."""
        now_ns = self.node.now_ns()
        late = [key for key, until_ns in self.in_flight.items() if until_ns <= now_ns]
        for key in late:
            del self.in_flight[key]
        if self._changes or self._objects:
            self._number += 1
            batch = Batch(
                self._number, tuple(self._changes), self._packed(), self.node.clock.latest
            )
            self._waiting.extend((peer, batch) for peer in self.peers)
            self._changes, self._objects = [], []
        self.pump()

    def _packed(self) -> tuple[ObjectState, ...]:
        if self.node.options.objects_as == "deltas":
            return tuple(self._objects)
        objects = self.node.objects
        return tuple(objects.whole(queued.name) for queued in self._objects)

    def pump(self) -> None:
        """Send as much as there are permits for."""
        while self._waiting and self.has_permit():
            peer, batch = self._waiting.popleft()
            until_ns = self.node.now_ns() + self.node.options.batch_timeout_ns
            self.in_flight[peer, batch.number] = until_ns
            if not self.node.context.buggify("batch-lost"):
                self.node.send(peer, batch)

    def has_permit(self) -> bool:
        """Whether one more may be under way."""
        return len(self.in_flight) < self.node.options.batch_permits

    def on_taken(self, source: NodeId, number: int) -> None:
        """A batch has arrived."""
        self.in_flight.pop((source, number), None)
        self.pump()
