"""Where runs are kept: one folder a run, filled as the run goes on.

    store/<experiment>/seed-<seed>/      (seed-<seed>.2, .3 ... if the seed was run before)
        plan.json        what decides the run; `splitbrain replay` takes it
        history.jsonl    every row, written as it happens
        trace.jsonl      the last events of nodes and network
        recording.msgpack.gz    messages and nodes, for the report
        verdict.json     what the checkers said; there is none if the run broke off
        report.html      all of it, to look at
    store/latest -> the folder of the newest run

Each row of the history is in the file as soon as it happens, so that whoever kills the process
loses none. Plan, trace, recording and verdict appear whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import UsageError
from harness.plan import Plan
from harness.runner import Run, Sink
from harness.simulation.recording import Recording
from harness.verdict import Verdict, worst


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "plan.json"
        self.history = path / "history.jsonl"
        self.trace = path / "trace.jsonl"
        self.recorded = path / "recording.msgpack.gz"
        self.verdict = path / "verdict.json"
        self.report = path / "report.html"

    @contextmanager
    def recording(self) -> Iterator[Sink]:
        """What takes the rows of a run, one by one, into the history file."""
        with self.history.open("wb") as file:

            def keep(row: bytes) -> None:
                file.write(row)
                file.flush()

            yield keep

    def save_plan(self, plan: Plan) -> None:
        _write_whole(self.plan, [plan.encode()])

    def save_run(self, run: Run) -> Recording:
        """Keep plan, trace and recording of a run, whole or as far as it came."""
        self.save_plan(run.plan)
        _write_whole(self.trace, run.trace_lines())
        recording = run.recording()
        _write_whole(self.recorded, [recording.encode()])
        return recording

    def save_verdicts(self, run: Run, verdicts: Sequence[Verdict]) -> None:
        content = verdict_document(verdicts, digest=run.digest)
        _write_whole(self.verdict, [msgspec.json.format(msgspec.json.encode(content)), b"\n"])


def _write_whole(path: Path, content: Iterable[bytes]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.writelines(content)
    unfinished.replace(path)


def verdict_document(verdicts: Sequence[Verdict], **facts: Any) -> dict[str, Any]:
    """All verdicts as plain data, the worst one first."""
    overall = worst(verdicts)
    return {
        "outcome": overall.outcome,
        "reason": overall.reason,
        **facts,
        "checks": [
            {
                "checker": verdict.checker,
                "outcome": verdict.outcome,
                "reason": verdict.reason,
                "witness": verdict.witness,
                "could_not_detect": verdict.could_not_detect,
                "details": verdict.details,
            }
            for verdict in verdicts
        ],
    }


def new_folder(store: Path, experiment_slug: str, seed: int) -> RunFolder:
    """Make the folder of a run; an earlier run of the same seed keeps its own.

    Raises UsageError if it cannot be made there.
    """
    parent = store / experiment_slug
    try:
        number = 1
        tidied = 0  # how often another process has removed an empty folder above, in between
        while True:
            path = parent / (f"seed-{seed}" if number == 1 else f"seed-{seed}.{number}")
            try:
                parent.mkdir(parents=True, exist_ok=True)
                path.mkdir()
                break
            except FileExistsError:
                if not parent.is_dir():
                    raise
                number += 1
            except FileNotFoundError:
                tidied += 1
                if tidied > 100:
                    raise
    except OSError as error:
        raise UsageError(
            f"The run cannot be kept in {str(store)!r}: {error}. Name another folder with --store."
        ) from error
    _point_latest_to(store, path)
    return RunFolder(path)


def open_folder(path: Path) -> RunFolder:
    """The folder of an earlier run, given itself or one of its files.

    Raises UsageError if no run was kept there.
    """
    folder = RunFolder(path if path.is_dir() else path.parent)
    if not folder.plan.is_file():
        raise UsageError(
            f"There is no plan.json in {str(folder.path)!r}, so this is no run that can be "
            "replayed. Give the folder that `splitbrain run` printed, such as store/latest."
        )
    return folder


def _point_latest_to(store: Path, path: Path) -> None:
    """Best effort: not every file system has links, and two runs may race for it."""
    link = store / "latest"
    try:
        temporary = store / f".latest-{os.getpid()}"
        temporary.symlink_to(path.relative_to(store), target_is_directory=True)
        temporary.replace(link)
    except OSError:
        pass
