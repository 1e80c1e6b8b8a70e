"""The laws of CRDTs, for every type: in any order of delivery the same state, and the right one.

Three replicas update and exchange deltas and states as Hypothesis likes. An oracle that knows no
CRDT looks at the same story as a set of operations, each with those that it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.node import StateMachine
from systems.crdt import KINDS, Crdt, Objects, Timestamp, pack

REPLICAS = ("a", "b", "c")
ELEMENTS = st.sampled_from([0, 1, "1", True, None, [1, 2]])

UPDATES: Mapping[str, st.SearchStrategy[tuple[str, list[Any]]]] = {
    "g-counter": st.tuples(st.just("add"), st.lists(st.integers(0, 5), min_size=1, max_size=1)),
    "pn-counter": st.tuples(st.just("add"), st.lists(st.integers(-5, 5), min_size=1, max_size=1)),
    "g-set": st.tuples(st.just("add"), st.lists(ELEMENTS, min_size=1, max_size=1)),
    "or-set": st.tuples(
        st.sampled_from(["add", "remove"]), st.lists(ELEMENTS, min_size=1, max_size=1)
    ),
    "lww-register": st.tuples(st.just("write"), st.lists(ELEMENTS, min_size=1, max_size=1)),
    "lww-map": st.one_of(
        st.tuples(st.just("put"), st.lists(ELEMENTS, min_size=2, max_size=2)),
        st.tuples(st.just("del"), st.lists(ELEMENTS, min_size=1, max_size=1)),
    ),
    "mv-register": st.tuples(st.just("write"), st.lists(ELEMENTS, min_size=1, max_size=1)),
}


@dataclass
class Done:
    """An update, and the numbers of those that its replica had seen."""

    method: str
    arguments: list[Any]
    stamp: Timestamp
    seen: frozenset[int]


@dataclass
class Story:
    """What three replicas did; `delivered` says whose updates each state has merged."""

    crdt: type[Crdt]
    states: list[Crdt] = field(init=False)
    delivered: list[set[int]] = field(init=False)
    done: list[Done] = field(default_factory=list)
    deltas: list[Crdt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states = [self.crdt() for _ in REPLICAS]
        self.delivered = [set() for _ in REPLICAS]

    def update(self, who: int, method: str, arguments: list[Any]) -> None:
        number = len(self.done)
        # a hybrid clock: greater than all that was seen, and no two alike
        stamp = Timestamp(1 + len(self.delivered[who]), 0, 10 * number + who)
        before = self.states[who].copy()
        delta = self.states[who].delta(method, arguments, replica=REPLICAS[who], stamp=stamp)
        assert self.states[who] == before, "delta changes nothing"
        self.states[who].merge(delta)
        self.done.append(Done(method, arguments, stamp, frozenset(self.delivered[who])))
        self.delivered[who].add(number)
        self.deltas.append(delta)

    def send_state(self, source: int, target: int) -> None:
        self.states[target].merge(self.states[source])
        self.delivered[target] |= self.delivered[source]

    def send_delta(self, number: int, target: int) -> None:
        if number < len(self.deltas):
            self.states[target].merge(self.deltas[number])
            self.delivered[target].add(number)


def stories(kind: str, *, deltas: bool = True) -> st.SearchStrategy[Story]:
    who = st.integers(0, len(REPLICAS) - 1)
    steps: list[st.SearchStrategy[tuple[Any, ...]]] = [
        st.tuples(st.just("update"), who, UPDATES[kind]),
        st.tuples(st.just("state"), who, who),
    ]
    if deltas and kind not in NEEDS_OWN_ORDER:
        steps.append(st.tuples(st.just("delta"), st.integers(0, 10), who))

    def tell(script: Sequence[tuple[Any, ...]]) -> Story:
        story = Story(KINDS[kind])
        for step in script:
            match step:
                case ["update", by, (method, arguments)]:
                    story.update(by, method, arguments)
                case ["state", source, target]:
                    story.send_state(source, target)
                case ["delta", number, target]:
                    story.send_delta(number, target)
        return story

    return st.lists(st.one_of(steps), max_size=14).map(tell)


#: A delta of a counter holds the sum of all earlier ones of its replica, so that the oracle, which
#: sees single updates, can follow whole states only.
NEEDS_OWN_ORDER = ("g-counter", "pn-counter")


# ---- the oracle: what a reader should see of a set of updates


def _sum(done: Sequence[Done]) -> Any:
    return sum(one.arguments[0] for one in done)


def _elements(values: Sequence[Any]) -> list[Any]:
    return [value for _, value in sorted({pack(value): value for value in values}.items())]


def _last(done: Sequence[Done]) -> Any:
    return max(done, key=lambda one: one.stamp).arguments[0] if done else None


def _map(done: Sequence[Done]) -> Any:
    last: dict[bytes, Done] = {}
    for one in sorted(done, key=lambda one: one.stamp):
        last[pack(one.arguments[0])] = one
    return [one.arguments for _, one in sorted(last.items()) if one.method == "put"]


def oracle(kind: str, story: Story, delivered: set[int]) -> Any:
    numbers = sorted(delivered)
    done = [story.done[number] for number in numbers]
    simple: Mapping[str, Callable[[Sequence[Done]], Any]] = {
        "g-counter": _sum,
        "pn-counter": _sum,
        "g-set": lambda done: _elements([one.arguments[0] for one in done]),
        "lww-register": _last,
        "lww-map": _map,
    }
    if kind in simple:
        return simple[kind](done)
    # what no delivered update that has seen it takes away
    left = []
    for number in numbers:
        one = story.done[number]
        same = [
            other
            for other in done
            if kind == "mv-register" or pack(other.arguments) == pack(one.arguments)
        ]
        if one.method != "remove" and not any(number in other.seen for other in same):
            left.append(one.arguments[0])
    return _elements(left)


def merged(*states: Crdt) -> Crdt:
    result = states[0].copy()
    for state in states[1:]:
        result.merge(state)
    return result


@pytest.mark.parametrize("kind", KINDS)
class TestLaws:
    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_merging_is_commutative_associative_and_idempotent(
        self, kind: str, data: st.DataObject
    ) -> None:
        one, two, three = data.draw(stories(kind)).states
        assert merged(one, two) == merged(two, one)
        assert merged(merged(one, two), three) == merged(one, merged(two, three))
        assert merged(one, one) == one
        assert merged(one, two, one) == merged(one, two), "what was merged stays so"

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_all_deltas_in_any_order_and_doubled_make_the_merge_of_all_states(
        self, kind: str, data: st.DataObject
    ) -> None:
        story = data.draw(stories(kind))
        order = data.draw(st.permutations([*story.deltas, *story.deltas[::2]]))
        assert merged(KINDS[kind](), *order) == merged(*story.states)

    @settings(max_examples=100, deadline=None)
    @given(data=st.data())
    def test_a_reader_sees_what_the_oracle_says(self, kind: str, data: st.DataObject) -> None:
        story = data.draw(stories(kind))
        for state, delivered in zip(story.states, story.delivered, strict=True):
            assert pack(state.value()) == pack(oracle(kind, story, delivered))

    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_a_state_survives_being_written_down(self, kind: str, data: st.DataObject) -> None:
        for state in data.draw(stories(kind)).states:
            copy = state.copy()
            assert copy == state
            assert pack(copy.value()) == pack(state.value())

    def test_updates_that_it_does_not_have_are_refused_with_those_that_it_has(
        self, kind: str
    ) -> None:
        with pytest.raises(UsageError, match=f"A {kind} has no update 'fly'.*it has"):
            KINDS[kind]().update("fly", [], replica="a")
        for method in KINDS[kind].methods:
            with pytest.raises(UsageError, match=f"A {kind} has no update"):
                KINDS[kind]().update(method, [1, 2, 3], replica="a")


@pytest.mark.parametrize("kind", ["lww-register", "lww-map"])
def test_equal_timestamps_of_different_writers_merge_the_same_either_way(kind: str) -> None:
    stamp = Timestamp(1, 0, 1)
    first = [] if kind == "lww-register" else ["key"]
    method = "write" if kind == "lww-register" else "put"
    one, two = KINDS[kind](), KINDS[kind]()
    one.update(method, [*first, "x"], replica="a", stamp=stamp)
    two.update(method, [*first, "y"], replica="b", stamp=stamp)
    assert merged(one, two) == merged(two, one)


def test_a_g_counter_takes_nothing_away() -> None:
    with pytest.raises(UsageError, match="A g-counter has no update 'add' with \\[-1\\]"):
        KINDS["g-counter"]().update("add", [-1], replica="a")


def test_objects_are_a_state_machine_whose_snapshot_brings_them_back() -> None:
    objects = Objects({"likes": "g-counter", "name": "lww-register"})
    assert isinstance(objects, StateMachine)
    objects.apply(["update", "likes", "add", 3])
    objects.apply(["update", "name", "write", "z"])
    objects.apply(["update", "name", "write", "a"])
    copy = Objects({"likes": "g-counter", "name": "lww-register"})
    copy.restore(objects.snapshot())
    assert copy.apply(["read", "likes"]) == 3
    assert copy.apply(["read", "name"]) == "a", "the later write wins, not the greater value"
    assert copy.snapshot() == objects.snapshot()
    assert copy.checksums() == objects.checksums()


def test_objects_name_what_there_is_when_they_are_asked_for_something_else() -> None:
    with pytest.raises(UsageError, match=r"no object called 'like'. Did you mean 'likes'"):
        Objects({"likes": "g-counter"}).get("like")
    with pytest.raises(UsageError, match="no kind of CRDT called 'counter'"):
        Objects("counter")
    with pytest.raises(UsageError, match="Objects know update and read"):
        Objects("g-set").apply(["write", "x", 1])
