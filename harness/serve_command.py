"""`splitbrain serve`: a local page over all runs of a store."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from harness.folders import Folder
from reports.runs import existing_folder

console = Console(highlight=False, soft_wrap=True)


@click.command(name="serve")
@click.option(
    "--store", type=Folder(), default="store", show_default=True,
    help="Where runs are kept.",
)  # fmt: skip
@click.option("--port", type=int, default=8000, show_default=True, help="0 for any free one.")
def serve_command(store: Path, port: int) -> int:
    """Show all runs of a store in a browser, on this machine only, until Ctrl-C."""
    from reports.serve import make_server

    folder = existing_folder(store, "store")
    with make_server(folder, port) as server:
        console.print(f"{folder} is at {server.address} for this machine only. Ctrl-C ends it.")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            console.print("Ended.")
    return 0
