"""Errors that teach: what happened, what it usually means, what was available instead.

Every mistake a user can make ends in a `UsageError` whose text says how to go on.

>>> try:
...     raise unknown_name("nemesis", "partion", ["kill", "partition", "pause"])
... except UsageError as error:
...     print(error)
There is no nemesis called 'partion'. Did you mean 'partition'?
Available: kill, partition, pause.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SplitbrainError(Exception):
    """The root of all errors that splitbrain raises on purpose."""


class UsageError(SplitbrainError):
    """A bad argument: the command line ends with exit code 254."""


class MalformedHistory(UsageError):
    """A history file that does not follow its format; the text names line and column."""


class PairingError(UsageError):
    """A history whose operations contradict each other, such as two open calls of one process."""


def root_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error in `group`, or else `group`: trio wraps even a single error of a nursery."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def unknown_name(kind: str, name: str, available: Iterable[str]) -> UsageError:
    """An error for a `name` that no `kind` (such as "system") has, with the nearest real names."""
    names = sorted(set(available))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return UsageError(
        f"There is no {kind} called {name!r}.{hint}\nAvailable: {', '.join(names) or 'none'}."
    )
