"""Some operations of a history as a small text diagram: a line for each process, time to the right.

>>> from checkers.notation import parse
>>> history = parse("3w9. 4w11 3r=7 4? 5r=11")
>>> print(draw(history, [0, 1, 2, 3, 4], culprit=4))
process 3  ├─ write 9 ─┤    ├─ read → 7 ─┤ ✗
process 4                 ├─── write 11 ────┄
           0.000 s  0.001 s        0.002 s

Bars that share a column ran at the same time; a bar that begins right of another's end began after
it. Order is exact, lengths are not. ┄ is an operation without an answer: it may take effect at any
later time. ✗ marks the one that nothing explains.

Limits: with more than some twenty operations nobody sees anything; labels that do not fit become
numbers, those of a list below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.history import FAIL, INVOKE, OK, History

WIDTH = 100
_LABEL_MOST = 28
_GAP = 2


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One operation: rows of call and return (-1: it has none that counts), and what is on it."""

    call_row: int
    return_row: int
    label: str
    culprit: bool = False


def draw(
    history: History,
    rows: Iterable[int],
    *,
    culprit: int = -1,
    labels: Mapping[int, str] | None = None,
    width: int = WIDTH,
) -> str:
    """The operations that have their call among `rows`; `culprit` is a row of one of them.

    `labels` by row of the call replace `f value → answer`. An operation whose completion is not
    among `rows` is drawn as open.
    """
    kept = set(rows)
    bars = []
    for row in sorted(kept):
        if history.type[row] != INVOKE:
            continue
        end = int(history.partner[row])
        closed = end in kept and history.type[end] in (OK, FAIL)
        end = end if closed else -1
        label = (labels or {}).get(row) or _label(history, row, end)
        bars.append(
            Bar(call_row=row, return_row=end, label=label, culprit=culprit in (row, end, -2))
        )
    return draw_bars(history, bars, width=width)


def draw_bars(history: History, bars: Sequence[Bar], *, width: int = WIDTH) -> str:
    """`bars` as text at most `width` columns wide if that is possible; "" without bars."""
    if not bars:
        return ""
    names = [f"process {int(history.process[bar.call_row])}" for bar in bars]
    left = max(map(len, names)) + 2
    labels = [_clipped(bar.label) for bar in bars]
    places = _places(bars, labels)
    if left + max(places.values()) + 4 > width:
        labels = [str(number) for number in range(1, len(bars) + 1)]
        places = _places(bars, labels)
    right = max(places.values()) + 3
    lines: dict[str, list[str]] = {}
    for name, bar, label in zip(names, bars, labels, strict=True):
        line = lines.setdefault(name, [" "] * (right + 3))
        _put_bar(line, bar, label, places, right)
    drawn = [name.ljust(left) + "".join(line).rstrip() for name, line in lines.items()]
    return "\n".join([*drawn, *_axis(history, bars, places, left)])


def _places(bars: Sequence[Bar], labels: Sequence[str]) -> dict[int, int]:
    """The column of each row, in the order of rows, with room for every label."""
    opened = {bar.call_row: label for bar, label in zip(bars, labels, strict=True)}
    closed = {bar.return_row: bar.call_row for bar in bars if bar.return_row >= 0}
    places: dict[int, int] = {}
    column = -_GAP
    ends_before = False
    for row in sorted([*opened, *closed]):
        # neighbours of one kind may come close; a call after a return shows as a gap
        column += _GAP if row in closed or not ends_before else _GAP + 1
        if row in closed:
            call = closed[row]
            column = max(column, places[call] + len(opened[call]) + 5)
        places[row] = column
        ends_before = row in closed
    last = max(places.values())
    for bar, label in zip(bars, labels, strict=True):
        if bar.return_row < 0:
            last = max(last, places[bar.call_row] + len(label) + 3)
    places[-1] = last
    return places


def _put_bar(line: list[str], bar: Bar, label: str, places: Mapping[int, int], right: int) -> None:
    start = places[bar.call_row]
    end = places[bar.return_row] if bar.return_row >= 0 else right
    room = end - start - 1
    before = max(1, (room - len(label) - 2) // 2)
    inside = f"{'─' * before} {label} ".ljust(room, "─")[:room]
    text = f"├{inside}{'┤' if bar.return_row >= 0 else '┄'}"
    line[start : start + len(text)] = text
    if bar.culprit:
        line[end + 2 : end + 3] = "✗"


def _axis(history: History, bars: Sequence[Bar], places: Mapping[int, int], left: int) -> list[str]:
    """The moments of calls and returns, as many as there is room for."""
    rows = sorted({row for bar in bars for row in (bar.call_row, bar.return_row)} - {-1})
    timed = all(int(history.time_ns[row]) >= 0 for row in rows)
    decimals = _decimals([int(history.time_ns[row]) for row in rows]) if timed else 0
    texts = {
        row: f"{int(history.time_ns[row]) / 1e9:.{decimals}f} s" if timed else f"row {row}"
        for row in rows
    }
    # the last moment is the most telling one, then the first, then whatever fits
    chosen: dict[int, str] = {}
    for row in [rows[-1], rows[0], *rows[1:-1]]:
        start = _start(places[row], texts[row])
        if all(
            start + len(texts[row]) + 1 < _start(places[other], text)
            or start > _start(places[other], text) + len(text) + 1
            for other, text in chosen.items()
        ):
            chosen[row] = texts[row]
    line = ""
    for row in sorted(chosen):
        line = line.ljust(_start(places[row], chosen[row])) + chosen[row]
    return [" " * left + line]


def _start(place: int, text: str) -> int:
    """Where a moment's text begins: under its mark, or ending there if it is far right."""
    return place if place < len(text) else place - len(text) + 1


def _decimals(times_ns: Sequence[int]) -> int:
    """Digits with which different moments read differently."""
    for digits in (3, 6):
        step = 10 ** (9 - digits)
        if len({time // step for time in times_ns}) == len(set(times_ns)):
            return digits
    return 9


def _label(history: History, row: int, end: int) -> str:
    """`f argument → answer`, for callers that know nothing better."""
    call = history[row]
    text = call.f if call.value is None else f"{call.f} {_text(call.value)}"
    if end >= 0 and history.type[end] == FAIL:
        return f"{text} failed"
    if end >= 0 and history.value[end] != history.value[row]:
        text += f" → {_text(history[end].value)}"
    return text


def _text(value: object) -> str:
    return "nil" if value is None else str(value)


def _clipped(label: str) -> str:
    """A label that is too long by both its ends; the later one says more of a text that grows."""
    if len(label) <= _LABEL_MOST:
        return label
    return f"{label[: _LABEL_MOST // 2 - 1]}…{label[-(_LABEL_MOST // 2) :]}"
