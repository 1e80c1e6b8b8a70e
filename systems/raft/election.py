"""Terms, roles and votes: how a Raft node comes to lead, and when it stops.

    follower ──timeout──▶ pre-candidate ──quorum would vote──▶ candidate ──quorum votes──▶ leader
        ▲  └───────────────── TimeoutNow: the leader hands over ─▶ ┘                         │
        └──── a higher term, a leader of this one, or (CheckQuorum) no quorum is heard ──────┘

A vote is a promise, and so is a term in which one votes: both are on the disk before a message
says so. A node that hears a leader refuses trial votes (PreVote); with CheckQuorum it ignores
candidates altogether, unless the leader itself has asked for the election. That is what a lease
rests on, so with lease reads a node keeps quiet for a while after a restart, too.

Source: Ongaro 2014, §3.4 (elections), §3.10 (transfer), §4.2.2 (a removed leader), §4.2.3
(disruption), §6.4.1 (leases), §9.6 (PreVote).
"""

from __future__ import annotations

from harness.node import Context, StateMachine
from systems.raft.messages import RequestVote, TimeoutNow, Vote
from systems.raft.options import RaftOptions
from systems.raft.replica import Replica, encoded


class Voter(Replica):
    """A replica that takes part in elections."""

    def __init__(
        self, context: Context, machine: StateMachine, options: RaftOptions | None = None
    ) -> None:
        super().__init__(context, machine, options)
        self.voted_for = 0
        #: Who has voted for this candidate, or would.
        self.votes: set[int] = set()
        # the leader's latest round, for reads
        self._round = 0
        # when a leader was last heard; the election timer looks at it when it rings, which is
        # cheaper than setting it back at every message
        self._heard_ns = -self.options.election_maximum_ns
        self._timeout_ns = 0

    # ---- terms and roles

    def enter_term(self, term: int, voted_for: int = 0) -> None:
        """Move to a higher term; it is written with the next flush, before any promise in it."""
        self.term = term
        self.voted_for = voted_for
        self.leader = 0
        self.agreed = 0
        self._round = 0
        self.write_meta()
        self._unsynced = True

    def write_meta(self) -> None:
        """Put term and vote where they survive, once the disk is synced."""
        self.context.disk.put_meta(encoded((self.term, self.voted_for)))

    def follow(self) -> None:
        """Be a follower; a leader steps down."""
        self.role = "follower"
        leadership, self.leadership = self.leadership, None
        if leadership is not None:
            self.leader = 0
            leadership.resign()
            self.context.probe("stepped-down", term=self.term)
            self.reset_election_timer()

    def see_term(self, term: int) -> None:
        """A message of a higher term came."""
        self.follow()
        self.enter_term(term)

    def lead(self) -> None:
        """The election is won."""
        raise NotImplementedError

    # ---- patience

    def reset_election_timer(self) -> None:
        options = self.options
        self._timeout_ns = self.context.rng.uniform_ns(
            options.election_minimum_ns, options.election_maximum_ns
        )
        if self.context.buggify("early-timeout"):
            self._timeout_ns = options.election_minimum_ns
        self.context.set_timer("election", self._timeout_ns)

    def on_election_timer(self) -> None:
        """Run for leader, unless a leader was heard meanwhile."""
        remaining_ns = self._heard_ns + self._timeout_ns - self.context.clock.monotonic_ns()
        if remaining_ns > 0:
            self.context.set_timer("election", remaining_ns)
            return
        self.reset_election_timer()
        if self.may_stand():
            self.campaign(trial=self.options.pre_vote)

    def may_stand(self) -> bool:
        """Whether this node has a vote, or lost it by a change that may not be decided.

        It may be the only one with the entry of that change, so that nobody else can be elected;
        as a candidate and as a leader it does not count itself (§4.2.2).
        """
        here = self.context.id
        if self.configuration.has_vote(here):
            return True
        return self.configuration_index > self.committed and self._configurations[-2][1].has_vote(
            here
        )

    def hears_leader(self) -> bool:
        """Whether a leader was heard so recently that nobody should run against it."""
        if self.leadership is not None:
            return True
        since_ns = self.context.clock.monotonic_ns() - self._heard_ns
        return since_ns < self.options.election_minimum_ns

    def keep_quiet(self) -> None:
        """Behave as if a leader had just been heard: an earlier life may have heard one."""
        self._heard_ns = self.context.clock.monotonic_ns()

    # ---- the candidate's side

    def campaign(self, *, trial: bool, transfer: bool = False) -> None:
        """Ask for votes in the next term; a trial changes nothing, not even the term."""
        self.votes = {self.context.id}
        self.leader = 0
        if trial:
            self.role = "pre-candidate"
            self._ask_for_votes(self.term + 1, trial=True)
            return
        self.role = "candidate"
        self.enter_term(self.term + 1, self.context.id)
        term = self.term
        # the vote for oneself is a promise too: ask only once it is durable
        self.context.disk.sync(lambda: self._ask_for_votes(term, trial=False, transfer=transfer))

    def _ask_for_votes(self, term: int, *, trial: bool, transfer: bool = False) -> None:
        wanted = "pre-candidate" if trial else "candidate"
        if self.role != wanted or self.term + trial != term:
            return  # something else happened while the disk was busy
        request = RequestVote(term, self.log.last_index, self.log.last_term, trial, transfer)
        for peer in self.context.peers:
            if self.configuration.has_vote(peer):
                self.context.send(peer, request)
        self.count_votes(trial=trial)

    def on_vote(self, source: int, message: Vote) -> None:
        if message.term > self.term and not (message.trial and message.granted):
            self.see_term(message.term)
            return
        wanted = "pre-candidate" if message.trial else "candidate"
        if message.granted and self.role == wanted and message.term == self.term + message.trial:
            self.votes.add(source)
            self.count_votes(trial=message.trial)

    def count_votes(self, *, trial: bool) -> None:
        if not self.has_quorum():
            return
        if trial:
            self.campaign(trial=False)
        else:
            self.lead()

    def has_quorum(self) -> bool:
        """Whether enough have voted for this node."""
        return self.configuration.is_quorum(self.votes)

    def on_timeout_now(self, source: int, message: TimeoutNow) -> None:
        """The leader hands over to this node."""
        follows = message.term == self.term and self.leadership is None
        if follows and self.configuration.has_vote(self.context.id):
            self.context.probe("transfer-taken", term=self.term)
            self.reset_election_timer()
            self.campaign(trial=False, transfer=True)

    # ---- the voter's side

    def on_request_vote(self, source: int, message: RequestVote) -> None:
        if message.trial:
            granted = (
                message.term > self.term
                and not self.hears_leader()
                and self.is_up_to_date(message.last_term, message.last_index)
            )
            term = message.term if granted else self.term
            self.context.send(source, Vote(term, granted, True))
            return
        loyal = self.options.check_quorum and not message.transfer and self.hears_leader()
        if message.term > self.term:
            if loyal:
                return
            self.see_term(message.term)
        # loyal in the same term, too: it may have been learned of since the leader was heard
        granted = (
            message.term == self.term
            and not loyal
            and self.may_vote_for(source)
            and self.is_up_to_date(message.last_term, message.last_index)
        )
        if granted:
            self.grant(source)
        else:
            self.context.send(source, Vote(self.term, False, False))

    def is_up_to_date(self, last_term: int, last_index: int) -> bool:
        """Whether a log that ends there has all that this one may have helped to commit."""
        return (last_term, last_index) >= self.log.end

    def may_vote_for(self, candidate: int) -> bool:
        """One vote a term; a repeated request gets the same answer."""
        return self.voted_for in (0, candidate)

    def grant(self, candidate: int) -> None:
        """Vote, and say so once that is durable."""
        self.role = "follower"
        self.voted_for = candidate
        self.write_meta()
        self.reset_election_timer()
        vote = Vote(self.term, True, False)
        self.context.disk.sync(lambda: self.context.send(candidate, vote))
