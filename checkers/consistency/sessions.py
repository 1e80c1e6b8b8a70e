"""The four session guarantees, what gossip and reads from followers promise at most.

    read-your-writes       a read sees what its session wrote before
    monotonic-reads        a read sees what earlier reads of its session saw
    monotonic-writes       who sees a write sees what its session wrote before it
    writes-follow-reads    who sees a write sees what its session had read before it

They are those of Terry et al. ("Session guarantees for weakly consistent replicated data", 1994);
`visibility` has them as rules. "Sees" means that a write counts for the read: something newer
may have replaced it.

**A session is a process.** A client whose call ends without an answer goes on as a new process, so
that nothing is asked of the order between the two: nobody knows what became of that call.

**Hardly any guarantee can be seen alone.** Whoever reads 2 and then 1, which one process wrote in
the order 1, 2, has seen time go back, or the writes were swapped. So each checker takes something
for granted, says so where that decides, and is skipped where that does not hold itself:

    check                  taken for granted
    read-your-writes       overwrites: a write comes after what its session has written to the same
    monotonic-reads        key, or read there
    monotonic-writes       monotonic-reads
    writes-follow-reads    monotonic-reads

`assuming` chooses others. `assuming=()` is the guarantee strictly on its own, of which clients see
little, and of the last two hardly anything; assuming the other three is a check for causal
consistency (Brzeziński, Sobaniec and Wawrzyniak, "From session causality to causal consistency",
2004).

>>> from checkers.notation import parse
>>> verdict = ReadYourWrites().check(parse("2w5. 3r=5 3w7. 3r=5"))
>>> print(verdict.reason)
Not read-your-writes: process 3 read 5 at 0.003 s, after it had itself written 7 at 0.002 s; and 5
was older than 7: process 2 wrote 5 at 0.000 s, then process 3 read 5 at 0.001 s, then process 3
wrote 7 at 0.002 s. (That takes overwrites for granted; if that does not hold, it may be to blame.)
>>> MonotonicReads().check(parse("0w1. 0w2. 1r=2 2r=1")).outcome  # two sessions
'pass'

Limits: registers only (read, write, cas, or get and put; of stores with levels and timestamps what
`stamped` makes of them). Real time counts for nothing: an answer
may be as old as the session allows, or of a value that is only written later.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Final

from checkers.consistency.accesses import AMBIGUOUS, Accesses, Unsuitable
from checkers.consistency.core import smallest
from checkers.consistency.sequential import is_linearizable
from checkers.consistency.sources import Choice, choose
from checkers.consistency.stamped import plain_registers
from checkers.consistency.visibility import (
    GUARANTEES,
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    OVERWRITES,
    READ_YOUR_WRITES,
    WRITES_FOLLOW_READS,
)
from checkers.consistency.words import broken_steps, never_written, told_broken, witness
from checkers.idle import nothing_to_judge
from harness.errors import UsageError, unknown_name
from harness.history import History
from harness.verdict import Checker, Verdict

#: What `assuming` may name.
ASSUMPTIONS: Final = (*GUARANTEES, OVERWRITES)

#: Accesses that are looked at while possible sources of reads are tried; some ten seconds.
DEFAULT_BUDGET: Final = 1_000_000

#: Larger histories get no answer: the sets of visible writes would take gigabytes.
ACCESSES_AT_MOST: Final = 100_000

#: What each try for a smaller witness may look at.
_TRY_BUDGET: Final = 20_000


class SessionGuarantee(Checker):
    """Checks one session guarantee; see the head of the module for `assuming`.

    - `initial`: what every key starts as (None: nil, or "" where there are get and put).
    - `budget`: accesses to look at in search of the sources of reads, if several writes had the
      same value; more ends in `unknown`. Histories of different values never need it.

    Raises UsageError on unknown names and a senseless budget, and from `check` on operations that
    are no register's.
    """

    takes_for_granted: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        assuming: Collection[str] | None = None,
        initial: Any = None,
        budget: int | None = None,
    ) -> None:
        if budget is not None and budget < 1:
            raise UsageError(f"A budget of {budget} accesses: it must be 1 or more.")
        assumed = self.takes_for_granted if assuming is None else assuming
        for name in assumed:
            if name not in ASSUMPTIONS:
                raise unknown_name("session guarantee", name, ASSUMPTIONS)
        self.assuming = tuple(name for name in ASSUMPTIONS if name in assumed and name != self.name)
        self.initial = initial
        self.budget = budget or DEFAULT_BUDGET

    def check(self, history: History) -> Verdict:
        history = plain_registers(history)
        if idle := nothing_to_judge(self.name, history):
            return idle
        try:
            accesses = Accesses.of(history, initial=self.initial)
        except Unsuitable as misfit:
            return Verdict(checker=self.name, outcome="skipped", reason=str(misfit))
        if len(accesses) > ACCESSES_AT_MOST:
            return self._verdict(
                accesses,
                "unknown",
                f"Undecided: {len(accesses):,} operations are too many for this check, which "
                f"takes {ACCESSES_AT_MOST:,} at most. Make shorter runs.",
            )
        if AMBIGUOUS in accesses.source and is_linearizable(history, accesses):
            return self._passed(accesses, Choice("hold", 0))
        choice = self._choose(accesses, self.name, *self.assuming)
        if choice.answer == "hold":
            return self._passed(accesses, choice)
        if choice.answer == "broken":
            return self._blamed(accesses, choice)
        return self._verdict(
            accesses,
            "unknown",
            f"Undecided: {accesses.source.count(AMBIGUOUS):,} reads could have seen several writes "
            f"of the same value, and trying which took the whole budget of {self.budget:,} (option "
            "`budget`). Write values that are all different: then nothing has to be tried.",
            choice,
        )

    def _choose(self, accesses: Accesses, *guarantees: str) -> Choice:
        return choose(accesses, guarantees, budget=self.budget)

    def _blamed(self, accesses: Accesses, together: Choice) -> Verdict:
        """The guarantee and what is taken for granted do not hold together: whose fault is it?"""
        if not self.assuming:
            return self._failed(accesses, together)
        alone = self._choose(accesses, self.name)
        if alone.answer == "broken":
            return self._failed(accesses, alone)
        granted = self._choose(accesses, *self.assuming)
        assumed = " and ".join(self.assuming)
        if granted.answer != "broken":
            return self._failed(
                accesses,
                together,
                f" (That takes {assumed} for granted; if that does not hold, it may be to blame.)",
            )
        return self._verdict(
            accesses,
            "skipped",
            f"Nothing can be said of {self.name}, for {assumed} does not hold, and this check "
            f"takes it for granted: {self._told(accesses, granted)}",
            granted,
        )

    # ---- verdicts

    def _verdict(
        self,
        accesses: Accesses,
        outcome: Any,
        reason: str,
        choice: Choice | None = None,
        *,
        named: dict[str, Any] | None = None,
        **more: Any,
    ) -> Verdict:
        return Verdict(
            checker=self.name,
            outcome=outcome,
            reason=reason,
            witness=named,
            could_not_detect=() if outcome == "fail" else self._could_not_detect(accesses),
            details={
                "operations": len(accesses),
                "sessions": len(accesses.sessions),
                "assuming": list(self.assuming),
                "ambiguous_reads": accesses.source.count(AMBIGUOUS),
                "unanswered": sum(not access.answered for access in accesses.all),
                "work": 0 if choice is None else choice.work,
                "budget": self.budget,
                **more,
            },
        )

    def _passed(self, accesses: Accesses, choice: Choice) -> Verdict:
        sessions = len(accesses.sessions)
        whole = "The only session" if sessions == 1 else f"Every one of the {sessions:,} sessions"
        operations = f"{len(accesses):,} operation{'s' * (len(accesses) != 1)}"
        reason = f"{whole} has {self.name}: {operations}."
        return self._verdict(accesses, "pass", reason, choice)

    def _failed(self, accesses: Accesses, choice: Choice, blame: str = "") -> Verdict:
        broken = choice.broken
        if broken is not None:
            named = witness(accesses, broken.numbers(), broken_steps(accesses, broken))
        else:
            core = self._core(accesses, blame != "")
            numbers = [access.number for access in core.all]
            named = witness(core, numbers, [core.told(number) for number in numbers])
        return self._verdict(
            accesses,
            "fail",
            f"Not {self.name}: {self._told(accesses, choice)}{blame}",
            choice,
            named=named,
            fails_alone=not blame,
        )

    def _told(self, accesses: Accesses, choice: Choice) -> str:
        """What is wrong, without the name of the guarantee."""
        broken = choice.broken
        if broken is None:
            return (
                "several writes had the same value, but whichever of them each read saw, it does "
                "not hold (the operations of the witness suffice)."
            )
        if broken.kind == "unwritten":
            return never_written(accesses, broken.number)
        return told_broken(accesses, broken)

    def _core(self, accesses: Accesses, with_assumed: bool) -> Accesses:
        """Fewer operations that fail for every choice of what each read saw."""
        guarantees = (self.name, *self.assuming) if with_assumed else (self.name,)

        def still_fails(fewer: Accesses) -> bool:
            return choose(fewer, guarantees, budget=_TRY_BUDGET).answer == "broken"

        return smallest(accesses, still_fails)

    def _could_not_detect(self, accesses: Accesses) -> tuple[str, ...]:
        blind = ["real time: an answer may be as old as the session allows"]
        if self.assuming:
            blind.append(f"violations that are only seen if more than this holds: {self.assuming}")
        blind.append(
            "each process is a session of its own, also where one thread goes on as another"
        )
        unanswered = sum(not access.answered for access in accesses.all)
        if unanswered:
            blind.append(
                f"what {unanswered:,} unanswered writes that were seen did to their session"
            )
        blind.append("operations that failed are taken not to have happened")
        return tuple(blind)


class ReadYourWrites(SessionGuarantee):
    """A read sees what its session wrote before."""

    name = READ_YOUR_WRITES
    takes_for_granted = (OVERWRITES,)


class MonotonicReads(SessionGuarantee):
    """A read sees what earlier reads of its session saw."""

    name = MONOTONIC_READS
    takes_for_granted = (OVERWRITES,)


class MonotonicWrites(SessionGuarantee):
    """Who sees a write sees what its session wrote before it, in that order."""

    name = MONOTONIC_WRITES
    takes_for_granted = (MONOTONIC_READS,)


class WritesFollowReads(SessionGuarantee):
    """Who sees a write sees what its session had read before it, in that order."""

    name = WRITES_FOLLOW_READS
    takes_for_granted = (MONOTONIC_READS,)
