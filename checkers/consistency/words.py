"""What is wrong, in words: the sentences and witnesses of the consistency checkers.

A witness is plain data: the rows of the history that it is made of, the operations in the order in
which the argument goes through them, and one sentence for each step.

>>> from checkers.notation import parse
>>> from checkers.consistency.saturation import saturated
>>> graph = saturated(Accesses.of(parse("0w1. 1r=1 1r=nil")))
>>> print(circle(graph)[2])
process 1 read nil at 0.002 s must come before process 0 wrote 1 at 0.000 s (which replaced the
initial value), that before process 1 read 1 at 0.001 s (which saw it), and that before the first
(one process did both). No order has such a circle.

Limits: a sentence tells at most `STEPS_SHOWN` steps of each kind; the witness has all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from checkers.consistency.accesses import Accesses
from checkers.consistency.precedence import Precedence, Step
from checkers.consistency.visibility import Broken, Link

#: Steps that a sentence tells at most.
STEPS_SHOWN: Final = 6


def witness(accesses: Accesses, numbers: Iterable[int], steps: Sequence[str]) -> dict[str, Any]:
    """The operations `numbers`, each once and in this order, with the steps of the `argument`.

    What is needed to judge them without the rest of the history is added at the end.
    """
    told = list(dict.fromkeys(numbers))
    distinct = list(dict.fromkeys([*told, *accesses.with_evidence(told)]))
    return {
        "rows": accesses.rows(distinct),
        "operations": [accesses.plain(number) for number in distinct],
        "argument": list(steps),
    }


def never_written(accesses: Accesses, number: int) -> str:
    """The sentence about an access that saw a value out of nowhere."""
    access = accesses.all[number]
    doing = "" if access.is_read else f", which needs {accesses.value(access.read)} to be there"
    return (
        f"{accesses.told(number)}{doing}; but no operation that may have happened ever wrote "
        f"{accesses.value(access.read)} there."
    )


def circle(graph: Precedence) -> tuple[list[int], list[str], str]:
    """The accesses of `graph.cycle` and of what it rests on, the steps of both, a sentence."""
    accesses = graph.accesses
    steps = _from_a_telling_start(graph.cycle)
    grounds = graph.grounds(steps)
    numbers: list[int] = []
    for step in [*steps, *grounds]:
        numbers.append(step.before)
        if step.reason.kind in ("older", "replaced"):
            numbers.append(step.reason.witness)
        numbers.append(step.after)
    names = [accesses.told(step.before) for step in steps]
    following = [*names[1:], "the first"]
    whys = [_because(accesses, step) for step in steps]
    lines = [
        f"{before} must come before {after} ({why})"
        for before, after, why in zip(names, [*names[1:], names[0]], whys, strict=True)
    ]
    rests_on = [
        f"{accesses.told(step.before)} comes before {accesses.told(step.after)} "
        f"({_because(accesses, step)})"
        for step in grounds
    ]
    parts = [f"that before {after} ({why})" for after, why in zip(following, whys, strict=True)]
    parts[0] = f"{names[0]} must come before {following[0]} ({whys[0]})"
    if len(parts) > STEPS_SHOWN:
        left_out = len(parts) - STEPS_SHOWN
        parts[STEPS_SHOWN - 1 : -1] = [f"and so on ({left_out} more in the witness)"]
    parts[-1] = f"and {parts[-1]}" if len(parts) > 1 else parts[-1]
    sentence = ", ".join(parts) + ". No order has such a circle."
    # what one process did in turn goes without saying
    telling = [
        line for step, line in zip(grounds, rests_on, strict=True) if step.reason.kind != "session"
    ]
    if telling:
        left_out = len(telling) - STEPS_SHOWN
        more = f"; and so on ({left_out} more in the witness)" if left_out > 0 else ""
        sentence += f" It rests on this: {'; '.join(telling[:STEPS_SHOWN])}{more}."
    return numbers, [*lines, *rests_on], sentence


def _from_a_telling_start(steps: Sequence[Step]) -> list[Step]:
    """The circle begun where a reader would begin: at what was read, not at what was done."""
    order = {"initial": 0, "replaced": 1, "older": 2, "reads": 3, "session": 4}
    start = min(range(len(steps)), key=lambda place: (order[steps[place].reason.kind], place))
    return [*steps[start:], *steps[:start]]


def _because(accesses: Accesses, step: Step) -> str:
    """Why the first of a step comes before the second; "it" is the second."""
    reason = step.reason
    if reason.kind == "session":
        return "one process did both"
    if reason.kind == "reads":
        return "which saw it"
    if reason.kind == "initial":
        return "which replaced the initial value"
    if reason.kind == "older":
        return f"which {accesses.told(reason.witness)} still saw, after the former"
    return f"which replaced the value that the former saw, {accesses.told(reason.witness)}"


# ---- session guarantees


def told_broken(accesses: Accesses, broken: Broken) -> str:
    """The sentence about a session guarantee that does not hold."""
    if broken.kind == "initial":
        late = accesses.told(broken.number)
        return f"{late}, {_knowing(accesses, broken.path)}, which replaced the initial value."
    links = _from_a_conflict(broken.links)
    first = links[0]
    if first.kind != "conflict":
        return "; ".join(_order(accesses, link) for link in links) + ". No order has such a circle."
    read = accesses.told(first.path[-1])
    older, newer = (accesses.value(accesses.all[n].written) for n in (first.after, first.before))
    reasons = [_order(accesses, link) for link in links[1:]]
    if len(reasons) > STEPS_SHOWN:
        reasons[STEPS_SHOWN - 1 :] = [f"and so on, see the {len(links)} steps of the witness"]
    return (
        f"{read}, {_knowing(accesses, first.path)}; and {older} was older than {newer}: "
        + "; ".join(reasons)
        + "."
    )


def broken_steps(accesses: Accesses, broken: Broken) -> list[str]:
    """The steps of the argument for a witness."""
    if broken.kind == "circle":
        return [_order(accesses, link) for link in _from_a_conflict(broken.links)]
    return [accesses.told(number) for number in dict.fromkeys([*broken.path, broken.number])]


def _from_a_conflict(links: Sequence[Link]) -> list[Link]:
    """The circle begun at the conflict that is shortest to tell."""
    places = [place for place, link in enumerate(links) if link.kind == "conflict"]
    start = min(places, key=lambda place: (len(links[place].path), place), default=0)
    return [*links[start:], *links[:start]]


def _knowing(accesses: Accesses, path: Sequence[int]) -> str:
    """How the last access of `path` knew of the write at its begin."""
    write, reader = path[0], path[-1]
    value = accesses.value(accesses.all[write].written)
    if len(path) == 2:
        return f"after it had itself written {value} {accesses.when(write)}"
    if len(path) == 3 and accesses.all[path[1]].session == accesses.all[reader].session:
        return f"after it had read {value} {accesses.when(path[1])}"
    return f"after it had come to know of {value} ({_trail(accesses, path[:-1])})"


def _trail(accesses: Accesses, path: Sequence[int]) -> str:
    return ", then ".join(accesses.told(number) for number in path)


def _order(accesses: Accesses, link: Link) -> str:
    """Why the one write of a link precedes the other."""
    if link.kind == "known":
        return _trail(accesses, link.path)
    read = accesses.told(link.path[-1])
    return f"{read}, {_knowing(accesses, link.path)}"
