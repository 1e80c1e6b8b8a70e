"""A snapshot on its way to one peer, a chunk at a time.

    Chunk(offset) ─▶ ChunkStored(next offset) ─▶ Chunk(next offset) ... ─▶ Appended(index)

The heartbeat sends the present chunk again, so that lost ones do no harm, and tells the peer by the
way that the leader is there. A peer that has lost what came before says so by a lower offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems.raft.messages import Chunk, ChunkStored

if TYPE_CHECKING:
    from systems.raft.leadership import Leadership


class Sending:
    """The leader's latest snapshot when it began, and how much of it the peer has."""

    def __init__(self, leadership: Leadership, peer: int) -> None:
        node = leadership.node
        self.leadership = leadership
        self.peer = peer
        self.index = node.snapshot_index
        self._term = node.log.term_at(self.index)
        self._blob = node.snapshot
        self._offset = 0
        self._size = 1000 if node.context.buggify("tiny-chunks") else node.options.chunk_bytes

    def send(self) -> None:
        """Send the chunk that the peer needs next."""
        end = self._offset + self._size
        self.leadership.node.context.send(
            self.peer,
            Chunk(
                self.leadership.term,
                self.index,
                self._term,
                self._offset,
                self._blob[self._offset : end],
                end >= len(self._blob),
                self.leadership.round,
            ),
        )

    def on_stored(self, message: ChunkStored) -> None:
        """The peer has everything before an offset."""
        if message.index == self.index and message.offset != self._offset:
            self._offset = min(message.offset, len(self._blob))
            self.send()
