"""The command line: run and replay; the other commands have rooms of their own.

Exit codes, as in Jepsen: 0 pass, 1 fail, 2 unknown or skipped, 254 bad arguments, 255 a crash of
splitbrain or of the system under test.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import click
import msgspec
from rich.console import Console

from harness.check_command import (
    BAD_ARGUMENTS,
    CRASH,
    EXIT_CODES,
    SIGNS,
    check_command,
    complain,
    tell,
)
from harness.checks import checker_names
from harness.command_line import run_command
from harness.compare_command import compare_command
from harness.durations import Duration
from harness.errors import SplitbrainError, UsageError
from harness.experiment import Experiment
from harness.folders import Folder
from harness.list_command import list_command
from harness.pipeline import Progress, Result, carry_out, carry_out_again
from harness.report_command import report_command
from harness.serve_command import serve_command
from harness.store import open_folder

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def _option_value(text: str) -> str | int | float | bool:
    """`keys=3` gives a number, `values=reused` a word."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, str | int | float | bool) else text


def _parse_options(options: Sequence[str]) -> dict[str, str | int | float | bool]:
    parsed = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name:
            raise UsageError(f"--option takes name=value, such as keys=3; it was {option!r}.")
        parsed[name.replace("-", "_")] = _option_value(value)
    return parsed


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("splitbrain"), prog_name="splitbrain")
def cli() -> None:
    """Breaks distributed systems on purpose and proves from their histories what broke."""


@cli.command()
@click.argument("system")
@click.option("-w", "--workload", default="register", show_default=True, help="What clients do.")
@click.option(
    "-n", "--nemesis", default="none", show_default=True, help="What breaks: partition,kill,..."
)
@click.option("-s", "--seed", type=int, default=1, show_default=True, help="Decides everything.")
@click.option("--nodes", type=int, default=5, show_default=True)
@click.option("--clients", type=int, default=10, show_default=True)
@click.option(
    "--time-limit", type=Duration(), default="60", show_default=True, help="Simulated seconds."
)
@click.option("--rate", type=float, default=100.0, show_default=True, help="Operations a second.")
@click.option("--flaw", default=None, help="Plant one of the system's flaws.")
@click.option(
    "--interval", type=Duration(), default="3", show_default=True, help="Between fault changes."
)
@click.option(
    "--recovery", type=Duration(), default="5", show_default=True, help="Quiet time at the end."
)
@click.option("--loss", type=float, default=0.0, show_default=True, help="Of all messages, 0 to 1.")
@click.option(
    "--duplicate", type=float, default=0.0, show_default=True, help="The same, sent twice."
)
@click.option("--drift-ppm", type=int, default=100, show_default=True, help="Bound of clock drift.")
@click.option("-o", "--option", "options", multiple=True, help="For the workload: name=value.")
@click.option("--buggify", is_flag=True, help="Let nodes take rare paths often.")
@click.option("--wire", is_flag=True, help="Encode and decode every message.")
@click.option(
    "--invariants/--no-invariants", default=True, show_default=True,
    help="Watch the nodes' insides as well; a violation ends the run.",
)  # fmt: skip
@click.option("-c", "--checker", "checkers", multiple=True, help="Instead of the workload's own.")
@click.option("--stop-early", is_flag=True, help="Stop at the first violation.")
@click.option(
    "--store", type=Folder(), default="store", show_default=True,
    help="Where runs are kept.",
)  # fmt: skip
def run(
    system: str,
    workload: str,
    nemesis: str,
    seed: int,
    nodes: int,
    clients: int,
    time_limit: int,
    rate: float,
    flaw: str | None,
    interval: int,
    recovery: int,
    loss: float,
    duplicate: float,
    drift_ppm: int,
    options: tuple[str, ...],
    buggify: bool,
    wire: bool,
    invariants: bool,
    checkers: tuple[str, ...],
    stop_early: bool,
    store: Path,
) -> int:
    """Run SYSTEM under a workload and a nemesis, judge it and write a report."""
    experiment = Experiment(
        system=system,
        workload=workload,
        nemesis=nemesis,
        flaw=flaw,
        nodes=nodes,
        clients=clients,
        time_limit_ns=time_limit,
        rate_per_s=rate,
        recovery_ns=recovery,
        interval_ns=interval,
        options=_parse_options(options),
        drift_ppm=drift_ppm,
        loss_ratio=loss,
        duplicate_ratio=duplicate,
        buggify=buggify,
        wire=wire,
        invariants=invariants,
        checkers=checker_names(checkers),
        stop_early=stop_early,
    )
    return _show(
        _with_progress(lambda told: carry_out(experiment, seed, store=store, progress=told))
    )


