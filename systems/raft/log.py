"""The replicated log: entries numbered from 1, with room for a compacted prefix.

Harpoon keeps its log in the same class.

>>> from systems.raft.messages import Entry
>>> log = Log()
>>> for term in (1, 1, 2):
...     log.append(Entry(term, 0, 0, None))
>>> log.end, log.term_at(0), log.term_at(2), log.term_at(4)
((2, 3), 0, 1, -1)
>>> log.first_index_of_term_at(2)
1
>>> log.truncate(1)
>>> log.last_index
1
>>> log.compact(1)
>>> log.base_index, log.end, log.term_at(1), log.after(1)
(1, (1, 1), 1, ())
"""

from __future__ import annotations

from systems.raft.messages import Entry


class Log:
    """Entries `base_index + 1` to `last_index`; what lies before is compacted away.

    Of that the term of the last entry is known. Logs are compared by their `end`.
    """

    __slots__ = ("base_index", "base_term", "entries", "last_index")

    def __init__(self) -> None:
        self.base_index = 0
        self.base_term = 0
        self.entries: list[Entry] = []
        self.last_index = 0

    @property
    def last_term(self) -> int:
        return self.entries[-1].term if self.entries else self.base_term

    @property
    def end(self) -> tuple[int, int]:
        """Term and index of the last entry."""
        return self.last_term, self.last_index

    def term_at(self, index: int) -> int:
        """The term of the entry at `index`; 0 before the first; -1 if it is gone or not there."""
        offset = index - self.base_index
        if 0 < offset <= len(self.entries):
            return self.entries[offset - 1].term
        if offset == 0:
            return self.base_term
        return -1 if index else 0

    def at(self, index: int) -> Entry:
        """The entry at `index`, which must be there."""
        return self.entries[index - self.base_index - 1]

    def after(self, index: int, limit: int | None = None) -> tuple[Entry, ...]:
        """The entries that follow `index`, at most `limit` of them; none before them is gone."""
        offset = index - self.base_index
        assert offset >= 0, "entries are gone; a snapshot must be sent instead"
        return tuple(self.entries[offset : None if limit is None else offset + limit])

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.last_index += 1

    def truncate(self, last_index: int) -> None:
        """Keep only the entries up to `last_index`."""
        del self.entries[last_index - self.base_index :]
        self.last_index = last_index

    def compact(self, index: int) -> None:
        """Forget the entries up to `index`, which is in the log."""
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

    def retry_from(self, index: int) -> int:
        """From where on a leader's log might agree with this one, which it does not at `index`."""
        if index > self.last_index:
            return self.last_index + 1
        return self.first_index_of_term_at(index)
