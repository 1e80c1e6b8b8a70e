"""Did all replicas come to agree after the last fault, and on something that the writes give?

    wrong merge  replicas that took in the same updates differ; or all agree on what no merge of the
                 writes gives: a value nobody wrote, an acknowledged write lost, an impossible total
    liveness     replicas still lack something, or do not answer
    late         all agree, but only after `bound_ns`

A wrong merge never heals; a liveness failure might, if one waited longer or repair worked.

Sound: only probes that began after the last fault had healed and the last update had ended count.
Replicas that show different states then, and never again the same, have not converged by the last
probe. That is a failure if no bound was asked for, or the last probe is past it; else nobody knows,
and the verdict is `unknown`. An unanswered update may be in the agreed state or not. `missing` says
what that means for each kind of data. A fault that never heals makes the check `skipped`.

>>> from checkers.convergence.notation import parse
>>> verdict = Convergence().check(parse('''
...     1000 0 write x 7 One   = 1.0.1
...     2000 nemesis start-partition n2
...     5000 nemesis stop-partition
...     6000 0 replica = 1 x:7@1.0.1
...     6000 1 replica = 2
... '''))
>>> print(verdict.reason)
The replicas did not converge: 1.000 s after the last fault, the partition of n2 (2.000 s to
5.001 s), n2 still lacks updates of 1 key. First of all it lacks the write of 7 to 'x' by process
0, acknowledged at 1.001 s; since the partition of n2 (2.000 s to 5.001 s).
"""

from __future__ import annotations

from typing import Any

from checkers.convergence.final import Ending
from checkers.convergence.findings import Findings
from checkers.convergence.records import Records
from checkers.convergence.words import (
    count,
    distribution,
    listed,
    milliseconds,
    node_name,
    seconds,
)
from checkers.words import all_of
from harness.errors import UsageError
from harness.history import History
from harness.verdict import Checker, Verdict

#: So many keys are named in the details.
_KEYS_NAMED = 100

_BLIND = (
    "what happens between two probes: times to converge are as fine as the probes are close",
    "whether two replicas that have different tombstones differ: a tombstone counts as nothing",
    "a write that nobody was told had happened, and that no replica has",
)


class Convergence(Checker):
    """After the last fault heals, all replicas come to show the same state.

    `bound_ns`: how long after quiet that may take, in nanoseconds; None: until the last probe.
    `nodes`: how many replicas there are, numbered from 1, so that the verdict can say which of them
    nobody asked; None: that is not known. Raises UsageError on a bound that is not positive, and
    from `check` on malformed probes.
    """

    name = "convergence"
    needs_whole_run = True

    def __init__(self, *, bound_ns: int | None = None, nodes: int | None = None) -> None:
        if bound_ns is not None and bound_ns <= 0:
            raise UsageError(f"A bound of {bound_ns} ns: replicas need some time to converge.")
        self.bound_ns = bound_ns
        self.nodes = nodes

    def check(self, history: History) -> Verdict:
        records = Records.of(history)
        ending = Ending(records)
        why_not = unsuitable(records, ending)
        if why_not:
            return Verdict(checker=self.name, outcome="skipped", reason=why_not)
        return _Judgement(records, ending, self.bound_ns, self.nodes).verdict()


def unsuitable(records: Records, ending: Ending) -> str | None:
    """Why the end of a run says nothing, in a sentence; None if it does."""
    if not records.probes:
        return (
            "No replica was asked for its state (`replica`), so there is nothing to compare. A "
            "workload that converges asks for it when all faults have healed."
        )
    if records.faults.unhealed:
        return (
            f"A fault never ended: {records.faults.unhealed[0].words()}. Replicas need not agree "
            "while something is broken."
        )
    if not ending.last:
        return (
            "No replica told its state after the last fault had healed and the last update had "
            f"ended, at {seconds(ending.quiet_ns)}: the run was cut off too early."
        )
    return None


class _Judgement:
    """One history on trial."""

    def __init__(
        self, records: Records, ending: Ending, bound_ns: int | None, nodes: int | None
    ) -> None:
        self.records = records
        self.ending = ending
        self.bound_ns = bound_ns
        self.nodes = nodes
        self.findings = Findings(records, ending)
        self.settled = ending.settled()

    def verdict(self) -> Verdict:
        findings, bound_ns = self.findings, self.bound_ns
        wrong = findings.wrong()
        if wrong:
            return self._fail("wrong-merge", f"The replicas merged wrongly: {wrong}")
        if findings.differing or findings.silent:
            reason = findings.lagging()
            if bound_ns is not None and not self._past(bound_ns):
                return self._made(
                    "unknown",
                    f"Undecided: nobody looked {seconds(bound_ns)} after quiet. Until the last "
                    f"probe: {reason}",
                    "liveness",
                )
            return self._fail("liveness", f"The replicas did not converge: {reason}")
        if bound_ns is not None:
            until_ns = self.ending.quiet_ns + bound_ns
            late = [one for one in self.settled if one.after_ns > until_ns]
            if late:
                return self._fail("late", findings.late(late, bound_ns))
        took_ns = max((one.by_ns for one in self.settled), default=0) - self.ending.quiet_ns
        within = f"within {seconds(max(took_ns, 0))} of {findings.quiet()}"
        return self._made(
            "pass",
            f"{self._who()} "
            f"{count(len(self.settled), findings.noun)}, {within if self.settled else 'at once'}.",
            "converged",
        )

    def _who(self) -> str:
        """The replicas that told their state, by number."""
        answered = len(self.findings.views)
        agree = "shows" if answered == 1 else "agree on"
        if self.nodes is not None and answered < self.nodes:
            return f"The {answered} of {count(self.nodes, 'replica')} that answered {agree}"
        return f"{all_of(answered, 'replica').capitalize()} that answered {agree}"

    def _blind(self) -> tuple[str, ...]:
        """What agreement of those that answered does not say."""
        if self.nodes is None:
            return (*_BLIND, "nodes that no client talks with")
        asked = self.ending.last
        unasked = [node for node in range(1, self.nodes + 1) if node not in asked]
        if not unasked:
            return _BLIND
        names = listed(map(node_name, unasked))
        number = f"{len(unasked)} of {count(self.nodes, 'replica')}"
        return (f"the state of {names}: {number} that no client talks with", *_BLIND)

    def _past(self, bound_ns: int) -> bool:
        """Whether every replica was asked when the bound was over."""
        asked = [view.call.call_ns for view in self.findings.views]
        return min(asked) > self.ending.quiet_ns + bound_ns

    def _fail(self, kind: str, reason: str) -> Verdict:
        return self._made("fail", reason, kind, self.findings.story.witness(kind=kind))

    def _made(self, outcome: Any, reason: str, kind: str, witness: Any = None) -> Verdict:
        quiet_ns = self.ending.quiet_ns
        took = [milliseconds(one.by_ns - quiet_ns) for one in self.settled]
        return Verdict(
            checker=Convergence.name,
            outcome=outcome,
            reason=reason,
            witness=witness,
            could_not_detect=() if outcome == "fail" else self._blind(),
            details={
                "kind": kind,
                "data": self.records.kind,
                "replicas": [node_name(node) for node in self.ending.last],
                "silent": [node_name(node) for node in self.findings.silent],
                "keys": len(self.settled) + len(self.findings.differing),
                "differing": self.findings.differing[:_KEYS_NAMED],
                "healed_ns": self.records.faults.healed_ns,
                "quiet_ns": quiet_ns,
                "bound_ns": self.bound_ns,
                "probes": sum(map(len, self.ending.timeline.values())),
                "distributions": {"time to converge": distribution(took)},
            },
        )
