"""Errands: a coroutine whose steps the driver takes is the same as one that its task awaits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from harness.simulation.driver import Deadlock, Signal, simulate
from harness.simulation.world import SimulatedWorld

MS = 1_000_000
SECOND = 1_000 * MS

#: How a task waits for a coroutine: by itself, or by an errand.
Way = Callable[[SimulatedWorld, Any], Awaitable[Any]]


async def by_itself(world: SimulatedWorld, coroutine: Any) -> Any:
    return await coroutine


async def by_errand(world: SimulatedWorld, coroutine: Any) -> Any:
    return await world.tasks.errand(coroutine)


WAYS = pytest.mark.parametrize("way", [by_itself, by_errand])


def make_world() -> SimulatedWorld:
    return SimulatedWorld(seed=1, nodes=0, clients=0)


@WAYS
def test_steps_come_in_the_order_of_those_of_tasks(way: Way) -> None:
    world = make_world()
    told: list[tuple[int, str]] = []

    async def steps(name: str, pauses_ns: list[int]) -> str:
        for pause_ns in pauses_ns:
            await world.tasks.sleep_ns(pause_ns)
            told.append((world.now_ns, name))
        return name

    async def task(name: str, pauses_ns: list[int]) -> None:
        ended = await way(world, steps(name, pauses_ns))
        told.append((world.now_ns, f"{ended} ended"))

    async def main() -> None:
        world.tasks.spawn(task, "a", [10, 10, 10])
        world.tasks.spawn(task, "b", [10, 20])
        world.tasks.spawn(task, "c", [])

    simulate(world, main)
    assert told == [
        (0, "c ended"), (10, "a"), (10, "b"), (20, "a"), (30, "b"), (30, "b ended"), (30, "a"),
        (30, "a ended"),
    ]  # fmt: skip


@WAYS
@pytest.mark.parametrize("pause_ns", [None, 10])
def test_an_exception_comes_out_where_it_is_awaited(way: Way, pause_ns: int | None) -> None:
    world = make_world()
    caught = []

    async def fails() -> None:
        if pause_ns is not None:
            await world.tasks.sleep_ns(pause_ns)
        raise KeyError("mine")

    async def main() -> None:
        try:
            await way(world, fails())
        except KeyError as error:
            caught.append((world.now_ns, error.args))

    simulate(world, main)
    assert caught == [(pause_ns or 0, ("mine",))]


@WAYS
def test_cancelling_the_task_unwinds_the_errand(way: Way) -> None:
    world = make_world()
    told = []

    async def steps() -> None:
        try:
            await world.tasks.sleep_ns(10 * SECOND)
            told.append("never")
        finally:
            told.append("unwound")

    async def main() -> None:
        with trio.move_on_after(2.5):
            await way(world, steps())
        told.append(f"{world.now_ns / SECOND}")
        await world.tasks.sleep_ns(20 * SECOND)  # past the end of the other sleep

    simulate(world, main)
    assert told == ["unwound", "2.5"]


@WAYS
def test_a_deadlock_names_what_the_errand_waits_for(way: Way) -> None:
    world = make_world()

    async def steps() -> None:
        await world.tasks.sleep_ns(SECOND)
        await Signal(world.tasks, "the end of the world").wait()

    async def main() -> None:
        await way(world, steps())

    with pytest.raises(Deadlock, match=r"main waits for the end of the world, since 1.000 s"):
        simulate(world, main)


def test_an_errand_within_an_errand_is_part_of_it() -> None:
    world = make_world()

    async def inner() -> int:
        await world.tasks.sleep_ns(10)
        return world.now_ns

    async def outer() -> int:
        return await world.tasks.errand(inner()) + await world.tasks.errand(inner())

    found = []

    async def main() -> None:
        found.append(await world.tasks.errand(outer()))

    simulate(world, main)
    assert found == [30]


def test_an_errand_must_not_wait_through_trio() -> None:
    world = make_world()

    async def steps() -> None:
        await world.tasks.sleep_ns(10)
        await trio.sleep(1)

    async def main() -> None:
        await world.tasks.errand(steps())

    with pytest.raises(RuntimeError, match="must be called from async context"):
        simulate(world, main)
