"""Runs whose code may kill the process: the parent lives on and has a verdict."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness import Experiment, carry_out, child, seconds
from harness.child import Died, Ring, apart, in_child
from harness.errors import UsageError
from harness.foreign import carry
from harness.node import Context, Node, StateMachine
from harness.pipeline import carry_out_again
from harness.plan import Plan
from harness.runner import replay, run
from harness.store import open_folder
from systems.raft import Raft
from systems.raft.node import RaftNode

#: Third parties' code: a module that only these tests know.
NAME = "somebody_elses_code"


class Deadly(RaftNode):
    """Takes the process along at the first heartbeat of the second term."""

    by = signal.SIGSEGV

    def on_timer(self, name: str) -> None:
        if name == "heartbeat" and self.term == 2:
            self.context.probe("last-words")
            os.write(2, b"assertion failed\n")
            os.kill(os.getpid(), self.by)
        super().on_timer(name)


class Fragile(Raft):
    """Raft as if it were native code."""

    foreign = True


class Mortal(Fragile):
    """The same, with nodes that kill."""

    def node(self, context: Context, machine: StateMachine) -> Node:
        return Deadly(context, machine, self.options)


class Wrong(Fragile):
    """A node that is wrong, but kills nobody."""

    def node(self, context: Context, machine: StateMachine) -> Node:
        raise UsageError("not like this")


@pytest.fixture(autouse=True)
def module() -> Iterator[None]:
    sys.modules[NAME] = sys.modules[__name__]
    yield
    del sys.modules[NAME]


def experiment(name: str, **more: Any) -> Experiment:
    return Experiment(
        system=f"{NAME}:{name}", nodes=3, clients=3, time_limit_ns=seconds(5),
        nemesis="partition,kill", interval_ns=seconds(1), **more,
    )  # fmt: skip


@pytest.mark.parametrize("wire", [False, True])
def test_where_a_run_happens_changes_nothing(wire: bool) -> None:
    here = run(experiment("Fragile", wire=wire), 1)
    there = carry(Plan(experiment=here.plan.experiment, seed=1))
    assert there.digest == here.digest
    assert there.history == here.history
    assert list(there.trace_lines()) == list(here.trace_lines())
    assert there.recording() == here.recording()
    again = carry(there.plan, scripted=True)
    assert again.digest == replay(here.plan).digest == here.digest


@pytest.mark.parametrize("wire", [False, True])
def test_a_death_is_a_verdict_with_all_that_was_written_down(tmp_path: Any, wire: bool) -> None:
    result = carry_out(experiment("Mortal", wire=wire), 2, store=tmp_path)
    assert (result.verdict.outcome, result.verdict.checker) == ("fail", "survival")
    died_in = [node for _, node, event in result.run.probes if event == "last-words"]
    (node,) = died_in
    assert "died of SIGSEGV" in result.verdict.reason
    assert f"in a call that n{node} made when its timer 'heartbeat' rang" in result.verdict.reason
    assert "assertion failed" in result.verdict.reason
    assert result.run.trace[-1][4][0] == "last-words"
    # history, trace, verdict and report are kept, and it can be replayed
    folder = result.folder
    assert folder is not None
    assert len(folder.history.read_bytes().splitlines()) == len(result.run.history) > 0
    assert b"last-words" in folder.trace.read_bytes().splitlines()[-1]
    assert "SIGSEGV" in folder.report.read_text(encoding="utf-8")
    assert result.replay_command.startswith("splitbrain replay")
    again = carry_out_again(Plan.decode(open_folder(folder.path).plan.read_bytes()))
    assert again.run.digest == result.run.digest
    assert again.verdict.reason == result.verdict.reason


def test_errors_of_the_child_are_raised_as_they_are() -> None:
    with pytest.raises(UsageError, match="not like this"):
        carry(Plan(experiment=experiment("Wrong"), seed=1))


def test_the_parents_errors_end_the_child() -> None:
    def work(say: Any) -> None:
        say(b"h", b"%d" % os.getpid())
        signal.pause()

    children = []

    def heard(kind: bytes, content: bytes) -> None:
        children.append(int(content))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_child(work, heard)
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


def test_native_code_that_does_not_come_back_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LIMIT_S", 0)
    with pytest.raises(Died, match="did not come back within 0 s of processor time"):
        apart(lambda: sum(itertools.repeat(0)))


def test_slow_work_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LIMIT_S", 1)
    monkeypatch.setattr(child, "LOOK_S", 0.05)

    def work() -> str:
        while time.process_time() < 2.1:
            pass
        return "done"

    assert apart(work) == "done"


def test_an_exit_without_a_result_is_a_death() -> None:
    with pytest.raises(Died, match="ended with the exit code 3"):
        apart(lambda: os._exit(3))


def test_what_cannot_be_pickled_is_an_error_in_words() -> None:
    with pytest.raises(Exception, match="cannot pickle|Can't pickle|pickle"):
        apart(lambda: lambda: None)


@pytest.mark.parametrize("count", [0, 1, 10, 1_000])
def test_the_ring_keeps_the_latest_records_in_their_order(count: int) -> None:
    ring = Ring(4096)
    for number in range(count):
        ring.write(b"%d" % number)
    kept = [int(record) for record in ring.records()]
    assert kept == list(range(count - len(kept), count))
    assert len(kept) >= min(count, 200)


def test_a_record_that_is_too_large_for_the_ring_is_left_out() -> None:
    ring = Ring(4096)
    ring.write(b"x" * 3000)
    ring.write(b"y")
    assert list(ring.records()) == [b"y"]
