"""Releases of PySyncObj: each is installed when it is first needed, into a folder of its own.

    folder_of("0.3.14") ──▶ there already? ──▶ its folder
                               │ no
                               └──▶ pip install --no-deps --target (a new folder) ──▶ renamed

Nothing of it enters the environment of splitbrain itself, so that several releases lie side by
side and none is a dependency. The folders are below `$SPLITBRAIN_CACHE`, or else the user's cache.
A folder gets its name only when it is complete: whoever is killed half-way leaves nothing that
looks finished, and of several processes that install at once the first wins.

>>> folder_of("latest, please")
Traceback (most recent call last):
    ...
harness.errors.UsageError: 'latest, please' is no release of PySyncObj: a number such as 0.3.17...
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from harness.errors import UsageError
from harness.system import Unavailable
from harness.user_cache import cannot_be_kept
from harness.user_cache import user_cache as cache

#: pip gets so long, with its build of the package.
INSTALL_TIMEOUT_S = 180

_NUMBER = re.compile(r"\d+(\.\d+)+")


def check_number(release: str) -> None:
    """Raises UsageError for what cannot be the number of a release."""
    if not _NUMBER.fullmatch(release):
        raise UsageError(
            f"{release!r} is no release of PySyncObj: a number such as 0.3.17 was expected."
        )


def missing(release: str) -> str | None:
    """Why that release is not here and cannot be fetched; None if it is, or may be. Looks only."""
    if (cache() / "pysyncobj" / release).is_dir() or find_spec("pip") is not None:
        return None
    return (
        f"PySyncObj {release} has not been fetched, and there is no pip to do so; install it, for "
        "example with: python -m ensurepip"
    )


def folder_of(release: str) -> Path:
    """The folder to import that release from; installs it if it is not there.

    Raises UsageError for what is no number of a release, Unavailable if pip cannot get it.
    """
    check_number(release)
    folder = cache() / "pysyncobj" / release
    if not folder.is_dir():
        _install(release, folder)
    return folder


def _install(release: str, folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{release}-", dir=folder.parent))
    except OSError as error:
        what = f"PySyncObj {release}"
        raise Unavailable(cannot_be_kept(what, folder.parent, error)) from error
    try:
        _pip(release, made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else somebody else was faster, and has made the same
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _pip(release: str, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--target", str(target), f"pysyncobj=={release}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"PySyncObj {release} was not installed within {INSTALL_TIMEOUT_S} s. Usually the "
            "package index cannot be reached from here; `python -m pip config list` shows which "
            "one is asked."
        ) from error
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise Unavailable(
            f"PySyncObj {release} cannot be installed here: pip says\n{last}\nUsually there is no "
            f"such release, or no package index can be reached. It can be put in place by hand: "
            f"pip install --no-deps --target {target.parent / release} pysyncobj=={release}"
        )
