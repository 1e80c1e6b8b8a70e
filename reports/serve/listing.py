"""Which runs of a store are shown, in which order: from the query of an address, and back.

    /?system=raft&result=fail&sort=-seed  ─▶  Query  ─▶  the runs it asks for, a page of them
                                          ◀─ url     links of columns, filters and pages

Everything that a reader can choose stands in the address, so that it can be kept and sent, and
works without a script. What an address says that makes no sense is as if it were not there.

>>> query = Query.of({"result": ["fail"], "sort": ["-seed"], "page": ["zwei"]})
>>> query.result, query.sort, query.page, query.url(page=3)
('fail', '-seed', 1, '?result=fail&sort=-seed&page=3')
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from harness.verdict import SEVERITY
from reports.runs import STATES, RunSummary

PAGE_RUNS = 100
#: Asks for all runs without a verdict, whatever became of them.
UNFINISHED = "unfinished"
#: The longest text that is searched for.
TEXT_CHARACTERS = 200

#: Worst first: what went wrong, what is not known, what is well.
_RANKS = {name: -rank for name, rank in SEVERITY.items()} | dict.fromkeys(STATES, -1)

_SORTS: dict[str, Callable[[RunSummary], Any]] = {
    "result": lambda run: (_RANKS[run.result], run.result, run.title, run.seed or 0, run.name),
    "experiment": lambda run: (run.title, run.seed or 0, run.name),
    "seed": lambda run: (run.seed or 0, run.title, run.name),
    "kept": lambda run: (run.changed_ns, run.name),
}
DEFAULT_SORT = "-kept"

#: What can be chosen from a list: its name in an address, and what it is of a run.
_CHOICES: dict[str, Callable[[RunSummary], str]] = {
    "result": lambda run: run.result,
    "system": lambda run: run.experiment.system if run.experiment else "",
    "flaw": lambda run: (run.experiment.flaw or "none") if run.experiment else "",
    "workload": lambda run: run.experiment.workload if run.experiment else "",
    "nemesis": lambda run: run.experiment.nemesis if run.experiment else "",
}


@dataclass(frozen=True, kw_only=True)
class Query:
    """What an address asks for; an empty text asks for nothing in particular."""

    text: str = ""
    result: str = ""
    system: str = ""
    flaw: str = ""
    workload: str = ""
    nemesis: str = ""
    sort: str = DEFAULT_SORT
    page: int = 1

    @classmethod
    def of(cls, parameters: Mapping[str, Sequence[str]]) -> Query:
        """From the parameters of an address, each with all its values; the last one counts."""
        given = {field.name: str(parameters.get(field.name, [""])[-1]) for field in fields(cls)}
        page, sort = given.pop("page"), given.pop("sort")
        known = sort.removeprefix("-") in _SORTS
        return cls(
            **(given | {"text": given["text"].strip()[:TEXT_CHARACTERS]}),
            sort=sort if known else DEFAULT_SORT,
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 8 else 1,
        )

    def url(self, **changes: Any) -> str:
        """The query of the address that asks for the same but for `changes`; on page 1, then."""
        other = replace(self, **({"page": 1} | changes))
        given = [(field.name, getattr(other, field.name), field.default) for field in fields(self)]
        return "?" + urlencode([(name, value) for name, value, usual in given if value != usual])

    @property
    def chosen(self) -> dict[str, str]:
        """What narrows the list."""
        names = ("text", *_CHOICES)
        return {name: value for name in names if (value := getattr(self, name))}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to narrow the list: `values` with how many runs each would leave."""

    name: str
    chosen: str
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page of the runs that a query asks for."""

    query: Query
    runs: tuple[RunSummary, ...]
    found: int
    whole: int
    pages: int
    choices: tuple[Choice, ...]
    results: tuple[tuple[str, int], ...]


def listing(runs: Sequence[RunSummary], query: Query) -> Listing:
    """The page of `runs` that `query` asks for; a page beyond the last one is the last one."""
    found = matching(runs, query)
    name = query.sort.removeprefix("-")
    found.sort(key=_SORTS[name], reverse=query.sort.startswith("-"))
    pages = max(1, -(-len(found) // PAGE_RUNS))
    page = min(query.page, pages)
    return Listing(
        query=replace(query, page=page),
        runs=tuple(found[(page - 1) * PAGE_RUNS : page * PAGE_RUNS]),
        found=len(found),
        whole=len(runs),
        pages=pages,
        choices=tuple(_choice(runs, query, name) for name in _CHOICES),
        results=tuple(sorted(Counter(run.result for run in found).items(), key=_by_rank)),
    )


def matching(runs: Sequence[RunSummary], query: Query) -> list[RunSummary]:
    """The runs that `query` asks for, in their own order."""
    words = query.text.casefold().split()
    wanted = [(of, getattr(query, name)) for name, of in _CHOICES.items() if getattr(query, name)]
    if query.result == UNFINISHED:
        wanted[0] = (lambda run: run.outcome or UNFINISHED, UNFINISHED)
    return [
        run
        for run in runs
        if all(of(run) == value for of, value in wanted) and (not words or _has_all(run, words))
    ]


def _has_all(run: RunSummary, words: Sequence[str]) -> bool:
    text = f"{run.name}\n{run.title}\nseed {run.seed}\n{run.reason}\n{run.digest}".casefold()
    return all(word in text for word in words)


def _choice(runs: Sequence[RunSummary], query: Query, name: str) -> Choice:
    """The values of one choice, counted among the runs that the other choices leave."""
    anything: dict[str, Any] = {name: ""}
    counts = Counter(map(_CHOICES[name], matching(runs, replace(query, **anything))))
    chosen = getattr(query, name)
    if chosen:
        counts[chosen] = counts[chosen] or len(matching(runs, query))
    counts.pop("", None)
    order = _by_rank if name == "result" else None
    return Choice(name=name, chosen=chosen, values=tuple(sorted(counts.items(), key=order)))


def _by_rank(item: tuple[str, int]) -> tuple[int, str]:
    return _RANKS.get(item[0], 0), item[0]
