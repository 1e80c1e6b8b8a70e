"""Gossip with planted flaws, judged by what clients saw: the right checker, for the right reason.

No invariant looks on. The sound system goes through the same seeds without an alarm. Whole
campaigns are elsewhere; this is one seed for each checker that can fail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from harness.checks import make_checker
from harness.experiment import Experiment, seconds
from harness.history import History
from harness.runner import run


@dataclass(frozen=True)
class Case:
    """A flaw, where it shows, who must see it and what they say."""

    workload: str
    seed: int
    flaw: str
    checker: str
    reason: str
    kind: str = ""
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    conditions: dict[str, Any] = field(default_factory=dict, hash=False)


CASES = {
    "older-overwrites": Case(
        "lww-register", 1, "older-overwrites", "lww", "n2 does not know what it did itself"
    ),
    "left-never-leave": Case(
        "lww-register", 2, "left-never-leave", "convergence", "since the partition", "liveness"
    ),
    "removal-claims-all": Case(
        "crdt-set", 1, "removal-claims-all", "convergence", "had never been", "wrong-merge"
    ),
    "a set that loses": Case("crdt-set", 1, "removal-claims-all", "set-full", "were lost"),
    "repair-below-max": Case(
        "kv-levels", 5, "repair-below-max", "repair-quiet", "more documents by repair"
    ),
    "quorum-of-the-living": Case(
        "kv-levels",
        1,
        "quorum-of-the-living",
        "levels",
        "beyond what the levels permit. stale-read",
    ),
    "never-forgives": Case("membership", 1, "never-forgives", "membership", "does not see"),
    "early-purge": Case(
        "lww-register",
        6,
        "early-purge",
        "no-resurrection",
        "came back at",
        options={"keys": 40, "delete_ratio": 0.3},
        conditions={"interval_ns": seconds(6)},
    ),
    "clock-not-kept": Case("unique-ids", 1, "clock-not-kept", "unique-ids", "went back"),
    "counter-adds": Case(
        "crdt-counter",
        1,
        "counter-adds",
        "strong-eventual",
        "had taken in the same updates",
        options={"counter": "g-counter", "decrement_ratio": 0.0, "bound_s": 1.0},
        conditions={"duplicate_ratio": 0.05},
    ),
    "a counter that adds twice": Case(
        "crdt-counter",
        1,
        "counter-adds",
        "counter",
        "all that anybody had begun makes at most",
        options={"counter": "g-counter", "decrement_ratio": 0.0, "bound_s": 1.0},
        conditions={"duplicate_ratio": 0.05},
    ),
}


@cache
def history_of(name: str, flaw: str | None) -> History:
    case = CASES[name]
    bound = {} if case.workload == "unique-ids" else {"bound_s": 6.0}
    experiment = Experiment(
        system="gossip",
        workload=case.workload,
        nemesis="partition,kill,pause,clock",
        flaw=flaw,
        nodes=5,
        clients=5,
        time_limit_ns=seconds(10),
        options={**bound, **case.options},
        invariants=False,
        **case.conditions,
    )
    return run(experiment, case.seed).history


@pytest.mark.parametrize("name", CASES)
def test_the_flaw_is_seen_from_outside(name: str) -> None:
    case = CASES[name]
    verdict = make_checker(case.checker).check(history_of(name, case.flaw))
    assert verdict.outcome == "fail", verdict.reason
    assert case.reason in verdict.reason
    assert verdict.details.get("kind", "") == case.kind
    assert verdict.witness is not None
    assert verdict.witness["rows"]
    assert verdict.witness["sentences"][0]["text"]


@pytest.mark.parametrize("name", CASES)
def test_the_sound_system_raises_no_alarm(name: str) -> None:
    verdict = make_checker(CASES[name].checker).check(history_of(name, None))
    assert verdict.outcome == "pass", verdict.reason
