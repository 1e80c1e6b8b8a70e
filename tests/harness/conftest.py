"""What several tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from harness import commands


@dataclass(frozen=True)
class Ended:
    code: int
    output: str
    errors: str


Splitbrain = Callable[..., Ended]


@pytest.fixture
def splitbrain_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Splitbrain:
    """The console command, run in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    @click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def whole(arguments: Sequence[str]) -> None:
        commands.main(arguments)  # cli alone would not set the exit code

    def call(*arguments: str | Path) -> Ended:
        result = CliRunner().invoke(whole, ["--", *map(str, arguments)])
        assert isinstance(result.exception, SystemExit | None), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return call
