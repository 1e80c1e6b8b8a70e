"""The keyspace: laws of merging on states that really come about, and nothing rises from the dead.

Three replicas write, delete, merge, purge and get single writes late, doubled or never. An oracle
that only knows "the greatest timestamp wins" says where it must end.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systems.crdt import Timestamp
from systems.gossip.keyspace import Key, Orswot, Seen, fingerprint

NODES = (1, 2, 3)
KEYS = ("x", "y", 0)


def at(wall_ms: int, node: int = 1, counter: int = 0) -> Timestamp:
    return Timestamp(wall_ms, counter, node)


def told(orswot: Orswot) -> tuple[Any, ...]:
    return dict(orswot.entries), dict(orswot.dead), dict(orswot.seen.vector), orswot.checksum


@dataclass
class Story:
    """What three replicas did. `written` is every write that ever was: (key, timestamp, live)."""

    replicas: list[Orswot] = field(default_factory=lambda: [Orswot(Seen()) for _ in NODES])
    written: list[tuple[Key, Timestamp, bool]] = field(default_factory=list)
    now_ms: int = 0

    def write(self, who: int, key: Key, live: bool) -> None:
        self.now_ms += 1
        self.written.append((key, at(self.now_ms, NODES[who]), live))
        self.deliver(len(self.written) - 1, who)

    def deliver(self, number: int, who: int) -> None:
        if number < len(self.written):
            key, timestamp, live = self.written[number]
            (self.replicas[who].insert if live else self.replicas[who].delete)(key, timestamp)

    def merge(self, source: int, target: int) -> None:
        """All that the source stamped up to now is in its state."""
        self.replicas[source].seen.merge({NODES[source]: at(self.now_ms, NODES[source])})
        if source != target:
            self.replicas[target].merge(self.replicas[source])

    def purge(self, who: int) -> None:
        before_ms = min(replica.seen.horizon_ms(NODES) for replica in self.replicas)
        self.replicas[who].purge(before_ms=before_ms)

    def settle(self) -> None:
        for _ in NODES:
            for source in range(len(NODES)):
                for target in range(len(NODES)):
                    self.merge(source, target)

    def expected(self) -> dict[Key, Timestamp]:
        last: dict[Key, tuple[Timestamp, bool]] = {}
        for key, timestamp, live in self.written:
            last[key] = max(last.get(key, (timestamp, live)), (timestamp, live))
        return {key: timestamp for key, (timestamp, live) in last.items() if live}


def stories() -> st.SearchStrategy[Story]:
    who = st.integers(0, len(NODES) - 1)
    step = st.one_of(
        st.tuples(st.just("write"), who, st.sampled_from(KEYS), st.booleans()),
        st.tuples(st.just("deliver"), st.integers(0, 12), who),
        st.tuples(st.just("merge"), who, who),
        st.tuples(st.just("purge"), who),
    )

    def tell(script: Sequence[tuple[Any, ...]]) -> Story:
        story = Story()
        for name, *arguments in script:
            getattr(story, name)(*arguments)
        return story

    return st.lists(step, max_size=30).map(tell)


@settings(max_examples=300, deadline=None)
@given(stories(), st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), max_size=6))
def test_all_end_with_the_greatest_timestamps_and_late_messages_raise_nobody(
    story: Story, late: list[tuple[int, int]]
) -> None:
    story.settle()
    for number, who in late:
        story.deliver(number, who)
    for replica in story.replicas:
        assert replica.entries == story.expected()
    for who in range(len(NODES)):
        story.purge(who)
    for number, who in late:
        story.deliver(number, who)
    for replica in story.replicas:
        assert replica.entries == story.expected()
        if story.written:
            last_ms = story.now_ms
            assert all(timestamp.wall_ms == last_ms for timestamp in replica.dead.values())


@settings(max_examples=200, deadline=None)
@given(stories())
def test_merging_is_commutative_associative_and_idempotent(story: Story) -> None:
    for who in range(len(NODES)):
        story.merge(who, who)
    one, two, three = story.replicas

    def merged(*parts: Orswot) -> Orswot:
        result = deepcopy(parts[0])
        for part in parts[1:]:
            result.merge(deepcopy(part))
        return result

    assert told(merged(one, two)) == told(merged(two, one))
    assert told(merged(merged(one, two), three)) == told(merged(one, merged(two, three)))
    assert told(merged(one, one)) == told(one)


@settings(max_examples=100, deadline=None)
@given(stories())
def test_the_checksum_is_that_of_the_content(story: Story) -> None:
    for replica in story.replicas:
        expected = 0
        for key, timestamp in replica.entries.items():
            expected ^= fingerprint(key, timestamp, True)
        for key, timestamp in replica.dead.items():
            expected ^= fingerprint(key, timestamp, False)
        assert replica.checksum == expected
        assert not set(replica.entries) & set(replica.dead)


@pytest.mark.parametrize(
    ("known", "timestamp", "live", "applies"),
    [
        (("insert", at(5)), at(6), True, True),
        (("insert", at(5)), at(4), True, False),
        (("insert", at(5)), at(5), True, False),
        (("insert", at(5)), at(5), False, False),
        (("delete", at(5)), at(5), True, True),
        (("delete", at(5)), at(5), False, False),
        (("delete", at(5)), at(4), True, False),
        (("insert", at(5, 1)), at(5, 2), True, True),
        (("insert", at(5, 2)), at(5, 1), True, False),
        (("insert", at(5, 2)), at(5, 1, counter=1), True, True),
    ],
)
def test_the_greater_timestamp_wins_and_an_insertion_wins_a_draw(
    known: tuple[str, Timestamp], timestamp: Timestamp, live: bool, applies: bool
) -> None:
    orswot = Orswot(Seen())
    getattr(orswot, known[0])("k", known[1])
    assert orswot.will_apply("k", timestamp, live=live) is applies
    assert getattr(orswot, "insert" if live else "delete")("k", timestamp) is applies


def test_a_single_write_says_nothing_of_those_before_it() -> None:
    # as in defect A of the original: the second write of n1 comes first
    orswot = Orswot(Seen())
    assert orswot.insert("second", at(2))
    assert orswot.insert("first", at(1))


def test_the_difference_names_what_to_fetch_to_bury_and_to_drop() -> None:
    here = Orswot(Seen())
    here.insert("same", at(1))
    here.insert("gone", at(2))
    here.insert("new here", at(9))
    found = here.diff([("same", at(1)), ("news", at(3))], [("grave", at(4))], {1: at(5)})
    assert (found.modified, found.removed) == ([("news", at(3))], [("grave", at(4))])
    assert found.dropped == ["gone"], "what lies above their horizon they have not seen"
    assert not here.diff(here.entries.items(), (), {})
