"""Campaigns over many seeds: sound OmniPaxos and Multi-Paxos are never accused of anything."""

from __future__ import annotations

import pytest

from harness import Experiment, carry_out, seconds
from harness.randomness import stream
from harness.system import Refused, Unanswered
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.paxos import OmniPaxos, OmniPaxosOptions
from systems.scenario import Scenario, Stage, play

FAULTS = "partition,kill,pause,delay"
SYSTEMS = ("omnipaxos", "omnipaxos-happy", "multipaxos", "multipaxos-gossip")
MS = MILLISECOND_NS


def experiment(system: str, seed: int, limit_s: float) -> Experiment:
    """Faults as usual; every second seed also has rare paths made common, loss or doubling."""
    return Experiment(
        system=system,
        nemesis=FAULTS,
        time_limit_ns=seconds(limit_s),
        buggify=seed % 2 == 0,
        loss_ratio=0.02 if seed % 3 == 0 else 0.0,
        duplicate_ratio=0.05 if seed % 4 == 1 else 0.0,
        options={"values": "reused"} if seed % 5 == 0 else {},
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_sound_paxos_is_not_accused(system: str) -> None:
    for seed in range(1, 5):
        result = carry_out(experiment(system, seed, 10), seed)
        assert result.run.violation is None
        linearizable = next(v for v in result.verdicts if v.checker == "linearizability")
        assert linearizable.outcome == "pass", (seed, linearizable.reason)


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_sound_paxos_is_not_accused_in_many_seeds(system: str) -> None:
    for seed in range(100, 112):
        result = carry_out(experiment(system, seed, 20), seed)
        assert result.run.violation is None, seed
        linearizable = next(v for v in result.verdicts if v.checker == "linearizability")
        assert linearizable.outcome == "pass", (seed, linearizable.reason)


def storm(seed: int) -> Scenario:
    """Members change while clients write and nodes crash, freeze and lose each other."""
    random = stream(seed, "storm of configurations")

    async def scenario(stage: Stage) -> None:
        over = False

        async def client(number: int) -> None:
            mine = stage.client(number + 1)
            value = 0
            while not over:
                value += 1
                try:
                    if value % 3:
                        await mine.write("x", 10 * value + number)
                    else:
                        await mine.read("x")
                except (Refused, Unanswered):
                    pass
                await stage.sleep(random.randrange(20 * MS))

        async def operator() -> None:
            serial = 0
            while not over:
                members = sorted(random.sample(stage.nodes, random.choice((2, 3, 3, 4, 5))))
                for node in stage.nodes:
                    serial += 1
                    await stage.world.port(6).call(
                        node, ("reconfigure", members), session=600, serial=serial,
                        read_only=False, timeout_ns=50 * MS,
                    )  # fmt: skip
                await stage.sleep(random.randrange(SECOND_NS))

        for number in range(3):
            stage.world.tasks.spawn(client, number, name=f"client {number}")
        stage.world.tasks.spawn(operator, name="operator")
        for _ in range(40):
            await stage.sleep(random.randrange(300 * MS))
            one, other = random.sample(stage.nodes, 2)
            stage.act(
                random.choice(
                    [
                        ["crash", one, random.choice(["clean", "prefix", "torn"])],
                        ["restart", one],
                        ["restart", one],
                        ["pause", one],
                        ["resume", one],
                        ["cut", one, other],
                        ["mend", one, other],
                        ["mend", other, one],
                        ["slow", one, other, 50 * MS, 0.3],
                        ["fast", one, other],
                    ]
                )
            )
        stage.heal()
        stage.restart(*stage.nodes)
        stage.resume(*stage.nodes)
        for one in stage.nodes:
            for other in stage.nodes:
                stage.act(["fast", one, other])
        over = True
        await stage.sleep(2 * SECOND_NS)
        leader = await stage.leader()
        await stage.sleep(SECOND_NS)
        configurations = {stage.node(node).configuration for node in stage.node(leader).log.members}
        assert len(configurations) == 1, "all members have arrived in one configuration"

    return scenario


def weather(seed: int) -> None:
    """One storm, with options that the seed decides."""
    options = OmniPaxosOptions(
        election=("connected", "happy")[seed % 2],
        reads=("index", "quorum", "log")[seed % 3],
        snapshot_entries=(1000, 10)[seed // 3 % 2],
        retain=3,
        members=(None, (1, 2, 3))[seed % 2],
    )
    outcome = play(OmniPaxos(options=options), storm(seed), seed=seed, buggify=True)
    assert outcome.alarm == "", (seed, outcome.reason)
    assert outcome.stage.world.goals.get("configuration-begun", 0) > 1


@pytest.mark.parametrize("seed", [10, 23, 64, 138])
def test_configurations_change_in_a_storm(seed: int) -> None:
    """In each of these an earlier version went wrong: it forgot, after a restart, that its
    configuration had begun with something decided, or nobody told the new members."""
    weather(seed)


@pytest.mark.slow
def test_configurations_change_in_many_storms() -> None:
    for seed in range(200, 230):
        weather(seed)
