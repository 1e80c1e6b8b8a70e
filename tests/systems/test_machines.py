"""State machines: snapshots hold the whole state, and each machine agrees with a plain model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.node import StateMachine
from systems.machines import AppendLists, Counter, KeyValue, Lock, Sessions
from systems.machines.mutations import ObservedKeyValue

SHORT = settings(max_examples=40, deadline=None)

KEYS = st.sampled_from(["x", "y", 3])
VALUES = st.one_of(st.integers(0, 3), st.none(), st.text(max_size=2))
OWNERS = st.sampled_from(["ann", "bob", 7])


def commands(*shapes: tuple[Any, ...]) -> st.SearchStrategy[list[list[Any]]]:
    """Lists of commands; a shape is a name and the strategies of its arguments."""
    kinds = [st.tuples(st.just(name), *arguments).map(list) for name, *arguments in shapes]
    return st.lists(st.one_of(kinds), max_size=10)


KEY_VALUE = commands(
    ("read", KEYS),
    ("write", KEYS, VALUES),
    ("cas", KEYS, VALUES, VALUES),
    ("exchange", KEYS, VALUES, VALUES),
    ("delete", KEYS),
)
MACHINES: dict[str, tuple[Callable[[], StateMachine], st.SearchStrategy[list[list[Any]]]]] = {
    "key-value": (KeyValue, KEY_VALUE),
    "observed": (ObservedKeyValue, KEY_VALUE),
    "lists": (AppendLists, commands(("read", KEYS), ("append", KEYS, VALUES))),
    "counter": (Counter, commands(("read", KEYS), ("add", KEYS, st.integers(-3, 3)))),
    "lock": (
        Lock,
        commands(("acquire", KEYS, OWNERS), ("release", KEYS, OWNERS), ("holder", KEYS)),
    ),
}


@pytest.mark.parametrize("name", MACHINES)
@SHORT
@given(data=st.data())
def test_a_restored_machine_goes_on_as_the_one_it_was_taken_from(
    name: str, data: st.DataObject
) -> None:
    make, some = MACHINES[name]
    before, after = data.draw(some), data.draw(some)
    machine, copy = make(), make()
    for command in data.draw(some):
        copy.apply(command)  # what a restored machine was before must not matter
    for command in before:
        machine.apply(command)
    snapshot = machine.snapshot()
    copy.restore(snapshot)
    assert copy.snapshot() == snapshot
    for command in after:
        assert copy.apply(command) == machine.apply(command)
        assert copy.snapshot() == machine.snapshot()
    machine.restore(snapshot)
    assert machine.snapshot() == snapshot, "a snapshot is not touched by what follows"


@pytest.mark.parametrize("name", MACHINES)
@SHORT
@given(data=st.data())
def test_equal_histories_give_equal_snapshots(name: str, data: st.DataObject) -> None:
    make, some = MACHINES[name]
    one, other = make(), make()
    for command in data.draw(some):
        assert one.apply(command) == other.apply(command)
    assert one.snapshot() == other.snapshot()


READS = {"read", "holder"}


@pytest.mark.parametrize("name", MACHINES)
@SHORT
@given(data=st.data())
def test_reading_changes_nothing(name: str, data: st.DataObject) -> None:
    make, some = MACHINES[name]
    machine = make()
    for command in data.draw(some):
        before = machine.snapshot()
        machine.apply(command)
        if command[0] in READS:
            assert machine.snapshot() == before


@pytest.mark.parametrize("name", MACHINES)
def test_an_unknown_command_is_an_error_that_names_it(name: str) -> None:
    make, _ = MACHINES[name]
    with pytest.raises(ValueError, match="no-such-thing"):
        make().apply(["no-such-thing"])


@SHORT
@given(MACHINES["lists"][1])
def test_lists_agree_with_plain_lists(some: list[list[Any]]) -> None:
    machine, model = AppendLists(), {}  # type: ignore[var-annotated]
    answers = []
    for name, key, *rest in some:
        result = machine.apply([name, key, *rest])
        model.setdefault(key, []).extend(rest)
        expected = len(model[key]) if name == "append" else model[key]
        assert result == expected
        if name == "read":
            answers.append((result, list(model[key])))
    assert all(answer == expected for answer, expected in answers), "answers do not grow later"


@SHORT
@given(MACHINES["counter"][1])
def test_counters_agree_with_sums(some: list[list[Any]]) -> None:
    machine = Counter()
    for place, (name, key, *rest) in enumerate(some, 1):
        expected = sum(
            command[2] for command in some[:place] if command[0] == "add" and command[1] == key
        )
        assert machine.apply([name, key, *rest]) == expected


@SHORT
@given(MACHINES["lock"][1])
def test_a_lock_has_one_holder_and_tokens_that_grow(some: list[list[Any]]) -> None:
    machine = Lock()
    holders: dict[Any, Any] = {}
    tokens: dict[Any, list[int]] = {}
    for name, key, *rest in some:
        result = machine.apply([name, key, *rest])
        holder = holders.get(key)
        if name == "acquire":
            free = holder is None
            assert (result is not None) == (free or holder == rest[0])
            if free:
                assert result not in tokens.setdefault(key, [])
                assert all(token < result for token in tokens[key])
                tokens[key].append(result)
                holders[key] = rest[0]
        elif name == "release":
            assert result == (holder is not None and holder == rest[0])
            if result:
                holders[key] = None
        else:
            assert (result and result[0]) == holder


@SHORT
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)), max_size=15),
    st.integers(0, 15),
)
def test_sessions_apply_each_serial_once_across_a_snapshot(
    calls: list[tuple[int, int, int]], cut: int
) -> None:
    """The oracle keeps the results of all commands for ever."""
    sessions = Sessions(Counter())
    total, latest = 0, {}  # type: ignore[var-annotated]
    for place, (session, serial, amount) in enumerate(calls):
        if place == cut:
            copy = Sessions(Counter())
            copy.restore(sessions.snapshot())
            sessions = copy
        if serial > latest.get(session, (0, 0))[0]:
            total += amount
            latest[session] = (serial, total)
        assert sessions.apply(session, serial, ["add", "x", amount]) == latest[session][1]


def test_the_session_unused_for_longest_is_forgotten_first() -> None:
    sessions = Sessions(Counter(), capacity=2)
    for serial, session in enumerate((1, 2, 1, 3), 1):
        sessions.apply(session, serial, ["add", "x", 1])
    assert sessions.answered(1, 3) is not None
    assert sessions.answered(2, 2) is None
