"""What the sessions of a history read and wrote, and which read saw which write.

A *session* is a client process, in the order of its calls. A thread that goes on under a new
number after an `info` is a new session, for nobody knows whether its last call came before.

    completion   read, get            write, put                      cas
    ok           saw this value       wrote this value                saw the old, wrote the new
    fail         left out             left out                        left out
    info, none   left out             counts if somebody saw its value; else nobody can tell

An ok write without a value wrote what it was invoked with; an ok read without one saw nil.

Where a value that was seen has one writer, the read is known to come *from* that write. A value
that several calls wrote is no trouble until somebody reads it.

>>> from checkers.notation import parse
>>> accesses = Accesses.of(parse("0w1@x. 1r@x=1 2w5@x? 3w2@y. 1r@y=nil"))
>>> [accesses.describe(access.number) for access in accesses.all]
["process 0 wrote 1 to 'x'", "process 1 read 1 from 'x'", "process 3 wrote 2 to 'y'", ...]
>>> accesses.source  # nobody saw the unanswered 5
[-1, 0, -1, -2]

Limits: registers only. What a failed compare-and-set saw is not used. Calls named append are
refused, as they build on a value that they do not return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError, unknown_name
from harness.history import FAIL, INVOKE, OK, History
from harness.interning import Interner

#: What the functions of a history do.
FUNCTIONS: Final = {"read": "read", "get": "read", "write": "write", "put": "write", "cas": "cas"}

#: In place of a value: the access does not read, or does not write.
NOTHING: Final = -1

#: In `Accesses.source`, in place of the number of a write.
NO_READ: Final = -1
INITIAL: Final = -2
AMBIGUOUS: Final = -3
UNWRITTEN: Final = -4


@dataclass(frozen=True, slots=True)
class Access:
    """One call that took effect, or may have; `read` and `written` are identifiers of values.

    `place` counts the accesses of its session before it. `return_row` is -1 if no answer is known.
    """

    number: int
    session: int
    place: int
    key: int
    read: int
    written: int
    call_row: int
    return_row: int

    @property
    def answered(self) -> bool:
        return self.return_row >= 0

    @property
    def is_read(self) -> bool:
        """It reads and does nothing else."""
        return self.written == NOTHING

    @property
    def is_write(self) -> bool:
        """It writes and does nothing else."""
        return self.read == NOTHING


class Unsuitable(Exception):
    """The history cannot be judged by these checkers; the text says why."""


class Accesses:
    """All accesses of a history, numbered in the order of their calls.

    `source[n]` is the write that access n saw, or one of NO_READ, INITIAL, AMBIGUOUS, UNWRITTEN;
    `happened[n]` says whether n surely took effect (an unanswered call may not have).
    `sessions` lists the accesses of each session in order.
    """

    def __init__(
        self, history: History, found: Iterable[Access], values: tuple[Any, ...], initial: int
    ) -> None:
        self.history = history
        self.values = values
        self.initial = initial
        self.all: list[Access] = []
        self.sessions: list[list[int]] = []
        sessions: dict[int, int] = {}
        for access in found:
            session = sessions.setdefault(access.session, len(sessions))
            if session == len(self.sessions):
                self.sessions.append([])
            number, place = len(self.all), len(self.sessions[session])
            self.sessions[session].append(number)
            self.all.append(
                Access(
                    number,
                    session,
                    place,
                    access.key,
                    access.read,
                    access.written,
                    access.call_row,
                    access.return_row,
                )
            )
        self.writers: dict[tuple[int, int], list[int]] = {}
        for access in self.all:
            if access.written != NOTHING:
                self.writers.setdefault((access.key, access.written), []).append(access.number)
        self.source = [self._source_of(access) for access in self.all]
        self.happened = self._happened()

    @staticmethod
    def of(history: History, *, initial: Any = None) -> Accesses:
        """The accesses of `history`.

        Raises `Unsuitable` for calls of append, UsageError for other calls that are unknown.
        """
        return _Reader(history, initial).accesses()

    def __len__(self) -> int:
        return len(self.all)

    def _source_of(self, access: Access) -> int:
        if access.read == NOTHING:
            return NO_READ
        writers = self.writers.get((access.key, access.read), ())
        others = [number for number in writers if number != access.number]
        from_start = access.read == self.initial
        if len(others) + from_start > 1:
            return AMBIGUOUS
        if others:
            return others[0]
        return INITIAL if from_start else UNWRITTEN

    def _happened(self) -> list[bool]:
        """Which accesses surely took effect: those answered, and what they alone can have seen."""
        happened = [access.answered for access in self.all]
        todo = [access.number for access in self.all if access.answered]
        while todo:
            source = self.source[todo.pop()]
            if source >= 0 and not happened[source]:
                happened[source] = True
                todo.append(source)
        return happened

    def keep(self, wanted: Callable[[int], bool]) -> Accesses:
        """Only the accesses whose number is `wanted`, numbered anew."""
        kept = (access for access in self.all if wanted(access.number))
        return Accesses(self.history, kept, self.values, self.initial)

    def with_evidence(self, numbers: Iterable[int]) -> list[int]:
        """`numbers`, what they saw, and for the unanswered among them somebody who saw them."""
        found: dict[int, None] = {}
        todo = list(numbers)[::-1]
        while todo:
            number = todo.pop()
            if number in found:
                continue
            found[number] = None
            source, access = self.source[number], self.all[number]
            if source == AMBIGUOUS:
                writers = self.writers.get((access.key, access.read), ())
                source = next((writer for writer in writers if writer != number), INITIAL)
            if source >= 0:
                todo.append(source)
            if not access.answered and self.happened[number]:
                todo.append(self.readers_of(number)[0])
        return list(found)

    def readers_of(self, number: int) -> list[int]:
        """Who surely saw what the access wrote, and surely happened."""
        return [n for n, source in enumerate(self.source) if source == number and self.happened[n]]

    def rows(self, numbers: Iterable[int]) -> list[int]:
        """The rows of the history that the accesses are made of, sorted."""
        partner = self.history.partner
        calls = [self.all[number].call_row for number in numbers]
        ends = [int(partner[row]) for row in calls]
        return sorted({*calls, *(row for row in ends if row >= 0)})

    # ---- in words

    def value(self, identifier: int) -> str:
        """A value as a sentence has it."""
        value = self.values[identifier]
        return "nil" if value is None else repr(value)

    def who(self, number: int) -> str:
        """The process that made the access."""
        return f"process {int(self.history.process[self.all[number].call_row])}"

    def deed(self, number: int) -> str:
        """What the access did, as a sentence has it after the one who did it."""
        access = self.all[number]
        name = self.history.keys[access.key]
        of = "" if name is None else f" {name!r}"
        if access.is_read:
            what = f"read {self.value(access.read)}" + (of and f" from{of}")
        elif access.is_write:
            what = f"wrote {self.value(access.written)}" + (of and f" to{of}")
        else:
            what = f"set{of} from {self.value(access.read)} to {self.value(access.written)}"
        return what if access.answered else f"{what} (unanswered)"

    def describe(self, number: int) -> str:
        """Who did what, as the beginning of a sentence."""
        return f"{self.who(number)} {self.deed(number)}"

    def when(self, number: int) -> str:
        """When it was answered, or else called."""
        access = self.all[number]
        row = access.return_row if access.answered else access.call_row
        time_ns = int(self.history.time_ns[row])
        return f"in row {row}" if time_ns < 0 else f"at {time_ns / 1e9:.3f} s"

    def told(self, number: int) -> str:
        """What it did and when."""
        return f"{self.describe(number)} {self.when(number)}"

    def plain(self, number: int) -> dict[str, Any]:
        """The access as plain data for a witness."""
        access = self.all[number]
        row = access.return_row if access.answered else access.call_row
        operation = self.history[row]
        return {
            "process": operation.process,
            "f": operation.f,
            "key": operation.key,
            "value": self.history[access.call_row].value
            if operation.value is None and not access.is_read
            else operation.value,
            "type": operation.type if access.answered else "info",
            "rows": self.rows([number]),
        }


class _Reader:
    """Makes accesses out of the calls of a history."""

    def __init__(self, history: History, initial: Any) -> None:
        self.history = history
        self.values = Interner(history.values[1:])
        self.functions = [FUNCTIONS.get(name, "") for name in history.functions]
        calls = np.flatnonzero(history.client_rows & (history.type == INVOKE))
        used = [history.functions[number] for number in np.unique(history.f[calls]).tolist()]
        self._refuse(used, calls)
        self.calls: list[int] = calls.tolist()
        # a text that nobody put is empty, and some clients say nil for it
        self.texts = any(name in ("get", "put") for name in used)
        self.initial = self._identifier("" if self.texts and initial is None else initial)

    def _refuse(self, used: list[str], calls: NDArray[np.int64]) -> None:
        if "append" in used:
            raise Unsuitable(
                "The history has calls of append, whose result depends on a value that they do "
                "not return; this check is about registers (read, write, cas, get, put)."
            )
        for name in used:
            if name not in FUNCTIONS:
                number = self.history.functions.index(name)
                row = int(calls[np.argmax(self.history.f[calls] == number)])
                raise UsageError(
                    f"{unknown_name('function of a register', name, FUNCTIONS)}\n"
                    f"It is called in row {row}. Usually the history belongs to another object: a "
                    "checker of consistency knows registers only."
                )

    def _identifier(self, value: Any) -> int:
        return self.values.intern(value)

    def accesses(self) -> Accesses:
        counted, unanswered = self._found()
        seen = {(access.key, access.read) for access in counted}
        while True:
            # an unanswered write counts if a call that counts has seen its value
            more = [access for access in unanswered if (access.key, access.written) in seen]
            if not more:
                break
            unanswered = [a for a in unanswered if (a.key, a.written) not in seen]
            seen |= {(access.key, access.read) for access in more}
            counted += more
        counted.sort(key=lambda access: access.call_row)
        return Accesses(self.history, counted, self.values.table(), self.initial)

    def _found(self) -> tuple[list[Access], list[Access]]:
        """The calls that were answered, and the unanswered writes."""
        history = self.history
        partner: list[int] = history.partner.tolist()
        kinds: list[int] = history.type.tolist()
        values, keys = history.value.tolist(), history.key.tolist()
        processes, functions = history.process.tolist(), history.f.tolist()
        answered: list[Access] = []
        unanswered: list[Access] = []
        for row in self.calls:
            end = partner[row]
            completion = kinds[end] if end >= 0 else INVOKE
            does = self.functions[functions[row]]
            if completion == FAIL or (completion != OK and does == "read"):
                continue
            ok = completion == OK
            claimed: int = values[end] if ok else 0
            if claimed == 0 and does != "read":
                claimed = values[row]  # a client need not repeat what it wrote
            read, written = self._read_and_written(does, row, claimed)
            access = Access(0, processes[row], 0, keys[row], read, written, row, end if ok else -1)
            (answered if ok else unanswered).append(access)
        return answered, unanswered

    def _read_and_written(self, does: str, row: int, claimed: int) -> tuple[int, int]:
        if does == "cas":
            pair = self.history.values[claimed]
            if not isinstance(pair, list) or len(pair) != 2:
                raise UsageError(
                    f"The value of {self.history.describe(row)} is {pair!r}, but a cas needs the "
                    "two values [from, to].\nUsually the values are pairs [key, value]: then read "
                    "the history with `independent` first."
                )
            return self._plain(self._identifier(pair[0])), self._plain(self._identifier(pair[1]))
        claimed = self._plain(claimed)
        return (claimed, NOTHING) if does == "read" else (NOTHING, claimed)

    def _plain(self, value: int) -> int:
        """Nil is the empty text where there are texts."""
        return self._identifier("") if self.texts and value == 0 else value
