"""The witness of a failed check, as numbered sentences, and the stretch of the run around it.

A verdict's witness names rows of the history: `witness["rows"]`, and in `witness["operation"]` the
row of the one operation that nothing explains, the culprit. Rows are meant by their `index`, so
that a witness found in a part of a history still points into the whole. Everything else that the
witness holds (states, keys, reasons) is shown as it is.

Limits: at most `ENTRIES_MAX` operations get a sentence, the culprit and those nearest to it;
`Witness.notes` says what was left out. The stretch around it holds at most `AROUND_MAX`
operations and is narrowed around the culprit where there are more.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for time_ns, type, value in [(1_000_000, "invoke", None), (9_000_000, "ok", 7)]:
...     _ = recorder.append(time_ns=time_ns, process=3, type=type, f="read", value=value)
>>> verdict = Verdict(checker="c", outcome="fail", reason="r", witness={"rows": [1]})
>>> witness_of(verdict, Calls.of(recorder.history()), origin_ns=0).entries[0].sentence
'Process 3 called read at 0.001 s; it answered 7 at 0.009 s, 8 ms later.'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history import FAIL, OK
from harness.verdict import Verdict
from reports.calls import OPEN, OUTCOMES, Calls
from reports.wording import (
    count_text,
    decimals_needed,
    duration_text,
    moment_text,
    value_text,
    visible,
)

ENTRIES_MAX = 20
AROUND_MAX = 240
#: Rows, keys and the like that a note or a table of context lists.
LISTED_MAX = 60

#: Functions whose answer is their point, even where every answer is null.
_READING = frozenset({"read", "get", "dequeue", "poll", "pop", "lookup"})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One operation of a witness. `place` indexes `Calls`; `number` counts from 1."""

    number: int
    place: int
    label: str
    sentence: str
    culprit: bool


