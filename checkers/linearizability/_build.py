"""How the C kernel is built: a cffi module in API mode, `checkers.linearizability._kernel`.

setup.py names `ffibuilder`; paths are relative to the project's root, where it runs. The
extension is optional: without a compiler the installation goes on and the reference engine is used.
"""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

_KERNEL = "checkers/linearizability/kernel"
_HEADER = Path(__file__).parent / "kernel" / "lin.h"


def declarations() -> str:
    """The part of lin.h between the cffi marks: the kernel's interface, written down once."""
    text = _HEADER.read_text(encoding="utf-8")
    return text.split("/* cffi begin */")[1].split("/* cffi end */")[0]


ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "checkers.linearizability._kernel",
    '#include "lin.h"',
    sources=[f"{_KERNEL}/kernel.c"],
    include_dirs=[_KERNEL],
    depends=[f"{_KERNEL}/{path.name}" for path in sorted(_HEADER.parent.glob("*.h"))],
    extra_compile_args=["-O3"],
    optional=True,
)
