"""Planted flaws: sound Raft with one thing wrong, each a few lines beside the sound code."""

from __future__ import annotations

from harness.node import ClientRequest
from harness.system import Flaw
from systems.raft.leadership import Leadership
from systems.raft.node import RaftNode


class _UnconfirmedReads(Leadership):
    def read(self, request: ClientRequest) -> None:
        self.node.answer_read(request)


class StaleRead(RaftNode):
    """Answers reads without asking whether anybody still follows."""

    leadership_class = _UnconfirmedReads


FLAWS: dict[str, tuple[Flaw, type[RaftNode]]] = {
    flaw.name: (flaw, variant)
    for flaw, variant in (
        (
            Flaw(
                name="stale-read",
                change="a leader answers reads without confirming its leadership",
                breaks="a deposed leader that was cut off answers from the past",
            ),
            StaleRead,
        ),
    )
}
