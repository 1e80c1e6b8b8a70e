"""What each combinator does, in tables and small scenes, by pure simulation."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from harness.generators import (
    PENDING,
    Context,
    Generator,
    GeneratorLike,
    Invocation,
    Pending,
    any_of,
    clients,
    concat,
    concurrency_limit,
    concurrent_generator,
    cycle,
    cycle_times,
    delay,
    each_process,
    each_thread,
    f_map,
    filter_ops,
    flip_flop,
    for_each,
    imperfect,
    limit,
    map_ops,
    mix,
    nemesis,
    on_threads,
    on_update,
    once,
    perfect,
    perfect_info,
    phases,
    prepare,
    process_limit,
    quick,
    repeat,
    reserve,
    sequential_generator,
    shortest_any,
    simulate,
    sleep,
    stagger,
    synchronize,
    then,
    time_limit,
    to_generator,
    trace,
    until_ok,
)
from harness.operation import Operation

A, B, C = {"f": "a"}, {"f": "b"}, {"f": "c"}


def invoked(history: list[Operation]) -> list[Operation]:
    return [operation for operation in history if operation.type == "invoke"]


def names(generator: GeneratorLike, **options: Any) -> str:
    """The functions in the order of their invocations, as one word."""
    return "".join(operation.f for operation in invoked(perfect(generator, **options)))


def times(generator: GeneratorLike, **options: Any) -> list[int]:
    return [operation.time_ns for operation in invoked(perfect(generator, **options))]


def by_thread(history: list[Operation], threads: int) -> dict[int, str]:
    """What each client thread did, as words."""
    words: dict[int, str] = dict.fromkeys(range(threads), "")
    for operation in invoked(history):
        assert isinstance(operation.process, int)
        words[operation.process % threads] += operation.f
    return words


# --- values, and everything that gives a fixed word on one thread --------------------------------

WORDS = [
    (None, ""),
    (A, "a"),
    ([], ""),
    ([A, B, [C, A]], "abca"),
    ((A, None, B), "ab"),
    (limit(3, lambda: A), "aaa"),
    (limit(5, lambda: [A, B]), "ababa"),
    (limit(3, lambda context: {"f": "ab"[context.time_ns // 10 % 2]}), "aba"),
    (for_each([1, 2], lambda _: C), "cc"),
    (for_each([1, 2], lambda n: limit(n, repeat(A if n == 1 else B))), "abb"),
    (concat(A, B), "ab"),
    (concat(), ""),
    (any_of(), ""),
    (mix([]), ""),
    (repeat(A, 3), "aaa"),
    (repeat([A, B], 3), "aaa"),
    (repeat(A, 0), ""),
    (limit(4, repeat(A)), "aaaa"),
    (cycle([A, B], 2), "abab"),
    (cycle([A, B], 0), ""),
    (limit(5, cycle([A, B])), "ababa"),
    (cycle(None), ""),
    (cycle(limit(2, repeat(A)), 2), "aaaa"),
    (limit(0, repeat(A)), ""),
    (once(repeat(A)), "a"),
    (flip_flop(repeat(A), repeat(B, 2)), "ababa"),
    (flip_flop([A, B, C], repeat(A)), "aabaca"),
    (flip_flop(None, A), ""),
    (phases(A, [B, C], None, A), "abca"),
    (then([A, B], C), "abc"),
    (synchronize(A), "a"),
    (time_limit(0, repeat(A)), ""),
    (until_ok(repeat(A)), "a"),
    (f_map({"a": "b"}, [A, C]), "bc"),
    (map_ops(lambda op: op.replace(f=op.f * 2), [A, B]), "aabb"),
    (filter_ops(lambda op: op.f != "a", [A, B, A, C]), "bc"),
    (each_thread([A, B]), "ab"),
    (on_threads([0], A), "a"),
    (on_threads(0, A), "a"),
    (clients(A), "a"),
    (reserve(1, A), "a"),
    (shortest_any(), ""),
    (shortest_any(A), "a"),
]


@pytest.mark.parametrize(("generator", "word"), WORDS)
def test_on_one_thread(generator: GeneratorLike, word: str) -> None:
    assert names(generator, threads=1) == word


def test_a_bare_operation_goes_to_every_free_thread_alike() -> None:
    counts = Counter(
        operation.process for operation in invoked(quick(repeat(A, 3_000), threads=3, seed=5))
    )
    assert set(counts) == {0, 1, 2}
    assert all(abs(count - 1_000) < 100 for count in counts.values())  # four deviations


def test_an_operation_for_a_busy_thread_waits_for_it() -> None:
    history = perfect([{"f": "a", "thread": 1}, {"f": "b", "thread": 1}], threads=3)
    assert [(o.time_ns, o.process) for o in invoked(history)] == [(0, 1), (10, 1)]


def test_an_operation_may_name_its_process() -> None:
    history = perfect_info([{"f": "a", "process": 1}, {"f": "b", "process": 3}], threads=2)
    assert [o.process for o in invoked(history)] == [1, 3]


def test_a_time_ahead_is_waited_for_and_one_behind_is_now() -> None:
    planned = [{"f": "a", "time_ns": 70}, {"f": "b", "time_ns": 20}]
    assert times(planned, threads=1) == [70, 80]


def test_a_callable_may_say_not_yet() -> None:
    def only_after_noon(context: Context) -> Any:
        return A if context.time_ns >= 12 else Pending(until_ns=12)

    assert times(limit(2, only_after_noon), threads=1) == [12, 22]


def test_a_callable_under_stagger_is_called_once_an_operation_at_its_time() -> None:
    calls: list[int] = []

    def counted(context: Context) -> dict[str, Any]:
        calls.append(context.time_ns)
        return {"f": "add", "value": len(calls)}

    generator = stagger(20, limit(50, counted))
    history = invoked(simulate(generator, threads=4, latency_ns=35))
    assert [o.value for o in history] == list(range(1, 51))
    assert [o.time_ns for o in history] == calls


def test_a_callable_is_not_called_while_no_thread_is_free() -> None:
    context = Context.begin(clients=1, nemesis=False).dispatched(0, 5)
    generator = to_generator(lambda: pytest.fail("called for nothing"))
    assert generator.op(context) == (PENDING, generator)


# --- choosing ------------------------------------------------------------------------------------


def test_any_of_takes_the_soonest() -> None:
    early, late = {"f": "a", "time_ns": 30}, {"f": "b", "time_ns": 40}
    for seed in range(10):
        assert names(any_of(late, early), seed=seed) == "ab"


def test_any_of_breaks_ties_evenly() -> None:
    counts = Counter(names(limit(3_000, any_of(repeat(A), repeat(B), repeat(C))), seed=1))
    assert all(abs(count - 1_000) < 100 for count in counts.values())


def test_any_of_wakes_for_a_child_that_time_makes_ready_before_the_others() -> None:
    def from_20(context: Context) -> Any:
        return B if context.time_ns >= 20 else Pending(until_ns=20)

    generator = any_of({"f": "a", "time_ns": 50}, once(from_20))
    assert [(o.time_ns, o.f) for o in invoked(perfect(generator))] == [(20, "b"), (50, "a")]


def test_shortest_any_ends_with_its_shortest() -> None:
    for seed in range(10):
        word = names(shortest_any(repeat(A), [B, B]), threads=1, seed=seed)
        assert word.count("b") == 2
    assert names(shortest_any(repeat(A), None)) == ""


def test_mix_keeps_proportions() -> None:
    children = [repeat(A), repeat(B), repeat(C)]
    even = Counter(names(limit(3_000, mix(children)), seed=2))
    assert all(abs(count - 1_000) < 100 for count in even.values())
    weighted = Counter(names(limit(3_000, mix(children, weights=[1, 2, 3])), seed=2))
    assert [round(weighted[f] / 500, 0) for f in "abc"] == [1, 2, 3]


def test_mix_goes_on_without_exhausted_children() -> None:
    for seed in range(10):
        assert sorted(names(mix([A, [B, B], repeat(C, 3)]), seed=seed)) == list("abbccc")
        weighted = mix([A, [B, B], repeat(C, 3)], weights=[1, 5, 1])
        assert sorted(names(weighted, seed=seed)) == list("abbccc")


def test_trap_a_pending_child_does_not_stop_a_mix() -> None:
    """Jepsen's mix draws its next child in advance and then waits for it.

    Here all writes belong to thread 0, and a write takes as long as a hundred reads. In Jepsen,
    half the time the next one is drawn to be a write, and the mix is pending until thread 0 is
    free, so the reads come to a standstill with it. A mix must choose among those that can act.
    """
    generator = mix([on_threads(0, repeat(A)), on_threads(1, repeat(B))])
    history = simulate(
        time_limit(10_000, generator),
        threads=2,
        latency_ns=lambda invocation: 1_000 if invocation.f == "a" else 10,
    )
    words = by_thread(history, 2)
    assert words[0] == "a" * 10
    assert words[1] == "b" * 1_000  # without a gap


def test_a_mix_is_pending_only_if_all_its_children_are() -> None:
    generator = prepare(mix([on_threads(0, repeat(A)), on_threads(1, repeat(B))]))
    context = Context.begin(clients=2, nemesis=False)
    for draw in range(50):
        one_busy = context.dispatched(0, draw)
        offer = generator.op(one_busy)
        assert offer is not None
        assert isinstance(offer[0], Invocation)
        assert offer[0].f == "b"
        offer = generator.op(one_busy.dispatched(1, draw))
        assert offer is not None
        assert offer[0] == PENDING
        context = context.dispatched(0, draw).completed(0, draw)  # the next decision


def test_trap_a_mix_passes_events_to_its_children() -> None:
    """Jepsen's mix ignores updates, so an `until_ok` in it never learns of its success."""
    generator = mix([until_ok(repeat(A)), repeat(B)])
    for seed in range(10):
        assert names(limit(40, generator), threads=1, seed=seed).count("a") == 1


