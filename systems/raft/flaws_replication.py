"""Flaws of replication: what is stored, what counts as stored, what is decided."""

from __future__ import annotations

from typing import Any

from harness.node import ClientReply, ClientRequest
from systems.raft.leadership import Leadership
from systems.raft.messages import Appended, Conflict, Entry
from systems.raft.node import RaftNode
from systems.raft.planted import in_leadership, planted


class _OldTermsCommit(Leadership):
    def may_commit(self, index: int) -> bool:
        return True


class _AlwaysTruncates(RaftNode):
    def splice(self, previous: int, entries: tuple[Entry, ...]) -> None:
        if self.log.last_index > previous:
            self.truncate(previous)
        super().splice(previous, entries)


class _WholeLogAcknowledged(RaftNode):
    def acknowledge(self) -> None:
        self.agreed = max(self.agreed, self.log.last_index)
        super().acknowledge()


class _CommitsOwnTail(RaftNode):
    def commit_limit(self) -> int:
        return self.log.last_index


class _AnyPast(RaftNode):
    def agrees_at(self, index: int, term: int) -> bool:
        return index <= self.log.last_index


class _GapsAccepted(RaftNode):
    def agrees_at(self, index: int, term: int) -> bool:
        return index > self.log.last_index or super().agrees_at(index, term)


class _RejectionCounts(Leadership):
    def on_conflict(self, peer: int, message: Conflict) -> None:
        self.on_appended(peer, Appended(message.term, message.rejected, message.round))


class _OldAcksCount(RaftNode):
    def on_appended(self, source: int, message: Appended) -> None:
        super().on_appended(source, Appended(self.term, message.index, message.round))


class _AckBeforeSync(RaftNode):
    def promise(self) -> None:
        self.context.send(self.leader, Appended(self.term, self.agreed, self._round))
        super().promise()


class _ReplyBeforeCommit(Leadership):
    def write(self, request: ClientRequest) -> None:
        super().write(request)
        self.node.answer(request, True)


class _AnswersByIndex(RaftNode):
    def follow(self) -> None:
        if self.leadership is not None:
            self.orphans: dict[int, ClientRequest] = dict(self.leadership.waiting)
        super().follow()

    def commit(self, index: int) -> None:
        super().commit(index)
        orphans: dict[int, ClientRequest] = getattr(self, "orphans", {})
        for place in sorted(orphans):
            if place <= self.applied:
                self.answer(orphans.pop(place), True)


class _DefiniteRefusal(Leadership):
    def resign(self) -> None:
        for request in self.waiting.values():
            self.node.context.reply(request, ClientReply(request.id, False, None, "deposed"))
        super().resign()


class _LastOneApplied(RaftNode):
    def commit(self, index: int) -> None:
        first = self.applied + 1
        self.applied = max(self.applied, min(index, self.log.last_index) - 1)
        super().commit(index)
        leadership = self.leadership
        if leadership is not None:
            for skipped in range(first, self.applied):
                leadership.applied(skipped, None)


class _NoSessions(RaftNode):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        machine = self.sessions.machine
        self.sessions.apply = (  # type: ignore[method-assign]
            lambda session, serial, command: machine.apply(command)
        )


FLAWS = (
    in_leadership(
        "old-terms-commit",
        "a leader commits entries of earlier terms by counting copies",
        "what was committed is overwritten by a later leader (Ongaro 2014, figure 3.7)",
        _OldTermsCommit,
        batch=1,
        window=1,
    ),
    planted(
        "always-truncates",
        "a follower cuts its log behind what a message builds on, before it compares",
        "a message that comes late takes back entries that were acknowledged",
        _AlwaysTruncates,
    ),
    planted(
        "whole-log-acknowledged",
        "a follower acknowledges all of its log, not what it has compared",
        "a tail of its own counts as a copy of the leader's",
        _WholeLogAcknowledged,
        batch=1,
    ),
    planted(
        "commits-own-tail",
        "a follower commits up to the leader's index in its own log, compared or not",
        "it applies entries that were never committed",
        _CommitsOwnTail,
        batch=1,
    ),
    planted(
        "any-past",
        "a follower does not compare the term of the entry before",
        "logs differ below entries in which they agree",
        _AnyPast,
    ),
    planted(
        "gaps-accepted",
        "a follower appends what comes, though something before it is missing",
        "entries get other places in its log than in the leader's",
        _GapsAccepted,
    ),
    in_leadership(
        "rejection-counts",
        "a leader takes a rejection for an acknowledgement",
        "entries are committed that a quorum does not have",
        _RejectionCounts,
    ),
    planted(
        "old-acks-count",
        "a leader does not compare the term of an acknowledgement",
        "what a follower stored in an earlier term, and lost since, counts now",
        _OldAcksCount,
    ),
    planted(
        "ack-before-sync",
        "a follower acknowledges before its disk has synced",
        "a crash of several nodes loses what was committed",
        _AckBeforeSync,
    ),
    in_leadership(
        "reply-before-commit",
        "a leader answers as soon as it has the command in its log",
        "a write that was answered is lost with the leader",
        _ReplyBeforeCommit,
    ),
    planted(
        "answers-by-index",
        "a former leader answers its clients when anything is applied at their index",
        "a write is answered that another one has replaced",
        _AnswersByIndex,
    ),
    in_leadership(
        "definite-refusal",
        "a leader that steps down says that waiting commands have failed",
        "a command that has failed is executed by the next leader",
        _DefiniteRefusal,
    ),
    planted(
        "last-one-applied",
        "when several entries are committed at once, only the last is applied",
        "states differ, answered writes are lost",
        _LastOneApplied,
    ),
    planted(
        "no-sessions",
        "commands are not recognized when they come again",
        "a retried command is executed twice",
        _NoSessions,
    ),
)
