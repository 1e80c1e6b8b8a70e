"""Finds systems, workloads, nemeses and checkers by name.

A name is an entry point of the groups below, so that an installed package adds to splitbrain
without any edit here, or a reference `package.module:attribute`, which needs no installation: the
module may lie in the current folder. A system that comes in several releases has a class method
`at_release`, and a name for each of them: its own and the release, such as `pysyncobj-0.3.14`.

>>> load("system", "raft").name
'raft'
>>> load("nemesis", "partion")
Traceback (most recent call last):
    ...
harness.errors.UsageError: There is no nemesis called 'partion'. Did you mean 'partition'?...
>>> load("checker", "systems.raft:Raft")
Traceback (most recent call last):
    ...
harness.errors.UsageError: 'systems.raft:Raft' is no checker: a checker is a class with check.
Usually it is another attribute of its module that was meant.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from harness.errors import UsageError, unknown_name

GROUPS: Mapping[str, str] = {
    "system": "splitbrain.systems",
    "workload": "splitbrain.workloads",
    "nemesis": "splitbrain.nemeses",
    "checker": "splitbrain.checkers",
    "online": "splitbrain.online",
}

#: What the class behind a reference must have, by kind; its base says the rest.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "system": ("unavailable", "node", "connect"),
    "workload": ("generator", "invoke", "checkers"),
    "nemesis": ("generator", "final", "resolve"),
    "checker": ("check",),
}


@cache
def _entries(kind: str) -> Mapping[str, EntryPoint]:
    found = entry_points(group=GROUPS[kind])
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def names(kind: str) -> list[str]:
    """All registered names of a kind ("system", "workload", ...; see `GROUPS`), sorted."""
    return list(_entries(kind))


def load(kind: str, name: str) -> Any:
    """The object registered as `name`, or the attribute that `module:attribute` refers to.

    Raises UsageError, with what there is, if there is no such thing.
    """
    entry = _entries(kind).get(name)
    if entry is not None:
        return entry.load()
    if ":" in name:
        return _of_kind(kind, name, by_reference(kind, name, names(kind)))
    base, _, release = name.rpartition("-")
    entry = _entries(kind).get(base)
    if entry is not None and hasattr(several := entry.load(), "at_release"):
        return several.at_release(release)
    raise unknown_name(kind, name, names(kind))


def reference(kind: str, thing: Any) -> str:
    """A name under which `load` finds `thing` again.

    Raises UsageError for a thing that no module holds, such as a class inside a function, since
    its runs could not be replayed.
    """
    if isinstance(thing, str):
        return thing
    for name, entry in _entries(kind).items():
        if entry.value == f"{thing.__module__}:{thing.__qualname__}":
            return name
    if "<locals>" in thing.__qualname__:
        raise UsageError(
            f"{thing.__qualname__} is defined inside a function, so that a stored run could not "
            f"find it again. Define the {kind} at the top level of a module."
        )
    return f"{thing.__module__}:{thing.__qualname__}"


def by_reference(kind: str, name: str, registered: Iterable[str]) -> Any:
    """What the reference `package.module:attribute` refers to; `registered` is told in errors.

    Raises UsageError if there is no such module or attribute, or the module cannot be imported.

    The current folder is looked at after all others, as `python -m` would, and stays where modules
    are looked for: what was loaded may import its neighbours later.
    """
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"The {kind} {name!r} cannot be loaded: {error}. A reference has the form "
            "package.module:ClassName, and the module must be importable from here.\n"
            f"Registered are: {', '.join(registered)}."
        ) from error
    return found


def _of_kind(kind: str, name: str, found: Any) -> Any:
    """`found`, if it is a class that can be what it is taken for."""
    needed = _NEEDED.get(kind)
    if needed is None or (isinstance(found, type) and all(hasattr(found, it) for it in needed)):
        return found
    *rest, last = needed
    parts = f"{', '.join(rest)} and {last}" if rest else last
    raise UsageError(
        f"{name!r} is no {kind}: a {kind} is a class with {parts}.\n"
        "Usually it is another attribute of its module that was meant."
    )
