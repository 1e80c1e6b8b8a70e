"""A finished run as its report takes it: from memory at the end of the run, or from its folder.

    Run + verdicts ──────── run_data ─┐
                                      ├─▶ RunData ─▶ reports.write_report(path, **data.arguments)
    store/<experiment>/<seed> ─ load_run ┘

Both ways give the same report, byte for byte. A folder without recording.msgpack.gz (of an older
version) gives a report without messages and nodes, and one without a verdict gives what is there
(`reports.remains`).

>>> from tempfile import TemporaryDirectory
>>> from harness.experiment import Experiment, seconds
>>> from harness.pipeline import carry_out
>>> experiment = Experiment(nodes=3, clients=2, time_limit_ns=seconds(1))
>>> with TemporaryDirectory() as name:
...     result = carry_out(experiment, seed=1, store=Path(name))
...     written = result.folder.report.read_bytes()
...     write_report_of_folder(result.folder.path, Path(name) / "again.html")
...     (Path(name) / "again.html").read_bytes() == written
True
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.command_line import run_command
from harness.errors import UsageError
from harness.formats import read_history
from harness.history import History
from harness.plan import Plan
from harness.simulation.recording import Facts, Recording
from harness.store import RunFolder, open_folder
from harness.units import SECOND_NS
from harness.verdict import Outcome, Verdict
from reports.remains import remains_of


@dataclass(frozen=True, kw_only=True)
class RunData:
    """All that a report is made of; see `reports.render_report`."""

    title: str
    history: History
    verdicts: Sequence[Verdict]
    facts: Mapping[str, str]
    replay_command: str
    recording: Recording | None = None
    broken_off: Mapping[str, str] = field(default_factory=dict)
    idle_rows: Collection[int] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `reports.render_report` and `reports.write_report`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class _Check(msgspec.Struct, frozen=True):
    checker: str
    outcome: Outcome
    reason: str
    witness: dict[str, Any] | None = None
    could_not_detect: tuple[str, ...] = ()
    details: dict[str, Any] = {}


class _Verdicts(msgspec.Struct, frozen=True):
    checks: tuple[_Check, ...]
    digest: str = ""


def run_data(
    plan: Plan,
    history: History,
    verdicts: Sequence[Verdict],
    recording: Recording | None,
    *,
    replay_command: str,
    broken_off: Mapping[str, str] | None = None,
) -> RunData:
    """What the report of a run says. `recording` may be missing."""
    experiment = plan.experiment
    drawn = bool(plan.digest or plan.faults)  # else nobody has written down what was
    facts = {
        "system": experiment.system + (f", flaw {experiment.flaw}" if experiment.flaw else ""),
        "workload": experiment.workload,
        "nemesis": experiment.nemesis,
        "nodes": str(experiment.nodes),
        "clients": str(experiment.clients),
        "seed": str(plan.seed),
        **(_counts(recording.facts) if recording is not None else {}),
        **({"fault changes": str(plan.fault_changes)} if drawn else {}),
        **({"digest": plan.digest} if plan.digest else {}),
    }
    return RunData(
        title=experiment.title,
        history=history,
        verdicts=verdicts,
        facts=facts,
        replay_command=replay_command,
        recording=recording,
        broken_off=broken_off or {},
        idle_rows=_idle_rows(plan, history),
    )


def _idle_rows(plan: Plan, history: History) -> frozenset[int]:
    """The rows in which the nemesis began something that changed nothing."""
    named = np.flatnonzero(~history.client_rows)
    partner = history.partner[named]
    begins = named[(partner > named) | (partner < 0)].tolist()
    return frozenset(row for row, fault in zip(begins, plan.faults, strict=False) if fault.idle)


def _counts(facts: Facts) -> dict[str, str]:
    return {
        "simulated time": f"{facts.duration_ns / SECOND_NS:.1f} s",
        "messages delivered": f"{facts.delivered:,}",
        "messages lost": f"{facts.dropped:,}",
    }


def load_run(path: Path) -> RunData:
    """The run in a folder of a store, given itself or one of its files.

    Raises UsageError if it is none, or if the run is still under way.
    """
    folder = RunFolder(_own_path(open_folder(path).path))
    replay_command = f"splitbrain replay {shlex.quote(str(folder.path))}"
    if not _is_judged(folder):
        return _broken_off(folder, replay_command)
    return run_data(
        Plan.decode(folder.plan.read_bytes()),
        read_history(folder.history),
        load_verdicts(folder),
        Recording.decode(folder.recorded.read_bytes()) if folder.recorded.is_file() else None,
        replay_command=replay_command,
    )


def _is_judged(folder: RunFolder) -> bool:
    """Whether there is a verdict, and not half a file of which a machine that stopped left it."""
    try:
        msgspec.json.decode(folder.verdict.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return False
    return True


def _broken_off(folder: RunFolder, replay_command: str) -> RunData:
    """What there is of a run that was not judged."""
    left = remains_of(folder)
    if left.plan is None:
        return RunData(
            title=folder.path.name,
            history=left.history,
            verdicts=[left.verdict],
            facts={},
            replay_command="",
            recording=left.recording,
            broken_off=left.told,
        )
    if not left.plan.digest:
        replay_command = run_command(left.plan.experiment, left.plan.seed)
    return run_data(
        left.plan,
        left.history,
        [left.verdict],
        left.recording,
        replay_command=replay_command,
        broken_off=left.told,
    )


def load_verdicts(folder: RunFolder) -> list[Verdict]:
    """The verdicts of a judged run, in the order in which they were given."""
    try:
        stored = msgspec.json.decode(folder.verdict.read_bytes(), type=_Verdicts)
    except msgspec.DecodeError as error:
        raise UsageError(f"{str(folder.verdict)!r} holds no verdicts: {error}.") from error
    return [Verdict(**msgspec.structs.asdict(check)) for check in stored.checks]


def _own_path(path: Path) -> Path:
    """The folder itself where `path` is a link to it, such as store/latest."""
    return path.parent / path.readlink() if path.is_symlink() else path


def write_report_of_folder(folder: Path, path: str | PathLike[str]) -> None:
    """Write the report of the run in `folder` to `path`. Raises what `load_run` raises."""
    from reports import write_report

    write_report(path, **load_run(folder).arguments)
