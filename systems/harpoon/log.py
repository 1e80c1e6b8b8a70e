"""The replicated log: entries numbered from 1, without those that a snapshot stands for.

>>> from systems.harpoon.messages import Entry
>>> log = Log()
>>> for term in (1, 1, 2):
...     log.append(Entry(term, 0, 0, None))
>>> log.last_index, log.last_term, log.term_at(0), log.term_at(2), log.term_at(4)
(3, 2, 0, 1, -1)
>>> log.first_index_of_term_at(2)
1
>>> log.drop_prefix(1)
>>> log.base_index, log.term_at(1), log.first_index_of_term_at(2), len(log.after(1))
(1, 1, 2, 2)
>>> log.truncate(2)
>>> log.end
(1, 2)
"""

from __future__ import annotations

from systems.harpoon.messages import Entry


class Log:
    """Entries `base_index` + 1 to `last_index`. What came before them was committed and is gone;
    of it, the term of the last entry is known. Logs are compared by their `end`."""

    __slots__ = ("base_index", "base_term", "entries", "last_index", "last_term")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.base_index = self.base_term = 0
        self.last_index = self.last_term = 0

    @property
    def end(self) -> tuple[int, int]:
        """Term and index of the last entry."""
        return self.last_term, self.last_index

    def term_at(self, index: int) -> int:
        """The term of the entry at `index`; 0 before the first; -1 if it is gone or not there."""
        if index > self.base_index:
            return (
                self.entries[index - self.base_index - 1].term if index <= self.last_index else -1
            )
        if index == self.base_index:
            return self.base_term
        return -1 if index else 0

    def at(self, index: int) -> Entry:
        """The entry at `index`, which must be there."""
        return self.entries[index - self.base_index - 1]

    def after(self, index: int, limit: int | None = None) -> tuple[Entry, ...]:
        """The entries that follow `index`, at most `limit` of them; none before them is gone."""
        begin = index - self.base_index
        assert begin >= 0, "entries are gone; a snapshot must be sent instead"
        return tuple(self.entries[begin : None if limit is None else begin + limit])

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.last_index += 1
        self.last_term = entry.term

    def truncate(self, last_index: int) -> None:
        """Keep only the entries up to `last_index`."""
        del self.entries[last_index - self.base_index :]
        self.last_index = last_index
        self.last_term = self.entries[-1].term if self.entries else self.base_term

    def drop_prefix(self, index: int) -> None:
        """Forget the entries up to `index`, which is in the log."""
        if index > self.base_index:
            term = self.term_at(index)
            del self.entries[: index - self.base_index]
            self.base_index, self.base_term = index, term

    def restart(self, index: int, term: int) -> None:
        """Forget everything; the next entry is the one after `index`."""
        self.entries.clear()
        self.base_index = self.last_index = index
        self.base_term = self.last_term = term

    def first_index_of_term_at(self, index: int) -> int:
        """The smallest index whose entry, and all from there to `index`, have the same term."""
        term = self.term_at(index)
        while (
            index > self.base_index + 1 and self.entries[index - self.base_index - 2].term == term
        ):
            index -= 1
        return index
