"""PySyncObj in our world: its releases beside each other, and what they show."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness import catalog
from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from harness.invariant import Invariant
from harness.runner import Run, run
from harness.simulation.disk import SimulatedDisk
from harness.simulation.world import SimulatedWorld
from harness.system import System, Unavailable
from systems.machines import KeyValue
from systems.pysyncobj import PySyncObj, PySyncObjMemory, PySyncObjSnapshots, releases
from systems.pysyncobj.files import Files
from systems.pysyncobj.messages import Segment
from systems.scenario import Stage, play

OLD, NEW = "pysyncobj-0.3.14", "pysyncobj"
SNAPSHOTS = "systems.pysyncobj:PySyncObjSnapshots"


def experiment(system: str, nemesis: str, **more: Any) -> Experiment:
    settings: dict[str, Any] = {
        "nodes": 3,
        "clients": 5,
        "rate_per_s": 30,
        "time_limit_ns": seconds(30),
    }
    return Experiment(system=system, nemesis=nemesis, **settings | more)


def violated(done: Run) -> str | None:
    return None if done.violation is None else done.violation.invariant


# ---- the red and the green release


def test_a_release_that_forgets_its_term_elects_two_leaders(
    obtained: Callable[[str], type[System]],
) -> None:
    obtained(OLD)
    found = [seed for seed in range(1, 11) if violated(run(experiment(OLD, "kill-all"), seed))]
    assert 1 in found
    assert len(found) >= 5
    assert violated(run(experiment(OLD, "kill-all"), found[0])) == "election-safety"


@pytest.mark.parametrize("nemesis", ["kill-all", "partition,kill,kill-all,pause,delay"])
def test_one_that_stores_it_does_not(nemesis: str, obtained: Callable[[str], type[System]]) -> None:
    obtained(NEW)
    assert [violated(run(experiment(NEW, nemesis), seed)) for seed in range(1, 5)] == [None] * 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("nemesis", "seeds"), [("kill-all", 60), ("partition,kill,kill-all,pause,delay", 20)]
)
def test_one_that_stores_it_does_not_in_many_seeds(
    nemesis: str, seeds: int, obtained: Callable[[str], type[System]]
) -> None:
    obtained(NEW)
    found = {seed: violated(run(experiment(NEW, nemesis), seed)) for seed in range(1, seeds + 1)}
    assert not {seed: name for seed, name in found.items() if name}


def test_without_a_journal_nothing_is_promised_and_nothing_kept(
    obtained: Callable[[str], type[System]],
) -> None:
    memory = obtained("systems.pysyncobj:PySyncObjMemory")
    assert memory is PySyncObjMemory
    name = catalog.reference("system", memory)
    assert any(violated(run(experiment(name, "kill"), seed)) for seed in range(1, 4))


async def an_old_leader_with_a_tail_gets_a_snapshot(stage: Stage) -> None:
    old = await stage.leader()
    stage.isolate(old)
    patient = stage.pinned(old, timeout_ns=seconds(300))
    tail = stage.begin(patient.write, "y", 1)  # in its log alone
    client = stage.client(await stage.leader(other_than=old))
    for value in range(150):
        await client.write("x", value)
    stage.heal()
    await stage.until(lambda: tail.ended or stage.node(old).applied > 150, "the old leader")
    await stage.sleep(seconds(10))
    await client.read("y")


class Unwatched(PySyncObjSnapshots):
    """What clients alone can tell of it."""

    def invariants(self) -> Sequence[Invariant]:
        return ()


def test_a_first_part_of_a_snapshot_decides_what_it_should_not(
    obtained: Callable[[str], type[System]],
) -> None:
    outcome = play(obtained(SNAPSHOTS)(), an_old_leader_with_a_tail_gets_a_snapshot)
    assert outcome.alarm == "state-machine-safety"
    # the write is acknowledged, and nobody has it
    outcome = play(Unwatched(), an_old_leader_with_a_tail_gets_a_snapshot)
    assert outcome.alarm == "linearizability"
    outcome = play(obtained("raft")(), an_old_leader_with_a_tail_gets_a_snapshot)
    assert outcome.alarm == "", outcome.reason


async def all_restart_after_snapshots(stage: Stage) -> None:
    client = stage.client(await stage.leader())
    for value in range(150):
        await client.write("x", value)
    stage.crash(*stage.nodes)
    stage.restart(*stage.nodes)
    assert await client.read("x") == 149
    for node in stage.nodes:
        assert stage.node(node).files.exists("dump")
        assert stage.node(node).log.base_index > 60


def test_nodes_come_back_from_snapshots(obtained: Callable[[str], type[System]]) -> None:
    outcome = play(obtained(SNAPSHOTS)(), all_restart_after_snapshots)
    assert outcome.alarm == "", outcome.reason


# ---- releases beside each other


def test_two_releases_live_in_one_process(obtained: Callable[[str], type[System]]) -> None:
    obtained(OLD)
    obtained(NEW)
    made = {name: experiment(name, "kill", time_limit_ns=seconds(10)) for name in (OLD, NEW)}
    first = {name: run(made[name], 2).digest for name in (OLD, NEW)}
    again = {name: run(made[name], 2).digest for name in (NEW, OLD)}
    assert first == again
    assert first[OLD] != first[NEW]
    assert [name for name in sys.modules if name.partition(".")[0] == "pysyncobj"] == []


def test_a_library_of_that_name_which_is_there_stays_there(
    obtained: Callable[[str], type[System]], monkeypatch: pytest.MonkeyPatch
) -> None:
    obtained(NEW)
    from systems.pysyncobj.library import Library

    theirs = ModuleType("pysyncobj")
    monkeypatch.setitem(sys.modules, "pysyncobj", theirs)
    path = list(sys.path)
    assert Library(releases.folder_of("0.3.17")).release == "0.3.17"
    assert sys.modules["pysyncobj"] is theirs
    assert "pysyncobj.syncobj" not in sys.modules
    assert sys.path == path


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPLITBRAIN_CACHE", str(tmp_path))
    return tmp_path


def test_many_who_install_at_once_end_with_one_folder(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = threading.Barrier(4)

    def pip(release: str, target: Path) -> None:
        (target / "half").write_text(release)
        everybody.wait(timeout=20)
        (target / "whole").write_text(release)

    monkeypatch.setattr(releases, "_pip", pip)
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(releases.folder_of("9.9")))
        for _ in range(everybody.parties)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert folders == [empty_cache / "pysyncobj" / "9.9"] * 4
    assert sorted(file.name for file in folders[0].iterdir()) == ["half", "whole"]
    assert [folder.name for folder in (empty_cache / "pysyncobj").iterdir()] == ["9.9"]


def test_what_pip_cannot_get_is_said_with_its_words(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(*arguments: Any, **options: Any) -> Any:
        return SimpleNamespace(returncode=1, stderr="ERROR: No matching distribution found")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(Unavailable, match="No matching distribution") as caught:
        releases.folder_of("9.9")
    assert f"--target {empty_cache / 'pysyncobj' / '9.9'}" in str(caught.value)
    assert list((empty_cache / "pysyncobj").iterdir()) == []


def test_a_pip_that_does_not_end_is_given_up(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(*arguments: Any, timeout: float, **options: Any) -> Any:
        raise subprocess.TimeoutExpired("pip", timeout)

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(Unavailable, match="was not installed within"):
        releases.folder_of("9.9")


def test_without_pip_only_what_is_there_already_can_be_run(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PySyncObj.unavailable() is None
    monkeypatch.setattr(releases, "find_spec", lambda name: None)
    assert "there is no pip" in str(PySyncObj.unavailable())
    (empty_cache / "pysyncobj" / "0.3.17").mkdir(parents=True)
    assert PySyncObj.unavailable() is None


def test_names_of_releases() -> None:
    assert PySyncObj.at_release("0.3.14") is catalog.load("system", OLD)
    with pytest.raises(UsageError, match="'latest' is no release"):
        catalog.load("system", "pysyncobj-latest")
    with pytest.raises(UsageError, match="Did you mean 'raft-plain'"):
        catalog.load("system", "raft-plan")


# ---- a node


def test_nothing_is_said_before_what_it_rests_on_is_on_the_disk(
    obtained: Callable[[str], type[System]],
) -> None:
    system = obtained(NEW)()
    world = SimulatedWorld(
        seed=1,
        nodes=3,
        clients=0,
        factory=lambda context: system.node(context, KeyValue()),
        flush_ns=(seconds(0.1), seconds(0.1)),
    )
    asked = 0
    for step in range(1, 4000):
        world.trace.clear()
        world.run(limit_ns=seconds(step / 1000))
        for _, _, source, _, payload in world.trace:
            if isinstance(payload, Segment) and payload.kind == "request_vote":
                asked += 1
                durable = Files(
                    SimulatedDisk(schedule_flush=list), world.lives.disks[source].recover()
                )
                meta = pickle.loads(durable.open("journal.meta", "rb").read())
                assert meta["currentTerm"] == payload.term
                assert meta["votedForNodeId"] == f"n{source}"
    assert asked >= 2