@dataclass(frozen=True, kw_only=True)
class Around:
    """The stretch of the run around a witness: every call that overlaps start_ns .. end_ns."""

    start_ns: int
    end_ns: int
    places: tuple[int, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Witness:
    """What proves that one check failed. `key` is the key that all entries share, if they do."""

    checker: str
    reason: str
    entries: tuple[Entry, ...]
    around: Around
    key: str | None
    context: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def culprit(self) -> Entry | None:
        return next((entry for entry in self.entries if entry.culprit), None)


def witness_of(verdict: Verdict, calls: Calls, *, origin_ns: int) -> Witness | None:
    """The witness of `verdict`, None if it names no operation of a client."""
    found = verdict.witness or {}
    rows = _row_list(found.get("rows"))
    culprit_row = _row_list([found.get("operation")])
    places, strangers = _places(calls, [*rows, *culprit_row])
    if not places:
        return None
    culprit = next(iter(_places(calls, culprit_row)[0]), None)
    centre = places[-1] if culprit is None else culprit
    shown = _nearest(calls, places, centre)
    keys = calls.history.key[calls.row[shown]]
    shared = int(keys[0]) if bool((keys == keys[0]).all()) else -1
    notes = [
        *_left_out(calls, places, shown),
        *(
            [f"{count_text(strangers, 'further row')} of the witness belong to no client."]
            if strangers
            else []
        ),
    ]
    return Witness(
        checker=visible(verdict.checker, 80),
        reason=visible(verdict.reason),
        entries=_entries(calls, shown, culprit, origin_ns=origin_ns, with_key=shared < 0),
        around=_around(calls, shown, centre),
        key=value_text(calls.history.keys[shared]) if shared > 0 else None,
        context=_context(found),
        notes=tuple(notes),
    )


def call_label(calls: Calls, place: int, *, with_key: bool = True) -> str:
    """A call in few words: `write 9`, `read → 7`, `cas [1, 2] on "x"`."""
    history = calls.history
    name, asked, answered = _parts(calls, place)
    text = name + ("" if asked is None else f" {asked}")
    text += "" if answered is None else f" → {answered}"
    key = int(history.key[calls.row[place]])
    return f"{text} on {value_text(history.keys[key], 40)}" if with_key and key > 0 else text


def call_sentence(
    calls: Calls, place: int, *, origin_ns: int, decimals: int = 3, with_key: bool = True
) -> str:
    """A call as one sentence: who asked what when, and what came of it."""
    history, row = calls.history, int(calls.row[place])
    name, asked, answered = _parts(calls, place)
    key = int(history.key[row])
    on_key = f" on {value_text(history.keys[key], 60)}" if with_key and key > 0 else ""
    argument = "" if asked is None else f" {asked}"
    started = _moment(calls, int(calls.start_ns[place]), row, origin_ns, decimals)
    head = f"Process {int(calls.process[place])} called {name}{argument}{on_key} {started}"
    if calls.outcome[place] == OPEN:
        return f"{head} and had no answer to the end: it may have happened at any time."
    done = int(calls.completion[place])
    ended = _moment(calls, int(calls.end_ns[place]), done, origin_ns, decimals)
    took = int(calls.end_ns[place] - calls.start_ns[place])
    later = f", {duration_text(took)} later" if calls.timed else ""
    error = history.errors.get(done)
    why = f" ({value_text(error)})" if error is not None else ""
    if calls.outcome[place] == OK:
        answer = "it was acknowledged" if answered is None else f"it answered {answered}"
        return f"{head}; {answer} {ended}{later}."
    if calls.outcome[place] == FAIL:
        return f"{head}; it failed {ended}{later}{why}: it surely did not happen."
    return (
        f"{head}; its outcome was still unknown {ended}{later}{why}: "
        "it may have happened at any time since it was called."
    )


def _parts(calls: Calls, place: int) -> tuple[str, str | None, str | None]:
    """Function, what was asked and what was answered; None where there is nothing to say."""
    history, row = calls.history, int(calls.row[place])
    name = history.functions[history.f[row]]
    asked, done = int(history.value[row]), int(calls.completion[place])
    asked_text = None if history.values[asked] is None else value_text(history.values[asked])
    if calls.outcome[place] != OK:
        return visible(name, 60), asked_text, None
    answered = int(history.value[done])
    if answered == asked and not (asked_text is None and name in _READING):
        return visible(name, 60), asked_text, None
    return visible(name, 60), asked_text, value_text(history.values[answered])


def _moment(calls: Calls, time_ns: int, row: int, origin_ns: int, decimals: int) -> str:
    if not calls.timed:
        return f"in row {int(calls.history.index[row])}"
    return f"at {moment_text(time_ns - origin_ns, decimals)}"


def _row_list(rows: Any) -> list[int]:
    """The whole numbers among `rows`; a witness is a checker's own data and may hold anything."""
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        return []
    return [int(row) for row in rows if isinstance(row, int) and not isinstance(row, bool)]


def _places(calls: Calls, rows: Sequence[int]) -> tuple[list[int], int]:
    """Calls that `rows` (by index) are parts of, by start; and how many rows are of no call."""
    history = calls.history
    where = {int(index): row for row, index in enumerate(history.index.tolist())} if rows else {}
    found = [calls.at_row(where[row]) if row in where else None for row in dict.fromkeys(rows)]
    places = sorted({place for place in found if place is not None})
    places.sort(key=lambda place: int(calls.start_ns[place]))
    return places, sum(place is None for place in found)


def _nearest(calls: Calls, places: list[int], centre: int) -> list[int]:
    """At most ENTRIES_MAX of `places`: those that begin nearest to `centre`, in their order."""
    origin = int(calls.start_ns[centre])
    ranked = sorted(places, key=lambda place: (abs(int(calls.start_ns[place]) - origin), place))
    kept = set(ranked[:ENTRIES_MAX]) | {centre}
    return [place for place in places if place in kept]


def _left_out(calls: Calls, places: list[int], shown: list[int]) -> list[str]:
    rest = [place for place in places if place not in set(shown)]
    if not rest:
        return []
    rows = calls.history.index[calls.row[rest[:LISTED_MAX]]].tolist()
    listed = ", ".join(str(row) for row in rows) + (" …" if len(rest) > LISTED_MAX else "")
    return [
        f"The witness has {count_text(len(places), 'operation')}; the {len(shown)} nearest to the "
        f"last word are shown. Left out are those invoked in the rows {listed}."
    ]


def _entries(
    calls: Calls, places: list[int], culprit: int | None, *, origin_ns: int, with_key: bool
) -> tuple[Entry, ...]:
    moments = [*calls.start_ns[places].tolist(), *calls.end_ns[places].tolist()]
    decimals = decimals_needed([moment - origin_ns for moment in moments])
    return tuple(
        Entry(
            number=number,
            place=place,
            label=call_label(calls, place, with_key=with_key),
            sentence=call_sentence(
                calls, place, origin_ns=origin_ns, decimals=decimals, with_key=with_key
            ),
            culprit=place == culprit,
        )
        for number, place in enumerate(places, start=1)
    )


def _around(calls: Calls, places: list[int], centre: int) -> Around:
    """The stretch that holds `places` and a margin, or as much of it as can be drawn in full."""
    start_ns, end_ns = int(calls.start_ns[places].min()), _reach(calls, places)
    margin = max((end_ns - start_ns) // 5, 1)
    inside = _overlapping(calls, start_ns - margin, end_ns + margin)
    whole = len(inside)
    middle = int(calls.start_ns[centre])
    before, after = middle - start_ns + margin, end_ns + margin - middle
    while len(inside) > AROUND_MAX and before + after > 2:
        before, after = before * 4 // 5, after * 4 // 5
        inside = _overlapping(calls, middle - before, middle + after)
    notes = []
    if whole > len(inside) or len(inside) > AROUND_MAX:
        inside = inside[:AROUND_MAX]
        number = places.index(centre) + 1
        notes.append(
            f"{count_text(whole, 'operation')} ran while the witness did; "
            f"the {len(inside)} nearest to operation {number} are drawn."
        )
    return Around(
        start_ns=middle - before,
        end_ns=middle + after,
        places=tuple(inside.tolist()),
        notes=tuple(notes),
    )


def _reach(calls: Calls, places: list[int]) -> int:
    """Where the last of `places` ends; an open call counts only by its start."""
    ends = np.where(calls.outcome[places] == OPEN, calls.start_ns[places], calls.end_ns[places])
    return int(ends.max())


def _overlapping(calls: Calls, start_ns: int, end_ns: int) -> NDArray[np.int64]:
    return np.flatnonzero((calls.start_ns <= end_ns) & (calls.end_ns >= start_ns))


def _context(witness: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What else the witness says, in its own order."""
    items = [(name, value) for name, value in witness.items() if name not in ("rows", "operation")]
    shown = [(visible(name, 60), value_text(value, 400)) for name, value in items[:LISTED_MAX]]
    if len(items) > LISTED_MAX:
        shown.append(("…", f"{len(items) - LISTED_MAX} further entries"))
    return tuple(shown)


def outcome_name(calls: Calls, place: int) -> str:
    """ok, fail, info or open."""
    return OUTCOMES[int(calls.outcome[place])]
