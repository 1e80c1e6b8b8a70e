"""The process that loads the Go library and asks it: one request after another on standard input,
one line of JSON for each on standard output, until the input ends.

    library = /path/to/libporcupine.so          (the only argument)

    <-  {"interface": 1, "versions": "v1.3.1 go1.26.8"}     or {"error": "..."} and the end
    ->  header, operations, starts of texts, texts          (REQUEST, then raw arrays)
    <-  {"verdict": 2, "elapsed_ns": 81234}

It runs as a plain script and needs only cffi, so that it starts in a tenth of a second. It ignores
Ctrl-C, which is its parent's to handle, and ends at once when the parent is gone, even in the
middle of a check.

>>> REQUEST.size, sorted(declared("enum { A = 1 };"))
(72, ['A'])

Limits: needs a system with pipes that `poll` can watch: Linux, macOS, BSD.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import struct
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, Final

from cffi import FFI

#: model, initial, keys, texts, whether to collect garbage first, timeout in ns, operations,
#: bytes of the operations, bytes of the texts.
REQUEST: Final = struct.Struct("=9q")
HEADER: Final = Path(__file__).parent / "go" / "wrapper.h"
_VERSIONS_BYTES = 128


def interface() -> str:
    """The C declarations of the library."""
    text = HEADER.read_text(encoding="utf-8")
    return text.split("/* cffi begin */")[1].split("/* cffi end */")[0]


def declared(text: str) -> dict[str, int]:
    """The constants in the C enums of `text`."""
    return {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", text)}


def main(library_path: str) -> int:
    """Serves requests until standard input ends; 1 if the library cannot be used."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ffi = FFI()
    ffi.cdef(
        interface()
        + "void porcupine_check(const porcupine_request *, porcupine_result *);"
        + "int32_t porcupine_interface(void);"
        + "void porcupine_versions(char *, int32_t);"
    )
    try:
        library = ffi.dlopen(library_path)
        number = library.porcupine_interface()
    except (OSError, AttributeError) as error:
        _answer({"error": str(error)})
        return 1
    versions = ffi.new("char[]", _VERSIONS_BYTES)
    library.porcupine_versions(versions, _VERSIONS_BYTES)
    _answer({"interface": number, "versions": ffi.string(versions).decode()})
    source = sys.stdin.buffer
    while len(header := source.read(REQUEST.size)) == REQUEST.size:
        _answer(_check(ffi, library, REQUEST.unpack(header), source))
    return 0


def _check(ffi: Any, library: Any, header: tuple[int, ...], source: BinaryIO) -> dict[str, int]:
    model, initial, keys, texts, collect, timeout_ns, count, operation_bytes, text_bytes = header
    operations = source.read(operation_bytes)
    starts = source.read(8 * (texts + 1))
    text = source.read(text_bytes)
    request = ffi.new("porcupine_request *")
    request.model, request.initial, request.key_count = model, initial, keys
    request.text_count, request.collect = texts, collect
    request.timeout_ns, request.operation_count = timeout_ns, count
    request.operations = kept = ffi.from_buffer("porcupine_operation[]", operations)
    request.text_start = kept_starts = ffi.from_buffer("int64_t[]", starts)
    request.text = kept_text = ffi.from_buffer("char[]", text)
    result = ffi.new("porcupine_result *")
    if len(kept) == count:  # else the two sides disagree about what an operation is
        library.porcupine_check(request, result)
    else:
        result.verdict = declared(interface())["PORCUPINE_MALFORMED"]
    del kept, kept_starts, kept_text  # Go has read from them until now
    return {"verdict": result.verdict, "elapsed_ns": result.elapsed_ns}


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """Ends the process when nobody holds the other end of standard input any more."""
    parent = select.poll()
    parent.register(sys.stdin.fileno(), 0)  # hang-ups are reported whatever is asked for
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in parent.poll()):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
