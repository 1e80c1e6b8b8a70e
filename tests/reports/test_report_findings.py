"""What checkers tell in their own words, what they count and measure, and what a run reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.history import History
from harness.simulation.recording import Facts, Log, Recording
from harness.verdict import Verdict
from reports import render_report
from reports.coverage import coverage
from reports.findings import anomalies, distributions
from reports.ladder import ladder
from reports.model import build_report
from reports.telling import sentences_of, steps_of, table_of

MS = 1_000_000
TABLE = {
    "caption": "What each replica holds",
    "columns": ["replica", "holds", "lacks", "since"],
    "rows": [["n1", 4, None, None], ["n2", None, "the write of 4", "the partition of n2"]],
}


def failing(**witness: Any) -> Verdict:
    return Verdict(checker="convergence", outcome="fail", reason="n2 lacks 4.", witness=witness)


def test_a_clue_leads_to_its_operations(stale_read: dict[str, Any]) -> None:
    told = [
        {"text": "It was written.", "rows": [0, 1]},
        {"text": "Nobody asked.", "rows": []},
        {"text": "Then it was gone.", "rows": [4, 6, 2]},
    ]
    verdict = failing(rows=[0, 1, 4, 5, 6, 7], sentences=told, table=TABLE)
    [found] = build_report(**stale_read | {"verdicts": [verdict]}).witnesses
    assert [(clue.told.letter, clue.numbers) for clue in found.clues] == [
        ("a", (1,)), ("b", ()), ("c", (2, 3)),
    ]  # fmt: skip
    assert found.table is not None
    assert [line.stands_out for line in found.table.lines] == [False, True]
    assert found.context == ()
    html = render_report(**stale_read | {"verdicts": [verdict]})
    assert '<li class="clue a2 a3">' in html
    assert '<tr class="culprit"><td><bdi>n2</bdi></td>' in html


def test_what_is_about_no_operation_is_told_as_well(stale_read: dict[str, Any]) -> None:
    verdict = failing(sentences=[{"text": "n2 never came back.", "rows": [2]}], table=TABLE)
    report = build_report(**stale_read | {"verdicts": [verdict]})
    assert report.witnesses == ()
    [statement] = report.statements
    assert statement.told[0].text == "n2 never came back."
    html = render_report(**stale_read | {"verdicts": [verdict]})
    assert "n2 never came back." in html
    assert "the partition of n2" in html


def test_a_checkers_own_sentences_stand_in_for_ours(stale_read: dict[str, Any]) -> None:
    steps = [{"rows": [row, row + 1], "sentence": f"Step {row}."} for row in (0, 4, 6)]
    verdict = failing(rows=[0, 1, 4, 5, 6, 7], steps=steps, conclusion="So it is.")
    [found] = build_report(**stale_read | {"verdicts": [verdict]}).witnesses
    assert [entry.sentence for entry in found.entries] == ["Step 0.", "Step 4.", "Step 6."]
    assert found.conclusion == "So it is."
    # In another order its numbers would not be ours.
    other = failing(rows=[0, 1, 4, 5, 6, 7], steps=steps[::-1])
    [found] = build_report(**stale_read | {"verdicts": [other]}).witnesses
    assert found.entries[0].sentence.startswith("Process 0 called write 3")


@pytest.mark.parametrize(
    "odd", [None, 7, "text", {"a": 1}, [None], [[]], [{"text": 5}], [{"rows": [1]}], {"columns": 3}]
)
def test_what_is_malformed_is_left_out(odd: Any) -> None:
    witness = {"sentences": odd, "table": odd, "steps": odd}
    assert (sentences_of(witness), table_of(witness), steps_of(witness)) == ((), None, {})


def test_a_long_table_is_cut_and_says_so(stale_read: dict[str, Any]) -> None:
    rows = [[number, None] for number in range(100)]
    table = table_of({"table": {"columns": ["n", "lacks"], "rows": [*rows, ["too", "short"][:1]]}})
    assert table is not None
    assert (len(table.lines), table.left_out) == (60, 41)
    assert not any(line.stands_out for line in table.lines)


def test_lines_that_all_lack_something_do_not_stand_out() -> None:
    rows = [["n1", "x"], ["n2", "y"]]
    table = table_of({"table": {"columns": ["replica", "lacks"], "rows": rows}})
    assert table is not None
    assert not any(line.stands_out for line in table.lines)


@pytest.mark.parametrize(
    ("witness", "lines"),
    [
        ({"anomalies": {"b": 3, "a": 3, "c": 7, "none": 0}}, [("c", 7), ("a", 3), ("b", 3)]),
        ({"kinds": {"own": 1}}, [("own", 1)]),
        ({"kind": "liveness"}, [("liveness", None)]),
        ({"invariant": "election-safety"}, [("election-safety", None)]),
        ({"anomalies": "many"}, [("violated", None)]),
        (None, [("violated", None)]),
    ],
)
def test_anomalies_are_grouped_by_class(witness: Any, lines: list[Any]) -> None:
    verdict = Verdict(checker="c", outcome="fail", reason="r", witness=witness)
    passed = Verdict(checker="p", outcome="pass", reason="r", witness=witness)
    assert [(one.name, one.count) for one in anomalies([verdict, passed])] == lines


@pytest.mark.parametrize(
    ("outcomes", "states"),
    [
        ({"linearizability": "fail"}, []),
        ({"linearizability": "fail", "stats": "pass"}, []),
        ({"linearizability": "fail", "sequential": "unknown"}, []),
        ({"linearizability": "pass", "sequential": "pass"}, ["holds"] * 6),
        ({"linearizability": "fail", "sequential": "pass"}, ["ruled out"] + ["holds"] * 5),
        (
            {"sequential": "unknown", "monotonic-reads": "fail", "read-your-writes": "pass"},
            ["ruled out", "ruled out", "holds", "ruled out", "not known", "not known"],
        ),
    ],
)
def test_the_ladder_shows_what_is_left(
    outcomes: dict[str, Any], states: list[str], stale_read: dict[str, Any]
) -> None:
    verdicts = [
        Verdict(checker=name, outcome=outcome, reason="r") for name, outcome in outcomes.items()
    ]
    assert [model.state for rung in ladder(verdicts) for model in rung] == states
    html = render_report(**stale_read | {"verdicts": verdicts})
    assert ("Which guarantees are left" in html) == bool(states)


def test_distributions_are_shown_once() -> None:
    told = {
        "time to converge": {
            "unit": "ms", "count": 2000, "values": [1.0, 2.5, 1234.5],
            "quantiles": {"0.5": 2.5, "0.9": 1234.5, "0.99": 1234.5, "1": 12345.0},
        },
        "empty": {"unit": "ms", "count": 0, "values": [], "quantiles": {}},
        "odd": 3,
    }  # fmt: skip
    verdict = Verdict(checker="c", outcome="pass", reason="r", details={"distributions": told})
    [found] = distributions([verdict])
    assert (found.name, found.count) == ("time to converge", 2000)
    assert found.quantiles == ("2.5 ms", "1,234 ms", "1,234 ms", "12,345 ms")
    assert found.curve.startswith("M1 24L1 ")
    assert distributions([Verdict(checker="c", outcome="pass", reason="r")]) == ()


def recording_of(*marks: tuple[int, int, str], goals: dict[str, int]) -> Recording:
    return Recording.of(Log(nodes=2), clients=1, facts=Facts(goals=goals), marks=marks)


def test_coverage_counts_what_nodes_noted(stale_read: dict[str, Any]) -> None:
    marks = [(3 * MS, 2, "elected"), (5 * MS, 1, "elected"), (6 * MS, 1, "compacted")]
    recording = recording_of(*marks, goals={"elected": 2, "compacted": 7})
    found = coverage(build_report(**stale_read), recording)
    assert found is not None
    assert [(goal.name, goal.count, goal.first_ns, goal.nodes) for goal in found.goals] == [
        ("compacted", 7, 6 * MS, "n1"), ("elected", 2, 3 * MS, "n1, n2"),
    ]  # fmt: skip
    [fault] = found.faults
    assert (fault.name, fault.count, fault.total_ns, fault.share) == (
        "partition", 1, 15 * MS, "71%",
    )  # fmt: skip


def test_a_fault_that_never_came_stands_out(stale_read: dict[str, Any]) -> None:
    facts = {"nemesis": "partition,kill"}
    found = coverage(build_report(**stale_read | {"facts": facts}), None)
    assert found is not None
    assert [(fault.name, fault.count) for fault in found.faults] == [("partition", 1), ("kill", 0)]


def test_overlapping_faults_count_once(
    told: Callable[[list[tuple[Any, ...]]], History], stale_read: dict[str, Any]
) -> None:
    rows = [
        (0, 0, "invoke", "f"), (10, "a", "info", "start-kill"), (20, "b", "info", "start-kill"),
        (30, "a", "info", "stop-kill"), (50, "b", "info", "stop-kill"), (100, 0, "ok", "f"),
    ]  # fmt: skip
    found = coverage(build_report(**stale_read | {"history": told(rows), "verdicts": []}), None)
    assert found is not None
    assert (found.faults[0].count, found.faults[0].share) == (2, "40%")


def test_a_run_of_nothing_reached_nothing(
    told: Callable[[list[tuple[Any, ...]]], History], stale_read: dict[str, Any]
) -> None:
    assert (
        coverage(build_report(**stale_read | {"history": told([]), "verdicts": []}), None) is None
    )
