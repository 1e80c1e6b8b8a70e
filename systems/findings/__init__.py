"""Defects found in code that nobody here wrote: what was seen, where, and how to see it again.

Adapters to foreign systems list theirs as `FINDINGS` in a module `findings` of their own; the page
docs/findings.md is made from these lists, and `python -m systems.findings --check` carries out the
command of each to see that its finding is still there.

>>> found = Finding(
...     name="two-leaders",
...     system="example",
...     version="1.0",
...     seen_in="seed 7, three nodes, all of which crash at once",
...     what="Two nodes lead the same term.",
...     command="splitbrain run example --nemesis kill-all --seed 7",
...     shows="election-safety",
... )
>>> found.upstream is None
True
>>> Finding(**{**vars(found), "shows": ""})
Traceback (most recent call last):
    ...
harness.errors.UsageError: The finding 'two-leaders' has no `shows`...
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.errors import UsageError

__all__ = ["Finding"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One defect of one version.

    `seen_in` says in words which seed or which scripted scenario shows it, and under what faults;
    `what` tells what is seen, for someone who knows the algorithm but not this code. `command` is
    to be typed in a shell, in the project's folder; it must fail (exit code 1) with the text
    `shows` in its output. `upstream` names the issue, pull request or version that deals with it;
    None where we know of none.
    """

    name: str
    system: str
    version: str
    seen_in: str
    what: str
    command: str
    shows: str
    upstream: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) == "":
                raise UsageError(
                    f"The finding {self.name!r} has no `{field.name}`. A page of findings is only "
                    "worth reading if each of them can be seen again."
                )
