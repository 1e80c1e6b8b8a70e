"""Whether a run is still under way, and if it broke off: how.

    under_way(folder) ──▶ the folder is locked ──▶ the end: the lock is gone
                                              └──▶ an error, Ctrl-C: broken-off.json says which

The lock is the operating system's and ends with the process, so that a run whose process was
killed does not look as if it went on. A run that left neither a verdict nor `broken-off.json` and
is not locked was killed, or the machine was.

Limits: where directories cannot be locked (Windows, some network folders), no run looks as if it
were under way.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     with under_way(Path(name)):
...         print(is_under_way(Path(name)))
...     print(is_under_way(Path(name)))
True
False
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path, PurePath

import msgspec

from harness.errors import SplitbrainError

try:
    import fcntl
except ImportError:  # not everywhere
    fcntl = None  # type: ignore[assignment]

#: The file in the folder of a run that did not come to its end.
FILE_NAME = "broken-off.json"
#: Of the text of an error so many characters are kept.
TEXT_CHARACTERS = 4_000


class BrokenOff(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended before its time: by an `error` (its type and text), or `interrupted`.

    `at_ns` is when, in nanoseconds since 1970; 0 if that was not written down. `where` is the call
    that raised the error, if it is not one that speaks for itself.
    """

    interrupted: bool
    error: str = ""
    text: str = ""
    where: str = ""
    at_ns: int = 0


@contextmanager
def under_way(folder: Path | None) -> Iterator[None]:
    """Mark `folder` as that of a run that goes on for as long as the block does.

    If the block raises, the folder keeps why. With None nothing is marked.
    """
    with nullcontext() if folder is None else _locked(folder):
        try:
            yield
        except BaseException as error:
            if folder is not None:
                with suppress(OSError):  # the error itself is more important
                    (folder / FILE_NAME).write_bytes(msgspec.json.encode(_told(error)) + b"\n")
            raise


def is_under_way(folder: Path) -> bool:
    """Whether some process has said so and still runs."""
    if fcntl is None:
        return False
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks on this file system
        return False
    finally:
        os.close(descriptor)
    return False


def broken_off(folder: Path) -> BrokenOff | None:
    """How the run broke off, if it said so."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=BrokenOff)
    except (OSError, msgspec.DecodeError):
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = None
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _told(error: BaseException) -> BrokenOff:
    if _is_interrupt(error):
        return BrokenOff(interrupted=True, at_ns=time.time_ns())
    text = "\n".join(filter(None, (str(error), *getattr(error, "__notes__", ()))))
    kind = where = ""  # a mistake of the user, or a failure of a node, is told by its text alone
    if not isinstance(error, SplitbrainError):
        kind, where = type(error).__name__, _where(error)
    return BrokenOff(
        interrupted=False,
        error=kind,
        text=text[:TEXT_CHARACTERS],
        where=where,
        at_ns=time.time_ns(),
    )


def _where(error: BaseException) -> str:
    """The innermost call; files by name alone, as on any machine."""
    calls = traceback.extract_tb(error.__traceback__)
    if not calls:
        return ""
    return f"{PurePath(calls[-1].filename).name}:{calls[-1].lineno} in {calls[-1].name}"


def _is_interrupt(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(KeyboardInterrupt) is not None
    return isinstance(error, KeyboardInterrupt)
