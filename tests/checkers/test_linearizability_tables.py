"""Tiny histories, one a line, with their verdicts; both engines, the whole way through `check`."""

from __future__ import annotations

import pytest

from checkers.linearizability import Linearizability
from checkers.linearizability.certificate import verify
from checkers.linearizability.engine import EngineName, find_engine
from checkers.notation import parse
from harness.history import Recorder

LEGAL = {
    "register": [
        "0r=nil",
        "0w1. 1r=1",
        "0w1 1r=1 0.",  # a write may take effect before it returns
        "0w1 1r=nil 0.",  # or later
        "0w1 1w2 0. 1. 0r=1",  # concurrent writes in either order
        "0w1 1w2 0. 1. 0r=2",
        "0w1? 1r=nil 1r=1",  # an unanswered write may take effect late
        "0w1? 1r=nil 1r=nil",  # or never
        "0w1 1r=1 1r=1",  # an open call is the same
        "0w1? 1r!",  # a read that failed says nothing
        "0w1. 1r? 2r=1",
        "0w1! 1r=nil",
        "0w1@x. 1r@y=nil",  # keys are independent
        "0w1? 1w1? 2r=1 3w2. 2r=1",  # two equal open writes explain two changes
    ],
    "cas-register": [
        "0w1. 1c1,2. 2r=2",
        "0c1,2! 0r=nil",  # seen: not 1
        "0w1 1c1,2! 0.",  # concurrent: it looked before
        "0w1. 1c1,2? 2r=1 2r=2",
        "0w0. 1c0,1? 2c1,2? 3r=2",  # one unanswered one builds on another
        "0w0. " + " ".join(f"{i}c{i - 1},{i}?" for i in range(1, 10)) + " 0r=9 0r=9",
        "0w1. 1c2,1! 1w2? 2c1,3! 0r=2",
        "0w0. 1w1? 2c0,1? 3r=1 0w5. 3r=1",  # the first 1 must not use up the open write
        "0c1,2? 1w1. 1r=2",
    ],
    "kv-append": [
        "0g=",
        "0pab. 1ac. 2g=abc",
        "0aa 1ab 2g=ab 0. 1.",
        "0aa 1ab 2g=ba 0. 1.",
        "0aa? 1g= 1g=a",
        "0aa? 1aa? 2g=aa",
        "0aa? 1pb. 1g=ba",
        "0px@k. 1g@l=",
    ],
    "mutex": [
        "0t. 0l. 1t. 1l.",
        "0t. 1t 0l. 1.",
        "0t? 1t. 1l.",  # an unanswered acquire need not have got the lock
        "0t. 0l? 1t.",  # an unanswered release may have freed it
        "0t. 1t! 0l.",
    ],
}
ILLEGAL = {
    "register": [
        "0r=1",
        "0w1. 1r=nil",
        "0w1. 1w2. 2r=1",  # stale
        "0w1 1r=1 2r=nil 0.",  # once seen, a write has happened
        "0w1? 1r=1 2r=nil",
        "0w1 1w2 2r=1 2r=2 2r=1 0. 1.",  # there and back again
        "0w1! 1r=1",
        "0w1@x. 1r@x=nil 1r@y=nil",
        "0w1? 1w1? 2r=1 3w2. 2r=1 3w2. 2r=1 3w2. 2r=1",  # one time more than there are writes
    ],
    "cas-register": [
        "0w1. 1c2,3.",
        "0w1. 1c1,2. 2r=1",
        "0w1. 1c1,2. 2c1,3.",  # only one can win
        "0w1. 1c1,2! 2r=1",  # it was 1 all the time
        "0w0. " + " ".join(f"{i}c{i - 1},{i}?" for i in range(1, 10)) + " 0r=9 0r=8",
        "0w0. 1c0,1? 2c2,3? 3r=3",
    ],
    "kv-append": [
        "0pab. 1g=a",
        "0aa. 1ab. 2g=ba",
        "0aa. 1g=aa",
        "0aa? 1g=aa",
        "0aa 1g=a 1g= 0.",
    ],
    "mutex": [
        "0l.",
        "0t. 1t.",
        "0t. 0l. 0l.",
        "0t? 1t. 2t.",
    ],
}


