"""What operations claim, in the numbers of `codes`: one function for each kind of object.

    history                              operations
    cas [1, 2] -> ok                     UPDATE  a = number of 1, b = number of 2
    dequeue    -> ok nil                 EMPTY
    add 7      -> ok true                INSERT  a = number of 7
    append 7   -> ok   (of a list)       UPDATE  a = number of a text of one character

A value that does not fit its function ends in a UsageError that names the row.

Limits: sets, queues, stacks and lists that do not start empty are left to the model in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.codes import (
    ADD,
    DISCARD,
    EMPTY,
    INSERT,
    LACKS,
    OPEN,
    PEEK,
    READ,
    REMOVE,
    RETURNED,
    UPDATE,
    WRITE,
    Kind,
)  # fmt: skip
from checkers.linearizability.containers import (
    Counter,
    FifoQueue,
    GrowingList,
    PriorityQueue,
    SetOfElements,
    Stack,
    UnorderedQueue,
)  # fmt: skip
from checkers.linearizability.model import Model
from checkers.linearizability.problem import OPERATION
from harness.errors import UsageError
from harness.history import History
from harness.interning import Interner

Column = NDArray[np.int32]
Mask = NDArray[np.bool_]

#: Lists are written as texts, one character an element; surrogates are none.
_FIRST_LETTER: Final = 0x100
_SURROGATES: Final = range(0xD800, 0xE000)

#: The kernel counts in 64 bits; this bound leaves it room for one more summand.
_KERNEL_INTEGERS: Final = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The operations that count: rows of call and return (-1: open), and their outcome."""

    history: History
    model: Model
    calls: NDArray[np.int64]
    returns: NDArray[np.int64]
    outcome: Column

    def __len__(self) -> int:
        return len(self.calls)

    @cached_property
    def argument(self) -> Column:
        """The number of the value that each was invoked with."""
        return self.history.value[self.calls]

    @cached_property
    def answer(self) -> Column:
        """The number of the value that each answered; 0 (nil) where it is not known."""
        return np.where(self.outcome == RETURNED, self.history.value[self.returns], 0)

    @cached_property
    def given(self) -> Column:
        """The answer where it has one, else the argument."""
        return np.where(self.answer > 0, self.answer, self.argument)

    def called(self, *names: str) -> Mask:
        """Which of them call one of these functions."""
        table = np.array([name in names for name in self.history.functions] or [False])
        found: Mask = table[self.history.f[self.calls]]
        return found

    def check(self, column: Column, which: Mask, fits: Callable[[Any], bool], wanted: str) -> None:
        """Raises UsageError unless the values that `column` has for `which` all fit."""
        for number in np.unique(column[which]).tolist():
            if fits(self.history.values[number]):
                continue
            place = int(np.argmax(which & (column == number)))
            answered = self.answer[place] > 0 and self.answer[place] != self.argument[place]
            row = int((self.returns if answered else self.calls)[place])
            raise UsageError(
                f"The value of {self.history.describe(row)} is {self.history.values[number]!r}, "
                f"but {wanted}.\nUsually the history belongs to another model, or its values are "
                "pairs [key, value]: then read it with `independent` first."
            )


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The columns of a `Problem`; `part` splits a key into objects of their own."""

    kind: Kind
    operations: NDArray[Any]
    values: tuple[Any, ...]
    initial: int = 0
    part: Column | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def fill(rows: Rows, initial: Any) -> Filled:
    """The columns for `rows`; `initial` None means that the model starts as it always does."""
    operations = np.zeros(len(rows), dtype=OPERATION)
    filler = _FILLERS.get(type(rows.model))
    if filler is None or (initial is not None and filler in _START_EMPTY):
        operations["function"] = np.where(rows.called(*rows.model.reads), READ, UPDATE)
        return Filled(kind="python", operations=operations, values=rows.history.values)
    return filler(rows, initial, operations)


# ---- registers and locks ---------------------------------------------------------------------


def _register(rows: Rows, initial: Any, operations: NDArray[Any]) -> Filled:
    updates, reads = rows.called("cas"), rows.called("read", "get")
    operations["function"] = np.select([reads, updates], [READ, UPDATE], default=WRITE)
    # what a read was invoked with says nothing: one that answers nothing saw nil
    operations["a"] = np.select([reads, rows.called("del")], [rows.answer, 0], default=rows.given)
    rows.check(rows.given, updates, _is_pair, "a cas needs the two values [from, to]")
    if initial is None and not updates.any():
        return Filled(kind="register", operations=operations, values=rows.history.values)
    values = Interner.after(rows.history.values)
    intern, known = values.intern, rows.history.values
    pairs = rows.given[updates]
    distinct, place = np.unique(pairs, return_inverse=True)
    both = [(intern(old), intern(new)) for old, new in map(known.__getitem__, distinct.tolist())]
    table = np.array(both, dtype=np.int32).reshape(-1, 2)
    operations["a"][updates], operations["b"][updates] = table[place].T
    start = values.intern(initial)
    return Filled(kind="register", operations=operations, values=values.table(), initial=start)


def _mutex(rows: Rows, initial: Any, operations: NDArray[Any]) -> Filled:
    values = Interner(["free", "held"])
    free, held = values.intern("free"), values.intern("held")
    acquires = rows.called("acquire")
    operations["function"] = UPDATE
    operations["a"] = np.where(acquires, free, held)
    operations["b"] = np.where(acquires, held, free)
    start = free if initial is None else values.intern(initial)
    return Filled(kind="register", operations=operations, values=values.table(), initial=start)


def _owner_mutex(rows: Rows, initial: Any, operations: NDArray[Any]) -> Filled:
    values = Interner.after(rows.history.values)
    process = rows.history.process[rows.calls]
    owner = np.where(rows.given > 0, rows.given, 0)
    nameless = owner == 0
    owner[nameless] = _translated(process[nameless], values.intern)
    acquires = rows.called("acquire")
    operations["function"] = UPDATE
    operations["a"] = np.where(acquires, 0, owner)
    operations["b"] = np.where(acquires, owner, 0)
    return Filled(kind="register", operations=operations, values=values.table())


# ---- texts, lists, counters ------------------------------------------------------------------


def _text(rows: Rows, initial: Any, operations: NDArray[Any]) -> Filled:
    values = Interner.after(rows.history.values)
    reads = rows.called("get")
    wanted = "this model works on strings"
    rows.check(rows.given, ~reads, lambda value: isinstance(value, str), wanted)
    rows.check(rows.answer, reads, lambda value: value is None or isinstance(value, str), wanted)
    operations["function"] = np.select([reads, rows.called("put")], [READ, WRITE], default=UPDATE)
    empty = values.intern("")
    said = np.where(reads, rows.answer, rows.given)
    operations["a"] = np.where(said == 0, empty, said)
    start = empty if initial is None else values.intern(initial)
    return Filled(kind="text", operations=operations, values=values.table(), initial=start)


def _list(rows: Rows, initial: Any, operations: NDArray[Any]) -> Filled:
    reads = rows.called("read")
    rows.check(
        rows.answer, reads, lambda v: v is None or isinstance(v, list), "a read answers a list"
    )
    elements, texts = Interner(), Interner()
    known = rows.history.values

    def letter(element: Any) -> str:
        code = _FIRST_LETTER + elements.intern(element)
        return chr(code if code < _SURROGATES.start else code + len(_SURROGATES))

    operations["function"] = np.where(reads, READ, UPDATE)
    try:
        operations["a"][~reads] = _translated(
            rows.given[~reads], lambda number: texts.intern(letter(known[number]))
        )
        operations["a"][reads] = _translated(
            rows.answer[reads],
            lambda number: texts.intern("".join(map(letter, known[number] or []))),
        )
    except ValueError:  # more elements than there are characters
        return Filled(kind="python", operations=operations, values=known)
    empty = texts.intern("")
    return Filled(kind="text", operations=operations, values=texts.table(), initial=empty)


def _counter(rows: Rows, initial: Any, operations: NDArray[Any]) -> Filled:
    reads, told = rows.called("read"), rows.called("add-and-get")
    wanted = "a counter counts in integers"
    rows.check(rows.argument, ~reads, _is_integer, wanted)
    answered = rows.outcome == RETURNED
    rows.check(rows.answer, reads | (told & answered), _is_integer, wanted)
    values = Interner.after(rows.history.values)
    start = values.intern(0 if initial is None else initial)
    operations["function"] = np.where(reads, READ, UPDATE)
    operations["a"] = np.where(reads, rows.answer, rows.argument)
    operations["b"] = np.where(told & answered, rows.answer, np.where(reads, 0, -1))
    table = values.table()
    summands, times = np.unique(rows.argument[~reads], return_counts=True)
    added = zip(summands.tolist(), times.tolist(), strict=True)
    most = abs(table[start]) + sum(abs(table[number]) * count for number, count in added)
    if most >= _KERNEL_INTEGERS:  # the kernel would count on from the other end
        return Filled(kind="python", operations=operations, values=rows.history.values)
    numbers = np.array([v if _is_integer(v) else 0 for v in table], dtype=np.int64)
    return Filled(
        kind="counter",
        operations=operations,
        values=table,
        initial=start,
        extra={"numbers": numbers},
    )


# ---- containers ------------------------------------------------------------------------------


def _set(rows: Rows, initial: Any, operations: NDArray[Any]) -> Filled:
    history = rows.history
    adds, removes = rows.called("add"), rows.called("remove")
    contains, reads = rows.called("contains"), rows.called("read")
    values = Interner.after(history.values)
    rows.check(rows.answer, reads, lambda value: isinstance(value, list), "a read answers a list")
    rows.check(
        rows.answer, contains, lambda value: type(value) is bool, "contains answers true or false"
    )
    yes, no = rows.answer == values.find(True), rows.answer == values.find(False)
    operations["function"] = np.select(
        [reads, contains & yes, contains, adds & yes, adds & no, adds, removes & yes, removes & no],
        [READ, PEEK, LACKS, INSERT, PEEK, ADD, REMOVE, LACKS],
        default=DISCARD,
    )
    operations["a"] = np.where(reads, rows.answer, rows.argument)
    items: dict[int, list[int]] = {
        number: sorted({values.intern(element) for element in history.values[number]})
        for number in np.unique(rows.answer[reads]).tolist()
    }
    table = values.table()
    start = np.zeros(len(table) + 1, dtype=np.int64)
    np.cumsum([len(items.get(number, ())) for number in range(len(table))], out=start[1:])
    flat = [item for number in sorted(items) for item in items[number]]
    # where nobody reads the whole set, each element is an object of its own
    whole = np.isin(history.key[rows.calls], history.key[rows.calls[reads]])
    return Filled(
        kind="set",
        operations=operations,
        values=table,
        part=np.where(whole, 0, operations["a"] + 1).astype(np.int32),
        extra={"items": np.array(flat, dtype=np.int32), "item_start": start},
    )


def _items(kind: Kind) -> Filler:
    def fill_items(rows: Rows, initial: Any, operations: NDArray[Any]) -> Filled:
        adds = rows.called("enqueue", "push")
        is_open = rows.outcome == OPEN
        rows.check(
            rows.given,
            adds,
            lambda v: v is not None,
            "nil is the answer of an empty queue or stack",
        )
        empty = ~adds & ~is_open & (rows.answer == 0)
        operations["function"] = np.select([adds, empty], [ADD, EMPTY], default=REMOVE)
        operations["a"] = np.select([adds, is_open], [rows.given, -1], default=rows.answer)
        values = rows.history.values
        if kind != "priority-queue":
            return Filled(kind=kind, operations=operations, values=values)
        numbers = np.zeros(len(values), dtype=np.int64)
        used = operations["a"] > 0
        model = PriorityQueue()
        ranks = {n: model.rank(values[n]) for n in np.unique(operations["a"][used]).tolist()}
        order = {rank: place for place, rank in enumerate(sorted(set(ranks.values())))}
        same: dict[Any, int] = {}  # 1 and 1.0 are one item
        for number, rank in ranks.items():
            numbers[number] = order[rank]
            same.setdefault(rank, number)
        operations["a"][used] = _translated(operations["a"][used], lambda n: same[ranks[n]])
        return Filled(kind=kind, operations=operations, values=values, extra={"numbers": numbers})

    return fill_items


# ---- helpers ---------------------------------------------------------------------------------

Filler = Callable[[Rows, Any, NDArray[Any]], Filled]


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _is_integer(value: Any) -> bool:
    return type(value) is int and abs(value) < _KERNEL_INTEGERS


def _translated(column: NDArray[Any], translate: Callable[[int], int]) -> Column:
    """Each number of `column` replaced by what `translate` makes of it, once for each."""
    distinct, place = np.unique(column, return_inverse=True)
    table = np.array([translate(number) for number in distinct.tolist()], dtype=np.int32)
    return table[place] if len(table) else np.zeros(0, dtype=np.int32)


def _fillers() -> dict[type[Model], Filler]:
    from checkers.linearizability import models

    return {
        models.Register: _register,
        models.CasRegister: _register,
        models.KeyValue: _register,
        models.Mutex: _mutex,
        models.OwnerMutex: _owner_mutex,
        models.Text: _text,
        GrowingList: _list,
        Counter: _counter,
        SetOfElements: _set,
        FifoQueue: _items("queue"),
        Stack: _items("stack"),
        UnorderedQueue: _items("bag"),
        PriorityQueue: _items("priority-queue"),
    }


_FILLERS: Final = _fillers()
_START_EMPTY: Final = frozenset(
    filler
    for model, filler in _FILLERS.items()
    if issubclass(model, FifoQueue | UnorderedQueue | SetOfElements | GrowingList)
)
