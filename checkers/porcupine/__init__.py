"""Porcupine, the Go library that others use to check linearizability, as a second opinion.

It answers the same question as `checkers.linearizability` and shares no search with it: an oracle
for tests, and the anchor of benchmarks. It is optional; `available` says whether it was built and
how to. With it built (`make porcupine`):

    >>> from checkers.notation import parse
    >>> checker = Porcupine("register")
    >>> checker.check(parse("0w1 1w2 0. 1. 0r=1")).outcome             # doctest: +SKIP
    'pass'
    >>> verdict = checker.check(parse("0w1. 1w2 0r=1 1. 0r=1"))        # doctest: +SKIP
    >>> print(verdict.reason)                                          # doctest: +SKIP
    Not linearizable: no order explains the 4 operations up to row 7, in which process 0's read
    ends as ok with 1.
    >>> checker.check_timed(parse("0w1. 1r=1"))                        # doctest: +SKIP
    ('pass', 0.04)

The rooms: `request` says what is asked, `process` keeps the worker processes that load the library
(`worker`), `witness` narrows a failure down, `library` and `build` get the library; the Go code is
in go/.

Limits: it can be bounded by time and memory only, so that `unknown` depends on the machine. A
history with a few operations that never ended is easily too much for it, more so if it is illegal.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from checkers.idle import nothing_to_judge
from checkers.linearizability.encoding import FailedCas, encode
from checkers.linearizability.models import OPEN, find_model
from checkers.linearizability.problem import Problem
from checkers.porcupine.library import LIBRARY, Status, status_of
from checkers.porcupine.process import Answer, Decision, decide
from checkers.porcupine.request import Request
from checkers.porcupine.witness import describe, narrow
from checkers.words import all_of
from harness.errors import UsageError
from harness.history import History
from harness.verdict import Checker, Outcome, Verdict

__all__ = ["MODELS", "Porcupine", "Status", "available"]

#: The models there is Go code for. (A mutex is a register with compare-and-set.)
MODELS: Final = ("cas-register", "kv-append", "mutex", "register")

_OUTCOMES: Final[dict[Answer, Outcome]] = {
    "legal": "pass",
    "illegal": "fail",
    "unknown": "unknown",
}
#: Narrowing a failure down may take this long, or twice what the verdict took if that is more.
_NARROW_S = 2.0
_SMALLEST_MEMORY_BYTES = 64 << 20


def available(library: Path | None = None) -> Status:
    """Whether Porcupine can be used: true, or false with what is missing and the cure in words."""
    return status_of(library or LIBRARY)


class Porcupine(Checker):
    """Checks with Porcupine that each key of a history is linearizable.

    - `model`: one of `MODELS`.
    - `initial`, `failed_cas`: as in `checkers.linearizability.Linearizability`.
    - `timeout_s`: seconds for one check; more ends in `unknown`. None means no limit.
    - `memory_bytes`: what the process that does it may occupy; more ends in `unknown`.
    - `library`: the built Go library; None means the one in this package.

    Raises UsageError on a model that Porcupine has no Go code for or a senseless bound, and from
    `check` if the library was not built or the history does not fit the model.
    """

    name = "porcupine"

    def __init__(
        self,
        model: str = "cas-register",
        *,
        initial: Any = None,
        timeout_s: float | None = 60.0,
        memory_bytes: int = 4 << 30,
        failed_cas: FailedCas = "mismatch-unless-error",
        library: Path | None = None,
    ) -> None:
        self.model = find_model(model)
        if model not in MODELS:
            raise UsageError(
                f"Porcupine has no model {model!r} here, although other engines do.\n"
                f"Available with Porcupine: {', '.join(MODELS)}."
            )
        if timeout_s is not None and not 0 < timeout_s < 1e9:
            raise UsageError(f"A timeout of {timeout_s} s: it must be more than 0, or None.")
        if memory_bytes < _SMALLEST_MEMORY_BYTES:
            raise UsageError(
                f"memory_bytes={memory_bytes} is too little to begin with; give at least "
                f"{_SMALLEST_MEMORY_BYTES}."
            )
        self.initial = initial
        self.timeout_s = timeout_s
        self.memory_bytes = memory_bytes
        self.failed_cas: FailedCas = failed_cas
        self.library = library or LIBRARY

    def check(self, history: History) -> Verdict:
        """The verdict, with the smallest illegal part that Porcupine found as the witness."""
        problem = self._encoded(history)
        if idle := nothing_to_judge(self.name, history):
            return idle
        request = Request.of(problem)
        decision = self.decide(request)
        porcupine, _, go = decision.versions.partition(" ")
        details = {
            "model": self.model.name,
            "engine": "porcupine",
            "operations": len(problem),
            "keys": len(problem.key_ids),
            "open_operations": int((problem.operations["outcome"] == OPEN).sum()),
            "porcupine": porcupine,
            "go": go,
        }
        witness = None
        if decision.answer == "illegal":
            part, shortest = narrow(request, self._asking_again(decision))
            reason, witness = describe(history, problem, part, shortest=shortest)
        elif decision.answer == "legal":
            keys = f" on {len(problem.key_ids):,} keys" if len(problem.key_ids) > 1 else ""
            reason = f"Linearizable, says Porcupine, {all_of(len(problem), 'operation')}{keys}."
        else:
            reason = self._undecided(problem, decision)
        return Verdict(
            checker=self.name,
            outcome=_OUTCOMES[decision.answer],
            reason=reason,
            witness=witness,
            could_not_detect=_could_not_detect(details) if witness is None else (),
            details=details,
        )

    def check_timed(self, history: History) -> tuple[Outcome, float]:
        """The outcome, and the milliseconds that Porcupine's own function took, on a cleared heap.

        Not counted: reading the history, handing it over, and starting a worker. If the worker had
        to be killed, the time until then.
        """
        decision = self.decide(Request.of(self._encoded(history)), collect_garbage=True)
        return _OUTCOMES[decision.answer], decision.elapsed_ns / 1e6

    def decide(
        self,
        request: Request,
        *,
        timeout_s: float | None = None,
        collect_garbage: bool = False,
    ) -> Decision:
        """Porcupine's answer about `request`; `timeout_s` None means that of the checker."""
        return decide(
            self.library,
            request,
            timeout_s=self.timeout_s if timeout_s is None else timeout_s,
            memory_bytes=self.memory_bytes,
            collect_garbage=collect_garbage,
        )

    def _encoded(self, history: History) -> Problem:
        return encode(history, self.model, initial=self.initial, failed_cas=self.failed_cas)

    def _asking_again(self, decision: Decision) -> Any:
        """What `narrow` asks: bounded by what the verdict took, and by the timeout, in all."""
        budget_s = max(_NARROW_S, 2 * decision.elapsed_ns / 1e9)
        end = time.monotonic() + min(budget_s, self.timeout_s or budget_s)

        def ask(part: Request) -> Answer:
            left_s = end - time.monotonic()
            return self.decide(part, timeout_s=left_s / 2).answer if left_s > 0 else "unknown"

        return ask

    def _undecided(self, problem: Problem, decision: Decision) -> str:
        because = {
            "timeout": f"Porcupine took more than {self.timeout_s:g} s (option `timeout_s`)",
            "memory": f"Porcupine occupied more than {self.memory_bytes:,} bytes "
            "(option `memory_bytes`)",
            "died": decision.words,
        }[decision.why]
        return (
            f"Undecided: {len(problem):,} operations have no answer, because {because}. Allow "
            "more, or take the native engine, which needs far less of both."
        )


def _could_not_detect(details: dict[str, Any]) -> tuple[str, ...]:
    blind = []
    if details["open_operations"]:
        blind.append(
            f"{details['open_operations']:,} operations have no known outcome; each may explain an "
            "answer that is wrong"
        )
    if details["keys"] > 1:
        blind.append("each key was checked on its own: no promise across keys")
    blind.append("operations that failed are taken not to have happened")
    blind.append("only answers that clients saw count, not what replicas hold")
    return tuple(blind)
