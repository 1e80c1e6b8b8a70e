"""Linearizability of a run in progress: the first answer that no order explains, when it is given.

The operations of each key are kept until the key comes to rest; then what it can hold is carried
on, and they are forgotten:

    0   ──[ write 1 ]─────────┊──[ read -> 1 ]──        resting at ┊: the key holds 1, or 2
    1   ────[ write 2 ]───────┊─────────────────
                    window 1  ┊  window 2: begins with 1 and with 2

After each answer there must be a way through the window (nearly always the last one found, with
the new operation at its end); at rest, all ways are found. That is Lowe's just-in-time form of the
search ("Testing for linearizability", 2017), with rules of our own for operations whose answer
never came: see `window`.

A run is stopped if and only if the finished check of the rows until then would fail. Only a key
whose search takes too much is looked at less and less often, and, past `WINDOW` operations without
a rest, is followed no longer: then the finished check says what was missed.

>>> from checkers.linearizability import Linearizability
>>> from checkers.notation import parse
>>> online = follow(Linearizability("register"))
>>> for operation in parse("0w1. 1w2 0r=1 1. 0r=2 2r=1 0r=2"):
...     verdict = online.observe(operation)
...     if verdict is not None:
...         print(f"row {operation.index}. {verdict.reason}")
...         break
row 9. Not linearizable: no order explains read -> 1 of process 2 at 0.005 s, after what was
answered until then.

Limits: the violation is seen at the answer that makes it certain, which may come after the one that
is wrong. The witness has the window only. Memory: a window for each key, and its unanswered
operations.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final

from checkers.linearizability import Linearizability
from checkers.linearizability.model import UNKNOWN, Call, exact
from checkers.window import Pending, Search, TooMuch, Way
from harness.interning import decode, encode
from harness.operation import Operation
from harness.verdict import Verdict

#: Operations of a key that are kept at most, answered or not.
WINDOW: Final = 2_000


@dataclass(slots=True)
class _Key:
    """One object: what it could hold at its last rest, and what has happened since.

    `tip` is a way through the window, if it is known. A search for one, or for all, that took too
    much is not repeated before the window has that many operations.
    """

    begin: list[Way]
    tip: Way | None
    window: list[Pending] = field(default_factory=list)  # answered, in the order of their begins
    under_way: dict[int, Pending] = field(default_factory=dict)  # by process
    open: list[Pending] = field(default_factory=list)  # unanswered for ever, in that order
    search_again_at: int = 0
    rest_again_at: int = 0


class Follower:
    """Follows a run; see `harness.checks.OnlineChecker`.

    `lost` counts the keys that it follows no longer.
    """

    def __init__(self, checker: Linearizability) -> None:
        self.model = model = checker.model
        self.failed_cas = checker.failed_cas
        self.search = Search(model)
        start = model.init() if checker.initial is None else model.start(checker.initial)
        self.start: Way = (start, frozenset())
        self.lost = 0
        self._keys: dict[Hashable, _Key | None] = {}
        self._moment = 0

    def observe(self, operation: Operation) -> Verdict | None:
        process, functions = operation.process, self.model.functions
        if not isinstance(process, int) or (functions and operation.f not in functions):
            return None  # about a function that it does not know, the finished check complains
        self._moment += 1
        name = exact(_data(operation.key))
        if name not in self._keys:
            self._keys[name] = _Key([self.start], self.start)
        key = self._keys[name]
        if key is None:
            return None
        if operation.type == "invoke":
            key.under_way[process] = self._begun(operation, process)
            return None
        pending = key.under_way.get(process)
        if pending is None or pending.call.f != operation.f:
            return None  # nor about the end of another call
        del key.under_way[process]
        pending.end_row = operation.index
        window = [*key.window, pending]
        if not self._ended(key, pending, operation):
            return self._verdict(operation, pending, window)
        if len(key.window) + len(key.open) > WINDOW:
            self._keys[name] = None
            self.lost += 1
        return None

    def _begun(self, operation: Operation, process: int) -> Pending:
        seen_as = process if self.model.sees_processes else -1
        call = Call(operation.f, _data(operation.value), open=True, process=seen_as)
        return Pending(call, operation.index, self._moment)

    def _ended(self, key: _Key, pending: Pending, operation: Operation) -> bool:
        """Take in what became of an operation; False if nothing explains the key any more."""
        call = pending.call
        if operation.type == "info":
            if call.f not in self.model.reads:
                key.open.append(pending)
                _find_twins(key)
            return self._rest(key)
        used = key.tip is not None and pending in key.tip[1]
        if operation.type == "ok" or self._has_looked(operation):
            refused = operation.type == "fail"
            answer = UNKNOWN if refused else _data(operation.value)
            pending.call = Call(call.f, call.argument, answer, refused, process=call.process)
            pending.end = self._moment
            key.window.append(pending)
            key.window.sort(key=lambda one: one.begin)
            if key.tip is not None:
                state, used_by_tip = key.tip
                states = [] if used else list(self.search.step(state, pending.call))
                key.tip = (states[0], used_by_tip) if states else None
        elif used:
            key.tip = None  # it surely did not happen
        return self._explained(key) and self._rest(key)

    def _has_looked(self, operation: Operation) -> bool:
        """Whether a failure says something about the state."""
        if operation.f not in self.model.refusals or self.failed_cas == "no-effect":
            return False
        return self.failed_cas == "mismatch" or operation.error is None

    def _explained(self, key: _Key) -> bool:
        if key.tip is not None or len(key.window) < key.search_again_at:
            return True
        optional = [*key.open, *self._changing(key)]
        optional.sort(key=lambda one: one.begin)
        try:
            key.tip = self.search.one_way(key.begin, key.window, optional)
        except TooMuch:
            key.search_again_at = 2 * len(key.window)
            return True
        return key.tip is not None

    def _changing(self, key: _Key) -> list[Pending]:
        reads = self.model.reads
        return [one for one in key.under_way.values() if one.call.f not in reads]

    def _rest(self, key: _Key) -> bool:
        """If nothing is under way, carry on what the key can hold, and forget the rest."""
        if key.under_way or not key.window or len(key.window) < key.rest_again_at:
            return True
        try:
            ways = self.search.ways(key.begin, key.window, key.open)
        except TooMuch:
            key.rest_again_at = 2 * len(key.window)
            return True
        if not ways:
            return False
        spent = frozenset.intersection(*(used for _, used in ways))
        key.begin = [(state, used - spent) for state, used in ways]
        key.tip = key.begin[0]
        key.open = [one for one in key.open if one not in spent]
        if spent:
            _find_twins(key)
        key.window = []
        key.search_again_at = key.rest_again_at = 0
        return True

    def _verdict(self, operation: Operation, pending: Pending, window: list[Pending]) -> Verdict:
        when = "" if operation.time_ns < 0 else f" at {operation.time_ns / 1e9:.3f} s"
        where = "" if operation.key is None else f" on {operation.key!r}"
        what = self.model.describe(pending.call)
        if operation.type == "fail":
            what += " (failed)"
        return Verdict(
            checker=Linearizability.name,
            outcome="fail",
            reason=(
                f"Not linearizable: no order explains {what} of process {operation.process}{where}"
                f"{when}, after what was answered until then."
            ),
            witness={"rows": sorted(row for one in window for row in (one.row, one.end_row))},
            details={"model": self.model.name, "keys_lost": self.lost},
        )


def follow(checker: Linearizability) -> Follower:
    """The online form of `checker`."""
    return Follower(checker)


def _find_twins(key: _Key) -> None:
    """Pair those that stay unanswered for ever with the last one before that is like them."""
    key.open.sort(key=lambda one: one.begin)
    latest: dict[Hashable, Pending] = {}
    for one in key.open:
        alike = (one.call.f, exact(one.call.argument), one.call.process)
        one.twin = latest.get(alike)
        latest[alike] = one


def _data(value: Any) -> Any:
    """`value` as the history has it."""
    return value if value is None or type(value) in (int, str) else decode(encode(value))
