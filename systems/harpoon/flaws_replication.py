"""Planted flaws of replication: what counts as stored, what is applied, who is answered.

The numbers in brackets are those of the list of Rasputin's flaws in docs/systems/harpoon.md.
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.node import ClientRequest, Context, StateMachine
from harness.system import Flaw
from systems.harpoon.leadership import Leadership
from systems.harpoon.messages import Conflict
from systems.harpoon.node import HarpoonNode
from systems.harpoon.options import HarpoonOptions
from systems.raft.messages import Entry

# ---- acknowledgement-of-anything (S5)


class _AnyAcknowledgement(Leadership):
    def on_stored(self, peer: int, index: int) -> None:
        pending = min(self.node.committed + 1, self.node.log.last_index)
        super().on_stored(peer, max(index, pending))


class AcknowledgementOfAnything(HarpoonNode):
    """The first entry that waits is taken to be stored by whoever answers anything."""

    leadership_class = _AnyAcknowledgement


# ---- refusal-is-acknowledgement (S9)


class _RefusalsCount(Leadership):
    def on_conflict(self, peer: int, message: Conflict) -> None:
        self.on_grant(peer, message.round)
        self.on_stored(peer, self.progress[peer].next - 1)


class RefusalIsAcknowledgement(HarpoonNode):
    """An answer is an acknowledgement, even if it says no."""

    leadership_class = _RefusalsCount


# ---- applies-the-last-only (S6)


class AppliesTheLastOnly(HarpoonNode):
    """A follower that learns of several commits at once executes the last of them."""

    def apply(self, index: int) -> None:
        if self.leadership is not None or index == self.committed:
            super().apply(index)


# ---- divergent-tail-kept (S10)


class DivergentTailKept(HarpoonNode):
    """A follower never drops an entry."""

    def splice(self, previous: int, entries: tuple[Entry, ...]) -> None:
        missing = max(0, self.log.last_index - previous)
        super().splice(previous + missing, entries[missing:])


# ---- pending-answered-by-index (S11)


class PendingAnsweredByIndex(HarpoonNode):
    """Clients that wait when a leader is deposed hear of whatever comes to be at their index."""

    def __init__(
        self, context: Context, machine: StateMachine, options: HarpoonOptions | None = None
    ) -> None:
        super().__init__(context, machine, options)
        self._pending: dict[int, ClientRequest] = {}

    def follow(self) -> None:
        if self.leadership is not None:
            self._pending.update(self.leadership.waiting)
        super().follow()

    def apply(self, index: int) -> None:
        super().apply(index)
        request = self._pending.pop(index, None)
        if request is not None:
            self.answer(request, None)


# ---- reads-before-no-op (S4)


class _ReadsBeforeNoOp(Leadership):
    def may_read(self) -> bool:
        return self.lease.is_valid()


class ReadsBeforeNoOp(HarpoonNode):
    """A new leader answers reads before it knows what its predecessors committed."""

    leadership_class = _ReadsBeforeNoOp


# ---- commits-old-terms


class _CommitsOldTerms(Leadership):
    def may_commit(self, index: int) -> bool:
        return True


class CommitsOldTerms(HarpoonNode):
    """Copies of an entry are counted whatever its term is."""

    leadership_class = _CommitsOldTerms


# ---- subscribers-restart


class _SubscribersRestart(Leadership):
    def begin(self) -> None:
        self._latest_txid = getattr(self.node.sessions.machine, "latest_txid", 0)
        super().begin()

    def read(self, request: ClientRequest) -> None:
        match request.command:
            case ["mutations", key, recursive, after_txid, limit]:
                after_txid = max(after_txid, self._latest_txid)
                command: list[Any] = ["mutations", key, recursive, after_txid, limit]
                request = msgspec.structs.replace(request, command=command)
        super().read(request)


class SubscribersRestart(HarpoonNode):
    """A new leader tells subscribers what it has applied since its election, and nothing before."""

    leadership_class = _SubscribersRestart


FLAWS: tuple[tuple[Flaw, type[HarpoonNode]], ...] = (
    (
        Flaw(
            name="acknowledgement-of-anything",
            change="an acknowledgement of any index counts for the first entry that waits [S5]",
            breaks="a write is acknowledged with one copy, and lost with the leader",
        ),
        AcknowledgementOfAnything,
    ),
    (
        Flaw(
            name="refusal-is-acknowledgement",
            change="the refusal of a peer whose log does not match acknowledges all [S9]",
            breaks="a write is acknowledged with one copy, and lost with the leader",
        ),
        RefusalIsAcknowledgement,
    ),
    (
        Flaw(
            name="applies-the-last-only",
            change="of several entries that are committed at once a follower applies the last [S6]",
            breaks="after a change of leaders acknowledged writes are missing",
        ),
        AppliesTheLastOnly,
    ),
    (
        Flaw(
            name="divergent-tail-kept",
            change="entries that contradict the leader's stay in a follower's log [S10]",
            breaks="replicas decide different entries at one index",
        ),
        DivergentTailKept,
    ),
    (
        Flaw(
            name="pending-answered-by-index",
            change="a deposed leader answers its clients when their index is committed [S11]",
            breaks="a client hears that its write was done, and another one was",
        ),
        PendingAnsweredByIndex,
    ),
    (
        Flaw(
            name="reads-before-no-op",
            change="a new leader answers reads as soon as it has a lease [S4]",
            breaks="an acknowledged write that its followers had not committed is not read",
        ),
        ReadsBeforeNoOp,
    ),
    (
        Flaw(
            name="commits-old-terms",
            change="entries of earlier terms are committed by counting copies",
            breaks="a committed entry is replaced (Ongaro and Ousterhout 2014, figure 8)",
        ),
        CommitsOldTerms,
    ),
    (
        Flaw(
            name="subscribers-restart",
            change="a new leader tells subscribers only what happened since its election",
            breaks="a subscription has a gap where leaders changed",
        ),
        SubscribersRestart,
    ),
)
