"""Which completion belongs to which invocation, and what is wrong where none can."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.linearizability import Linearizability
from harness.errors import PairingError
from harness.formats.jsonl import read_jsonl
from harness.formats.source import Source
from harness.history import History
from harness.operation import TYPE_CODES, TYPE_NAMES, Operation
from harness.pairing import pair

#: "0i" process 0 invokes, "0o" ok, "0f" fail, "0?" info; a letter is a named process.
_LETTERS = {"i": "invoke", "o": "ok", "f": "fail", "?": "info"}


def _columns(text: str) -> tuple[np.ndarray, np.ndarray]:
    rows = text.split()
    process = [int(row[0]) if row[0].isdigit() else ord("a") - ord(row[0]) - 1 for row in rows]
    return np.array(process, dtype=np.int64), np.array(
        [TYPE_CODES[_LETTERS[row[1]]] for row in rows], dtype=np.uint8
    )


def _pair(text: str) -> list[int]:
    process, kind = _columns(text)
    partners: list[int] = pair(process, kind, describe="row {}".format).tolist()
    return partners


@pytest.mark.parametrize(
    ("rows", "partners"),
    [
        ("", []),
        ("0i", [-1]),
        ("0i 0o", [1, 0]),
        ("0i 0f 0i 0o", [1, 0, 3, 2]),
        ("0i 1i 1o 0o", [3, 2, 1, 0]),
        ("0i 1i 0? 2i 2o", [2, -1, 0, 4, 3]),
        ("a?", [-1]),
        ("a? a?", [1, 0]),
        ("a? b? a? a? b?", [2, 4, 0, -1, 1]),
        ("a? 0i a? 0o a?", [2, 3, 0, 1, -1]),
        ("0i 0? 9i 9?", [1, 0, 3, 2]),
    ],
)
def test_partners(rows: str, partners: list[int]) -> None:
    assert _pair(rows) == partners


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0i 1i 0i", "row 2: the process invokes while its call of row 0 is still open"),
        ("0i 0o 0i 0i", "row 3: the process invokes while its call of row 2 is still open"),
        ("0o", "row 0: .*has not invoked anything before"),
        ("1i 0f", "row 1: .*has not invoked anything before"),
        ("0?", "row 0: .*has not invoked anything before"),
        ("0i 0o 0o", "row 2: .*its last call was completed by row 1"),
        ("0i 0o 0?", "row 2: .*its last call was completed by row 1"),
        ("0i 0? 0i", "row 2: the process acts again after row 1 left its call unknown"),
        ("0i 0? 1i 0o", "row 3: the process acts again after row 1 left its call unknown"),
        ("a? ai", "row 1: a process with a name is no client"),
        ("ao", "row 0: a process with a name is no client"),
        # the first wrong row is reported, whatever its process
        ("1i 0i 1i 0i", "row 2: the process invokes"),
        ("5i 5? 0o 5i", "row 2: .*has not invoked"),
    ],
)
def test_contradictions(rows: str, message: str) -> None:
    with pytest.raises(PairingError, match=message):
        _pair(rows)


def _oracle(process: list[int], kind: list[int]) -> list[int] | None:
    """Jepsen's rules in their plainest form; None if a rule is broken."""
    partner = [-1] * len(process)
    waiting: dict[int, int] = {}
    retired: set[int] = set()
    for row, (who, code) in enumerate(zip(process, kind, strict=True)):
        name = TYPE_NAMES[code]
        if who < 0:
            if name != "info":
                return None
            begins = who not in waiting
        else:
            if who in retired or (name == "invoke") == (who in waiting):
                return None
            begins = name == "invoke"
            if name == "info":
                retired.add(who)
        if begins:
            waiting[who] = row
        else:
            other = waiting.pop(who)
            partner[row], partner[other] = other, row
    return partner


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(-2, 2), st.sampled_from([0, 0, 0, 1, 1, 2, 3, 3])), max_size=12)
)
def test_any_rows_against_the_oracle(rows: list[tuple[int, int]]) -> None:
    process, kind = [who for who, _ in rows], [code for _, code in rows]
    expected = _oracle(process, kind)
    columns = np.array(process, dtype=np.int64), np.array(kind, dtype=np.uint8)
    if expected is None:
        with pytest.raises(PairingError):
            pair(*columns, describe=str)
    else:
        assert pair(*columns, describe=str).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["ok", "fail", "info"]))))
