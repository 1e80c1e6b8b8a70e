"""A recorded run, replayed: the same invocations at the same times."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.generators import (
    Context,
    Generator,
    Invocation,
    Pending,
    clients,
    concurrent_generator,
    cycle_times,
    delay,
    each_thread,
    flip_flop,
    imperfect,
    invocations_of,
    limit,
    mix,
    perfect,
    phases,
    prepare,
    repeat,
    replay,
    simulate,
    sleep,
    stagger,
    time_limit,
    until_ok,
)
from harness.operation import Operation

READ, WRITE = {"f": "read"}, {"f": "write", "value": 1}


def cast(context: Context) -> dict[str, Any]:
    return {"f": "cast", "value": context.random.randrange(6)}


RUNS: list[Generator] = [
    clients(time_limit(3_000, stagger(7, mix([repeat(READ), repeat(WRITE), cast])))),
    clients(limit(200, mix([repeat(READ), cast]))),  # all threads busy all the time
    clients(phases(*(limit(9, repeat({"f": f})) for f in "abcdef"))),
    clients(phases(each_thread([READ, WRITE]), [sleep(33), READ], until_ok(repeat(WRITE)))),
    clients(
        time_limit(2_000, delay(11, repeat(READ))),
        limit(20, stagger(90, flip_flop(repeat({"f": "start"}), repeat({"f": "stop"})))),
    ),
    clients(concurrent_generator(2, list("xyzuvw"), lambda key: limit(8, mix([cast, cast])))),
    clients(limit(120, cycle_times(50, repeat(READ), 30, stagger(9, repeat(WRITE))))),
]


@given(st.sampled_from(RUNS), st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_replay_is_the_record(
    generator: Generator, seed: int, pairs_of_threads: int, latency_ns: int
) -> None:
    options: dict[str, Any] = {
        "threads": 2 * pairs_of_threads,
        "nemesis": True,
        "latency_ns": lambda op: latency_ns + (7 * len(op.f) + op.time_ns) % 13,
    }
    recorded = imperfect(generator, seed=seed, **options)
    plan = invocations_of(recorded, clients=2 * pairs_of_threads)
    assert imperfect(replay(plan), seed=seed + 1, **options) == recorded


def test_a_plan_of_plain_data_is_replayed() -> None:
    plan = [
        {"time_ns": 5, "thread": 1, "f": "write", "key": "x", "value": [1, 2]},
        {"time_ns": 2, "thread": "nemesis", "f": "start-kill", "value": {"crash": ["n1"]}},
        {"time_ns": 3, "thread": 0, "f": "read", "key": "x"},
    ]
    history = perfect(replay(plan), nemesis=True)
    assert [(o.time_ns, o.process, o.f, o.key, o.value) for o in history[:3]] == [
        (2, "nemesis", "start-kill", None, {"crash": ["n1"]}),
        (3, 0, "read", "x", None),
        (5, 1, "write", "x", [1, 2]),
    ]


def test_a_busy_thread_holds_back_only_itself() -> None:
    plan = [Invocation(t, t % 2, t % 2, f"{t}") for t in range(6)]
    slow = simulate(replay(plan), latency_ns=lambda op: 100 if op.f == "0" else 1)
    began = [(o.time_ns, o.f) for o in slow if o.type == "invoke"]
    assert began == [(0, "0"), (1, "1"), (3, "3"), (5, "5"), (100, "2"), (101, "4")]


def test_a_thread_whose_process_retired_goes_on_under_its_new_one() -> None:
    plan = [Invocation(10 * n, 0, 0, f"{n}") for n in range(3)]
    history = simulate(replay(plan), complete=lambda op: ("info", None), latency_ns=1)
    assert [o.process for o in history if o.type == "invoke"] == [0, 2, 4]


def test_an_edited_plan_still_plays_all_that_is_left() -> None:
    recorded = imperfect(RUNS[0], threads=4, seed=3)
    plan = invocations_of(recorded, clients=4)
    for kept in (plan[::2], plan[:5], plan[100:], []):
        history = imperfect(replay(kept), threads=4, seed=9, latency_ns=50)
        again = invocations_of(history, clients=4)
        key = lambda op: (str(op.thread), op.f, op.value)  # noqa: E731
        assert sorted(map(key, again)) == sorted(map(key, kept))


def test_within_one_instant_the_order_of_the_record_is_kept() -> None:
    """At 50, thread 1 completed, and then threads 1 and 0 began: the end of a phase.

    Thread 0 was free long before. Asked a moment before thread 1 is done, the replay must not
    offer thread 0's operation as the next.
    """
    plan = [
        Invocation(0, 1, 1, "slow"),
        Invocation(50, 1, 1, "first"),
        Invocation(50, 0, 0, "second"),
    ]
    context = Context.begin(clients=2, nemesis=False)
    offer = prepare(replay(plan)).op(context)
    assert offer is not None
    began, rest = offer
    assert isinstance(began, Invocation)
    busy = context.dispatched(1, 0)

    for now_ns in (0, 49, 50):  # thread 1 is still at it
        waiting = rest.op(busy.at(now_ns))
        assert waiting is not None
        assert waiting[0] == Pending(51)

    names = []
    now, generator = busy.completed(1, 50), rest
    for _ in range(2):
        offer = generator.op(now)
        assert offer is not None
        answer, generator = offer
        assert isinstance(answer, Invocation)
        names.append((answer.time_ns, answer.f))
        now = now.dispatched(answer.thread, answer.time_ns)
    assert names == [(50, "first"), (50, "second")]

    late = rest.op(busy.at(51))  # and if thread 1 does not end, nobody waits for it
    assert late is not None
    assert isinstance(late[0], Invocation)
    assert (late[0].time_ns, late[0].f) == (51, "second")


def test_invocations_of_takes_every_second_row_of_the_nemesis() -> None:
    rows: list[tuple[int, int | str, Any]] = [
        (0, "nemesis", "info"),
        (1, 3, "invoke"),
        (2, "nemesis", "info"),
        (3, "nemesis", "info"),
        (4, 3, "info"),
        (5, 5, "invoke"),
    ]
    history = [
        Operation(index=n, time_ns=time_ns, process=process, type=type_, f="f")
        for n, (time_ns, process, type_) in enumerate(rows)
    ]
    assert [(o.time_ns, o.thread) for o in invocations_of(history, clients=2)] == [
        (0, "nemesis"),
        (1, 1),
        (3, "nemesis"),
        (5, 1),
    ]
