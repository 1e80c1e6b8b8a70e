"""What holds of every generator: laws over random trees of combinators, and determinism.

The oracle for "processes act by the rules" is the pairing of `harness.history`, which knows
nothing of generators.
"""

from __future__ import annotations

import heapq
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.generators import (
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
    in_rotation,
    limit,
    map_ops,
    mix,
    on_threads,
    phases,
    prepare,
    process_limit,
    repeat,
    reserve,
    shortest_any,
    simulate,
    sleep,
    stagger,
    synchronize,
    time_limit,
    until_ok,
)
from harness.generators.context import Draws, bits_of, nth_bit
from harness.history import History
from harness.operation import Operation

THREADS = 4


def dice(context: Context) -> dict[str, Any]:
    return {"f": "dice", "value": context.random.randrange(100)}


def handful(context: Context) -> list[dict[str, Any]]:
    return [{"f": "hand", "value": n} for n in range(1 + int(context.random.random() * 3))]


unbound_leaves = st.one_of(
    st.sampled_from(["r", "w"]).map(lambda f: {"f": f}),
    st.just(dice),
    st.just(handful),
    st.integers(0, 40).map(lambda t: {"f": "at", "time_ns": 10 * t}),
    st.integers(0, 60).map(sleep),
    st.just(None),
    st.just(repeat({"f": "more"})),
    st.integers(0, 9).map(lambda n: for_each(range(n), lambda k: {"f": "nth", "value": k})),
)
leaves = st.one_of(
    unbound_leaves, st.integers(0, THREADS - 1).map(lambda n: {"f": "own", "thread": n})
)


def combined(children: st.SearchStrategy[GeneratorLike]) -> st.SearchStrategy[GeneratorLike]:
    small, spans = st.integers(0, 6), st.integers(1, 60)
    several = st.lists(children, max_size=4)
    return st.one_of(
        several,
        several.map(lambda g: any_of(*g)),
        several.map(mix),
        several.map(lambda g: mix(g, weights=range(1, len(g) + 1))),
        several.map(lambda g: shortest_any(*g)),
        several.map(lambda g: concat(*g)),
        several.map(lambda g: phases(*g)),
        st.builds(flip_flop, children, children),
        st.builds(repeat, children, small),
        st.builds(cycle, children, small),
        st.builds(limit, small, children),
        st.builds(time_limit, spans, children),
        st.builds(process_limit, st.integers(THREADS, 9), children),
        st.builds(concurrency_limit, st.integers(1, 4), children),
        st.builds(until_ok, children),
        st.builds(stagger, spans, children),
        st.builds(delay, spans, children),
        st.builds(cycle_times, spans, children, spans, children),
        st.builds(synchronize, children),
        st.builds(lambda g: map_ops(lambda op: op.replace(value=op.time_ns), g), children),
        st.builds(lambda g: f_map({"r": "x"}, g), children),
        st.builds(lambda g: filter_ops(lambda op: op.f != "w", g), children),
    )


def routed(children: st.SearchStrategy[GeneratorLike]) -> st.SearchStrategy[GeneratorLike]:
    """Combinators around trees that name no threads, for those must not be taken away."""
    return st.one_of(
        st.builds(each_thread, children),
        st.builds(each_process, children),
        st.builds(
            lambda a, b: any_of(on_threads([0], a), on_threads([1, 2, 3], b)), children, children
        ),
        st.builds(lambda a, b: reserve(1, a, 2, b), children, children),
        st.builds(lambda a, b: reserve(1, a, b), children, children),
        st.builds(lambda g: concurrent_generator(2, range(5), lambda _: g), children),
    )


anywhere = st.recursive(leaves, combined, max_leaves=8)
unbound = st.recursive(unbound_leaves, combined, max_leaves=6)
trees = st.one_of(anywhere, unbound.flatmap(lambda g: routed(st.just(g))))
seeds = st.integers(0, 2**32)


def run(generator: GeneratorLike, seed: int = 0, **options: Any) -> list[Operation]:
    """A bounded simulation whose operations end in all three ways."""
    bounded = limit(40, time_limit(2_000, generator))
    return imperfect(bounded, threads=THREADS, seed=seed, **options)


def invoked(history: list[Operation]) -> list[Operation]:
    return [operation for operation in history if operation.type == "invoke"]


# --- laws ----------------------------------------------------------------------------------------


@given(trees, seeds)
@settings(max_examples=100, deadline=None)
def test_processes_act_by_the_rules_and_time_does_not_go_back(
    tree: GeneratorLike, seed: int
) -> None:
    history = run(tree, seed)
    partner = History.from_operations(history).partner  # raises PairingError
    assert -1 not in partner
    assert all(first.time_ns <= second.time_ns for first, second in pairwise(history))


@given(trees, seeds)
@settings(max_examples=50, deadline=None)
def test_the_same_seed_gives_the_same_operations(tree: GeneratorLike, seed: int) -> None:
    assert run(tree, seed) == run(tree, seed)


