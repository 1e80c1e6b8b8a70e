"""Histories as data: columns, interning, selection, keys."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MalformedHistory, PairingError, UsageError
from harness.formats import read_history, write_edn, write_jsonl
from harness.formats.jsonl import read_jsonl
from harness.formats.source import Source
from harness.history import FAIL, INFO, INVOKE, OK, History, Recorder
from harness.interning import DEEPEST, Interner
from harness.operation import Operation, OperationType


def operations(*rows: str) -> list[Operation]:
    """One operation a row: "process type f value-as-json [error]", at 10 ns a row."""
    made = []
    for index, row in enumerate(rows):
        process, kind, f, value, *error = row.split()
        made.append(
            Operation(
                index=index,
                time_ns=index * 10,
                process=int(process) if process.isdigit() else process,
                type=_type(kind),
                f=f,
                value=json.loads(value),
                error=error[0] if error else None,
            )
        )
    return made


def _type(name: str) -> OperationType:
    types: dict[str, OperationType] = {"invoke": "invoke", "ok": "ok", "fail": "fail"}
    return types.get(name, "info")


def history_of(*rows: str) -> History:
    return History.from_operations(operations(*rows))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["1", "null", "", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", max_size=2), inner),
    max_leaves=6,
)

OPERATIONS = st.lists(
    st.builds(
        Operation,
        index=st.integers(0, 2**63 - 1),
        time_ns=st.integers(-1, 2**63 - 1),
        process=st.integers(0, 3) | st.sampled_from(["nemesis", "log"]),
        type=st.sampled_from(["invoke", "ok", "fail", "info"]),
        f=st.sampled_from(["read", "write", "cas"]),
        key=st.none() | st.sampled_from(["x", "y", 1, 1.0, [1]]),
        value=JSON_VALUES,
        error=st.none() | JSON_VALUES,
    ),
    max_size=8,
)


class TestColumns:
    def test_a_recorder_numbers_rows_and_interns_everything_else(self) -> None:
        recorder = Recorder()
        rows = [
            recorder.append(time_ns=5, process=7, type="invoke", f="write", key="x", value=[1, 2]),
            recorder.append(time_ns=6, process="nemesis", type="info", f="start-kill", error="no"),
            recorder.append(time_ns=9, process=7, type="ok", f="write", key="x", value=[1, 2]),
        ]
        history = recorder.history()
        assert rows == history.index.tolist() == [0, 1, 2]
        assert history.time_ns.tolist() == [5, 6, 9]
        assert history.process.tolist() == [7, -1, 7]
        assert history.process_names == ("nemesis",)
        assert history.type.tolist() == [INVOKE, INFO, OK]
        assert [history.functions[f] for f in history.f] == ["write", "start-kill", "write"]
        assert history.keys == (None, "x")
        assert history.key.tolist() == [1, 0, 1]
        assert history.values == (None, [1, 2])
        assert history.value.tolist() == [1, 0, 1]
        assert history.errors == {1: "no"}
        assert history.client_rows.tolist() == [True, False, True]

    def test_column_types_are_what_the_native_checker_reads(self) -> None:
        history = history_of("0 invoke read null")
        types = {
            name: str(getattr(history, name).dtype)
            for name in ("index", "time_ns", "process", "type", "f", "key", "value", "partner")
        }
        assert types == {
            "index": "int64",
            "time_ns": "int64",
            "process": "int64",
            "type": "uint8",
            "f": "int32",
            "key": "int32",
            "value": "int32",
            "partner": "int64",
        }
        for name in types:
            column = getattr(history, name)
            assert column.flags.c_contiguous
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 0

    def test_a_recorder_goes_on_after_a_history_was_taken(self) -> None:
        recorder = Recorder()
        recorder.append(time_ns=0, process=0, type="invoke", f="read")
        early = recorder.history()
        recorder.append(time_ns=1, process=0, type="ok", f="read", value="new")
        assert len(early) == 1
        assert early.values == (None,)
        assert len(recorder) == len(recorder.history()) == 2

    def test_an_empty_history_is_a_history(self) -> None:
        history = Recorder().history()
        assert len(history) == 0
        assert list(history) == []
        assert history.partner.tolist() == []
        assert history.by_key() == {}
        assert history == History.from_operations([])
        assert repr(history) == "<History: 0 rows, 0 client processes, functions none>"

    def test_later_changes_of_a_value_do_not_reach_the_history(self) -> None:
        recorder = Recorder()
        value, error = [1, [2]], {"why": ["a"]}
        recorder.append(time_ns=0, process=0, type="info", f="read", value=value, error=error)
        value[1] = "changed"
        error["why"].append("changed")
        operation = recorder.history()[0]
        assert (operation.value, operation.error) == ([1, [2]], {"why": ["a"]})

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"type": "okay"}, "no operation type 'okay'"),
            ({"process": -1}, "integer >= 0"),
            ({"process": 1.5}, "process of a row is 1.5"),
            ({"process": True}, "process of a row is True"),
            ({"process": 2**63}, "64 bits"),
            ({"process": "ne\ud800mesis"}, "surrogates not allowed"),
            ({"time_ns": 1.5}, "time_ns 1.5"),
            ({"time_ns": None}, "time_ns None"),
            ({"f": None}, "f of a row is None"),
            ({"value": object()}, "The value object cannot be kept"),
            ({"value": [{"a": object()}]}, "The value list cannot be kept"),
            ({"key": "\ud800"}, "cannot be kept"),
            ({"error": 1 + 2j}, "The value complex cannot be kept"),
            ({"value": {1: "a", "1": "b"}}, "two keys of a dict are both '1'"),
        ],
    )
    def test_a_bad_row_is_refused_and_leaves_no_trace(
        self, fields: dict[str, Any], message: str
    ) -> None:
        recorder = Recorder()
        good = {"time_ns": 0, "process": 0, "type": "info", "f": "read"}
        with pytest.raises(UsageError, match=message):
            recorder.append(**{**good, **fields})
        assert len(recorder) == 0
        recorder.append(time_ns=1, process=2, type="ok", f="read", value=3)
        assert list(recorder.history()) == [
            Operation(index=0, time_ns=1, process=2, type="ok", f="read", value=3)
        ]


class TestAccess:
    def test_rows_come_back_as_the_operations_that_went_in(self) -> None:
        rows = operations("0 invoke write 1", "nemesis info heal null", "0 info write null late")
        history = History.from_operations(rows)
        assert list(history) == rows
        assert [history[n] for n in (0, 1, 2, -1)] == [*rows, rows[2]]
        for wrong in (3, -4):
            with pytest.raises(IndexError):
                history[wrong]

    @settings(max_examples=30)
    @given(OPERATIONS)
    def test_any_operations_come_back(self, rows: list[Operation]) -> None:
        history = History.from_operations(rows)
        assert list(map(_exact, history)) == list(map(_exact, rows))
        assert [_exact(history[n]) for n in range(len(history))] == list(map(_exact, rows))

    def test_repr_is_short(self) -> None:
        history = history_of('0 invoke read ["x",null]', '1 invoke read ["y",null]').independent()
        assert repr(history) == "<History: 2 rows, 2 client processes, 2 keys, functions read>"

    def test_describe_names_the_index_only_where_it_is_not_the_row(self) -> None:
        history = history_of("0 invoke read null", "0 ok read 1").select([1])
        assert history.describe(0) == "row 0 (index 1), process 0 ok 'read'"
        assert history_of("4 ok read 1").describe(0) == "row 0, process 4 ok 'read'"

    def test_a_history_can_travel_to_another_process(self) -> None:
        history = history_of("0 invoke write [1,2]", "0 fail write null no")
        assert pickle.loads(pickle.dumps(history)) == history


def _exact(operation: Operation) -> str:
    """An operation as text in which 1, 1.0 and True differ."""
    return json.dumps(
        [
            operation.index,
            operation.time_ns,
            operation.process,
            operation.type,
            operation.f,
            operation.key,
            operation.value,
            operation.error,
        ],
        sort_keys=True,
    )


class TestEquality:
    @settings(max_examples=30)
    @given(OPERATIONS, st.randoms(use_true_random=False))
    def test_tables_in_another_order_make_no_difference(
        self, rows: list[Operation], random: Any
    ) -> None:
        history = History.from_operations(rows)
        # the same rows of a longer history, whose tables are filled in another order
        before = rows[:]
        random.shuffle(before)
        other = History.from_operations([*before, *rows]).select(
            np.arange(len(before), len(before) + len(rows))
        )
        assert history == other
        assert other == history

    @settings(max_examples=30)
    @given(OPERATIONS, OPERATIONS)
    def test_equal_means_equal_rows(self, one: list[Operation], two: list[Operation]) -> None:
        same = list(map(_exact, one)) == list(map(_exact, two))
        assert (History.from_operations(one) == History.from_operations(two)) is same

    @pytest.mark.parametrize(
        "other",
        [
            ["0 invoke write 1", "0 ok write 2"],
            ["0 invoke write 1", "0 ok write 1.0"],
            ["0 invoke write 1", "0 ok write true"],
            ["0 invoke write 1", '0 ok write "1"'],
            ["0 invoke write 1", "0 fail write 1"],
            ["0 invoke write 1", "1 ok write 1"],
            ["0 invoke write 1", "nemesis ok write 1"],
            ["0 invoke write 1", "0 ok read 1"],
            ["0 invoke write 1", "0 ok write 1 late"],
            ["0 invoke write 1"],
        ],
    )
    def test_one_difference_is_enough(self, other: list[str]) -> None:
        assert history_of("0 invoke write 1", "0 ok write 1") != history_of(*other)

    def test_a_history_equals_no_list(self) -> None:
        assert history_of("0 invoke read null") != operations("0 invoke read null")


class Color(Enum):
    RED = 1


class TestInterning:
    @given(JSON_VALUES, JSON_VALUES)
    def test_one_number_means_the_same_json_text(self, one: Any, two: Any) -> None:
        interner = Interner()
        same_text = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
        assert (interner.intern(one) == interner.intern(two)) is same_text
        for value in (one, two):
            number = interner.intern(value)
            assert interner.find(value) == number
            assert json.dumps(interner.table()[number], sort_keys=True) == json.dumps(
                value, sort_keys=True
            )

    @pytest.mark.parametrize(
        ("value", "plain"),
        [
            ((1, (2,)), [1, [2]]),
            ({3, 1, 2}, [1, 2, 3]),
            (frozenset(["b", "a"]), ["a", "b"]),
            ({1, "a"}, ["a", 1]),
            ({0: 10, 1: 10}, {"0": 10, "1": 10}),
            ({None: 1, True: 2}, {"null": 1, "true": 2}),
            ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
            (float("nan"), "##NaN"),
            ([float("inf"), -float("inf"), None], ["##Inf", "##-Inf", None]),
            (Color.RED, 1),
            (2**80, 2**80),
            ([None, "null"], [None, "null"]),
            (b"ab", "YWI="),
        ],
    )
    def test_what_is_nearly_json_becomes_json(self, value: Any, plain: Any) -> None:
        interner = Interner()
        number = interner.intern(value)
        assert json.dumps(interner.table()[number]) == json.dumps(plain)
        assert interner.intern(plain) == interner.find(value) == interner.find(plain) == number
        assert len(interner) == 2

    def test_find_adds_nothing(self) -> None:
        interner = Interner(["a"])
        assert [interner.find(v) for v in (None, "a", "b", 1, [1])] == [0, 1, -1, -1, -1]
        assert interner.table() == (None, "a")

    def test_json_text_is_interned_by_what_it_means(self) -> None:
        interner = Interner()
        texts = [b"1", b" 1", b"1.0", b"1.00", b"null", b'{"a":1,"b":2}', b'{"b":2, "a":1}']
        assert [interner.intern_json(text) for text in texts] == [1, 1, 2, 2, 0, 3, 3]

    @pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (1, v), lambda v: {"a": v, "b": 0}])
    def test_nesting_has_an_end(self, wrap: Callable[[Any], Any], tmp_path: Path) -> None:
        """The deepest value that is taken can be read back, from each format."""
        value: Any = []
        for _ in range(DEEPEST - 1):
            value = wrap(value)
        recorder = Recorder()
        row = {"time_ns": 0, "process": 0, "type": "invoke", "f": "write"}
        recorder.append(**row, value=value, error=value)
        history = recorder.history()
        for write in (write_jsonl, write_edn):
            path = tmp_path / f"history.{write.__name__[6:]}"
            write(history, path)
            assert read_history(path)[0].value == history[0].value
        for _ in range(2):
            value = wrap(value)
            with pytest.raises(UsageError, match="cannot be kept.* more than 200 levels deep"):
                Interner().intern(value)

    def test_deeper_nesting_in_a_file_is_refused_where_it_stands(self) -> None:
        row = b'{"process":0,"type":"invoke","f":"write","value":%s}\n'
        for depth in (DEEPEST + 1, 100_000):
            text = row % b"1" + row % (b"[" * depth + b"]" * depth)
            with pytest.raises(MalformedHistory, match="x, line 2, column 1: .*(200|recursion)"):
                read_jsonl(Source("x", text))

    def test_brackets_in_a_text_are_no_nesting(self) -> None:
        interner = Interner()
        for value in ("[" * 1000, ["[" * 1000], {"{" * 1000: "]"}, [[1]] * 1000, ['\\"[' * 300]):
            number = interner.intern(value)
            assert interner.table()[number] == value

    @pytest.mark.parametrize("hold", [lambda v: v.append(v), lambda v: v.append({"a": (None, v)})])
    def test_a_value_that_holds_itself_is_refused(self, hold: Callable[[Any], Any]) -> None:
        value: list[Any] = []
        hold(value)
        with pytest.raises(UsageError, match="cannot be kept.*or holds itself"):
            Interner().intern(value)


class TestSelect:
    ROWS = (
        "0 invoke write 1",
        "nemesis info start-kill null",
        "0 fail write null why",
        "1 invoke read null",
        "1 ok read 2",
    )

    def test_a_mask_keeps_rows_with_their_index_and_error(self) -> None:
        history = history_of(*self.ROWS)
        clients = history.select(history.client_rows)
        assert clients.index.tolist() == [0, 2, 3, 4]
        assert clients.errors == {1: "why"}
        assert clients.partner.tolist() == [1, 0, 3, 2]
        assert clients.values is history.values

    def test_row_numbers_select_in_the_order_given(self) -> None:
        history = history_of(*self.ROWS)
        assert list(history.select([3, 0])) == [history[3], history[0]]
        assert list(history.select([])) == []
        assert history.select(np.flatnonzero(history.type == FAIL)).errors == {0: "why"}

    def test_a_mask_of_another_history_is_refused(self) -> None:
        with pytest.raises(UsageError, match="mask of 2 entries cannot select from 5 rows"):
            history_of(*self.ROWS).select(np.array([True, False]))
        with pytest.raises(IndexError):
            history_of(*self.ROWS).select([5])

    def test_half_a_call_does_not_pair(self) -> None:
        history = history_of(*self.ROWS)
        with pytest.raises(PairingError, match=r"row 0 \(index 4\), process 1 ok 'read'"):
            _ = history.select([4]).partner


class TestKeys:
    ROWS = (
        '0 invoke write ["y",1]',
        '1 invoke read ["x",null]',
        "nemesis info start-kill [1,2]",
        '1 ok read ["x",[1,2]]',
        '0 fail write ["y",1] refused',
        '0 invoke cas ["x",[1,2]]',
        "0 info cas null timed-out",
    )

    def test_independent_splits_the_pairs_of_clients(self) -> None:
        history = history_of(*self.ROWS).independent()
        assert [(op.key, op.value) for op in history] == [
            ("y", 1),
            ("x", None),
            (None, [1, 2]),  # a nemesis works on no key
            ("x", [1, 2]),
            ("y", 1),
            ("x", [1, 2]),
            ("x", None),  # a completion without value has the key of its call
        ]
        assert history.errors == {4: "refused", 6: "timed-out"}
        assert history.partner.tolist() == [4, 3, -1, 1, 0, 6, 5]

    def test_by_key_gives_each_key_its_client_rows_in_order_of_appearance(self) -> None:
        history = history_of(*self.ROWS).independent()
        parts = history.by_key()
        assert [history.keys[key] for key in parts] == ["y", "x"]
        assert [part.index.tolist() for part in parts.values()] == [[0, 4], [1, 3, 5, 6]]
        assert [part.errors for part in parts.values()] == [{1: "refused"}, {3: "timed-out"}]

    @settings(max_examples=30)
    @given(OPERATIONS)
    def test_by_key_loses_and_invents_nothing(self, rows: list[Operation]) -> None:
        history = History.from_operations(rows)
        parts = history.by_key()
        expected: dict[str, list[str]] = {}
        for operation in history:
            if operation.is_client:
                expected.setdefault(json.dumps(operation.key), []).append(_exact(operation))
        found = {
            json.dumps(history.keys[key]): [_exact(op) for op in part]
            for key, part in parts.items()
        }
        assert list(found.items()) == list(expected.items())

    def test_without_keys_there_is_one_part(self) -> None:
        history = history_of("0 invoke read null", "nemesis info heal null", "0 ok read 1")
        (part,) = history.by_key().values()
        assert part.index.tolist() == [0, 2]

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (["0 invoke write 1"], "row 0, process 0 invoke 'write' is 1, but"),
            (['0 invoke read ["x",null]', "0 ok read [1,2,3]"], "row 1, process 0 ok"),
            (['0 invoke read ["x",null]', "0 ok read null"], "is None, but"),
            (["0 invoke read null"], "is None, but"),
        ],
    )
    def test_a_value_that_is_no_pair_is_refused(self, rows: list[str], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            history_of(*rows).independent()

    def test_a_history_is_split_once(self) -> None:
        history = history_of(*self.ROWS).independent()
        with pytest.raises(UsageError, match="split by key already: row 0, .* works on key 'y'"):
            history.independent()