def test_trap_a_flip_flop_passes_events_to_its_children() -> None:
    generator = flip_flop(until_ok(repeat(A)), repeat(B))
    assert names(limit(9, generator), threads=1) == "ab"  # Jepsen's would go on: abababab...


# --- order ---------------------------------------------------------------------------------------


def test_phases_wait_for_all_threads() -> None:
    history = perfect(phases(repeat(A, 3), repeat(B, 2)), threads=2)
    assert [(o.time_ns, o.f) for o in invoked(history)] == [
        (0, "a"),
        (0, "a"),
        (10, "a"),
        (20, "b"),
        (20, "b"),
    ]


def test_phases_inside_clients_do_not_wait_for_the_nemesis() -> None:
    generator = clients(phases(A, B), nemesis({"f": "slow"}))
    history = simulate(
        generator, nemesis=True, latency_ns=lambda invocation: 900 if invocation.f == "slow" else 10
    )
    assert [(o.time_ns, o.f) for o in invoked(history)] == [(0, "a"), (10, "b")]
    history = simulate(
        phases(nemesis({"f": "slow"}), clients(A)), nemesis=True, latency_ns=lambda _: 900
    )
    assert [o.time_ns for o in invoked(history)] == [900]


def test_a_list_does_not_wait() -> None:
    assert times([A, B, C], threads=3) == [0, 0, 0]


