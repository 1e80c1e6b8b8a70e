"""Who takes part in the cluster, and what counts as a quorum of it.

| role    | gets the log | votes | for                                                       |
|---------|--------------|-------|-----------------------------------------------------------|
| voter   | yes          | yes   | electing leaders, deciding entries                        |
| standby | yes          | no    | a copy; also a newcomer on its way to become a voter      |
| spare   | no           | no    | a node that is known and does nothing                     |

Between two sets of voters that differ in more than one node lies a joint configuration, in which a
majority of both is needed (Ongaro 2014, §4.3).

>>> old = Configuration((1, 2, 3))
>>> old.is_quorum({1, 3}), old.is_quorum({3, 4, 5})
(True, False)
>>> joint = old.joint(old.with_voters((3, 4, 5)))
>>> joint
Configuration(voters=(3, 4, 5), outgoing=(1, 2, 3), standbys=(), spares=())
>>> joint.is_quorum({1, 3}), joint.is_quorum({1, 3, 4})
(False, True)
>>> old.assigned(4, "standby").assigned(1, "spare").assigned(2, None)
Configuration(voters=(3,), outgoing=(), standbys=(4,), spares=(1,))
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec

from harness.node import NodeId

Role = Literal["voter", "standby", "spare"]


class Configuration(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The members by role, in ascending order; `outgoing` are the old voters of a joint one."""

    voters: tuple[NodeId, ...]
    outgoing: tuple[NodeId, ...] = ()
    standbys: tuple[NodeId, ...] = ()
    spares: tuple[NodeId, ...] = ()

    @property
    def groups(self) -> tuple[tuple[NodeId, ...], ...]:
        """The sets of which a majority is needed, each."""
        return (self.voters, self.outgoing) if self.outgoing else (self.voters,)

    def is_quorum(self, nodes: Collection[NodeId]) -> bool:
        """Whether `nodes` can elect a leader or decide an entry."""
        return all(2 * sum(node in nodes for node in group) > len(group) for group in self.groups)

    def has_vote(self, node: NodeId) -> bool:
        return node in self.voters or node in self.outgoing

    @property
    def replicated(self) -> tuple[NodeId, ...]:
        """All who get the log."""
        return tuple(sorted({*self.voters, *self.outgoing, *self.standbys}))

    def role_of(self, node: NodeId) -> Role | None:
        """The role of `node`; None for one that is no member."""
        if self.has_vote(node):
            return "voter"
        if node in self.standbys:
            return "standby"
        return "spare" if node in self.spares else None

    # ---- other configurations

    def assigned(self, node: NodeId, role: Role | None) -> Configuration:
        """The same with `node` in `role`, or without it."""
        return Configuration(
            _changed(self.voters, node, role == "voter"),
            self.outgoing,
            _changed(self.standbys, node, role == "standby"),
            _changed(self.spares, node, role == "spare"),
        )

    def with_voters(self, voters: Sequence[NodeId]) -> Configuration:
        """These voters and no others; voters of before leave, standbys and spares stay."""
        wanted = set(voters)
        return Configuration(
            tuple(sorted(wanted)),
            (),
            tuple(node for node in self.standbys if node not in wanted),
            tuple(node for node in self.spares if node not in wanted),
        )

    def joint(self, target: Configuration) -> Configuration:
        """On the way from this one to `target`."""
        return Configuration(target.voters, self.voters, target.standbys, target.spares)

    def final(self) -> Configuration:
        """A joint one without its outgoing voters."""
        return Configuration(self.voters, (), self.standbys, self.spares)

    # ---- in log entries

    def command(self) -> list[Any]:
        """Plain lists, as the command of a log entry."""
        return [list(part) for part in msgspec.structs.astuple(self)]


def of_command(command: Any) -> Configuration:
    """The configuration that `Configuration.command` wrote."""
    return msgspec.convert(command, Configuration)


def _changed(nodes: tuple[NodeId, ...], node: NodeId, present: bool) -> tuple[NodeId, ...]:
    rest = [other for other in nodes if other != node]
    return tuple(sorted([*rest, node])) if present else tuple(rest)
