"""Planted flaws of Multi-Paxos: sound code with one thing wrong each; see `systems.paxos.flaws`."""

from __future__ import annotations

from typing import Any

from harness.node import ClientRequest
from harness.system import Flaw
from systems.paxos.ballots import Ballot
from systems.paxos.messages import NOTHING, Entry
from systems.paxos.multi.messages import Accepted, Agree
from systems.paxos.multi.node import MultiPaxosNode
from systems.paxos.multi.proposer import Proposer


class _UnconfirmedReads(Proposer):
    def read(self, request: ClientRequest) -> None:
        self.node.answer_read(request)


class StaleRead(MultiPaxosNode):
    """Answers reads without asking whether anybody still follows."""

    proposer_class = _UnconfirmedReads


class _GapFiller(Proposer):
    def value_for(self, slot: int) -> Entry:
        own = slot <= self.node.log.last_index and self.node.log.at(slot) is not None
        return super().value_for(slot) if own else Entry(NOTHING, 0, None)


class GapFilled(MultiPaxosNode):
    """A new leader fills the gaps of its own log with no-ops, whatever others have accepted."""

    proposer_class = _GapFiller


class CutPromise(MultiPaxosNode):
    """Reports only the first of the slots in which it has accepted something."""

    def reported(self, chosen: int) -> tuple[Any, ...]:
        return super().reported(chosen)[:1]


class _FirstValue(Proposer):
    def _learn(self, accepted: tuple[Accepted, ...]) -> None:
        for one in accepted:
            self._values.setdefault(one.slot, one)


class FirstValue(MultiPaxosNode):
    """A new leader takes the value that it hears first, not that of the highest ballot."""

    proposer_class = _FirstValue


class CountedTwice(MultiPaxosNode):
    """A leader counts its own acceptance as an answer to its question whether it still leads."""

    def _on_agree(self, source: int, message: Agree) -> None:
        if source == self.context.id and self.leadership is not None:
            message = Agree(
                message.ballot, message.start, message.count, self.leadership.reads.round
            )
        super()._on_agree(source, message)


class HastyAgreement(MultiPaxosNode):
    """Tells that it has accepted before that is on disk."""

    def accept(self, proposer: int, ballot: Ballot, start: int, entries: tuple[Entry, ...]) -> None:
        super().accept(proposer, ballot, start, entries)
        if proposer not in (0, self.context.id):
            self.context.send(proposer, Agree(ballot, start, len(entries), 0))


FLAWS: dict[str, tuple[Flaw, type[MultiPaxosNode]]] = {
    flaw.name: (flaw, variant)
    for flaw, variant in (
        (
            Flaw(
                name="stale-read",
                change="a leader answers reads without confirming its leadership",
                breaks="a leader that was cut off answers from the past",
            ),
            StaleRead,
        ),
        (
            Flaw(
                name="gap-filled",
                change="a leader fills gaps of its own log with no-ops, not with promised values "
                "(E17)",
                breaks="chosen values are lost",
            ),
            GapFilled,
        ),
        (
            Flaw(
                name="cut-promise",
                change="a promise reports one accepted slot, not all above the chosen ones (E18)",
                breaks="chosen values are lost",
            ),
            CutPromise,
        ),
        (
            Flaw(
                name="first-value",
                change="a leader takes the first reported value, not that of the highest ballot "
                "(E2)",
                breaks="a value that was accepted, but not chosen, displaces a chosen one",
            ),
            FirstValue,
        ),
        (
            Flaw(
                name="counted-twice",
                change="a leader's acceptance of its own proposal also confirms its leadership",
                breaks="a leader with a minority answers reads",
            ),
            CountedTwice,
        ),
        (
            Flaw(
                name="agreed-not-durable",
                change="acceptance is told before it is on disk",
                breaks="acknowledged writes are gone after crashes",
            ),
            HastyAgreement,
        ),
    )
}
