"""Fewer optional operations on a text, for questions about few gets.

In a history of appends a core has perhaps two gets, each with the texts of hundreds of appends that
are all optional, and to order these is slow. But most of them always go together:

    get    x1 x2 x3 x4 x5 x6          x1 x2 x3 ──> one append of x1x2x3
    get    x1 x2 x3 x7                x4 x5 x6 ──> one of x4x5x6

Two optional operations p and q become one, called when the later one was, if in every text that
was got p can only be followed by q and q only preceded by p. That changes no verdict. Where the
one stands the two may stand as well. And take an order that explains the gets: where p is seen, q
comes next, and nothing between them is seen; p has no return and may move up to q. Where only one
of them is used, or neither is seen before the next put, it can be left out.

Optional operations whose text is in no get are left out altogether (kernel/open.h says why).

Limits: pieces must tell what they are: if several operations could have left what stands at a
place, they stay as they are.

>>> from checkers.linearizability.encoding import encode
>>> from checkers.linearizability.models import find_model
>>> from checkers.linearizability.relax import relaxed
>>> from checkers.notation import parse
>>> import numpy as np
>>> history = parse("0ax. 0ay. 0az. 1g=xyz 0au. 0av. 1g=xyz")
>>> problem = encode(history, find_model("kv-append"))
>>> part, _ = relaxed(problem, np.array([0, 0, 0, 1, 0, 0, 1], dtype=bool))
>>> light, numbers = condensed(part)
>>> [light.values[a] for a in light.operations["a"]], numbers.tolist()
(['xyz', 'xyz', 'xyz'], [2, 3, 6])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.codes import OPEN, READ, UPDATE, WRITE
from checkers.linearizability.problem import Problem

#: Characters of gets times operations that may be looked at: a tenth of a second.
_WORK_AT_MOST: Final = 300_000_000
_PLACES_AT_MOST: Final = 100_000

Place = tuple[int, int]  # the number of a get, and a position in its text


@dataclass(frozen=True, slots=True)
class _Piece:
    """An operation that changes the text, and where its own text is found in the gets."""

    number: int
    text: str
    function: int
    is_open: bool
    places: tuple[Place, ...]


def condensed(problem: Problem) -> tuple[Problem, NDArray[np.int64]]:
    """The same question with fewer operations; and the numbers that these have in `problem`."""
    operations = problem.operations
    reads = operations["function"] == READ
    gets = [problem.values[a] for a in np.unique(operations["a"][reads]).tolist()]
    everything = np.arange(len(problem), dtype=np.int64)
    if sum(map(len, gets)) * int((~reads).sum()) > _WORK_AT_MOST:
        return problem, everything
    pieces = []
    room = _PLACES_AT_MOST
    for number in np.flatnonzero(~reads).tolist():
        piece = _piece(problem, number, gets, room)
        room -= len(piece.places)
        if room <= 0:
            return problem, everything
        pieces.append(piece)
    pieces = _in_whole_texts(pieces, gets, problem.values[problem.initial])
    gone = [p.number for p in pieces if p.is_open and not p.places and not _resets(p)]
    chains = _chains(pieces, gets, problem.values[problem.initial])
    values = list(problem.values)
    changed = operations.copy()
    for chain in chains:
        last = max(piece.number for piece in chain)
        changed["function"][last] = chain[0].function
        changed["a"][last] = len(values)
        values.append("".join(piece.text for piece in chain))
        gone += [piece.number for piece in chain if piece.number != last]
    stays = np.ones(len(problem), dtype=bool)
    stays[gone] = False
    new_number = np.cumsum(stays, dtype=np.int32) - 1
    events = problem.events[stays[problem.events >> 1]]
    light = replace(
        problem,
        operations=changed[stays],
        events=(new_number[events >> 1] * 2 + (events & 1)).astype(np.int32),
        values=tuple(values),
        call_row=problem.call_row[stays],
        return_row=problem.return_row[stays],
    )
    return light, np.flatnonzero(stays)


def _resets(piece: _Piece) -> bool:
    """Whether it is a put of nothing, which no get shows."""
    return piece.function == WRITE and not piece.text


def _piece(problem: Problem, number: int, gets: list[str], room: int) -> _Piece:
    operation = problem.operations[number]
    text: str = problem.values[operation["a"]]
    function = int(operation["function"])
    found: list[Place] = []
    for get, whole in enumerate(gets):
        if function == WRITE:
            found += [(get, 0)] if text and whole.startswith(text) else []
        else:
            found += [(get, place) for place in _occurrences(whole, text)]
        if len(found) >= room:
            break
    return _Piece(number, text, function, bool(operation["outcome"] == OPEN), tuple(found))


def _occurrences(whole: str, text: str) -> Iterator[int]:
    place = whole.find(text) if text else -1
    while place >= 0:
        yield place
        place = whole.find(text, place + 1)


def _in_whole_texts(pieces: list[_Piece], gets: list[str], initial: str) -> list[_Piece]:
    """The pieces with only those of their places that can be part of a whole text, from its
    beginning to its end: "5." is in "15.", but nothing else might have left the "1"."""
    by_get: list[list[tuple[int, int, _Piece]]] = [[] for _ in gets]
    for piece in pieces:
        for get, at in piece.places:
            by_get[get].append((at, at + len(piece.text), piece))
    kept: dict[int, list[Place]] = {piece.number: [] for piece in pieces}
    for get, text in enumerate(gets):
        spans = sorted(by_get[get], key=lambda span: span[:2])
        reached = {len(initial)} if text.startswith(initial) else set()
        for start, end, piece in spans:
            if start in reached or piece.function == WRITE:
                reached.add(end)
        leads_on = {len(text)}
        for start, end, piece in reversed(spans):
            fits = start in reached or piece.function == WRITE
            if fits and end in leads_on:
                leads_on.add(start)
                kept[piece.number].append((get, start))
    return [replace(piece, places=tuple(kept[piece.number])) for piece in pieces]


def _chains(pieces: list[_Piece], gets: list[str], initial: str) -> list[list[_Piece]]:
    """Open operations that always follow each other, two or more in a row."""
    starts = Counter(place for piece in pieces for place in piece.places)
    ends = Counter((get, at + len(piece.text)) for piece in pieces for get, at in piece.places)
    ends.update((get, len(initial)) for get, text in enumerate(gets) if text.startswith(initial))
    at = {place: piece for piece in pieces for place in piece.places}
    follower: dict[int, _Piece] = {}
    follows: set[int] = set()
    for piece in pieces:
        behind = [(get, place + len(piece.text)) for get, place in piece.places]
        other = at.get(behind[0]) if behind else None
        if other is None or other is piece or not (piece.is_open and other.is_open):
            continue
        fits = other.function == UPDATE and sorted(behind) == sorted(other.places)
        if fits and all(starts[place] == 1 and ends[place] == 1 for place in behind):
            follower[piece.number] = other
            follows.add(other.number)
    chains = []
    for piece in pieces:
        if piece.number in follower and piece.number not in follows:
            chain = [piece]
            while chain[-1].number in follower:
                chain.append(follower[chain[-1].number])
            chains.append(chain)
    return chains
