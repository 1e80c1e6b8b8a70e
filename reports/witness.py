"""The witness of a failed check, as numbered sentences, and the stretch of the run around it.

A verdict's witness names rows of the history: `witness["rows"]`, and in `witness["operation"]` the
row of the one operation that nothing explains, the culprit. A checker may describe the
culprit instead (`{"rows": [...], ...}`). Everything else that the witness holds (states, keys,
reasons) is shown as it is.

Limits: at most `ENTRIES_MAX` operations get a sentence: the culprit, the latest that mention its
value (such as whoever wrote what it read), and those nearest to it. The stretch around it holds at
most `AROUND_MAX` operations and is narrowed around the culprit where there are more. `notes` say
what was left out.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for time_ns, type in [(1_000_000, "invoke"), (9_000_000, "ok")]:
...     _ = recorder.append(time_ns=time_ns, process=3, type=type, f="read")
>>> verdict = Verdict(checker="c", outcome="fail", reason="r", witness={"rows": [0, 1]})
>>> witness = witness_of(verdict, Calls.of(recorder.history()), origin_ns=0)
>>> [entry.label for entry in witness.entries]
['read → null']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history import OK
from harness.verdict import Verdict
from reports.calls import OPEN, Calls
from reports.sentences import call_label, call_sentence
from reports.telling import Table, Told, conclusion_of, sentences_of, steps_of, table_of
from reports.wording import count_text, decimals_needed, value_text, visible

ENTRIES_MAX = 20
AROUND_MAX = 240
#: Of a witness that is too long: so many operations that mention the culprit's value are kept.
KIN_MAX = 3
#: Rows, keys and the like that a note or a table of context lists.
LISTED_MAX = 60
#: Entries of a witness that the page shows as drawings and sentences of its own.
_TOLD_ELSEWHERE = frozenset(
    {
        *("rows", "operation", "steps", "sentences", "table", "conclusion", "others"),
        *("anomalies", "kinds", "kind"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One operation of a witness. `place` indexes `Calls`; `number` counts from 1."""

    number: int
    place: int
    label: str
    sentence: str
    culprit: bool


