"""Raft, replicating any state machine.

>>> from systems.raft import Raft
>>> Raft().summary
'Raft with PreVote, client sessions and ReadIndex'
>>> sorted(Raft.flaws)
['stale-read']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.node import Context, Node, StateMachine
from harness.system import Connection, Flaw, System
from harness.world import Port
from systems.connection import SessionConnection
from systems.raft.flaws import FLAWS
from systems.raft.messages import MESSAGES
from systems.raft.node import RaftNode, RaftOptions

__all__ = ["Raft", "RaftNode", "RaftOptions"]


class Raft(System):
    """The system `raft`; see `systems.raft.node` for the algorithm."""

    name = "raft"
    summary = "Raft with PreVote, client sessions and ReadIndex"
    messages = MESSAGES
    flaws: ClassVar[Mapping[str, Flaw]] = {name: flaw for name, (flaw, _) in FLAWS.items()}

    def __init__(self, *, flaw: str | None = None, options: RaftOptions | None = None) -> None:
        super().__init__(flaw=flaw)
        self.options = options or RaftOptions()
        self._node_class = RaftNode if flaw is None else FLAWS[flaw][1]

    def node(self, context: Context, machine: StateMachine) -> Node:
        return self._node_class(context, machine, self.options)

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        return SessionConnection(port, session=process + 1, nodes=nodes, home=home)
