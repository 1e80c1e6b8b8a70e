"""The search behind `streaming`: what an object can hold after a short stretch of its history.

A *way* is a state and the unanswered operations that have taken effect for it. From each way that
a window begins with, the answered operations of the window are put in order; any operation that
began before the first answer still due may come next. Four rules, none of which loses a way that
matters:

- An operation that only looks is taken the moment it is possible: it changes nothing.
- An unanswered operation is tried only right before one that comes out otherwise because of it,
  and not if it could as well come after that one: it may take effect at any time, or never.
- Of unanswered operations that are alike, the one that began first goes first.
- Of two ways to the same state, one that has used up more than the other is dropped.

>>> from checkers.linearizability.models import find_model
>>> lost = Pending(Call("write", 7, open=True), row=0, begin=0)
>>> read = Pending(Call("read", None, 7), row=1, begin=1, end=2)
>>> search = Search(find_model("register"))
>>> [(state, used == {lost}) for state, used in search.ways([(5, frozenset())], [read], [lost])]
[(7, True)]

Limits: exponential in the worst case; raises `TooMuch` after `STEPS` questions to the model. With
registers and texts that is rare; other objects with several unanswered operations get there soon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from checkers.linearizability.model import Call, Model, careful_step
from checkers.linearizability.models import MODELS, Register, Text

#: Questions to the model that one search may ask; up to a tenth of a second.
STEPS: Final = 50_000

NEVER: Final = 1 << 62

#: Of registers and texts, what comes out the same whatever was there before.
_BLIND: Final = frozenset({"write", "put", "del"})


@dataclass(slots=True, eq=False)
class Pending:
    """An operation that has begun; `end` is when it was answered, `row` that of its invocation and
    `end_row` that of its answer. `twin` is the last one before it that is like it, if both stay
    unanswered for ever."""

    call: Call
    row: int
    begin: int
    end: int = NEVER
    end_row: int = -1
    twin: Pending | None = field(default=None, repr=False)


#: A state, and the unanswered operations (by identity) that have taken effect for it.
Way = tuple[Any, frozenset[Pending]]

#: Unanswered operations one after another, and the states before, between and after them.
_Chain = tuple[list[Any], list[Pending]]


class TooMuch(Exception):
    """A search has asked the model more than `STEPS` questions."""


class Search:
    """Searches windows of one kind of object."""

    def __init__(self, model: Model) -> None:
        self.reads = model.reads
        self.blind = _BLIND if isinstance(model, Register | Text) else frozenset[str]()
        self.step = model.step if model.name in MODELS else careful_step(model)
        self._steps = 0

    def after(self, state: Any, call: Call) -> list[Any]:
        """The states that `call` may leave behind. Raises TooMuch."""
        self._steps += 1
        if self._steps > STEPS:
            raise TooMuch
        return list(self.step(state, call))

    def one_way(
        self, begin: Sequence[Way], window: Sequence[Pending], optional: Sequence[Pending]
    ) -> Way | None:
        """A way through the window, or None if there is none. Raises TooMuch."""
        return next(self._search(begin, window, optional, all_of_them=False), None)

    def ways(
        self, begin: Sequence[Way], window: Sequence[Pending], optional: Sequence[Pending]
    ) -> list[Way]:
        """All ways through the window, but for those that are no better. Raises TooMuch."""
        return list(self._search(begin, window, optional, all_of_them=True))

    def _search(
        self,
        begin: Sequence[Way],
        window: Sequence[Pending],
        optional: Sequence[Pending],
        *,
        all_of_them: bool,
    ) -> Iterator[Way]:
        self._steps = 0
        complete = (1 << len(window)) - 1
        best: dict[tuple[int, Any], list[frozenset[Pending]]] = {}
        todo = [(0, state, used) for state, used in reversed(begin)]
        ends: list[Way] = []
        while todo:
            done, state, used = todo.pop()
            if not _improves(best.setdefault((done, state), []), used):
                continue
            if done == complete:
                ends.append((state, used))
                if not all_of_them:
                    break
            else:
                todo += self._moves(window, optional, done, state, used)
        for state, used in ends:
            if used in best[complete, state]:
                yield state, used

    def _moves(
        self,
        window: Sequence[Pending],
        optional: Sequence[Pending],
        done: int,
        state: Any,
        used: frozenset[Pending],
    ) -> list[tuple[int, Any, frozenset[Pending]]]:
        """The ways one answered operation further on; the likeliest last."""
        left = [(1 << place, one) for place, one in enumerate(window) if not done >> place & 1]
        due = min(one.end for _, one in left)
        next_ones = [(bit, one) for bit, one in left if one.begin < due]
        direct = []
        for bit, one in next_ones:
            states = self.after(state, one.call)
            if states and (one.call.refused or one.call.f in self.reads):
                return [(done | bit, state, used)]
            direct.append(states)
        moves = []
        helped = [(bit, one) for bit, one in next_ones if one.call.f not in self.blind]
        free = [one for one in optional if one.begin < due and one not in used] if helped else []
        for states, chain in self._chains(free, used, ([state], [])):
            for bit, one in helped:
                for after in self.after(states[-1], one.call):
                    if self._is_needed(states, one.call, after, chain[-1]):
                        moves.append((done | bit, after, used.union(chain)))
        likely_last = sorted(
            zip(next_ones, direct, strict=True), key=lambda item: item[0][1].end, reverse=True
        )
        for (bit, _), states in likely_last:
            moves += [(done | bit, after, used) for after in states]
        return moves

    def _chains(
        self, free: Sequence[Pending], used: frozenset[Pending], before: _Chain
    ) -> Iterator[_Chain]:
        """Unanswered operations that may take effect one after another, after those of `before`."""
        states, chain = before
        for one in free:
            if one in chain or (chain and one.call.f in self.blind):
                continue
            if one.twin is not None and one.twin not in used and one.twin not in chain:
                continue
            for after in self.after(states[-1], one.call):
                if after == states[-1]:
                    continue
                if chain and not self._is_needed(states, one.call, after, chain[-1], one):
                    continue
                longer = ([*states, after], [*chain, one])
                yield longer
                yield from self._chains(free, used, longer)

    def _is_needed(
        self,
        states: Sequence[Any],
        call: Call,
        after: Any,
        optional: Pending,
        following: Pending | None = None,
    ) -> bool:
        """Whether `optional`, which led to the last of `states`, has to come before `call`.

        It need not if `call` comes out the same without it, or if it may as well come after. Of
        two that are both unanswered (`call` is that of `following`), the one that began first goes
        first where it makes no difference.
        """
        without = self.after(states[-2], call)
        if after in without:
            return False
        if following is not None and following.begin > optional.begin:
            return True
        return not any(after in self.after(state, optional.call) for state in without)


def _improves(best: list[frozenset[Pending]], used: frozenset[Pending]) -> bool:
    """Note `used`, unless there is one that uses no more."""
    if any(other <= used for other in best):
        return False
    best[:] = [other for other in best if not used <= other]
    best.append(used)
    return True
