"""The design that all pages share: style sheet, scripts, templates and content policy.

    palette ─▶ design.css.j2    colours, type, pills, tables, buttons      ┐
               drawings.css.j2  inline SVG: bars, faults, the witness      ├─▶ one style sheet
               (a page's own)                                              │
               print.css.j2                                                ┘
    scripts/*.js ─▶ one strict function, so that no file leaks a name

A page is one file without references. Its style sheet and script stand in it and are admitted by
their hashes in a Content-Security-Policy, so nothing else in it can run, load or restyle.

>>> policy("body{}", "1").startswith("default-src 'none'; style-src 'sha256-")
True
>>> joined({"a.js": "const a = 1;", "b.js": "use(a);"})
'"use strict";(() => {\\n// a.js\\nconst a = 1;\\n// b.js\\nuse(a);\\n})();\\n'
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup

from reports import palette
from reports.axis import pixels
from reports.wording import count_text, duration_text, moment_text

#: A witness has at most so many numbered sentences; each has a rule that lights its bar.
NUMBERS_MAX = 21

_HERE = Path(__file__).parent


def style_sheet(more: str = "") -> str:
    """The style sheet of all pages, and `more` of this project's own."""
    values = {
        "light": Markup(palette.css_variables(palette.LIGHT)),
        "dark": Markup(palette.css_variables(palette.DARK)),
        "violets": range(palette.FAULT_COLOURS),
        "numbers": range(1, NUMBERS_MAX + 1),
        "band_opacity": palette.BAND_OPACITY,
        "lane_opacity": palette.LANE_OPACITY,
    }
    design, drawings, printed = (
        templates().get_template(f"{name}.css.j2").render(values)
        for name in ("design", "drawings", "print")
    )
    return design + drawings + more + printed


def script(*names: str) -> str:
    """The files `names` of reports/scripts, in that order, as one script."""
    return joined({name: (_HERE / "scripts" / name).read_text("utf-8") for name in names})


def joined(files: Mapping[str, str]) -> str:
    """`files` (name -> source) in one function, in strict mode."""
    parts = "".join(f"// {name}\n{source.rstrip()}\n" for name, source in files.items())
    return f'"use strict";(() => {{\n{parts}}})();\n'


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with just this style sheet and this script."""
    return (
        f"default-src 'none'; style-src '{content_hash(style)}'; "
        f"script-src '{content_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def content_hash(text: str) -> str:
    """The source expression by which a Content-Security-Policy admits `text`."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class _Compiled(jinja2.BytecodeCache):
    """Keeps compiled templates where Python keeps compiled modules: they take as long to compile
    as a page takes to fill in. Where nothing can be written, nothing is kept."""

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            with self._file(bucket).open("rb") as file:
                bucket.load_bytecode(file)  # it knows the source that it was compiled from
        except OSError:
            pass

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        path = self._file(bucket)
        unfinished = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(exist_ok=True)
            unfinished.write_bytes(bucket.bytecode_to_string())
            unfinished.replace(path)
        except OSError:
            pass

    def _file(self, bucket: Bucket) -> Path:
        return _HERE / "templates" / "__pycache__" / f"{bucket.key}.pyc"


@cache
def templates() -> jinja2.Environment:
    """The templates of all pages."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        bytecode_cache=_Compiled(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["px"] = pixels
    environment.filters["duration"] = duration_text
    environment.filters["moment"] = moment_text
    environment.filters["count"] = count_text
    environment.filters["figure"] = lambda number: f"{number:,}"
    environment.filters["rate"] = lambda number: f"{number:,.1f}"
    return environment
