"""Flaws of snapshots and of membership changes."""

from __future__ import annotations

from systems.raft.configuration import Configuration
from systems.raft.leadership import Leadership, Progress
from systems.raft.log import Log
from systems.raft.membership import Membership
from systems.raft.messages import Chunk
from systems.raft.node import RaftNode
from systems.raft.planted import in_leadership, planted
from systems.raft.replica import Snapshot


class _SessionsNotInSnapshot(RaftNode):
    def compact(self) -> None:
        remembered = self.sessions._last
        self.sessions._last = {}
        super().compact()
        self.sessions._last = remembered


class _SnapshotWithoutState(RaftNode):
    def load_state(self, snapshot: Snapshot) -> None:
        pass


class _OlderSnapshotWins(RaftNode):
    def has_already(self, index: int) -> bool:
        return index == self.snapshot_index


class _LastTermLog(Log):
    @property
    def last_term(self) -> int:
        return self.entries[-1].term if self.entries else 0


class _LastTermForgotten(RaftNode):
    log_class = _LastTermLog


class _NoSnapshots(Leadership):
    def send_snapshot(self, peer: int, progress: Progress) -> None:
        pass


class _TailKept(RaftNode):
    def on_chunk(self, source: int, message: Chunk) -> None:
        offset = message.index - self.log.base_index
        tail = self.log.entries[offset:] if offset >= 0 else []
        before = self.log.base_index
        super().on_chunk(source, message)
        if self.log.base_index > before and self.log.last_index == message.index:
            for entry in tail:
                self.append(entry)


class _MembersNotInSnapshot(RaftNode):
    def compact(self) -> None:
        configurations = self._configurations
        voters = sorted((self.context.id, *self.context.peers))[: self.options.voters or None]
        self._configurations = [(0, Configuration(tuple(voters)))]
        super().compact()
        self._configurations = configurations


class _HastyMembership(Membership):
    def may_change(self) -> bool:
        return not self.transferring and self._target is None


class _Hasty(Leadership):
    membership_class = _HastyMembership


class _NewMajorityAlone(Leadership):
    def adopt(self) -> None:
        super().adopt()
        del self.groups[1:]


FLAWS = (
    planted(
        "sessions-not-in-snapshot",
        "a snapshot leaves the table of sessions out",
        "a command that comes again after a snapshot is executed twice",
        _SessionsNotInSnapshot,
        snapshot_threshold=20,
        trailing=5,
    ),
    planted(
        "snapshot-without-state",
        "installing a snapshot moves the indices but not the state",
        "a node that lagged behind goes on from its old state",
        _SnapshotWithoutState,
        snapshot_threshold=20,
        trailing=5,
    ),
    planted(
        "older-snapshot-wins",
        "a snapshot is installed whether or not it is older than the state",
        "a late snapshot takes a node back in time",
        _OlderSnapshotWins,
        snapshot_threshold=20,
        trailing=5,
    ),
    planted(
        "last-term-forgotten",
        "a log that is all compacted says that its last term is 0",
        "candidates with fewer entries seem more up to date",
        _LastTermForgotten,
        snapshot_threshold=10,
        trailing=0,
    ),
    in_leadership(
        "no-snapshots-sent",
        "a leader has compacted what a follower needs, and sends no snapshot",
        "a node that lagged behind never catches up",
        _NoSnapshots,
        snapshot_threshold=20,
        trailing=5,
    ),
    planted(
        "tail-kept",
        "installing a snapshot keeps the entries behind it, though the log differed before",
        "entries that were never committed follow those that were",
        _TailKept,
        snapshot_threshold=20,
        trailing=5,
    ),
    planted(
        "members-not-in-snapshot",
        "a snapshot says that the members are those of the beginning",
        "after a restart nodes go by a configuration that is long over",
        _MembersNotInSnapshot,
        snapshot_threshold=20,
        trailing=0,
        voters=3,
    ),
    in_leadership(
        "hasty-change",
        "a leader changes the members before an entry of its own term is committed",
        "two leaders change one member each, and their majorities do not meet",
        _Hasty,
        voters=4,
    ),
    in_leadership(
        "new-majority-alone",
        "in a joint configuration the majority of the new voters decides",
        "old and new majority decide different things",
        _NewMajorityAlone,
        voters=3,
    ),
)
