"""Modules in C that are compiled when they are first needed, and kept for the next time.

    declarations, source, what else it is made from ─ cffi ─▶ C ─ cc ─▶ a module in the user's cache

A module lies in `harness.user_cache` under a name that says what it is and a hash of all that it
was made from, the Python and the cffi included. Whoever finds it missing takes a lock, looks again
and compiles, so that many processes that start at once compile it once; it appears by renaming,
never half.

>>> missing_tools() is None or "apt-get install" in missing_tools()
True
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cffi import FFI

from harness.errors import UsageError
from harness.user_cache import cannot_be_kept, user_cache

try:
    import fcntl
except ImportError:  # not everywhere
    fcntl = None  # type: ignore[assignment]

CURE = "install it, for example with: apt-get install"
#: How long the compiler may take, in seconds.
_PATIENCE_S = 120
_HEADERS = ("/usr/local/include", "/usr/include")


@cache
def missing_tools() -> str | None:
    """What is needed to compile and not there, with the cure; None if all is there."""
    if _compiler() is None:
        return f"there is no C compiler; {CURE} gcc"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return f"the headers of Python are not there; {CURE} python3-dev"
    return None


def header(name: str) -> Path | None:
    """The header called `name`, where a compiler looks for it."""
    for folder in (*_folders("C_INCLUDE_PATH"), *_folders("CPATH"), *map(Path, _HEADERS)):
        if (folder / name).is_file():
            return folder / name
    return None


def package_description(name: str) -> str:
    """What pkg-config would read of a library, "" if there is nothing."""
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    below = [
        Path(prefix, part, "pkgconfig")
        for prefix in ("/usr/local", "/usr")
        for part in (f"lib/{triplet}", "lib", "lib64", "share")
    ]
    for folder in (*_folders("PKG_CONFIG_PATH"), *below):
        if (folder / f"{name}.pc").is_file():
            return (folder / f"{name}.pc").read_text(encoding="utf-8")
    return ""


def compiled(
    name: str,
    *,
    declarations: str,
    source: str,
    library: str,
    made_from: Sequence[bytes] = (),
) -> Any:
    """The module with `ffi` and `lib`, compiled if it is not there yet.

    `made_from` is what else decides whether a module that is there will do, such as the headers of
    the library. Raises UsageError if it does not compile; `missing_tools` should be None.
    """
    parts = [declarations.encode(), source.encode(), library.encode(), *made_from]
    parts += [version("cffi").encode(), sys.version.encode(), sys.platform.encode()]
    name = f"_{name}_{hashlib.blake2b(b'|'.join(parts), digest_size=6).hexdigest()}"
    path = user_cache() / "compiled" / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with (path.parent / f"{name}.lock").open("w") as lock:
                if fcntl is not None:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                if not path.is_file():
                    _compile(name, path, declarations, source, library)
        except OSError as error:
            what = f"The module for {library}"
            raise UsageError(cannot_be_kept(what, path.parent, error)) from error
    description = importlib.util.spec_from_file_location(name, path)
    assert description is not None, path
    assert description.loader is not None, path
    loaded = importlib.util.module_from_spec(description)
    description.loader.exec_module(loaded)
    return loaded


def _compile(name: str, path: Path, declarations: str, source: str, library: str) -> None:
    ffi = FFI()
    ffi.cdef(declarations)
    ffi.set_source(name, source)
    compiler = _compiler()
    assert compiler is not None, missing_tools()
    with TemporaryDirectory(dir=path.parent) as scratch:
        generated, made = Path(scratch, f"{name}.c"), Path(scratch, path.name)
        with redirect_stdout(StringIO()):  # cffi says what it does
            ffi.emit_c_code(str(generated))
        command = [
            *(*compiler, "-O2", "-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}"),
            *("-o", str(made), str(generated), f"-l{library}"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S)
        if done.returncode:
            errors = "\n".join(line for line in done.stderr.splitlines() if "error" in line)
            raise UsageError(
                f"The binding of the C library {library} does not compile with "
                f"{shlex.join(compiler)}:\n{errors or done.stderr}\nUsually the library that is "
                "installed has another version than the one that the binding is made for."
            )
        made.replace(path)


def _compiler() -> list[str] | None:
    """The command of the C compiler: $CC, or what there is."""
    for command in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    return None


def _folders(variable: str) -> list[Path]:
    return [Path(folder) for folder in os.environ.get(variable, "").split(os.pathsep) if folder]
