"""Subscriptions and watches while nodes fall over: in order, no gap, no duplicate, at most once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.system import Refused, Unanswered
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.harpoon import Harpoon
from systems.harpoon.client import Client, Mutation, MutationsForgotten, Subscription
from systems.machines.mutations import ObservedKeyValue
from systems.scenario import Stage, play

KEYS = ("a/1", "a/2", "b/1")
WRITERS = 3


class Observed:
    """What one run showed: streams, watches, and what became of each write."""

    def __init__(self) -> None:
        self.everything: list[Mutation] = []
        self.below_a: list[Mutation] = []
        self.watches: list[tuple[str, int, list[Mutation]]] = []
        # (key, value) -> "ok", "fail" or "info"
        self.writes: dict[tuple[str, int], str] = {}


FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["isolate", "crash", "pause", "crash leader", "isolate leader", "heal"]),
        st.integers(1, 5),
        st.integers(50, 2500),
    ),
    max_size=8,
)


def _apply(stage: Stage, fault: str, node: int) -> None:
    kind, *aimed = fault.split()
    victim = (stage.world.leader() or node) if aimed else node
    if kind == "heal":
        _recover(stage)
    elif kind == "isolate":
        stage.isolate(victim)
    elif kind == "pause":
        stage.pause(victim)
    else:
        stage.crash(victim, mode="torn")


def _recover(stage: Stage) -> None:
    stage.heal()
    stage.resume(*stage.nodes)
    stage.restart(*stage.nodes)


async def _write(stage: Stage, number: int, seen: Observed, stop: list[bool]) -> None:
    client = Client(stage.client(number + 1).connection)
    value = number
    while not stop:
        value += WRITERS
        key = KEYS[value % len(KEYS)]
        try:
            await client.set(key, value)
            seen.writes[key, value] = "ok"
        except Refused:
            seen.writes[key, value] = "fail"
        except Unanswered:
            seen.writes[key, value] = "info"
            client = Client(stage.client(number + 1).connection)
        await stage.sleep(20 * MILLISECOND_NS)


async def _follow(
    stage: Stage, subscription: Subscription, into: list[Mutation], stop: list[bool]
) -> None:
    """A subscriber that is busy with something else now and then."""
    random = stage.world.stream("subscriber", len(into))
    while not stop:
        try:
            into += await subscription.poll(limit=random.choice((3, 100)))
        except Refused:
            continue
        await stage.sleep(random.choice((0, 0, 400)) * MILLISECOND_NS)


async def _watch(stage: Stage, seen: Observed, stop: list[bool]) -> None:
    """Arms one watch after the other; each is asked twice more once it has fired."""
    client = Client(stage.client(4).connection)
    while not stop:
        try:
            watch = await client.watch(KEYS[0])
            last_txid = watch.last_txid
        except Refused:
            continue
        fired: list[Mutation] = []
        seen.watches.append((KEYS[0], last_txid, fired))
        asked = 0
        while not stop and asked < 3:
            try:
                mutation = await watch.poll()
            except Refused:
                continue
            if mutation is not None:
                fired.append(mutation)
            asked += bool(fired)


def _run(seed: int, faults: list[tuple[str, int, int]], *, flaw: str | None = None) -> Observed:
    seen = Observed()

    async def main(stage: Stage) -> None:
        quiet: list[bool] = []
        stop: list[bool] = []
        client = Client(stage.client(1).connection)
        spawn = stage.world.tasks.spawn
        for key, into in (("", seen.everything), ("a/", seen.below_a)):
            stream = Client(stage.client(2).connection)
            subscription = await stream.subscribe(key, recursive=True, last_txid=0)
            streams.append(subscription)
            spawn(_follow, stage, subscription, into, stop)
        for number in range(WRITERS):
            spawn(_write, stage, number, seen, quiet)
        spawn(_watch, stage, seen, quiet)
        await stage.leader()
        for fault, node, pause_ms in faults:
            _apply(stage, fault, node)
            await stage.sleep(pause_ms * MILLISECOND_NS)
        _recover(stage)
        await stage.leader()
        await stage.sleep(SECOND_NS)
        quiet.append(True)
        await stage.sleep(2 * SECOND_NS)
        latest_txid = (await client.subscribe("")).last_txid
        await stage.until(
            lambda: all(stream.last_txid >= latest_txid for stream in streams),
            "the subscribers to catch up",
        )
        stop.append(True)
        await stage.sleep(2 * SECOND_NS)

    streams: list[Subscription] = []
    system = Harpoon(flaw=flaw)
    outcome = play(system, main, seed=seed, machine=ObservedKeyValue, clients=12, buggify=True)
    assert outcome.alarm == "", outcome.reason
    return seen


def _complaints(seen: Observed) -> list[str]:
    """What is wrong with the streams, judged by the writers' own account alone."""
    wrong = []
    txids = [mutation.txid for mutation in seen.everything]
    if txids != list(range(1, len(txids) + 1)):
        wrong.append(f"the stream of everything has the numbers {txids}")
    if seen.below_a != [m for m in seen.everything if m.key.startswith("a/")]:
        wrong.append("the stream below a/ is not the part of everything that concerns it")
    told: dict[tuple[str, Any], int] = {}
    for mutation in seen.everything:
        told[mutation.key, mutation.value] = told.get((mutation.key, mutation.value), 0) + 1
    for write, ending in seen.writes.items():
        times = told.get(write, 0)
        if times not in {"ok": (1,), "fail": (0,), "info": (0, 1)}[ending]:
            wrong.append(f"the write {write} ended {ending} and was told {times} times")
    values: dict[str, Any] = {}
    for mutation in seen.everything:
        if mutation.old_value != values.get(mutation.key):
            wrong.append(f"{mutation} follows the value {values.get(mutation.key)!r}")
        values[mutation.key] = mutation.value
    for key, last_txid, fired in seen.watches:
        later = [m for m in seen.everything if m.key == key and m.txid > last_txid]
        if fired and fired != later[:1]:
            wrong.append(f"a watch armed at {last_txid} fired with {fired}")
    return wrong


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(1, 10_000), faults=FAULTS)
def test_streams_have_no_gap_and_no_duplicate_and_watches_fire_once(
    seed: int, faults: list[tuple[str, int, int]]
) -> None:
    seen = _run(seed, faults)
    assert _complaints(seen) == []
    assert len(seen.everything) > 20
    assert sum(bool(fired) for _, _, fired in seen.watches) > 1


