"""Linearizability: is there one order of all operations that explains every answer?

    0   ──[ write 1 ]───────────────[ read -> 1 ]──        legal:   write 2, write 1, read 1
    1   ───────[ write 2 ]─────────────────────────

The order must keep real time: what ended before another began comes first. An operation whose
answer never came may take effect at any later time, or never.

>>> from checkers.notation import parse
>>> Linearizability(model="register").check(parse("0w1 1w2 0. 1. 0r=1")).outcome
'pass'
>>> verdict = Linearizability(model="register").check(parse("0w1. 1w2 0r=1 1. 0r=1"))
>>> print(verdict.reason)
Not linearizable: process 0 read 1 at 0.004 s, which no order of the 4 operations up to then
explains; the register could only hold 2.
>>> verdict.witness["rows"], verdict.witness["possible_states"]
([0, 1, 2, 5, 6, 7], [2])
>>> verdict.witness["conclusion"]
'1 was read at 0.004 s, after 2 had been acknowledged at 0.003 s.'

The rooms: `models` says what objects there are, and `model` how to write another. `encoding` and
`columns` turn a history into a `problem` in numbers, an `engine` decides it (`native`, the C
kernel, or `reference`, plain Python, which knows every model). A pass carries an order that
`certificate` replays. A failure carries a `core` of few operations, found by `explain` and told by
`story`; `story.tell` draws it.

Limits: every key is an object of its own, so a promise across keys is not checked. The question is
NP-complete; a check that takes more than its budget of configurations answers `unknown`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from checkers.idle import nothing_to_judge
from checkers.linearizability.codes import OPEN
from checkers.linearizability.encoding import FailedCas, encode
from checkers.linearizability.engine import (
    Abort,
    Engine,
    EngineName,
    Limits,
    Outcome,
    find_engine,
    interruptible,
)
from checkers.linearizability.explain import Explanation, explain
from checkers.linearizability.model import Call, Model, shown
from checkers.linearizability.models import MODELS, resolve
from checkers.linearizability.problem import Problem
from checkers.words import all_of
from harness.errors import UsageError, unknown_name
from harness.history import History
from harness.verdict import Checker, Verdict

__all__ = ["MODELS", "Call", "Linearizability", "Model"]

#: Problems up to this size get a first, short search in the caller's thread: starting another
#: thread takes longer than most checks.
_SMALL_OPERATIONS = 20_000
_SHORT_CONFIGURATIONS = 20_000
_SMALLEST_MEMORY_BYTES = 1 << 20
_NEVER_ABORT: Final[Abort] = np.zeros(1, dtype=np.int32)
_NEVER_ABORT.flags.writeable = False


class Linearizability(Checker):
    """Checks that each key of a history is linearizable.

    - `model`: a name such as "cas-register" (all are in `models`), `package.module:ClassName`, or a
      model of your own (see `model`).
    - `initial`: what every key starts as; None means nil, "" for texts, "free" for a mutex.
    - `engine`: "native" or "reference"; None takes the native one if it was built. "porcupine" asks
      the Go library instead, if that was built; see `checkers.porcupine`.
    - `budget`: configurations that may be explored, over all keys; None means 20,000,000
      (native: some five seconds) or 300,000 (reference: about as long). More ends in `unknown`.
      On texts, and with many open operations, one may take far longer than another; there the
      native engine counts it by what it looks at.
    - `memory_bytes`: what the native kernel may hold at once; more ends in `unknown`.
    - `deadline_s`: seconds after which to give up with `unknown`. None, the default, keeps the
      verdict independent of the machine's speed; Porcupine, which counts no work, then takes 60.
    - `failed_cas`: what a failed compare-and-set says; see `encoding.FailedCas`. By default, one
      that gives no error has seen another value than it compared with.
    - `certificate_operations`: a pass about at most this many operations carries the order that
      explains them, as `witness["linearization"]`, for `certificate.verify`. Verdicts about more
      stay small; ask `linearization` for their order.

    A history in which no client did anything is `skipped`.

    Raises UsageError on an unknown model or engine or a senseless bound, and from `check` if the
    history has operations that the model does not know.
    """

    name = "linearizability"

    def __init__(
        self,
        model: str | Model | Any = "cas-register",
        *,
        initial: Any = None,
        engine: EngineName | None = None,
        budget: int | None = None,
        memory_bytes: int = 1 << 30,
        deadline_s: float | None = None,
        failed_cas: FailedCas = "mismatch-unless-error",
        certificate_operations: int = 1000,
    ) -> None:
        _refuse_nonsense(engine, budget, memory_bytes, failed_cas)
        self.model = resolve(model)
        self.initial = initial
        self.engine = engine
        self.budget = budget
        self.memory_bytes = memory_bytes
        self.deadline_s = deadline_s
        self.failed_cas: FailedCas = failed_cas
        self.certificate_operations = certificate_operations

    def check(self, history: History) -> Verdict:
        if self.engine == "porcupine":
            return self._asked_elsewhere(history)
        problem = encode(history, self.model, initial=self.initial, failed_cas=self.failed_cas)
        if idle := nothing_to_judge(self.name, history):
            return idle
        engine = self._engine_for(problem)
        limits = self._limits(engine)
        with_order = len(problem) <= self.certificate_operations
        outcome = decide(problem, engine, limits, deadline_s=self.deadline_s, with_order=with_order)
        details = {
            "model": self.model.name,
            "engine": engine.name,
            "method": outcome.method,
            "operations": len(problem),
            "keys": _key_count(problem),
            "open_operations": int((problem.operations["outcome"] == OPEN).sum()),
            "configurations": outcome.configurations,
            "budget": limits.configurations,
            "memory_bytes": outcome.memory_bytes,
        }
        if outcome.answer == "illegal":
            told = self._explained(history, problem, outcome, engine, limits)
            return Verdict(
                checker=self.name,
                outcome="fail",
                reason=told.sentence,
                witness=told.witness(history),
                details={**details, "prefix_operations": len(told.prefix)},
            )
        legal = outcome.answer == "legal"
        return Verdict(
            checker=self.name,
            outcome="pass" if legal else "unknown",
            reason=_legal(problem) if legal else self._unknown(history, problem, outcome, limits),
            witness=_certificate(problem, outcome) if legal and with_order else None,
            could_not_detect=_could_not_detect(problem),
            details=details,
        )

    def linearization(self, history: History) -> NDArray[np.int64] | None:
        """The rows of calls in an order that explains `history`, for `certificate.verify`.

        None if there is no order, or none was found within the budget. 8 bytes an operation.
        """
        problem = encode(history, self.model, initial=self.initial, failed_cas=self.failed_cas)
        engine = self._engine_for(problem)
        limits = self._limits(engine)
        outcome = decide(problem, engine, limits, deadline_s=self.deadline_s, with_order=True)
        return problem.call_row[list(outcome.order)] if outcome.answer == "legal" else None

    def _engine_for(self, problem: Problem) -> Engine:
        # models in Python have no numbers that the kernel could work on
        return find_engine("reference" if problem.kind == "python" else self.engine)

    def _limits(self, engine: Engine) -> Limits:
        return Limits(
            configurations=self.budget or engine.default_configurations,
            memory_bytes=self.memory_bytes,
        )

    def _asked_elsewhere(self, history: History) -> Verdict:
        from checkers.porcupine import Porcupine  # it stands on this package

        porcupine = Porcupine(
            self.model.name,
            initial=self.initial,
            timeout_s=self.deadline_s or 60.0,
            failed_cas=self.failed_cas,
        )
        return replace(porcupine.check(history), checker=self.name)

    def _explained(
        self, history: History, problem: Problem, outcome: Outcome, engine: Engine, limits: Limits
    ) -> Explanation:
        def work(abort: Abort) -> Explanation:
            return explain(history, problem, outcome, engine, limits, abort)

        return interruptible(work, deadline_s=self.deadline_s)

    def _unknown(self, history: History, problem: Problem, outcome: Outcome, limits: Limits) -> str:
        which = "The history"
        if outcome.key >= 0 and _key_count(problem) > 1:
            which = f"Key {shown(history.keys[int(problem.key_ids[outcome.key])])}"
        count = int((problem.operations["key"] == max(outcome.key, 0)).sum())
        ran_out = {
            "budget": f"the budget of {limits.configurations:,} configurations was used up "
            "(option `budget`)",
            "memory": f"the search needed more than {limits.memory_bytes:,} bytes "
            "(option `memory_bytes`)",
            "stopped": f"the deadline of {self.deadline_s} s came (option `deadline_s`)",
        }[outcome.reason]
        return (
            f"Undecided: {which}, {count:,} operations, has no answer after "
            f"{outcome.configurations:,} configurations, because {ran_out}. Allow more, or make "
            "the question easier: more keys with fewer operations each, fewer clients at once, "
            "shorter runs, or written values that are all different."
        )


def decide(
    problem: Problem,
    engine: Engine,
    limits: Limits,
    *,
    deadline_s: float | None = None,
    with_order: bool = False,
) -> Outcome:
    """The engine's answer; Ctrl-C and the deadline work meanwhile."""
    if len(problem) <= _SMALL_OPERATIONS:
        configurations = min(limits.configurations, _SHORT_CONFIGURATIONS)
        short = replace(limits, configurations=configurations)
        outcome = engine.check(problem, short, _NEVER_ABORT, with_order=with_order)
        if outcome.reason != "budget" or short == limits:
            return outcome
    return interruptible(
        lambda abort: engine.check(problem, limits, abort, with_order=with_order),
        deadline_s=deadline_s,
    )


