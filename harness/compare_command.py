"""`splitbrain compare`: systems × scenarios × seeds, as a table, JSON and one HTML page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from harness.comparison import Work, check_names, compare, scenario_names
from harness.errors import UsageError
from harness.folders import Folder
from harness.grid import Cell, Comparison, SeedResult
from harness.price_table import price_table
from harness.progress_file import ProgressFile

#: Where no terminal says how wide it is, as in the log of a CI run.
_WIDTH_ELSEWHERE = 180

console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_ELSEWHERE)


@click.command(name="compare")
@click.argument("systems", nargs=-1, required=True, metavar="SYSTEM...")
@click.option("--scenarios", default="all", show_default=True, help="Names by commas: chained,...")
@click.option("--slow", is_flag=True, help="The slow form of each scenario as well.")
@click.option("--seeds", type=int, default=3, show_default=True, help="Runs of each pair.")
@click.option("--first-seed", type=int, default=1, show_default=True)
@click.option("--jobs", type=int, default=2, show_default=True, help="Processes.")
@click.option(
    "--output", type=Folder(), default="store/comparison", show_default=True,
    help="Folder for comparison.json and comparison.html.",
)  # fmt: skip
@click.option(
    "--store", type=Folder(), default=None,
    help="Keep every run and its report there; the page leads to them.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a comparison that was interrupted.")
def compare_command(
    systems: tuple[str, ...],
    scenarios: str,
    slow: bool,
    seeds: int,
    first_seed: int,
    jobs: int,
    output: Path,
    store: Path | None,
    resume: bool,
) -> int:
    """Compare SYSTEMs under partial connectivity: who goes on, and after how long?"""
    if seeds < 1 or jobs < 1:
        raise UsageError(f"--seeds and --jobs count from 1; they were {seeds} and {jobs}.")
    names = scenario_names()
    if scenarios != "all":
        names = [name.strip() for name in scenarios.split(",")]
    if slow:
        names = [form for name in names for form in (name, f"{name}-slow")]
    check_names(systems, names)  # before there is a folder
    progress_file = ProgressFile(output / "comparison.runs.jsonl")
    columns = (TextColumn("running"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    whole = len(systems) * len(names) * seeds
    try:
        with progress_file, Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=whole)

            def finished(work: Work, result: SeedResult) -> None:
                progress_file.add(work, result)
                progress.advance(task)

            comparison = compare(
                systems,
                names,
                range(first_seed, first_seed + seeds),
                jobs=jobs,
                store=store,
                known=progress_file.read() if resume else {},
                finished=finished,
            )
    except BaseException as error:
        if progress_file.added:
            error.add_note(
                f"{progress_file.added} of {whole} runs are kept in {progress_file.path}; the same "
                "command with --resume goes on from there."
            )
        raise
    console.print(_table(comparison))
    console.print(
        "Median time from the cut to the first new answer, in T, the system's own patience; "
        "e: elections while cut; u: share of the second half without an answer."
    )
    if comparison.differ:
        console.print(price_table(comparison))
        console.print(
            "Each system is judged by what it promises. Answered: of the operations begun while "
            "links were cut, and the worst run. Stale: of all reads, and how old they were."
        )
    document = output / "comparison.json"
    document.write_bytes(msgspec.json.format(msgspec.json.encode(comparison)) + b"\n")
    from reports.comparison import write_comparison

    page = output / "comparison.html"
    command = _again(systems, scenarios, slow, seeds, first_seed, store)
    write_comparison(page, comparison, command=command)
    console.print(f"report  {page}\ndata    {document}", markup=False, soft_wrap=True)
    return {"pass": 0, "fail": 1}.get(comparison.outcome, 2)


def _again(
    systems: tuple[str, ...],
    scenarios: str,
    slow: bool,
    seeds: int,
    first_seed: int,
    store: Path | None,
) -> str:
    """The command line of this comparison; defaults are left out."""
    words = ["splitbrain", "compare", *systems]
    words += [] if scenarios == "all" else ["--scenarios", scenarios]
    words += ["--slow"] if slow else []
    words += [] if seeds == 3 else ["--seeds", str(seeds)]
    words += [] if first_seed == 1 else ["--first-seed", str(first_seed)]
    words += [] if store is None else ["--store", str(store)]
    return shlex.join(words)


def _table(comparison: Comparison) -> Table:
    table = Table(title=f"{len(comparison.seeds)} seeds each", title_justify="left")
    table.add_column("scenario", no_wrap=True)
    for system in comparison.systems:
        table.add_column(system, overflow="fold")
    for scenario in comparison.scenarios:
        cells = [comparison.cell(system, scenario.name) for system in comparison.systems]
        table.add_row(f"{scenario.identifier} {scenario.name}", *map(_text, cells))
    return table


def _text(cell: Cell) -> str:
    """A cell in one line: verdict if bad, down time, elections, unavailability."""
    count = len(cell.results)
    if cell.outcome != "pass":
        return f"[bold red]{cell.outcome}[/]"
    if cell.down_times is None:
        return f"[red]0/{count} never[/]"
    parts = [f"{cell.down_times:.1f} T"]
    if cell.recovered < count:
        parts.insert(0, f"{cell.recovered}/{count}")
    changes = cell.typical("leader_changes")
    if changes:
        parts.append(f"e{changes:.0f}")
    unavailable = cell.typical("unavailable_ratio")
    if unavailable > 0.05:
        parts.append(f"u{unavailable:.0%}")
    colour = "green" if cell.state == "steady" else "yellow"
    return f"[{colour}]{' '.join(parts)}[/]"
