"""What the directed schedules of the gossip system have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import UsageError
from harness.invariant import InvariantViolated, Sighting
from harness.node import NodeId, StateMachine
from harness.units import SECOND_NS
from systems.crdt import Objects
from systems.gossip.node import GossipNode
from systems.gossip.options import GossipOptions
from systems.scenario import FLUSH_NS, Stage

#: After the last fault everybody must agree within this time: the detector finds the living again
#: (at most some twenty heartbeats and priors), and a few rounds of repair reach everybody.
CONVERGENCE_NS = 20 * SECOND_NS


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Shows one flaw. The sound system must go through the same without an alarm.

    `alarm` is the invariant that notices, what `demand` names, or "stuck" for what never came
    about; with `watched` false no invariant looks, so that only the last two can.
    """

    scenario: Callable[[Stage], Awaitable[object]]
    alarm: str
    options: GossipOptions = field(default_factory=GossipOptions)
    machine: Callable[[], StateMachine] = Objects
    nodes: int = 5
    watched: bool = True
    flush_ns: tuple[int, int] = FLUSH_NS

    @property
    def story(self) -> str:
        """What happens, in words."""
        return " ".join((self.scenario.__doc__ or "").split())


async def ask(stage: Stage, home: NodeId, *command: Any) -> Any:
    """Have `home` carry out a command. Raises `Refused` or `Unanswered`."""
    process, port = stage.new_process()
    connection = stage.system.connect(port, process=process, nodes=stage.nodes, home=home)
    read_only = command[0] in ("get", "get_many", "keys", "members", "read")
    return await connection.execute(list(command), read_only=read_only)


def node(stage: Stage, number: NodeId) -> GossipNode:
    """The node object itself."""
    found: GossipNode = stage.node(number)
    return found


def demand(stage: Stage, kept: bool, alarm: str, reason: str, at: NodeId = 1) -> None:
    """What clients must be able to rely on; broken, it raises the alarm of that name."""
    if not kept:
        seen = Sighting(time_ns=stage.world.now_ns, node=at, what=reason)
        raise InvariantViolated(alarm, reason, seen, seen)


async def acquainted(stage: Stage) -> None:
    """Wait until everybody sees everybody live."""
    total = len(stage.nodes)
    await stage.until(
        lambda: all(
            len(node(stage, one).gossiper.live) == total - 1 for one in stage.world.running
        ),
        "everybody to see everybody",
    )


async def repaired(stage: Stage) -> None:
    """Wait until everybody has repaired with everybody, so that tombstones can go."""
    await acquainted(stage)
    await stage.until(
        lambda: all(one in node(stage, one).store.seen.vector for one in stage.nodes),
        "everybody to have repaired with everybody",
    )


def contents(stage: Stage, number: NodeId) -> dict[tuple[str, Any], Any]:
    """All live documents of a node, with their timestamps; its own storage says so."""
    storage = node(stage, number).storage
    return {
        (keyspace, document.key): (document.value, document.timestamp)
        for keyspace in sorted(storage.keyspaces())
        for document in storage.get_many(
            keyspace, [key for key, _, live in storage.metadata(keyspace) if live]
        )
    }


def objects(stage: Stage, number: NodeId) -> dict[str, Any]:
    """The values of all CRDTs of a node."""
    replica = node(stage, number).objects
    names = sorted({name for one in stage.world.running for name in known(stage, one)})
    return {name: replica.get(name).value() for name in names}


def known(stage: Stage, number: NodeId) -> Sequence[str]:
    """The names of all CRDTs that a node has heard of."""
    return sorted(node(stage, number).objects.objects.states)


def agree(stage: Stage) -> bool:
    """Whether all running nodes hold the same."""
    first, *others = stage.world.running
    return all(
        contents(stage, other) == contents(stage, first)
        and objects(stage, other) == objects(stage, first)
        for other in others
    )


async def converged(stage: Stage, within_ns: int = CONVERGENCE_NS) -> None:
    """Wait until all nodes hold the same; all faults must be healed."""
    if len(stage.world.running) != len(stage.nodes):
        raise UsageError(f"not all nodes run: {stage.world.describe_nodes()}")
    await stage.until(lambda: agree(stage), "all replicas to agree", within_ns=within_ns)
