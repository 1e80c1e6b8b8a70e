"""What is answered to which address; no network in here.

    /                        all runs, filtered and sorted by its query
    /run/NAME                one run: verdict, facts, files
    /pair?run=A&run=B        two runs side by side
    /campaign?...            what the runs of a query say together
    /files/NAME/FILE         a file as it is

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     pages = Pages(Path(name))
...     [pages.answer(path).status for path in ("/", "/campaign", "/nothing", "/run/no", "/pair")]
[200, 200, 404, 404, 400]
"""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from reports.campaign import Line, campaign_of
from reports.campaign_page import command_of, render_campaign
from reports.experiments import experiment_facts
from reports.frame import Navigation, document
from reports.pair import checks_of, pair_of
from reports.runs import RunSummary, Store
from reports.serve.files import KINDS, inside, opened
from reports.serve.listing import Query, listing, matching

HTML = "text/html; charset=utf-8"
#: How many other runs of the same experiment the page of a run lists.
OTHERS_MAX = 12
_NAVIGATION: Navigation = (("/", "all runs"), ("/campaign", "campaign"))
#: Where `splitbrain compare` puts its page, if the store is the usual one.
_COMPARISON = "comparison/comparison.html"
#: Parameters of an address beyond these are not looked at.
_PARAMETERS_MAX = 40
_FILES = (("report", "report.html"), ("history", "history.jsonl"), ("plan", "plan.json"))


@dataclass(frozen=True)
class Answer:
    """Status, media type, and what to send: `body`, of `length` bytes. `stored` is a file."""

    status: int
    kind: str
    body: BinaryIO
    length: int
    stored: bool = False

    @staticmethod
    def page(html: str, status: int = 200) -> Answer:
        content = html.encode("utf-8", "replace")
        return Answer(status, HTML, io.BytesIO(content), len(content))


@dataclass(frozen=True)
class _Served:
    """Where things are while they are served."""

    store: Path

    def run(self, run: RunSummary) -> str:
        return "/run/" + _quoted(run.name)

    def pair(self, one: RunSummary, other: RunSummary) -> str:
        names = [("run", _quoted(one.name)), ("run", _quoted(other.name))]
        return "/pair?" + urlencode(names)

    def form_value(self, run: RunSummary) -> str:
        """The name of a run in a form: it may be any bytes, and a form sends only text."""
        return _quoted(run.name)

    def file(self, run: RunSummary, name: str) -> str:
        return f"/files/{_quoted(run.name)}/{_quoted(name)}"

    def files(self, run: RunSummary) -> list[tuple[str, str]]:
        """The most important files of the run that there are, as (title, address)."""
        folder = self.store / run.name
        return [
            (title, self.file(run, name)) for title, name in _FILES if (folder / name).is_file()
        ]

    def cell(self, system: str, flaw: str | None, nemesis: str) -> str:
        return "/" + Query(system=system, flaw=flaw or "none", nemesis=nemesis, sort="result").url()

    def line(self, line: Line, result: str) -> str:
        one = line.experiment
        return (
            "/"
            + Query(
                system=one.system,
                flaw=one.flaw or "none",
                nemesis=one.nemesis,
                workload=one.workload,
                result="" if result == "unfinished" else result,
                sort="result" if result == "unfinished" else "seed",
            ).url()
        )


class Pages:
    """Answers addresses about one store."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._runs = Store(store)
        self._links = _Served(store)

    def answer(self, target: str) -> Answer:
        """What there is at `target`, the path and query of an address."""
        split = urlsplit(target if target.startswith("/") else "/" + target)
        if split.netloc or target.startswith("//"):
            return self._nothing()
        parameters = _parameters(split.query)
        head, _, rest = split.path.removeprefix("/").partition("/")
        if split.path == "/":
            return self._list(Query.of(parameters))
        if split.path == "/campaign":
            return self._campaign(Query.of(parameters))
        if split.path == "/pair":
            return self._pair(parameters.get("run", ()))
        if head == "run" and rest:
            return self._run(_unquoted(rest))
        if head == "files" and rest:
            return self._file(_unquoted(rest))
        return self._nothing()

    def _navigation(self) -> Navigation:
        if inside(self.store, _COMPARISON) is None:
            return _NAVIGATION
        return (*_NAVIGATION, (f"/files/{_COMPARISON}", "comparison"))

    def _list(self, query: Query) -> Answer:
        return Answer.page(
            document(
                "runs.html.j2",
                forms=True,
                nav=self._navigation(),
                listing=listing(self._runs.runs(), query),
                links=self._links,
                store=str(self.store),
            )
        )

    def _campaign(self, query: Query) -> Answer:
        found = matching(self._runs.runs(), query)
        html = render_campaign(
            campaign_of(found), links=self._links, drill=False, nav=self._navigation()
        )  # fmt: skip
        return Answer.page(html)

    def _run(self, name: str) -> Answer:
        run = self._runs.run(name)
        if run is None:
            return self._nothing("There is no such run in this store.")
        folder = self.store / name
        quoted = shlex.quote(str(folder))
        files = self._files(run, folder)
        experiment = run.experiment
        others = [
            other
            for other in self._runs.runs()
            if other.experiment == experiment and other.name != name
        ]
        return Answer.page(
            document(
                "run.html.j2",
                nav=self._navigation(),
                run=run,
                command=f"splitbrain replay {quoted}" if run.digest else command_of(run),
                quoted=quoted,
                reported=any(name == "report.html" for name, *_ in files),
                files=files,
                checks=checks_of(folder),
                facts=[
                    ("folder", str(folder)),
                    ("seed", str(run.seed)),
                    ("digest", run.digest or "none"),
                    *(experiment_facts(experiment) if experiment is not None else []),
                ],
                others=others[:OTHERS_MAX] if experiment is not None else (),
                links=self._links,
            )
        )

    def _files(self, run: RunSummary, folder: Path) -> list[tuple[str, str, int]]:
        """All files of the run that can be looked at, with their size in bytes."""
        try:
            with os.scandir(folder) as entries:
                found = [
                    (entry.name, entry.stat().st_size)
                    for entry in entries
                    if entry.is_file(follow_symlinks=False) and Path(entry.name).suffix in KINDS
                ]
        except OSError:
            return []
        return [(name, self._links.file(run, name), size) for name, size in sorted(found)]

    def _pair(self, values: Sequence[str]) -> Answer:
        runs = [run for name in values if (run := self._runs.run(_unquoted(name))) is not None]
        if len(values) != 2 or len(runs) != 2:
            text = f"Tick two runs in the list, not {len(values)}."
            if len(values) == 2:
                text = "One of these runs is not in this store (any more)."
            page = document(
                "message.html.j2", nav=self._navigation(), title="Two runs are needed", text=text
            )
            return Answer.page(page, 400)
        pair = pair_of(self.store, runs[0], runs[1])
        return Answer.page(
            document("pair.html.j2", nav=self._navigation(), pair=pair, links=self._links)
        )  # fmt: skip

    def _file(self, name: str) -> Answer:
        found = opened(self.store, name)
        if found is None:
            return self._nothing("There is no such file in this store.")
        return Answer(200, found.kind, found.file, found.length, stored=True)

    def _nothing(self, text: str = "There is no such page.") -> Answer:
        page = document("message.html.j2", nav=self._navigation(), title="Nothing here", text=text)
        return Answer.page(page, 404)


def _parameters(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=_PARAMETERS_MAX)
    except ValueError:  # too many
        return {}


def _quoted(name: str) -> str:
    return quote(name, safe="/,", errors="surrogateescape")


def _unquoted(text: str) -> str:
    return unquote(text, errors="surrogateescape")
