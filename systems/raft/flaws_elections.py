"""Flaws of elections and of what a node must remember."""

from __future__ import annotations

from harness.node import Recovered
from systems.raft.messages import RequestVote, Vote
from systems.raft.node import RaftNode
from systems.raft.planted import planted


class _VoteForgotten(RaftNode):
    def on_start(self, recovered: Recovered) -> None:
        super().on_start(recovered)
        self.voted_for = 0


class _TermForgotten(RaftNode):
    def on_start(self, recovered: Recovered) -> None:
        super().on_start(recovered)
        self.term = self.log.last_term
        self.voted_for = 0


class _VoteBeforeSync(RaftNode):
    def grant(self, candidate: int) -> None:
        self.context.send(candidate, Vote(self.term, True, False))
        super().grant(candidate)


class _VotesAgain(RaftNode):
    def may_vote_for(self, candidate: int) -> bool:
        return True


class _LongestLog(RaftNode):
    def is_up_to_date(self, last_term: int, last_index: int) -> bool:
        return last_index >= self.log.last_index


class _LatestTerm(RaftNode):
    def is_up_to_date(self, last_term: int, last_index: int) -> bool:
        return last_term >= self.log.last_term


class _HalfIsQuorum(RaftNode):
    def has_quorum(self) -> bool:
        return 2 * len(self.votes) >= len(self.configuration.voters)


class _MessagesCounted(RaftNode):
    counted = 1

    def campaign(self, *, trial: bool, transfer: bool = False) -> None:
        self.counted = 1
        super().campaign(trial=trial, transfer=transfer)

    def on_vote(self, source: int, message: Vote) -> None:
        self.counted += message.granted
        super().on_vote(source, message)

    def has_quorum(self) -> bool:
        return 2 * self.counted > len(self.configuration.voters)


class _LateVotes(RaftNode):
    def on_vote(self, source: int, message: Vote) -> None:
        if message.granted and not message.trial:
            message = Vote(self.term, True, False)
        super().on_vote(source, message)


class _VotesKept(RaftNode):
    def campaign(self, *, trial: bool, transfer: bool = False) -> None:
        kept = self.votes
        super().campaign(trial=trial, transfer=transfer)
        self.votes |= kept


class _EqualPatience(RaftNode):
    def reset_election_timer(self) -> None:
        self._timeout_ns = self.options.election_minimum_ns
        self.context.set_timer("election", self._timeout_ns)


class _DisloyalVoter(RaftNode):
    def on_request_vote(self, source: int, message: RequestVote) -> None:
        self._heard_ns = -self.options.election_maximum_ns
        super().on_request_vote(source, message)


class _FickleVoter(RaftNode):
    def on_request_vote(self, source: int, message: RequestVote) -> None:
        if message.term == self.term:
            self._heard_ns = -self.options.election_maximum_ns
        super().on_request_vote(source, message)


class _LoudAfterRestart(RaftNode):
    def keep_quiet(self) -> None:
        pass


FLAWS = (
    planted(
        "vote-forgotten",
        "the vote is not read back after a restart",
        "a node votes for two candidates of one term, which then both lead",
        _VoteForgotten,
    ),
    planted(
        "term-forgotten",
        "after a restart a node goes by the last term in its log",
        "a node votes again in a term in which it has voted",
        _TermForgotten,
    ),
    planted(
        "vote-before-sync",
        "a vote is sent before it is durable",
        "a crash makes a voter forget a vote that was counted",
        _VoteBeforeSync,
    ),
    planted(
        "votes-again",
        "a voter does not look whether it has voted in this term",
        "two candidates win the same election",
        _VotesAgain,
    ),
    planted(
        "longest-log-wins",
        "logs are compared by their length alone",
        "a long tail that was never committed wins over what was",
        _LongestLog,
    ),
    planted(
        "latest-term-wins",
        "logs are compared by their last term alone",
        "a node that missed the last entries is elected, and they are lost",
        _LatestTerm,
    ),
    planted(
        "half-is-a-quorum",
        "half of the votes elect a leader",
        "both halves of an even cluster elect one in the same term",
        _HalfIsQuorum,
    ),
    planted(
        "votes-counted-by-message",
        "votes are counted as messages, not by who sent them",
        "doubled messages elect a leader in a minority",
        _MessagesCounted,
    ),
    planted(
        "late-votes-count",
        "the term of a vote is not compared",
        "votes of an earlier election, given to somebody who lost it, elect in a later one",
        _LateVotes,
        pre_vote=False,
    ),
    planted(
        "votes-kept",
        "a new candidacy begins with the votes of the last one",
        "a candidate that failed before wins without a quorum",
        _VotesKept,
        pre_vote=False,
    ),
    planted(
        "equal-patience",
        "the election timeout is not random",
        "all nodes stand for election at once, for ever",
        _EqualPatience,
    ),
    planted(
        "disloyal-voter",
        "voters listen to candidates although they hear a leader",
        "a leader is elected while another one has a lease",
        _DisloyalVoter,
        lease_reads=True,
    ),
    planted(
        "fickle-voter",
        "voters that hear a leader listen to candidates of a term that they know already",
        "a voter learns the term by the way, and elects while another leader has a lease",
        _FickleVoter,
        lease_reads=True,
    ),
    planted(
        "loud-after-restart",
        "a restarted node votes at once",
        "voters forget the lease that rests on them, and elect another leader meanwhile",
        _LoudAfterRestart,
        lease_reads=True,
    ),
)
