"""How a flaw of Raft is described: what is wrong, and the class of nodes that have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.system import Flaw
from systems.raft.leadership import Leadership
from systems.raft.node import RaftNode


@dataclass(frozen=True, kw_only=True)
class Planted:
    """`settings` are options without which the flaw would have no effect."""

    flaw: Flaw
    node: type[RaftNode]
    settings: Mapping[str, Any] = field(default_factory=dict)


def planted(name: str, change: str, breaks: str, node: type[RaftNode], **settings: Any) -> Planted:
    """A flaw in a node."""
    flaw = Flaw(name=name, change=change, breaks=breaks)
    return Planted(flaw=flaw, node=node, settings=settings)


def in_leadership(
    name: str, change: str, breaks: str, leadership: type[Leadership], **settings: Any
) -> Planted:
    """A flaw in what a leader does."""
    node = type(f"RaftNode_{leadership.__name__}", (RaftNode,), {"leadership_class": leadership})
    return planted(name, change, breaks, node, **settings)


def by_name(*flaws: Planted) -> dict[str, Planted]:
    """The flaws under their names."""
    return {planted.flaw.name: planted for planted in flaws}
