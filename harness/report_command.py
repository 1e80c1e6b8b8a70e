"""`splitbrain report`: a stored run again as HTML, text or plots; a whole store as a campaign."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from harness.durations import Duration
from harness.errors import UsageError
from harness.folders import Folder
from reports.runs import Store, existing_folder

if TYPE_CHECKING:
    from reports.loading import RunData
    from reports.model import Report

console = Console(highlight=False, soft_wrap=True)


@click.command(name="report")
@click.argument("run_folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "-o", "--output", type=Folder(),
    help="Where to write; report.html or campaign.html in RUN if unset, the terminal for --text.",
)  # fmt: skip
@click.option("--text", is_flag=True, help="As text: the witness in words, and the events.")
@click.option("--from", "start_ns", type=Duration(), help="With --text: the log from here on.")
@click.option("--to", "end_ns", type=Duration(), help="With --text: the log up to here.")
@click.option("--width", type=int, help="With --text: of a line; 0 cuts none.")
@click.option(
    "--export", type=Folder(file_okay=False), metavar="DIR",
    help="Every plot as SVG and PNG.",
)  # fmt: skip
@click.option("--campaign", is_flag=True, help="RUN is a store, or a part of one: all its runs.")
def report_command(
    run_folder: Path,
    output: Path | None,
    text: bool,
    start_ns: int | None,
    end_ns: int | None,
    width: int | None,
    export: Path | None,
    campaign: bool,
) -> int:
    """Write the report of a stored RUN again: as HTML, as text, or its plots alone."""
    folder = existing_folder(run_folder, "run" if not campaign else "store")
    if folder.is_file() and not folder.with_name("plan.json").is_file() and not campaign:
        raise UsageError(
            f"{str(folder)!r} is a file that belongs to no run of splitbrain: there is no "
            "plan.json beside it.\nA report is that of a run, such as store/latest. A history "
            f"alone is judged, and told: splitbrain check --explain {shlex.quote(str(folder))}"
        )
    if not text and (start_ns, end_ns, width) != (None, None, None):
        raise UsageError("--from, --to and --width are about the log of events: add --text.")
    if campaign:
        if text or export:
            raise UsageError("A campaign is one page: --text and --export are about one run.")
        return _campaign(folder, output)
    if start_ns is not None and end_ns is not None and end_ns < start_ns:
        raise UsageError("The log would end before it begins: --to is before --from.")
    from reports.loading import load_run, write_report_of_folder

    if not text and export is None:
        path = output or _folder_of(folder) / "report.html"
        with _written(path):
            write_report_of_folder(folder, path)
        console.print(f"report  {path}", markup=False)
        return 0
    from reports.text import model_of

    data = load_run(folder)
    report = model_of(data)
    if text:
        _text(report, data, output, start_ns, end_ns, width)
    if export is not None:
        from reports.exports import export as write_plots

        for path in write_plots(report, data.recording, export, verdicts=data.verdicts):
            console.print(f"plot    {path}", markup=False)
    return 0


def _text(
    report: Report,
    data: RunData,
    output: Path | None,
    start_ns: int | None,
    end_ns: int | None,
    width: int | None,
) -> None:
    from reports.text import WIDTH, render_text

    if width is None:
        seen = output is None and sys.stdout.isatty()
        width = shutil.get_terminal_size((WIDTH, 24)).columns if seen else WIDTH
    told = render_text(report, data.recording, start_ns=start_ns, end_ns=end_ns, width=width)
    if output is None:
        click.echo(told)
        return
    with _written(output):
        output.write_bytes(f"{told}\n".encode())
    console.print(f"text    {output}", markup=False)


def _campaign(store: Path, output: Path | None) -> int:
    from reports.campaign import campaign_of
    from reports.campaign_page import BesideStore, render_campaign
    from reports.wording import count_text

    runs = Store(store).runs()
    if not runs:
        raise UsageError(
            f"There are no runs in {str(store)!r}. A run is a folder with a plan.json, as "
            "`splitbrain run` makes it; give the folder that holds them, such as store."
        )
    path = output or store / "campaign.html"
    campaign = campaign_of(runs)
    words = ["splitbrain", "report", str(store), "--campaign"]
    words += ["--output", str(output)] if output else []
    html = render_campaign(campaign, links=BesideStore(store, path), command=shlex.join(words))
    with _written(path):
        path.write_bytes(html.encode("utf-8", "replace"))
    console.print(f"{count_text(len(runs), 'run')}. {campaign.headline}", markup=False)
    console.print(f"report  {path}", markup=False)
    return 0


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """What goes wrong while `path` is written is a mistake in its name."""
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {str(path.parent)!r} to write {path.name!r} into.")
    try:
        yield
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error}.") from error
