"""Sequential consistency: is there one order of all operations on all keys that keeps the order of
each process and explains every read?

    0   w x=1   r y=nil              store buffering: each order that keeps both processes has a
    1   w y=2   r x=nil              write first, and then the read of the other process sees it

That is linearizability without real time (Lamport, "How to make a multiprocessor computer that
correctly executes multiprocess programs", 1979). A read may lag behind, or even see what nobody
else has yet written, as long as every process sees all keys go the same way. Other than
linearizability it does not compose: each key may be fine on its own, and the whole not.

    1. linearizable?            then sequentially consistent as well; the native kernel is fast
    2. rules (`saturation`)     what must come before what; a circle is a proof that there is no
                                order. Polynomial; exact about most histories with unique values
    3. search (`search`)        exact, within a budget of configurations

>>> from checkers.notation import parse
>>> SequentialConsistency().check(parse("0w1. 1r=nil 1r=1")).outcome
'pass'
>>> verdict = SequentialConsistency().check(parse("0w1@x. 0r@y=nil 1w2@y. 1r@x=nil"))
>>> verdict.outcome, verdict.witness["rows"]
('fail', [0, 1, 2, 3, 4, 5, 6, 7])
>>> print(verdict.reason)
Not sequentially consistent: process 0 read nil from 'y' at 0.001 s must come before process 1 wrote
2 to 'y' at 0.002 s (which replaced the initial value), that before process 1 read nil from 'x' at
0.003 s (one process did both), that before process 0 wrote 1 to 'x' at 0.000 s (which replaced the
initial value), and that before the first (one process did both). No order has such a circle.

Limits: registers only (read, write, cas, or get and put). What a failed compare-and-set saw is not
used. The question is NP-complete (Gibbons and Korach, "Testing shared memories", 1997): beyond the
budget the answer is `unknown`.
"""

from __future__ import annotations

from typing import Any, Final

from checkers.consistency.accesses import AMBIGUOUS, UNWRITTEN, Accesses, Unsuitable
from checkers.consistency.core import smallest
from checkers.consistency.precedence import Precedence
from checkers.consistency.saturation import saturated
from checkers.consistency.search import Found, Search
from checkers.consistency.words import circle, never_written, witness
from checkers.idle import nothing_to_judge
from checkers.linearizability import Linearizability
from checkers.words import all_of
from harness.errors import UsageError
from harness.history import History
from harness.verdict import Checker, Verdict

#: Processes that the search may look at if no budget is given; some five seconds.
DEFAULT_LOOKS: Final = 1_000_000

#: The largest search that each try for a smaller witness may cost.
_TRY_BUDGET: Final = 2_000


