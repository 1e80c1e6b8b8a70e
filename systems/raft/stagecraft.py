"""What the directed schedules of Raft's flaws have in common; they are in tests/systems."""

from __future__ import annotations

from harness.node import NodeId
from harness.units import SECOND_NS
from systems.raft.messages import Append, RequestVote
from systems.scenario import Stage
from systems.stagecraft import Rule


def only_candidate(stage: Stage, candidate: NodeId) -> Rule:
    """Nobody but `candidate` gets to ask for votes, until the rule ends."""
    return stage.drop(RequestVote, source=stage.others(candidate))


async def stands_alone(stage: Stage, candidate: NodeId, *, after: NodeId) -> None:
    """The leader, `after`, crashes; all links are healed, and for two seconds nobody but
    `candidate` can follow it."""
    rule = only_candidate(stage, candidate)
    stage.crash(after)
    stage.heal()
    await stage.sleep(2 * SECOND_NS)
    rule.end()


def has_entries(message: Append) -> bool:
    """For rules that let heartbeats pass."""
    return bool(message.entries)


async def recover(stage: Stage) -> None:
    """All is well again: somebody leads, and every voter reads the same."""
    stage.heal()
    stage.restart(*stage.nodes)
    leader = await stage.leader()
    for node in stage.node(leader).configuration.voters:
        await stage.client(node).read("x")
