"""Runs of the gossip system repeat: what the kit asks of systems that replicate a state machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.node import Message
from harness.units import MILLISECOND_NS
from systems.crdt import Objects
from systems.gossip import Gossip, GossipNode
from systems.gossip.flaws import FLAWS
from systems.scenario import Stage, play
from systems.source_lint import lint_modules


def test_the_sources_of_its_nodes_make_runs_repeatable() -> None:
    variants = [variant for _, variant in FLAWS.values()]
    assert lint_modules(GossipNode, Objects, *variants) == ()


STORY = """
import sys
from systems.gossip.schedules.craft import ask, converged, acquainted
from systems.crdt import Objects
from systems.gossip import Gossip
from systems.gossip.messages import MESSAGES
from harness.simulation.wire import Wire
from systems.scenario import play

async def story(stage):
    await acquainted(stage)
    for number in range(12):
        home = 1 + number % 5
        await ask(stage, home, "put", "ks", f"k{number % 4}", number, "Quorum")
        await ask(stage, home, "update", "tags", "add", f"t{number}")
    stage.crash(2)
    await ask(stage, 1, "del", "ks", "k1", "One")
    stage.restart(2)
    await converged(stage)

wire = Wire(MESSAGES) if sys.argv[1] == "wire" else None
outcome = play(Gossip(), story, machine=lambda: Objects("or-set"), wire=wire, drift_ppm=100)
print(outcome.alarm, outcome.stage.world.digest, outcome.stage.world.delivered)
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_digest_in_another_process() -> None:
    def told(hash_seed: str, wire: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", STORY, wire],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )
        return done.stdout

    assert told("1", "wire") == told("2", "wire")
    bare = told("3", "bare").split()
    assert bare == told("4", "bare").split()
    assert bare[-1] == told("1", "wire").split()[-1], "the wire changes nothing"


def test_every_flaw_runs_idle_for_a_while() -> None:
    async def idle(stage: Stage) -> None:
        await stage.sleep(500 * MILLISECOND_NS)

    for flaw in Gossip.flaws:
        outcome = play(Gossip(flaw=flaw), idle, invariants=False)
        assert outcome.alarm == "", flaw


def test_its_messages_are_frozen_and_its_flaws_say_what_they_break() -> None:
    assert all(issubclass(message, Message) for message in Gossip.messages)
    assert all(message.__struct_config__.frozen for message in Gossip.messages)
    for name, flaw in Gossip.flaws.items():
        assert flaw.name == name
        assert flaw.change
        assert flaw.breaks
        assert Gossip(flaw=name).flaw == name
