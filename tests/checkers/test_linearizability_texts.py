"""Texts in the kernel: tables of hashes that gets share, and what a configuration costs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Limits, Outcome, find_engine
from checkers.linearizability.models import find_model
from checkers.notation import parse
from harness.history import History, Recorder

RULES = pytest.importorskip(
    "checkers.linearizability.native", reason="the kernel was not built"
).RULES

NOW = np.zeros(1, dtype=np.int32)


def outcome(
    history: History, engine: str = "native", budget: int = 100_000, rules: int = -1
) -> Outcome:
    problem = encode(history, find_model("kv-append"))
    found = find_engine("native" if engine == "native" else "reference")
    return found.check(problem, Limits(configurations=budget, rules=rules), NOW)


TABLE = {
    "each get goes on from the last": "0aab. 1g=ab 0acd. 1g=abcd 0ae. 1g=abcde",
    "a late get is shorter": "0aab. 1g 0acd. 2g=abcd 1=ab",
    "a late get is as long as none before it": "0aa. 0ab. 3g 0ac. 2g=abc 3=ab 2g=abc",
    "a get of nothing comes late": "3g 0aa. 2g=a 3= 2g=a",
    "two keys got the same text": "0aab@x. 0aab@y. 1g@x=ab 1g@y=ab 0ac@y. 1g@y=abc 1g@x=ab",
    "the other key goes on from it": "0aab@x. 1g@x=ab 0aab@y. 1g@y=ab 0ac@x. 1g@x=abc 1g@y=ab",
    "a put begins anew": "0aab. 1g=ab 0pc. 1g=c 0ad. 1g=cd 0pab. 1g=ab",
    "what was got is appended": "0aab. 1g=ab 0aab. 1g=abab 0aabab. 1g=abababab",
    "what was got is put": "0aa. 0ab. 1g=ab 0pab. 0ac. 1g=abc",
}


@pytest.mark.parametrize("text", TABLE.values(), ids=TABLE.keys())
def test_gets_that_share_a_table(text: str) -> None:
    assert outcome(parse(text)).answer == "legal"
    assert outcome(parse(text), "reference").answer == "legal"
    for wrong in (text + " 0aq. 4g=qa", text.replace("=ab ", "=ba ", 1)):
        history = parse(wrong) if wrong != text else parse(text + " 0aq. 4g=")
        assert outcome(history).answer == outcome(history, "reference").answer == "illegal"


def grown(operations: int) -> History:
    """One key to which letters are appended, got after each."""
    recorder = Recorder()
    text = ""
    for number in range(operations):
        letter = "abcdefgh"[number % 8]
        text += letter
        for f, argument, answer in (("append", letter, letter), ("get", None, text)):
            recorder.append(time_ns=0, process=0, type="invoke", f=f, value=argument)
            recorder.append(time_ns=0, process=0, type="ok", f=f, value=answer)
    return recorder.history()


def test_memory_grows_with_the_text_and_not_with_all_that_was_got() -> None:
    small, large = (outcome(grown(count)).memory_bytes for count in (1000, 4000))
    assert large < 6 * small


def crowded(clients: int, rounds: int, *, shuffled: bool = False) -> History:
    """Clients that all call at once and return in the same order, or another; then one gets."""
    rng = random.Random(1)
    recorder = Recorder()
    text = ""
    for turn in range(rounds):
        for kind in ("invoke", "ok"):
            order = rng.sample(range(clients), clients) if shuffled else range(clients)
            for client in order:
                value = f"{client}-{turn}."
                text += value if kind == "invoke" else ""
                recorder.append(time_ns=0, process=client, type=kind, f="append", value=value)
        for kind, answer in (("invoke", None), ("ok", text)):
            recorder.append(time_ns=0, process=clients, type=kind, f="get", value=answer)
    return recorder.history()


def test_what_is_looked_at_counts() -> None:
    """The same order is found at once with and without a look at the future, which takes time."""
    history = crowded(12, 8)
    blind = outcome(history, rules=-1 ^ RULES["lookahead"])
    seeing = outcome(history)
    assert blind.answer == seeing.answer == "legal"
    assert blind.configurations <= 12 * 8
    assert seeing.configurations >= 1.25 * blind.configurations


def test_the_budget_of_crowded_texts_is_kept() -> None:
    first, second = (outcome(crowded(50, 4, shuffled=True), budget=400) for _ in range(2))
    assert first == second
    assert (first.answer, first.reason) == ("unknown", "budget")
    assert 400 <= first.configurations <= 500
