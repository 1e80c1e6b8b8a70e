"""Catches node code that asks the real world for the time or for randomness.

While a simulation runs, the functions below are replaced by ones that raise `Nondeterminism` if
they are called from inside a node (and work as ever elsewhere). A node module that has bound one
of them by name (`from time import monotonic`) is found when the world is made.

Limits: methods of C types such as `datetime.now` cannot be replaced; the conformance kit finds
them in the source text instead.

>>> import time
>>> with guarded():
...     with inside_node():
...         time.time()
Traceback (most recent call last):
    ...
harness.simulation.guard.Nondeterminism: A node called time.time() while it was being simulated...
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from harness.simulation.failure import Misuse

_CLOCK = "use context.clock.monotonic_ns() or wall_ns(), and context.set_timer to wait"
_ENTROPY = "use context.rng, which the seed of the run decides"

_FORBIDDEN: tuple[tuple[ModuleType, str, tuple[str, ...]], ...] = (
    (
        time,
        _CLOCK,
        (
            *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
            *("process_time", "process_time_ns", "sleep"),
        ),
    ),
    (
        random,
        _ENTROPY,
        (
            *("random", "uniform", "triangular", "randint", "randrange", "choice", "choices"),
            *("sample", "shuffle", "getrandbits", "randbytes", "gauss", "normalvariate"),
            *("expovariate", "betavariate", "gammavariate", "lognormvariate", "paretovariate"),
        ),
    ),
    (os, _ENTROPY, ("urandom", "getrandom")),
    (uuid, _ENTROPY, ("uuid1", "uuid4")),
    (
        secrets,
        _ENTROPY,
        ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "randbits", "choice"),
    ),
)

#: The forbidden functions by identity: a node module may not hold one of them by name.
_BOUND = {
    id(getattr(module, name)): (f"{module.__name__}.{name}", cure)
    for module, cure, names in _FORBIDDEN
    for name in names
    if hasattr(module, name)
}


class Nondeterminism(Misuse):
    """Node code reached for something that differs from run to run."""


_inside: set[int] = set()
_installed = 0
_lock = threading.Lock()
_originals: list[tuple[ModuleType, str, Callable[..., Any]]] = []


def _complaint(name: str, cure: str) -> str:
    return (
        f"A node called {name}() while it was being simulated. That makes runs unrepeatable: the "
        f"same seed would give another history. Instead, {cure}."
    )


def _replacement(name: str, original: Callable[..., Any], cure: str) -> Callable[..., Any]:
    def guarded_function(*args: Any, **kwargs: Any) -> Any:
        if _inside and threading.get_ident() in _inside:
            raise Nondeterminism(_complaint(name, cure))
        return original(*args, **kwargs)

    guarded_function.__name__ = original.__name__
    return guarded_function


@contextmanager
def guarded() -> Iterator[None]:
    """Put the replacements in place; nests, and may be used by several threads."""
    global _installed
    with _lock:
        _installed += 1
        if _installed == 1:
            for module, cure, names in _FORBIDDEN:
                for name in names:
                    original = getattr(module, name, None)
                    if original is None:  # os.getrandom is not on every platform
                        continue
                    _originals.append((module, name, original))
                    label = f"{module.__name__}.{name}"
                    setattr(module, name, _replacement(label, original, cure))
    try:
        yield
    finally:
        with _lock:
            _installed -= 1
            if _installed == 0:
                for module, name, original in _originals:
                    setattr(module, name, original)
                _originals.clear()


@contextmanager
def inside_node() -> Iterator[None]:
    """What runs in here, in this thread, is node code. The world calls `enter` and `leave`."""
    enter()
    try:
        yield
    finally:
        leave()


def enter() -> None:
    """From now on this thread runs node code."""
    _inside.add(threading.get_ident())


def leave() -> None:
    """This thread is back in the harness."""
    _inside.discard(threading.get_ident())


def is_inside() -> bool:
    """Whether this thread runs node code."""
    return threading.get_ident() in _inside


def check_module(module: ModuleType) -> None:
    """Raise `Nondeterminism` if `module` has bound a forbidden function by name.

    >>> import types
    >>> bad = types.ModuleType("bad")
    >>> bad.now = time.monotonic
    >>> check_module(bad)
    Traceback (most recent call last):
        ...
    harness.simulation.guard.Nondeterminism: Module bad holds time.monotonic as 'now'...
    """
    for held_as, value in vars(module).items():
        found = _BOUND.get(id(value))
        if found is not None:
            name, cure = found
            raise Nondeterminism(
                f"Module {module.__name__} holds {name} as {held_as!r}, which no simulation can "
                f"replace. In node code, {cure}."
            )
