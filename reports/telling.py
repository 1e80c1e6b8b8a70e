"""What a checker says about its witness in its own words: sentences, a table, a conclusion.

    witness["sentences"]   [{"text", "rows"}]               lettered; rows lead to operations,
                           or {"text", "node", "time_ns"}   and these to a node at that time
    witness["table"]       {"caption", "columns", "rows"}   a line a replica, say
    witness["conclusion"]  one sentence                     stands last
    witness["steps"]       [{"rows", "label", "sentence"}]  one for each operation, not our own

Nothing here knows what they are about. A line of a table stands out if it names something that is
lacking: if a column whose heading is one of `FAULTY` has an entry in some lines and none in others.

Limits: `SENTENCES_MAX`, `LINES_MAX`, `COLUMNS_MAX`; what is malformed is left out.

>>> table = table_of({"table": {"caption": "Who", "columns": ["replica", "lacks"],
...                             "rows": [["n1", None], ["n2", "7"]]}})
>>> [(line.cells, line.stands_out) for line in table.lines]
[(('n1', None), False), (('n2', '7'), True)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.verdict import Verdict
from reports.wording import value_text, visible

SENTENCES_MAX = 24
LINES_MAX = 60
COLUMNS_MAX = 12
#: Headings of columns in which an entry means that something is wrong.
FAULTY = frozenset({"lacks", "misses", "missing", "but", "wrong"})


@dataclass(frozen=True, kw_only=True)
class Told:
    """A sentence of a checker. `rows` are of the history.

    `node` and `time_ns`, of true time since the start of the run, say where to look instead.
    """

    letter: str
    text: str
    rows: tuple[int, ...]
    node: int | None = None
    time_ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a table; None is an empty cell."""

    cells: tuple[str | None, ...]
    stands_out: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a checker."""

    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    left_out: int


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a checker tells about a failure that is about no operation of a client."""

    checker: str
    reason: str
    told: tuple[Told, ...]
    table: Table | None
    conclusion: str


def statement_of(verdict: Verdict) -> Statement | None:
    """What the checker tells; None if it has neither sentences nor a table."""
    witness = verdict.witness or {}
    told, table = sentences_of(witness), table_of(witness)
    if not told and table is None:
        return None
    return Statement(
        checker=visible(verdict.checker, 80),
        reason=visible(statement_in_short(verdict)),
        told=told,
        table=table,
        conclusion=conclusion_of(witness),
    )


def statement_in_short(verdict: Verdict) -> str:
    """The reason of `verdict`, without a last parenthesis that only has its sentences again.

    >>> seen = ["0.1 s  n1 leads term 3", "0.2 s  n2 leads term 3"]
    >>> statement_in_short(Verdict(
    ...     checker="invariants", outcome="fail", reason=f"two leaders ({seen[0]}; {seen[1]})",
    ...     witness={"sentences": [{"text": text} for text in seen]}))
    'two leaders'
    """
    told = [item.get("text") for item in _list((verdict.witness or {}).get("sentences"))
            if isinstance(item, Mapping)]  # fmt: skip
    again = f" ({'; '.join(map(str, told))})" if told else ""
    return verdict.reason.removesuffix(again)


def sentences_of(witness: Mapping[str, Any]) -> tuple[Told, ...]:
    """The sentences of a witness, if it has any."""
    told: list[Told] = []
    for item in _list(witness.get("sentences"))[:SENTENCES_MAX]:
        if isinstance(item, Mapping) and isinstance(item.get("text"), str):
            numbers = _list(item.get("rows"))
            told.append(
                Told(
                    letter=chr(ord("a") + len(told)),
                    text=visible(item["text"]),
                    rows=tuple(
                        row for row in numbers if isinstance(row, int) and not isinstance(row, bool)
                    ),
                    node=_number(item.get("node")),
                    time_ns=_number(item.get("time_ns")),
                )
            )
    return tuple(told)


def steps_of(witness: Mapping[str, Any]) -> dict[int, str]:
    """The checker's own sentence for each operation that begins in a row."""
    told = {}
    for step in _list(witness.get("steps")):
        if not isinstance(step, Mapping) or not isinstance(step.get("sentence"), str):
            return {}
        rows = _list(step.get("rows"))
        if not rows or not isinstance(rows[0], int):
            return {}
        told[rows[0]] = visible(step["sentence"])
    return told


def conclusion_of(witness: Mapping[str, Any]) -> str:
    """What follows from the sentences, if the checker says so."""
    conclusion = witness.get("conclusion")
    return visible(conclusion) if isinstance(conclusion, str) else ""


def table_of(witness: Mapping[str, Any]) -> Table | None:
    """The table of a witness, if it has one."""
    found = witness.get("table")
    if not isinstance(found, Mapping):
        return None
    columns = tuple(visible(str(name), 60) for name in _list(found.get("columns"))[:COLUMNS_MAX])
    lines = [_list(row) for row in _list(found.get("rows")) if isinstance(row, list | tuple)]
    if not columns or not lines:
        return None
    texts = [
        tuple(_cell(row[place] if place < len(row) else None) for place in range(len(columns)))
        for row in lines[:LINES_MAX]
    ]
    return Table(
        caption=visible(str(found.get("caption", "")), 300),
        columns=columns,
        lines=tuple(
            Line(cells=cells, stands_out=out)
            for cells, out in zip(texts, _outstanding(columns, texts), strict=True)
        ),
        left_out=len(lines) - len(texts),
    )


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    return visible(value, 300) if isinstance(value, str) else value_text(value, 300)


def _outstanding(columns: Sequence[str], lines: Sequence[tuple[str | None, ...]]) -> list[bool]:
    faulty = [place for place, name in enumerate(columns) if name.lower() in FAULTY]
    out = [any(cells[place] is not None for place in faulty) for cells in lines]
    return out if not all(out) else [False] * len(out)


def _list(value: Any) -> list[Any]:
    """`value` if it is a list: a witness is a checker's own data and may hold anything."""
    return list(value) if isinstance(value, list | tuple) else []
