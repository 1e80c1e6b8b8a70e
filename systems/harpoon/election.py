"""Elections: who is free, who gets the vote, and which log the winner goes on with.

    follower ──promise over──▶ pre-candidate ──a quorum is willing──▶ candidate
                                                                          │ votes of a quorum,
                                     leader ◀── longest log of the quorum ┘ each with its log

A node bound by a promise is deaf to `Canvass` and `RequestVote` of whatever term: a leader that a
quorum hears is never replaced, however the others are connected. Terms grow only after a quorum
has been willing, so a node that was cut off comes back with no higher term than the rest.

The vote is Raft's (one per term, durable before it is sent), but no log is too short to win: a
voter that is ahead sends what the candidate lacks, as in Paxos, and the candidate goes on with the
log that is latest among its quorum by (last term, length). That is the log with which one of the
voters could have won in Raft, so Raft's argument for leader completeness holds. It is what lets a
hub that lags behind lead, if it alone hears a quorum (the "constrained" topology).

Source: Ongaro 2014, §3.4 and §9.6 (PreVote); Lamport, "Paxos Made Simple", 2001, for the choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems.harpoon.messages import Canvass, RequestVote, Vote, Willing

if TYPE_CHECKING:
    from systems.harpoon.node import HarpoonNode


class Election:
    """The campaigns of a `HarpoonNode`, and its votes for others."""

    def __init__(self, node: HarpoonNode) -> None:
        self.node = node
        self._number = 0
        self.willing: dict[int, int] = {}
        self.votes: dict[int, Vote] = {}

    # ---- when to try

    def wait(self) -> None:
        """Look again when the promise, if there is one, has been over for a while."""
        options, context = self.node.options, self.node.context
        pause_ns = context.rng.uniform_ns(options.wait_minimum_ns, options.wait_maximum_ns)
        if context.buggify("stand-at-once"):
            pause_ns = 1
        context.set_timer("election", max(0, self.node.promise.remaining_ns()) + pause_ns)

    def give_time(self) -> None:
        """An attempt is under way, here or elsewhere: do not disturb it."""
        options, context = self.node.options, self.node.context
        pause_ns = context.rng.uniform_ns(options.campaign_minimum_ns, options.campaign_maximum_ns)
        context.set_timer("election", pause_ns)

    def on_timer(self) -> None:
        # heartbeats do not push the timer back: it looks at the promise when it rings
        if self.node.leadership is not None:
            return
        if self.is_free():
            self._canvass()
        else:
            self.wait()

    def is_free(self) -> bool:
        """Whether this node may stand for election and vote."""
        return self.node.leads() is None and self.node.promise.remaining_ns() <= 0

    # ---- standing for election

    def _canvass(self) -> None:
        node = self.node
        node.role = "pre-candidate"
        node.leader = 0
        self._number += 1
        self.willing = {node.context.id: node.term}
        self.give_time()
        message = Canvass(self._number)
        for peer in node.context.peers:
            node.context.send(peer, message)
        self._count_willing()

    def on_canvass(self, source: int, message: Canvass) -> None:
        if self.is_free():
            self.node.context.send(source, Willing(message.number, self.node.term))

    def on_willing(self, source: int, message: Willing) -> None:
        if self.node.role == "pre-candidate" and message.number == self._number:
            self.willing[source] = message.term
            self._count_willing()

    def _count_willing(self) -> None:
        if self.node.is_quorum(len(self.willing)):
            self._stand(max(self.willing.values()) + 1)

    def _stand(self, term: int) -> None:
        node = self.node
        node.role = "candidate"
        node.enter_term(term, node.context.id)
        self.votes = {}
        # the vote for oneself is a promise too: ask only once it is durable
        node.storage.then(lambda: self._ask_for_votes(term))

    def _ask_for_votes(self, term: int) -> None:
        node = self.node
        if node.role != "candidate" or node.term != term:
            return  # something else happened while the disk was busy
        log = node.log
        for peer in node.context.peers:
            request = RequestVote(term, log.last_index, log.last_term, node.committed)
            node.context.send(peer, request)
        self._count_vote(node.context.id, Vote(term, log.last_index, log.last_term, 0, ()))

    def on_vote(self, source: int, message: Vote) -> None:
        if self.node.role == "candidate" and message.term == self.node.term:
            self._count_vote(source, message)

    def _count_vote(self, voter: int, vote: Vote) -> None:
        self.votes[voter] = vote
        if not self.node.is_quorum(len(self.votes)):
            return
        best = self.choose(list(self.votes.values()))
        if self.rank(best.last_term, best.last_index) > self.rank(*self.node.log.end):
            self.adopt(best)
        self.node.lead()

    def choose(self, votes: list[Vote]) -> Vote:
        """The vote with the log to go on with; the candidate's own comes first among equals."""
        return max(votes, key=lambda vote: self.rank(vote.last_term, vote.last_index))

    def rank(self, last_term: int, last_index: int) -> tuple[int, ...]:
        """Logs are compared by this: the one to go on with is the largest of a quorum."""
        return last_term, last_index

    def adopt(self, vote: Vote) -> None:
        """Go on with the log that came with `vote`."""
        node = self.node
        node.context.probe("log-transferred", entries=len(vote.entries))
        if vote.snapshot is not None and vote.snapshot.index > node.committed:
            node.install(vote.snapshot)
        node.splice(vote.previous, vote.entries)

    # ---- voting

    def on_request_vote(self, source: int, message: RequestVote) -> None:
        node = self.node
        if message.term < node.term or not self.is_free():
            return
        if message.term > node.term:
            node.follow()
            node.enter_term(message.term)
        if not self.may_vote_for(source):
            return
        node.role = "follower"
        node.vote_for(source)
        self.give_time()
        vote = self._vote(message)
        node.storage.then(lambda: self._send_vote(source, vote))

    def may_vote_for(self, candidate: int) -> bool:
        """Whether the vote of the current term is free, or is `candidate`'s already."""
        return self.node.voted_for in (0, candidate)

    def _vote(self, request: RequestVote) -> Vote:
        log, snapshot = self.node.log, self.node.storage.snapshot
        term, index = log.end
        if self.rank(term, index) <= self.rank(request.last_term, request.last_index):
            return Vote(request.term, index, term, 0, ())
        # Either the candidate's log is a beginning of this one, or what it knows to be committed
        # is: the latter is so for the latest log of any quorum, and no other one is used.
        previous = request.committed
        if log.term_at(request.last_index) == request.last_term:
            previous = request.last_index
        if previous >= log.base_index:
            return Vote(request.term, index, term, previous, log.after(previous))
        assert snapshot is not None, "entries are gone only once a snapshot stands for them"
        entries = log.after(snapshot.index)
        return Vote(request.term, index, term, snapshot.index, entries, snapshot)

    def _send_vote(self, candidate: int, vote: Vote) -> None:
        if vote.term == self.node.term:
            self.node.context.send(candidate, vote)