# --- limits --------------------------------------------------------------------------------------


def test_time_limit_counts_from_its_first_operation_and_excludes_its_end() -> None:
    late = [{"f": "a", "time_ns": 1_000}, repeat(B)]
    assert times(time_limit(40, late), threads=1) == [1_000, 1_010, 1_020, 1_030]


def test_time_limit_lasts_to_its_end_unless_its_child_does_not() -> None:
    beyond = [A, {"f": "b", "time_ns": 500}]
    assert times([time_limit(100, beyond), C], threads=1) == [0, 100]
    assert times([time_limit(100, A), C], threads=1) == [0, 10]


def test_time_limit_wakes_what_waits_behind_it_though_nothing_happens() -> None:
    never = [A, lambda: PENDING]
    assert times([time_limit(100, never), C], threads=1) == [0, 100]


def test_process_limit() -> None:
    history = perfect_info(process_limit(6, repeat(A)), threads=2)
    # Two threads: processes 0 and 1, then 2 and 3, then 4 and 5; a seventh is never begun.
    assert sorted({o.process for o in history}) == [0, 1, 2, 3, 4, 5]


def test_process_limit_uses_no_more_threads_than_processes() -> None:
    history = perfect(limit(20, process_limit(2, repeat(A))), threads=5)
    assert {o.process for o in history} == {0, 1}
    assert len(invoked(history)) == 20


