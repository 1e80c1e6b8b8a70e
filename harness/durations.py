"""Durations as the command line takes them: 60, 1.5, 90s, 200ms, 10m, 2h.

>>> Duration().convert("1.5m", None, None)
90000000000
"""

from __future__ import annotations

import re
from typing import Any

import click

from harness.experiment import seconds


class Duration(click.ParamType[int]):
    """Seconds, or a number with a unit: 60, 1.5, 90s, 200ms, 10m, 2h; gives nanoseconds."""

    name = "duration"
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}  # noqa: RUF012

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d*)?)(ms|s|m|h|)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no duration; write seconds (60) or 200ms, 90s, 10m, 2h.")
        return seconds(float(match[1]) * self.units[match[2]])
