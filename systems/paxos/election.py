"""Ballot leader election: who hears whom decides who leads, and nothing else does.

    every round:  HeartbeatRequest ─▶ all      HeartbeatReply(own ballot, leader, content) ─▶
    at its end:   decide, from the replies that came in time: follow, stand up, or stay

A ballot that a node makes up is higher than all that it has seen, so that the ballots that it
follows only grow. Three ways to decide:

| variant   | who may lead                               | when a node stands up                  |
|-----------|--------------------------------------------|----------------------------------------|
| connected | the highest ballot among nodes that hear a | none of those has a ballot as high as  |
|           | quorum (Omni-Paxos, EuroSys 2023)          | the leader's: it is gone, or cut off   |
| happy     | as long as anybody is happy with it, the   | it hears a quorum, and neither it nor  |
|           | leader (the published library)             | anybody that it hears is happy         |
| gossip    | the highest ballot that anybody has heard  | as connected, but of whoever answers,  |
|           | of (a common Multi-Paxos)                  | with a quorum or without               |

A node is happy with itself as leader if a quorum follows no higher ballot, and with another one
that it hears if that one is happy. `gossip` is here to be compared: it has no answer to a leader
that still answers heartbeats but has lost its quorum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from harness.node import Context
from systems.paxos.ballots import ZERO, Ballot, Quorums
from systems.paxos.messages import HeartbeatReply, HeartbeatRequest


class Elector(Protocol):
    """What an election needs of the node that it belongs to."""

    context: Context

    @property
    def configuration(self) -> int:
        """Which configuration the node is in."""

    @property
    def peers(self) -> tuple[int, ...]:
        """The other members of it."""

    @property
    def quorums(self) -> Quorums:
        """Its quorums."""

    @property
    def promise(self) -> Ballot:
        """The highest ballot that the node has promised."""

    @property
    def leads(self) -> bool:
        """Whether the node leads, with its log in order."""

    def lead(self, ballot: Ballot) -> None:
        """Become the leader with `ballot`, unless something as high was promised."""

    def follow(self, ballot: Ballot) -> None:
        """`ballot` leads; it is another node's."""


class BallotElection:
    """One node's part; the base of the three variants."""

    def __init__(self, node: Elector, *, round_ns: int, priority: int = 0) -> None:
        self.node = node
        self.round = 0
        self.replies: dict[int, HeartbeatReply] = {}
        self.own = Ballot(1, priority, node.context.id)
        self.leader = ZERO
        self.content = True
        self._round_ns = round_ns

    def start(self, *, recovered: bool) -> None:
        """Begin. A node that has lived before must not reuse its ballot: it follows the one that
        it has promised, be it its own, and its own is low again."""
        self.leader = self.node.promise
        if recovered and self.leader != ZERO:
            self.own = self.own._replace(number=0)
        context = self.node.context
        context.set_timer("election", context.rng.uniform_ns(0, self._round_ns))

    def stop(self) -> None:
        """Take no further part."""
        self.node.context.cancel_timer("election")
        self.round = -1

    def on_timer(self) -> None:
        """A round is over: decide, then ask again."""
        if self.round:
            self.decide()
        self.round += 1
        self.replies = {}
        node = self.node
        request = HeartbeatRequest(node.configuration, self.round)
        for peer in node.peers:
            node.context.send(peer, request)
        early = 2 if node.context.buggify("early-round") else 1
        node.context.set_timer("election", self._round_ns // early)

    def on_request(self, source: int, message: HeartbeatRequest) -> None:
        if self.round < 0:
            return
        reply = HeartbeatReply(
            message.configuration, message.round, self.own, self.leader, self.content
        )
        self.node.context.send(source, reply)

    def on_reply(self, source: int, message: HeartbeatReply) -> None:
        """A sign of life; one that is late or doubled says nothing about this round."""
        if message.round == self.round:
            self.replies[source] = message

    def decide(self) -> None:
        """What follows from the replies of the round that ends."""
        raise NotImplementedError

    def hears_quorum(self) -> bool:
        """Whether enough nodes have answered to elect this one."""
        return len(self.replies) + 1 >= self.node.quorums.prepare

    def stand_up(self) -> None:
        """Make up a ballot that is higher than the leader's."""
        self.own = self.own._replace(number=self.leader.number + 1)

    def try_to_lead(self) -> None:
        """Stand up now, whoever leads: for operators who want another leader, and for tests."""
        self.leader = max(self.leader, self.node.promise)
        self.stand_up()
        self.elect(self.own)

    def elect(self, ballot: Ballot) -> None:
        """From now on `ballot` leads."""
        assert ballot > self.leader, "leaders only grow"
        self.leader = ballot
        if ballot.node == self.node.context.id:
            self.node.lead(ballot)
        else:
            self.node.follow(ballot)


class Connected(BallotElection):
    """The variant of the paper: only nodes that hear a quorum are candidates."""

    def decide(self) -> None:
        self.leader = max(self.leader, self.node.promise)
        self.content = self.hears_quorum()
        if not self.content:
            return
        top = max(self.own, *(reply.ballot for reply in self.candidates()), ZERO)
        if top < self.leader:
            self.stand_up()
        elif top > self.leader:
            self.elect(top)

    def candidates(self) -> list[HeartbeatReply]:
        """The replies of those who may lead."""
        return [reply for reply in self.replies.values() if reply.content]


class Gossip(Connected):
    """The variant of many a Multi-Paxos: leaders are known by hearsay, quorums do not matter."""

    def candidates(self) -> list[HeartbeatReply]:
        return list(self.replies.values())

    def on_reply(self, source: int, message: HeartbeatReply) -> None:
        super().on_reply(source, message)
        if message.round == self.round and message.leader > self.leader:
            self.elect(message.leader)


class Happy(BallotElection):
    """The variant of the published library: a leader stays while anybody is happy with it."""

    def start(self, *, recovered: bool) -> None:
        super().start(recovered=recovered)
        self.content = not recovered
        if not recovered and self.leader < self.own:
            self.leader = self.own

    def decide(self) -> None:
        node = self.node
        heard = max((reply.ballot for reply in self.replies.values()), default=ZERO)
        if heard > self.leader:
            self.elect(heard)
        self.content = self.is_happy()
        if not self.content and self.all_unhappy() and self.hears_quorum():
            self.stand_up()
            self.leader = self.own
            self.content = True
        if node.promise > self.leader:
            self.leader = node.promise
            self.content = True
        if self.leader == self.own:
            node.lead(self.own)

    def is_happy(self) -> bool:
        """Whether the leader has a quorum, as far as this node can see."""
        replies = self.replies.values()
        if self.leader != self.own:
            return any(reply.ballot == self.leader and reply.content for reply in replies)
        quorums = self.node.quorums
        needed = quorums.accept if self.node.leads else quorums.prepare
        followers = sum(reply.leader <= self.own for reply in replies)
        return followers + 1 >= needed or any(
            reply.leader > self.own and reply.content for reply in replies
        )

    def all_unhappy(self) -> bool:
        """Whether nobody heard is happy, so that nobody minds another leader."""
        return not any(reply.content for reply in self.replies.values())


#: Makes an election for a node.
MakeElection = Callable[..., BallotElection]
ELECTIONS: dict[str, MakeElection] = {"connected": Connected, "happy": Happy, "gossip": Gossip}
