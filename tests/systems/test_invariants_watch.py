"""The watch before the invariants: it wakes those whom a change concerns, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UsageError
from systems.invariants import NodeInvariant, Watch
from systems.invariants.watch import ASPECTS, REST_NS
from systems.raft.log import Log
from systems.raft.messages import Entry


def log_of(*terms: int, base: int = 0) -> Log:
    log = Log()
    for index, term in enumerate(terms, 1):
        log.append(Entry(term, 1, index, None))
    if base:
        log.compact(base)
    return log


def recorder(aspect: str, calls: list[str]) -> NodeInvariant:
    class Recorded(NodeInvariant):
        name, aspects = "recorded", (aspect,)

        def observe(self, world: Any, node: int, replica: Any) -> None:
            calls.append(aspect)

    return Recorded()


def test_a_watch_calls_only_those_whom_a_change_concerns() -> None:
    calls: list[str] = []
    watch = Watch([recorder(aspect, calls) for aspect in ASPECTS])
    world = SimpleNamespace(now_ns=0)
    replica = SimpleNamespace(
        role="follower", term=1, voted_for=0, log=log_of(1, 1), committed=0, applied=0
    )
    table: list[tuple[dict[str, Any], list[str]]] = [
        ({}, list(ASPECTS)),
        ({}, ["every-event"]),
        ({"term": 2}, ["role", "every-event"]),
        ({"voted_for": 2}, ["role", "every-event"]),
        ({"committed": 1}, ["commit", "every-event"]),
        ({"log": log_of(1, 3), "applied": 1}, ["log", "commit", "every-event"]),
        ({"role": "candidate"}, ["role", "every-event"]),
        ({}, ["candidate", "every-event"]),
    ]
    for changes, expected in table:
        calls.clear()
        replica.__dict__.update(changes)
        watch.observe(world, 1, replica)
        assert calls == expected, changes


def test_a_log_whose_end_stays_may_have_another_beginning() -> None:
    calls: list[str] = []
    watch = Watch([recorder("log", calls)])
    world = SimpleNamespace(now_ns=0)
    log = log_of(1, 1, 1)
    replica = SimpleNamespace(role="follower", term=1, voted_for=0, log=log, committed=0, applied=0)
    watch.observe(world, 1, replica)
    log.compact(2)
    replica.committed = 2
    watch.observe(world, 1, replica)
    assert calls == ["log", "log"]


def test_a_node_comes_to_rest_once() -> None:
    calls: list[str] = []
    watch = Watch([recorder("rest", calls)])
    world = SimpleNamespace(now_ns=0)
    replica = SimpleNamespace(
        role="follower", term=1, voted_for=0, log=log_of(1), committed=0, applied=0
    )
    for now_ns, expected in ((0, 1), (1, 1), (REST_NS + 1, 2), (3 * REST_NS, 2)):
        world.now_ns = now_ns
        watch.observe(world, 1, replica)
        assert len(calls) == expected, now_ns


def test_an_unknown_aspect_is_an_error() -> None:
    class Odd(NodeInvariant):
        name, aspects = "odd", ("mood",)

    with pytest.raises(UsageError, match="mood"):
        Watch([Odd()])