def _refuse_nonsense(
    engine: str | None, budget: int | None, memory_bytes: int, failed_cas: str
) -> None:
    if engine is not None and engine not in get_args(EngineName):
        raise unknown_name("engine", str(engine), get_args(EngineName))
    if engine == "porcupine" and budget is not None:
        raise UsageError(
            f"A budget of {budget} configurations: Porcupine counts no configurations. Bound it by "
            "time (option `deadline_s`), or take the native engine."
        )
    if failed_cas not in get_args(FailedCas):
        raise unknown_name("meaning of a failed cas", failed_cas, get_args(FailedCas))
    if budget is not None and not 0 < budget < 1 << 60:
        raise UsageError(f"A budget of {budget} configurations: it must be 1 or more.")
    if memory_bytes < _SMALLEST_MEMORY_BYTES:
        raise UsageError(
            f"memory_bytes={memory_bytes} is too little to begin with; give at least "
            f"{_SMALLEST_MEMORY_BYTES}."
        )


def _certificate(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    return {"linearization": problem.call_row[list(outcome.order)].tolist()}


def _key_count(problem: Problem) -> int:
    count = len(problem.key_ids)
    return len(np.unique(problem.key_ids)) if count > 1 else count  # parts share an identifier


def _legal(problem: Problem) -> str:
    keys = _key_count(problem)
    of = f" on {keys:,} keys" if keys > 1 else ""
    return f"Linearizable: some order explains {all_of(len(problem), 'operation')}{of}."


def _could_not_detect(problem: Problem) -> tuple[str, ...]:
    """What a pass leaves open, most important first."""
    blind = []
    open_count = int((problem.operations["outcome"] == OPEN).sum())
    if open_count:
        blind.append(
            f"operations without a known outcome: {open_count:,}; each may explain an answer that "
            "is wrong, so the check is weaker the more there are"
        )
    if _key_count(problem) > 1:
        blind.append("each key was checked on its own: no promise across keys")
    blind.append("operations that failed are taken not to have happened")
    blind.append("only answers that clients saw count, not what replicas hold")
    return tuple(blind)
