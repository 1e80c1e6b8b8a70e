"""What the nemeses did, as intervals: "start-partition" ... "stop-partition" becomes one fault.

    start-kill ─ start-kill          stop-kill ─ stop-kill      rows of one nemesis process
    asked        done                asked       done
    |<──────────────── the fault, drawn ──────────────────>|

A nemesis writes a row when it begins and one when it is done; two rows of one process in
succession with the same function are such a pair. A fault reaches from the moment it was asked
for to the moment its end was done, because it may have acted during all of that. The first start
of a kind belongs to its first stop, the second to the second. A fault without a stop stays open
to the end of the run. Every other function of a nemesis ("heal", or a stop without a start) is a
moment.

A nemesis may look, and change nothing; what it began in one of `idle_rows` is no fault. One that
started by changing nothing begins with what it changes next.

Limits: what a nemesis says is believed; a fault that ended by itself looks open.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for time_ns, f in enumerate(["start-kill", "start-kill", "stop-kill", "stop-kill"]):
...     _ = recorder.append(time_ns=time_ns, process="nemesis", type="info", f=f)
>>> [lane] = fault_lanes(recorder.history(), times_ns=np.arange(4), end_ns=9)
>>> lane.letter, lane.name, [(fault.start_ns, fault.end_ns, fault.state) for fault in lane.faults]
('K', 'kill', [(0, 3, 'stopped')])
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.history import History
from reports.palette import FAULT_COLOURS
from reports.wording import value_text, visible

#: Letters that readers of other reports know; any other kind takes the first free one of its name.
LETTERS = {
    "partition": "P",
    "kill": "K",
    "crash": "K",
    "pause": "Z",
    "clock": "C",
    "disk": "D",
    "delay": "L",
}
#: Further kinds share the last lane.
LANES_MAX = 10


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One interval (or moment) during which something was broken on purpose."""

    kind: str
    start_ns: int
    end_ns: int
    state: Literal["stopped", "open", "moment"]
    what: str
    row: int


@dataclass(frozen=True, kw_only=True)
class FaultLane:
    """All faults of one kind, in order of their start; `colour` indexes the palette's violets."""

    name: str
    letter: str
    colour: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, kw_only=True)
class _Action:
    """One thing that a nemesis did: one row, or two in succession."""

    f: str
    start_ns: int
    end_ns: int
    value: Any
    row: int
    idle: bool


def fault_lanes(
    history: History,
    *,
    times_ns: NDArray[np.int64],
    end_ns: int,
    idle_rows: Collection[int] = (),
) -> tuple[FaultLane, ...]:
    """The faults of `history`, a lane a kind, kinds in order of first appearance.

    `times_ns` gives the time of each row (a history may have none of its own); `end_ns` is where
    open faults are cut off.
    """
    by_kind: dict[str, list[Fault]] = {}
    for fault in _faults(_actions(history, times_ns, idle_rows), end_ns):
        by_kind.setdefault(fault.kind, []).append(fault)
    kinds = list(by_kind)
    if len(kinds) > LANES_MAX:
        kept = kinds[: LANES_MAX - 1]
        others = f"{len(kinds) - len(kept)} other kinds"
        rest = [fault for kind in kinds[LANES_MAX - 1 :] for fault in by_kind[kind]]
        by_kind = {kind: by_kind[kind] for kind in kept} | {others: rest}
    letters = _letters(list(by_kind))
    return tuple(
        FaultLane(
            name=kind,
            letter=letters[kind],
            colour=number % FAULT_COLOURS,
            faults=tuple(sorted(faults, key=lambda fault: (fault.start_ns, fault.row))),
        )
        for number, (kind, faults) in enumerate(by_kind.items())
    )


def _actions(
    history: History, times_ns: NDArray[np.int64], idle_rows: Collection[int]
) -> list[_Action]:
    """The rows of all nemeses, those that belong together joined, in order of their start."""
    actions: list[_Action] = []
    begun: dict[int, int] = {}  # process -> place in `actions` of what may be half done
    for row in np.flatnonzero(~history.client_rows).tolist():
        process, f = int(history.process[row]), history.functions[history.f[row]]
        value = history.values[history.value[row]]
        place = begun.pop(process, None)
        if place is not None and actions[place].f == f:
            before = actions[place]
            actions[place] = replace(
                before,
                end_ns=int(times_ns[row]),
                value=before.value if value is None else value,
            )
        else:
            time_ns = int(times_ns[row])
            begun[process] = len(actions)
            actions.append(
                _Action(
                    f=f,
                    start_ns=time_ns,
                    end_ns=time_ns,
                    value=value,
                    row=row,
                    idle=row in idle_rows,
                )
            )
    return actions


def _faults(actions: Sequence[_Action], end_ns: int) -> list[Fault]:
    """`actions` as faults: starts joined with stops, first with first."""
    faults: list[Fault] = []
    running: defaultdict[str, deque[int]] = defaultdict(deque)
    unborn: set[int] = set()  # places of those that have changed nothing yet
    for action in actions:
        verb, _, kind = action.f.partition("-")
        what = "" if action.value is None else value_text(action.value)
        if not action.idle and running[kind] and (place := running[kind][0]) in unborn:
            unborn.remove(place)
            faults[place] = replace(faults[place], start_ns=action.start_ns)
        if verb == "start" and kind:
            if action.idle:
                unborn.add(len(faults))
            running[kind].append(len(faults))
            faults.append(_fault(action, kind, end_ns, "open", what))
        elif verb == "stop" and running[kind]:
            place = running[kind].popleft()
            faults[place] = replace(faults[place], end_ns=action.end_ns, state="stopped")
        elif action.idle:
            continue
        elif verb == "stop" and kind:
            what = f"stopped without having been started {what}".rstrip()
            faults.append(_fault(action, kind, action.end_ns, "moment", what))
        else:
            faults.append(_fault(action, action.f, action.end_ns, "moment", what))
    return [fault for place, fault in enumerate(faults) if place not in unborn]


def _fault(
    action: _Action,
    kind: str,
    end_ns: int,
    state: Literal["open", "moment"],
    what: str,
) -> Fault:
    return Fault(
        kind=visible(kind, 60),
        start_ns=action.start_ns,
        end_ns=end_ns,
        state=state,
        what=what,
        row=action.row,
    )


def _letters(kinds: Sequence[str]) -> dict[str, str]:
    """A letter for each kind, no letter twice; digits and then marks when letters run out."""
    taken: dict[str, str] = {}
    for kind in kinds:
        wanted = LETTERS.get(kind.split("-")[0], "")
        own = [letter for letter in kind.upper() if letter.isascii() and letter.isalpha()]
        candidates = [wanted, *own, *"123456789#"] if wanted else [*own, *"123456789#"]
        taken[kind] = next(letter for letter in candidates if letter not in taken.values())
    return taken
