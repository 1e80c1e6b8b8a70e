"""The library as the rest of this folder calls it: its callbacks, as methods of Python objects.

    node ─ lib.receive_append(...) ─▶ library ─ io->append ─▶ on_append ─▶ Backend.on_append
      ◀── raise_errors() ◀── an exception in there is kept until the call comes back

No exception may travel through C: the callback that raised reports an input or output error to
the library, and whoever made the call raises what was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Any

from systems.craft import native
from systems.craft.backend import Backend

#: RAFT_IOERR: what a callback answers that has raised an exception.
_IO_ERROR = 18

#: Callbacks that answer 0 when they are done, by name; a `Backend` has a method for each.
_DONE = (
    *("on_bootstrap", "on_set_term", "on_set_vote", "on_append", "on_truncate"),
    *("on_snapshot_put", "on_snapshot_get", "on_fsm_apply", "on_fsm_snapshot", "on_fsm_restore"),
)
#: Those that answer nothing.
_TOLD = (
    *("send_request_vote", "send_vote", "send_append", "send_appended", "send_install"),
    *("send_timeout_now", "on_done"),
)

#: What callbacks have raised during the present call.
errors: list[BaseException] = []


@cache
def library() -> Any:
    """The compiled module with its callbacks in place. Raises UsageError if it cannot be had."""
    module = native.module()
    ffi = module.ffi
    for name in _DONE:
        ffi.def_extern(name=name, onerror=_keep, error=_IO_ERROR)(_method(ffi, name, answers=True))
    for name in _TOLD:
        ffi.def_extern(name=name, onerror=_keep)(_method(ffi, name, answers=False))

    def on_random(handle: Any, low: int, high: int) -> int:
        drawn: int = ffi.from_handle(handle).on_random(low, high)
        return drawn

    ffi.def_extern(name="on_random", onerror=_keep, error=0)(on_random)
    return module


@cache
def error_text(status: int) -> str:
    """What the library calls an error."""
    module = library()
    return str(module.ffi.string(module.lib.raft_strerror(status)).decode())


def _method(ffi: Any, name: str, *, answers: bool) -> Callable[..., int | None]:
    from_handle = ffi.from_handle
    method = getattr(Backend, name)

    def done(handle: Any, *arguments: Any) -> int:
        method(from_handle(handle), *arguments)
        return 0

    def told(handle: Any, *arguments: Any) -> None:
        method(from_handle(handle), *arguments)

    return done if answers else told


def _keep(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    errors.append(error)


def raise_errors() -> None:
    """Raise the first exception of the callbacks of the last call, if there was one."""
    if errors:
        first = errors[0]
        errors.clear()
        raise first
