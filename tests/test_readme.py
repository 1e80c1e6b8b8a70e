"""What the README and the docs show is tried: the pytest example, and every command line."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness import catalog
from harness.commands import cli
from harness.making import make_nemesis

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]


def commands_shown() -> Iterator[tuple[str, str]]:
    """(page, line) of each command line that a page shows in a block of its own.

    Without patterns (`splitbrain report RUN`) and without what is the reader's own.
    """
    for page in PAGES:
        for line in re.findall(
            r"^ {4}(splitbrain \w.*)$", page.read_text(encoding="utf-8"), re.MULTILINE
        ):
            words = shlex.split(line, comments=True)
            if not any(re.search(r"^[A-Z]+$|…|my_|your_", word) for word in words):
                yield str(page.relative_to(PROJECT)), line


def test_the_pytest_example_passes(tmp_path: Path) -> None:
    example = re.findall(
        r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )[0]
    (tmp_path / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout
    assert "4 passed" in ended.stdout


def test_the_flaw_of_the_readme_is_caught(tmp_path: Path) -> None:
    shown = "splitbrain run raft --nemesis partition,kill --flaw stale-read"
    assert f"    {shown}\n" in (PROJECT / "README.md").read_text(encoding="utf-8")
    program = [sys.executable, "-c", "from harness.commands import main; main()"]
    ended = subprocess.run(
        [*program, *shlex.split(shown)[1:]], cwd=tmp_path, capture_output=True, timeout=300
    )
    assert ended.returncode == 1, ended.stdout


@pytest.mark.parametrize(("page", "line"), list(commands_shown()))
def test_every_command_that_is_shown_can_be_typed(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = cli.commands[words[0]]
    given, _, _ = command.make_parser(click.Context(command)).parse_args(words[1:])
    if words[0] == "run":
        system = catalog.load("system", given["system"])
        assert given.get("flaw") is None or given["flaw"] in system.flaws
        catalog.load("workload", given.get("workload", "register"))
        make_nemesis(given.get("nemesis", "none"))
    if words[0] == "compare":
        for name in given["systems"]:
            catalog.load("system", name)
