"""The frame of the pages about many runs: the campaign, and those that `splitbrain serve` shows.

    design (tokens, policy) + store.css + one template  ─▶  one file without references

>>> page = document("message.html.j2", title="Nothing here", text="<b>", nav=())
>>> "&lt;b&gt;" in page, "http:" in page
(True, False)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from reports.design import policy, script, style_sheet, templates
from reports.runs import STATES
from reports.wording import clip, visible

#: Where the pages of a server are: (address, name).
Navigation = tuple[tuple[str, str], ...]


def document(template: str, *, forms: bool = False, nav: Navigation = (), **values: Any) -> str:
    """The page that `template` makes of `values`. `forms` lets it send forms to where it is from.

    Every string of `values` is escaped by the template and made visible by it or before.
    """
    environment = templates()
    own = ("heat.css", "store.css")
    style = style_sheet("".join(environment.get_template(name).render() for name in own))
    scripts = script("copy.js")
    admitted = policy(style, scripts)
    filters: dict[str, Callable[..., Any]] = {"visible": visible, "clip": clip, "date": date_text}
    for name, function in filters.items():
        environment.filters.setdefault(name, function)
    return environment.get_template(template).render(
        values,
        nav=nav,
        states=STATES,
        style=Markup(style),
        script=Markup(scripts),
        policy=admitted.replace("form-action 'none'", "form-action 'self'") if forms else admitted,
    )


def relative_address(path: Path, beside: Path) -> str:
    """How a page in the folder `beside` refers to the file `path`.

    >>> relative_address(Path("store/a,b/seed 1/report.html"), Path("store"))
    'a,b/seed%201/report.html'
    """
    relative = os.path.relpath(path, beside).replace(os.sep, "/")
    return quote(relative, safe="/,", errors="surrogateescape")


def date_text(time_ns: int) -> str:
    """A moment since 1970 as a date and a time of day, in UTC.

    >>> date_text(1_700_000_000_000_000_000)
    '2023-11-14 22:13:20'
    """
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")
