"""The follower's side of OmniPaxos: promises, sessions, accepted entries.

    phase:  recover ──Prepare──▶ prepare ──AcceptSync──▶ accept ──Accept──▶ ...
               ▲ restart             ▲─── any other Prepare ───┘

A promise opens a session. Only the AcceptSync that answers it makes this log the leader's, and
only what is sent in the same session extends it; a message that answers an earlier promise says
what was right then. A promise is repeated as it is until it is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems.paxos.messages import (
    Accept,
    Accepted,
    AcceptSync,
    Entry,
    NotAccepted,
    Prepare,
    PrepareRequest,
    Promise,
)

if TYPE_CHECKING:
    from systems.paxos.node import OmniPaxosNode

#: Sessions of one life of a node; the number of the life stands before it.
_SESSIONS_PER_LIFE = 1 << 24


class Acceptor:
    """What an `OmniPaxosNode` has promised and accepted in its present configuration."""

    def __init__(self, node: OmniPaxosNode) -> None:
        self.node = node
        self.phase = ""
        self.session = 0
        self.promise: Promise | None = None  # the latest; None until it is durable
        self.round = 0
        self._ticks = 0

    def recover(self) -> None:
        """Ask to be taken in again by whoever leads."""
        self.phase = "recover"
        node = self.node
        for peer in node.peers:
            node.context.send(peer, PrepareRequest(node.configuration, node.promise))

    def tick(self) -> None:
        """Repeat what was not answered for a while."""
        self._ticks += 1
        if self._ticks < 2:
            return
        self._ticks = 0
        if self.phase == "recover":
            self.recover()
        elif self.phase == "prepare" and self.promise is not None:
            self.node.context.send(self.promise.ballot.node, self.promise)

    # ---- promises

    def on_prepare(self, source: int, message: Prepare) -> None:
        """Promise, and tell what the leader lacks; the same ballot may ask again at any time."""
        node = self.node
        if message.ballot < node.promise:
            node.context.send(source, NotAccepted(node.configuration, node.promise))
            return
        if message.ballot > node.promise:
            node.step_down()
            node.log.promise_to(message.ballot)
        elif self.phase == "prepare":
            if self.promise is not None:
                node.context.send(source, self.promise)
            return
        node.leader = source
        self._open_session()
        self.tell(source, self._make_promise(message))

    def _open_session(self) -> None:
        self.phase = "prepare"
        self.promise = None
        self._ticks = 0
        log = self.node.log
        self.session = max(self.session, log.life * _SESSIONS_PER_LIFE) + 1

    def _make_promise(self, prepare: Prepare) -> Promise:
        log = self.node.log
        entries: tuple[Entry, ...] = ()
        start, snapshot = log.last_index, None
        if log.accepted_round > prepare.accepted_round:
            start = min(prepare.decided, start)
        elif log.accepted_round == prepare.accepted_round:
            start = min(prepare.length, start)
        if start < log.last_index:
            if start < log.base_index:
                start, snapshot = log.snapshot_index, log.snapshot
            entries = log.slice(start)
        return Promise(
            log.configuration,
            prepare.ballot,
            self.session,
            log.accepted_round,
            log.last_index,
            log.decided,
            start,
            entries,
            snapshot,
        )

    def tell(self, leader: int, message: Promise) -> None:
        """Send a promise when it is durable, unless another session was opened by then."""

        def send() -> None:
            if self.is_present(message):
                self.promise = message
                self.node.note_told()
                self.node.context.send(leader, message)

        self.node.context.disk.sync(send)

    def is_present(self, message: Promise | AcceptSync | Accept) -> bool:
        """Whether the message belongs to the present session."""
        log = self.node.log
        return (
            message.session == self.session
            and message.ballot == log.promise
            and message.configuration == log.configuration
        )

    # ---- entries

    def on_accept_sync(self, source: int, message: AcceptSync) -> None:
        """The leader's answer to a promise: from now on this log is the leader's, and follows."""
        if not self.expects(message):
            return
        node = self.node
        if message.snapshot is not None:
            node.install(message.start, message.snapshot)
        assert message.start >= node.log.decided, "a decided entry would be lost"
        self.phase = "accept"
        node.leader = source
        self.round = message.round
        node.accept(message.ballot, message.start, message.entries)
        node.commit(min(message.decided, node.log.last_index))
        node.flush()

    def expects(self, message: AcceptSync) -> bool:
        """Whether this is the answer to the latest promise."""
        return self.phase == "prepare" and self.is_present(message)

    def on_accept(self, source: int, message: Accept) -> None:
        """Entries, or a sign of life, from the leader."""
        node, log = self.node, self.node.log
        if message.ballot != log.promise:
            if message.ballot < log.promise:
                node.context.send(source, NotAccepted(log.configuration, log.promise))
            else:
                node.context.send(source, PrepareRequest(log.configuration, log.promise))
            return
        if self.phase != "accept" or message.session != self.session:
            return
        node.leader = source
        if message.round > self.round:
            self.round = message.round
        node.everywhere = max(node.everywhere, message.everywhere)
        new = self.new_entries(message)
        if new:
            node.accept(message.ballot, log.last_index, new)
            node.flush()
        if message.decided > log.decided:
            node.commit(self.decidable(message))
        if node.durable == log.last_index and self.phase == "accept":
            self._acknowledge()

    def new_entries(self, message: Accept) -> tuple[Entry, ...]:
        """Those that come behind what is there already; none if some between are missing."""
        last_index = self.node.log.last_index
        return message.entries[last_index - message.start :] if message.start <= last_index else ()

    def decidable(self, message: Accept) -> int:
        """How much of the own log is decided by what the leader says."""
        return min(message.decided, self.node.log.last_index)

    def on_durable(self) -> None:
        """What was accepted has become durable."""
        if self.phase == "accept":
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Tell the leader what is accepted in its ballot, and durable."""
        node = self.node
        message = Accepted(node.configuration, node.promise, node.durable, self.round)
        node.context.send(node.promise.node, message)
