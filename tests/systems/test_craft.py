"""The C library raft in the simulator: its contract, members, and that what was found is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import Experiment, carry_out, seconds
from harness.child import apart
from harness.commands import main
from harness.errors import UsageError
from harness.node import ClientRequest
from harness.simulation.disk import SimulatedDisk
from harness.units import SECOND_NS
from systems.craft import Craft, CraftOptions, native
from systems.craft.findings import FINDINGS
from systems.craft.messages import Install, TimeoutNow, padded, unpadded
from systems.craft.scenarios import commit_by_counting, found
from systems.scenario import Outcome, Stage, play

needs_library = pytest.mark.skipif(native.missing() is not None, reason=str(native.missing()))

#: What 0.15.0 comes through unharmed: partitions and crashes, full logs, members that stay.
CLEAN = Experiment(
    system="craft", nodes=3, clients=3, rate_per_s=10, nemesis="partition,kill",
    time_limit_ns=seconds(25),
)  # fmt: skip


def played(scenario: Any, options: CraftOptions | None = None, **more: Any) -> str:
    """The alarm that a scenario raises; it is played where the library may crash."""

    def work() -> str:
        outcome: Outcome = play(Craft(options=options), scenario, **more)
        return f"{outcome.alarm} {outcome.reason}" if outcome.alarm else ""

    return apart(work)


# ---- the contract


@needs_library
@pytest.mark.parametrize("seed", range(1, 21))
def test_twenty_clean_seeds(seed: int) -> None:
    result = carry_out(CLEAN, seed)
    assert result.verdict.passed, result.verdict.reason


@needs_library
def test_a_bad_network_and_wire_change_nothing() -> None:
    for wire in (False, True):
        experiment = Experiment(
            system="craft", nodes=3, clients=3, rate_per_s=10, nemesis="pause,delay", wire=wire,
            loss_ratio=0.05, duplicate_ratio=0.2, time_limit_ns=seconds(20),
        )  # fmt: skip
        result = carry_out(experiment, 1)
        assert result.verdict.passed, result.verdict.reason


# ---- what the library is promised


class FakeContext:
    """As much of a context as a node needs to start and to be told the time."""

    def __init__(self) -> None:
        self.id, self.peers = 1, (2, 3)
        self.flushes = 0
        self.disk = SimulatedDisk(schedule_flush=self._flush)
        self.sent: list[Any] = []
        self.now_ns = 0
        self.rng = self.clock = self

    def _flush(self) -> None:
        self.flushes += 1

    def below(self, bound: int) -> int:
        return 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def send(self, destination: int, message: Any) -> None:
        self.sent.append((destination, message))

    def reply(self, request: ClientRequest, reply: Any) -> None:
        self.sent.append((request.client, reply))

    def set_timer(self, name: str, delay_ns: int) -> None:
        pass

    def probe(self, event: str, /, **numbers: int) -> None:
        pass

    def synced(self, node: Any) -> None:
        for token in self.disk.flushed():
            node.on_durable(token)


@needs_library
def test_a_term_and_a_vote_are_on_the_disk_before_anybody_hears_of_them() -> None:
    from systems.machines import KeyValue

    context: Any = FakeContext()
    node: Any = Craft(options=CraftOptions(pre_vote=False)).node(context, KeyValue())
    node.on_start(context.disk.recover())
    context.synced(node)
    for _ in range(12):
        context.now_ns += 100_000_000
        node.on_timer("tick")
    # it is a candidate of its own, but for the disk
    assert context.disk.unsynced > 0
    assert (node.role, node.term, context.sent) == ("follower", 1, [])
    # whatever comes meanwhile waits in line
    request = ClientRequest(client=9, id=1, session=1, serial=1, command=["write", "x", 1])
    node.on_request(request)
    assert context.sent == []
    context.synced(node)
    assert (node.role, node.term, node.voted_for) == ("candidate", 2, 1)
    assert [(destination, type(said).__name__) for destination, said in context.sent] == [
        (2, "RequestVote"), (3, "RequestVote"), (9, "ClientReply"),
    ]  # fmt: skip


@needs_library
def test_messages_never_come_out_of_order_or_twice() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        stage.double(3_000_000)  # every message once more, behind later ones
        client = stage.client(leader)
        for value in range(40):
            await client.write("x", value)
        for other in stage.others(leader):
            await stage.until(
                lambda other=other: stage.node(other).log.last_index
                == stage.node(leader).log.last_index,
                "the others to have it all",
            )  # fmt: skip

    assert played(scenario, nodes=3) == ""


def test_data_is_padded_to_eight_bytes() -> None:
    for length in range(20):
        content = bytes(range(length))
        assert len(padded(content)) % 8 == 0
        assert unpadded(padded(content)) == content


# ---- members, leaders, snapshots


def members(stage: Stage, node: int) -> dict[int, int]:
    found: dict[int, int] = stage.node(node).members()
    return found


@needs_library
def test_members_come_and_go_in_every_role() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        other = stage.others(leader, 4)[0]
        await stage.client(leader).write("x", 1)
        assert members(stage, leader) == {1: 1, 2: 1, 3: 1}
        stage.order(leader, "assign", 4, "standby")
        await stage.until(lambda: members(stage, leader).get(4) == 0, "a standby")
        await stage.until(lambda: stage.node(4).applied >= 2, "it to catch up")
        stage.order(leader, "assign", 4, "voter")
        await stage.until(lambda: members(stage, leader)[4] == 1, "a voter")
        await stage.sleep(SECOND_NS)
        stage.order(leader, "assign", other, "spare")
        await stage.until(lambda: members(stage, leader)[other] == 2, "a spare")
        await stage.sleep(SECOND_NS)
        stage.order(leader, "remove", other)
        await stage.until(lambda: other not in members(stage, leader), "a member less")
        await stage.sleep(SECOND_NS)
        stage.order(leader, "reconfigure", [1, 2, 3, 4])
        everybody = dict.fromkeys((1, 2, 3, 4), 1)
        await stage.until(lambda: members(stage, leader) == everybody, "all to vote again")
        assert await stage.client(4).read("x") == 1

    assert played(scenario, CraftOptions(voters=3), nodes=4) == ""


@needs_library
@pytest.mark.parametrize(
    "order", [["assign", 9, "standby"], ["remove", "2"], ["reconfigure", ["a", 1]], ["fly"]]
)
def test_a_mistyped_order_is_the_mistake_of_who_gave_it(order: Any) -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        for node in stage.nodes:
            with pytest.raises(UsageError, match=r"names \[|is no order"):
                stage.node(node).on_order(order)
        await stage.client(leader).write("x", 1)
        assert members(stage, leader) == {1: 1, 2: 1, 3: 1}

    assert played(scenario, nodes=3) == ""


@needs_library
def test_no_more_members_are_told_than_there_is_room_for() -> None:
    async def scenario(stage: Stage) -> None:
        node = stage.node(1)
        ids, roles = node._ffi.new("raft_id[]", 2), node._ffi.new("int[]", 2)
        assert node._lib.server_members(node.server, ids, roles, 2) == 2
        assert list(ids) == [1, 2]

    assert played(scenario, nodes=3) == ""


@needs_library
def test_the_leadership_is_handed_over() -> None:
    async def scenario(stage: Stage) -> None:
        old = await stage.leader()
        await stage.client(old).write("x", 1)
        await stage.sleep(SECOND_NS)
        handing_over = stage.delay(1, TimeoutNow, source=old)
        (heir, *_) = stage.others(old)
        stage.order(old, "transfer", heir)
        assert await stage.leader(other_than=old, within_ns=SECOND_NS) == heir
        assert handing_over.taken
        assert await stage.client(old).read("x") == 1

    assert played(scenario, nodes=3) == ""


@needs_library
def test_who_has_missed_much_gets_a_snapshot_and_keeps_it() -> None:
    async def scenario(stage: Stage) -> None:
        leader = await stage.leader()
        (late, *_) = stage.others(leader)
        stage.crash(late)
        client = stage.client(leader)
        for value in range(60):
            await client.write("x", value)
        whole = stage.delay(1, Install, destination=late)
        stage.restart(late)
        await stage.until(lambda: stage.node(late).applied >= 60, "it to catch up")
        assert whole.taken
        base = stage.node(late).log.base_index
        assert base > 20
        await stage.sleep(SECOND_NS)
        stage.crash(late)
        stage.restart(late)
        await stage.until(lambda: stage.node(late).applied >= 60, "it to be back")
        assert stage.node(late).log.base_index >= base
        assert await stage.client(late).read("x") == 59

    assert played(scenario, CraftOptions(snapshot_threshold=20, trailing=5), nodes=3) == ""


# ---- what was found


@needs_library
def test_figure_8_decides_two_entries_at_one_index() -> None:
    experiment = Experiment(
        system="craft", nodes=3, clients=2, rate_per_s=10, nemesis="figure-8"
    )  # fmt: skip
    result = carry_out(experiment, 2)
    assert result.verdict.outcome == "fail"
    assert "state-machine-safety" in result.verdict.reason
    # the entry that is replaced is of an earlier term than its leader, and was decided nevertheless
    assert result.run.violation is not None
    assert "<term 2:" in result.run.violation.first.what
    assert "<term 3:" in result.run.violation.second.what


@needs_library
def test_figure_8_is_seen_by_clients_that_read_without_a_barrier() -> None:
    experiment = Experiment(
        system="systems.craft:CraftAsInDqlite", nodes=3, clients=2, rate_per_s=40,
        nemesis="figure-8", invariants=False,
    )  # fmt: skip
    seen = carry_out(experiment, 20)
    assert (seen.verdict.checker, seen.verdict.outcome) == ("linearizability", "fail")
    # the same run, watched: what was read and then lost had been decided in this way
    watched = carry_out(msgspec.structs.replace(experiment, invariants=True), 20)
    assert watched.run.violation is not None
    assert watched.run.violation.invariant == "state-machine-safety"
    assert '<term 2: session 1, command 22: ["write","k0",5]>' in watched.run.violation.first.what
    assert "found no 5 to set to 6 at 11.158 s" in seen.verdict.reason
    told = (seen.verdict.witness or {})["steps"]
    assert told[1]["sentence"].startswith("Process 2 read 5: called at 6.842 s")


@needs_library
def test_figure_8_step_by_step() -> None:
    assert "read 1" in found("commit-by-counting")


@needs_library
def test_who_always_reads_behind_a_barrier_does_not_see_figure_8() -> None:
    assert played(commit_by_counting, nodes=3, invariants=False) == ""


@needs_library
def test_a_write_is_acknowledged_that_only_its_leader_has() -> None:
    assert "read 1" in found("false-acknowledgement")


@needs_library
def test_two_nodes_lead_one_term_when_one_voter_is_left() -> None:
    assert "two leaders in one term" in found("two-leaders")


@needs_library
def test_a_crash_of_the_library_is_a_verdict() -> None:
    experiment = Experiment(
        system="systems.craft:CraftCompact", nodes=5, clients=5, rate_per_s=30,
        nemesis="partition,kill,membership", time_limit_ns=seconds(30),
    )  # fmt: skip
    result = carry_out(experiment, 27)
    assert (result.verdict.checker, result.verdict.outcome) == ("survival", "fail")
    assert "SIGSEGV" in result.verdict.reason
    assert (result.verdict.witness or {})["node"] == "n5"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_our_own_raft_is_sound_under_figure_8(seed: int) -> None:
    experiment = Experiment(
        system="raft", nodes=3, clients=2, rate_per_s=40, nemesis="figure-8",
        time_limit_ns=seconds(30), checkers=("linearizability",),
    )  # fmt: skip
    result = carry_out(experiment, seed)
    assert result.verdict.passed, result.verdict.reason
    scenes = {fault.value.get("scene") for fault in result.run.plan.faults if fault.value}
    assert {1, 2} <= scenes  # what comes then depends on who is elected


def test_findings_are_told_apart() -> None:
    assert len({finding.name for finding in FINDINGS}) == len(FINDINGS)
    assert {finding.version for finding in FINDINGS} == {"0.15.0"}


# ---- where it cannot be had


@needs_library
@pytest.mark.slow
def test_processes_that_start_at_once_compile_it_once(tmp_path: Path) -> None:
    program = "from systems.craft import native; print(native.module().__name__)"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "SPLITBRAIN_CACHE": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    names = {process.communicate(timeout=120)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(names) == 1
    assert len(list((tmp_path / "compiled").glob("*.so"))) == 1


def test_a_missing_library_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    native.missing.cache_clear()
    monkeypatch.setattr(native, "header", lambda name: None)
    try:
        assert "apt-get install libraft-dev" in (Craft.unavailable() or "")
        with pytest.raises(UsageError, match="cannot run here.*apt-get install libraft-dev"):
            carry_out(CLEAN, 1)
        with pytest.raises(SystemExit):
            main(["list", "craft"])
        assert "apt-get install libraft-dev" in capsys.readouterr().out
    finally:
        native.missing.cache_clear()