def test_concurrency_limit() -> None:
    at_once = 0
    for operation in perfect(concurrency_limit(2, repeat(A, 30)), threads=5):
        at_once += 1 if operation.type == "invoke" else -1
        assert at_once <= 2
    assert times(concurrency_limit(1, repeat(A, 3)), threads=5) == [0, 10, 20]


def test_until_ok_goes_on_after_fail_and_info() -> None:
    history = imperfect(concurrency_limit(1, until_ok(repeat(A))), threads=1)
    assert [o.type for o in history] == ["invoke", "info", "invoke", "fail", "invoke", "ok"]


def test_until_ok_heeds_only_its_own_operations() -> None:
    setup = on_threads(0, until_ok(repeat(A)))
    history = simulate(
        any_of(setup, on_threads(1, repeat(B, 5))),
        complete=lambda invocation: (
            "ok" if invocation.f == "b" or invocation.process == 4 else "info",
            None,
        ),
    )
    assert by_thread(history, 2) == {0: "aaa", 1: "bbbbb"}


# --- time ----------------------------------------------------------------------------------------


def test_stagger_is_uniform_and_has_the_mean_that_it_says() -> None:
    when = times(stagger(1_000, repeat(A, 4_000)), threads=5, seed=8)
    gaps = [second - first for first, second in pairwise(when)]
    assert when[0] == 0
    assert 0 <= min(gaps) < 20
    assert 1_980 < max(gaps) < 2_000
    assert abs(sum(gaps) / len(gaps) - 1_000) < 30  # three deviations of 577 / sqrt(4000)


def test_stagger_does_not_catch_up() -> None:
    history = simulate(stagger(10, repeat(A, 50)), threads=1, latency_ns=500)
    assert [o.time_ns for o in invoked(history)] == list(range(0, 25_000, 500))


def test_stagger_ends_with_its_child() -> None:
    assert times([stagger(1_000, limit(1, repeat(A))), B], threads=1) == [0, 10]
    assert times([stagger(1_000, until_ok(repeat(A))), B], threads=1) == [0, 10]


def test_delay_keeps_a_grid_and_catches_up() -> None:
    assert times(delay(25, repeat(A, 4)), threads=1) == [0, 25, 50, 75]
    slow_start = simulate(
        delay(25, [A, repeat(B, 6)]),
        threads=1,
        latency_ns=lambda invocation: 100 if invocation.f == "a" else 10,
    )
    assert [o.time_ns for o in invoked(slow_start)] == [0, 100, 110, 120, 130, 140, 150]
    # 25 to 150 were due; the last is on the grid again


def test_sleep_keeps_one_thread_busy_and_out_of_the_history() -> None:
    history = perfect(nemesis([A, sleep(1_000), B]), nemesis=True)
    assert [(o.time_ns, o.f) for o in history] == [(0, "a"), (10, "a"), (1_010, "b"), (1_020, "b")]
    assert times([sleep(1_000), repeat(A, 3)], threads=2) == [0, 10, 20]


def test_cycle_times_rotates_by_time_and_goes_on_where_it_was() -> None:
    letters = for_each(list("abcdefgh"), lambda letter: {"f": letter})
    generator = limit(9, cycle_times(25, delay(10, letters), 10, repeat({"f": "-"})))
    # letters from 0 to 25, "-" from 25 to 35, letters from 35 to 60, "-" from 60 to 70
    history = invoked(perfect(generator, threads=1))
    assert "".join(o.f for o in history) == "abc-de-fg"
    assert [o.time_ns for o in history] == [0, 10, 20, 30, 40, 50, 60, 70, 80]