class SequentialConsistency(Checker):
    """Checks that a history of registers is sequentially consistent.

    - `initial`: what every key starts as (None: nil, or "" where there are get and put).
    - `budget`: configurations that the search may visit; more ends in `unknown`. None means
      1,000,000 by the number of processes, for a configuration takes as long as there are many.

    Each process is one session: a thread that goes on after an `info` is a new process, so that
    nothing is asked of the order between the two. Unanswered writes and compare-and-sets may have
    taken effect or not.

    Raises UsageError on a senseless budget, and from `check` on operations that are no register's.
    """

    name = "sequential"

    def __init__(self, *, initial: Any = None, budget: int | None = None) -> None:
        if budget is not None and budget < 1:
            raise UsageError(f"A budget of {budget} configurations: it must be 1 or more.")
        self.initial = initial
        self.budget = budget

    def check(self, history: History) -> Verdict:
        if idle := nothing_to_judge(self.name, history):
            return idle
        try:
            accesses = Accesses.of(history, initial=self.initial)
        except Unsuitable as misfit:
            return Verdict(checker=self.name, outcome="skipped", reason=str(misfit))
        for access in accesses.all:
            if accesses.happened[access.number] and accesses.source[access.number] == UNWRITTEN:
                told = never_written(accesses, access.number)
                return self._failed(accesses, [access.number], [told], told, "values")
        if is_linearizable(history, accesses):
            return self._passed(accesses, "linearizable", 0)
        graph = saturated(accesses)
        if graph.cycle:
            numbers, steps, sentence = circle(graph)
            return self._failed(accesses, numbers, steps, sentence, "rules")
        found = Search(accesses, graph.predecessors).run(self._budget(accesses))
        if found.answer == "none":
            return self._exhausted(accesses, graph, found)
        if found.answer == "order":
            return self._passed(accesses, "search", found.configurations)
        return self._undecided(accesses, graph, found)

    def _budget(self, accesses: Accesses) -> int:
        return self.budget or max(1000, DEFAULT_LOOKS // max(len(accesses.sessions), 1))

    # ---- verdicts

    def _failed(
        self, accesses: Accesses, numbers: list[int], steps: list[str], sentence: str, method: str
    ) -> Verdict:
        return Verdict(
            checker=self.name,
            outcome="fail",
            reason=f"Not sequentially consistent: {sentence}",
            witness=witness(accesses, numbers, steps),
            details=self._details(accesses, method, 0),
        )

    def _exhausted(self, accesses: Accesses, graph: Precedence, found: Found) -> Verdict:
        core = smallest(accesses, _has_no_order)
        numbers = [access.number for access in core.all]
        shown = "; ".join(core.told(number) for number in numbers[:8])
        more = f"; and {len(numbers) - 8} more (see the witness)" if len(numbers) > 8 else ""
        return Verdict(
            checker=self.name,
            outcome="fail",
            reason=(
                f"Not sequentially consistent: no order of these {len(numbers)} operations keeps "
                f"the order of each process and explains every read: {shown}{more}."
            ),
            witness=witness(core, numbers, [core.told(number) for number in numbers]),
            details=self._details(accesses, "search", found.configurations),
        )

    def _passed(self, accesses: Accesses, method: str, configurations: int) -> Verdict:
        sessions = len(accesses.sessions)
        return Verdict(
            checker=self.name,
            outcome="pass",
            reason=(
                f"Sequentially consistent: some order of {all_of(len(accesses), 'operation')} "
                f"keeps that of {'its' if sessions == 1 else f'each of the {sessions:,}'} "
                f"process{'es' * (sessions != 1)}."
            ),
            could_not_detect=_could_not_detect(accesses),
            details=self._details(accesses, method, configurations),
        )

    def _undecided(self, accesses: Accesses, graph: Precedence, found: Found) -> Verdict:
        ambiguous = accesses.source.count(AMBIGUOUS)
        advice = "shorter runs or fewer clients"
        if ambiguous:
            advice += f", or written values that are all different ({ambiguous:,} reads could "
            advice += "have seen several writes)"
        if not graph.fits:
            advice += "; the history was also too large for the rules that come before the search"
        return Verdict(
            checker=self.name,
            outcome="unknown",
            reason=(
                f"Undecided: no rule is broken, but the search for an order of {len(accesses):,} "
                f"operations used up its budget of {self._budget(accesses):,} configurations "
                f"(option `budget`). Allow more, or make the question easier: {advice}."
            ),
            could_not_detect=_could_not_detect(accesses),
            details=self._details(accesses, "search", found.configurations),
        )

    def _details(self, accesses: Accesses, method: str, configurations: int) -> dict[str, Any]:
        return {
            "operations": len(accesses),
            "sessions": len(accesses.sessions),
            "keys": len({access.key for access in accesses.all}),
            "ambiguous_reads": accesses.source.count(AMBIGUOUS),
            "unanswered": sum(not access.answered for access in accesses.all),
            "method": method,
            "configurations": configurations,
            "budget": self._budget(accesses),
        }


def is_linearizable(history: History, accesses: Accesses) -> bool:
    """Whether the history is surely linearizable, which all weaker guarantees follow from.

    Linearizability of each key is that of all (Herlihy and Wing, "Linearizability", 1990).
    """
    if not {"read", "write", "cas"}.issuperset(
        history.functions[number] for number in history.f[history.client_rows].tolist()
    ):
        return False
    checker = Linearizability(
        "cas-register",
        initial=accesses.values[accesses.initial],
        failed_cas="no-effect",
        budget=20 * len(history) + 1_000,
    )
    return checker.check(history).passed


def _has_no_order(accesses: Accesses) -> bool:
    graph = saturated(accesses)
    if graph.cycle:
        return True
    return Search(accesses, graph.predecessors).run(_TRY_BUDGET).answer == "none"


def _could_not_detect(accesses: Accesses) -> tuple[str, ...]:
    blind = ["real time: an answer from the past is no violation, however old it is"]
    unanswered = sum(not access.answered for access in accesses.all)
    if unanswered:
        blind.append(
            f"{unanswered:,} unanswered writes whose value was seen; nobody knows what others did"
        )
    blind.append("each process is a session of its own, also where one thread goes on as another")
    blind.append("operations that failed are taken not to have happened")
    return tuple(blind)