def test_sound_histories_pair_as_they_were_made(turns: list[tuple[int, str]]) -> None:
    """Threads take turns to invoke and to complete; after `info` a thread has a new process."""
    process = list(range(10))
    invoked: dict[int, int] = {}
    rows: list[Operation] = []
    expected: list[int] = []
    for thread, outcome in turns:
        row = len(rows)
        completes = thread in invoked
        rows.append(
            Operation(
                index=row,
                time_ns=row,
                process=process[thread],
                type=TYPE_NAMES[TYPE_CODES[outcome]] if completes else "invoke",
                f="read",
            )
        )
        if completes:
            expected.append(invoked.pop(thread))
            expected[expected[row]] = row
            process[thread] += 10 * (outcome == "info")
        else:
            expected.append(-1)
            invoked[thread] = row
    assert History.from_operations(rows).partner.tolist() == expected


def test_the_error_says_who_did_what() -> None:
    rows = [
        Operation(index=4, time_ns=0, process=3, type="invoke", f="write", value=1),
        Operation(index=7, time_ns=1, process=3, type="invoke", f="read"),
    ]
    with pytest.raises(PairingError) as caught:
        _ = History.from_operations(rows).partner
    assert str(caught.value) == (
        "row 1 (index 7), process 3 invoke 'read': the process invokes while its call of row 0 is "
        "still open.\nA process makes one call at a time. Usually two clients share a number, or "
        "the row that completes the first call is missing."
    )


def _read(*rows: str) -> History:
    """A file with the rows "process type f [key [value]]"; a key of - is none."""
    lines = []
    for row in rows:
        process, kind, f, *rest = row.split()
        lines.append({"process": int(process) if process.isdigit() else process, "type": kind})
        lines[-1] |= {"f": f, **dict(zip(("key", "value"), map(json.loads, rest), strict=False))}
    return read_jsonl(Source("x", "".join(json.dumps(line) + "\n" for line in lines).encode()))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        # two rows between them were lost
        (
            ["0 invoke write null 1", "0 ok read null 5"],
            "row 1, .* another function than .*, row 0",
        ),
        (["0 invoke write null 1", "0 fail read"], "row 1, .* another function"),
        (["0 invoke write null 1", "0 info read"], "row 1, .* another function"),
        (
            [
                "0 invoke read",
                "1 invoke write",
                "0 ok read",
                "1 ok read",
                "0 invoke write",
                "0 ok read",
            ],
            "row 3, process 1 ok 'read': .*, row 1, process 1 invoke 'write'",
        ),
        (
            ['0 invoke read "x"', '0 ok read "y" 5'],
            "row 1, .* 'read' of key 'y': this is another key than that of its call, row 0, .* 'x'",
        ),
        (['0 invoke read "1"', "0 ok read 1"], "of key 1: .*another key .* of key '1'"),
        (["0 invoke read", '0 ok read "y"'], "row 1, .* of key 'y': .*'read'[.]"),
    ],
)
def test_the_end_of_another_call_is_refused(rows: list[str], message: str) -> None:
    history = _read(*rows)
    for partner in (lambda: history.partner, lambda: Linearizability("register").check(history)):
        with pytest.raises(PairingError, match=f"{message}(.|\n)*Usually the rows between"):
            partner()


@pytest.mark.parametrize(
    "rows",
    [
        ["nemesis info start-kill", "nemesis info stop-kill"],
        ['0 invoke write "x" 1', "0 ok write"],  # an end need not repeat the key
        ['0 invoke write "x" 1', "0 info write null null"],
        ['0 invoke read null ["x",null]', '0 ok read null ["y",5]'],  # unless it is said to be one
    ],
)
def test_these_ends_are_those_of_their_calls(rows: list[str]) -> None:
    assert _read(*rows).partner.tolist() == [1, 0]


def test_the_keys_of_a_split_history_are_compared() -> None:
    history = _read('0 invoke read null ["x",null]', '0 ok read null ["y",5]').independent()
    with pytest.raises(PairingError, match="'read' of key 'y': this is another key"):
        _ = history.partner
