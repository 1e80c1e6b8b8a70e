"""What our consensus systems have in common: how a node answers its clients, how a system is made.

    request ─▶ a node of ours ─┬▶ refuse            not the leader; a hint at who is, if it knows
                               ├▶ answer_repeated   its session has done this command already
                               └▶ replicated, applied ─▶ answer

Raft, Harpoon, OmniPaxos and Multi-Paxos stand on this. How they agree is in their own folders.

>>> from types import SimpleNamespace
>>> from systems.machines import KeyValue
>>> def reply(request, reply):
...     print(reply.done, reply.value, reply.error, reply.hint)
>>> node = ConsensusNode(SimpleNamespace(id=1, reply=reply), KeyValue())
>>> node.leader = 3
>>> node.refuse(ClientRequest(client=0, id=1, session=1, serial=1, command=("read", "x")))
False None not the leader 3
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from harness.errors import UsageError
from harness.node import ClientReply, ClientRequest, Command, Context, Node, NodeId, StateMachine
from harness.system import Connection, System
from harness.world import Port
from systems.connection import SessionConnection
from systems.machines.sessions import Sessions


class ConsensusNode:
    """The base of their nodes; not a node by itself.

    `role` is "leader" for whoever leads, `leader` who that is as far as this node knows, or 0. All
    entries of the log up to `applied` have been executed.
    """

    def __init__(self, context: Context, machine: StateMachine) -> None:
        self.context = context
        self.sessions = Sessions(machine)
        self.role = "follower"
        self.leader = 0
        self.applied = 0

    def on_durable(self, token: Callable[[], None]) -> None:
        """Disks are synced with what is to be done afterwards."""
        token()

    # ---- answers to clients

    def answer(self, request: ClientRequest, value: Any) -> None:
        """The command was executed; this is its result."""
        self.context.reply(request, ClientReply(request.id, True, value))

    def answer_read(self, request: ClientRequest) -> None:
        """Answer a read-only command from the current state."""
        self.answer(request, self.sessions.machine.apply(request.command))

    def answer_repeated(self, request: ClientRequest) -> bool:
        """Answer a command that its session has done already; whether it has."""
        answered = self.sessions.answered(request.session, request.serial)
        if answered is None:
            return False
        self.context.probe("repetition-answered")
        self.answer(request, answered[1])
        return True

    def refuse(self, request: ClientRequest, why: str = "not the leader") -> None:
        """This attempt does nothing."""
        self.context.reply(request, ClientReply(request.id, False, None, why, self.hint()))

    def hint(self) -> NodeId:
        """Whom a client should ask instead, as far as this node knows; 0 if it does not."""
        return 0 if self.leader == self.context.id else self.leader


class ConsensusSystem(System):
    """The base of the systems themselves: replicas of one class, clients with sessions."""

    #: The class of the nodes: the flawed one, if a flaw is planted.
    node_class: Callable[[Context, StateMachine, Any], Node]
    options: Any

    def node(self, context: Context, machine: StateMachine) -> Node:
        return self.node_class(context, machine, self.options)

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        return SessionConnection(port, session=process + 1, nodes=nodes, home=home)


def check_order(order: Command, known: Collection[NodeId]) -> None:
    """Whether an operator has not mistyped: the orders of `systems.raft.membership`, of nodes that
    are `known`. Raises UsageError, before anything is done.

    >>> check_order(["assign", 3, "standby"], {1, 2, 3})
    >>> check_order(["reconfigure", [1, 4, "2"]], {1, 2, 3})
    Traceback (most recent call last):
        ...
    harness.errors.UsageError: ['reconfigure', [1, 4, '2']] names [4, '2']; the nodes are [1, 2, 3].
    """
    named: Sequence[Any]
    match order:
        case ["transfer", 0]:
            named = []
        case ["transfer" | "remove", node] | ["assign", node, "voter" | "standby" | "spare"]:
            named = [node]
        case ["reconfigure", [_, *_] as voters]:
            named = voters
        case _:
            raise UsageError(
                f"{order!r} is no order. Orders are [assign, node, role], [remove, node], "
                "[reconfigure, [node, ...]] and [transfer, node]; roles are voter, standby, spare."
            )
    strangers = [node for node in named if type(node) is not int or node not in known]
    if strangers:
        raise UsageError(f"{order!r} names {strangers}; the nodes are {sorted(known)}.")
