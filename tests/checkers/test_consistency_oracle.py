"""The weaker checkers against brute force, on thousands of tiny histories with open operations.

The oracles know nothing of the checkers' rooms. They try:

- sequential consistency: every interleaving of the processes, with and without each open write;
- session guarantees: every choice of which write each read saw, every order of all writes, and the
  smallest visibility that the definitions demand, found by applying them until nothing changes.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.consistency import (
    MonotonicReads,
    MonotonicWrites,
    ReadYourWrites,
    SequentialConsistency,
    WritesFollowReads,
)
from checkers.consistency.accesses import Accesses
from checkers.consistency.saturation import saturated
from checkers.consistency.search import Search
from checkers.consistency.sessions import SessionGuarantee
from checkers.consistency.sources import choose
from checkers.linearizability import Linearizability
from checkers.notation import unparse
from harness.history import History, Recorder

SESSIONS: list[type[SessionGuarantee]]
SESSIONS = [ReadYourWrites, MonotonicReads, MonotonicWrites, WritesFollowReads]
NAMES = [checker.name for checker in SESSIONS]


@dataclass(frozen=True)
class Act:
    """One call: reads and writes are (True, value) or (False, None); optional if unanswered."""

    process: int
    key: object
    reads: tuple[bool, object]
    writes: tuple[bool, object]
    optional: bool


def acts_of(history: History) -> list[Act]:
    rows = list(history)
    found = []
    for row, operation in enumerate(rows):
        if operation.type != "invoke":
            continue
        end = next((r for r in rows[row + 1 :] if r.process == operation.process), None)
        outcome = "info" if end is None else end.type
        if outcome == "fail" or (outcome == "info" and operation.f == "read"):
            continue
        assert isinstance(operation.process, int)
        nothing: tuple[bool, object] = (False, None)
        if operation.f == "read":
            assert end is not None
            reads, writes = (True, end.value), nothing
        elif operation.f == "write":
            reads, writes = nothing, (True, operation.value)
        else:
            reads, writes = (True, operation.value[0]), (True, operation.value[1])
        found.append(Act(operation.process, operation.key, reads, writes, outcome == "info"))
    return found


def subsets(acts: list[Act]) -> Iterator[list[Act]]:
    """The calls that took effect: all answered ones, and any of the others."""
    optional = [place for place, act in enumerate(acts) if act.optional]
    for count in range(len(optional) + 1):
        for chosen in itertools.combinations(optional, count):
            yield [act for place, act in enumerate(acts) if not act.optional or place in chosen]


def sequential(history: History) -> bool:
    """Whether some interleaving of the processes explains every read."""
    acts = acts_of(history)

    def possible(queues: tuple[tuple[Act, ...], ...], state: dict[object, object]) -> bool:
        if not any(queues):
            return True
        for place, queue in enumerate(queues):
            if not queue:
                continue
            act = queue[0]
            if act.reads[0] and state.get(act.key) != act.reads[1]:
                continue
            after = {**state, act.key: act.writes[1]} if act.writes[0] else state
            if possible((*queues[:place], queue[1:], *queues[place + 1 :]), after):
                return True
        return False

    for chosen in subsets(acts):
        processes = sorted({act.process for act in chosen})
        queues = tuple(tuple(a for a in chosen if a.process == p) for p in processes)
        if possible(queues, {}):
            return True
    return False


def sessions_hold(history: History, guarantees: set[str]) -> bool:
    """Whether some visibility and some order of the writes satisfy the definitions."""
    return any(
        _some_order(chosen, list(choice), guarantees)
        for chosen in subsets(acts_of(history))
        for choice in _sources(chosen)
    )


def _sources(acts: list[Act]) -> Iterator[tuple[int, ...]]:
    """For each act the place of the write that it read from; -1: the initial value, or no read."""
    options = []
    for place, act in enumerate(acts):
        if not act.reads[0]:
            options.append([-1])
            continue
        writers = [
            other
            for other, writer in enumerate(acts)
            if other != place and writer.key == act.key and writer.writes == (True, act.reads[1])
        ]
        options.append(writers + [-1] * (act.reads[1] is None))
    yield from itertools.product(*options)


def _some_order(acts: list[Act], source: list[int], guarantees: set[str]) -> bool:
    count = range(len(acts))
    later = [(i, j) for i in count for j in count if i < j and acts[i].process == acts[j].process]
    reads = {i for i in count if acts[i].reads[0]}
    writes = {i for i in count if acts[i].writes[0]}
    # what a compare-and-set does after reading counts as a later write of its session
    read_then_write = [p for p in later if p[0] in reads and p[1] in writes]
    read_then_write += [(i, i) for i in reads & writes]
    visible = {(source[i], i) for i in reads if source[i] >= 0}
    if "read-your-writes" in guarantees:
        visible |= {(i, j) for i, j in later if i in writes and j in reads}
    while True:
        more = set(visible)
        for write, read in visible:
            if "monotonic-reads" in guarantees:
                more |= {(write, j) for i, j in later if i == read and j in reads}
            if "monotonic-writes" in guarantees:
                more |= {(i, read) for i, j in later if j == write and i in writes}
            if "writes-follow-reads" in guarantees:
                for i, j in read_then_write:
                    if j == write:
                        more |= {(seen, read) for seen, by in visible if by == i}
        if more == visible:
            break
        visible = more
    for order in itertools.permutations(sorted(writes)):
        at = {write: place for place, write in enumerate(order)}
        if _explains(acts, source, at, visible, later, read_then_write, guarantees):
            return True
    return False


def _explains(
    acts: list[Act],
    source: list[int],
    at: dict[int, int],
    visible: set[tuple[int, int]],
    later: list[tuple[int, int]],
    read_then_write: list[tuple[int, int]],
    guarantees: set[str],
) -> bool:
    for place, act in enumerate(acts):
        if act.reads[0]:
            seen = [w for w, r in visible if r == place and acts[w].key == act.key]
            if max(seen, key=at.__getitem__, default=-1) != source[place]:
                return False
            if act.writes[0] and source[place] >= 0 and at[source[place]] >= at[place]:
                return False
    if "monotonic-writes" in guarantees and any(
        i in at and j in at and at[i] >= at[j] for i, j in later
    ):
        return False
    if "writes-follow-reads" in guarantees and any(
        at[w] >= at[j] for w, r in visible for i, j in read_then_write if i == r
    ):
        return False
    if "overwrites" in guarantees:
        for i, j in later:
            if j in at and acts[i].key == acts[j].key:
                known = [n for n in (i if i in at else -1, source[i]) if n >= 0]
                if any(at[n] >= at[j] for n in known):
                    return False
    return True


def draw(rng: random.Random, *, most: int = 7, reused: bool) -> History:
    """A few processes that say anything that looks likely; most calls overlap."""
    recorder = Recorder()
    keys = rng.choice([[None], ["x", "y"]])
    values: dict[object, list[object]] = {key: [None] for key in keys}
    free, fresh = list(range(rng.randint(2, 3))), itertools.count(len("abc"))
    under_way: dict[int, tuple[str, object, object]] = {}
    calls, written = rng.randint(3, most), itertools.count(1)

    def end(process: int) -> None:
        f, key, value = under_way.pop(process)
        kind = rng.choices(["ok", "info", "fail", "open"], [12, 2, 1, 1])[0]
        if f == "read":
            value = rng.choice(values[key][-4:]) if kind == "ok" else None
        if kind != "open":
            recorder.append(time_ns=0, process=process, type=kind, f=f, key=key, value=value)
        free.append(process if kind in ("ok", "fail") else next(fresh))

    while calls or under_way:
        if calls and free and (not under_way or rng.random() < 0.5):
            calls -= 1
            process = free.pop(rng.randrange(len(free)))
            key, f = rng.choice(keys), rng.choices(["read", "write", "cas"], [5, 4, 1])[0]
            new = rng.randint(1, 2) if reused else next(written)
            value: object = None if f == "read" else new
            if f == "cas":
                value = [rng.choice(values[key]), new]
            if f != "read":
                values[key].append(new)
            recorder.append(time_ns=0, process=process, type="invoke", f=f, key=key, value=value)
            under_way[process] = (f, key, value)
        else:
            end(rng.choice(sorted(under_way)))
    return recorder.history()


def draw_linearizable(rng: random.Random) -> History:
    """A register that answers from one place, at some moment between call and answer."""
    recorder = Recorder()
    state: dict[object, object] = {}
    free, fresh, written = list(range(3)), itertools.count(3), itertools.count(1)
    waiting: dict[int, list[object]] = {}  # process -> f, key, value, whether it is done
    for _ in range(rng.randint(6, 24)):
        if free and (not waiting or rng.random() < 0.5):
            process = free.pop(rng.randrange(len(free)))
            f, key = rng.choice(["read", "read", "write", "cas"]), rng.choice(["x", "y"])
            new = rng.randint(1, 3) if rng.random() < 0.5 else next(written) + 3
            value: object = {"read": None, "write": new, "cas": [state.get(key), new]}[f]
            recorder.append(time_ns=0, process=process, type="invoke", f=f, key=key, value=value)
            waiting[process] = [f, key, value, None]
            continue
        process = rng.choice(sorted(waiting))
        f_, key, value, done = waiting[process]
        f = str(f_)
        if done is None:
            ok = True
            if f == "read":
                value = state.get(key)
            elif f == "write":
                state[key] = value
            else:
                assert isinstance(value, list)
                ok = state.get(key) == value[0]
                state[key] = value[1] if ok else state.get(key)
            waiting[process] = [f, key, value, ok]
            continue
        del waiting[process]
        lost = rng.random() < 0.15
        kind = "info" if lost else "ok" if done else "fail"
        said = None if lost and f == "read" else value
        recorder.append(time_ns=0, process=process, type=kind, f=f, key=key, value=said)
        free.append(next(fresh) if lost else process)
    return recorder.history()


def search_alone(accesses: Accesses) -> str:
    return Search(accesses).run(10**6).answer


@pytest.mark.parametrize("reused", [False, True], ids=["unique", "reused"])
def test_sequential_agrees_with_every_interleaving(reused: bool) -> None:
    rng = random.Random(f"sequential {reused}")
    passes = 0
    for _ in range(1000):
        history = draw(rng, reused=reused)
        wanted = sequential(history)
        passes += wanted
        outcome = SequentialConsistency().check(history).outcome
        assert outcome == ("pass" if wanted else "fail"), unparse(history)
        # each part on its own: rules may be silent but not wrong, the search is exact
        accesses = Accesses.of(history)
        assert not (saturated(accesses).cycle and wanted), unparse(history)
        assert search_alone(accesses) == ("order" if wanted else "none"), unparse(history)
    assert 150 < passes < 850, "both verdicts occur often"


def wanted_outcome(history: History, checker: SessionGuarantee) -> str:
    if sessions_hold(history, {checker.name, *checker.assuming}):
        return "pass"
    if not sessions_hold(history, {checker.name}):
        return "fail"
    return "fail" if sessions_hold(history, {*checker.assuming}) else "skipped"


@pytest.mark.parametrize("checker", SESSIONS, ids=NAMES)
@pytest.mark.parametrize("reused", [False, True], ids=["unique", "reused"])
def test_sessions_agree_with_the_definitions(checker: type[SessionGuarantee], reused: bool) -> None:
    rng = random.Random(f"{checker.name} {reused}")
    fails = 0
    for _ in range(300):
        history = draw(rng, reused=reused)
        for assuming in (None, ()):
            made = checker(assuming=assuming)
            wanted = wanted_outcome(history, made)
            fails += wanted == "fail"
            assert made.check(history).outcome == wanted, (made.assuming, unparse(history))
    assert fails > 10, "violations occur often"


def test_any_set_of_guarantees_agrees_with_the_definitions() -> None:
    rng = random.Random("sets")
    answers = []
    for _ in range(1500):
        history = draw(rng, reused=rng.random() < 0.3)
        names = [*NAMES, "overwrites"]
        guarantees = {name for name in names if rng.random() < 0.5}
        wanted = sessions_hold(history, guarantees)
        answer = choose(Accesses.of(history), guarantees, budget=10**6).answer
        assert answer == ("hold" if wanted else "broken"), (guarantees, unparse(history))
        answers.append(wanted)
    assert 150 < sum(answers) < 1350, "both answers occur often"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**64), most=st.integers(3, 9), reused=st.booleans())
def test_stronger_implies_weaker(seed: int, most: int, reused: bool) -> None:
    """linearizable => sequential => causal (all four together) => each guarantee."""
    history = draw(random.Random(seed), most=most, reused=reused)
    chain = [
        Linearizability(failed_cas="no-effect").check(history).passed,
        SequentialConsistency().check(history).passed,
        choose(Accesses.of(history), NAMES, budget=10**6).answer == "hold",
        all(checker().check(history).passed for checker in SESSIONS),
        all(checker(assuming=()).check(history).passed for checker in SESSIONS),
    ]
    assert chain == sorted(chain), (chain, unparse(history))


def test_what_is_linearizable_passes_without_looking_for_that() -> None:
    rng = random.Random("linearizable")
    for _ in range(300):
        history = draw_linearizable(rng)
        assert Linearizability(failed_cas="no-effect").check(history).passed, unparse(history)
        accesses = Accesses.of(history)
        assert not saturated(accesses).cycle, unparse(history)
        assert search_alone(accesses) == "order", unparse(history)
        assert choose(accesses, [*NAMES, "overwrites"], budget=10**6).answer == "hold"


def test_orders_found_by_the_search_explain_the_history() -> None:
    rng = random.Random("orders")
    orders = 0
    for _ in range(600):
        accesses = Accesses.of(draw(rng, reused=rng.random() < 0.5))
        found = Search(accesses).run(10**6)
        if found.answer != "order":
            continue
        orders += 1
        holds: dict[int, int] = {}
        for number in found.order:
            access = accesses.all[number]
            assert access.is_write or holds.get(access.key, accesses.initial) == access.read
            if not access.is_read:
                holds[access.key] = access.written
        assert len(set(found.order)) == len(found.order)
        assert {a.number for a in accesses.all if a.answered} <= set(found.order)
        for session in accesses.sessions:
            made = [n for n in found.order if n in session]
            assert made == session[: len(made)]
    assert orders > 100


def test_witnesses_fail_on_their_own() -> None:
    """The rows of a witness, without the rest of the history, break the same guarantee."""
    rng = random.Random("witnesses")
    failed = 0
    for _ in range(400):
        history = draw(rng, reused=rng.random() < 0.3)
        for checker in (SequentialConsistency(), *(made() for made in SESSIONS)):
            verdict = checker.check(history)
            if verdict.outcome != "fail":
                continue
            failed += 1
            assert verdict.witness is not None
            part = history.select(verdict.witness["rows"])
            again = checker.check(part)
            assert again.outcome == "fail", (verdict.reason, unparse(history), unparse(part))
    assert failed > 150
