"""The runs of a comparison that are done, on disk as they end: an interrupted one can go on.

    one line a run:  {"system": "raft", "scenario": "chained", "result": {"seed": 1, ...}}

The file is there only while a comparison is not complete. A line that was cut off in the middle,
by a full disk or a killed process, is left out and its run is done again.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     ProgressFile(Path(name) / "runs.jsonl").read()
{}
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from harness.comparison import Work
from harness.errors import UsageError
from harness.grid import SeedResult


class _Line(msgspec.Struct, frozen=True):
    system: str
    scenario: str
    result: SeedResult


class ProgressFile:
    """The file, and how to go on with it; as a context it is open to be added to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.added = 0
        self._file: BinaryIO | None = None

    def read(self) -> dict[Work, SeedResult]:
        """The runs that are in the file; none if there is no file."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        found: dict[Work, SeedResult] = {}
        for line in lines:
            try:
                told = msgspec.json.decode(line, type=_Line)
            except msgspec.DecodeError:
                continue  # cut off
            found[told.system, told.scenario, told.result.seed] = told.result
        return found

    def __enter__(self) -> ProgressFile:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # what is there stays until there is something new to write
            self._file = self.path.open("ab")
        except OSError as error:
            raise UsageError(
                f"The comparison cannot be kept in {str(self.path.parent)!r}: {error}. Name "
                "another folder with --output."
            ) from error
        return self

    def add(self, work: Work, result: SeedResult) -> None:
        """Write down a run that is done; it is on disk when this returns."""
        assert self._file is not None, "the file is open within its context"
        if not self.added:
            self._file.truncate(0)
        line = _Line(system=work[0], scenario=work[1], result=result)
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        self.added += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; of a comparison that came to its end nothing is left to go on with."""
        assert self._file is not None
        self._file.close()
        if error is None or not self.path.stat().st_size:
            self.path.unlink(missing_ok=True)
