"""Planted flaws of OmniPaxos in elections, quorums, configurations; see `systems.paxos.flaws`."""

from __future__ import annotations

from typing import ClassVar

from harness.node import ClientRequest
from harness.system import Flaw
from systems.paxos.ballots import ZERO, Ballot, Quorums
from systems.paxos.election import ELECTIONS, Connected, Happy
from systems.paxos.leadership import Leadership
from systems.paxos.messages import Entry
from systems.paxos.node import OmniPaxosNode


class _Same(Connected):
    def start(self, *, recovered: bool) -> None:
        super().start(recovered=recovered)
        if self.leader.node == self.node.context.id:
            self.own, self.leader = self.leader, ZERO

    def decide(self) -> None:
        if self.leader == ZERO < self.own == self.node.promise and self.hears_quorum():
            self.elect(self.own)
        super().decide()


class BallotReused(OmniPaxosNode):
    """Leads on after a restart with the ballot that it led with before."""

    elections: ClassVar = {**ELECTIONS, "connected": _Same}

    def may_lead(self, ballot: Ballot) -> bool:
        mine = ballot == self.promise and ballot.node == self.context.id
        return super().may_lead(ballot) or (mine and self.leadership is None)


class _Unasked(Connected):
    def hears_quorum(self) -> bool:
        return bool(self.replies)


class ConnectivityIgnored(OmniPaxosNode):
    """Every node counts as a candidate, whether it hears a quorum or not."""

    elections: ClassVar = {**ELECTIONS, "connected": _Unasked}


class _Restless(Happy):
    def is_happy(self) -> bool:
        replies = self.replies.values()
        if self.leader != self.own:
            return any(reply.ballot == self.leader for reply in replies)
        return sum(reply.leader <= self.own for reply in replies) + 1 >= self.node.quorums.accept

    def all_unhappy(self) -> bool:
        return True


class HappinessIgnored(OmniPaxosNode):
    """Elects as the library does, but no node cares whether others are happy with a leader."""

    elections: ClassVar = {**ELECTIONS, "connected": _Restless}


class SmallQuorums(OmniPaxosNode):
    """Two of five nodes decide, and three elect."""

    def quorums_of(self, nodes: int) -> Quorums:
        majority = nodes // 2 + 1
        return Quorums(majority, nodes - majority)


class _Unsealed(Leadership):
    def reconfigure(self, request: ClientRequest, members: tuple[int, ...]) -> None:
        super().reconfigure(request, members)
        self._sealed = False


class Unsealed(OmniPaxosNode):
    """Goes on accepting commands behind a stop-sign."""

    leadership_class = _Unsealed


class EarlyHandover(OmniPaxosNode):
    """Begins the next configuration when it has accepted the stop-sign."""

    def accept(self, ballot: Ballot, start: int, entries: tuple[Entry, ...]) -> None:
        super().accept(ballot, start, entries)
        if self.log.ends_with_stop_sign:
            self.commit(self.log.last_index)


FLAWS: dict[str, tuple[Flaw, type[OmniPaxosNode]]] = {
    flaw.name: (flaw, variant)
    for flaw, variant in (
        (
            Flaw(
                name="ballot-reused",
                change="after a restart a leader goes on with the ballot it has led with (E7)",
                breaks="two different entries are accepted at one index in one ballot",
            ),
            BallotReused,
        ),
        (
            Flaw(
                name="connectivity-ignored",
                change="whether a candidate hears a quorum is not asked (E11)",
                breaks="a leader that has lost its quorum is kept: nothing is answered",
            ),
            ConnectivityIgnored,
        ),
        (
            Flaw(
                name="happiness-ignored",
                change="whoever does not hear the leader stands up, happy neighbours or not (E12)",
                breaks="leaders change all the time while two nodes do not hear each other",
            ),
            HappinessIgnored,
        ),
        (
            Flaw(
                name="small-quorums",
                change="the quorums that decide and those that elect need not meet (E16)",
                breaks="a new leader does not hear of what was decided",
            ),
            SmallQuorums,
        ),
        (
            Flaw(
                name="unsealed",
                change="entries are accepted behind a stop-sign (E13)",
                breaks="the old configuration decides where the new one has begun",
            ),
            Unsealed,
        ),
        (
            Flaw(
                name="early-handover",
                change="a configuration begins when its stop-sign is accepted, not decided (E14)",
                breaks="a minority goes its own way in a configuration that nobody agreed on",
            ),
            EarlyHandover,
        ),
    )
}
