"""Rasputin's key-value commands on Harpoon: its README's example, and what they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from harness import Experiment, catalog, seconds
from harness.node import Context, Node, StateMachine
from harness.units import SECOND_NS
from systems.harpoon import Harpoon
from systems.harpoon.client import Answer, Client
from systems.kit import check_system
from systems.machines.mutations import ObservedKeyValue
from systems.scenario import Stage, play


class OnRasputinsMap(Harpoon):
    """Harpoon that replicates the map of mutations, whatever a workload brings."""

    def node(self, context: Context, machine: StateMachine) -> Node:
        return super().node(context, ObservedKeyValue())


def _with_client(scenario: Callable[[Client], Awaitable[object]], **options: Any) -> None:
    async def main(stage: Stage) -> None:
        await scenario(Client(stage.client(1).connection))

    outcome = play(Harpoon(), main, machine=ObservedKeyValue, **options)
    assert outcome.alarm == "", outcome.reason


def test_the_example_of_rasputins_readme_step_by_step() -> None:
    async def scenario(client: Client) -> None:
        assert (await client.set("k1", "v1")).success
        assert (await client.get("k1")).value == "v1"
        assert (await client.cas("k1", "v1", "v12")).value == "v12"
        lost = await client.cas("k1", "vNever", "v13")
        assert lost.value == "v12"
        assert not lost.success
        assert (await client.cas("k1", "v12", "v13")).value == "v13"
        assert (await client.delete("k1")).value == "v13"
        assert not (await client.get("k1")).success

    _with_client(scenario)


def test_a_cas_can_create_and_remove_a_key() -> None:
    async def scenario(client: Client) -> None:
        assert await client.cas("k", None, 1) == Answer(True, 1)
        assert await client.cas("k", None, 2) == Answer(False, 1, "compare failure")
        assert await client.cas("k", 1, None) == Answer(True, None)
        assert await client.get("k") == Answer(False, None, "key not found")

    _with_client(scenario)


def test_deleting_what_is_not_there_succeeds_and_has_no_value() -> None:
    async def scenario(client: Client) -> None:
        assert await client.delete("k") == Answer(True, None)

    _with_client(scenario)


def test_an_observed_map_keeps_the_contract_of_systems() -> None:
    check_system(OnRasputinsMap)


@pytest.mark.splitbrain(seeds=2)
def test_the_register_workload_runs_on_it(
    splitbrain: Callable[[Experiment], object],
) -> None:
    name = catalog.reference("system", OnRasputinsMap)
    splitbrain(Experiment(system=name, nemesis="partition,kill", time_limit_ns=seconds(10)))


def test_the_answer_to_a_repeated_command_is_the_first_one() -> None:
    async def main(stage: Stage) -> None:
        leader = await stage.leader()
        port = stage.world.port(2)
        for _ in range(2):
            reply = await port.call(
                leader, ("exchange", "k", None, 1), session=5, serial=1, read_only=False,
                timeout_ns=SECOND_NS,
            )  # fmt: skip
            assert reply is not None
            assert reply.value == [True, 1]

    assert play(Harpoon(), main, machine=ObservedKeyValue).alarm == ""
