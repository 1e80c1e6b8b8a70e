"""Whether the library is there, and the module by which Python calls it.

    binding.h (what Python sees) ┐
    glue.c    (compiled with it) ┴─ harness.compiled ─▶ a module in the user's cache

The module is made anew when the library's header, its version or one of the two files changes.

>>> missing() is None or "apt-get install" in missing()
True
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from harness.compiled import CURE, compiled, header, missing_tools, package_description
from harness.system import Unavailable

_HERE = Path(__file__).parent


@cache
def missing() -> str | None:
    """What is not there and how to get it; None if the library can be used. Compiles nothing."""
    if header("raft.h") is None:
        return f"the C library raft (libraft) and its headers are not there; {CURE} libraft-dev"
    return missing_tools()


@cache
def library_version() -> str:
    """The version of the installed library, as its pkg-config file says it."""
    found = re.search(r"^Version:\s*(\S+)", package_description("raft"), re.MULTILINE)
    return "unknown" if found is None else found[1]


@cache
def module() -> Any:
    """The compiled module, with `ffi` and `lib`. Raises UsageError if it cannot be had."""
    raft_header = header("raft.h")
    if missing() is not None or raft_header is None:
        raise Unavailable(f"The system 'craft' cannot run here: {missing()}")
    version = library_version()
    return compiled(
        f"craft_{re.sub('[^0-9a-z]', '_', version)}",
        declarations=(_HERE / "binding.h").read_text(encoding="utf-8"),
        source=(_HERE / "glue.c").read_text(encoding="utf-8"),
        library="raft",
        made_from=[raft_header.read_bytes(), version.encode()],
    )
