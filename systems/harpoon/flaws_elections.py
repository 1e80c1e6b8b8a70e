"""Planted flaws of elections: who may vote, how often, and which log wins.

The numbers in brackets are those of the list of Rasputin's flaws in docs/systems/harpoon.md.
"""

from __future__ import annotations

from harness.system import Flaw
from systems.harpoon.election import Election
from systems.harpoon.messages import Canvass, RequestVote, Vote, Willing
from systems.harpoon.node import HarpoonNode

# ---- two-votes-per-term (S2)


class _VotesAgain(Election):
    def may_vote_for(self, candidate: int) -> bool:
        return True


class TwoVotesPerTerm(HarpoonNode):
    """Whoever asks last gets the vote too."""

    election_class = _VotesAgain


# ---- vote-forgotten (S2)


class VoteForgotten(HarpoonNode):
    """The disk knows the term, and not the vote."""

    def vote_for(self, candidate: int) -> None:
        super().vote_for(candidate)
        self.storage.put_meta(self.term, 0)


# ---- term-forgotten (S8)


class TermForgotten(HarpoonNode):
    """A restarted node begins again in the term of its last entry, as if that were the latest."""

    def vote_for(self, candidate: int) -> None:
        super().vote_for(candidate)
        self.storage.put_meta(self.log.last_term, 0)


# ---- longest-log (S3)


class _LongestLog(Election):
    def rank(self, last_term: int, last_index: int) -> tuple[int, ...]:
        return (last_index,)


class LongestLog(HarpoonNode):
    """Logs are compared by their length alone."""

    election_class = _LongestLog


# ---- votes-per-message (S7)


class _VotesPerMessage(Election):
    def on_willing(self, source: int, message: Willing) -> None:
        super().on_willing(source + 1000 * len(self.willing), message)

    def on_vote(self, source: int, message: Vote) -> None:
        super().on_vote(source + 1000 * len(self.votes), message)


class VotesPerMessage(HarpoonNode):
    """Votes are counted without asking whose they are."""

    election_class = _VotesPerMessage


# ---- votes-while-bound


class _VotesWhileBound(Election):
    def is_free(self) -> bool:
        return self.node.leads() is None


class VotesWhileBound(HarpoonNode):
    """Everybody votes at any time, except for leaders."""

    election_class = _VotesWhileBound


# ---- captured-by-candidates (L1)


class _FollowsCandidates(Election):
    def on_canvass(self, source: int, message: Canvass) -> None:
        if source == self.node.leader:
            self.node.promise.renew()
        super().on_canvass(source, message)


class CapturedByCandidates(HarpoonNode):
    """A follower stays bound to its leader for as long as that one wants to be a leader."""

    election_class = _FollowsCandidates


# ---- vote-is-a-lease (L2)


class _VoteBinds(Election):
    def on_request_vote(self, source: int, message: RequestVote) -> None:
        before = (self.node.term, self.node.voted_for)
        super().on_request_vote(source, message)
        if (self.node.term, self.node.voted_for) != before:
            self.node.promise.renew()


class VoteIsALease(HarpoonNode):
    """Who has voted for a candidate is bound as if that one had won."""

    election_class = _VoteBinds


# ---- no-log-transfer


class _NoLogTransfer(Election):
    def on_request_vote(self, source: int, message: RequestVote) -> None:
        mine = self.rank(*self.node.log.end)
        if mine <= self.rank(message.last_term, message.last_index):
            super().on_request_vote(source, message)


class NoLogTransfer(HarpoonNode):
    """As in Raft, nobody votes for a candidate whose log is behind."""

    election_class = _NoLogTransfer


FLAWS: tuple[tuple[Flaw, type[HarpoonNode]], ...] = (
    (
        Flaw(
            name="two-votes-per-term",
            change="a node votes for everyone who asks, also twice in one term [S2]",
            breaks="two candidates at one time: two leaders of one term",
        ),
        TwoVotesPerTerm,
    ),
    (
        Flaw(
            name="vote-forgotten",
            change="a vote is not written to disk [S2]",
            breaks="a voter restarts within a term and votes again",
        ),
        VoteForgotten,
    ),
    (
        Flaw(
            name="term-forgotten",
            change="the term is not written to disk, only that of log entries is [S8]",
            breaks="a voter restarts and goes back to a term before its vote",
        ),
        TermForgotten,
    ),
    (
        Flaw(
            name="longest-log",
            change="the longest log wins an election, whatever its last term is [S3]",
            breaks="what a former leader never committed replaces what was committed since",
        ),
        LongestLog,
    ),
    (
        Flaw(
            name="votes-per-message",
            change="votes are counted by message and not by voter [S7]",
            breaks="duplicated votes: a minority elects a leader of its own",
        ),
        VotesPerMessage,
    ),
    (
        Flaw(
            name="votes-while-bound",
            change="a node votes although it is bound by a promise",
            breaks="a node that does not hear the leader deposes it while its lease lasts",
        ),
        VotesWhileBound,
    ),
    (
        Flaw(
            name="captured-by-candidates",
            change="a candidacy of the last leader renews the promise to it [L1]",
            breaks="the hub of a star, or a node next to a deaf leader, is bound for ever",
        ),
        CapturedByCandidates,
    ),
    (
        Flaw(
            name="vote-is-a-lease",
            change="a vote binds for a whole lease, even if the candidate loses [L2]",
            breaks="after a split vote nobody can be elected until all promises are over",
        ),
        VoteIsALease,
    ),
    (
        Flaw(
            name="no-log-transfer",
            change="a voter whose log is ahead refuses, in place of sending its log",
            breaks="the only node that hears a quorum lacks an entry: nobody can be elected",
        ),
        NoLogTransfer,
    ),
)
