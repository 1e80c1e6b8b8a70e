"""The hybrid clock: the order of causes, the drift rules, and what jumps of the wall clock do."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.units import SECOND_NS
from systems.crdt import ZERO, Objects, Timestamp
from systems.gossip import Gossip
from systems.gossip.clock import COUNTER_LIMIT, ClockDrift, HybridClock, SteadyWall
from systems.gossip.schedules.craft import acquainted, ask, node
from systems.scenario import Stage, play

DRIFT_MS = 1000
MS = 1_000_000


@dataclass
class Hands:
    """Physical time in milliseconds, set by hand."""

    ms: int = 10_000

    def __call__(self) -> int:
        return self.ms


def clock(hands: Hands, node: int = 1, last: Timestamp = ZERO) -> HybridClock:
    return HybridClock(node, hands, max_drift_ms=DRIFT_MS, last=last)


def test_a_stamp_is_physical_time_whenever_that_moves_on() -> None:
    hands = Hands()
    made = clock(hands)
    assert made.stamp() == (10_000, 0, 1)
    hands.ms = 10_007
    assert made.stamp() == (10_007, 0, 1)


def test_within_a_millisecond_and_after_a_step_back_the_counter_goes_on() -> None:
    hands = Hands()
    made = clock(hands)
    assert [made.stamp()[:2], made.stamp()[:2]] == [(10_000, 0), (10_000, 1)]
    hands.ms = 9_500
    assert made.stamp() == (10_000, 2, 1)


def test_the_drift_rules_hold_at_their_very_bounds() -> None:
    hands = Hands()
    made = clock(hands)
    assert not made.hear(Timestamp(11_001, 0, 2))
    assert made.stamp() == (10_000, 0, 1), "what was not accepted left no trace"
    assert made.hear(Timestamp(11_000, 3, 2))
    assert made.stamp() == (11_000, 4, 1)
    hands.ms = 9_999
    with pytest.raises(ClockDrift, match="is 1001 ms ahead .* may be 1000 ms"):
        made.stamp()
    hands.ms = 10_000
    assert made.stamp() == (11_000, 5, 1), "it passes with time"


def test_a_full_counter_moves_on_to_the_next_millisecond() -> None:
    made = clock(Hands(), last=Timestamp(10_000, COUNTER_LIMIT, 1))
    assert made.stamp() == (10_001, 0, 1)


def test_a_new_life_stamps_above_the_old_one() -> None:
    assert clock(Hands(), last=Timestamp(10_400, 9, 1)).stamp() == (10_400, 10, 1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-400, 400)), max_size=40)
)
def test_effects_are_stamped_after_their_causes_whatever_the_clocks_do(
    steps: list[tuple[int, int, int]],
) -> None:
    hands = [Hands(), Hands(), Hands()]
    clocks = [clock(hand, node) for node, hand in enumerate(hands)]
    stamps: list[Timestamp] = []
    for sender, receiver, step_ms in steps:
        hands[sender].ms = 10_000 + step_ms
        cause = clocks[sender].stamp()
        assert clocks[receiver].hear(cause), "clocks this near refuse nothing"
        effect = clocks[receiver].stamp()
        assert cause < effect
        assert effect.wall_ms - hands[receiver].ms <= DRIFT_MS
        stamps += [cause, effect]
    assert len(set(stamps)) == len(stamps), "no two are alike"


class FakeClock:
    """A node's clocks, set by hand."""

    def __init__(self) -> None:
        self.mono_ns = 0
        self.offset_ns = 5_000 * MS

    def monotonic_ns(self) -> int:
        return self.mono_ns

    def wall_ns(self) -> int:
        return self.mono_ns + self.offset_ns

    def drift_bound_ppm(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("step_ms", "reads_ms"),
    [(0, 6_000), (500, 6_500), (-500, 5_500), (501, 6_000), (-501, 6_000), (10**9, 6_000)],
)
def test_small_steps_of_the_wall_clock_are_followed_and_great_ones_are_not(
    step_ms: int, reads_ms: int
) -> None:
    hands = FakeClock()
    wall = SteadyWall(hands, window_ms=500)
    hands.mono_ns += 1_000 * MS
    hands.offset_ns += step_ms * MS
    assert wall() == reads_ms
    hands.offset_ns -= step_ms * MS
    assert wall() == 6_000, "set right again, it is followed again"


def test_after_a_restart_a_node_writes_above_what_others_stamped_with_clocks_ahead() -> None:
    """n5, whose clock is 2 s ahead, writes k; n3 stores it, is restarted and overwrites it."""

    async def story(stage: Stage) -> None:
        await acquainted(stage)
        stage.act(["skew", 5, 2 * SECOND_NS, 0])
        ahead = await ask(stage, 5, "put", "ks", "k", "first", "All")
        await ask(stage, 5, "update", "name", "write", "first")
        await stage.until(
            lambda: node(stage, 3).objects.get("name").value() == "first", "n3 to hear of the name"
        )
        stage.crash(3)
        stage.restart(3)
        await stage.until(lambda: node(stage, 3).started, "n3 to start")
        assert await ask(stage, 3, "put", "ks", "k", "second", "None") > ahead
        await ask(stage, 3, "update", "name", "write", "second")
        assert (await ask(stage, 3, "get", "ks", "k", "None"))[0] == "second"
        assert await ask(stage, 3, "read", "name") == "second"

    outcome = play(Gossip(), story, clients=12, machine=lambda: Objects({"name": "lww-register"}))
    assert outcome.alarm == "", outcome.reason
