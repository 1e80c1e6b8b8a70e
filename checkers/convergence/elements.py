"""When each element of a set was known, last seen and last missed, at each node.

    add ───── ok                       an element is *known* from the first answer that tells of
          └──────── known ────▶        it: that of its own addition, or of a read that shows it
    read ... has it                    last_present: the last answer that has it
    read ... has it not                last_absent: the last call that comes back without it

Reads of whole sets (`elements`) and `replica` answers count alike; a read that names no node is of
the one place that there is. Only absences after an element was known tell anything.

Cost: every different answer is looked at once, at numpy's speed, so linear in the size of all
different answers together: nodes are walked backwards from their last read, and the elements that
all later reads had are those that the earlier ones are compared with.

>>> from checkers.convergence.notation import parse
>>> sight = Sight.of(parse('''
...     1000 0 add 5 =
...     2000 0 elements = 1 5
...     3000 0 elements = 1
... '''))
>>> [rows.tolist() for rows in (sight.known, sight.last_present[1], sight.last_absent[1])]
[[1], [3], [4]]

Limits: an element that is added several times counts once, from its first addition on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkers.convergence.conventions import refuse_malformed
from checkers.convergence.records import hashable
from harness.history import FAIL, INVOKE, OK, History

Rows = NDArray[np.int64]

#: What adds to a set.
ADDS = ("add", "broadcast")


class _Seen:
    """One different answer of a node: the calls that got it."""

    __slots__ = ("first_end", "last_call", "last_end", "value")

    def __init__(self, value: int) -> None:
        self.value = value
        self.first_end = np.iinfo(np.int64).max
        self.last_end = -1
        self.last_call = -1


class Sight:
    """Everything about the elements of a history; arrays have one entry an element.

    - `elements`: those that somebody tried to add, in order; then those that nobody did.
    - `added`, `acknowledged`: rows of the call and of the ok of the addition, -1 without.
    - `known`: the row from which the element is known, -1 if it never was.
    - `refused`: the addition failed; `removable`: somebody tried to remove it.
    - `first_present`, `last_present`, `last_absent`: by node; rows of answers, answers and calls,
      -1 without.
    - `first_read`: by node, the row of its first call; `reads` counts all.
    - `doubled`: element and row, of answers that hold an element more than once.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.elements: list[Any] = []
        self._places: dict[Any, int] = {}
        self.reads = 0
        self.doubled: list[tuple[Any, int]] = []
        self.first_present: dict[Any, Rows] = {}
        self.last_present: dict[Any, Rows] = {}
        self.last_absent: dict[Any, Rows] = {}
        self._slot: Rows = np.zeros(0, dtype=np.int64)
        self._read_additions()
        self._sorted: Rows | None
        self._order: Rows | None
        self._sorted, self._order = self._numbers()
        self._walk()
        self._settle()

    @staticmethod
    def of(history: History) -> Sight:
        """What is to be known of the elements of `history`.

        Raises UsageError on rows that break the conventions.
        """
        refuse_malformed(history)
        return Sight(history)

    @property
    def strangers(self) -> list[int]:
        """The places of elements that were read, and that nobody added."""
        return np.flatnonzero(self.added < 0).tolist()

    @property
    def nodes(self) -> list[Any]:
        """The nodes that were read."""
        return list(self.last_present)

    def _calls(self, *functions: str) -> list[int]:
        """The rows of the calls of these functions."""
        history = self.history
        numbers = [n for n, name in enumerate(history.functions) if name in functions]
        wanted = history.client_rows & (history.type == INVOKE) & np.isin(history.f, numbers)
        rows: list[int] = np.flatnonzero(wanted).tolist()
        return rows

    # ---- additions and removals

    def _read_additions(self) -> None:
        history = self.history
        added, acknowledged, refused = [], [], []
        for row in self._calls(*ADDS):
            element = history.values[history.value[row]]
            end = int(history.partner[row])
            kind = history.type[end] if end >= 0 else None
            name = hashable(element)
            place = self._places.get(name)
            if place is None:
                place = self._places[name] = len(self.elements)
                self.elements.append(element)
                added.append(row)
                acknowledged.append(end if kind == OK else -1)
                refused.append(kind == FAIL)
            else:
                refused[place] = refused[place] and kind == FAIL
                if kind == OK and acknowledged[place] < 0:
                    acknowledged[place] = end
        self.added: Rows = np.array(added, dtype=np.int64)
        self.acknowledged: Rows = np.array(acknowledged, dtype=np.int64)
        self.refused = np.array(refused, dtype=bool)
        removed = {
            self._places[name]
            for row in self._calls("remove")
            if (name := hashable(history.values[history.value[row]])) in self._places
            and not self._failed(row)
        }
        self._removed = sorted(removed)

    def _failed(self, row: int) -> bool:
        end = int(self.history.partner[row])
        return end >= 0 and bool(self.history.type[end] == FAIL)

    def _numbers(self) -> tuple[Rows, Rows] | tuple[None, None]:
        """If all elements are small numbers: sorted, and which place each of those has."""
        if not all(element.__class__ is int for element in self.elements):
            return None, None
        try:
            numbers = np.array(self.elements, dtype=np.int64)
        except OverflowError:
            return None, None
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order

    # ---- reads

    def _walk(self) -> None:
        """All answers, node by node, from the last call backwards."""
        for node, answers in sorted(self._answers().items(), key=lambda item: _order(item[0])):
            count = len(self.elements)
            first_present = np.full(count, np.iinfo(np.int64).max)
            last_present = np.full(count, -1)
            last_absent = np.full(count, -1)
            always = np.arange(count)  # in all that was looked at so far
            mark = np.full(count, -1)
            for turn, seen in enumerate(sorted(answers, key=lambda one: -one.last_call)):
                here = self._places_of(seen)
                if len(self.elements) > len(mark):
                    more = len(self.elements) - len(mark)
                    # nobody added what comes up only now; the reads so far did not have it
                    first_present = np.append(first_present, [np.iinfo(np.int64).max] * more)
                    last_present = np.append(last_present, [-1] * more)
                    last_absent = np.append(last_absent, [-1] * more)
                    mark = np.append(mark, [-1] * more)
                first_present[here] = np.minimum(first_present[here], seen.first_end)
                last_present[here] = np.maximum(last_present[here], seen.last_end)
                mark[here] = turn
                kept = mark[always] == turn
                last_absent[always[~kept]] = seen.last_call
                always = always[kept]
            first_present[last_present < 0] = -1
            self.first_present[node] = first_present
            self.last_present[node] = last_present
            self.last_absent[node] = last_absent

    def _answers(self) -> dict[Any, list[_Seen]]:
        """The different answers of each node."""
        history = self.history
        by_node: dict[Any, dict[int, _Seen]] = {}
        ends, kinds, answers = history.partner, history.type, history.value
        for row in self._calls("read", "replica"):
            end = int(ends[row])
            if end < 0 or kinds[end] != OK:
                continue
            value = int(answers[end])
            node = self._node_of(value)
            if node is _NO_SET:
                continue
            self.reads += 1
            seen = by_node.setdefault(node, {}).get(value)
            if seen is None:
                seen = by_node[node][value] = _Seen(value)
            seen.first_end = min(seen.first_end, end)
            seen.last_end = max(seen.last_end, end)
            seen.last_call = max(seen.last_call, row)
        return {node: list(found.values()) for node, found in by_node.items()}

    def _node_of(self, value: int) -> Any:
        answer = self.history.values[value]
        if isinstance(answer, list):
            return None
        if isinstance(answer, dict) and ("elements" in answer or "state" in answer):
            return answer.get("node")
        return _NO_SET

    def _places_of(self, seen: _Seen) -> Rows:
        """The places of the elements of an answer, without repetition."""
        answer = self.history.values[seen.value]
        if isinstance(answer, dict):
            elements = answer.get("elements")
            if elements is None:
                elements = [row[0] for row in answer["state"] if row[1] is not None]
        else:
            elements = answer
        found = self._fast(elements)
        places = found if found is not None else self._slow(elements)
        if len(self._slot) < len(self.elements):
            self._slot = np.zeros(2 * len(self.elements), dtype=np.int64)
        turns = np.arange(len(places))
        self._slot[places] = turns  # of what comes twice, the later one stays
        if np.array_equal(self._slot[places], turns):
            return places
        different, counts = np.unique(places, return_counts=True)
        for place in different[counts > 1].tolist():
            self.doubled.append((self.elements[place], seen.first_end))
        return different

    def _fast(self, elements: Sequence[Any]) -> Rows | None:
        """Places by binary search; None if something is no number, or not among the additions."""
        if self._sorted is None or self._order is None:
            return None
        if not elements:
            return np.zeros(0, dtype=np.int64)
        try:
            numbers = np.array(elements)
        except ValueError:
            return None
        if numbers.ndim != 1 or numbers.dtype.kind != "i" or not len(self._sorted):
            return None
        if (numbers >> 1 == 0).any() and bool in set(map(type, elements)):
            return None  # numpy takes true for 1 and false for 0
        at = np.searchsorted(self._sorted, numbers)
        at[at == len(self._sorted)] = 0
        if not np.array_equal(self._sorted[at], numbers):
            return None
        return self._order[at]

    def _slow(self, elements: Sequence[Any]) -> Rows:
        places = []
        for element in elements:
            name = hashable(element)
            place = self._places.get(name)
            if place is None:
                place = self._places[name] = len(self.elements)
                self.elements.append(element)
            places.append(place)
        return np.array(places, dtype=np.int64)

    # ---- together

    def _settle(self) -> None:
        """Every array as long as there are elements, and what follows from all nodes."""
        count = len(self.elements)
        self.added = _padded(self.added, count)
        self.acknowledged = _padded(self.acknowledged, count)
        self.refused = np.append(self.refused, np.zeros(count - len(self.refused), dtype=bool))
        self.removable = np.zeros(count, dtype=bool)
        self.removable[self._removed] = True
        never = np.iinfo(np.int64).max
        known = np.where(self.acknowledged < 0, never, self.acknowledged)
        for node in self.nodes:
            for table in (self.first_present, self.last_present, self.last_absent):
                table[node] = _padded(table[node], count)
            first = self.first_present[node]
            known = np.minimum(known, np.where(first < 0, never, first))
        self.known: Rows = np.where(known == never, -1, known)


def _order(node: Any) -> tuple[int, Any]:
    return (0, node) if isinstance(node, int) else (1, str(node))


class _NoSet:
    """Stands for answers that are no sets."""


_NO_SET = _NoSet()


def _padded(rows: Rows, count: int) -> Rows:
    return np.append(rows, np.full(count - len(rows), -1, dtype=np.int64)).astype(np.int64)