def test_cycle_times_leaves_the_turns_of_an_exhausted_child_idle() -> None:
    generator = cycle_times(20, repeat(A, 3), 20, repeat(B, 5))
    assert [(o.time_ns, o.f) for o in invoked(perfect([generator, C], threads=1))] == [
        (0, "a"),
        (10, "a"),
        (20, "b"),
        (30, "b"),
        (40, "a"),
        (60, "b"),
        (70, "b"),
        (100, "b"),
        (110, "c"),
    ]


def test_cycle_times_does_not_leave_a_turn_early() -> None:
    sparse = delay(1_000, repeat(A))
    generator = limit(4, cycle_times(100, sparse, 50, repeat(B)))
    assert [(o.time_ns, o.f) for o in invoked(perfect(generator, threads=1))] == [
        (0, "a"),
        (100, "b"),
        (110, "b"),
        (120, "b"),
    ]


# --- threads -------------------------------------------------------------------------------------


def test_clients_and_nemesis_keep_apart() -> None:
    generator = clients(repeat(A, 20), repeat(B, 5))
    history = perfect(generator, threads=3, nemesis=True)
    assert {o.f for o in history if o.process == "nemesis"} == {"b"}
    assert {o.f for o in history if o.process != "nemesis"} == {"a"}
    assert {o.type for o in history if o.process == "nemesis"} == {"info"}
    swapped = perfect(nemesis(repeat(B, 5), repeat(A, 20)), threads=3, nemesis=True)
    assert Counter(o.f for o in swapped) == Counter(o.f for o in history)


def test_reserve_gives_each_generator_its_threads() -> None:
    generator = limit(60, reserve(2, repeat(A), 1, repeat(B), repeat(C)))
    words = by_thread(perfect(generator, threads=5, nemesis=True), 5)
    assert [set(word) for word in words.values()] == [{"a"}, {"a"}, {"b"}, {"c"}, {"c"}]


def test_reserve_is_fair_by_threads() -> None:
    """The share of a range follows its width, not the number of ranges."""
    counts = Counter(names(limit(4_000, stagger(100, reserve(1, repeat(A), repeat(B)))), threads=4))
    assert abs(counts["a"] - 1_000) < 110


def test_reserve_works_inside_a_group_of_threads() -> None:
    generator = concurrent_generator(2, ["x", "y"], lambda key: reserve(1, [A, A], [B, B]))
    assert by_thread(perfect(generator, threads=4), 4) == {0: "aa", 1: "bb", 2: "aa", 3: "bb"}


def test_each_thread_has_its_own_copy() -> None:
    history = perfect(each_thread([A, B]), threads=3)
    assert by_thread(history, 3) == {0: "ab", 1: "ab", 2: "ab"}


def test_each_thread_hears_only_of_its_own() -> None:
    history = simulate(
        each_thread(until_ok(repeat(A, 5))),
        threads=3,
        complete=lambda invocation: ("ok" if invocation.process == 1 else "fail", None),
    )
    assert by_thread(history, 3) == {0: "aaaaa", 1: "a", 2: "aaaaa"}


