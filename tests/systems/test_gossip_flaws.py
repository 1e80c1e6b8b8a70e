"""Every planted flaw of the gossip system raises its alarm; the sound one goes through quietly."""

from __future__ import annotations

import pytest

from systems.gossip import Gossip
from systems.gossip.schedules import SCHEDULES, Schedule
from systems.scenario import Outcome, play


def perform(schedule: Schedule, flaw: str | None) -> Outcome:
    return play(
        Gossip(flaw=flaw, options=schedule.options),
        schedule.scenario,
        nodes=schedule.nodes,
        clients=12,
        machine=schedule.machine,
        flush_ns=schedule.flush_ns,
        invariants=schedule.watched,
    )


def test_every_flaw_has_a_schedule_and_every_schedule_a_flaw() -> None:
    assert SCHEDULES.keys() == Gossip.flaws.keys()
    assert all(schedule.story for schedule in SCHEDULES.values())


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_flaw_is_caught(name: str) -> None:
    outcome = perform(SCHEDULES[name], name)
    assert outcome.alarm == SCHEDULES[name].alarm, outcome.reason


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_sound_system_goes_through_the_same_quietly(name: str) -> None:
    outcome = perform(SCHEDULES[name], None)
    assert outcome.alarm == "", outcome.reason