def test_the_judgement_can_fail() -> None:
    storm = [("crash leader", 1, 2500), ("heal", 1, 900), ("isolate leader", 1, 2500)]
    assert any(_complaints(_run(seed, storm, flaw="subscribers-restart")) for seed in range(1, 6))


@pytest.mark.parametrize("flaw", [None, "subscribers-restart"])
def test_a_new_leader_tells_what_happened_before_its_time(flaw: str | None) -> None:
    """A subscriber is away while there are two writes and the leader changes."""

    async def main(stage: Stage) -> None:
        old = await stage.leader()
        client = Client(stage.client(old).connection)
        subscription = await client.subscribe("", recursive=True)
        await client.set("x", 1)
        await client.set("x", 2)
        await stage.sleep(SECOND_NS // 2)  # followers hear that both are committed
        stage.crash(old)
        new = await stage.leader()
        await Client(stage.client(new).connection).set("x", 3)
        while not txids or txids[-1] < 3:
            txids.extend(mutation.txid for mutation in await subscription.next())

    txids: list[int] = []
    assert play(Harpoon(flaw=flaw), main, machine=ObservedKeyValue).alarm == ""
    assert txids == ([1, 2, 3] if flaw is None else [3])


def test_a_watch_armed_before_a_write_fires_with_it() -> None:
    async def main(stage: Stage) -> None:
        client = Client(stage.client(1).connection)
        await client.set("x", 1)
        watch = await client.watch("x")
        assert await watch.poll() is None, "what was before is not told"
        await client.set("y", 1)
        await client.set("x", 2)
        await client.set("x", 3)
        mutation = await watch.poll()
        assert mutation is not None
        assert (mutation.key, mutation.value, mutation.old_value) == ("x", 2, 1)
        assert await watch.poll() is None, "once"

    assert play(Harpoon(), main, machine=ObservedKeyValue).alarm == ""


def test_a_poll_is_held_until_something_happens() -> None:
    async def main(stage: Stage) -> None:
        client = Client(stage.client(1).connection)
        subscription = await client.subscribe("x")
        before_ns = stage.world.now_ns
        poll = stage.begin(subscription.poll)
        await stage.sleep(60 * MILLISECOND_NS)
        assert not poll.ended
        await Client(stage.client(2).connection).set("x", 1)
        assert [mutation.value for mutation in await poll.end()] == [1]
        assert stage.world.now_ns - before_ns < 100 * MILLISECOND_NS

    assert play(Harpoon(), main, machine=ObservedKeyValue).alarm == ""


def test_who_was_away_for_too_long_is_told_so() -> None:
    async def main(stage: Stage) -> None:
        client = Client(stage.client(1).connection)
        subscription = await client.subscribe("x")
        for value in range(4):
            await client.set("x", value)
        with pytest.raises(MutationsForgotten, match="Read the values anew"):
            await subscription.poll()

    outcome = play(Harpoon(), main, machine=lambda: ObservedKeyValue(capacity=3))
    assert outcome.alarm == ""
