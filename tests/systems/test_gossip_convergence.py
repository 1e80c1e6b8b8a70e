"""Under random faults, clock jumps among them, all replicas agree soon after the last one heals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from harness.simulation.network import LinkModel
from harness.simulation.wire import Wire
from harness.system import Refused, Unanswered
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.crdt import Objects
from systems.gossip import LEVELS, Gossip, GossipOptions
from systems.gossip.messages import MESSAGES
from systems.gossip.schedules.craft import ask, contents, converged, node, objects
from systems.scenario import Stage, play, tried

KEYS = tuple(f"k{number}" for number in range(6))
LOSSY = LinkModel(loss_ratio=0.02, duplicate_ratio=0.02)
KINDS = {"count": "pn-counter", "tags": "or-set", "name": "lww-register", "both": "mv-register"}
#: Any two sets of copies of these levels share a node.
MAJORITIES = ("Quorum", "EachQuorum", "All")
FAULT_NS = 12 * SECOND_NS


class Chaos:
    """A random story: clients at every node, and one fault after the other."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        #: Every write that may have happened: the key and its greatest timestamp, if that is known.
        self.acknowledged: list[tuple[str, list[int], Any]] = []
        self.seen_by_majorities: dict[str, list[int]] = {}
        self.deleted: set[str] = set()
        self.reads = 0
        self.took_ns = 0
        self.added = 0
        self.unknown = 0

    async def client(self, stage: Stage, home: int) -> None:
        draws = Random(f"{self.random.random()}/{home}")
        number = 0
        while stage.world.now_ns < FAULT_NS:
            await stage.sleep(draws.randrange(300) * MILLISECOND_NS)
            number += 1
            key, level = draws.choice(KEYS), draws.choice(LEVELS)
            value = f"n{home}/{number}"
            match draws.randrange(10):
                case 0:
                    self.deleted.add(key)
                    stamp = await tried(ask(stage, home, "del", "ks", key, level))
                    self.note(key, stamp, None, level)
                case 1 | 2 | 3 | 4:
                    await self.read(stage, home, key, level)
                case 5:
                    amount = draws.randrange(-5, 6)
                    try:
                        await ask(stage, home, "update", "count", "add", amount)
                        self.added += amount
                    except (Refused, Unanswered):
                        self.unknown += abs(amount)
                case 6:
                    verb = draws.choice(["add", "remove"])
                    await tried(ask(stage, home, "update", "tags", verb, draws.randrange(4)))
                    await tried(ask(stage, home, "update", "name", "write", value))
                    await tried(ask(stage, home, "update", "both", "write", value))
                case _:
                    stamp = await tried(ask(stage, home, "put", "ks", key, value, level))
                    self.note(key, stamp, value, level)

    def note(self, key: str, stamp: Any, value: Any, level: str) -> None:
        if stamp is not None:
            self.acknowledged.append((key, stamp, value))
            if level in MAJORITIES:
                self.seen_by_majorities[key] = max(
                    self.seen_by_majorities.get(key, [0, 0, 0]), stamp
                )

    async def read(self, stage: Stage, home: int, key: str, level: str) -> None:
        """Majorities meet: such a read sees what such writes were told before it began."""
        before = self.seen_by_majorities.get(key, [0, 0, 0])
        answer = await tried(ask(stage, home, "get", "ks", key, level))
        if answer is not None and level in MAJORITIES:
            _, stamp = answer
            if stamp is not None:
                assert stamp >= before, f"n{home} reads {key} at {level}"
                self.reads += 1
            else:
                gone = before == [0, 0, 0] or key in self.deleted
                assert gone, "only what was deleted is forgotten"

    async def faults(self, stage: Stage) -> None:
        draws = self.random
        while stage.world.now_ns < FAULT_NS:
            await stage.sleep(draws.randrange(1500) * MILLISECOND_NS)
            victim = draws.choice(stage.nodes)
            undo: Callable[[], object] = stage.heal
            match draws.randrange(6):
                case 0:
                    stage.isolate(victim)
                case 1:
                    stage.isolate(1, 2, 3)
                case 2:
                    stage.crash(victim, mode=draws.choice(["clean", "prefix", "torn"]))
                    undo = lambda victim=victim: stage.restart(victim)  # noqa: E731
                case 3:
                    stage.pause(victim)
                    undo = lambda victim=victim: stage.resume(victim)  # noqa: E731
                case 4:
                    jump_ns = draws.choice([-(10**13), -(10**9), 10**9, 10**13, 10**16])
                    stage.act(["skew", victim, jump_ns, draws.randrange(-300, 300)])
                    undo = lambda victim=victim, ns=jump_ns: stage.act(["skew", victim, -ns, 0])  # noqa: E731
                case _:
                    stage.cut(victim, draws.choice(stage.others(victim)))
            await stage.sleep(draws.randrange(4000) * MILLISECOND_NS)
            undo()

    async def play(self, stage: Stage) -> None:
        attempts = [stage.begin(self.client, stage, home) for home in stage.nodes]
        await self.faults(stage)
        stage.heal()
        stage.restart(*stage.nodes)
        stage.resume(*stage.nodes)
        healed_ns = stage.world.now_ns
        await stage.until(lambda: all(one.ended for one in attempts), "clients to end")
        await converged(stage)
        self.took_ns = stage.world.now_ns - healed_ns
        self.judge(stage)
        await stage.sleep(2 * SECOND_NS)  # sessions that are under way may still end
        before = [node(stage, one).repair.transferred for one in stage.nodes]
        await stage.sleep(3 * SECOND_NS)
        after = [node(stage, one).repair.transferred for one in stage.nodes]
        assert before == after, "once all agree, repair transfers nothing"
        await stage.until(
            lambda: not any(node(stage, one).store.open("ks").dead for one in stage.nodes),
            "all tombstones to be purged",
        )
        await converged(stage)
        self.judge(stage)

    def judge(self, stage: Stage) -> None:
        held = {
            key: (value, list(stamp)) for (_, key), (value, stamp) in contents(stage, 1).items()
        }
        for key, stamp, value in self.acknowledged:
            if key in held and held[key][1] == stamp:
                assert held[key][0] == value
            elif key in held:
                assert held[key][1] > stamp, "what is there is later than all that was acknowledged"
        found = objects(stage, 1)
        if "count" in found:
            assert abs(found["count"] - self.added) <= self.unknown


def run(seed: int, **options: Any) -> Chaos:
    chaos = Chaos(seed)

    def scenario(stage: Stage) -> Awaitable[None]:
        return chaos.play(stage)

    outcome = play(
        Gossip(options=GossipOptions(**options)),
        scenario,
        seed=seed,
        clients=12,
        machine=lambda: Objects(KINDS),
        link=LOSSY,
        flush_ns=(200_000, 20_000_000),
        drift_ppm=100,
        wire=Wire(MESSAGES),
    )
    assert outcome.alarm == "", outcome.reason
    return chaos


def test_all_replicas_agree_soon_after_the_last_fault() -> None:
    stories = [run(seed) for seed in range(6)]
    assert sum(len(story.acknowledged) for story in stories) > 200, "writes were done"
    assert sum(story.reads for story in stories) > 50, "reads at majorities were checked"
    assert max(story.took_ns for story in stories) > 0, "faults left something to repair"


@pytest.mark.slow
def test_so_they_do_in_many_more_stories() -> None:
    for seed in range(6, 40):
        run(seed)


def test_whole_states_and_small_journals_do_as_well() -> None:
    run(100, objects_as="states", compact_every=20, fetch_chunk=1, batch_permits=1)
