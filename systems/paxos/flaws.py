"""Planted flaws of OmniPaxos in promises, logs and reads: sound code with one thing wrong each.

Those of elections and configurations are in `systems.paxos.flaws_of_groups`; the schedules that
expose them are in tests/systems/test_paxos_flaws.py and listed in docs/systems/paxos.md.
"""

from __future__ import annotations

from harness.node import ClientRequest
from harness.system import Flaw
from systems.paxos.acceptor import Acceptor
from systems.paxos.ballots import Ballot
from systems.paxos.leadership import Leadership
from systems.paxos.messages import Accept, Accepted, AcceptSync, Entry, Promise
from systems.paxos.node import OmniPaxosNode
from systems.paxos.storage import Storage


class _UnconfirmedReads(Leadership):
    def read(self, request: ClientRequest) -> None:
        self.node.answer_read(request)


class StaleRead(OmniPaxosNode):
    """Answers reads without asking whether anybody still follows."""

    leadership_class = _UnconfirmedReads


class _NoSessions(Acceptor):
    def expects(self, message: AcceptSync) -> bool:
        fits = self.phase == "prepare" and message.ballot == self.node.promise
        if fits:
            self.session = message.session
        return fits


class StaleAcceptSync(OmniPaxosNode):
    """Takes an AcceptSync for the answer to its promise that answers an earlier one."""

    acceptor_class = _NoSessions


class _FirstPromise(Leadership):
    def is_better(self, promise: Promise) -> bool:
        return len(self._promises) == 1


class FirstPromise(OmniPaxosNode):
    """A new leader adopts the log that comes with the first promise."""

    leadership_class = _FirstPromise


class _LongestLog(Leadership):
    def is_better(self, promise: Promise) -> bool:
        return (promise.length, promise.accepted_round) > (self._best_length, self._best_round)


class LongestLog(OmniPaxosNode):
    """A new leader adopts the longest log, in whatever round it was accepted."""

    leadership_class = _LongestLog


class _TwoWrites(Storage):
    def accept(self, ballot: Ballot, start: int, entries: tuple[Entry, ...]) -> None:
        if ballot != self.accepted_round:
            super().accept(ballot, start, ())
            self._disk.sync(lambda: None)
        super().accept(ballot, start, entries)


class RoundBeforeLog(OmniPaxosNode):
    """Writes the round that a log was accepted in before the log itself."""

    storage_class = _TwoWrites


class _HastyPromise(Acceptor):
    def tell(self, leader: int, message: Promise) -> None:
        self.promise = message
        self.node.note_told()
        self.node.context.send(leader, message)


class PromiseNotDurable(OmniPaxosNode):
    """Tells of a promise before it is on disk."""

    acceptor_class = _HastyPromise


class _HastyAcceptor(Acceptor):
    def on_accept(self, source: int, message: Accept) -> None:
        super().on_accept(source, message)
        node = self.node
        if self.phase == "accept" and message.ballot == node.promise:
            length = node.log.last_index
            answer = Accepted(node.configuration, node.promise, length, self.round)
            node.context.send(source, answer)


class AcceptedNotDurable(OmniPaxosNode):
    """Acknowledges entries before they are on disk."""

    acceptor_class = _HastyAcceptor


class _OldPromises(Leadership):
    def begin(self) -> None:
        super().begin()
        node = self.node
        assert isinstance(node, OldPromises)
        if node.has_led and node.leadership is self and not self.accepting:
            self._take_over()

    def _take_over(self) -> None:
        assert isinstance(self.node, OldPromises)
        self.node.has_led = True
        super()._take_over()


class OldPromises(OmniPaxosNode):
    """A node that has led before takes the promises of that time for those of its new ballot."""

    leadership_class = _OldPromises
    has_led = False


class _Greedy(Acceptor):
    def decidable(self, message: Accept) -> int:
        return message.decided


class DecidedTooFar(OmniPaxosNode):
    """Takes for decided what the leader says, though its own log does not reach so far."""

    acceptor_class = _Greedy


class _GapBlind(Acceptor):
    def new_entries(self, message: Accept) -> tuple[Entry, ...]:
        return message.entries[max(0, self.node.log.last_index - message.start) :]


class GapIgnored(OmniPaxosNode):
    """Appends what comes, though entries between are missing."""

    acceptor_class = _GapBlind


FLAWS: dict[str, tuple[Flaw, type[OmniPaxosNode]]] = {
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
                name="stale-accept-sync",
                change="an AcceptSync is not held against the promise that it answers (E1)",
                breaks="one that comes late rolls a log back, and decided entries are lost",
            ),
            StaleAcceptSync,
        ),
        (
            Flaw(
                name="first-promise",
                change="a leader adopts the first promised log, not that of the highest round (E2)",
                breaks="decided entries that the first one lacks are lost",
            ),
            FirstPromise,
        ),
        (
            Flaw(
                name="longest-log",
                change="a leader adopts the longest log, whatever its round (E3)",
                breaks="a long tail that nobody decided displaces decided entries",
            ),
            LongestLog,
        ),
        (
            Flaw(
                name="round-before-log",
                change="the accepted round is written before the log, not with it (E4)",
                breaks="after a crash between, a short log passes for that of a high round",
            ),
            RoundBeforeLog,
        ),
        (
            Flaw(
                name="promise-not-durable",
                change="a promise is told before it is on disk (E5)",
                breaks="after a crash the node helps a lower ballot that it had renounced",
            ),
            PromiseNotDurable,
        ),
        (
            Flaw(
                name="accepted-not-durable",
                change="entries are acknowledged before they are on disk",
                breaks="acknowledged writes are gone after crashes",
            ),
            AcceptedNotDurable,
        ),
        (
            Flaw(
                name="old-promises",
                change="whoever has led before leads again without waiting for promises (E6)",
                breaks="it does not learn what was decided without it",
            ),
            OldPromises,
        ),
        (
            Flaw(
                name="decided-too-far",
                change="a follower's decided index may lie beyond what it has accepted (E9)",
                breaks="it applies entries that it does not have",
            ),
            DecidedTooFar,
        ),
        (
            Flaw(
                name="gap-ignored",
                change="entries are appended though some before them were lost (E10)",
                breaks="logs of one round differ, and so do states",
            ),
            GapIgnored,
        ),
    )
}
