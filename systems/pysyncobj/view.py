"""PySyncObj's log as our invariants read logs.

An entry of its journal is (pickled command, index, term). Entries are equal if command and term
are; in reports they are shown as what they do.
"""

from __future__ import annotations

from typing import Any

#: By the number of the library's state.
ROLES = ("follower", "candidate", "leader")

_KINDS = ("command", "no-op", "membership", "version")


class EntryView:
    """One entry."""

    __slots__ = ("_pickle", "command", "term")

    def __init__(self, command: bytes, term: int, pickle: Any) -> None:
        self.command = command
        self.term = term
        self._pickle = pickle

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EntryView):
            return NotImplemented
        return self.term == other.term and self.command == other.command

    def __hash__(self) -> int:
        return hash((self.term, self.command))

    def __repr__(self) -> str:
        kind = _KINDS[self.command[0]]
        if kind == "command":
            _, (session, serial, command) = self._pickle.loads(self.command[1:])
            kind = f"{command} (session {session}, {serial})"
        return f"<term {self.term}: {kind}>"


class LogView:
    """A journal; `base_index` is the last index that it does not have any more."""

    def __init__(self, journal: Any, pickle: Any) -> None:
        self.entries = journal
        self._pickle = pickle

    @property
    def base_index(self) -> int:
        index: int = self.entries[0][1]
        return index - 1

    @property
    def last_index(self) -> int:
        index: int = self.entries[-1][1]
        return index

    def at(self, index: int) -> EntryView:
        command, _, term = self.entries[index - self.entries[0][1]]
        return EntryView(command, term, self._pickle)

    def term_at(self, index: int) -> int:
        return self.at(index).term
