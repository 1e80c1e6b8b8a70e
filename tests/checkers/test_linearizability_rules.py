"""Each rule of the search on its own: where it could go wrong, and that it saves work.

The argument why a rule is sound stands beside its code in kernel/; the table names the place. A
trap is a history that a careless version of the rule decides wrongly. It is decided with all rules,
without the rule, with the rule alone, and with none.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pytest

from checkers.linearizability.encoding import encode
from checkers.linearizability.engine import Limits, Outcome
from checkers.linearizability.models import find_model
from checkers.linearizability.problem import Problem
from checkers.notation import parse
from harness.history import History, Recorder

kernel = pytest.importorskip(
    "checkers.linearizability.native", reason="the kernel was not built", exc_type=ImportError
)

RULES: Final = kernel.RULES
ALL: Final = sum(RULES.values())
SEARCH: Final = ALL - RULES["unique"]
NOW: Final = np.zeros(1, dtype=np.int32)


class Trap(NamedTuple):
    rule: str
    model: str
    text: str
    legal: bool
    why: str


TRAPS = [
    # cache.h
    Trap("fingerprint", "register", "0w1 1w2 0. 1. 2r=1 2r=2", False, "equal sets, other states"),
    Trap("fingerprint", "kv-append", "0pab 1pa 2ab 0. 1. 2. 3g=ab", True, "one text, two ways"),
    # prune.h, take_pure
    Trap("eager", "register", "0w1. 1w1 2w2. 3r=1 1.", True, "to write 1 over 1 is not pure"),
    Trap("eager", "cas-register", "0w1. 1c2,3 2w2. 2w1. 1!", True, "it looked before or after"),
    Trap("eager", "cas-register", "0w1. 1c1,1 2w2. 1. 3r=2", True, "a swap of 1 for 1"),
    Trap("eager", "set", "0add1. 1add1 2remove1. 1. 3contains1=true", True, "adding 1 twice"),
    # prune.h, add_or_replace_twin
    Trap("symmetry", "register", "0w1 1w1 1. 2r=1 3w2. 4r=1 0.", True, "first what returns first"),
    Trap("symmetry", "register", "0w1 1w1 0. 1. 2r=1 3w2. 4r=1", False, "both are over"),
    Trap("symmetry", "register", "0w1? 1w1 2w2. 3r=1 4w2. 1. 5r=1", True, "an open twin"),
    Trap("symmetry", "set", "0add1 1read 2read 1=[] 2=[1] 0.", True, "reads that differ"),
    Trap("symmetry", "fifo-queue", "0enqueue1. 1dequeue? 2dequeue=1", True, "open ones take any"),
    # prune.h, is_blocked; foresight.h, contents_are_blocked
    Trap("blocked", "cas-register", "0w0. 1c0,1? 2r=1", True, "an open swap makes it possible"),
    Trap("blocked", "cas-register", "0w1. 1w2? 2c1,3!", True, "away from 1 by an open write"),
    Trap("blocked", "fifo-queue", "0enqueue1. 0enqueue2. 1dequeue? 2dequeue=2", True, "1 can go"),
    Trap("blocked", "fifo-queue", "0enqueue1. 0enqueue2. 2dequeue=2 1dequeue?", False, "too late"),
    Trap("blocked", "stack", "0push1. 0push2. 1push1 2pop=1 1.", True, "another 1 on top"),
    Trap("blocked", "priority-queue", "0enqueue1. 0enqueue2. 1dequeue 2dequeue=2 1=1", True, ""),
    Trap("blocked", "unordered-queue", "0enqueue1. 1dequeue 2dequeue=nil 1=1", True, "gone first"),
    # prune.h, future_is_impossible; foresight.h, sum_is_impossible
    Trap("lookahead", "kv-append", "0pab. 1pc 2g=c 1.", True, "a put starts the text anew"),
    Trap("lookahead", "kv-append", "0pab. 1pa 1. 2ab 3g=ab 2.", True, "once cut, it grows again"),
    Trap("lookahead", "kv-append", "0pab. 1aab 2aa 2. 1. 3g=abaab", True, "either may come first"),
    Trap("lookahead", "counter", "0add-1 1add2 2read=2 0. 1. 3read=1", True, "less, after more"),
    Trap("lookahead", "counter", "0add-1? 1read=-1 2add1. 1read=-1", False, "once only"),
    Trap("lookahead", "counter", "0add2 1add-and-get1=1 0. 2read=3", True, "a sum told by another"),
    # prune.h, sort_by_return
    Trap("deadline-first", "register", "0w1 1w2 1. 2r=1 0.", True, "what returns last was first"),
    # open.h; foresight.h, drop_unseen_items
    Trap("lazy-open", "cas-register", "0w0. 1c0,1? 2c1,2? 3r=2", True, "a chain of open ones"),
    Trap("lazy-open", "cas-register", "0w1. 1c2,1? 2w2? 3c1,4! 4r=1", True, "away and back again"),
    Trap("lazy-open", "cas-register", "0w1? 1r=nil 1r=1 1r=nil", False, "there is no way back"),
    Trap("lazy-open", "kv-append", "0aa? 1pb. 1g=ba", True, "an open append that was seen"),
    Trap("lazy-open", "fifo-queue", "0enqueue1? 1enqueue2. 2dequeue=2", True, "left out"),
    Trap("lazy-open", "stack", "0push1? 1pop=1 1pop=nil", True, "not left out"),
    Trap("lazy-open", "unordered-queue", "0enqueue1. 1dequeue? 2dequeue=nil", True, "needed"),
    Trap("lazy-open", "set", "0add1? 1read=[1] 1read=[1]", True, "seen in the whole only"),
    # cache.h, covered_by_list
    Trap("dominance", "cas-register", "0w0. 1w1? 2c0,1? 3r=1 0w5. 3r=1", True, "save the write"),
    Trap("dominance", "cas-register", "0w0. 1w1? 2c0,1? 0w5. 3r=1 0w5. 3r=1", False, "too early"),
    # open.h, lift_open
    Trap("relax", "register", "0w1? 1r=1 2w2. 1r=1", False, "one open write, needed twice"),
    Trap("relax", "register", "0w1? 1w1? 2r=1 3w2. 2r=1", True, "two, needed twice"),
    Trap("relax", "cas-register", "0w0. 1c0,1? 2r=1 2w0. 2r=1", False, "one open swap"),
    Trap("relax", "register", "1r=1 2w2. 0w1? 1r=1", False, "not before it was called"),
    # unique*.h
    Trap("unique", "register", "0w1. 1w1. 2r=1", True, "a value written twice"),
    Trap("unique", "register", "0r=1 1w1.", False, "read before it was written"),
    Trap("unique", "cas-register", "0w1. 1r=2 2c1,2.", False, "likewise, in a chain"),
    Trap("unique", "cas-register", "0w1. 1c1,2. 2r=1", False, "the chain has gone on"),
    Trap("unique", "register", "0w1. 1w2. 2r=1", False, "a backward zone after a forward one"),
    Trap("unique", "register", "0w1. 1r=1 0w2. 1r=1", False, "one in the other"),
    Trap("unique", "register", "0w1. 1w2 2w3. 3r=1 1.", False, "3 is within, 2 need not be"),
    Trap("unique", "register", "0w1? 1r=nil 1r=1 2w2. 1r=1", False, "an open write returns never"),
    Trap("unique", "cas-register", "0w1. 1c1,2? 2c1,3. 3r=3", True, "the open one lost"),
    Trap("unique", "cas-register", "0w1. 1c1,2? 2c1,3. 3r=2", False, "both swapped 1"),
    Trap("unique", "cas-register", "0c1,2 1c2,1 0. 1.", False, "a circle"),
    Trap("unique", "cas-register", "0w1. 1c5,2? 2c1,5? 3r=2", True, "a chain of open ones"),
    Trap("unique", "cas-register", "0w1 1c1,9 0. 1! 2r=1", True, "it looked before 1 came"),
    Trap("unique", "cas-register", "0w1. 1w2? 2c1,9! 3r=1", False, "2 would not go again"),
    Trap("unique", "cas-register", "0w1. 1w2? 2c1,9! 3w3.", True, "2 came in between"),
    Trap("unique", "fifo-queue", "0enqueue1 1enqueue2 0. 1. 2dequeue=2 2dequeue=1", True, ""),
    Trap("unique", "fifo-queue", "0enqueue1. 1enqueue2. 2dequeue=2 2dequeue=1", False, ""),
    Trap("unique", "fifo-queue", "0enqueue1. 1enqueue1. 2dequeue=1 2dequeue=1", True, "twice"),
    Trap("unique", "stack", "0push1. 0push2. 1pop=1", False, "2 is above"),
    Trap("unique", "stack", "0push1. 1pop? 0push2. 2pop=nil", False, "only one can be taken"),
    Trap("unique", "priority-queue", "0enqueue1. 1dequeue? 0enqueue2. 2dequeue=2", True, ""),
    Trap("unique", "set", "0add1 1add2 2read 3read 2=[1] 3=[2] 0. 1.", False, "they differ"),
]  # fmt: skip


def history_of(text: str) -> History:
    """Like `parse`, for functions that have no letter there: 0enqueue1. 1dequeue=1 and so on."""
    recorder = Recorder()
    running: dict[int, tuple[str, object]] = {}
    for moment, token in enumerate(text.split()):
        process = int(token[0])
        body, mark, answer = partition(token[1:])
        f = body.rstrip("-0123456789")
        if f:
            argument = int(body[len(f) :]) if body != f else None
            running[process] = f, argument
            record(recorder, moment, process, "invoke", f, argument)
        f, argument = running[process]
        if mark == "=":
            record(recorder, moment, process, "ok", f, value_of(answer))
        elif mark:
            record(
                recorder, moment, process, {".": "ok", "?": "info", "!": "fail"}[mark], f, argument
            )
    return recorder.history()


def partition(token: str) -> tuple[str, str, str]:
    for mark in "=.?!":
        body, found, answer = token.partition(mark)
        if found:
            return body, mark, answer
    return token, "", ""


def value_of(answer: str) -> object:
    fixed = {"nil": None, "true": True, "false": False, "[]": [], "[1]": [1], "[2]": [2]}
    return fixed[answer] if answer in fixed else int(answer)


def record(recorder: Recorder, moment: int, process: int, kind: str, f: str, value: object) -> None:
    recorder.append(
        time_ns=moment,
        process=process,
        type=kind,
        f=f,
        value=value,  # type: ignore[arg-type]
    )


def problem_of(model: str, text: str) -> Problem:
    by_letter = model in ("register", "cas-register", "kv-append", "mutex")
    history = parse(text) if by_letter else history_of(text)
    return encode(history, find_model(model), failed_cas="mismatch")


def ask(problem: Problem, rules: int, *, patience: int = 4) -> Outcome:
    limits = Limits(configurations=100_000, rules=rules, patience=patience)
    outcome: Outcome = kernel.NativeEngine().check(problem, limits, NOW)
    return outcome


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: f"{trap.rule} {trap.model} {trap.text}")
@pytest.mark.parametrize("patience", [0, 4])
def test_traps(trap: Trap, patience: int) -> None:
    problem = problem_of(trap.model, trap.text)
    bit = RULES[trap.rule]
    for rules in (ALL, SEARCH, ALL - bit, SEARCH & ~bit, bit, 0):
        answer = ask(problem, rules, patience=patience).answer
        assert answer == ("legal" if trap.legal else "illegal"), (rules, trap.why)


def test_every_rule_has_a_trap() -> None:
    assert {trap.rule for trap in TRAPS} == set(RULES)


WORK = [
    ("eager", "cas-register", SEARCH, "0w1 1w2 2w3 3r 4r 5r 3=1 4=2 5=3 0. 1. 2. 6w9 7r=1 6."),
    ("symmetry", "cas-register", SEARCH,
     "0w1 1w1 2w1 3w1 4w2 5w2 6w2 7r=1 7r=2 7r=1 7r=2 7r=1 7r=2 7r=1 7r=2 0. 1. 2. 3. 4. 5. 6."),
    ("blocked", "cas-register", SEARCH, "0w1 1w2 2w3 3w4 4r=4 4r=1 4r=4 0. 1. 2. 3."),
    ("blocked", "fifo-queue", SEARCH,
     "0enqueue1. 4dequeue 1enqueue2 2enqueue3 3enqueue4 4=3 1. 2. 3."),
    ("lookahead", "kv-append", SEARCH, "0aa 1ab 2ac 3ad 0. 1. 2. 3. 4g=dcba"),
    ("lookahead", "counter", SEARCH, "0add1 1add2 2add4 3add8 0. 1. 2. 3. 4read=16"),
    ("deadline-first", "cas-register", SEARCH, "0w1 1w2 2w3 3w4 3. 2. 1. 0. 4r=1"),
    ("lazy-open", "cas-register", SEARCH, "0w1? 1w2? 2w3? 3w4? 4r=1 5w7 5. 4r=9"),
    ("lazy-open", "stack", SEARCH,
     "0push1? 1push2? 2push3? 3push4? 4push5. 4pop=5 4pop=nil 4pop=6"),
    ("dominance", "cas-register", SEARCH - RULES["relax"],
     "0w1? 1c0,3? 2w3? 3c0,2? 4w0. 5r=3 6r=1 7w0. 8w0. 9w0. 4r=1"),
    ("relax", "cas-register", SEARCH,
     "0c1,2? 1c2,1? 2w1? 3w2? 4c3,1? 5r=2 6r=2 7r=1 8w0. 9r=3 5r=1 6r=3"),
    ("unique", "register", ALL, "0w1 1w2 2w3 3w4 4r=4 4r=1 4r=4 0. 1. 2. 3."),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "model", "base", "text"), WORK)
def test_a_rule_saves_configurations(rule: str, model: str, base: int, text: str) -> None:
    problem = problem_of(model, text)
    with_rule, without = ask(problem, base), ask(problem, base - RULES[rule])
    assert with_rule.answer == without.answer
    assert with_rule.configurations < without.configurations


def test_fingerprints_save_memory() -> None:
    text = " ".join(f"0w{n % 3} 1w{n % 5} 0. 1r 1." for n in range(100)).replace("1r 1.", "1.")
    problem = problem_of("register", text)
    with_rule, without = ask(problem, SEARCH), ask(problem, SEARCH - RULES["fingerprint"])
    assert with_rule.answer == without.answer == "legal"
    assert with_rule.configurations == without.configurations
    assert with_rule.memory_bytes < without.memory_bytes