@given(trees, st.integers(0, 8), seeds)
@settings(max_examples=50, deadline=None)
def test_limit_is_never_exceeded(tree: GeneratorLike, count: int, seed: int) -> None:
    assert len(invoked(run(limit(count, tree), seed))) <= count


@given(trees, st.integers(1, 300), seeds)
@settings(max_examples=50, deadline=None)
def test_time_limit_emits_nothing_at_or_after_its_end(
    tree: GeneratorLike, dt_ns: int, seed: int
) -> None:
    when = [operation.time_ns for operation in invoked(run(time_limit(dt_ns, tree), seed))]
    assert all(time_ns < when[0] + dt_ns for time_ns in when)


@given(st.lists(trees, min_size=2, max_size=4), seeds)
@settings(max_examples=50, deadline=None)
def test_phases_never_overlap(parts: list[GeneratorLike], seed: int) -> None:
    def named(number: int, part: GeneratorLike) -> Generator:
        return map_ops(lambda op: op.replace(f=str(number)), limit(10, part))

    history = run(phases(*(named(number, part) for number, part in enumerate(parts))), seed)
    assert [o.f for o in history] == sorted(o.f for o in history)


@given(trees, st.integers(1, 80), seeds)
@settings(max_examples=50, deadline=None)
def test_delay_never_hurries_ahead_of_its_grid(tree: GeneratorLike, dt_ns: int, seed: int) -> None:
    when = [operation.time_ns for operation in invoked(run(delay(dt_ns, tree), seed))]
    # Sleeps take places of the grid too, and so it can only be later than this.
    assert all(time_ns >= when[0] + n * dt_ns for n, time_ns in enumerate(when))


@given(trees, st.integers(1, 4), seeds)
@settings(max_examples=50, deadline=None)
def test_concurrency_limit_is_never_exceeded(tree: GeneratorLike, most: int, seed: int) -> None:
    at_once = 0
    for operation in run(concurrency_limit(most, tree), seed):
        at_once += 1 if operation.type == "invoke" else -1
        assert 0 <= at_once <= most


@given(unbound, st.integers(1, 9), seeds)
@settings(max_examples=50, deadline=None)
def test_process_limit_is_never_exceeded(tree: GeneratorLike, most: int, seed: int) -> None:
    history = run(process_limit(most, tree), seed)
    assert len({operation.process for operation in history}) <= most


# --- how often somebody asks does not matter -----------------------------------------------------


def ask_often(generator: GeneratorLike, seed: int, random: Random) -> Iterator[tuple[Any, ...]]:
    """An interpreter that asks at needless moments, and forgets or keeps pending answers at whim.

    Written apart from `simulate`, whose history it must reproduce.
    """
    context = Context.begin(clients=THREADS, seed=seed, nemesis=False)
    now: Generator | None = prepare(generator)
    ends: list[tuple[int, int, Invocation]] = []
    complete, begun = in_rotation(), 0
    while now is not None or ends:
        offer = now.op(context) if now is not None else None
        if offer is None:
            now = None
        wake_ns = ends[0][0] if ends else None
        if offer is not None:
            answer, rest = offer
            next_ns = answer.until_ns if isinstance(answer, Pending) else answer.time_ns
            if isinstance(answer, Pending) and random.random() < 0.5:
                now = rest
            if next_ns is not None and (wake_ns is None or next_ns < wake_ns):
                if context.time_ns < next_ns and random.random() < 0.5:
                    context = context.at(random.randint(context.time_ns, next_ns))
                elif isinstance(answer, Pending):
                    context = context.at(next_ns)
                else:
                    yield answer.time_ns, answer.process, answer.kind, answer.f, answer.value
                    context = context.dispatched(answer.thread, answer.time_ns)
                    now = rest.update(context, answer)
                    lasts_ns = answer.value if answer.kind == "sleep" else 10
                    heapq.heappush(ends, (answer.time_ns + lasts_ns, begun, answer))
                    begun += 1
                continue
        if wake_ns is None:
            break
        if context.time_ns < wake_ns and random.random() < 0.5:
            context = context.at(random.randint(context.time_ns, wake_ns - 1))
            continue
        end_ns, _, done = heapq.heappop(ends)
        context = context.completed(done.thread, end_ns)
        if done.kind == "invoke":
            type_, value = complete(done)
            event = Operation(
                index=0,
                time_ns=end_ns,
                process=done.process,
                type=type_,
                f=done.f,
                key=done.key,
                value=value,
            )
            yield end_ns, done.process, type_, done.f, value
            now = now.update(context, event) if now is not None else None
            if type_ == "info":
                context = context.with_next_process(done.thread)


