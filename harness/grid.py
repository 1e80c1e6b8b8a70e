"""The results of a comparison as plain data: systems × scenarios × seeds.

A cell never hides a failure: its verdict is the worst of its seeds, and it counts as recovered
only if every seed recovered.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

import msgspec

from harness.measures import Measures
from harness.system import Promise
from harness.verdict import SEVERITY, Outcome


class ScenarioFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a scenario is: its number (such as "P1", or ""), what it does, and `lesson`, what a
    system needs to get through it. `cuts` are the directed links, by role, that it cuts when it
    begins; `roles` the letters of the nodes, C for the leader. `slow` links are slow, not cut."""

    name: str
    identifier: str
    summary: str
    lesson: str
    roles: str
    cuts: list[tuple[str, str]]
    slow: bool


class SeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the grid; `command` carries it out again; `folder` is where it is kept."""

    seed: int
    outcome: Outcome
    reason: str
    digest: str
    command: str
    measures: Measures
    folder: str = ""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """All seeds of one system under one scenario; `patience_ns` is the system's unit of time."""

    system: str
    scenario: str
    patience_ns: int
    results: list[SeedResult]

    @property
    def outcome(self) -> Outcome:
        """The worst verdict of all seeds."""
        return max((result.outcome for result in self.results), key=SEVERITY.__getitem__)

    @property
    def recovered(self) -> int:
        """How many seeds answered again before the links healed."""
        return sum(result.measures.recovered for result in self.results)

    @property
    def steady(self) -> int:
        """How many seeds recovered and stayed available."""
        return sum(result.measures.steady for result in self.results)

    @property
    def state(self) -> str:
        """How the system fared, best first: "steady", "shaky", "partly", "never" recovered, or the
        verdict if that is no pass."""
        if self.outcome != "pass":
            return self.outcome
        count = len(self.results)
        if self.steady == count:
            return "steady"
        if self.recovered == count:
            return "shaky"
        return "partly" if self.recovered else "never"

    @property
    def down_ns(self) -> int | None:
        """The median down time of the seeds that recovered."""
        times = [r.measures.down_ns for r in self.results if r.measures.down_ns is not None]
        return round(median(times)) if times else None

    @property
    def down_times(self) -> float | None:
        """The median down time in the system's own unit of patience."""
        return None if self.down_ns is None else self.down_ns / self.patience_ns

    def typical(self, name: str) -> float:
        """The median over the seeds of a measure."""
        return float(median(getattr(result.measures, name) for result in self.results))


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one system costs and gives: means over runs of shares, medians over runs of the rest.

    Latencies are those of answers during the cut, of runs in which there were any; staleness is
    that of all reads of a run. `answered_least_ratio` and `age_max_ns` are the worst run's.
    """

    promise: Promise
    latency_median_ns: float
    latency_p99_ns: float
    answered_ratio: float
    answered_least_ratio: float
    stale_ratio: float
    age_p99_ns: float
    age_max_ns: int
    messages_per_operation: float


def _median(values: Sequence[float]) -> float:
    return float(median(values)) if values else 0.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The whole grid, in the order in which systems and scenarios were named; `promises` says what
    each system is judged by."""

    systems: list[str]
    scenarios: list[ScenarioFacts]
    seeds: list[int]
    cells: list[Cell]
    promises: dict[str, Promise] = {}

    @property
    def outcome(self) -> Outcome:
        """The worst verdict of all runs."""
        return max((cell.outcome for cell in self.cells), key=SEVERITY.__getitem__)

    @property
    def differ(self) -> bool:
        """Whether the systems promise different things, so that prices are worth comparing."""
        return len(set(self.promises.values())) > 1

    def cell(self, system: str, scenario: str) -> Cell:
        """The cell of a pair."""
        return next(c for c in self.cells if (c.system, c.scenario) == (system, scenario))

    def price(self, system: str) -> Price:
        """What the promise of a system costs, over all scenarios and seeds."""
        found = [
            result.measures
            for cell in self.cells
            if cell.system == system
            for result in cell.results
        ]
        served = [one for one in found if one.goodput_per_s > 0]
        return Price(
            promise=self.promises.get(system, "linearizable"),
            latency_median_ns=_median([one.latency_median_ns for one in served]),
            latency_p99_ns=_median([one.latency_p99_ns for one in served]),
            answered_ratio=fmean(one.answered_ratio for one in found),
            answered_least_ratio=min(one.answered_ratio for one in found),
            stale_ratio=fmean(one.stale_ratio for one in found),
            age_p99_ns=_median([one.age_p99_ns for one in found]),
            age_max_ns=max(one.age_max_ns for one in found),
            messages_per_operation=_median([one.messages_per_operation for one in found]),
        )