@cli.command()
@click.argument("run_folder", type=click.Path(exists=True, path_type=Path), metavar="RUN")
@click.option(
    "--store", type=Folder(), default="store", show_default=True,
    help="Where the replay is kept.",
)  # fmt: skip
def replay(run_folder: Path, store: Path) -> int:
    """Run the plan of an earlier RUN again; the digest must come out the same."""
    from harness.plan import Plan
    from harness.simulation.trace import RING_EVENTS, first_difference, since

    folder = open_folder(run_folder)
    plan = Plan.decode(folder.plan.read_bytes())
    if not plan.digest:
        raise UsageError(
            f"The run in {str(folder.path)!r} was cut short before its plan was complete. Run its "
            f"seed again: {run_command(plan.experiment, plan.seed)}"
        )
    result = _with_progress(lambda told: carry_out_again(plan, store=store, progress=told))
    code = _show(result)
    if result.run.digest == plan.digest:
        console.print(f"Replayed exactly: digest {plan.digest}.")
        return code
    difference = None
    if folder.trace.is_file() and (recorded := folder.trace.read_bytes().splitlines(True)):
        replayed = list(result.run.trace_lines())
        if len(recorded) >= RING_EVENTS:  # the oldest ones are gone
            replayed = list(since(recorded[0], replayed))
        difference = first_difference(recorded, replayed)
    errors.print(
        f"[red]The replay differs[/]: digest {result.run.digest}, recorded was {plan.digest}.\n"
        f"{'' if difference is None else 'Of the recorded events, ' + difference + '.'}\n"
        "Usually the code of the system, workload or harness has changed since; if it has not, "
        "something in it depends on more than the seed."
    )
    return CRASH


def _with_progress(work: Callable[[Progress], Result]) -> Result:
    """Show what is going on: a spinner on a terminal, plain lines otherwise."""
    if not console.is_terminal:
        return work(lambda stage: console.print(f"{stage} ...", style="dim"))
    with console.status("starting") as status:
        return work(lambda stage: status.update(stage))


def _show(result: Result) -> int:
    experiment = result.run.plan.experiment
    console.print(
        f"{experiment.title}, seed {result.run.plan.seed}: {len(result.run.plan.operations):,} "
        f"operations, {result.run.plan.fault_changes} fault changes, {result.run.delivered:,} "
        f"messages in {result.run.duration_ns / 1e9:.1f} simulated seconds"
    )
    if experiment.nemesis != "none" and not any(one.actions for one in result.run.plan.faults):
        console.print(
            f"The nemesis {experiment.nemesis} broke nothing in all that time. Usually the run is "
            "too short for it, or has too few nodes.",
            style="yellow",
        )
    for verdict in result.verdicts:
        console.print(f"{SIGNS[verdict.outcome]}  {verdict.checker}: ", end="")
        console.print(verdict.reason, markup=False)
        tell(result.run.history, verdict, short=True)
    if result.folder is not None:
        console.print(f"report  {result.folder.report}", markup=False)
        console.print(f"replay  {result.replay_command}", markup=False)
    return EXIT_CODES[result.verdict.outcome]


cli.add_command(check_command)
cli.add_command(compare_command)
cli.add_command(list_command)
cli.add_command(report_command)
cli.add_command(serve_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console command `splitbrain`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a sign that a terminal cannot show ends no run
            stream.reconfigure(errors="replace")
    sys.exit(_guarded(arguments))


def _reader_left() -> int:
    """Whoever read our output has seen enough (`splitbrain list | head`): end without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at exit as well
    return CRASH


def _guarded(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(args=arguments, prog_name="splitbrain", standalone_mode=False)
        return int(code or 0)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        error.show()
        return BAD_ARGUMENTS
    except UsageError as error:
        complain("[red]error:[/] ", error)
        return BAD_ARGUMENTS
    except (click.Abort, KeyboardInterrupt) as error:
        complain("Interrupted. ", error.__cause__ or error)  # click hides what it caught
        return CRASH
    except SplitbrainError as error:
        complain("[red]crash:[/] ", error)
        return CRASH
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            errors.print(traceback.format_exc(), markup=False)
            return CRASH
        complain("[red]crash:[/] The disk is full. ", error)
        return CRASH
    except (Exception, SystemExit) as error:  # whoever calls sys.exit must not decide how we end
        if isinstance(error.__context__, BrokenPipeError):  # rich makes a SystemExit of it
            return _reader_left()
        errors.print(traceback.format_exc(), markup=False)
        return CRASH
