"""What operators may order of a leader: other members, or another leader.

| order                        | meaning                                                          |
|------------------------------|------------------------------------------------------------------|
| `["assign", node, role]`     | make it a voter, standby or spare; a newcomer, if it is none yet |
| `["remove", node]`           | it leaves                                                        |
| `["reconfigure", [node...]]` | these are the voters from now on; voters of before leave         |
| `["transfer", node]`         | hand the leadership over to it (0: to whoever is most up to date)|

    order ─▶ newcomers become standbys ─▶ they catch up ─┬─ one voter more or less ─▶ new members
                                                         └─ else ─▶ joint ─▶ new members

One change at a time: the next order is refused until the last one is committed, and until the
leader has committed an entry of its own term. Without the latter, two leaders of different terms
can each change one member so that their majorities do not meet (Ongaro, raft-dev, 2015). A leader
that is no voter any more steps down when that is committed; one that finds itself leading a joint
configuration leads out of it.

Source: Ongaro 2014, §3.10 (transfer), §4.1 (single changes), §4.2.1 (catching up), §4.3 (joint).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.node import Command, NodeId
from systems.raft.configuration import Configuration
from systems.raft.messages import CONFIGURATION, Entry, TimeoutNow

if TYPE_CHECKING:
    from systems.raft.leadership import Leadership


class CatchUp:
    """A newcomer on its way: it is close when a round of replication takes no longer than an
    election timeout."""

    __slots__ = ("began_ns", "goal", "rounds")

    def __init__(self, goal: int, now_ns: int) -> None:
        self.goal = goal
        self.began_ns = now_ns
        self.rounds = 1


class Membership:
    """Changes of members and of the leader, as the leader makes them."""

    def __init__(self, leadership: Leadership) -> None:
        self.leadership = leadership
        self.node = leadership.node
        #: Whether something is to be done when entries are committed: at first, to look around.
        self.busy = True
        #: To whom the leadership is being handed over, 0 for nobody.
        self.transferring: NodeId = 0
        self._changed = False
        self._transfer_until_ns = 0
        self._target: Configuration | None = None
        self._catching_up: dict[NodeId, CatchUp] = {}

    # ---- orders

    def order(self, order: Command) -> None:
        """Carry out an order of the table above, or refuse it."""
        if not self.may_change():
            self.node.context.probe("order-refused")
            return
        match order:
            case ["transfer", node]:
                self._transfer(node)
            case ["assign", node, ("voter" | "standby" | "spare") as role]:
                self.change_to(self.node.configuration.assigned(node, role))
            case ["remove", node]:
                self.change_to(self.node.configuration.assigned(node, None))
            case ["reconfigure", [*voters]]:
                self.change_to(self.node.configuration.with_voters(voters))

    def may_change(self) -> bool:
        """Whether nothing else goes on, and this leader knows what is committed."""
        node = self.node
        return (
            node.committed >= self.leadership.first_index
            and node.configuration_index <= node.committed
            and not node.configuration.outgoing
            and self._target is None
            and not self.transferring
        )

    def change_to(self, target: Configuration) -> None:
        """Go to `target`, with newcomers as standbys at first."""
        present = self.node.configuration
        if not target.voters or target == present:
            return
        newcomers = [voter for voter in target.voters if not present.has_vote(voter)]
        self.busy = True
        self._target = target
        now_ns = self.node.context.clock.monotonic_ns()
        goal = self.node.log.last_index
        self._catching_up = {voter: CatchUp(goal, now_ns) for voter in newcomers}
        strangers = [voter for voter in newcomers if voter not in present.standbys]
        if strangers:
            for voter in strangers:
                present = present.assigned(voter, "standby")
            self._propose(present)
        elif not newcomers:
            self._decide()

    def _propose(self, configuration: Configuration) -> None:
        self._changed = True
        command: Any = configuration.command()
        self.leadership.propose(Entry(self.leadership.term, CONFIGURATION, 0, command))

    def _decide(self) -> None:
        """All newcomers have caught up: propose the target, or the joint way there."""
        target, self._target = self._target, None
        assert target is not None
        present = self.node.configuration
        changed = set(present.voters) ^ set(target.voters)
        if len(changed) > 1 or (changed and self.node.options.joint):
            self.node.context.probe("joint-begun")
            self._propose(present.joint(target))
        else:
            self._propose(target)

    # ---- as time goes on

    def on_commit(self) -> None:
        """Something was committed: is it the configuration?"""
        node = self.node
        if node.configuration_index > node.committed or (
            node.committed < self.leadership.first_index
        ):
            return
        self.leadership.forget_strangers()
        if node.configuration.outgoing:
            self._propose(node.configuration.final())
            return
        self.busy = self._target is not None
        if self._changed and not self.busy:
            self._changed = False
            node.context.probe("members-changed", voters=len(node.configuration.voters))
        if not node.configuration.has_vote(node.context.id):
            self.leadership.heartbeat()  # the others learn that it is committed
            node.context.probe("left", term=self.leadership.term)
            node.follow()

    def on_heartbeat(self) -> None:
        """Look after newcomers and a transfer."""
        if self._target is not None:
            self._look_after_newcomers()
        if self.transferring:
            if self.node.context.clock.monotonic_ns() > self._transfer_until_ns:
                self.node.context.probe("transfer-abandoned", term=self.leadership.term)
                self.transferring = 0
            else:
                self._hand_over()

    def _look_after_newcomers(self) -> None:
        now_ns = self.node.context.clock.monotonic_ns()
        options = self.node.options
        for voter, catch_up in list(self._catching_up.items()):
            progress = self.leadership.progress.get(voter)
            reached = progress is not None and progress.match >= catch_up.goal
            took_ns = now_ns - catch_up.began_ns
            if reached and took_ns <= options.election_maximum_ns:
                del self._catching_up[voter]
            elif reached or took_ns > options.catch_up_rounds * options.election_maximum_ns:
                catch_up.rounds += 1
                catch_up.began_ns = now_ns
                catch_up.goal = self.node.log.last_index
                if catch_up.rounds > options.catch_up_rounds or not reached:
                    self._abandon()
                    return
        if not self._catching_up and self.node.configuration_index <= self.node.committed:
            self._decide()

    def _abandon(self) -> None:
        """A newcomer does not come along: the members stay as they are."""
        self._catching_up = {}
        self._target = None
        self.node.context.probe("change-abandoned")

    # ---- another leader

    def _transfer(self, target: NodeId) -> None:
        """Take no more commands, and hand over as soon as the target has the whole log."""
        progress = self.leadership.progress
        voters = [peer for peer in progress if self.node.configuration.has_vote(peer)]
        if not target and voters:
            target = max(voters, key=lambda peer: (progress[peer].match, -peer))
        if target not in voters:
            self.node.context.probe("order-refused")
            return
        self.transferring = target
        options = self.node.options
        now_ns = self.node.context.clock.monotonic_ns()
        self._transfer_until_ns = now_ns + options.election_maximum_ns
        self._hand_over()

    def _hand_over(self) -> None:
        target = self.transferring
        progress = self.leadership.progress.get(target)
        if progress is not None and progress.match == self.node.log.last_index:
            self.leadership.reads.give_up_lease()
            self.node.context.probe("transfer-begun", to=target)
            self.node.context.send(target, TimeoutNow(self.leadership.term))