@dataclass(frozen=True, kw_only=True)
class Clue:
    """A sentence of the checker, and the numbers of the entries that it is about."""

    told: Told
    numbers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Around:
    """The stretch of the run around a witness: every call that overlaps start_ns .. end_ns."""

    start_ns: int
    end_ns: int
    places: tuple[int, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Witness:
    """What proves that one check failed. `key` is the key that all entries share, if they do.

    `clues`, `table` and `conclusion` are what the checker itself says.
    """

    checker: str
    reason: str
    entries: tuple[Entry, ...]
    around: Around
    key: str | None
    context: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    clues: tuple[Clue, ...] = ()
    table: Table | None = None
    conclusion: str = ""

    @property
    def culprit(self) -> Entry | None:
        return next((entry for entry in self.entries if entry.culprit), None)


def witness_of(verdict: Verdict, calls: Calls, *, origin_ns: int) -> Witness | None:
    """The witness of `verdict`, None if it names no operation of a client."""
    found = verdict.witness or {}
    told = sentences_of(found)
    rows = _row_list(found.get("rows"))
    culprit_rows = _culprit_rows(found.get("operation"))
    places, strangers = _places(calls, [*rows, *culprit_rows])
    if not places:
        return None
    culprit = next(iter(_places(calls, culprit_rows)[0]), None)
    centre = places[-1] if culprit is None else culprit
    shown = _telling(calls, places, centre, told)
    keys = calls.history.key[calls.row[shown]]
    shared = int(keys[0]) if bool((keys == keys[0]).all()) else -1
    entries = _entries(
        calls,
        shown,
        culprit,
        origin_ns=origin_ns,
        with_key=shared < 0,
        own=steps_of(found) if len(shown) == len(places) else {},
    )
    notes = [
        *_left_out(calls, places, shown, told),
        *(
            [f"{count_text(strangers, 'further row')} of the witness belong to no client."]
            if strangers
            else []
        ),
    ]
    return Witness(
        checker=visible(verdict.checker, 80),
        reason=visible(verdict.reason),
        entries=entries,
        around=_around(calls, shown, centre),
        key=value_text(calls.history.keys[shared]) if shared > 0 else None,
        context=witness_context(found),
        notes=tuple(notes),
        clues=_clues(calls, told, entries),
        table=table_of(found),
        conclusion=conclusion_of(found),
    )


def _clues(calls: Calls, told: Sequence[Told], entries: Sequence[Entry]) -> tuple[Clue, ...]:
    """The checker's sentences, each with the numbers of the operations that its rows belong to."""
    number_of = {entry.place: entry.number for entry in entries}
    clues = []
    for sentence in told:
        about = _places(calls, sentence.rows)[0]
        numbers = [number_of[place] for place in about if place in number_of]
        clues.append(Clue(told=sentence, numbers=tuple(sorted(numbers))))
    return tuple(clues)


def _row_list(rows: Any) -> list[int]:
    """The whole numbers among `rows`; a witness is a checker's own data and may hold anything."""
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        return []
    return [int(row) for row in rows if isinstance(row, int) and not isinstance(row, bool)]


def _culprit_rows(operation: Any) -> list[int]:
    if isinstance(operation, Mapping):
        return _row_list(operation.get("rows"))
    return _row_list([operation])


def _places(calls: Calls, rows: Sequence[int]) -> tuple[list[int], int]:
    """The calls that `rows` are parts of, by start; and how many of the rows are of no call."""
    # No history has 2^62 rows: what is beyond is as strange as any other row that is not there.
    different = [row if abs(row) < 1 << 62 else -1 for row in dict.fromkeys(rows)]
    found = calls.at_rows(np.array(different, dtype=np.int64))
    places = np.unique(found[found >= 0])
    in_time = places[np.argsort(calls.start_ns[places], kind="stable")]
    return in_time.tolist(), int(np.count_nonzero(found < 0))


def _telling(calls: Calls, places: list[int], centre: int, told: Sequence[Told]) -> list[int]:
    """At most ENTRIES_MAX of `places`, in their order: what tells most about `centre`.

    Where the checker has sentences, those that these are about, from the first sentence on.
    """
    if len(places) <= ENTRIES_MAX:
        return places
    if told:
        about = [place for sentence in told for place in _places(calls, sentence.rows)[0]]
        named = set(list(dict.fromkeys([centre, *about]))[:ENTRIES_MAX])
        return [place for place in places if place in named]
    value = _values(calls, centre)[-1]
    before = reversed(places[: places.index(centre)])
    kin = (place for place in before if any(_mentions(own, value) for own in _values(calls, place)))
    distance = np.abs(calls.start_ns[places] - calls.start_ns[centre])
    nearest = np.array(places)[np.argsort(distance, kind="stable")[:ENTRIES_MAX]].tolist()
    ranked = dict.fromkeys([centre, *islice(kin, KIN_MAX), *nearest])
    kept = set(list(ranked)[:ENTRIES_MAX])
    return [place for place in places if place in kept]


def _values(calls: Calls, place: int) -> list[Any]:
    """What a call asked and, if it succeeded, what it was answered."""
    history, rows = calls.history, [int(calls.row[place])]
    if calls.outcome[place] == OK:
        rows.append(int(calls.completion[place]))
    return [history.values[history.value[row]] for row in rows]


def _mentions(value: Any, wanted: Any) -> bool:
    """Whether `value` is `wanted` or a list that has it; null says nothing."""
    if wanted is None:
        return False
    parts = [value, *value] if isinstance(value, list) else [value]
    return any(type(part) is type(wanted) and part == wanted for part in parts)


def _left_out(calls: Calls, places: list[int], shown: list[int], told: Sequence[Told]) -> list[str]:
    kept = set(shown)
    rest = [place for place in places if place not in kept]
    if not rest:
        return []
    rows = calls.row[rest[:LISTED_MAX]].tolist()
    listed = ", ".join(str(row) for row in rows)
    if len(rest) > LISTED_MAX:
        listed += f" and {len(rest) - LISTED_MAX:,} more"
    return [
        f"The witness has {count_text(len(places), 'operation')}; shown are {len(shown)}"
        + (
            ", those that the first sentences are about"
            if told
            else ": the last one, the latest that mention its value, and the nearest in time"
        )
        + f". Left out are those invoked in the rows {listed}."
    ]


def _entries(
    calls: Calls,
    places: list[int],
    culprit: int | None,
    *,
    origin_ns: int,
    with_key: bool,
    own: Mapping[int, str],
) -> tuple[Entry, ...]:
    """The operations in words; `own` has the checker's, by row, if it has one for each."""
    told = [own.get(int(calls.row[place])) for place in places]
    if list(own) != [int(calls.row[place]) for place in places]:
        told = [None] * len(places)  # its numbers would not be ours
    moments = [*calls.start_ns[places].tolist(), *calls.end_ns[places].tolist()]
    decimals = decimals_needed([moment - origin_ns for moment in moments])
    return tuple(
        Entry(
            number=number,
            place=place,
            label=call_label(calls, place, with_key=with_key),
            sentence=told[number - 1]
            or call_sentence(
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


def witness_context(witness: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What else the witness says, in its own order."""
    items = [(name, value) for name, value in witness.items() if name not in _TOLD_ELSEWHERE]
    shown = [(visible(name, 60), value_text(value, 400)) for name, value in items[:LISTED_MAX]]
    if len(items) > LISTED_MAX:
        shown.append(("…", f"{len(items) - LISTED_MAX} further entries"))
    return tuple(shown)
