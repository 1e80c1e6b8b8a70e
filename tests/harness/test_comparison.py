"""Comparisons: what is measured, what a cell says of several runs, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.comparison import compare, scenario_facts, scenario_names
from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from harness.grid import Cell, SeedResult
from harness.history import Recorder
from harness.measures import Measures, answer_ages_ns, measure
from harness.pipeline import carry_out
from harness.plan import Plan, PlannedFault
from harness.price_table import price_table
from harness.runner import Run
from harness.units import SECOND_NS


def recorded(
    answers: list[tuple[float, float]], *, shifts: tuple[float, ...] = (), reads: int = 0
) -> Run:
    """A run that was cut from 10 s to 20 s, with operations invoked and answered at these times;
    the first `reads` of them are reads, the others writes."""
    events = [(t, n, kind) for n, pair in enumerate(answers) for kind, t in enumerate(pair)]
    recorder = Recorder()
    for time_s, process, kind in sorted(events):
        kinds = ("invoke", "ok")
        time_ns = seconds(time_s)
        f = "read" if process < reads else "write"
        recorder.append(time_ns=time_ns, process=process, type=kinds[kind], f=f, value=1)
    times = [
        (10.0, "start-chained"),
        *((t, "shift-chained") for t in shifts),
        (20.0, "stop-chained"),
    ]
    faults = tuple(PlannedFault(time_ns=seconds(t), f=f) for t, f in times)
    plan = Plan(experiment=Experiment(time_limit_ns=seconds(30)), seed=1, faults=faults)
    return Run(plan=plan, history=recorder.history(), digest="")


def test_down_time_ends_with_an_answer_to_an_operation_that_began_after_the_cut() -> None:
    run = recorded([(9, 9.1), (9.9, 10.5), (11, 13), (14, 14.25)])
    measures = measure(run)
    assert measures.down_ns == seconds(3)
    assert measures.latency_median_ns == seconds(0.6)
    assert measures.goodput_before_per_s == pytest.approx(0.1)
    assert measures.goodput_per_s == pytest.approx(0.3)


def test_after_a_second_step_only_what_began_after_it_counts() -> None:
    measures = measure(recorded([(11, 11.5), (13, 14)], shifts=(12,)))
    assert measures.down_ns == seconds(4)


@pytest.mark.parametrize(
    ("answers", "recovered", "steady"),
    [
        ([(9, 9.5)], False, False),
        ([(9, 9.5), (21, 21.5)], False, False),
        ([(11, 11.5)], True, False),
        ([(t / 4, t / 4 + 0.1) for t in range(40, 80)], True, True),
    ],
)
def test_recovered_is_an_answer_while_cut_and_steady_is_many(
    answers: list[tuple[float, float]], recovered: bool, steady: bool
) -> None:
    measures = measure(recorded(answers))
    assert (measures.recovered, measures.steady) == (recovered, steady)


def test_reads_under_a_lease_do_not_count_as_recovery() -> None:
    run = recorded([(11, 11.5), (12, 14), (30, 31)], reads=1)
    assert measure(run).down_ns == seconds(4)
    assert measure(recorded([(11, 11.5)], reads=1)).down_ns == seconds(1.5)


def test_recovery_counts_from_the_heal() -> None:
    assert measure(recorded([(19, 20.5), (20.25, 21)])).recovery_ns == seconds(1)
    assert measure(recorded([(19, 20.5)])).recovery_ns is None


def test_the_time_line_counts_answers_per_half_second_until_the_time_limit() -> None:
    assert measure(recorded([(0, 0.1), (0, 0.6), (0, 0.7), (40, 41)])).timeline == [1, 2]


def test_elections_while_cut_are_counted() -> None:
    run = replace(
        recorded([(1, 2)]),
        probes=[
            (seconds(t), 1, event)
            for t, event in [(1, "elected"), (11, "elected"), (12, "stepped-down"), (21, "elected")]
        ],
    )
    assert measure(run).leader_changes == 1


def test_a_run_without_a_scenario_is_refused() -> None:
    run = recorded([(1, 2)])
    with pytest.raises(UsageError, match="is no scenario"):
        measure(replace(run, plan=Plan(experiment=Experiment(), seed=1)))


def result(outcome: str = "pass", **changes: Any) -> SeedResult:
    measures = measure(recorded([(t / 4, t / 4 + 0.1) for t in range(40, 80)]))
    values = {name: getattr(measures, name) for name in Measures.__struct_fields__} | changes
    return SeedResult(
        seed=1,
        outcome=outcome,  # type: ignore[arg-type]
        reason="because",
        digest="",
        command="",
        measures=Measures(**values),
    )


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ([result(), result()], "steady"),
        ([result(), result(unavailable_ratio=0.5)], "shaky"),
        ([result(), result(down_ns=None)], "partly"),
        ([result(down_ns=None), result(down_ns=None)], "never"),
        ([result(), result("unknown")], "unknown"),
        ([result("unknown"), result("fail", down_ns=None), result()], "fail"),
    ],
)
def test_a_cell_is_as_good_as_its_worst_run(results: list[SeedResult], state: str) -> None:
    cell = Cell(system="raft", scenario="chained", patience_ns=SECOND_NS, results=results)
    assert cell.state == state


def test_a_small_grid_is_run_and_found_again_in_several_processes() -> None:
    alone = compare(["raft"], ["chained", "chained"], [1])
    assert [cell.state for cell in alone.cells] == ["steady"]
    assert alone.cell("raft", "chained").results[0].command.startswith("splitbrain run raft")
    assert compare(["raft", "raft"], ["chained"], [1], jobs=2) == alone


def test_names_are_checked_before_anything_runs() -> None:
    for systems, scenarios, text in [
        (["raff"], ["chained"], "Did you mean 'raft'"),
        (["raft"], ["chaind"], "no scenario called 'chaind'. Did you mean 'chained"),
        (["raft"], ["foo"], r"no scenario called 'foo'.\nAvailable: chained, chained-slow, constr"),
        (["raft"], [""], "no scenario called ''"),
        (["raft"], [], "no scenario was named"),
        (["raft"], ["partition"], "is no scenario.*\n*.*quorum-loss"),
        ([], ["chained"], "no system was named"),
    ]:
        with pytest.raises(UsageError, match=text):
            compare(systems, scenarios, [1])


def test_scenarios_are_listed_by_number_and_say_what_they_need() -> None:
    facts = [scenario_facts(name) for name in scenario_names()]
    assert [f.identifier for f in facts] == [f"P{n}" for n in range(1, 14)]
    assert all(f.lesson.startswith("Needs ") and f.roles == "ABCDE" for f in facts)
    assert [len(f.cuts) for f in facts if f.name == "deaf-leader"] == [4]


# ---- how old answers are


def registers(*rows: str) -> Run:
    """A run of rows "begin-end f value", times in seconds; a dash in place of the end is none."""
    recorder = Recorder()
    events = []
    for process, row in enumerate(rows):
        times, f, text = row.split()
        begin, _, end = times.partition("-")
        value = None if text == "nil" else int(text)
        events.append((float(begin), process, "invoke", f, None if f == "read" else value))
        if end:
            events.append((float(end), process, "ok", f, value))
    for time_s, process, kind, f, value in sorted(events, key=lambda event: event[:3]):
        recorder.append(
            time_ns=seconds(time_s),
            process=process,
            type=kind,
            f=f,
            key="x",
            value=value,  # type: ignore[arg-type]
        )
    return Run(plan=Plan(experiment=Experiment(), seed=1), history=recorder.history(), digest="")


@pytest.mark.parametrize(
    ("rows", "age_s"),
    [
        (["1-2 write 1", "3-4 read 1"], 0),
        (["1-2 write 1", "3-4 write 2", "6-7 read 1"], 2),
        (["1-2 write 1", "3-4 write 2", "5-5.5 write 3", "6-7 read 1"], 2),
        (["1-2 write 1", "3-4 write 2", "6-7 read nil"], 4),
        (["1-3.5 write 1", "3-4 write 2", "6-7 read 1"], 0),
        (["1-2 write 1", "3- write 2", "6-7 read 1"], 0),
        (["1- write 1", "3-4 write 2", "6-7 read 1"], 0),
        (["1-2 write 1", "3-8 write 2", "6-7 read 1"], 0),
        (["1-2 write 1", "3-9 write 2", "4-5 write 3", "6-7 read 1"], 1),
    ],
    ids=[
        "fresh", "one behind", "two behind: as old as the first", "never written",
        "the writes overlap", "the later one was never answered",
        "the one that was read was never answered", "the later one goes on",
        "the first to end counts",
    ],
)  # fmt: skip
def test_an_answer_is_as_old_as_the_first_write_that_it_missed(
    rows: list[str], age_s: float
) -> None:
    assert answer_ages_ns(registers(*rows).history) == [seconds(age_s)]


def test_what_is_linearizable_is_never_stale() -> None:
    experiment = Experiment(time_limit_ns=seconds(8), nemesis="partition,kill")
    ages = answer_ages_ns(carry_out(experiment, seed=1).run.history)
    assert len(ages) > 100
    assert set(ages) == {0}


@pytest.mark.slow
def test_gossip_stands_beside_raft_and_pays_with_staleness() -> None:
    """Judged by what each promises; nobody gets a cas; the prices are in the table."""
    comparison = compare(["raft", "gossip-one"], ["isolated-leader"], [1])
    assert comparison.outcome == "pass"
    assert comparison.differ
    raft, gossip = comparison.price("raft"), comparison.price("gossip-one")
    assert (raft.promise, gossip.promise) == ("linearizable", "convergent")
    assert raft.stale_ratio == 0 < gossip.stale_ratio
    assert raft.age_max_ns == 0 < gossip.age_p99_ns <= gossip.age_max_ns
    assert 0 < gossip.answered_least_ratio <= gossip.answered_ratio < raft.answered_ratio <= 1
    assert all("--option cas=false" in cell.results[0].command for cell in comparison.cells)
    table = price_table(comparison)
    assert table.row_count == 2
    assert [column.header for column in table.columns][:2] == ["system", "promises"]
