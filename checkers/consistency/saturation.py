"""What must come before what in every sequentially consistent order, as far as rules can tell.

A read r that saw write w lies between w and the next write to that key. So, for any other write v
to the same key,

    v before r   means   v before w        "older": else r would have seen v
    w before v   means   r before v        "replaced": w was gone after v

are added until nothing new follows, or until something would have to come before itself: then no
order exists. Both rules hold in every order, so a contradiction is certain. The reverse is not
true: with several keys the question is NP-complete even if all sources of reads are known (Gibbons
and Korach, "Testing shared memories", 1997), and where the rules fall silent `search` decides.
(Biswas and Enea saturate in the same way before they search, "On the complexity of checking
transactional consistency", 2019.)

>>> from checkers.notation import parse
>>> graph = saturated(Accesses.of(parse("0w1@x. 0r@y=nil 1w2@y. 1r@x=nil")))
>>> [(step.before, step.after, step.reason.kind) for step in graph.cycle]
[(1, 2, 'initial'), (2, 3, 'session'), (3, 0, 'initial'), (0, 1, 'session')]

Limits: reads with several possible sources, and writes that may not have happened, take no part.
"""

from __future__ import annotations

from checkers.consistency.accesses import INITIAL, NOTHING, Accesses
from checkers.consistency.precedence import Precedence, Reason


def saturated(accesses: Accesses) -> Precedence:
    """The graph with all that follows; its `cycle` is not empty if no order exists.

    A history that is too large for clocks gets the edges that need none.
    """
    graph = Precedence(accesses)
    readers = _readers(accesses)
    for (key, source), last_readers in readers.items():
        if source == INITIAL:
            for reader in last_readers:
                for write in graph.first_writes(key):
                    if write != reader:
                        graph.add(reader, write, Reason("initial", reader, 0))
    if graph.fits:
        saturate(graph, readers)
    return graph


def saturate(graph: Precedence, readers: dict[tuple[int, int], list[int]]) -> None:
    """Apply both rules until nothing new follows; `graph.cycle` tells of a contradiction."""
    accesses = graph.accesses
    while graph.settle():
        found = False
        for number in graph.changed:
            access = accesses.all[number]
            source = accesses.source[number]
            for write in graph.last_writes_before(number):
                if source >= 0 and write != source and not graph.is_before(write, source):
                    if not _conclude(graph, write, source, Reason("older", number, graph.round)):
                        return
                    found = True
                if access.written == NOTHING:
                    continue
                for reader in readers.get((access.key, write), ()):
                    if reader != number and not graph.is_before(reader, number):
                        reason = Reason("replaced", write, graph.round)
                        if not _conclude(graph, reader, number, reason):
                            return
                        found = True
        if not found:
            return


def _conclude(graph: Precedence, before: int, after: int, reason: Reason) -> bool:
    if graph.is_before(after, before):
        graph.contradict(before, after, reason)
        return False
    graph.add(before, after, reason)
    return True


def _readers(accesses: Accesses) -> dict[tuple[int, int], list[int]]:
    """(key, source) -> the last access of each session that saw it."""
    latest: dict[tuple[int, int], dict[int, int]] = {}
    for access in accesses.all:
        source = accesses.source[access.number]
        if accesses.happened[access.number] and (source >= 0 or source == INITIAL):
            latest.setdefault((access.key, source), {})[access.session] = access.number
    return {place: list(by_session.values()) for place, by_session in latest.items()}
