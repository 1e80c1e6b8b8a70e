"""Linearizable reads without a log entry, in two ways.

    index    the leader: note what is decided, hear from an accept quorum that nobody newer leads,
             answer when that much is applied
    quorum   any node: ask a prepare quorum how long its logs are, answer when the longest of them
             is decided and applied here

An accept quorum meets every prepare quorum, so that in the first way a newer leader would have
been noticed, and a prepare quorum meets every accept quorum, so that in the second no decided
entry is missed. Heartbeats of the election prove neither. (The third way, a log entry for every
read, needs no code here.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.node import ClientRequest
from systems.paxos.messages import ReadQuery, ReadReport
from systems.paxos.replica import Replica

if TYPE_CHECKING:
    from systems.paxos.node import OmniPaxosNode


class IndexReads:
    """The reads that wait at a leader.

    `announce` sends the present `round` to everybody; an answer that carries it was given after
    the reads of that round had come. `needed` nodes, this one included, confirm a round.
    """

    def __init__(self, node: Replica, *, needed: int, announce: Callable[[], None]) -> None:
        self.round = 0
        self._node = node
        self._needed = needed
        self._announce = announce
        self._confirmed = 0
        self._rounds: dict[int, int] = {}
        self._reads: list[tuple[int, int, ClientRequest]] = []

    def read(self, request: ClientRequest, index: int) -> None:
        """Answer once a round that begins from now on is confirmed, and `index` is applied."""
        self._reads.append((self.round + 1, index, request))
        if self._confirmed == self.round:
            self._next_round()

    def on_round(self, peer: int, round_number: int) -> None:
        """`peer` still followed this leader when it heard of the round."""
        if round_number > self._rounds.get(peer, 0):
            self._rounds[peer] = round_number
            if round_number > self._confirmed:
                self._confirm()

    def serve(self) -> None:
        """Answer what can be answered by now."""
        if not self._reads:
            return
        waiting, self._reads = self._reads, []
        for read in waiting:
            round_number, index, request = read
            if round_number <= self._confirmed and index <= self._node.applied:
                self._node.answer_read(request)
            else:
                self._reads.append(read)
        if self._reads and self._confirmed == self.round and self._reads[-1][0] > self.round:
            self._next_round()

    def refuse(self) -> None:
        """This node leads no more; whoever waits should ask the next leader."""
        for _, _, request in self._reads:
            self._node.refuse(request)
        self._reads.clear()

    def _next_round(self) -> None:
        self.round += 1
        self._announce()
        self._confirm()

    def _confirm(self) -> None:
        rounds = sorted((self.round, *self._rounds.values()), reverse=True)
        if len(rounds) >= self._needed and rounds[self._needed - 1] > self._confirmed:
            self._confirmed = rounds[self._needed - 1]
            self.serve()


class QuorumReads:
    """The reads that wait at any node, leader or not.

    One query is under way at a time; reads that come meanwhile wait for the next one. `tick`
    repeats it, and asks anew for reads that still wait: the longest log may hold entries that
    will never be decided, and a later query may find them gone. A report to a query of an earlier
    life says how long logs were then, so that a query names the life, and the first one of a life
    waits until the disk knows of it: one that is forgotten is lived again.
    """

    def __init__(self, node: OmniPaxosNode) -> None:
        self._node = node
        self._number = 0
        self._is_life_durable = False
        self._asking: list[ClientRequest] = []
        self._next: list[ClientRequest] = []
        self._reports: dict[int, int] = {}
        self._ready: list[tuple[int, ClientRequest]] = []

    def read(self, request: ClientRequest) -> None:
        """Answer when everything that was decided before the request is applied here."""
        self._next.append(request)
        if not self._asking:
            self._ask()

    def _ask(self) -> None:
        self._number += 1
        self._asking, self._next = self._asking + self._next, []
        self._reports = {}
        if self._is_life_durable:
            self._query()
        else:
            self._node.context.disk.sync(self._begin)
        self._count()

    def _begin(self) -> None:
        self._is_life_durable = True
        self._query()

    def _query(self) -> None:
        node = self._node
        query = ReadQuery(node.configuration, self._name)
        for peer in node.peers:
            node.context.send(peer, query)

    @property
    def _name(self) -> tuple[int, int]:
        """What tells the present query from all others of this node."""
        return self._node.log.life, self._number

    def on_query(self, source: int, message: ReadQuery) -> None:
        node = self._node
        report = ReadReport(message.configuration, message.query, node.log.last_index)
        node.context.send(source, report)

    def on_report(self, source: int, message: ReadReport) -> None:
        if message.query == self._name and self._asking:
            self._reports[source] = message.length
            self._count()

    def _count(self) -> None:
        node = self._node
        if len(self._reports) + 1 < node.quorums.prepare:
            return
        index = max(node.log.last_index, *self._reports.values(), 0)
        self._ready += [(index, request) for request in self._asking]
        self._asking = []
        self.serve()
        if self._next:
            self._ask()

    def serve(self) -> None:
        """Answer what can be answered by now."""
        if self._ready:
            waiting, self._ready = self._ready, []
            for index, request in waiting:
                if index <= self._node.applied:
                    self._node.answer_read(request)
                else:
                    self._ready.append((index, request))

    def tick(self) -> None:
        """Some time has passed: ask again for all that still waits."""
        if self._asking or self._ready:
            self._next += [request for _, request in self._ready]
            self._ready = []
            self._ask()

    def refuse(self) -> None:
        """The configuration has ended."""
        for request in (*self._asking, *self._next, *(request for _, request in self._ready)):
            self._node.refuse(request)
        self._asking, self._next, self._ready = [], [], []