def rows(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(model, text) for model, texts in table.items() for text in texts]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(("model", "text"), rows(LEGAL))
def test_legal(model: str, text: str, engine: EngineName) -> None:
    require(engine)
    verdict = Linearizability(model, engine=engine).check(parse(text))
    assert verdict.outcome == "pass"
    assert verdict.reason.startswith("Linearizable")
    assert verdict.witness is not None
    verify(parse(text), model, verdict.witness["linearization"])


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(("model", "text"), rows(ILLEGAL))
def test_illegal(model: str, text: str, engine: EngineName) -> None:
    require(engine)
    history = parse(text)
    checker = Linearizability(model, engine=engine)
    verdict = checker.check(history)
    assert verdict.outcome == "fail"
    assert verdict.witness is not None
    # the witness stands on its own, and everything before its last return is legal
    again = history.select(verdict.witness["rows"])
    assert checker.check(again).outcome == "fail"
    assert verdict.witness["shortest"]
    assert verdict.witness["illegal_row"] == max(verdict.witness["rows"])
    before = history.select(range(verdict.witness["illegal_row"]))
    assert checker.check(before).outcome == "pass"


def require(engine: EngineName) -> None:
    if engine == "native":
        pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")
        assert find_engine("native").name == "native"


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_where_nothing_happened_there_is_nothing_to_judge(engine: EngineName) -> None:
    require(engine)
    recorder = Recorder()
    empty = recorder.history()
    recorder.append(time_ns=0, process="nemesis", type="info", f="start-kill", value="n1")
    for history in (empty, recorder.history()):
        verdict = Linearizability(engine=engine).check(history)
        assert verdict.outcome == "skipped"
        assert "there is nothing to judge" in verdict.reason
    # failed calls did not happen, but somebody called them
    assert Linearizability(engine=engine).check(parse("0w1!")).outcome == "pass"


def test_a_get_of_nil_saw_nothing() -> None:
    recorder = Recorder()
    recorder.append(time_ns=0, process=0, type="invoke", f="get")
    recorder.append(time_ns=1, process=0, type="ok", f="get", value=None)
    assert Linearizability("kv-append").check(recorder.history()).outcome == "pass"


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    ("model", "write", "read"),
    [
        ("register", "write", "read"),
        ("cas-register", "write", "read"),
        ("kv", "put", "get"),
        ("kv-append", "put", "get"),
    ],
)
def test_what_a_read_was_invoked_with_is_no_answer(
    model: str, write: str, read: str, engine: EngineName
) -> None:
    """Some clients invoke a read with a key, or with what they hope for."""
    require(engine)
    checker = Linearizability(model, engine=engine)
    first = [("invoke", read, "x"), ("ok", read, None)]
    later = [("invoke", write, "x"), ("ok", write, None), *first]
    for rows, outcome in ((first, "pass"), (later, "fail"), ([*first, *later[:2]], "pass")):
        recorder = Recorder()
        for type, f, value in rows:
            recorder.append(time_ns=0, process=0, type=type, f=f, value=value)
        verdict = checker.check(recorder.history())
        assert verdict.outcome == outcome, verdict.reason


def test_a_failed_cas_with_an_error_did_not_look() -> None:
    recorder = Recorder()
    for kind, f, value, error in (
        ("invoke", "write", 1, None),
        ("ok", "write", None, None),  # need not repeat what it wrote
        ("invoke", "cas", [1, 2], None),
        ("fail", "cas", [1, 2], "not leader"),
    ):
        recorder.append(time_ns=0, process=0, type=kind, f=f, value=value, error=error)
    history = recorder.history()
    assert Linearizability().check(history).outcome == "pass"
    assert Linearizability(failed_cas="mismatch").check(history).outcome == "fail"


@pytest.mark.parametrize(
    ("text", "meaning", "outcome"),
    [
        ("0w1. 1c1,2! 2r=1", "mismatch", "fail"),
        ("0w1. 1c1,2! 2r=1", "mismatch-unless-error", "fail"),
        ("0w1. 1c1,2! 2r=1", "no-effect", "pass"),
    ],
)
def test_what_a_failed_cas_says(text: str, meaning: str, outcome: str) -> None:
    checker = Linearizability(failed_cas=meaning)  # type: ignore[arg-type]
    assert checker.check(parse(text)).outcome == outcome


@pytest.mark.parametrize(
    ("model", "initial", "text", "outcome"),
    [
        ("register", 0, "0r=0", "pass"),
        ("register", 0, "0r=nil", "fail"),
        ("register", "0", "0r=0", "fail"),  # a string is no number
        ("cas-register", 5, "0c5,6. 1r=6", "pass"),
        ("kv-append", "ab", "0ac. 1g=abc", "pass"),
        ("mutex", "held", "0l. 1t.", "pass"),
    ],
)
def test_initial_states(model: str, initial: object, text: str, outcome: str) -> None:
    assert Linearizability(model, initial=initial).check(parse(text)).outcome == outcome
