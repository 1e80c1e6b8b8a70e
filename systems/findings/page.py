"""Makes docs/findings.md from the lists of findings, and looks whether they are still there."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from systems.findings import Finding

#: Modules with a `FINDINGS`, in the order of the page.
SOURCES = ("systems.craft.findings", "systems.pysyncobj.findings")

PAGE = Path("docs/findings.md")

#: A command of a finding may take so long.
TIMEOUT_S = 300
#: Exit codes of `splitbrain` that say that there was nothing to judge: a bad argument, or something
#: that is not installed.
_USAGE_ERROR = 254

_HEAD = """\
# Findings

Defects that splitbrain has found in code that nobody here wrote. Each line can be seen again: the
command runs that version, unmodified, and fails with the text that is given. The page is made by
`python -m systems.findings` and must not be edited; `python -m systems.findings --check` carries
out every command.

Some words in fairness. All of this happens in simulation: clocks, networks and disks do what real
ones are allowed to do and seldom do. Whoever runs these libraries may never meet any of it. The C
library raft (canonical/raft) is no longer maintained; what was found in it is of interest to those
who still use it, and to its successors. PySyncObj is maintained, and the first of its findings was
fixed by its maintainers before we looked.
"""

Outcome = Literal["seen", "not seen", "cannot run here"]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of the command of a finding; `output` is all that it wrote."""

    finding: Finding
    outcome: Outcome
    output: str


def collect() -> Sequence[Finding]:
    """All findings, in the order of the page."""
    found: list[Finding] = []
    for source in SOURCES:
        if importlib.util.find_spec(source) is not None:
            found += importlib.import_module(source).FINDINGS
    return found


def render(findings: Sequence[Finding]) -> str:
    """The page.

    >>> found = Finding(
    ...     name="two-leaders", system="Example", version="1.0", seen_in="seed 7",
    ...     what="Two nodes lead.", command="splitbrain run example --seed 7", shows="two leaders")
    >>> print(render([found]).partition("before we looked.")[2].strip())
    | finding | in | upstream |
    |---|---|---|
    | [two-leaders](#two-leaders) | Example 1.0 | none known |
    <BLANKLINE>
    ## two-leaders
    <BLANKLINE>
    **Example 1.0.** Two nodes lead.
    <BLANKLINE>
    Seen in: seed 7.
    <BLANKLINE>
        splitbrain run example --seed 7
    <BLANKLINE>
    It says "two leaders". Upstream: none known.
    """
    lines = [_HEAD, "| finding | in | upstream |", "|---|---|---|"]
    for finding in findings:
        reference = (finding.upstream or "none known").split(". ")[0]
        link = f"[{finding.name}](#{finding.name})"
        lines.append(f"| {link} | {finding.system} {finding.version} | {reference} |")
    return "\n".join([*lines, *map(_section, findings)]) + "\n"


def _section(finding: Finding) -> str:
    told = [
        f"**{finding.system} {finding.version}.** {finding.what}",
        f"Seen in: {finding.seen_in}.",
        f'It says "{finding.shows}". Upstream: {finding.upstream or "none known"}.',
    ]
    first, second, third = (
        textwrap.fill(text, 100, break_on_hyphens=False, break_long_words=False) for text in told
    )
    command = f"    {finding.command}"
    return "\n\n".join([f"\n## {finding.name}", first, second, command, third])


def check(finding: Finding) -> Checked:
    """Carry out the command of a finding, in a folder of its own."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            _command(finding.command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
        )
    outcome: Outcome = "not seen"
    if done.returncode == 1 and finding.shows in done.stdout:
        outcome = "seen"
    elif done.returncode == _USAGE_ERROR:
        outcome = "cannot run here"
    return Checked(finding=finding, outcome=outcome, output=done.stdout)


def _command(text: str) -> list[str]:
    """The words of a command, with this Python in the place of whatever is on the PATH."""
    first, *words = shlex.split(text)
    if first == "splitbrain":
        return [sys.executable, "-c", "from harness.commands import main; main()", *words]
    return [sys.executable if first == "python" else first, *words]
