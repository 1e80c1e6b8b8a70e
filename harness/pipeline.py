"""The whole way of a run: carry it out, write it down, judge it, report it.

    Experiment + seed ─▶ run ─▶ history on disk ─▶ checkers ─▶ verdict.json ─▶ report.html

The history is on disk before it is judged; a run that crashes or is interrupted keeps its rows, and
has a report of them that says so.

>>> from harness.experiment import Experiment, seconds
>>> result = carry_out(Experiment(nodes=3, clients=2, time_limit_ns=seconds(2)), seed=1)
>>> result.verdict.outcome
'pass'
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.checks import followers, judged, judges
from harness.claim import under_way
from harness.command_line import run_command
from harness.errors import SplitbrainError
from harness.experiment import Experiment
from harness.foreign import carry
from harness.making import make_nemesis, make_system, make_workload
from harness.plan import Plan
from harness.runner import Run
from harness.simulation.recording import Recording
from harness.store import RunFolder, new_folder
from harness.units import SECOND_NS
from harness.verdict import Checker, Verdict, worst

#: Told what is going on, for progress lines: "running", "checking", "reporting".
Progress = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished run with its verdicts; `folder` is None if nothing was to be kept."""

    run: Run
    verdicts: Sequence[Verdict]
    folder: RunFolder | None

    @property
    def verdict(self) -> Verdict:
        """The worst of the verdicts."""
        return worst(self.verdicts)

    @property
    def replay_command(self) -> str:
        """What to type to see this run again."""
        if self.folder is not None:
            return f"splitbrain replay {shlex.quote(str(self.folder.path))}"
        return run_command(self.run.plan.experiment, self.run.plan.seed)


def carry_out(
    experiment: Experiment,
    seed: int,
    *,
    store: Path | None = None,
    progress: Progress = lambda stage: None,
    report_passes: bool = True,
) -> Result:
    """Run `experiment` with `seed`, judge it, and keep all of it below `store` if that is given.

    The report, which takes longest to write, is left out for a pass if `report_passes` is false.
    Raises UsageError for names and options that do not exist.
    """
    plan = Plan(experiment=experiment, seed=seed)
    return _through(plan, store, progress, scripted=False, report_passes=report_passes)


def carry_out_again(
    plan: Plan, *, store: Path | None = None, progress: Progress = lambda stage: None
) -> Result:
    """Replay `plan`, judge it anew, and keep it below `store` if that is given."""
    return _through(plan, store, progress, scripted=True)


def _through(
    plan: Plan,
    store: Path | None,
    progress: Progress,
    *,
    scripted: bool,
    report_passes: bool = True,
) -> Result:
    experiment = plan.experiment
    checkers = judges(experiment.checkers, make_workload(experiment))
    make_system(experiment)  # a bad name must leave no folder behind
    if experiment.stop_early:
        followers(checkers)
    if not scripted:
        make_nemesis(experiment.nemesis)
    folder = None if store is None else new_folder(store, experiment.slug, plan.seed)
    try:
        with under_way(None if folder is None else folder.path):
            return _kept(
                plan, folder, checkers, progress, scripted=scripted, report_passes=report_passes
            )
    except BaseException as error:
        if folder is not None:
            _tell_what_is_kept(folder, error, progress)
        raise


def _tell_what_is_kept(folder: RunFolder, error: BaseException, progress: Progress) -> None:
    """Write the report of a run that `error` broke off; notes of `error` say where all of it is."""
    error.add_note(f"What was recorded until then is kept: {folder.history}")
    if folder.verdict.is_file():
        return
    progress("reporting")
    with suppress(Exception):  # the error itself is more important
        from reports.loading import write_report_of_folder

        write_report_of_folder(folder.path, folder.report)
        error.add_note(f"report  {folder.report}")


def _kept(
    plan: Plan,
    folder: RunFolder | None,
    checkers: Sequence[Checker],
    progress: Progress,
    *,
    scripted: bool,
    report_passes: bool,
) -> Result:
    progress("running")
    with nullcontext() if folder is None else folder.recording() as sink:
        if folder is not None:
            folder.save_plan(plan)  # what is known so far, should the run be cut short
        keep = (lambda run: None) if folder is None else folder.save_run
        done = carry(plan, scripted=scripted, sink=sink, broke_off=keep)
    recording = None if folder is None else folder.save_run(done)
    progress("checking")
    whole = done.stopped is None and done.violation is None and done.death is None
    verdicts = judged(checkers, make_workload(plan.experiment), done.history, whole=whole)
    if done.stopped is not None:
        verdicts = [_with_stop(verdict, done) for verdict in verdicts]
    if done.violation is not None:
        verdicts.insert(0, done.violation.verdict())
    if done.death is not None:
        verdicts.insert(0, done.death)
    result = Result(run=done, verdicts=verdicts, folder=folder)
    if folder is not None and recording is not None:
        folder.save_verdicts(done, verdicts)
        if report_passes or not result.verdict.passed:
            progress("reporting")
            _write_report(result, recording, folder.report)
    return result


def _with_stop(verdict: Verdict, run: Run) -> Verdict:
    """`verdict`, with when it stopped the run, if it is that of the checker that did.

    A finished check that ran out of its budget is replaced by what stopped the run.
    """
    stopped = run.stopped
    if stopped is None or stopped.checker != verdict.checker:
        return verdict
    if verdict.outcome == "unknown":
        verdict = stopped
    if verdict.outcome != "fail":
        raise SplitbrainError(
            f"The run was stopped in row {stopped.details['stopped_at_row']} ({stopped.reason}), "
            f"but the finished check says {verdict.outcome}: {verdict.reason}\nBoth cannot be "
            "right, so one of the two checkers has a defect. The history is kept; please report it."
        )
    at = {name: stopped.details[name] for name in ("stopped_at_ns", "stopped_at_row")}
    reason = f"{verdict.reason} {_stop_sentence(run, at['stopped_at_ns'])}"
    return replace(verdict, reason=reason, details={**verdict.details, **at})


def _stop_sentence(run: Run, stopped_at_ns: int) -> str:
    experiment = run.plan.experiment
    planned_ns = experiment.time_limit_ns + experiment.recovery_ns
    return (
        f"The run was stopped there, at {stopped_at_ns / SECOND_NS:.3f} s of "
        f"{planned_ns / SECOND_NS:g} s."
    )


def _write_report(result: Result, recording: Recording, path: Path) -> None:
    from reports import write_report  # templates and plots take a while to import
    from reports.loading import run_data

    data = run_data(
        result.run.plan,
        result.run.history,
        result.verdicts,
        recording,
        replay_command=result.replay_command,
    )
    write_report(path, **data.arguments)
