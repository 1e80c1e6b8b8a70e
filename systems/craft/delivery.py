"""Messages, entries and snapshots as arguments of glue.c's functions.

>>> from systems.craft.messages import Entry
>>> entry_arguments([Entry(2, 1, b"12345678"), Entry(3, 2, b"")])
(2, [2, 3], [1, 2], [8, 0], b'12345678')
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.node import NodeId
from systems.craft.messages import (
    Append,
    Appended,
    Entry,
    Install,
    RequestVote,
    TimeoutNow,
    Vote,
)
from systems.craft.storage import Snapshot


def entry_arguments(entries: Sequence[Entry]) -> tuple[Any, ...]:
    """Count, terms, kinds, lengths, and what the entries hold, behind each other."""
    if len(entries) == 1:  # as nearly always
        (only,) = entries
        return (1, [only.term], [only.kind], [len(only.data)], only.data)
    terms = [entry.term for entry in entries]
    kinds = [entry.kind for entry in entries]
    lengths = [len(entry.data) for entry in entries]
    return (len(terms), terms, kinds, lengths, b"".join([entry.data for entry in entries]))


def snapshot_arguments(snapshot: Snapshot) -> tuple[Any, ...]:
    """Index, term, count, members, roles, index of the members, state and its length."""
    ids = [node for node, _ in snapshot.members]
    roles = [role for _, role in snapshot.members]
    about = (snapshot.index, snapshot.term, len(ids), ids, roles, snapshot.members_index)
    return (*about, snapshot.state, len(snapshot.state))


def delivery(module: Any, server: Any) -> dict[type, Callable[[NodeId, Any], None]]:
    """What hands a message to a server, by the type of the message."""
    lib = module.lib
    no_entries = (0, *[module.ffi.NULL] * 4)

    def request_vote(source: NodeId, m: RequestVote) -> None:
        lib.receive_request_vote(
            server, source, m.term, m.last_index, m.last_term, m.disrupt, m.trial
        )

    def vote(source: NodeId, m: Vote) -> None:
        lib.receive_vote(server, source, m.term, m.granted, m.trial)

    def append(source: NodeId, m: Append) -> None:
        entries = entry_arguments(m.entries) if m.entries else no_entries
        lib.receive_append(
            server, source, m.term, m.previous_index, m.previous_term, m.committed, *entries
        )

    def appended(source: NodeId, m: Appended) -> None:
        lib.receive_appended(server, source, m.term, m.rejected, m.last_index)

    def install(source: NodeId, m: Install) -> None:
        ids, roles = [node for node, _ in m.members], [role for _, role in m.members]
        lib.receive_install(
            server, source, m.term, m.last_index, m.last_term, len(ids), ids, roles,
            m.members_index, m.state, len(m.state),
        )  # fmt: skip

    def timeout_now(source: NodeId, m: TimeoutNow) -> None:
        lib.receive_timeout_now(server, source, m.term, m.last_index, m.last_term)

    return {
        RequestVote: request_vote,
        Vote: vote,
        Append: append,
        Appended: appended,
        Install: install,
        TimeoutNow: timeout_now,
    }
