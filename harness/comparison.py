"""Compares systems: every system under every scenario with every seed, in several processes.

    systems × scenarios × seeds ──▶ run, check, measure ──▶ Cell (all seeds of one pair) ──▶ grid

A worker process that dies takes nothing along: what went wrong comes out as the error of `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from harness import catalog
from harness.command_line import run_command
from harness.errors import UsageError, unknown_name
from harness.experiment import Experiment, seconds
from harness.fitting import check_fit, promise_of
from harness.grid import Cell, Comparison, ScenarioFacts, SeedResult
from harness.measures import measure
from harness.pipeline import carry_out

#: Long enough for every script of `nemeses.scenarios`, and for the time after the heal.
TIME_LIMIT_NS = seconds(45)
#: How many nodes a cluster has in a comparison; the scripts are made for five.
NODES = 5
#: What clients do. Systems that only converge have no cas; beside them nobody gets any, so that all
#: do the same work. Each is judged by what it promises.
WORKLOAD = "register"
Options = dict[str, str | int | float | bool]
WITHOUT_CAS: Options = {"cas": False}
#: A run of the grid: system, scenario, seed.
Work = tuple[str, str, int]


def compare(
    systems: Sequence[str],
    scenarios: Sequence[str],
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    store: Path | None = None,
    known: Mapping[Work, SeedResult] | None = None,
    finished: Callable[[Work, SeedResult], object] = lambda work, result: None,
) -> Comparison:
    """Run the grid on `jobs` processes; `finished` is called with each run as it ends.

    Runs are kept below `store` if that is given. What is `known` is taken as it is and not run
    again; `finished` is called for it as well. A name that is given twice counts once. Raises
    UsageError for unknown names, and for a system without registers, before anything runs.
    """
    systems, scenarios, seeds = (
        list(dict.fromkeys(systems)),
        list(dict.fromkeys(scenarios)),
        list(dict.fromkeys(seeds)),
    )
    check_names(systems, scenarios)
    promises = {name: promise_of(catalog.load("system", name)) for name in systems}
    options = {} if set(promises.values()) == {"linearizable"} else WITHOUT_CAS
    work = [(a, b, seed) for a in systems for b in scenarios for seed in seeds]
    results: dict[Work, SeedResult] = {}
    for item, result in _all(work, known or {}, jobs, store, options):
        results[item] = result
        finished(item, result)
    return Comparison(
        systems=systems,
        promises=promises,
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


def check_names(systems: Sequence[str], scenarios: Sequence[str]) -> None:
    """Raises UsageError for what cannot be compared."""
    for kind, names in (("system", systems), ("scenario", scenarios)):
        if not names:
            raise UsageError(f"Nothing to compare: no {kind} was named.")
    for name in systems:
        catalog.load("system", name)
        check_fit(WORKLOAD, name)
    for name in scenarios:
        scenario_facts(name)


def _all(
    work: Sequence[Work],
    known: Mapping[Work, SeedResult],
    jobs: int,
    store: Path | None,
    options: Options,
) -> Iterator[tuple[Work, SeedResult]]:
    """The result of each item of `work`, as they come; what is known of other runs is not used."""
    fit = {
        item: known[item]
        for item in work
        if item in known
        and known[item].command == run_command(_experiment(*item[:2], options), item[2])
    }
    yield from fit.items()
    rest = [item for item in work if item not in fit]
    if jobs <= 1 or not rest:
        yield from ((item, _one(*item, store, options)) for item in rest)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        try:
            futures = {pool.submit(_one, *item, store, options): item for item in rest}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # what has begun ends, and nothing else begins
            raise


def scenario_facts(name: str) -> ScenarioFacts:
    """What the scenario called `name` is. Raises UsageError for what is no scenario."""
    if ":" not in name and name not in catalog.names("nemesis"):
        raise unknown_name("scenario", name, [*scenario_names(), *scenario_names(slow=True)])
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


def scenario_names(*, slow: bool = False) -> list[str]:
    """All registered scenarios in the form that cuts links, or slows them down, by number."""
    found = [(catalog.load("nemesis", name), name) for name in catalog.names("nemesis")]
    scenarios = [
        (len(scenario.identifier), scenario.identifier, name)
        for scenario, name in found
        if hasattr(scenario, "lesson") and scenario.slow == slow
    ]
    return [name for *_, name in sorted(scenarios)]


def _experiment(system: str, scenario: str, options: Options) -> Experiment:
    return Experiment(
        system=system,
        workload=WORKLOAD,
        nemesis=scenario,
        options=options,
        nodes=NODES,
        clients=20,
        time_limit_ns=TIME_LIMIT_NS,
        wire=True,
    )


def _one(system: str, scenario: str, seed: int, store: Path | None, options: Options) -> SeedResult:
    experiment = _experiment(system, scenario, options)
    result = carry_out(experiment, seed, store=store)
    return SeedResult(
        seed=seed,
        outcome=result.verdict.outcome,
        reason=result.verdict.reason,
        digest=result.run.digest,
        command=run_command(experiment, seed),
        measures=measure(result.run),
        folder="" if result.folder is None else str(result.folder.path),
    )
