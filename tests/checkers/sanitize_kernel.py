"""Runs the kernel's tests on a build with AddressSanitizer and UndefinedBehaviorSanitizer.

    python tests/checkers/sanitize_kernel.py [arguments for pytest]

The build goes to a temporary folder and takes the place of the installed kernel in one
process only.
Needs gcc and its sanitizer libraries; ends with pytest's exit code.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cffi import FFI

from checkers.linearizability._build import declarations

ROOT = Path(__file__).resolve().parents[2]
KERNEL = ROOT / "checkers" / "linearizability" / "kernel"
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
RUN_TESTS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("checkers.linearizability._kernel", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.modules[spec.name] = module
import pytest
sys.exit(pytest.main(sys.argv[2:]))
"""


def build(folder: str) -> str:
    """The path of the sanitized extension module. Any warning about the kernel is an error."""
    strict = ["gcc", *WARNINGS, "-fsyntax-only", str(KERNEL / "kernel.c")]
    subprocess.run(strict, check=True)
    builder = FFI()
    builder.cdef(declarations())
    builder.set_source(
        "checkers.linearizability._kernel",
        '#include "lin.h"',
        sources=[str(KERNEL / "kernel.c")],
        include_dirs=[str(KERNEL)],
        extra_compile_args=SANITIZERS,
        extra_link_args=SANITIZERS,
    )
    return str(builder.compile(tmpdir=folder))


def main() -> int:
    found = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    tests = sys.argv[1:] or [
        "-q",
        *map(str, sorted((ROOT / "tests" / "checkers").glob("test_linearizability_*.py"))),
    ]
    environment = {
        **os.environ,
        "LD_PRELOAD": found.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter itself never frees everything
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", RUN_TESTS, build(folder), *tests]
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
