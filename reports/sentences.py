"""One call in words: a label for a bar, a sentence for a reader.

Nothing is known here about what functions mean. A call shows what it asked and, if that differs,
what it was answered: `write 9`, `read → 7`, `txn [...] → [...]`.

>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for time_ns, type, value in [(1_000_000, "invoke", None), (9_000_000, "ok", 7)]:
...     _ = recorder.append(time_ns=time_ns, process=3, type=type, f="read", value=value)
>>> calls = Calls.of(recorder.history())
>>> call_label(calls, 0)
'read → 7'
>>> call_sentence(calls, 0, origin_ns=0)
'Process 3 called read at 0.001 s; it answered 7 at 0.009 s, 8 ms later.'
"""

from __future__ import annotations

from harness.history import FAIL, OK
from reports.calls import OPEN, Calls
from reports.wording import duration_text, moment_text, value_text, visible

#: Functions whose answer is their point, even where every answer is null.
_READING = frozenset({"read", "get", "dequeue", "poll", "pop", "lookup"})


def call_label(calls: Calls, place: int, *, with_key: bool = True) -> str:
    """A call in few words: `write 9`, `read → 7`, `cas [1, 2] on "x"`."""
    history = calls.history
    name, asked, answered = _parts(calls, place)
    text = name + ("" if asked is None else f" {asked}")
    text += "" if answered is None else f" → {answered}"
    key = int(history.key[calls.row[place]])
    return f"{text} on {value_text(history.keys[key], 40)}" if with_key and key > 0 else text


def call_sentence(
    calls: Calls, place: int, *, origin_ns: int, decimals: int = 3, with_key: bool = True
) -> str:
    """A call as one sentence: who asked what when, and what came of it."""
    history, row = calls.history, int(calls.row[place])
    name, asked, answered = _parts(calls, place)
    key = int(history.key[row])
    on_key = f" on {value_text(history.keys[key], 60)}" if with_key and key > 0 else ""
    argument = "" if asked is None else f" {asked}"
    started = _moment(calls, int(calls.start_ns[place]), row, origin_ns, decimals)
    head = f"Process {int(calls.process[place])} called {name}{argument}{on_key} {started}"
    if calls.outcome[place] == OPEN:
        return f"{head} and had no answer to the end: it may have happened at any time."
    done = int(calls.completion[place])
    ended = _moment(calls, int(calls.end_ns[place]), done, origin_ns, decimals)
    took = int(calls.end_ns[place] - calls.start_ns[place])
    later = f", {duration_text(took)} later" if calls.timed else ""
    error = history.errors.get(done)
    why = f" ({value_text(error)})" if error is not None else ""
    if calls.outcome[place] == OK:
        answer = "it was acknowledged" if answered is None else f"it answered {answered}"
        return f"{head}; {answer} {ended}{later}."
    if calls.outcome[place] == FAIL:
        return f"{head}; it failed {ended}{later}{why}: it surely did not happen."
    return (
        f"{head}; its outcome was still unknown {ended}{later}{why}: "
        "it may have happened at any time since it was called."
    )


def _parts(calls: Calls, place: int) -> tuple[str, str | None, str | None]:
    """Function, what was asked and what was answered; None where there is nothing to say."""
    history, row = calls.history, int(calls.row[place])
    name = history.functions[history.f[row]]
    asked, done = int(history.value[row]), int(calls.completion[place])
    asked_text = None if history.values[asked] is None else value_text(history.values[asked])
    if calls.outcome[place] != OK:
        return visible(name, 60), asked_text, None
    answered = int(history.value[done])
    if answered == asked and not (asked_text is None and name in _READING):
        return visible(name, 60), asked_text, None
    return visible(name, 60), asked_text, value_text(history.values[answered])


def _moment(calls: Calls, time_ns: int, row: int, origin_ns: int, decimals: int) -> str:
    if not calls.timed:
        return f"in row {row}"
    return f"at {moment_text(time_ns - origin_ns, decimals)}"
