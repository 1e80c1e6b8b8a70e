"""Runs that stop at their first violation: what is left behind, and that a replay does the same."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checkers.linearizability import Linearizability
from harness import pipeline, runner
from harness.checks import followers
from harness.errors import SplitbrainError, UsageError
from harness.experiment import Experiment, seconds
from harness.formats import read_history
from harness.history import History
from harness.operation import Operation
from harness.pipeline import carry_out, carry_out_again
from harness.plan import Plan
from harness.runner import Run, replay, run
from harness.simulation.world import SimulatedWorld
from harness.verdict import Verdict

BROKEN = Experiment(
    nemesis="partition",
    flaw="stale-read",
    nodes=3,
    clients=4,
    time_limit_ns=seconds(10),
    recovery_ns=seconds(1),
    interval_ns=seconds(1),
    options={"keys": 2},
    stop_early=True,
)

change = msgspec.structs.replace


@cache
def stopped() -> Run:
    """A run that was stopped long before its end."""
    for seed in range(1, 60):
        done = run(BROKEN, seed)
        if done.stopped is not None and done.stopped.details["stopped_at_ns"] < seconds(6):
            return done
    raise AssertionError("no seed shows the flaw")


def details(done: Run) -> dict[str, Any]:
    assert done.stopped is not None
    return dict(done.stopped.details)


# ---- where it stops


def test_it_stops_where_the_finished_check_first_fails() -> None:
    done, row = stopped(), details(stopped())["stopped_at_row"]
    checker = Linearizability()
    for rows, outcome in ((row, "pass"), (row + 1, "fail"), (len(done.history), "fail")):
        prefix = done.history.select(list(range(rows)))
        assert checker.check(prefix).outcome == outcome, rows


def test_until_then_it_is_the_same_run() -> None:
    done, row = stopped(), details(stopped())["stopped_at_row"]
    whole = run(change(BROKEN, stop_early=False), done.plan.seed)
    assert whole.stopped is None
    assert whole.duration_ns > done.duration_ns
    until = list(range(row + 1))
    assert whole.history.select(until) == done.history.select(until)


def test_nothing_new_begins_and_faults_are_healed() -> None:
    done, at = stopped(), details(stopped())
    after = [o for o in done.history if o.index > at["stopped_at_row"]]
    assert not [o for o in after if o.type == "invoke"]
    assert [o.f for o in after if not o.is_client] == ["stop-partition"] * 2
    assert max(o.time_ns for o in done.plan.operations) <= at["stopped_at_ns"]
    # all that was under way has come to its end, one way or another
    partner = done.history.partner
    assert (partner[done.history.client_rows] >= 0).all()


def test_the_network_is_whole_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds: list[SimulatedWorld] = []

    def keep(**options: Any) -> SimulatedWorld:
        worlds.append(SimulatedWorld(**options))
        return worlds[-1]

    monkeypatch.setattr(runner, "SimulatedWorld", keep)
    run(BROKEN, stopped().plan.seed)
    assert not any(worlds[0].network.cuts)


# ---- replays


def test_a_replay_stops_at_the_same_point() -> None:
    done = stopped()
    again = replay(done.plan)
    assert again.digest == done.digest
    assert again.history == done.history
    assert again.stopped == done.stopped
    assert again.plan == done.plan


def test_a_replay_without_the_check_is_the_same_run() -> None:
    """What was done is in the plan: the checker only said when to stop."""
    done = stopped()
    plan = change(done.plan, experiment=change(BROKEN, stop_early=False))
    assert replay(plan).digest == done.digest


def test_an_edited_plan_is_healed_as_well() -> None:
    """Faults that were still to come are left out, but for those that heal."""
    whole = run(change(BROKEN, stop_early=False), stopped().plan.seed)
    again = replay(change(whole.plan, experiment=BROKEN))
    assert details(again) == details(stopped())
    late = [f.f for f in again.plan.faults if f.time_ns > details(again)["stopped_at_ns"]]
    assert late == [
        f.f
        for f in whole.plan.faults
        if f.time_ns > details(again)["stopped_at_ns"] and f.f == "stop-partition"
    ]


@pytest.mark.parametrize("nemesis", ["none", "partition,kill,pause,delay"])
def test_a_run_without_violation_is_not_changed(nemesis: str) -> None:
    watched = change(BROKEN, flaw=None, nemesis=nemesis, time_limit_ns=seconds(4))
    for seed in (1, 2):
        done = run(watched, seed)
        assert done.stopped is None
        assert done.digest == run(change(watched, stop_early=False), seed).digest


# ---- stops at odd moments


class Impatient:
    """Follows a run and stops it in a row that a test chooses."""

    def __init__(self, row: int) -> None:
        self.row = row

    def observe(self, operation: Operation) -> Verdict | None:
        if operation.index != self.row:
            return None
        return Verdict(checker="stats", outcome="fail", reason="enough", witness={"rows": []})


def test_any_row_is_a_good_one_to_stop_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """While faults go on, or all sleep, or in the middle of the final reads."""
    experiment = change(BROKEN, flaw=None, time_limit_ns=seconds(2), nemesis="partition,kill")
    history = run(change(experiment, stop_early=False), 1).history
    answers = [o.index for o in history if o.is_client and o.type != "invoke"]
    for row in [*answers[::23], *answers[-8:]]:
        made: Callable[[Any], list[Any]] = lambda _, row=row: [Impatient(row)]  # noqa: E731
        monkeypatch.setattr(runner, "followers", made)
        done = run(experiment, 1)
        assert details(done)["stopped_at_row"] == row
        assert replay(done.plan).digest == done.digest, row
        late = itertools.islice(done.history, row + 1, None)
        assert not [o for o in late if o.type == "invoke"], row


@pytest.mark.parametrize("process", [0, "nemesis"])
def test_followers_that_speak_out_of_turn_are_noticed(
    monkeypatch: pytest.MonkeyPatch, process: int | str
) -> None:
    """What only begins contradicts nothing, and no fault does."""
    history = stopped().history
    row = next(o.index for o in history if o.process == process)
    monkeypatch.setattr(runner, "followers", lambda _: [Impatient(row)])
    with pytest.raises(AssertionError, match="contradicts no"):
        run(BROKEN, stopped().plan.seed)


# ---- the whole way


def test_the_verdict_says_when(tmp_path: Path) -> None:
    seed, at = stopped().plan.seed, details(stopped())
    result = carry_out(BROKEN, seed, store=tmp_path, report_passes=False)
    verdict = result.verdict
    assert (verdict.checker, verdict.outcome) == ("linearizability", "fail")
    when = f"The run was stopped there, at {at['stopped_at_ns'] / 1e9:.3f} s of 11 s."
    assert verdict.reason.endswith(when)
    assert verdict.details["stopped_at_row"] == at["stopped_at_row"]
    # apart from that it is the verdict of the finished check
    finished = Linearizability().check(result.run.history)
    assert verdict.reason == f"{finished.reason} {when}"
    assert verdict.witness == finished.witness
    assert result.folder is not None
    assert read_history(result.folder.history) == result.run.history
    plan = Plan.decode(result.folder.plan.read_bytes())
    assert plan == result.run.plan
    again = carry_out_again(plan, store=tmp_path)
    assert again.run.digest == result.run.digest
    assert again.verdict == verdict
    assert "--stop-early" in pipeline.run_command(BROKEN, seed)


class Undecided(Linearizability):
    """Finds no answer in the finished history."""

    def check(self, history: History) -> Verdict:
        found = super().check(history)
        return dataclasses.replace(found, outcome="unknown", reason="out of budget", witness=None)


class Blind(Linearizability):
    """Passes everything."""

    def check(self, history: History) -> Verdict:
        return Verdict(checker=self.name, outcome="pass", reason="all is well")


def test_what_stopped_the_run_counts_if_the_finished_check_gives_up() -> None:
    experiment = change(BROKEN, checkers=(f"{__name__}:Undecided",))
    done = dataclasses.replace(stopped(), plan=change(stopped().plan, experiment=experiment))
    verdict = pipeline._with_stop(Undecided().check(done.history), done)
    assert verdict.outcome == "fail"
    assert verdict.reason.startswith("Not linearizable: no order explains")


def test_checkers_that_contradict_each_other_are_a_crash() -> None:
    with pytest.raises(SplitbrainError, match="Both cannot be right"):
        pipeline._with_stop(Blind().check(stopped().history), stopped())


def test_a_run_that_nobody_can_follow_does_not_begin(tmp_path: Path) -> None:
    experiment = change(BROKEN, checkers=("sequential", "stats"))
    with pytest.raises(UsageError, match=r"\(sequential, stats\) can follow it"):
        carry_out(experiment, 1, store=tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="Those that can are: linearizability"):
        followers([])
