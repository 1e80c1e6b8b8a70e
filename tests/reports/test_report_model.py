"""What a report says, before anything is drawn: calls, threads, faults, witnesses, sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import History, Recorder
from harness.verdict import Verdict
from reports.axis import StretchedAxis, TimeAxis, round_step
from reports.calls import Calls
from reports.faults import fault_lanes
from reports.model import build_report
from reports.palette import (
    BAND_OPACITY,
    DARK,
    GRAPHIC_PAIRS,
    LANE_OPACITY,
    LIGHT,
    TEXT_PAIRS,
    blend,
    contrast,
)
from reports.sentences import call_sentence
from reports.witness import AROUND_MAX, ENTRIES_MAX, Witness, witness_of
from reports.wording import decimals_needed, duration_text, value_text, visible

Tell = Callable[[list[tuple[Any, ...]]], History]


def faults_of(
    history: History, end_ns: int = 100_000_000, idle_rows: Sequence[int] = ()
) -> list[tuple[Any, ...]]:
    lanes = fault_lanes(history, times_ns=history.time_ns, end_ns=end_ns, idle_rows=idle_rows)
    return [
        (lane.letter, fault.kind, fault.start_ns // 10**6, fault.end_ns // 10**6, fault.state)
        for lane in lanes
        for fault in lane.faults
    ]


def nemesis(*rows: tuple[int, str]) -> list[tuple[Any, ...]]:
    """Each (millisecond, function) as the two rows of a nemesis, one millisecond apart."""
    return [(at + late, "nemesis", "info", f) for at, f in rows for late in (0, 1)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(
            nemesis((1, "start-partition"), (5, "stop-partition")),
            [("P", "partition", 1, 6, "stopped")],
            id="a pair",
        ),
        pytest.param(
            nemesis((1, "start-kill")), [("K", "kill", 1, 100, "open")], id="never stopped"
        ),
        pytest.param(
            nemesis((1, "start-kill"), (3, "start-kill"), (5, "stop-kill"), (7, "stop-kill")),
            [("K", "kill", 1, 6, "stopped"), ("K", "kill", 3, 8, "stopped")],
            id="first start with first stop",
        ),
        pytest.param(
            nemesis((1, "start-partition"), (3, "start-pause"), (5, "stop-partition")),
            [("P", "partition", 1, 6, "stopped"), ("Z", "pause", 3, 100, "open")],
            id="kinds overlap",
        ),
        pytest.param(
            nemesis((4, "stop-kill"), (6, "heal")),
            [("K", "kill", 4, 5, "moment"), ("H", "heal", 6, 7, "moment")],
            id="moments",
        ),
        pytest.param(
            [(1, "nemesis", "info", "start-kill"), (4, "nemesis", "info", "stop-kill")],
            [("K", "kill", 1, 4, "stopped")],
            id="one row each",
        ),
        pytest.param(
            nemesis((1, "start-kite"), (2, "start-kill"), (3, "start-kin"), (4, "start-k")),
            [
                ("K", "kite", 1, 100, "open"),
                ("I", "kill", 2, 100, "open"),
                ("N", "kin", 3, 100, "open"),
                ("1", "k", 4, 100, "open"),
            ],
            id="letters are never shared",
        ),
    ],
)
def test_faults(told: Tell, rows: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    assert faults_of(told(rows)) == expected


@pytest.mark.parametrize(
    ("rows", "idle", "expected"),
    [
        pytest.param(
            [(1, "start-storm"), (3, "shift-storm"), (5, "shift-storm"), (7, "stop-storm")],
            (1,),
            [("S", "storm", 1, 8, "stopped"), ("H", "shift-storm", 5, 6, "moment")],
            id="a step that changed nothing is none",
        ),
        pytest.param(
            [(1, "start-storm"), (3, "shift-storm"), (5, "shift-storm"), (7, "stop-storm")],
            (0, 1),
            [("S", "storm", 5, 8, "stopped"), ("H", "shift-storm", 5, 6, "moment")],
            id="it begins with what it changes first",
        ),
        pytest.param(
            [(1, "start-kill"), (3, "shift-kill"), (5, "stop-kill")],
            (0, 1, 2),
            [],
            id="nothing was changed at all",
        ),
        pytest.param(
            [(1, "start-kill"), (5, "stop-kill")],
            (1,),
            [("K", "kill", 1, 6, "stopped")],
            id="what had ended by itself is over",
        ),
        pytest.param(
            [(1, "start-kill"), (3, "start-pause"), (5, "stop-kill"), (9, "stop-pause")],
            (0, 2),
            [("Z", "pause", 3, 10, "stopped")],
            id="other kinds stay as they are",
        ),
        pytest.param([(1, "stop-kill"), (3, "heal")], (0, 1), [], id="nothing to stop"),
    ],
)
def test_what_changed_nothing_is_no_fault(
    told: Tell,
    rows: list[tuple[int, str]],
    idle: tuple[int, ...],
    expected: list[tuple[Any, ...]],
) -> None:
    history = told(nemesis(*rows))
    assert faults_of(history, idle_rows=[2 * number for number in idle]) == expected


def test_a_fault_says_what_was_done(told: Tell) -> None:
    rows = [
        (1, "nemesis", "info", "start-kill"),
        (2, "nemesis", "info", "start-kill", None, {"crash": ["n1", "n2"]}),
    ]
    history = told(rows)
    [lane] = fault_lanes(history, times_ns=history.time_ns, end_ns=5)
    assert lane.faults[0].what == '{"crash": ["n1", "n2"]}'


def test_more_kinds_of_faults_than_lanes_share_the_last_one(told: Tell) -> None:
    history = told(nemesis(*((at * 3, f"start-kind{at}") for at in range(40))))
    lanes = fault_lanes(history, times_ns=history.time_ns, end_ns=10**9)
    assert len(lanes) == 10
    assert lanes[-1].name == "31 other kinds"
    assert sum(len(lane.faults) for lane in lanes) == 40
    assert len({lane.letter for lane in lanes}) == 10


# Rows: (process, type) in order.
@pytest.mark.parametrize(
    ("rows", "concurrency"),
    [
        ([], 1),
        ([(0, "invoke")], 1),
        ([(0, "invoke"), (1, "invoke"), (2, "invoke")], 3),
        ([(0, "invoke"), (1, "invoke"), (0, "info"), (2, "invoke")], 2),
        ([(0, "invoke"), (1, "invoke"), (0, "ok"), (2, "invoke")], 3),
        ([(0, "invoke"), (1, "invoke"), (1, "info"), (3, "invoke"), (3, "info"), (5, "invoke")], 2),
        ([(0, "invoke"), (2, "invoke"), (0, "info")], 3),
        ([(0, "invoke"), (1, "invoke"), (1, "info"), (4, "invoke")], 3),
        ([(10**9, "invoke"), (0, "invoke")], 10**9 + 1),
    ],
)
def test_concurrency_is_inferred(told: Tell, rows: list[tuple[int, str]], concurrency: int) -> None:
    history = told([(at, process, kind, "f") for at, (process, kind) in enumerate(rows)])
    assert Calls.of(history).concurrency == concurrency


def test_stated_concurrency_is_believed_only_where_it_fits(told: Tell) -> None:
    history = told([(0, 0, "invoke", "f"), (1, 0, "info", "f"), (2, 1, "invoke", "f")])
    assert Calls.of(history).concurrency == 1
    assert Calls.of(history, concurrency=4).concurrency == 4
    assert (
        Calls.of(told([(0, 0, "invoke", "f"), (1, 1, "invoke", "f")]), concurrency=1).thread[1] == 1
    )


@given(st.integers(1, 6), st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_no_two_calls_of_a_thread_overlap(clients: int, steps: list[tuple[int, bool]]) -> None:
    """However clients crash, the inferred rows are rows of one thread each."""
    recorder = Recorder()
    processes, busy = list(range(clients)), [False] * clients
    for time_ns, (pick, crash) in enumerate(steps):
        client = pick % clients
        kind: Any = ("info" if crash else "ok") if busy[client] else "invoke"
        recorder.append(time_ns=time_ns, process=processes[client], type=kind, f="f")
        if kind == "info":
            processes[client] += clients
        busy[client] = not busy[client]
    calls = Calls.of(recorder.history())
    for thread in set(calls.thread.tolist()):
        mine = np.flatnonzero(calls.thread == thread)
        assert (calls.end_ns[mine[:-1]] < calls.start_ns[mine[1:]]).all()


def test_sentences(told: Tell) -> None:
    history = told(
        [
            (1, 3, "invoke", "read", "x"),
            (9, 3, "ok", "read", "x", 7),
            (10, 3, "invoke", "write", "x", 8),
            (11, 3, "ok", "write", "x", 8),
            (12, 3, "invoke", "cas", None, [1, 2]),
            (13, 3, "fail", "cas", None, [1, 2], "mismatch"),
            (14, 3, "invoke", "read"),
            (15, 3, "ok", "read"),
            (16, 3, "invoke", "acquire"),
            (18, 3, "info", "acquire", None, None, ["timeout", 2]),
            (19, 4, "invoke", "acquire"),
        ]
    )
    calls = Calls.of(history)
    assert [call_sentence(calls, place, origin_ns=0) for place in range(len(calls))] == [
        'Process 3 called read on "x" at 0.001 s; it answered 7 at 0.009 s, 8 ms later.',
        'Process 3 called write 8 on "x" at 0.010 s; it was acknowledged at 0.011 s, 1 ms later.',
        "Process 3 called cas [1, 2] at 0.012 s; it failed at 0.013 s, 1 ms later "
        '("mismatch"): it surely did not happen.',
        "Process 3 called read at 0.014 s; it answered null at 0.015 s, 1 ms later.",
        "Process 3 called acquire at 0.016 s; its outcome was still unknown at 0.018 s, 2 ms later "
        '(["timeout", 2]): it may have happened at any time since it was called.',
        "Process 4 called acquire at 0.019 s and had no answer to the end: "
        "it may have happened at any time.",
    ]


def witness_in(history: History, witness: Any) -> Witness | None:
    verdict = Verdict(checker="c", outcome="fail", reason="r", witness=witness)
    return witness_of(verdict, Calls.of(history), origin_ns=0)


def test_the_culprit_is_found_by_either_of_its_rows(stale_read: dict[str, Any]) -> None:
    for operation in (6, 7, {"rows": [6, 7], "f": "read"}):
        found = witness_in(stale_read["history"], {"rows": [0, 4], "operation": operation})
        assert found is not None
        assert found.culprit is not None
        assert found.culprit.number == 3
        assert found.culprit.label == "read → 3"
        assert found.key == '"x"'


@pytest.mark.parametrize(
    "witness",
    [None, {}, {"rows": []}, {"rows": "1"}, {"rows": [True, 999, -1, "x"]}, {"rows": {}}],
)
def test_a_witness_without_operations_is_none(stale_read: dict[str, Any], witness: Any) -> None:
    assert witness_in(stale_read["history"], witness) is None


def test_a_big_witness_keeps_whoever_wrote_what_the_culprit_read(told: Tell) -> None:
    rows: list[tuple[Any, ...]] = [
        (0, 0, "invoke", "write", None, "old"),
        (1, 0, "ok", "write", None, "old"),
    ]
    for at in range(2, 400, 2):
        rows += [(at, 0, "invoke", "write", None, at), (at + 1, 0, "ok", "write", None, at)]
    rows += [(500, 1, "invoke", "read"), (501, 1, "ok", "read", None, "old")]
    found = witness_in(told(rows), {"rows": list(range(len(rows))), "operation": len(rows) - 1})
    assert found is not None
    assert len(found.entries) == ENTRIES_MAX
    assert [entry.label for entry in (found.entries[0], found.entries[-1])] == [
        'write "old"',
        'read → "old"',
    ]


def test_rows_of_nobody_are_counted(stale_read: dict[str, Any]) -> None:
    found = witness_in(stale_read["history"], {"rows": [0, 2, 999]})
    assert found is not None
    assert found.notes == ("2 further rows of the witness belong to no client.",)


def test_a_big_witness_is_cut_around_the_culprit_and_says_so(
    long_run: Callable[[int, int], History],
) -> None:
    history = long_run(3_000, 10)
    invokes = Calls.of(history).row.tolist()
    found = witness_in(history, {"rows": invokes, "operation": invokes[1_500]})
    assert found is not None
    assert len(found.entries) == ENTRIES_MAX
    assert found.culprit is not None
    assert "3,000 operations; shown are 20" in found.notes[0]
    assert len(found.around.places) <= AROUND_MAX
    assert found.culprit.place in found.around.places
    assert "operations ran while the witness did" in found.around.notes[0]


def test_times_that_run_backwards_or_are_missing_do_not_break_a_report(told: Tell) -> None:
    backwards = Calls.of(told([(9, 0, "invoke", "f"), (4, 0, "ok", "f")]))
    assert (backwards.end_ns >= backwards.start_ns).all()
    missing = told([(-1, 0, "invoke", "f"), (4, 0, "ok", "f")])
    assert not Calls.of(missing).timed
    assert "in row 0" in call_sentence(Calls.of(missing), 0, origin_ns=0)


def test_counts_and_latencies(stale_read: dict[str, Any]) -> None:
    report = build_report(**stale_read)
    assert [(row.name, row.total, row.ok, row.fail) for row in report.functions] == [
        ("write", 2, 2, 0),
        ("read", 2, 1, 1),
    ]
    assert (report.functions[0].median_ns, report.functions[0].longest_ns) == (3 * 10**6, 4 * 10**6)
    assert report.verdict.name == "linearizability"
    assert [check.outcome for check in report.checks] == ["fail", "pass"]
    assert sum(row.total for row in report.functions) == len(report.calls)


def test_a_witness_without_operations_is_told_beside_its_check(told: Tell) -> None:
    verdict = Verdict(
        checker="convergence", outcome="fail", reason="r", witness={"n1": [1, 2], "n2": [1]}
    )
    report = build_report(
        title="t", history=told([]), verdicts=[verdict], facts={}, replay_command="r"
    )
    assert report.witnesses == ()
    assert report.checks[0].details == (("n1", "[1, 2]"), ("n2", "[1]"))


def test_functions_beyond_the_limit_are_summed_up(told: Tell) -> None:
    rows = [
        (at, 0, kind, f"f{at // 2}") for at in range(200) for kind in [("invoke", "ok")[at % 2]]
    ]
    report = build_report(title="t", history=told(rows), verdicts=[], facts={}, replay_command="r")
    assert report.functions[-1].name == "60 others"
    assert sum(row.total for row in report.functions) == 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 世界 \N{DUCK}", "plain é 世界 \N{DUCK}"),
        ("a\u202eb\u2066c\u200fd", "a\\u202eb\\u2066c\\u200fd"),
        ("nul\0 esc\x1b tab\t line\n", "nul\\x00 esc\\x1b tab\\t line\\n"),
        ("\ud800 \ufffe \ufeff", "\\ud800 \\ufffe \\ufeff"),
        ("x" * 50, "x" * 20 + "… (cut here: 50 characters in all)"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text, 20 if len(text) > 40 else 100) == shown


@given(st.text())
def test_visible_text_can_always_be_written_and_read_back(text: str) -> None:
    shown = visible(text)
    assert shown.encode().decode() == shown
    assert visible(shown) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        ((1, 1.0, True, "1"), '[1, 1.0, true, "1"]'),
        ({"b": 1, "a": [None]}, '{"b": 1, "a": [null]}'),
        ({"z", "a", "m"}, '["a", "m", "z"]'),
        (b"bytes", '"bytes"'),
        (object(), '"<object>"'),
        pytest.param(10**5_000, "<int that cannot be written as JSON>", id="a huge number"),
    ],
)
def test_value_text(value: Any, shown: str) -> None:
    assert value_text(value) == shown


def test_value_text_of_endless_nesting() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert value_text(endless) == "<list that cannot be written as JSON>"


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1_500, "1.5 µs"), (20_040_000, "20 ms"), (10**9, "1 s"),
     (123_456_000_000, "123 s"), (100_000_000, "100 ms")],
)  # fmt: skip
def test_duration_text(duration_ns: int, text: str) -> None:
    assert duration_text(duration_ns) == text


def test_moments_get_as_many_digits_as_they_need() -> None:
    assert decimals_needed([0, 10**6]) == 3
    assert decimals_needed([0, 10**3]) == 6
    assert decimals_needed([0, 1]) == 9
    assert decimals_needed([]) == 3


@given(st.integers(0, 10**19), st.integers(0, 10**13), st.integers(2, 12))
def test_ticks_are_few_round_and_inside(start: int, span: int, about: int) -> None:
    axis = TimeAxis(start_ns=start, end_ns=start + span, origin_ns=0)
    ticks = axis.ticks(about)
    assert len(ticks) <= about + 1
    assert all(start <= tick.time_ns <= axis.end_ns for tick in ticks)
    assert len({tick.text for tick in ticks}) == len(ticks)


@given(st.floats(0, 1e18))
def test_round_step_is_the_next_round_number(least: float) -> None:
    step = round_step(least)
    assert step >= least
    assert str(step).rstrip("0") in {"1", "2", "5"}
    assert step == 1 or step <= least * 2.5 * (1 + 1e-9)


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=40))
def test_a_stretched_axis_keeps_order_and_keeps_moments_apart(moments: list[int]) -> None:
    axis = StretchedAxis(moments, left=300, right=1000)
    places = [axis.x(moment) for moment in sorted(set(moments))]
    assert all(later - earlier > 4 for earlier, later in pairwise(places))
    assert places[0] == 300
    assert places[-1] <= 1000 + 1e-6


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(theme: dict[str, str]) -> None:
    texts = {pair: contrast(theme[pair[0]], theme[pair[1]]) for pair in TEXT_PAIRS}
    assert {pair: ratio for pair, ratio in texts.items() if ratio < 4.5} == {}
    marks = {pair: contrast(theme[pair[0]], theme[pair[1]]) for pair in GRAPHIC_PAIRS}
    assert {pair: ratio for pair, ratio in marks.items() if ratio < 3} == {}
    assert set(LIGHT) == set(DARK)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_over_fault_tints(theme: dict[str, str]) -> None:
    """Letters on lanes are text; outcomes are told apart even where two faults overlap."""
    violets = [name for name in theme if name.startswith("fault-")]
    for violet in violets:
        lane = blend(theme[violet], LANE_OPACITY, theme["paper"])
        assert contrast(theme["ink"], lane) >= 4.5
        once = blend(theme[violet], BAND_OPACITY, theme["paper"])
        twice = blend(theme[violet], BAND_OPACITY, once)
        for outcome in ("ok", "fail"):
            assert contrast(theme[outcome], twice) >= 3
        assert contrast(theme["info"], once) >= 2.5  # hatched and edged besides


def test_contrast_of_known_pairs() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")
