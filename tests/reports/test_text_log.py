"""The log of events as text: its columns, what it says of nodes, that parts agree with wholes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from harness.checks import judges
from harness.experiment import Experiment, seconds
from harness.history import History
from harness.making import make_workload
from harness.node import NodeStatus
from harness.runner import Run, run
from harness.simulation.recording import Facts, Log, Recording
from harness.simulation.trace import LOST, MESSAGE
from harness.verdict import Verdict
from reports.calls import Calls
from reports.model import build_report
from reports.text import render_text
from reports.text_log import CELL
from reports.text_log import Log as TextLog

MS = 1_000_000


class Append:
    """A message whose words are known."""

    def __init__(self, term: int) -> None:
        self.term = term

    def __repr__(self) -> str:
        return f"Append(term={self.term})"


@pytest.fixture
def recording() -> Recording:
    """n1 leads term 1 of two nodes; n2 is told, loses a message, dies and comes back."""
    log = Log(nodes=2)
    log.became(0, 1, "up")
    log.became(0, 2, "up")
    log.look(1 * MS, 1, NodeStatus(role="leader", term=1, leader=1))
    log.look(2 * MS, 2, NodeStatus(role="follower", term=1, leader=1))
    log.record((4 * MS, 0, MESSAGE, 2, 1, Append(1), 3 * MS))
    log.record((6 * MS, 0, MESSAGE, 3, 1, "done", 5 * MS))
    log.record((7 * MS, 0, LOST, 2, 1, Append(1), 7 * MS))
    log.look(8 * MS, 2, NodeStatus(role="follower", term=1, leader=1, committed=9))
    log.became(9 * MS, 2, "down")
    log.became(14 * MS, 2, "up")
    log.became(15 * MS, 1, "paused")
    marks = [(13 * MS, 1, "elected")]
    return Recording.of(log, clients=2, facts=Facts(), marks=marks)


def test_every_kind_of_line_stands_in_its_columns(
    recording: Recording, told: Callable[[Any], History]
) -> None:
    history = told(
        [
            (3, 0, "invoke", "write", "x", 3),
            (6, 0, "ok", "write", "x", 3),
            (8, "nemesis", "info", "start-kill"),
            (9, "nemesis", "info", "start-kill", None, {"crash": ["n2"]}),
            (10, 1, "invoke", "read", "x"),
            (16, 1, "info", "read", "x", None, "timeout"),
        ]
    )
    log = TextLog(calls=Calls.of(history), recording=recording, numbers={1: "#2!"})
    assert list(log.lines(0, 20 * MS, width=0)) == [
        "      seconds #    kind   who     n1      n2      what",
        "     0.000000      up     n1      .       .",
        "     0.000000      up     n2      .       .",
        "     0.001000      now    n1      L1      .       leader of term 1, leader n1",
        "     0.002000      now    n2      .       f1      follower of term 1, leader n1",
        '     0.003000      call   p0      .       .       write 3 on "x"',
        "     0.004000      recv   n2      .       f1<n1   Append(term=1)",
        "     0.006000      recv   c0      L1>c0   .       'done'",
        '     0.006000      ok     p0      .       .       write 3 on "x"',
        "     0.007000      lost   n2      .       f1<n1   Append(term=1)",
        "     0.008000      nem    nemesis .       .       start-kill",
        '     0.009000      nem    nemesis .       .       start-kill {"crash": ["n2"]}',
        "     0.009000      down   n2      .       x",
        '     0.010000 #2!  call   p1      .       x       read on "x"',
        "     0.013000      note   n1      L1      x       elected",
        "     0.014000      up     n2      .       .",
        "     0.015000      paused n1      z       .",
        '     0.016000 #2!  info   p1      z       .       read on "x" ("timeout")',
    ]


def test_what_a_nemesis_looked_at_and_left_alone_is_not_told(
    told: Callable[[Any], History],
) -> None:
    history = told(
        [
            (1, "nemesis", "info", "shift-figure-8"),
            (2, "nemesis", "info", "shift-figure-8"),
            (3, "nemesis", "info", "shift-figure-8"),
            (4, "nemesis", "info", "shift-figure-8", None, {"crash": ["n1"]}),
        ]
    )
    log = TextLog(calls=Calls.of(history), recording=None, idle_rows=[0])
    assert [line.split()[0] for line in log.lines(0, 20 * MS, width=0)][1:] == [
        "0.003000",
        "0.004000",
    ]


def test_a_log_that_begins_later_knows_what_nodes_became_before(
    recording: Recording, told: Callable[[Any], History]
) -> None:
    log = TextLog(calls=Calls.of(told([])), recording=recording)
    lines = list(log.lines(13 * MS, 13 * MS, width=0))
    assert lines[1:] == ["     0.013000      note   n1      L1      x       elected"]


def test_a_line_is_cut_at_the_width_and_says_so(
    recording: Recording, told: Callable[[Any], History]
) -> None:
    history = told([(1, 0, "invoke", "write", "x", "v" * 500)])
    log = TextLog(calls=Calls.of(history), recording=recording)
    for width in (80, 100, 120):
        lines = list(log.lines(0, 20 * MS, width=width))
        assert max(map(len, lines)) == width
        assert sum(line.endswith("…") for line in lines) == 1


@pytest.fixture(scope="module")
def broken() -> Run:
    """A run with faults whose history breaks the promise."""
    experiment = Experiment(
        nemesis="partition,kill", flaw="stale-read", clients=10, time_limit_ns=seconds(8)
    )
    return run(experiment, seed=1)


def test_the_columns_of_a_real_run_never_move(broken: Run) -> None:
    log = TextLog(calls=Calls.of(broken.history), recording=broken.recording())
    head, *lines = log.lines(0, seconds(8), width=0)
    text = head.index("what")
    assert text == head.index("n1") + 5 * CELL
    cells = re.compile(r"(?:[.xz]|[A-Za-z]\d*)(?:[<>][nc]\d+)?\s*")
    for line in lines:
        assert re.fullmatch(r" *\d+\.\d{6} (?:#\d+!?)? *[a-z]+ +\S+ +", line[: head.index("n1")])
        columns = [line[place : place + CELL] for place in range(head.index("n1"), text, CELL)]
        assert all(cells.fullmatch(cell) for cell in columns), line
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)
    asked = [line[text:] for line in lines if "ClientRequest" in line]
    assert asked
    assert all(re.fullmatch(r"ClientRequest \['(read|write|cas)', .*\]", what) for what in asked)
    kinds = {line[19:26].strip() for line in lines}
    assert kinds >= {"call", "ok", "recv", "lost", "now", "note", "up", "down", "nem"}


@pytest.mark.parametrize("width", [0, 120])
def test_a_part_of_the_log_is_that_part_of_the_whole(broken: Run, width: int) -> None:
    log = TextLog(calls=Calls.of(broken.history), recording=broken.recording())
    whole = list(log.lines(0, seconds(8), width=width))
    part = list(log.lines(seconds(3), seconds(4.5), width=width))
    inside = [line for line in whole[1:] if 3 <= float(line.split()[0]) < 4.5]
    assert len(inside) > 100
    assert part[1:] == inside


def test_the_text_of_a_failing_run_names_the_operation_that_nothing_explains(broken: Run) -> None:
    experiment = broken.plan.experiment
    verdicts = [checker.check(broken.history) for checker in judges((), make_workload(experiment))]
    report = build_report(
        title=experiment.title,
        history=broken.history,
        verdicts=verdicts,
        facts={},
        replay_command="splitbrain replay here",
    )
    text = render_text(report, broken.recording())
    assert text == render_text(report, broken.recording())
    assert text.startswith("FAIL  raft register partition,kill flaw stale-read\nNot linearizable")
    (culprit,) = re.findall(r"^! #(\d+) Process (\d+) .*read", text, re.M)
    marked = re.findall(rf"^ *[\d.]+ #{culprit[0]}! +(\w+) +p(\d+) ", text, re.M)
    assert marked == [("call", culprit[1]), ("ok", culprit[1])]
    assert text.endswith("replay  splitbrain replay here")
    assert len(text.splitlines()) < 300
    row = verdicts[0].witness
    assert row is not None
    culprit_row = broken.history[row["illegal_row"]]
    assert int(culprit[1]) == culprit_row.process


def test_a_run_without_a_witness_has_a_log_only_where_it_is_asked_for(
    recording: Recording, told: Callable[[Any], History]
) -> None:
    history = told([(3, 0, "invoke", "read", "x"), (6, 0, "ok", "read", "x", 1)])
    report = build_report(title="t", history=history, verdicts=[], facts={}, replay_command="again")
    assert "Log from" not in render_text(report, recording)
    asked = render_text(report, recording, start_ns=2 * MS, end_ns=5 * MS)
    assert "Log from 0.002 s to 0.005 s:" in asked
    assert "Append(term=1)" in asked
    assert "read → 1" not in asked
    assert "(nothing happened" in render_text(report, recording, start_ns=30 * MS)
    assert "has no recording" in render_text(report, None, start_ns=0)


def test_what_a_checker_tells_in_its_own_words_is_there(
    told: Callable[[Any], History],
) -> None:
    history = told([(1, 0, "invoke", "add", "x", 7), (2, 0, "ok", "add", "x", 7)])
    witness = {
        "rows": [0, 1],
        "sentences": [{"text": "7 was acknowledged.", "rows": [0, 1]}, {"text": "n2 lacks it."}],
        "table": {
            "caption": "At the end",
            "columns": ["replica", "lacks"],
            "rows": [["n1", None], ["n2", "7"]],
        },
        "conclusion": "So 7 was lost.",
        "anomalies": {"lost": 1, "resurrected": 1_200},
    }
    wrong = Verdict(checker="sets", outcome="fail", reason="7 was lost.", witness=witness)
    aside = Verdict(checker="views", outcome="fail", reason="r", witness=witness | {"rows": []})
    report = build_report(
        title="t", history=history, verdicts=[wrong, aside], facts={}, replay_command="again"
    )
    text = render_text(report, None)
    assert (
        'Witness of sets, key "x":\n'
        "  a) 7 was acknowledged. (#1)\n"
        "  b) n2 lacks it.\n"
        "  At the end\n"
        "    replica  lacks\n"
        "    n1\n"
        "!   n2       7\n"
        "  #1 Process 0 "
    ) in text
    assert text.count("  So 7 was lost.\n") == 2
    assert "\n      sets: 1,200 × resurrected\n      sets: 1 × lost\n" in text
    assert "What views says:\n  a) 7 was acknowledged.\n" in text


def test_hostile_values_cannot_break_a_line(told: Callable[[Any], History]) -> None:
    history = told([(1, 0, "invoke", "write", "x", "a\nb\u202ec\x1b[31m")])
    log = TextLog(calls=Calls.of(history), recording=None)
    (line,) = list(log.lines(0, 2 * MS, width=0))[1:]
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert "\n" not in line
