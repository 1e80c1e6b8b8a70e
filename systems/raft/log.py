"""The replicated log: entries numbered from 1, with room for a compacted prefix.

>>> from systems.raft.messages import Entry
>>> log = Log()
>>> for term in (1, 1, 2):
...     log.append(Entry(term, 0, 0, None))
>>> log.last_index, log.last_term, log.term_at(2), log.term_at(4)
(3, 2, 1, -1)
>>> log.first_index_of_term_at(2)
1
>>> log.truncate(1)
>>> log.last_index
1
>>> log.compact(1)
>>> log.base_index, log.base_term, log.last_index, log.last_term, log.term_at(0)
(1, 1, 1, 1, -1)
"""

from __future__ import annotations

from systems.raft.messages import Entry


class Log:
    """Entries `base_index + 1` to `last_index`; what lies before is compacted away."""

    __slots__ = ("base_index", "base_term", "entries", "last_index")

    def __init__(self) -> None:
        self.base_index = 0
        self.base_term = 0
        self.entries: list[Entry] = []
        self.last_index = 0

    @property
    def last_term(self) -> int:
        return self.entries[-1].term if self.entries else self.base_term

    def term_at(self, index: int) -> int:
        """The term of the entry at `index`; -1 if the log does not reach or no longer has it."""
        offset = index - self.base_index
        if 0 < offset <= len(self.entries):
            return self.entries[offset - 1].term
        return self.base_term if offset == 0 else -1

    def at(self, index: int) -> Entry:
        """The entry at `index`, which must be there."""
        return self.entries[index - self.base_index - 1]

    def slice(self, first: int, limit: int) -> tuple[Entry, ...]:
        """At most `limit` entries from index `first` on."""
        offset = first - self.base_index - 1
        return tuple(self.entries[offset : offset + limit])

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.last_index += 1

    def truncate(self, last_index: int) -> None:
        """Keep only the entries up to `last_index`."""
        del self.entries[last_index - self.base_index :]
        self.last_index = last_index

    def compact(self, index: int) -> None:
        """Forget the entries up to `index`, which must be there."""
        term = self.term_at(index)
        del self.entries[: index - self.base_index]
        self.base_index, self.base_term = index, term

    def reset(self, index: int, term: int) -> None:
        """Forget everything; a snapshot that ends at (`index`, `term`) stands for it."""
        self.entries = []
        self.base_index = self.last_index = index
        self.base_term = term

    def first_index_of_term_at(self, index: int) -> int:
        """The smallest index whose entry, and all from there to `index`, have the same term."""
        term = self.term_at(index)
        while index - 1 > self.base_index and self.term_at(index - 1) == term:
            index -= 1
        return index
