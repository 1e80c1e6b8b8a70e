"""What a search engine takes and answers, which ones there are, and how a long search is stopped.

Two engines decide the same question and give the same verdicts:

    native      the C kernel, when the package was built with a compiler
    reference   plain Python, some hundred times slower; small and easy to trust

A third, `porcupine`, is another checker altogether, in `checkers.porcupine`.

Work is limited by a number of configurations, so that a verdict does not depend on how fast the
machine is. A deadline can be set beside it, for people who are waiting.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from checkers.linearizability.problem import Problem

Answer = Literal["legal", "illegal", "unknown"]
Method = Literal["search", "unique"]
Reason = Literal["", "budget", "stopped", "memory"]
EngineName = Literal["native", "reference", "porcupine"]
Abort = NDArray[np.int32]
T = TypeVar("T")

POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`configurations` bounds the work; `memory_bytes` what the kernel may hold at any time (the
    reference engine has no such bound). For tests, `rules` switches rules of the kernel off, and
    `patience` is how many configurations per operation it spends before it looks further ahead."""

    configurations: int
    memory_bytes: int = 1 << 30
    rules: int = -1
    patience: int = 4


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about a problem.

    `key` is the illegal key, or the first that is undecided; `operation` the one whose return no
    order of the illegal key's operations gets past. Just before that return the key is surely legal
    if `legal_before`, and with it surely illegal if `illegal_with`; at least one of them is true.
    `order` explains a legal problem, if asked for: all operations of key 0 that take effect, then
    those of key 1, and so on. `method` is "unique" if no search was needed, because the values of
    the key, or of all keys, are written once; `witness` then names operations to blame, a few of
    them if there are many.
    """

    answer: Answer
    reason: Reason = ""
    key: int = -1
    operation: int = -1
    legal_before: bool = False
    illegal_with: bool = False
    configurations: int = 0
    memory_bytes: int = 0
    order: tuple[int, ...] = ()
    method: Method = "search"
    witness: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The states that are possible just before an operation returns.

    Each state is given by the operations that lead to it: the last that set it whatever it was
    before, and those that built on it. If `complete` is false there may be more states.
    """

    recipes: tuple[tuple[int, ...], ...]
    complete: bool


class Engine(Protocol):
    """Decides problems. Calls are independent of each other and may run in parallel."""

    name: EngineName
    default_configurations: int

    def check(
        self, problem: Problem, limits: Limits, abort: Abort, *, with_order: bool = False
    ) -> Outcome:
        """Whether each key of `problem` is linearizable; `abort[0] != 0` stops the search."""

    def frontier(self, problem: Problem, operation: int, limits: Limits, abort: Abort) -> Frontier:
        """The states that are possible just before `operation` returns."""


def find_engine(name: EngineName | None) -> Engine:
    """The engine called `name`; None means the native one, or the reference one without it.

    The first fall-back of a process is announced by a RuntimeWarning.
    """
    from checkers.linearizability.reference import ReferenceEngine

    if name == "reference":
        return ReferenceEngine()
    try:
        from checkers.linearizability.native import NativeEngine
    except ImportError as missing:
        if name == "native":
            raise
        _warn_once(str(missing))
        return ReferenceEngine()
    return NativeEngine()


_warned = threading.Event()


def _warn_once(cause: str) -> None:
    if not _warned.is_set():
        _warned.set()
        warnings.warn(
            f"The native linearizability kernel is not there ({cause}), so the reference engine "
            "checks, some hundred times slower and with a smaller budget.\nUsually there was no C "
            "compiler at installation: install one (such as gcc) and install splitbrain again.",
            RuntimeWarning,
            stacklevel=3,
        )


def interruptible(call: Callable[[Abort], T], *, deadline_s: float | None = None) -> T:
    """`call(abort)` in a thread of its own, so that Ctrl-C and the deadline get through.

    Sets `abort[0]` when `deadline_s` seconds are over, or before an exception such as
    KeyboardInterrupt goes on; the call must then return soon, and is waited for.
    """
    abort = np.zeros(1, dtype=np.int32)
    box: dict[str, Any] = {}
    done = threading.Event()  # and not join: Ctrl-C in a join can pass for the end of the thread

    def work() -> None:
        try:
            box["result"] = call(abort)
        except BaseException as error:
            box["error"] = error
        finally:
            done.set()

    end = None if deadline_s is None else time.monotonic() + deadline_s
    thread = threading.Thread(target=work, name="linearizability", daemon=True)
    try:
        thread.start()
        while not done.wait(POLL_S):
            if end is not None and time.monotonic() > end:
                abort[0] = 1
    finally:
        abort[0] = 1
        if thread.ident is not None:  # else Ctrl-C came before it began, and it ends at once
            done.wait()
            thread.join()
    if "error" in box:
        raise box["error"]
    result: T = box["result"]
    return result
