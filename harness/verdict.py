"""What a check concludes: pass, fail, unknown or skipped, and why.

`unknown` (the check ran out of budget) and `skipped` (it did not apply) are answers of their
own and are never folded into `pass`.

>>> worst([Verdict(checker="stats", outcome="pass", reason="all functions succeeded"),
...        Verdict(checker="linearizability", outcome="unknown", reason="out of budget")]).reason
'out of budget'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.history import History

Outcome = Literal["pass", "fail", "unknown", "skipped"]

#: From best to worst; the verdict of a whole run is its worst one (fail > unknown > skipped).
SEVERITY: Mapping[str, int] = {"pass": 0, "skipped": 1, "unknown": 2, "fail": 3}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer of one checker about one history.

    `reason` is one sentence in words for a reader who sees nothing else. `witness` is plain data
    (JSON-encodable) that can be checked again without the checker; its "rows" entry, if present,
    lists the history rows (indices) it is made of. `could_not_detect` says what this check cannot
    see even when it passes. `details` holds counts and measures, plain data.
    """

    checker: str
    outcome: Outcome
    reason: str
    witness: Mapping[str, Any] | None = None
    could_not_detect: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.outcome == "pass"


class Checker:
    """Decides something about a finished history. Subclasses are pure: same history, same verdict.

    The budget of a check counts work, never seconds, so that a verdict does not depend on the
    speed of the machine.
    """

    name: str = "checker"
    #: Whether a failure means nothing in a run that was ended before its time.
    needs_whole_run: bool = False

    def check(self, history: History) -> Verdict:
        """The verdict on `history`; must not change it."""
        raise NotImplementedError


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of `verdicts`, the first one among equals; `skipped` if there is none."""
    ranked = list(verdicts)
    if not ranked:
        return Verdict(checker="none", outcome="skipped", reason="no check was asked for")
    return max(ranked, key=lambda verdict: SEVERITY[verdict.outcome])
