"""Sentences, tables and distributions that the checkers of convergence share.

>>> from checkers.convergence.records import Call, Update
>>> call = Call(4, 10, 11, 3 * 10**9, 3_200_000_000)
>>> update = Update("write", "x", 7, "One", (1, 0, 3), "ok", call)
>>> told(update)
"the write of 7 to 'x' by process 4, acknowledged at 3.200 s"
>>> distribution([0.0, 12.5, 100.0])["quantiles"]
{'0.5': 12.5, '0.9': 100.0, '0.99': 100.0, '1': 100.0}

Limits: long values are cut in sentences, never in the rows that they point to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from checkers.convergence.faults import listed, node_name
from checkers.convergence.records import Records, Stamp, Update
from harness.quantiles import nearest_rank
from harness.verdict import Verdict

__all__ = [
    "Story",
    "count",
    "distribution",
    "failed",
    "listed",
    "milliseconds",
    "node_name",
    "plain",
    "seconds",
    "showed",
    "shown",
    "since",
    "skipped",
    "told",
]

QUANTILES: Final = (("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("1", 1.0))
#: A distribution keeps so many values, evenly spread over the sorted ones.
VALUES_KEPT: Final = 1_000
#: A witness has so many sentences and rows of its table; the counts are in the details.
SENTENCES_SHOWN: Final = 12
TABLE_ROWS_SHOWN: Final = 40
_CUT: Final = 60

_DEEDS = {
    "write": "the write of {value} to {key}",
    "put": "the write of {value} to {key}",
    "cas": "the write of {value} to {key}",
    "delete": "the deletion of {key}",
    "add": "the addition of {key}",
    "broadcast": "the broadcast of {key}",
    "remove": "the removal of {key}",
    "increment": "the increment by {value}",
    "decrement": "the decrement by {value}",
}


def seconds(time_ns: int) -> str:
    """A time since the start of the run."""
    return f"{time_ns / 1e9:.3f} s"


def milliseconds(duration_ns: int) -> float:
    """A duration for a distribution; durations that clocks made negative are none."""
    return round(max(duration_ns, 0) / 1e6, 3)


def shown(value: Any) -> str:
    """A value in a sentence."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _CUT else f"{text[: _CUT - 1]}…"


def plain(stamp: Stamp | None) -> str | None:
    """A timestamp in a table.

    >>> plain((1500, 2, 3))
    '1500.2 n3'
    """
    if stamp is None:
        return None
    if len(stamp) == 3:
        return f"{stamp[0]}.{stamp[1]} {node_name(stamp[2])}"
    return " ".join(map(str, stamp))


def showed(value: Any, stamp: Stamp | None) -> str:
    """What a node showed of a key.

    >>> showed(7, (1500, 2, 3)), showed(None, (1500, 2, 3)), showed(None, None)
    ('7 (1500.2 n3)', 'a deletion (1500.2 n3)', 'nothing')
    """
    if stamp is None:
        return shown(value)
    return f"{'a deletion' if value is None else shown(value)} ({plain(stamp)})"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "write"), count(2_000, "write"), count(2, "reply")
    ('1 write', '2,000 writes', '2 replies')
    """
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("ly") else f"{noun}s"
    return f"{number:,} {plural}"


def told(update: Update) -> str:
    """What was done, by whom, and what came of it when."""
    value = abs(update.value) if update.f in ("increment", "decrement") else update.value
    deed = _DEEDS[update.f].format(key=shown(update.key), value=shown(value))
    call = update.call
    came = (
        f"acknowledged at {seconds(call.end_ns)}"
        if update.ok
        else f"begun at {seconds(call.call_ns)} and never answered"
        if update.outcome == "unanswered"
        else f"refused at {seconds(call.end_ns)}"
    )
    return f"{deed} by process {call.process}, {came}"


def since(records: Records, update: Update, node: Any) -> tuple[str, list[int]]:
    """Since which fault a node lacks what `update` did: as a sentence has it, and its rows.

    Nothing of both if there was no fault then, nor later.
    """
    moment = update.call.end_ns if update.ok else update.call.call_ns
    origin = records.homes.get(update.call.process)
    fault = records.faults.blamed(moment, node, origin)
    if fault is None:
        return "", []
    return fault.words(node, origin), [fault.start_row, fault.stop_row]


def distribution(values: Iterable[float], unit: str = "ms") -> dict[str, Any]:
    """Values and their quantiles."""
    ordered = sorted(values)
    if not ordered:
        return {"unit": unit, "count": 0, "values": [], "quantiles": {}}
    last = len(ordered) - 1
    kept = ordered
    if len(ordered) > VALUES_KEPT:
        kept = [ordered[round(n * last / (VALUES_KEPT - 1))] for n in range(VALUES_KEPT)]
    return {
        "unit": unit,
        "count": len(ordered),
        "values": kept,
        "quantiles": {name: nearest_rank(ordered, part) for name, part in QUANTILES},
    }


class Story:
    """Collects the sentences and the table of a witness.

    >>> story = Story("Who holds what", ["key", "replica"])
    >>> story.say("n3 lacks it.", [4, 2]); story.line("x", "n3")
    >>> story.witness()["sentences"]
    [{'text': 'n3 lacks it.', 'rows': [2, 4]}]
    """

    def __init__(self, caption: str, columns: Sequence[str]) -> None:
        self.caption = caption
        self.columns = list(columns)
        self.sentences: list[dict[str, Any]] = []
        self.lines: list[list[Any]] = []
        self._rows: dict[int, None] = {}
        self._silent = 0
        self._left_out = 0

    def say(self, text: str, rows: Iterable[int] = ()) -> None:
        """One more sentence, about these rows of the history."""
        if len(self.sentences) >= SENTENCES_SHOWN:
            self._silent += 1
            return
        about = sorted({int(row) for row in rows if row >= 0})
        self.sentences.append({"text": text, "rows": about})
        self._rows.update(dict.fromkeys(about))

    def line(self, *cells: Any) -> None:
        """One more line of the table."""
        if len(self.lines) < TABLE_ROWS_SHOWN:
            self.lines.append(list(cells))
        else:
            self._left_out += 1

    def witness(self, **more: Any) -> dict[str, Any]:
        """What is proof, as plain data."""
        sentences = list(self.sentences)
        if self._silent:
            sentences.append({"text": f"And {self._silent:,} more of the kind.", "rows": []})
        found: dict[str, Any] = {"rows": sorted(self._rows), "sentences": sentences, **more}
        if self.lines:
            left_out = f" ({self._left_out:,} more lines left out)" if self._left_out else ""
            found["table"] = {
                "caption": self.caption + left_out,
                "columns": self.columns,
                "rows": self.lines,
            }
        return found


def failed(checker: str, reason: str, story: Story, details: Mapping[str, Any]) -> Verdict:
    """The verdict that a checker fails for `reason`, with its story for a witness."""
    return Verdict(
        checker=checker, outcome="fail", reason=reason, witness=story.witness(), details=details
    )


def skipped(checker: str, reason: str) -> Verdict:
    """The verdict that a check does not apply."""
    return Verdict(checker=checker, outcome="skipped", reason=reason)
