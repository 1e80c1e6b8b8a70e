"""Histories in which no client did anything: they hold nothing to judge, so nothing is passed.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> _ = recorder.append(time_ns=0, process="nemesis", type="info", f="start-kill", value="n1")
>>> print(nothing_to_judge("linearizability", recorder.history()).outcome)
skipped
>>> _ = recorder.append(time_ns=1, process=0, type="invoke", f="read")
>>> print(nothing_to_judge("linearizability", recorder.history()))
None

Limits: a key without operations, among others that have some, is no matter.
"""

from __future__ import annotations

from harness.history import INVOKE, History
from harness.verdict import Verdict


def nothing_to_judge(checker: str, history: History) -> Verdict | None:
    """The verdict `skipped` of `checker` if no client called anything, else None."""
    if (history.client_rows & (history.type == INVOKE)).any():
        return None
    return Verdict(
        checker=checker,
        outcome="skipped",
        reason="No client did anything that this check looks at, so there is nothing to judge.",
    )
