"""Keys with timestamps against brute force: random tiny histories, and the definitions.

The oracles compare all pairs of answers, and all updates with all answers, and know nothing of the
checkers' rooms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.convergence import (
    Convergence,
    LastWriterWins,
    LevelContracts,
    NoResurrection,
    Staleness,
    UniqueIds,
)
from checkers.convergence.levels import meets
from harness.history import History, Recorder

LEVELS = ("None", "One", "Two", "Three", "LocalQuorum", "Quorum", "EachQuorum", "All")


@dataclass
class Call:
    """A call of a tiny history; rows `begin` and `end`, the latter None without an answer."""

    process: int
    f: str
    key: str
    value: Any
    outcome: str
    answer: Any
    begin: int = -1
    end: int | None = None

    @property
    def stamp(self) -> Any:
        return self.answer["stamp"] if isinstance(self.answer, dict) else None


def history_of(calls: list[Call], order: list[int], final: list[Call]) -> History:
    """The calls of every process one after the other, interleaved by `order`; then `final`."""
    recorder = Recorder()
    todo: dict[int, list[Call]] = {}
    for call in calls:
        todo.setdefault(call.process, []).append(call)
    running: dict[int, Call] = {}
    number = dict(zip(range(3), range(3), strict=True))

    def begin(call: Call) -> None:
        call.process = number[call.process]
        call.begin = recorder.append(
            time_ns=len(recorder) * 10**6,
            process=call.process,
            type="invoke",
            f=call.f,
            key=call.key or None,
            value=call.value,
        )

    def end(who: int, call: Call) -> None:
        row = recorder.append(
            time_ns=len(recorder) * 10**6,
            process=call.process,
            type=call.outcome,
            f=call.f,
            key=call.key or None,
            value=call.answer if call.outcome == "ok" else call.value,
        )
        if call.outcome == "info":
            number[who] += 10
        else:
            call.end = row

    for who in [*order, *(who for who in (0, 1, 2) for _ in range(30))]:
        if who in running:
            end(who, running.pop(who))
        elif todo.get(who):
            running[who] = todo[who].pop(0)
            begin(running[who])
    for call in final:
        who = call.process
        begin(call)
        end(who, call)
    return recorder.history()


STAMPS = st.tuples(st.integers(1, 4), st.just(0))


@st.composite
def key_calls(draw: st.DrawFn) -> tuple[list[Call], list[Call]]:
    """Process p is at home at node p + 1; values are unique, answers are anything that was written.

    The second list asks every replica for its state.
    """
    writes: list[tuple[str, Any, list[int]]] = []
    calls: list[Call] = []
    for number in range(draw(st.integers(1, 9))):
        process, key = draw(st.integers(0, 2)), draw(st.sampled_from("xxy"))
        level = draw(st.sampled_from(LEVELS))
        if draw(st.booleans()):
            stamp = [*draw(STAMPS), process + 1]
            deletes = draw(st.integers(0, 3)) == 0
            value: dict[str, Any] = {"level": level}
            if not deletes:
                value = {"value": number, "level": level}
            writes.append((key, None if deletes else number, stamp))
            outcome = draw(st.sampled_from(["ok", "ok", "ok", "info", "fail"]))
            f = "delete" if deletes else "write"
            calls.append(Call(process, f, key, value, outcome, {**value, "stamp": stamp}))
        else:
            seen = [(value, stamp) for of, value, stamp in writes if of == key]
            held = draw(st.sampled_from([(None, None), *seen]))
            answer = {"value": held[0], "level": level, "stamp": held[1], "node": process + 1}
            calls.append(Call(process, "read", key, {"level": level}, "ok", answer))
    final = []
    for process in range(3):
        state = []
        for key in "xy":
            seen = [(value, stamp) for of, value, stamp in writes if of == key]
            greatest = max(seen, key=lambda one: one[1], default=(None, None))
            held = greatest if draw(st.booleans()) else draw(st.sampled_from([*seen, greatest]))
            if held[1] is not None:
                state.append([key, *held])
        told = {"node": process + 1, "state": state, "delivered": None, "repaired": 0}
        final.append(Call(process, "replica", "", None, "ok", told))
    return calls, final


ORDERS = st.lists(st.integers(0, 2), max_size=20)


def updates_of(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.f in ("write", "delete") and call.outcome != "fail"]


def answers_of(calls: list[Call], final: list[Call]) -> list[tuple[Call, int, str, Any, Any]]:
    """Every answer as call, node, key, value, timestamp."""
    found = [
        (call, call.answer["node"], call.key, call.answer["value"], call.answer["stamp"])
        for call in calls
        if call.f == "read"
    ]
    for call in final:
        held = {key: (value, stamp) for key, value, stamp in call.answer["state"]}
        for key in "xy":
            value, stamp = held.get(key, (None, None))
            found.append((call, call.answer["node"], key, value, stamp))
    return found


def after(first: Call, second: Call) -> bool:
    return first.end is not None and first.end < second.begin


@settings(max_examples=150)
@given(key_calls(), ORDERS)
def test_a_node_goes_back_exactly_where_two_answers_say_so(
    made: tuple[list[Call], list[Call]], order: list[int]
) -> None:
    calls, final = made
    history = history_of(calls, order, final)
    answers = answers_of(calls, final)
    updates = updates_of(calls)
    found = LastWriterWins().check(history).details.get("found", {})
    back = set()
    for call, node, key, _, stamp in answers:
        newer = [
            (told, what)
            for first, where, of, what, told in answers
            if (where, of) == (node, key) and told is not None and after(first, call)
        ]
        newer += [
            (one.stamp, one.answer.get("value"))
            for one in updates
            if one.outcome == "ok" and (one.stamp[2], one.key) == (node, key) and after(one, call)
        ]
        if not newer:
            continue
        greatest = max(told for told, _ in newer)
        if stamp is not None:
            if stamp < greatest:
                back.add((node, key))
            continue
        was_there = [what for told, what in newer if told == greatest]
        maybe_deleted = any(
            one.f == "delete"
            and one.key == key
            and one.begin < (call.end or 0)
            and (one.outcome != "ok" or one.stamp > greatest)
            for one in updates
        )
        # a timestamp that two updates share (which is found as `doubled`) may be both
        if all(what is not None for what in was_there) and not maybe_deleted:
            back.add((node, key))
        elif any(what is not None for what in was_there) and not maybe_deleted:
            return
    assert found.get("backward", 0) + found.get("own", 0) == len(back)


@settings(max_examples=150)
@given(key_calls(), ORDERS)
def test_what_every_read_missed(made: tuple[list[Call], list[Call]], order: list[int]) -> None:
    calls, final = made
    history = history_of(calls, order, final)
    updates = updates_of(calls)
    ages: dict[str, list[float]] = {}
    beyond = permitted = own = 0
    for read in (call for call in calls if call.f == "read"):
        floor = read.stamp
        deletions = [
            one
            for one in updates
            if one.f == "delete" and one.key == read.key and one.begin < (read.end or 0)
        ]
        unclear = floor is None and any(one.outcome != "ok" for one in deletions)
        if floor is None:
            floor = max((one.stamp for one in deletions), default=[])
        missed = [
            one
            for one in updates
            if one.outcome == "ok"
            and one.key == read.key
            and one.stamp > floor
            and after(one, read)
            and not unclear
        ]
        first = min((one.end or 0 for one in missed), default=read.begin)
        ages.setdefault(read.value["level"], []).append(float(read.begin - first))
        mine = [one for one in missed if one.process == read.process]
        others = [one for one in missed if one.process != read.process]
        own += bool(mine)
        broken = [
            one
            for one in others
            if one.stamp[2] == read.answer["node"] or promised(one.value["level"], read)
        ]
        beyond += bool(broken)
        permitted += bool(others) and not broken
    details = Staleness().check(history).details
    shown = details.get("distributions", {})
    assert {name.removeprefix("age at "): one["values"] for name, one in shown.items()} == {
        level: sorted(values) for level, values in ages.items()
    }
    counted = LevelContracts().check(history).details
    if not ages or not updates:
        return
    assert counted["beyond"].get("stale-read", 0) == beyond
    assert counted["permitted"].get("stale-read", 0) == permitted
    assert counted["beyond"].get("own-write-missed", 0) == own


def promised(level: str, read: Call) -> bool:
    """By counting copies among five nodes in data centres of three and two, in the worst case."""
    return meets(level, read.value["level"])


def copies_of(level: str, home: int) -> list[frozenset[int]]:
    """Every set of copies that a level at a home node may have made, of five nodes (3 + 2)."""
    nodes, centers = range(5), ({0, 1, 2}, {3, 4})
    counted = {"None": 1, "One": 2, "Two": 3, "Three": 4, "All": 5}
    found = []
    for bits in range(32):
        chosen = frozenset(node for node in nodes if bits >> node & 1)
        local = next(center for center in centers if home in center)
        fits = {
            "Quorum": len(chosen) > 2,
            "LocalQuorum": 2 * len(chosen & local) > len(local),
            "EachQuorum": all(2 * len(chosen & center) > len(center) for center in centers),
        }.get(level, len(chosen) >= counted.get(level, 9))
        if home in chosen and fits:
            found.append(chosen)
    return found


def test_levels_meet_only_if_all_their_sets_of_copies_share_a_node() -> None:
    for write in LEVELS:
        for read in LEVELS:
            share = {
                together: all(
                    mine & theirs
                    for one in range(5)
                    for other in range(5)
                    if ((one < 3) == (other < 3)) == together and one != other
                    for mine in copies_of(write, one)
                    for theirs in copies_of(read, other)
                )
                for together in (True, False)
            }
            everywhere = share[True] and share[False]
            assert meets(write, read, nodes=5, together=True) <= share[True], (write, read)
            assert meets(write, read, nodes=5) <= everywhere, (write, read)
            if not {write, read} & {"LocalQuorum", "EachQuorum"}:  # nothing but numbers decide
                assert meets(write, read, nodes=5) == everywhere, (write, read)
            assert meets(write, read) <= meets(write, read, nodes=5)


@settings(max_examples=150)
@given(key_calls(), ORDERS)
def test_convergence_is_agreement_on_what_the_updates_give(
    made: tuple[list[Call], list[Call]], order: list[int]
) -> None:
    calls, final = made
    history = history_of(calls, order, final)
    verdict = Convergence().check(history)
    updates = updates_of(calls)
    if any(one.stamp == other.stamp for one in updates for other in updates if one is not other):
        return  # what shares a timestamp has no winner
    states = [
        {key: (value, stamp) for key, value, stamp in call.answer["state"] if value is not None}
        for call in final
    ]
    graves = [{key: stamp for key, value, stamp in one.answer["state"]} for one in final]
    wrong = False
    for state in states:
        for key, (value, stamp) in state.items():
            origin = [one for one in updates if one.key == key and one.value.get("value") == value]
            fits = any(one.outcome != "ok" or one.stamp == stamp for one in origin)
            wrong |= not fits
    agree = all(state == states[0] for state in states)
    lost = False
    for key in "xy":
        told = [one for one in updates if one.key == key and one.outcome == "ok"]
        winner = max(told, key=lambda one: one.stamp, default=None)
        if winner is None:
            continue
        held = states[0].get(key, (None, graves[0].get(key)))[1]
        if held is not None:
            lost |= winner.stamp > held
        else:
            unsure = any(o.f == "delete" and o.outcome != "ok" and o.key == key for o in updates)
            lost |= winner.f == "write" and not unsure
    kind = verdict.details["kind"]
    if agree and not wrong and not lost:
        assert verdict.outcome == "pass"
    elif wrong or agree:
        assert (verdict.outcome, kind) == ("fail", "wrong-merge")
    else:
        assert (verdict.outcome, kind) == ("fail", "liveness")
        assert verdict.details["differing"] == [
            key
            for key in dict.fromkeys(one.key for one in calls if one in updates)
            if any(state.get(key) != states[0].get(key) for state in states)
        ] or set(verdict.details["differing"]) == {
            key for key in "xy" if any(state.get(key) != states[0].get(key) for state in states)
        }


@settings(max_examples=150)
@given(key_calls(), ORDERS)
def test_nothing_comes_back_exactly_where_no_answer_shows_it(
    made: tuple[list[Call], list[Call]], order: list[int]
) -> None:
    calls, final = made
    history = history_of(calls, order, final)
    answers, updates = answers_of(calls, final), updates_of(calls)
    verdict = NoResurrection().check(history)
    deleted = {one.key for one in updates if one.f == "delete"}
    if not deleted:
        assert verdict.outcome == "skipped"
        return
    back = set()
    for call, node, key, value, stamp in answers:
        if value is None or key not in deleted:
            continue
        for first, where, of, what, told in answers:
            if (where, of) != (node, key) or not after(first, call) or what is not None:
                continue
            if told is not None and stamp < told:
                back.add((node, key))
            if told is None and any(
                (there, same) == (node, key)
                and live is not None
                and after(before, first)
                and stamp <= when
                for before, there, same, live, when in answers
            ):
                back.add((node, key))
        for one in updates:
            at_home = one.f == "delete" and one.outcome == "ok" and one.key == key
            if at_home and one.stamp[2] == node and after(one, call) and stamp < one.stamp:
                back.add((node, key))
    if back:
        assert verdict.outcome == "fail"
    elif verdict.outcome == "fail":
        assert "is there in the end" in verdict.reason


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans()), max_size=8), ORDERS)
def test_identifiers_by_all_pairs(drawn: list[tuple[int, int, bool]], order: list[int]) -> None:
    calls = []
    for process, number, ok in drawn:
        identifier = [number, 0, process % 2]
        calls.append(Call(process, "generate", "", None, "ok" if ok else "fail", identifier))
    history = history_of(calls, order, [])
    given_out = [call for call in calls if call.outcome == "ok"]
    doubled = len(given_out) - len({tuple(call.answer) for call in given_out})
    backward = sum(
        any(
            one.answer[2] == other.answer[2] and after(one, other) and other.answer < one.answer
            for one in given_out
        )
        for other in given_out
    )
    details = UniqueIds().check(history).details
    if given_out:
        assert (details["doubled"], details["backward"]) == (doubled, backward)
