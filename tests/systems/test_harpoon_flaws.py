"""Each planted flaw is shown by its directed schedule; sound Harpoon passes every one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from systems.harpoon import Harpoon
from systems.harpoon.flaws import FLAWS
from systems.harpoon.schedules import SCHEDULES
from systems.scenario import Outcome, play

#: Shown by test_harpoon_streams.py, since it takes a subscriber to see it.
ELSEWHERE = {"subscribers-restart"}

OF_CLIENTS = [name for name, schedule in SCHEDULES.items() if schedule.alarm_of_clients]


def _play(name: str, *, flaw: str | None, invariants: bool = True) -> Outcome:
    schedule = SCHEDULES[name]
    system = Harpoon(flaw=flaw, options=schedule.options)
    return play(system, schedule.scenario, invariants=invariants)


def test_every_flaw_has_a_schedule() -> None:
    assert set(SCHEDULES) == set(FLAWS) - ELSEWHERE
    assert all(schedule.story for schedule in SCHEDULES.values())


def test_the_page_says_what_catches_each_flaw() -> None:
    page = Path(__file__).parents[2] / "docs" / "systems" / "harpoon.md"
    rows = [
        line.split("|")
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    told = {row[1].strip(" `"): row[4].strip() for row in rows if len(row) == 7}
    assert set(told) == set(FLAWS)
    for name, schedule in SCHEDULES.items():
        seen_by_clients_only = schedule.alarm == schedule.alarm_of_clients
        assert told[name] == ("–" if seen_by_clients_only else schedule.alarm)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_shows_the_flaw(name: str) -> None:
    outcome = _play(name, flaw=name)
    assert outcome.alarm == SCHEDULES[name].alarm, outcome.reason


@pytest.mark.parametrize("name", OF_CLIENTS)
def test_clients_alone_see_what_the_flaw_does(name: str) -> None:
    outcome = _play(name, flaw=name, invariants=False)
    assert outcome.alarm == SCHEDULES[name].alarm_of_clients, outcome.reason


@pytest.mark.parametrize("name", SCHEDULES)
def test_sound_harpoon_goes_through_it_unharmed(name: str) -> None:
    outcome = _play(name, flaw=None)
    assert outcome.alarm == "", outcome.reason