@given(trees, seeds, st.integers(0, 100))
@settings(max_examples=150, deadline=None)
def test_how_often_a_generator_is_asked_does_not_matter(
    tree: GeneratorLike, seed: int, whim: int
) -> None:
    bounded = limit(40, time_limit(2_000, tree))
    plain = [
        (o.time_ns, o.process, o.type, o.f, o.value)
        for o in imperfect(bounded, threads=THREADS, seed=seed)
    ]
    often = [row for row in ask_often(bounded, seed, Random(whim)) if row[2] != "sleep"]
    assert often == plain


# --- determinism across processes ----------------------------------------------------------------

DIGEST = """
import hashlib
from harness.generators import *

generator = clients(
    phases(
        time_limit(40_000, stagger(50, mix([
            repeat({"f": "read"}),
            lambda context: {"f": "write", "value": context.random.choice("abcdef")},
            on_threads({3, 1, 4}, until_ok(repeat({"f": "cas"}))),
            each_process([{"f": "open"}, {"f": "close"}]),
        ], weights=[4, 3, 2, 1]))),
        concurrent_generator(5, ["x", "y", "z"], lambda key: reserve(
            2, limit(9, repeat({"f": key})), limit(9, repeat({"f": "r"}))
        )),
    ),
    limit(20, stagger(500, flip_flop(repeat({"f": "start"}), repeat({"f": "stop"})))),
)
history = imperfect(generator, threads=10, nemesis=True, seed=SEED)
print(len(history), hashlib.sha256(repr(history).encode()).hexdigest())
"""


def digest(*, seed: int, hash_seed: str) -> str:
    script = DIGEST.replace("SEED", str(seed))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout


def test_the_same_seed_gives_the_same_history_in_any_process() -> None:
    first, second = digest(seed=7, hash_seed="1"), digest(seed=7, hash_seed="2")
    assert first == second
    assert int(first.split()[0]) > 1_500  # it was a run worth comparing
    assert first != digest(seed=8, hash_seed="1")


# --- draws ---------------------------------------------------------------------------------------


def chi_squared_ratio(counts: Counter[int], bins: int) -> float:
    """Chi squared over its degrees of freedom; near 1 for an even spread."""
    expected = counts.total() / bins
    squares = sum((counts[number] - expected) ** 2 / expected for number in range(bins))
    return squares / (bins - 1)


@pytest.mark.parametrize("how", ["within a decision", "first of each decision", "over seeds"])
def test_draws_are_even_and_uncorrelated(how: str) -> None:
    numbers = []
    draws = Draws(11)
    for number in range(20_000):
        if how == "over seeds":
            draws = Draws(number)
        elif how == "first of each decision":
            draws.rewind(number)
        numbers.append(draws.random())
    assert min(numbers) >= 0
    assert max(numbers) < 1
    assert abs(statistics.fmean(numbers) - 0.5) < 0.01  # five deviations
    assert chi_squared_ratio(Counter(int(x * 64) for x in numbers), 64) < 1.6
    # The last bits too, since getrandbits takes all 53.
    assert chi_squared_ratio(Counter(int(x * 2**53) % 64 for x in numbers), 64) < 1.6
    assert abs(statistics.correlation(numbers[:-1], numbers[1:])) < 0.035


def test_draws_serve_all_methods_of_random() -> None:
    def all_methods(draws: Draws) -> list[Any]:
        shuffled = list(range(20))
        draws.shuffle(shuffled)
        return [
            draws.randrange(10**30),
            draws.getrandbits(200),
            draws.choice("abc"),
            draws.sample(range(100), 5),
            draws.gauss(0, 1),
            draws.expovariate(2),
            draws.randbytes(5),
            shuffled,
        ]

    draws = Draws(3)
    draws.rewind(5)
    first = all_methods(draws)
    assert draws.gauss() != draws.gauss()
    draws.rewind(5)
    assert all_methods(draws) == first
    draws.rewind(6)
    assert all_methods(draws) != first
    assert draws.getrandbits(0) == 0
    with pytest.raises(ValueError, match="non-negative"):
        draws.getrandbits(-1)


def test_events_of_one_decision_draw_apart() -> None:
    draws = Draws(3)
    firsts = set()
    for time_ns in range(100):
        for bit in range(10):
            draws.rewind_for_event(5, time_ns, bit)
            firsts.add(draws.random())
    assert len(firsts) > 990


@given(st.integers(1, 2**120))
def test_bits_of_masks(mask: int) -> None:
    positions = [position for position in range(mask.bit_length()) if mask >> position & 1]
    assert bits_of(mask) == positions
    assert [nth_bit(mask, n) for n in range(len(positions))] == positions


def test_a_hundred_threads() -> None:
    history = simulate(clients(repeat({"f": "a"}, 3_000)), threads=100, latency_ns=0)
    counts = Counter(operation.process for operation in invoked(history))
    assert set(counts) == set(range(100))
    assert chi_squared_ratio(Counter({int(p): n for p, n in counts.items()}), 100) < 1.6
