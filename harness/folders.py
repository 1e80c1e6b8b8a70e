"""Folders on the command line: an empty name is none.

A shell makes an empty text of a variable that is not set, and a path of it is the current folder,
into which nobody meant to write.

>>> Folder().convert("store/nightly", None, None).as_posix()
'store/nightly'
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.errors import UsageError


class Folder(click.Path):
    """A parameter that takes the name of a folder, or of a file, and gives a `Path`."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=file_okay)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """`value` as a path. Raises UsageError if it is empty."""
        if value == "":
            option = max(param.opts, key=len) if param is not None else "The folder"
            raise UsageError(
                f"{option} is empty. Usually a variable of the shell is not set; for the current "
                "folder say . instead."
            )
        return super().convert(value, param, ctx)
