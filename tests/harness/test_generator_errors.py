"""Every misuse of a generator has its own sentence, with what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.errors import UsageError
from harness.generators import (
    PENDING,
    Context,
    Event,
    Generator,
    Invocation,
    Offer,
    Pending,
    any_of,
    clients,
    concurrent_generator,
    cycle,
    cycle_times,
    delay,
    f_map,
    filter_ops,
    for_each,
    friendly_errors,
    limit,
    map_ops,
    mix,
    nemesis,
    on_threads,
    perfect,
    prepare,
    process_limit,
    repeat,
    replay,
    reserve,
    sequential_generator,
    shortest_any,
    sleep,
    stagger,
    time_limit,
    to_generator,
    trace,
    validate,
)
from harness.generators.guard import GeneratorFailure

A = {"f": "a"}


class Answers(Generator, frozen=True):
    """Gives a fixed answer, sound or not."""

    answer: Any

    def op(self, context: Context) -> Offer:
        return self.answer(self) if callable(self.answer) else self.answer


class BecomesRubbish(Generator, frozen=True):
    """Breaks at the first event."""

    def op(self, context: Context) -> Offer:
        return Invocation(context.time_ns, 0, 0, "a"), self

    def update(self, context: Context, event: Event) -> Generator:
        return "rubbish"  # type: ignore[return-value]


def of(time_ns: Any = 0, thread: Any = 0, process: Any = 0, f: Any = "a", **rest: Any) -> Answers:
    """A generator that answers with one invocation, which may be wrong."""
    return Answers(lambda self: (Invocation(time_ns, thread, process, f, **rest), self))


MADE_WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: to_generator(7), "7 is no generator"),
    (lambda: to_generator("read"), "'read' is no generator"),
    (lambda: to_generator(range(3)), "range.* is no generator"),
    (lambda: to_generator(iter([A])), "is an iterator, which can be read but once"),
    (lambda: to_generator([A, 7]), "7 is no generator"),
    (lambda: to_generator({"value": 1}), 'has no "f"'),
    (lambda: to_generator({"f": 3}), 'has no "f"'),
    (lambda: to_generator({"f": "a", "valeu": 1}), "the field 'valeu'"),
    (lambda: to_generator({"f": "a", "kind": "pause"}), "kind 'pause'"),
    (lambda: to_generator(lambda one, two: None), "needs 2 arguments"),
    (lambda: to_generator(lambda *, only: None), "takes none, or one"),
    (lambda: for_each("abc", lambda _: A), "for_each needs a sequence"),
    (lambda: for_each(iter([1]), lambda _: A), "for_each needs a sequence"),  # type: ignore[arg-type]
    (lambda: mix(A), "mix takes one list"),  # type: ignore[arg-type]
    (lambda: mix(A, A), r"one list of generators, not 2 arguments: mix\(\[read, write\]\), and"),
    (lambda: any_of([A, A]), r"any_of takes its generators as arguments.*: any_of\(read, write\)"),
    (lambda: shortest_any((A, A)), r"shortest_any takes its generators as arguments"),
    (lambda: mix([A, A], weights=[1]), "2 generators, but 1 weights"),
    (lambda: mix([A, A], weights=[1, 0]), "a positive integer, not 0"),
    (lambda: repeat(A, -1), "repeat takes a number of times"),
    (lambda: cycle(A, 1.5), "cycle takes a number of times"),  # type: ignore[arg-type]
    (lambda: limit(-1, A), "limit: count is -1"),
    (lambda: time_limit(1.5, A), "time_limit: dt_ns is 1.5.*nanoseconds"),  # type: ignore[arg-type]
    (lambda: stagger(-1, A), "stagger: dt_ns is -1"),
    (lambda: delay(True, A), "delay: dt_ns is True"),
    (lambda: sleep(0.1), "sleep: dt_ns is 0.1"),  # type: ignore[arg-type]
    (lambda: process_limit(0, A), "process_limit: count is 0"),
    (lambda: cycle_times(), "cycle_times takes pairs"),
    (lambda: cycle_times(5, A, 6), "cycle_times takes pairs"),
    (lambda: cycle_times(0, A), "cycle_times: dt_ns is 0"),
    (lambda: reserve(), "reserve takes counts and generators"),
    (lambda: reserve(A), "reserve takes counts and generators"),
    (lambda: reserve(0, A, A), "reserve: count is 0"),
    (lambda: concurrent_generator(0, [1], lambda _: A), "threads_per_key is 0"),
    (lambda: concurrent_generator(1, iter([1]), lambda _: A), "a sequence of keys"),  # type: ignore[arg-type]
    (lambda: sequential_generator("abc", lambda _: A), "needs a sequence"),
    (lambda: replay([{"f": "a", "time_ns": 1}]), "Operation 0 of a replay"),
    (lambda: replay([{"f": "a", "time_ns": -1, "thread": 0}]), "replay: time_ns is -1"),
    (lambda: replay([{"time_ns": 1, "thread": 0}]), "needs a time_ns, a thread and an f"),
    (lambda: Context.begin(clients=0, nemesis=False), "at least one thread"),
    (lambda: Context.begin(clients=2).process_of(9), "no thread 9.*0 to 1, 'nemesis'"),
    (lambda: Context.begin(clients=2).random.seed(3), "cannot be seeded"),
]


@pytest.mark.parametrize(("make", "sentence"), MADE_WRONG)
def test_made_wrong(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){sentence}"):
        make()


def ask_and_tell(generator: Generator, context: Context) -> None:
    offer = generator.op(context)
    assert offer is not None
    assert isinstance(offer[0], Invocation)
    offer[1].update(context, offer[0])


ASKED_WRONG: list[tuple[Any, str]] = [
    (Answers("rubbish"), "answered 'rubbish'. Expected None"),
    (Answers((A, A)), "answered .*Expected None"),
    (Answers(lambda self: (A, self)), "answered .*Expected None"),
    (Answers(lambda self: (PENDING, None)), "answered .*Expected None"),
    (Answers(lambda self: (Pending(0), self)), "pending until 0, but it is 0 ns already"),
    (Answers(lambda self: (Pending(1.5), self)), "pending until 1.5"),  # type: ignore[arg-type]
    (of(thread=9), "no thread 9"),
    (of(thread=1), "thread 1 is busy; free are \\(0, 2, 'nemesis'\\)"),
    (of(process=3), "thread 0 acts as process 0 now"),
    (of(time_ns=-1), "its time has passed; it is 0 ns"),
    (of(time_ns=0.5), "its time is no integer"),
    (of(f=""), "its f is ''"),
    (of(f=None), "its f is None"),
    (of(kind="pause"), "its kind is 'pause'"),
    (BecomesRubbish(), "became 'rubbish' by an update"),
    ({"f": "a", "thread": 9}, "no thread 9"),
    ({"f": "a", "process": 3}, "wants process 3, but its thread acts as process 0"),
    (clients({"f": "a", "thread": "nemesis"}), "wants thread 'nemesis', but .* leaves only"),
    (clients(nemesis(A)), "No thread is left .* 'nemesis' takes none of .*\\(0, 1, 2\\)"),
    (on_threads(lambda thread: thread == 8, A), "No thread is left for a generator: the predicate"),
    (on_threads([0, 8], A), "no thread 8"),
    (reserve(3, A, A), "reserve needs at least 4 client threads"),
    (reserve(4, A), "reserve needs at least 4 client threads"),
    (concurrent_generator(2, [1], lambda _: A), "no multiple of 2.*Run with 2 or 4 clients"),
    (concurrent_generator(4, [1], lambda _: A), "no multiple of 4.*Run with 4 clients"),
    (sequential_generator([1], lambda _: {"f": "a", "key": 2}), "has a key already"),
    (map_ops(lambda op: A, A), "of map_ops returned"),  # type: ignore[arg-type,return-value]
    (filter_ops(lambda op: False, repeat(A)), "refused 10,000 operations in a row"),
    (lambda: [], "10,000 exhausted generators in a row"),
    (lambda: 7, "7 is no generator"),
    (lambda: {"f": 7}, 'has no "f"'),
    (for_each(range(10**6), lambda _: None), "10,000 generators in a row"),
    (f_map({"a": ""}, A), "its f is ''"),
    (replay([{"f": "a", "time_ns": 0, "thread": 9}]), "no thread 9"),
]


@pytest.mark.parametrize(("generator", "sentence"), ASKED_WRONG)
def test_asked_wrong(generator: Any, sentence: str) -> None:
    context = Context.begin(clients=3).dispatched(1, 0)
    with pytest.raises(UsageError, match=f"(?s){sentence}"):
        ask_and_tell(prepare(generator), context)


def test_validate_and_friendly_errors_serve_a_part_of_a_generator() -> None:
    context = Context.begin(clients=3)
    with pytest.raises(UsageError, match="Expected None"):
        limit(3, validate(Answers("rubbish"))).op(context)
    with pytest.raises(GeneratorFailure, match="ZeroDivisionError"):
        limit(3, friendly_errors(lambda: 1 // 0)).op(context)
    sound = [validate(A), friendly_errors(A), trace("", A, sink=lambda _: None)]
    assert [o.f for o in perfect(sound) if o.type == "ok"] == ["a", "a", "a"]


def nothing_but_mistakes() -> dict[str, Any]:
    return {"f": "write", "value": {}["missing"]}


@pytest.mark.parametrize(
    ("generator", "sentence"),
    [
        (lambda: 1 // 0, r"ZeroDivisionError: .* \(\S+:\d+ in <lambda>: .*1 // 0.*\)\.\nIt was "),
        (nothing_but_mistakes, r"KeyError: 'missing' \(\S+:\d+ in nothing_but_mistakes: return "),
        (map_ops(lambda op: op.nowhere, A), r"AttributeError: .* in <lambda>: .*\)\.\n"),  # type: ignore[attr-defined]
        (filter_ops(lambda op: op.f < 3, repeat(A)), r"TypeError: .* in <lambda>: .*\)\.\n"),  # type: ignore[operator]
        (for_each([0], lambda n: [A][n + 1]), "IndexError: .*test_generator_errors.py:"),
        (map_ops(len, A), r"TypeError: .*The generator was: MapOps\("),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_a_bug_in_ones_own_code_says_where_and_is_no_misuse(generator: Any, sentence: str) -> None:
    with pytest.raises(GeneratorFailure, match=f"(?s)raised {sentence}") as caught:
        prepare(generator).op(Context.begin(clients=3))
    assert not isinstance(caught.value, UsageError)
    assert " 0x" not in str(caught.value), "an address differs from run to run"
    assert "It was asked at 0 ns." in str(caught.value)


def test_an_error_in_an_update_says_of_which_event() -> None:
    class Fails(Generator, frozen=True):
        def op(self, context: Context) -> Offer:
            return Invocation(0, 0, 0, "a"), self

        def update(self, context: Context, event: Event) -> Generator:
            raise KeyError("lost")

    with pytest.raises(
        GeneratorFailure, match="(?s)KeyError: 'lost'.*told of Invocation"
    ) as caught:
        perfect(Fails())
    assert isinstance(caught.value.__cause__, KeyError)


def test_waiting_for_ever_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="waits for ever at 10 ns: it is pending, but no"):
        perfect([A, lambda: PENDING])


def test_a_generator_without_end_is_stopped() -> None:
    with pytest.raises(UsageError, match="has given 50 operations and goes on"):
        perfect(repeat(A), operations_max=50)
