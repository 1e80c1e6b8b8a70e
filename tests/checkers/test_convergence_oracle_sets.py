"""Sets and counters against brute force, on thousands of tiny histories.

The oracles know nothing of the checkers' rooms. They go by the definitions: of every read and every
element, was it there; of every read of a counter, every choice of the updates that it may include.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.convergence import Counter, SetFull
from checkers.convergence.bounds import Amount, Bounds, Reading, Span
from checkers.convergence.elements import Sight
from checkers.convergence.set_full import Fates
from checkers.convergence.sums import Sums
from harness.history import History, Recorder


@dataclass
class Call:
    """A call of a tiny history; `end` is None if it is open."""

    process: int
    f: str
    value: Any
    outcome: str
    answer: Any
    begin: int = -1
    end: int | None = None


def history_of(calls: list[Call], order: list[int]) -> History:
    """The calls begun one after the other of their process, and interleaved by `order`."""
    by_process: dict[int, list[Call]] = {}
    for call in calls:
        by_process.setdefault(call.process, []).append(call)
    recorder = Recorder()
    running: dict[int, Call] = {}
    renamed: dict[int, int] = {}
    queue = [*order, *(process for process in by_process for _ in range(20))]
    for who in queue:
        process = renamed.get(who, who)
        if who in running:
            call = running.pop(who)
            if call.outcome == "open":
                by_process[who] = []
                continue
            call.end = recorder.append(
                time_ns=len(recorder),
                process=process,
                type=call.outcome,
                f=call.f,
                value=call.answer if call.outcome == "ok" else call.value,
            )
            if call.outcome == "info":
                renamed[who] = process + 10
        elif by_process.get(who):
            call = running[who] = by_process[who].pop(0)
            call.begin = recorder.append(
                time_ns=len(recorder), process=process, type="invoke", f=call.f, value=call.value
            )
    calls[:] = [call for call in calls if call.begin >= 0]
    for call in calls:
        if call.outcome in ("info", "open"):
            call.end = None
    return recorder.history()


OUTCOMES = st.sampled_from(["ok", "ok", "ok", "fail", "info", "open"])


@st.composite
def set_calls(draw: st.DrawFn) -> list[Call]:
    calls: list[Call] = []
    for _ in range(draw(st.integers(0, 9))):
        process = draw(st.integers(0, 2))
        if draw(st.booleans()):
            f = draw(st.sampled_from(["add", "add", "add", "remove"]))
            element = draw(st.integers(1, 3))
            calls.append(Call(process, f, element, draw(OUTCOMES), element))
        else:
            node = draw(st.sampled_from([1, 2]))
            elements = draw(st.lists(st.integers(1, 4), max_size=4))
            answer = {"node": node, "elements": elements}
            calls.append(Call(process, "read", None, draw(OUTCOMES), answer))
    return calls


ORDERS = st.lists(st.integers(0, 2), max_size=24)


@settings(max_examples=120)
@given(set_calls(), ORDERS)
def test_the_fate_of_every_element(calls: list[Call], order: list[int]) -> None:
    history = history_of(calls, order)
    adds = [call for call in calls if call.f == "add"]
    reads = [call for call in calls if call.f == "read" and call.outcome == "ok"]
    sight = Sight.of(history)
    fates = Fates(sight)
    places = {element: place for place, element in enumerate(sight.elements)}
    for element in {call.value for call in adds}:
        mine = [call for call in adds if call.value == element]
        place = places[element]
        attempts = [call for call in mine if call.outcome != "fail"]
        removable = any(
            call.f == "remove" and call.value == element and call.outcome != "fail"
            for call in calls
        )
        known = min(
            [call.end for call in mine if call.outcome == "ok" and call.end is not None]
            + [call.end for call in reads if element in call.answer["elements"] and call.end],
            default=None,
        )
        counted = bool(attempts) and not removable and known is not None
        assert bool(fates.counted[place]) == counted
        if not counted or known is None:
            continue
        lost_at = set()
        seen = missed = False
        for node in (1, 2):
            here = [call for call in reads if call.answer["node"] == node]
            for read in here:
                there = element in read.answer["elements"]
                seen |= there
                missed |= not there and read.begin > known
                ends = [
                    call.end
                    for call in here
                    if element in call.answer["elements"] and call.end is not None
                ]
                if not there and read.begin > known and not any(e > read.begin for e in ends):
                    lost_at.add(node)
        assert bool(fates.lost[place]) == bool(lost_at)
        assert {node for node in sight.nodes if fates.lost_at[node][place]} == lost_at
        assert bool(fates.stable[place]) == (seen and not lost_at)
        assert bool(fates.stale[place]) == (seen and not lost_at and missed)


@settings(max_examples=80)
@given(set_calls(), ORDERS)
def test_the_verdict_on_a_set(calls: list[Call], order: list[int]) -> None:
    history = history_of(calls, order)
    verdict = SetFull().check(history)
    fates = Fates(Sight.of(history))
    reads = [call for call in calls if call.f == "read" and call.outcome == "ok"]
    shown = [element for call in reads for element in call.answer["elements"]]
    doubled = any(len(set(c.answer["elements"])) < len(c.answer["elements"]) for c in reads)
    added = {c.value for c in calls if c.f == "add" and c.outcome != "fail"}
    if not any(call.f == "add" for call in calls):
        assert verdict.outcome == "skipped"
    elif not reads:
        assert verdict.outcome == "unknown"
    else:
        bad = bool(fates.lost.any()) or doubled or any(one not in added for one in shown)
        assert (verdict.outcome == "fail") == bad


def test_words_and_numbers_are_told_apart_and_counted_alike() -> None:
    calls = [Call(0, "add", element, "ok", element) for element in (1, "1", "b", 2**70, [1, 2])] + [
        Call(0, "read", None, "ok", [1, "b", [1, 2]])
    ]
    details = SetFull().check(history_of(calls, [])).details
    assert details["stable"] == 3
    assert details["never_read_count"] == 0
    assert details["lost"] == ["1", 2**70]


# ---- counters


@st.composite
def counter_calls(draw: st.DrawFn) -> list[Call]:
    """Clients 0 and 1 are at home at n1, client 2 at n2."""
    calls: list[Call] = []
    for _ in range(draw(st.integers(0, 8))):
        process = draw(st.integers(0, 2))
        if draw(st.booleans()):
            f = draw(st.sampled_from(["increment", "increment", "decrement"]))
            amount = draw(st.integers(1, 4))
            calls.append(Call(process, f, amount, draw(OUTCOMES), amount))
        else:
            node = 2 if process == 2 else 1
            answer = {"node": node, "count": draw(st.integers(-3, 9))}
            calls.append(Call(process, "read", None, draw(OUTCOMES), answer))
    return calls


def signed(call: Call) -> int:
    return -call.value if call.f == "decrement" else int(call.value)


def choices(read: Call, updates: list[Call], homes: dict[int, int]) -> list[frozenset[int]]:
    """Every set of updates that the read may include, and that gives what it showed."""
    assert read.end is not None
    sure, may = [], []
    for place, update in enumerate(updates):
        if update.outcome == "fail" or update.begin > read.end:
            continue
        told = update.outcome == "ok" and update.end is not None and update.end < read.begin
        own = homes.get(update.process) == read.answer["node"]
        (sure if told and own else may).append(place)
    found = []
    for size in range(len(may) + 1):
        for some in itertools.combinations(may, size):
            chosen = frozenset([*sure, *some])
            if sum(signed(updates[place]) for place in chosen) == read.answer["count"]:
                found.append(chosen)
    return found


def explained(reads: list[Call], options: list[list[frozenset[int]]]) -> bool:
    """Whether some choice for every read grows from earlier reads of its node to later ones."""
    for choice in itertools.product(*options):
        if all(
            choice[one] <= choice[other]
            for one, other in itertools.permutations(range(len(reads)), 2)
            if reads[one].answer["node"] == reads[other].answer["node"]
            and (reads[one].end or 0) < reads[other].begin
        ):
            return True
    return not reads


@settings(max_examples=150)
@given(counter_calls(), ORDERS)
def test_a_counter_fails_only_if_nothing_explains_it(calls: list[Call], order: list[int]) -> None:
    history = history_of(calls, order)
    updates = [call for call in calls if call.f != "read"]
    reads = [call for call in calls if call.f == "read" and call.outcome == "ok"]
    # a process is known to be at home where it was answered; one that ends without an answer goes
    # on under another number
    homes: dict[int, int] = {}
    for operation in history:
        if operation.type == "ok" and operation.f == "read":
            assert isinstance(operation.process, int)
            homes[operation.process] = operation.value["node"]
    numbers = {call.begin: history[call.begin].process for call in calls}
    for call in calls:
        number = numbers[call.begin]
        assert isinstance(number, int)
        call.process = number
    options = [choices(read, updates, homes) for read in reads]
    verdict = Counter().check(history)
    if verdict.outcome == "fail":
        assert not all(options) or not explained(reads, options)
    elif verdict.outcome == "pass":
        assert all(options), "a read that no choice of updates explains was let through"


@given(
    st.lists(st.tuples(st.integers(-4, 4).filter(bool), st.booleans()), max_size=6),
    st.integers(-30, 30),
)
def test_sums_are_those_of_all_subsets(parts: list[tuple[int, bool]], total: int) -> None:
    sure = sum(amount for amount, surely in parts if surely)
    unsure = [amount for amount, surely in parts if not surely]
    sums = Sums(sure, unsure)
    all_sums = {
        sure + sum(some)
        for size in range(len(unsure) + 1)
        for some in itertools.combinations(unsure, size)
    }
    assert sums.reach(total) == (total in all_sums)
    assert (sums.low, sums.high) == (min(all_sums), max(all_sums))
    if sums.low <= total <= sums.high:
        below = max(one for one in all_sums if one <= total)
        above = min(one for one in all_sums if one >= total)
        assert sums.nearest(total) == (below, above)


@pytest.mark.parametrize("value", range(-2, 12))
def test_the_bounds_of_two_reads_are_those_of_all_choices(value: int) -> None:
    """After a read of 3 at one place: what a later read may show, by trying all choices."""
    amounts = [
        Amount("a", 3, Span(0, 1)),
        Amount("b", 5, Span(2, -1)),
        Amount("a", 1, Span(6, 7)),
        Amount("b", -2, Span(8, 20)),
    ]
    first, second = Reading("a", 3, Span(4, 5)), Reading("a", value, Span(10, 11))
    # the first read included the 3 alone; the second surely 3 and 1, and maybe 5 and -2
    possible = {3 + 1 + sum(some) for n in range(3) for some in itertools.combinations([5, -2], n)}
    found = Bounds("a", amounts).check([first, second])
    assert (not found) == (value in possible)
