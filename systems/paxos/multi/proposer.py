"""What a Multi-Paxos leader knows: what was accepted before it, its proposals, waiting reads.

    phase 1 ──promises of a prepare quorum──▶ phase 2
       every slot above what is chosen gets the      batches of commands, each proposed to all
       value of the highest ballot, or a no-op       and chosen by an accept quorum

A batch is a run of slots that is proposed and accepted as one. The object is made for one ballot;
a leader that raises its ballot hands what was not yet proposed to the next one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from harness.node import ClientRequest
from systems.paxos.ballots import Ballot
from systems.paxos.messages import NOTHING, Entry
from systems.paxos.multi.messages import Accepted, Agree, Prepare, Promise, Propose
from systems.paxos.reads import IndexReads

if TYPE_CHECKING:
    from systems.paxos.multi.node import MultiPaxosNode

_NO_OPERATION = Entry(NOTHING, 0, None)


class _Batch:
    """Entries for the slots behind `start`, and who has accepted them."""

    __slots__ = ("agreed", "beats", "chosen", "entries", "start")

    def __init__(self, start: int, entries: tuple[Entry, ...]) -> None:
        self.start = start
        self.entries = entries
        self.agreed: set[int] = set()
        self.chosen = False
        self.beats = 0


class Proposer:
    """The leader's part of a `MultiPaxosNode`, for one ballot."""

    def __init__(self, node: MultiPaxosNode, ballot: Ballot) -> None:
        self.node = node
        self.ballot = ballot
        self.proposing = False
        self.reads = IndexReads(node, needed=node.quorums.accept, announce=self._announce)
        self.queue: deque[ClientRequest] = deque()
        self._prepared = False
        self._promised: set[int] = set()
        self._values: dict[int, Accepted] = {}
        self._batches: dict[int, _Batch] = {}  # by start, in the order of the slots
        self._next = 0
        self._barrier = 0

    # ---- phase 1

    def begin(self) -> None:
        """The own promise is durable: ask everybody for theirs."""
        node = self.node
        if node.leadership is not self:
            return
        node.note_told()
        self._prepared = True
        self._learn(node.log.accepted_above(node.log.chosen))
        for peer in node.peers:
            self._prepare(peer)
        node.context.set_timer("heartbeat", node.options.heartbeat_ns)
        self._count_promises()

    def _prepare(self, peer: int) -> None:
        self.node.context.send(peer, Prepare(self.ballot, self.node.log.chosen))

    def on_promise(self, peer: int, message: Promise) -> None:
        if self.proposing:
            return
        if message.snapshot is not None:
            self.node.install(message.base, message.snapshot)
        self._learn(message.accepted)
        self._promised.add(peer)
        self._count_promises()

    def _learn(self, accepted: tuple[Accepted, ...]) -> None:
        """Keep the value of the highest ballot for every slot."""
        values = self._values
        for one in accepted:
            known = values.get(one.slot)
            if known is None or one.ballot > known.ballot:
                values[one.slot] = one

    def _count_promises(self) -> None:
        if self._prepared and len(self._promised) + 1 >= self.node.quorums.prepare:
            self._propose_again()

    def _propose_again(self) -> None:
        """Phase 2 begins with all that may have been chosen in lower ballots."""
        node = self.node
        self.proposing = True
        chosen = self._next = node.log.chosen
        self._barrier = max(chosen, *self._values, 0)
        node.role = "leader"
        node.leader = node.context.id
        node.context.probe("elected", term=self.ballot.number)
        entries = tuple(self.value_for(slot) for slot in range(chosen + 1, self._barrier + 1))
        self._values = {}
        if entries:
            self._propose(entries)
        else:
            self._announce()
        queue, self.queue = self.queue, deque()
        for request in queue:
            node.on_request(request)

    def value_for(self, slot: int) -> Entry:
        """What must be proposed for a slot of an earlier leader."""
        known = self._values.get(slot)
        return _NO_OPERATION if known is None else known.entry

    # ---- clients

    def write(self, request: ClientRequest) -> None:
        """Replicate a command, unless its session says that it was done already."""
        node = self.node
        if not self.proposing:
            self.queue.append(request)
        elif not node.answer_repeated(request):
            again = (request.session, request.serial) in node.waiting
            node.wait_for(request)
            if not again:
                self.queue.append(request)
                self._pump()

    def read(self, request: ClientRequest) -> None:
        """Answer from a state that has everything acknowledged before the request."""
        if self.proposing:
            self.reads.read(request, max(self.node.log.chosen, self._barrier))
        else:
            self.queue.append(request)

    def resign(self) -> None:
        """Refuse what was never proposed; the fate of the rest is not known to this node."""
        self.reads.refuse()
        for request in self.queue:
            self.node.refuse(request)
        self.queue.clear()
        self.node.context.cancel_timer("heartbeat")

    def hand_over(self, other: Proposer) -> None:
        """The same node goes on with another ballot."""
        self.reads.refuse()
        for request in self.queue:
            self.node.waiting.pop((request.session, request.serial), None)
        other.queue, self.queue = self.queue, deque()

    # ---- phase 2

    def _pump(self) -> None:
        """Propose what waits, while few batches are under way."""
        options = self.node.options
        while self.queue and len(self._batches) < options.window:
            limit = 1 if self.node.context.buggify("tiny-batch") else options.batch
            requests = [self.queue.popleft() for _ in range(min(limit, len(self.queue)))]
            self._propose(tuple(Entry(r.session, r.serial, r.command) for r in requests))

    def _propose(self, entries: tuple[Entry, ...]) -> None:
        batch = _Batch(self._next, entries)
        self._batches[batch.start] = batch
        self._next += len(entries)
        node = self.node
        node.accept(node.context.id, self.ballot, batch.start, entries)
        for peer in node.peers:
            self._send(peer, batch.start, entries)

    def _send(self, peer: int, start: int, entries: tuple[Entry, ...]) -> None:
        chosen = self.node.log.chosen
        message = Propose(self.ballot, start, entries, chosen, self.reads.round)
        self.node.context.send(peer, message)

    def _announce(self) -> None:
        for peer in self.node.peers:
            self._send(peer, self.node.log.chosen, ())

    def heartbeat(self) -> None:
        """Repeat what may have been lost."""
        node = self.node
        if self.proposing:
            for batch in self._batches.values():
                batch.beats += 1
                if batch.beats > 1 and not batch.chosen:
                    for peer in node.peers:
                        if peer not in batch.agreed:
                            self._send(peer, batch.start, batch.entries)
            self._announce()
        else:
            for peer in node.peers:
                if peer not in self._promised:
                    self._prepare(peer)
        node.context.set_timer("heartbeat", node.options.heartbeat_ns)

    def on_agree(self, peer: int, message: Agree) -> None:
        """`peer`, or this node itself, has accepted a batch and will not lose it."""
        batch = self._batches.get(message.start)
        if batch is not None and message.count == len(batch.entries):
            batch.agreed.add(peer)
            if not batch.chosen and len(batch.agreed) >= self.node.quorums.accept:
                batch.chosen = True
                self._advance()
        self.reads.on_round(peer, message.round)

    def _advance(self) -> None:
        """The batches at the front that are chosen can be applied."""
        chosen = self.node.log.chosen
        while self._batches:
            batch = next(iter(self._batches.values()))
            if not batch.chosen:
                break
            del self._batches[batch.start]
            chosen = batch.start + len(batch.entries)
        if chosen > self.node.log.chosen:
            self.node.choose(chosen)
            self.reads.serve()
            self._pump()
