"""Compares systems: every system under every scenario with every seed, in several processes.

    systems × scenarios × seeds ──▶ run, check, measure ──▶ Cell (all seeds of one pair) ──▶ grid

A worker process that dies takes nothing along: what went wrong comes out as the error of `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from harness import catalog
from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from harness.grid import Cell, Comparison, ScenarioFacts, SeedResult
from harness.measures import measure
from harness.pipeline import carry_out, run_command

#: Long enough for every script of `nemeses.scenarios`, and for the time after the heal.
TIME_LIMIT_NS = seconds(45)
#: How many nodes a cluster has in a comparison; the scripts are made for five.
NODES = 5


def compare(
    systems: Sequence[str],
    scenarios: Sequence[str],
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    finished: Callable[[], object] = lambda: None,
) -> Comparison:
    """Run the grid on `jobs` processes; `finished` is called after each run.

    A name that is given twice counts once. Raises UsageError for unknown names before anything
    runs.
    """
    systems, scenarios, seeds = (
        list(dict.fromkeys(systems)),
        list(dict.fromkeys(scenarios)),
        list(dict.fromkeys(seeds)),
    )
    for kind, names in (("system", systems), ("nemesis", scenarios)):
        if not names:
            raise UsageError(f"Nothing to compare: no {kind} was named.")
        for name in names:
            catalog.load(kind, name)
    for name in scenarios:
        scenario_facts(name)
    work = [(a, b, seed) for a in systems for b in scenarios for seed in seeds]
    results: dict[tuple[str, str, int], SeedResult] = {}
    if jobs <= 1:
        for item in work:
            results[item] = _one(*item)
            finished()
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            futures = {pool.submit(_one, *item): item for item in work}
            for future in as_completed(futures):
                results[futures[future]] = future.result()
                finished()
    return Comparison(
        systems=systems,
        scenarios=[scenario_facts(name) for name in scenarios],
        seeds=seeds,
        cells=[
            Cell(
                system=system,
                scenario=scenario,
                patience_ns=catalog.load("system", system).patience_ns,
                results=[results[system, scenario, seed] for seed in seeds],
            )
            for system in systems
            for scenario in scenarios
        ],
    )


def scenario_facts(name: str) -> ScenarioFacts:
    """What the scenario called `name` is. Raises UsageError for a nemesis that is no scenario."""
    scenario = catalog.load("nemesis", name)
    if not hasattr(scenario, "lesson"):
        raise UsageError(
            f"The nemesis {name!r} is no scenario, so there is nothing to measure from its "
            f"beginning to its end. Scenarios: {', '.join(scenario_names())}."
        )
    roles, cuts = scenario().opening(NODES)
    return ScenarioFacts(
        name=name,
        identifier=scenario.identifier,
        summary=scenario.summary,
        lesson=scenario.lesson,
        roles=roles,
        cuts=sorted(cuts),
        slow=scenario.slow,
    )


def scenario_names() -> list[str]:
    """All registered scenarios in the form that cuts links, by number."""
    found = [(catalog.load("nemesis", name), name) for name in catalog.names("nemesis")]
    scenarios = [
        (len(scenario.identifier), scenario.identifier, name)
        for scenario, name in found
        if hasattr(scenario, "lesson") and not scenario.slow
    ]
    return [name for *_, name in sorted(scenarios)]


def _one(system: str, scenario: str, seed: int) -> SeedResult:
    experiment = Experiment(
        system=system,
        nemesis=scenario,
        nodes=NODES,
        clients=20,
        time_limit_ns=TIME_LIMIT_NS,
        wire=True,
    )
    result = carry_out(experiment, seed)
    return SeedResult(
        seed=seed,
        outcome=result.verdict.outcome,
        reason=result.verdict.reason,
        digest=result.run.digest,
        command=run_command(experiment, seed),
        measures=measure(result.run),
    )