def test_each_process_begins_anew_with_a_new_process() -> None:
    crash_first = limit(10, each_process([A, B, C]))
    history = simulate(
        crash_first,
        threads=1,
        complete=lambda invocation: ("info" if invocation.f == "b" else "ok", None),
    )
    assert "".join(o.f for o in invoked(history)) == "ababababab"
    assert [o.process for o in invoked(history)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_routed_child_hears_only_of_its_threads() -> None:
    heard: list[object] = []

    def listen(child: Generator, context: Context, event: Any) -> Generator:
        heard.append((event.process, context.threads))
        return child

    generator = any_of(on_threads([0, 2], on_update(listen, repeat(A))), on_threads(1, repeat(B)))
    perfect(time_limit(30, generator), threads=3)
    assert set(heard) == {(0, (0, 2)), (2, (0, 2))}
    assert len(heard) == 2 * (3 + 3)  # on each, three begin and three end


# --- transforms ----------------------------------------------------------------------------------


def test_on_update_lets_a_generator_react() -> None:
    def after_a_fail(child: Generator, context: Context, event: Any) -> GeneratorLike:
        return [{"f": "repair"}, child] if event.type == "fail" else child.update(context, event)

    history = simulate(
        on_update(after_a_fail, [A, B, C]),
        threads=1,
        complete=lambda invocation: ("fail" if invocation.f == "b" else "ok", None),
    )
    assert [o.f for o in invoked(history)] == ["a", "b", "repair", "c"]


def test_trace_tells_of_answers_and_events() -> None:
    lines: list[str] = []
    perfect(trace("here", A, sink=lines.append), threads=1)
    assert len([line for line in lines if "event" in line]) == 2
    assert lines[0].startswith("here: at 0 ns, free (0,): Invocation(")


def test_map_leaves_sleeps_alone() -> None:
    generator = map_ops(lambda op: op.replace(f="z"), [sleep(50), A])
    assert [(o.time_ns, o.f) for o in invoked(perfect(generator, threads=1))] == [(50, "z")]


# --- independent keys ----------------------------------------------------------------------------


def test_sequential_keys() -> None:
    history = perfect(sequential_generator(["x", "y"], lambda key: repeat(A, 3)), threads=2)
    assert [o.key for o in invoked(history)] == ["x"] * 3 + ["y"] * 3


def test_concurrent_keys_are_worked_on_by_groups() -> None:
    generator = concurrent_generator(2, range(5), lambda key: repeat(A, 4))
    history = perfect(generator, threads=6, nemesis=True)
    assert Counter(o.key for o in invoked(history)) == dict.fromkeys(range(5), 4)
    groups = {(o.key, int(o.process) // 2) for o in invoked(history)}
    assert len(groups) == 5  # every key stays in one group
    assert {group for key, group in groups if key < 3} == {0, 1, 2}


def test_concurrent_keys_without_end_are_not_counted_out() -> None:
    generator = concurrent_generator(1, range(10**12), lambda key: A)
    history = perfect(limit(9, generator), threads=3)
    keys = [o.key for o in invoked(history)]
    assert len(set(keys)) == 9
    assert max(keys) < 9 + 3  # a group may hold a key that it has not begun


def test_a_key_hears_only_of_its_own_operations() -> None:
    """A late completion of the last key must not end the `until_ok` of the next."""
    generator = concurrent_generator(2, ["x", "y"], lambda key: [limit(2, until_ok(repeat(A)))])
    history = simulate(generator, threads=2, latency_ns=lambda op: 10 + 7 * int(op.process))
    assert Counter(o.key for o in invoked(history)) == {"x": 2, "y": 2}


# --- simulation ----------------------------------------------------------------------------------


def test_info_retires_a_client_but_not_the_nemesis() -> None:
    history = perfect_info(repeat(A, 9), threads=1)
    assert [o.process for o in invoked(history)] == list(range(9))
    history = perfect_info(on_threads(2, repeat(A, 3)), threads=5)
    assert [o.process for o in invoked(history)] == [2, 7, 12]
    history = perfect_info(nemesis(repeat(A, 3)), nemesis=True)
    assert {o.process for o in history} == {"nemesis"}


def test_completions_come_before_operations_of_the_same_time() -> None:
    planned = [{"f": "a", "time_ns": 0, "thread": 0}, {"f": "b", "time_ns": 10, "thread": 1}]
    assert [(o.time_ns, o.type, o.f) for o in perfect(planned)] == [
        (0, "invoke", "a"),
        (10, "ok", "a"),
        (10, "invoke", "b"),
        (20, "ok", "b"),
    ]


def test_quick_takes_no_time() -> None:
    assert {o.time_ns for o in quick(repeat(A, 5))} == {0}
