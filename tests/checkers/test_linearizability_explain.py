"""What a failure says, and that it says the truth."""

from __future__ import annotations

import random

import numpy as np
import pytest

from checkers.linearizability import Linearizability
from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import EngineName, Limits, find_engine
from checkers.linearizability.explain import explain
from checkers.linearizability.models import find_model
from checkers.notation import parse
from harness.history import History, Recorder

NOW = np.zeros(1, dtype=np.int32)

SENTENCES = [
    (
        "register",
        "3w9. 4w11 3r=7",
        "Not linearizable: process 3 read 7 at 0.002 s, which no order of the 3 operations up to "
        "then explains; the register could hold 9 or 11.",
    ),
    (
        "register",
        "0r@x=1",
        "Not linearizable: key 'x': process 0 read 1 at 0.000 s, which cannot be, as nothing else "
        "had happened; the register could only hold nil.",
    ),
    (
        "cas-register",
        "0w1. 1c2,3.",
        "Not linearizable: process 1 set 2 to 3 at 0.001 s, which no order of the 2 operations up "
        "to then explains; the register could only hold 1.",
    ),
    (
        "cas-register",
        "0w1. 1c1,3! 2r=1",
        "Not linearizable: process 1 found no 1 to set to 3 at 0.001 s, which no order of the 2 "
        "operations up to then explains; the register could only hold 1.",
    ),
    (
        "kv-append",
        "0aa? 1ab. 1g=x",
        "Not linearizable: process 1 got 'x' at 0.002 s, which no order of the 3 operations up to "
        "then explains; the text could hold 'ab', 'b' or 'ba'.",
    ),
    (
        "mutex",
        "0t. 1t.",
        "Not linearizable: process 1 acquired the lock at 0.001 s, which no order of the 2 "
        "operations up to then explains; the lock could only be held.",
    ),
    (
        "mutex",
        "0l.",
        "Not linearizable: process 0 released the lock at 0.000 s, which cannot be, as nothing "
        "else had happened; the lock could only be free.",
    ),
]


@pytest.mark.parametrize(("model", "text", "sentence"), SENTENCES)
def test_sentences(model: str, text: str, sentence: str) -> None:
    assert Linearizability(model).check(parse(text)).reason == sentence


def test_a_witness() -> None:
    verdict = Linearizability("register").check(parse("8w5@y. 3w9@x. 4w11@x 3r@x=7 3r@y=5"))
    assert verdict.witness == {
        "key": "x",
        "rows": [5, 6],
        "illegal_row": 6,
        "shortest": True,
        "operation": {"process": 3, "f": "read", "value": 7, "type": "ok", "rows": [5, 6]},
        "possible_states": [9, 11],
        "all_states": True,
        "others": 2,
        "irreducible": True,
        "conclusion": "7 was read at 0.003 s, and nobody had begun to write it by then.",
        "steps": [
            {
                "rows": [5, 6],
                "label": "read → 7",
                "sentence": "Process 3 read 7: called at 0.003 s; answered at 0.003 s.",
            }
        ],
    }


def test_what_a_pass_leaves_open() -> None:
    verdict = Linearizability().check(parse("0w1@x? 1r@y=nil"))
    assert "operations without a known outcome: 1;" in verdict.could_not_detect[0]
    assert "no promise across keys" in verdict.could_not_detect[1]


def stale_register(rng: random.Random, length: int) -> History:
    """Random writes and reads, some open, of which some read lies."""
    recorder = Recorder()
    value, pending = 0, [3]
    for number in range(length):
        process = rng.randrange(3)
        if number < 3:
            process = number
        kind = "read" if rng.random() < 0.5 else "write"
        written = rng.randrange(4) if kind == "write" else None
        recorder.append(time_ns=2 * number, process=process, type="invoke", f=kind, value=written)
        if written is not None and rng.random() < 0.2:  # never answered, and never done
            recorder.append(time_ns=0, process=process, type="fail", f=kind, value=written)
            pending.append(pending[-1] + 1)
            recorder.append(
                time_ns=0, process=pending[-1], type="invoke", f="write", value=rng.randrange(4)
            )
            continue
        value = value if written is None else written
        seen = value if rng.random() < 0.9 else rng.randrange(4)
        answer = seen if kind == "read" else written
        recorder.append(time_ns=2 * number + 1, process=process, type="ok", f=kind, value=answer)
    return recorder.history()


@pytest.mark.parametrize("rules", [-1, 511 ^ 256, 511 ^ 16, 0])
def test_engines_explain_alike(rules: int) -> None:
    """The shortest prefix and the states before it do not depend on engine, rules or luck."""
    pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")
    rng = random.Random(5)
    failures = 0
    for _ in range(120):
        history = stale_register(rng, 14)
        told = _explained(history, "native", rules)
        assert told == _explained(history, "reference", rules)
        failures += told is not None
    assert failures > 20


def _explained(history: History, name: EngineName, rules: int) -> tuple[object, ...] | None:
    model = find_model("register")
    problem = encode(history, model, initial=0)
    engine = find_engine(name)
    limits = Limits(configurations=10_000, rules=rules)
    outcome = engine.check(problem, limits, NOW)
    if outcome.answer != "illegal":
        return None
    found = explain(history, problem, outcome, engine, limits, NOW)
    return found.row, found.shortest, found.states, found.all_states, found.core.irreducible


@pytest.mark.parametrize("length", [40, 80])
def test_the_prefix_is_the_shortest_even_after_lookahead(length: int) -> None:
    """A text goes wrong late, and the kernel's lookahead notices early."""
    text = " ".join(f"{i % 3}a{chr(97 + i % 26)}." for i in range(length // 4))
    whole = "".join(chr(97 + i % 26) for i in range(length // 4))
    history = parse(f"{text} 0g={whole} 1az 2g={whole} 1. 2g={whole} 0g={whole}z")
    verdict = Linearizability("kv-append").check(history)
    assert verdict.outcome == "fail"
    assert verdict.witness is not None
    assert verdict.witness["shortest"]
    again = history.select(range(verdict.witness["illegal_row"]))
    assert Linearizability("kv-append", engine="reference").check(again).outcome == "pass"
