"""Where in the code an error was raised, told without what differs from machine to machine.

>>> try:
...     raise ZeroDivisionError("oops")
... except ZeroDivisionError as error:
...     print(placed("It went wrong", error))
It went wrong (<doctest harness.places[0]>:2 in <module>: raise ZeroDivisionError("oops")).
>>> ADDRESS.sub("", "<function draw at 0x7f3a2c1d5e40>")
'<function draw>'
"""

from __future__ import annotations

import re
import traceback
from itertools import dropwhile
from pathlib import Path

import trio

#: Whose calls tell a reader nothing about code that is not ours.
_OURS = (Path(__file__).parent, Path(trio.__file__).parent)
#: Where an object lies in memory, which differs from run to run.
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def calls(error: BaseException, *, to_the_end: bool = True) -> list[str]:
    """Where `error` was raised, from the first call that leaves the harness on; innermost last.

    Files by name alone, as on any machine. Calls back into the harness at the end are told too
    `to_the_end`.
    """

    def is_ours(frame: traceback.FrameSummary) -> bool:
        return not set(_OURS).isdisjoint(Path(frame.filename).parents)

    frames = list(dropwhile(is_ours, traceback.extract_tb(error.__traceback__)))
    if not to_the_end:
        frames = list(dropwhile(is_ours, reversed(frames)))[::-1]
    return [
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}"
        for frame in frames
    ]


def placed(told: str, error: BaseException) -> str:
    """A sentence, and in brackets the innermost call outside the harness that `error` came to."""
    where = calls(error, to_the_end=False)
    return f"{told} ({where[-1]})." if where else f"{told}."
