"""What operators may order of a leader: other members, or another leader.

| order                        | meaning                                                          |
|------------------------------|------------------------------------------------------------------|
| `["assign", node, role]`     | make it a voter, standby or spare; a newcomer, if it is none yet |
| `["remove", node]`           | it leaves                                                        |
| `["reconfigure", [node...]]` | these are the voters from now on; voters of before leave         |
| `["transfer", node]`         | hand the leadership over to it (0: to whoever is most up to date)|

They are those of our own Raft. The library changes one member at a time, so that an order may take
several changes, each made when the one before is committed; what the library refuses ends the
order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.node import Command, NodeId
from systems.craft.messages import ROLES

if TYPE_CHECKING:
    from systems.craft.node import CraftNode

STANDBY, VOTER, SPARE = range(3)


class Membership:
    """Orders on their way."""

    def __init__(self, node: CraftNode) -> None:
        self._node = node
        # the role that each member shall have, and the change that is under way
        self._target: Mapping[NodeId, int] | None = None
        self._token = 0

    def order(self, order: Command) -> None:
        """Carry out an order of the table above, or refuse it."""
        if self._node.role != "leader" or self._target is not None:
            self._node.context.probe("order-refused")
            return
        members = self._node.members()
        match order:
            case ["transfer", node]:
                self._transfer(node)
                return
            case ["assign", node, ("voter" | "standby" | "spare") as role]:
                self._target = {**members, node: ROLES.index(role)}
            case ["remove", node]:
                self._target = {member: role for member, role in members.items() if member != node}
            case ["reconfigure", [*voters]]:
                others = {member: role for member, role in members.items() if role != VOTER}
                self._target = {**others, **dict.fromkeys(voters, VOTER)}
        self._go_on()

    def ended(self, token: int, status: int) -> None:
        """The library is done with one of the changes."""
        if token != self._token:
            return
        self._token = 0
        if status:
            self._give_up()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Make the next change towards the target, newcomers first."""
        if self._target is None:
            return
        change = _next_change(self._node.members(), self._target)
        if change is None:
            self._target = None
            self._node.context.probe("members-changed")
            return
        self._token = token = self._node.new_token()
        if self._node.change(token, *change):
            self._token = 0
            self._give_up()

    def _give_up(self) -> None:
        self._target = None
        self._node.context.probe("change-abandoned")

    def _transfer(self, target: NodeId) -> None:
        if self._node.change(self._node.new_token(), "transfer", target):
            self._node.context.probe("order-refused")
        else:
            self._node.context.probe("transfer-begun", to=target)


def _next_change(present: Mapping[NodeId, int], target: Mapping[NodeId, int]) -> Any:
    """The first of the changes that lead to `target`: (verb, node) or (verb, node, role)."""
    for node, role in sorted(target.items()):
        if node not in present:
            return ("add", node)
        if role == VOTER != present[node]:
            return ("assign", node, role)
    for node, role in sorted(present.items()):
        if node not in target:
            return ("remove", node)
        if target[node] != role:
            return ("assign", node, target[node])
    return None
