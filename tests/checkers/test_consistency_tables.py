"""Classic examples of weak consistency, one line each, and what the verdicts say in words."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from checkers.consistency import (
    MonotonicReads,
    MonotonicWrites,
    ReadYourWrites,
    SequentialConsistency,
    WritesFollowReads,
)
from checkers.consistency.accesses import Accesses
from checkers.consistency.precedence import Precedence
from checkers.consistency.sessions import SessionGuarantee
from checkers.kit import check_checker
from checkers.linearizability import Linearizability
from checkers.notation import parse
from harness import catalog
from harness.errors import UsageError
from harness.history import Recorder
from harness.verdict import Checker

CHECKERS: list[type[Checker]] = [
    SequentialConsistency,
    ReadYourWrites,
    MonotonicReads,
    MonotonicWrites,
    WritesFollowReads,
]

# lin: linearizable; seq: sequential; then RYW, MR, MW, WFR by their default assumptions.
# + passes, - fails, s is skipped, as what it takes for granted does not hold
EXAMPLES = [
    # name                        lin seq  ryw mr mw wfr
    ("nothing at all", "", "s s s s s s"),
    ("a write that is read", "0w1. 1r=1", "+ + + + + +"),
    ("a stale read", "0w1. 1r=1 2r=nil", "- + + + + +"),
    ("a read before its write", "1r=1 0w1.", "- + + + + +"),
    ("a value out of nowhere", "0w1. 1r=2", "- - - - - -"),
    # multiprocessor litmus tests, with messages for memory
    ("store buffering", "0w1@x. 1w1@y. 0r@y=nil 1r@x=nil", "- - + + + +"),
    ("store buffering, one late", "0w1@x. 1w1@y. 0r@y=nil 1r@x=1", "- + + + + +"),
    ("message passing, lost", "0w1@x. 0w2@y. 1r@y=2 1r@x=nil", "- - + + - +"),
    ("message passing", "0w1@x. 0w2@y. 1r@y=2 1r@x=1", "+ + + + + +"),
    ("load buffering", "0r@x=1 0w1@y. 1r@y=1 1w1@x.", "- - + + + -"),
    ("IRIW", "0w1@x. 1w2@y. 2r@x=1 2r@y=nil 3r@y=2 3r@x=nil", "- - + + + +"),
    ("IRIW, agreed", "0w1@x. 1w2@y. 2r@x=1 2r@y=nil 3r@y=2 3r@x=1", "- + + + + +"),
    ("WRC", "0w1@x. 1r@x=1 1w2@y. 2r@y=2 2r@x=nil", "- - + + + -"),
    ("2+2W", "0w1@x. 0w2@y. 1w3@y. 1w4@x. 2r@x=4 2r@x=1 3r@y=2 3r@y=3", "- - + + - +"),
    ("coherence, two orders", "0w1. 1w2. 2r=1 2r=2 3r=2 3r=1", "- - + - s s"),
    ("coherence, there and back", "0w1. 1w2. 2r=1 2r=2 2r=1", "- - + - s s"),
    ("dekker on one key", "0w1. 1w2. 0r=1 1r=2", "- + + + + +"),
    # sessions
    ("own write not seen", "0w1. 0r=nil", "- - - + + +"),
    ("own write replaced by older", "2w5. 3r=5 3w7. 3r=5", "- - - + + +"),
    ("own writes swapped", "0w1. 0w2. 0r=1", "- - - + + +"),
    ("own write replaced by another", "0w1. 1w2. 0r=2", "+ + + + + +"),
    ("back in time", "0w1. 0w2. 1r=2 1r=1", "- - + - - +"),
    ("back to the beginning", "0w1. 1r=1 1r=nil", "- - + - s s"),
    ("two replicas, two sessions", "0w1. 0w2. 1r=2 2r=1", "- + + + + +"),
    ("an answer overtakes its question", "0w1@q. 1r@q=1 1w2@a. 2r@a=2 2r@q=nil", "- - + + + -"),
    # compare-and-set
    ("cas of what is not there", "0w1. 1c2,3.", "- - - - - -"),
    ("cas in turn", "0w1. 1c1,2. 2c2,3. 0r=3", "+ + + + + +"),
    ("two cas from one value", "0w1. 1c1,2. 2c1,3.", "- - + + + +"),
    ("cas round in a circle", "0c1,2. 1c2,1.", "- - - - - -"),
    ("failed cas says nothing", "0w1. 1c1,2! 1r=1", "+ + + + + +"),
    # open writes
    ("an open write may have happened", "0w1? 1r=1", "+ + + + + +"),
    ("or not", "0w1? 1r=nil", "+ + + + + +"),
    ("or later", "0w1? 1r=nil 1r=1", "+ + + + + +"),
    ("but it cannot be undone", "0w1? 1r=1 1r=nil", "- - + - s s"),
    ("an open write once seen counts", "0w1@x. 0w2@y? 1r@y=2 1r@x=nil", "- - + + - +"),
    ("a call that never ended", "0w1 1r=1 2r=nil", "- + + + + +"),
    ("a new process is a new session", "0w1. 0w2? 3r=nil", "- + + + + +"),
    ("an open cas of what is not there", "0c1,2? 1r=2", "- - - - - -"),
    ("an open cas nobody saw", "0c1,2? 1r=nil", "+ + + + + +"),
    # values written twice
    ("same value, either writer", "0w1. 1w1. 2r=1", "+ + + + + +"),
    ("the beginning written again", "0w1. 1r=1 0wnil. 1r=nil", "+ + + + + +"),
    ("same value, neither writer", "0w1. 0w2. 1w1@y. 2r=2 2r=1", "- - + - - +"),
    ("same value saves the day", "0w1. 0w2. 2r=2 1w1. 2r=1", "+ + + + + +"),
    # get and put
    ("texts begin empty", "0g= 0pa. 0g=a", "+ + + + + +"),
    ("texts", "0pa. 0g=", "- - - + + +"),
]


@pytest.mark.parametrize(
    ("text", "wanted"), [row[1:] for row in EXAMPLES], ids=[row[0] for row in EXAMPLES]
)
def test_examples(text: str, wanted: str) -> None:
    history = parse(text)
    model = "kv-append" if "g" in text else "cas-register"
    outcomes = [Linearizability(model, failed_cas="no-effect").check(history).outcome]
    outcomes += [checker().check(history).outcome for checker in CHECKERS]
    marks = {"pass": "+", "fail": "-", "skipped": "s"}
    assert " ".join(marks[outcome] for outcome in outcomes) == wanted
    for checker in CHECKERS:
        # what is wrong is in the witness, and needs nothing else
        verdict = checker().check(history)
        if verdict.outcome == "fail":
            assert verdict.witness is not None
            again = history.select(verdict.witness["rows"])
            assert checker().check(again).outcome == "fail"


SENTENCES = [
    (
        ReadYourWrites,
        "0w1. 0r=nil",
        "Not read-your-writes: process 0 read nil at 0.001 s, after it had itself written 1 at "
        "0.000 s, which replaced the initial value.",
    ),
    (
        ReadYourWrites,
        "0w5. 1c5,7. 1r=5",
        "Not read-your-writes: process 1 read 5 at 0.002 s, after it had itself written 7 at "
        "0.001 s; and 5 was older than 7: process 0 wrote 5 at 0.000 s, then process 1 set from 5 "
        "to 7 at 0.001 s.",
    ),
    (
        MonotonicReads,
        "0w1@x. 0w2@x. 1r@x=2 1r@x=1",
        "Not monotonic-reads: process 1 read 1 from 'x' at 0.003 s, after it had read 2 at 0.002 "
        "s; and 1 was older than 2: process 0 wrote 1 to 'x' at 0.000 s, then process 0 wrote 2 to "
        "'x' at 0.001 s. (That takes overwrites for granted; if that does not hold, it may be to "
        "blame.)",
    ),
    (
        MonotonicReads,
        "0w1. 1w2. 2r=1 2r=2 2r=1",
        "Not monotonic-reads: process 2 read 1 at 0.004 s, after it had read 2 at 0.003 s; and 1 "
        "was older than 2: process 2 read 2 at 0.003 s, after it had read 1 at 0.002 s.",
    ),
    (
        MonotonicWrites,
        "0w1@x. 0w2@y. 1r@y=2 1r@x=nil",
        "Not monotonic-writes: process 1 read nil from 'x' at 0.003 s, after it had come to know "
        "of 1 (process 0 wrote 1 to 'x' at 0.000 s, then process 0 wrote 2 to 'y' at 0.001 s, then "
        "process 1 read 2 from 'y' at 0.002 s), which replaced the initial value. (That takes "
        "monotonic-reads for granted; if that does not hold, it may be to blame.)",
    ),
    (
        WritesFollowReads,
        "0r@x=1 0w2@x. 1r@x=2 1w1@x.",
        "Not writes-follow-reads: process 0 wrote 2 to 'x' at 0.001 s, then process 1 read 2 from "
        "'x' at 0.002 s, then process 1 wrote 1 to 'x' at 0.003 s; process 1 wrote 1 to 'x' at "
        "0.003 s, then process 0 read 1 from 'x' at 0.000 s, then process 0 wrote 2 to 'x' at "
        "0.001 s. No order has such a circle.",
    ),
    (
        MonotonicWrites,
        "0w1. 0w2. 1r=2 1r=1 1r=2",
        "Nothing can be said of monotonic-writes, for monotonic-reads does not hold, and this "
        "check takes it for granted: process 1 read 2 at 0.004 s, after it had read 1 at 0.003 s; "
        "and 2 was older than 1: process 1 read 1 at 0.003 s, after it had read 2 at 0.002 s.",
    ),
    (
        SequentialConsistency,
        "0w1. 1r=2",
        "Not sequentially consistent: process 1 read 2 at 0.001 s; but no operation that may have "
        "happened ever wrote 2 there.",
    ),
    (
        SequentialConsistency,
        "0w1. 1c2,3.",
        "Not sequentially consistent: process 1 set from 2 to 3 at 0.001 s, which needs 2 to be "
        "there; but no operation that may have happened ever wrote 2 there.",
    ),
    (
        SequentialConsistency,
        "0w1. 1w2. 2r=1 2r=2 3r=2 3r=1",
        "Not sequentially consistent: process 1 wrote 2 at 0.001 s must come before process 0 "
        "wrote 1 at 0.000 s (which process 3 read 1 at 0.005 s still saw, after the former), and "
        "that before the first (which process 2 read 2 at 0.003 s still saw, after the former). No "
        "order has such a circle. It rests on this: process 1 wrote 2 at 0.001 s comes before "
        "process 3 read 2 at 0.004 s (which saw it); process 0 wrote 1 at 0.000 s comes before "
        "process 2 read 1 at 0.002 s (which saw it).",
    ),
    (
        SequentialConsistency,
        "0w1. 0w2. 1w1@y. 2r=2 2r=1 3w1@z.",
        "Not sequentially consistent: process 2 read 1 at 0.004 s must come before process 0 wrote "
        "2 at 0.001 s (which replaced the value that the former saw, process 0 wrote 1 at 0.000 "
        "s), that before process 2 read 2 at 0.003 s (which saw it), and that before the first "
        "(one process did both). No order has such a circle.",
    ),
]


@pytest.mark.parametrize(("checker", "text", "sentence"), SENTENCES)
def test_sentences(checker: type[Checker], text: str, sentence: str) -> None:
    assert checker().check(parse(text)).reason == sentence


def test_a_search_names_the_operations_that_suffice() -> None:
    """Values written twice leave the rules silent; what is left cannot be made smaller."""
    history = parse("9w1@z. 0w1. 0w2. 1w1. 1w2. 2r=1 2r=2 3r=2 3r=1 3r=2 3r=1 3r=2 3r=1")
    verdict = SequentialConsistency().check(history)
    assert verdict.outcome == "fail"
    assert verdict.details["method"] == "search"
    assert "no order of these" in verdict.reason
    assert verdict.witness is not None
    assert len(verdict.witness["operations"]) < 10
    assert 0 not in verdict.witness["rows"], "the other key has nothing to do with it"


def test_passes_say_what_they_cannot_see() -> None:
    for checker in CHECKERS:
        blind = checker().check(parse("0w1? 1r=1")).could_not_detect
        assert any("real time" in text for text in blind)
        assert any("unanswered" in text for text in blind)
        assert any("session" in text for text in blind)


def test_budgets_end_in_unknown() -> None:
    # each value comes three times, and a fifth process sees them go back and forth
    texts = [f"{p}w{v}." for p in range(4) for v in (1, 2, 1, 2)]
    history = parse(" ".join([*texts, *(f"7r={1 + n % 2} 8r={2 - n % 2}" for n in range(10))]))
    verdict = SequentialConsistency(budget=1).check(history)
    assert verdict.outcome == "unknown"
    assert "budget of 1 configurations" in verdict.reason
    assert "written values that are all different" in verdict.reason
    verdict = MonotonicReads(budget=1).check(history)
    assert verdict.outcome == "unknown"
    assert "Write values that are all different" in verdict.reason


def test_assumptions_can_be_chosen() -> None:
    history = parse("0w1. 0w2. 1r=2 1r=1")
    assert MonotonicReads(assuming=()).check(history).outcome == "pass"
    assert MonotonicReads(assuming=("monotonic-writes",)).check(history).outcome == "fail"
    all_four = ("read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads")
    causal = WritesFollowReads(assuming=all_four)
    assert causal.assuming == all_four[:3]
    assert causal.check(parse("0w1@x. 1w1@y. 0r@y=nil 1r@x=nil")).outcome == "pass"


MISTAKES: list[tuple[Any, str]] = [
    (lambda: MonotonicReads(assuming=("monotonic-write",)), "Did you mean 'monotonic-writes'"),
    (lambda: SequentialConsistency(budget=0), "A budget of 0 configurations"),
    (lambda: ReadYourWrites(budget=-3), "A budget of -3 accesses"),
    (
        lambda: ReadYourWrites().check(parse("0t. 0l.")),
        "no function of a register called 'acquire'",
    ),
]


@pytest.mark.parametrize(("mistake", "text"), MISTAKES)
def test_mistakes_are_explained(mistake: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        mistake()


def test_appends_are_skipped() -> None:
    for checker in CHECKERS:
        verdict = checker().check(parse("0aa. 0g=a"))
        assert (verdict.outcome, "append" in verdict.reason) == ("skipped", True)


def test_initial_values() -> None:
    history = parse("0r=7 0w1. 0r=1")
    for checker in (SequentialConsistency, ReadYourWrites):
        assert checker(initial=7).check(history).outcome == "pass"
        assert checker().check(history).outcome == "fail"


HISTORIES = [parse(row[1]) for row in EXAMPLES if row[1]]


Step = tuple[int, str, Any, Any]  # process, function, what it was invoked with and answered

STORES: dict[str, tuple[list[Step], str]] = {
    "set if nothing is there": ([(0, "cas", [None, 1], [None, 1]), (1, "get", None, 1)], "+"),
    "the same, without an echo": ([(0, "cas", [None, 1], None), (1, "get", None, 1)], "+"),
    "set to nothing": (
        [(0, "put", 1, None), (0, "cas", [1, None], None), (0, "get", None, None)],
        "+",
    ),
    "set though something was there": (
        [(0, "put", 1, None), (0, "get", None, 1), (0, "cas", [None, 2], None)],
        "-",
    ),
    "set out of nowhere": ([(0, "cas", [7, 1], None), (1, "get", None, 1)], "-"),
    # what a read was invoked with is no answer
    "a read of nothing that names its key": ([(0, "read", "x", None)], "+"),
    "a get of nothing that names its key": ([(0, "get", "x", None)], "+"),
    "a read of nothing though 1 was there": ([(0, "write", 1, 1), (0, "read", 1, None)], "-"),
    "a get of nothing though 1 was there": ([(0, "put", 1, 1), (0, "get", 1, None)], "-"),
    "a write need not say what it wrote": ([(0, "write", 1, None), (0, "read", None, 1)], "+"),
}


@pytest.mark.parametrize("case", STORES)
def test_nothing_is_a_value_of_stores(case: str) -> None:
    steps, wanted = STORES[case]
    recorder = Recorder()
    for process, f, asked, answered in steps:
        for type, value in (("invoke", asked), ("ok", answered)):
            recorder.append(time_ns=0, process=process, type=type, f=f, value=value)
    history = recorder.history()
    for checker in (SequentialConsistency, ReadYourWrites):
        verdict = checker().check(history)
        assert verdict.outcome == {"+": "pass", "-": "fail"}[wanted], verdict.reason
    if wanted == "+":
        for other in CHECKERS:
            assert other().check(history).outcome == "pass"


@pytest.mark.parametrize("checker", CHECKERS, ids=[checker.name for checker in CHECKERS])
def test_contract(checker: type[Checker]) -> None:
    check_checker(checker, HISTORIES)


def test_clocks_say_what_paths_say() -> None:
    """`is_before` against a walk along the edges."""
    for history in HISTORIES:
        if any(name in ("get", "acquire") for name in history.functions):
            continue
        accesses = Accesses.of(history)
        graph = Precedence(accesses)
        if graph.settle():
            for one, other in itertools.permutations(range(len(accesses)), 2):
                walked = bool(graph.path(one, other, graph.round))
                assert graph.is_before(one, other) == walked


def test_contract_of_strict_guarantees_and_tiny_budgets() -> None:
    for checker in CHECKERS[1:]:
        assert issubclass(checker, SessionGuarantee)
        check_checker(lambda checker=checker: checker(assuming=()), HISTORIES)
        check_checker(lambda checker=checker: checker(budget=1), HISTORIES)
    check_checker(lambda: SequentialConsistency(budget=1), HISTORIES)


def test_names_lead_to_the_checkers() -> None:
    for checker in CHECKERS:
        if checker.name in catalog.names("checker"):
            assert catalog.load("checker", checker.name) is checker
