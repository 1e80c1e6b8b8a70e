"""Histories on disk: what goes out comes back, and Jepsen's files say what they should."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MalformedHistory, UsageError
from harness.formats import edn_line, jsonl_line, read_history, sniff, write_edn, write_jsonl
from harness.formats import jsonl as jsonl_module
from harness.formats.edn import read_edn
from harness.formats.edn_syntax import Forms
from harness.formats.jsonl import read_jsonl
from harness.formats.source import Source
from harness.formats.text import read_text
from harness.history import History
from harness.operation import Operation

#: Text that means something else in EDN or in our EDN, among text that does not.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["##NaN", "##Inf", "nil", ":read", "#inst", "12", "-3", "007", "[1]", '"', "\\", ";", "null"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OPERATIONS = st.lists(
    st.builds(
        Operation,
        index=st.integers(0, 2**63 - 1),
        time_ns=st.integers(-(2**63), 2**63 - 1),
        process=st.integers(0, 2**63 - 1) | TEXT,
        type=st.sampled_from(["invoke", "ok", "fail", "info"]),
        f=st.sampled_from(["read", "txn", "a/b", "two words", ""]),
        key=st.none() | VALUES,
        value=VALUES | st.just([["append", 1, 2], ["r", 1, None]]),
        error=st.none() | VALUES,
    ),
    min_size=1,
    max_size=4,
)


def jsonl_of(data: bytes) -> History:
    return read_jsonl(Source("h.jsonl", data))


def edn_of(data: bytes) -> History:
    return read_edn(Source("h.edn", data))


def text_of(data: bytes) -> History:
    return read_text(Source("h.txt", data))


def rows(history: History) -> list[tuple[Any, ...]]:
    return [(op.process, op.type, op.f, op.value, op.error) for op in history]


class TestRoundTrips:
    @settings(max_examples=60)
    @given(OPERATIONS)
    def test_json_lines_say_all(self, operations: list[Operation]) -> None:
        history = History.from_operations(operations)
        lines = b"".join(map(jsonl_line, operations))
        assert jsonl_of(lines) == history
        # and they say it to anybody who reads JSON
        for operation, line in zip(history, lines.splitlines(), strict=True):
            fields = json.loads(line)
            assert list(fields)[:5] == ["index", "time_ns", "process", "type", "f"]
            assert ("key" in fields, "error" in fields) == (
                operation.key is not None,
                operation.error is not None,
            )
            named = {name: getattr(operation, name) for name in fields}
            assert json.dumps(fields) == json.dumps(named)

    @settings(max_examples=60)
    @given(OPERATIONS)
    def test_edn_says_all_but_what_is_a_key(self, operations: list[Operation]) -> None:
        lines = b"".join(map(edn_line, operations))
        expected = [
            Operation(
                index=operation.index,
                time_ns=operation.time_ns,
                process=operation.process,
                type=operation.type,
                f=operation.f,
                value=operation.value
                if operation.key is None
                else [operation.key, operation.value],
                error=operation.error,
            )
            for operation in operations
        ]
        assert edn_of(lines) == History.from_operations(expected)

    @pytest.mark.parametrize("extension", ["jsonl", "jsonl.gz", "edn", "edn.gz"])
    def test_files(self, tmp_path: Path, extension: str) -> None:
        history = History.from_operations(
            Operation(
                index=n,
                time_ns=n * 5,
                process="nemesis" if n % 7 == 0 else n,
                type="info" if n % 7 == 0 else "invoke",
                f="cas",
                value=[n % 3, None],
                error={"seen": n} if n % 5 == 0 else None,
            )
            for n in range(100)
        )
        path = tmp_path / f"history.{extension}"
        write = write_edn if extension.startswith("edn") else write_jsonl
        write(history, path)
        assert read_history(path) == history
        first = path.read_bytes()
        assert first.startswith(b"\x1f\x8b") is extension.endswith(".gz")
        write(history, path)
        assert path.read_bytes() == first

    def test_a_written_file_is_its_lines(self, tmp_path: Path) -> None:
        operations = [
            Operation(index=0, time_ns=4, process=2, type="invoke", f="cas", key="x", value=[1, 2]),
            Operation(index=1, time_ns=5, process="log", type="info", f="heal", error="a\n"),
            Operation(index=2, time_ns=-1, process="nemesis", type="info", f="é", value={"n": 1}),
        ]
        history = History.from_operations(operations)
        write_jsonl(history, tmp_path / "h.jsonl")
        write_edn(history, tmp_path / "h.edn")
        assert (tmp_path / "h.jsonl").read_text("utf-8") == (
            '{"index":0,"time_ns":4,"process":2,"type":"invoke","f":"cas","key":"x","value":[1,2]}\n'
            '{"index":1,"time_ns":5,"process":"log","type":"info","f":"heal","value":null,'
            '"error":"a\\n"}\n'
            '{"index":2,"time_ns":-1,"process":"nemesis","type":"info","f":"é","value":{"n":1}}\n'
        )
        assert (tmp_path / "h.edn").read_text("utf-8") == (
            '{:index 0, :time 4, :type :invoke, :process 2, :f :cas, :value ["x" [1 2]]}\n'
            '{:index 1, :time 5, :type :info, :process :log, :f :heal, :value nil, :error "a\\n"}\n'
            '{:index 2, :type :info, :process :nemesis, :f "é", :value {"n" 1}}\n'
        )
        assert b"".join(map(jsonl_line, operations)) == (tmp_path / "h.jsonl").read_bytes()
        assert b"".join(map(edn_line, operations)) == (tmp_path / "h.edn").read_bytes()

    def test_keys_survive_edn_as_pairs(self, tmp_path: Path) -> None:
        operations = [
            Operation(index=0, time_ns=0, process=0, type="invoke", f="read", key="x"),
            Operation(index=1, time_ns=1, process="nemesis", type="info", f="heal", value=[1, 2]),
            Operation(index=2, time_ns=2, process=0, type="ok", f="read", key="x", value=[3, 4]),
        ]
        history = History.from_operations(operations)
        write_edn(history, tmp_path / "h.edn")
        assert read_history(tmp_path / "h.edn").independent() == history

    def test_non_data_is_refused_by_the_streaming_writers(self) -> None:
        operation = Operation(index=0, time_ns=0, process=0, type="ok", f="read", value=object())
        for line in (jsonl_line, edn_line):
            with pytest.raises(UsageError, match="cannot be kept in a history"):
                line(operation)

    @pytest.mark.parametrize(
        ("f", "value", "text"),
        [
            ("txn", [["append", 9, 1], ["r", 9, None]], "[[:append 9 1] [:r 9 nil]]"),
            ("txn", [["two words", "x"], [], 3], '[["two words" "x"] [] 3]'),
            ("read", [["append", 9, 1]], '[["append" 9 1]]'),
            ("read", {"0": 10, "-1": 2, "007": 1, "a": None}, '{-1 2, 0 10, "007" 1, "a" nil}'),
            ("read", ["##NaN", "#NaN"], '[##NaN "#NaN"]'),
            ("read", {"#inst": "2024"}, '#inst "2024"'),
            ("read", {"#inst": 1, "b": 2}, '{"#inst" 1, "b" 2}'),
            ("read", {"#_": 1}, '{"#_" 1}'),
            ("read", [2**63, 2**63 - 1], "[9223372036854775808N 9223372036854775807]"),
            ("read", [1.0, True, 1e300], "[1.0 true 1e300]"),
        ],
    )  # fmt: skip
    def test_values_in_edn(self, f: str, value: Any, text: str) -> None:
        operation = Operation(index=0, time_ns=-1, process=0, type="ok", f=f, value=value)
        line = edn_line(operation)
        assert line == f"{{:index 0, :type :ok, :process 0, :f :{f}, :value {text}}}\n".encode()
        assert edn_of(line)[0] == operation


class TestJsonLines:
    def test_fields_that_may_be_missing(self) -> None:
        history = jsonl_of(b'{"f":"read","type":"invoke","process":3}\n')
        assert list(history) == [Operation(index=0, time_ns=-1, process=3, type="invoke", f="read")]

    @pytest.mark.parametrize(
        ("fields", "index", "time_ns"),
        [
            ('"time": 7', 1, 7),
            ('"time_ns": 8, "time": 7', 1, 8),
            ('"time_ns": null, "time": null, "index": null', 1, -1),
            ('"index": 40, "time": -5', 40, -5),
            ('"extra": {"a": [1]}, "node": "n1"', 1, -1),
        ],
    )
    def test_index_and_time(self, fields: str, index: int, time_ns: int) -> None:
        first = b'{"process":0,"type":"invoke","f":"read","index":0,"time":0}\n'
        second = f'{{"process":0,"type":"ok","f":"read", {fields}}}'.encode()
        operation = jsonl_of(first + second)[1]
        assert (operation.index, operation.time_ns) == (index, time_ns)

    def test_equal_values_are_one_value_however_they_are_spelled(self) -> None:
        spellings = [
            "1",
            " 1 ",
            "1.0",
            "1.00",
            "true",
            '"1"',
            '"\\u0031"',
            "[1, 2]",
            "[1,2]",
            "null",
        ]
        lines = "".join(
            f'{{"process":0,"type":"ok","f":"r","error": null,"value":{text}}}\n'
            for text in spellings
        )
        history = jsonl_of(lines.encode())
        assert history.value.tolist() == [1, 1, 2, 2, 3, 4, 4, 5, 5, 0]
        assert history.errors == {}

    def test_blank_lines_comments_and_line_ends_of_windows(self) -> None:
        line = b'{"process":0,"type":"ok","f":"r"}'
        data = b"\xef\xbb\xbf# a comment\r\n\r\n" + line + b"\r\n   \n  # more\n" + line
        assert len(jsonl_of(data)) == 2

    def test_one_array_is_read_too(self) -> None:
        invoke = b'{"process":0,"type":"invoke","f":"r","value":[]}'
        data = b" [\n" + invoke + b',\n {"process":0,"type":"ok","f":"r"}]'
        assert rows(jsonl_of(data)) == [(0, "invoke", "r", [], None), (0, "ok", "r", None, None)]

    @pytest.mark.parametrize("chunk_bytes", [1, 40, 100, 1000])
    def test_chunks_make_no_difference(
        self, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
    ) -> None:
        lines = [
            f'{{"process":{n},"type":"invoke","f":"f{n % 3}","value":"{"v" * (n % 50)}"}}\n'
            + ("\n# comment\n" if n % 10 == 9 else "")
            for n in range(60)
        ]
        data = "".join(lines).encode()
        whole = jsonl_of(data)
        monkeypatch.setattr(jsonl_module, "_CHUNK_BYTES", chunk_bytes)
        assert jsonl_of(data) == whole
        assert whole.index.tolist() == list(range(60))
        with pytest.raises(MalformedHistory, match="line 73, column 1: found 'x'"):
            jsonl_of(data + b"x\n")


class TestEdn:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("nil", None),
            ("[true false]", [True, False]),
            ("[0 -1 +5 12N -0]", [0, -1, 5, 12, 0]),
            ("1267650600228229401496703205376", 2**100),
            ("[1.5 -2. 1e3 1.5E-3 2.5M 3M]", [1.5, -2.0, 1000.0, 0.0015, 2.5, 3.0]),
            ("[1/3 -2/5]", ["1/3", "-2/5"]),
            ("[##NaN ##Inf ##-Inf]", ["##NaN", "##Inf", "##-Inf"]),
            (r'"a\n\t\"\\\u00e9\ud83d\ude00\101;,"', 'a\n\t"\\é😀A;,'),
            ('"two\nlines"', "two\nlines"),
            (r"[\a \newline \space \tab \u0041 \o101 \( \\ \,]", list("a\n \tAA(\\,")),
            (r"[\a\b]", ["a", "b"]),
            ("[:a :b/c :*x?]", ["a", "b/c", "*x?"]),
            ("[foo bar/baz + -x clojure.core$fn_1 .y]",
             ["foo", "bar/baz", "+", "-x", "clojure.core$fn_1", ".y"]),
            ("(1 (2 [3]))", [1, [2, [3]]]),
            ("{:a 1, 2 {nil 3}, [1 :k] 4, true 5}",
             {"a": 1, "2": {"null": 3}, '[1,"k"]': 4, "true": 5}),
            ("{0 10 1 10}", {"0": 10, "1": 10}),
            ("#{3 1 2}", [1, 2, 3]),
            ("#{:b [1] nil \"a\"}", ["a", "b", [1], None]),
            ("[1,,2;comment ]\n 3]", [1, 2, 3]),
            ("[#_ 1 2 #_ [3 #_ 4] #_#_ 5 6 7 #_:x]", [2, 7]),
            ("{#_ :a :b #_ 1 2}", {"b": 2}),
            ('#inst "2024-01-01"', {"#inst": "2024-01-01"}),
            ("#object[java.lang.Object 0 \"x\"]", {"#object": ["java.lang.Object", 0, "x"]}),
            ("[#a #b 1 #my.ns.Rec{:x 1}]", [{"#a": {"#b": 1}}, {"#my.ns.Rec": {"x": 1}}]),
            ("#tag #_ 1 2", {"#tag": 2}),
            ('#"a.*"', {"#": "a.*"}),
            ("#:db{:id 1}", {"#:db": {"id": 1}}),
        ],
    )  # fmt: skip
    def test_values(self, text: str, value: Any) -> None:
        data = f"{{:type :ok, :process 0, :f :read, :value {text}}}".encode()
        # the history sorts the keys of dicts; the order in the file means nothing
        assert edn_of(data)[0].value == value
        form = Forms(Source("x", text.encode())).read(0)
        assert form is not None
        assert (form.start, form.end) == (0, len(text))
        assert json.dumps(form.value, sort_keys=True) == json.dumps(value, sort_keys=True)

    def test_a_form_begins_where_its_first_character_is(self) -> None:
        text = ' :a, #_ 1 \\c "s" #t[2] ; end\n#{3}'
        forms, offset, found = Forms(Source("x", text.encode())), 0, []
        while (form := forms.read(offset)) is not None:
            found.append(text[form.start : form.end])
            offset = form.end
        assert found == [":a", "\\c", '"s"', "#t[2]", "#{3}"]

    OPERATION = "{:type :invoke, :f :read, :process 0}"

    @pytest.mark.parametrize(
        "text",
        [
            "{op} {op}",
            "{op}\n{op}\n",
            "[{op} {op}]",
            "({op}\n {op})\n",
            "; a comment\n#_ ignored [{op} ; another\n {op}] ; the end",
            "#jepsen.history.Op{op}{op}",
            "[#jepsen.history.Op {op}, #other.Record{op}]",
        ],
    )
    def test_shapes_of_a_file(self, text: str) -> None:
        history = edn_of(text.replace("{op}", self.OPERATION).encode())
        assert rows(history) == [(0, "invoke", "read", None, None)] * 2
        assert history.index.tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ("", {}),
            (":process 3 :index 9 :time 7", {"process": 3, "index": 9, "time_ns": 7}),
            (":process :nemesis :f :start", {"process": "nemesis", "f": "start"}),
            (":process nil :f nil :index nil :time nil", {}),
            (":f [:primary :kill]", {"f": "primary/kill"}),
            (':f "two words"', {"f": "two words"}),
            (":key \"0\" :value nil", {"key": "0"}),
            (":error [:no-client \"x\"]", {"error": ["no-client", "x"]}),
            (":exception {:via [{:type java.X, :at [a b \"c\" 1]}]} :final? true", {}),
        ],
    )  # fmt: skip
    def test_fields(self, fields: str, expected: dict[str, Any]) -> None:
        rest: dict[str, Any] = {
            "index": 0,
            "time_ns": -1,
            "process": "unknown",
            "type": "ok",
            "f": "",
        } | expected
        assert list(edn_of(f"{{:type :ok {fields}}}".encode())) == [Operation(**rest)]

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_every_float(self, number: float) -> None:
        read = edn_of(f"{{:type :ok :value {number!r}}}".encode())[0].value
        assert read == number
        assert math.copysign(1, read) == math.copysign(1, number)


class TestText:
    @pytest.mark.parametrize(
        ("line", "row"),
        [
            ("0\t:invoke\t:write\t4", (0, "invoke", "write", 4, None)),
            ("0\t:ok\t:cas\t[3 4]", (0, "ok", "cas", [3, 4], None)),
            ("0\t:info\t:write\t4\t:timeout", (0, "info", "write", 4, "timeout")),
            ("0\t:fail\t:write\t4\t[:no-client 1]", (0, "fail", "write", 4, ["no-client", 1])),
            ("0\t:info\t:write\t4\tgone (away", (0, "info", "write", 4, "gone (away")),
            (":nemesis\t:info\t:start\tnil", ("nemesis", "info", "start", None, None)),
            (":nemesis\t:info\t[:db :kill]\t\"n1\"", ("nemesis", "info", "db/kill", "n1", None)),
            ("12  :ok   :read  nil  ", (12, "ok", "read", None, None)),
            ("0\t:ok\t:read\t1\r", (0, "ok", "read", 1, None)),
            ("INFO  jepsen.util - 17\t:invoke\t:cas\t[3 3]", (17, "invoke", "cas", [3, 3], None)),
            ("INFO  jepsen.util - 1   :fail :read   :timed-out",
             (1, "fail", "read", None, "timed-out")),
            ("INFO  jepsen.util - 1\t:info\t:cas\t:timed-out",
             (1, "info", "cas", None, "timed-out")),
            ("0\t:ok\t:read\t:timed-out", (0, "ok", "read", "timed-out", None)),
            ("0\t:info\t:read\t:timed-out\t:late", (0, "info", "read", "timed-out", "late")),
            ("INFO [2015-01-01 10:00:00,123] jepsen worker 0 - jepsen.util 0\t:ok\t:read\t1",
             (0, "ok", "read", 1, None)),
            ("2024-05-01T10:00:00,123{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:ok\t:read\t1",
             (0, "ok", "read", 1, None)),
            ("2024-05-01 10:00:00,123{GMT}\tINFO\t[x] jepsen.util: :nemesis\t:info\t:stop\tnil",
             ("nemesis", "info", "stop", None, None)),
        ],
    )  # fmt: skip
    def test_lines(self, line: str, row: tuple[Any, ...]) -> None:
        history = text_of(f"# comment\n\n{line}\n; comment\n".encode())
        assert rows(history) == [row]
        assert (history[0].index, history[0].time_ns) == (0, -1)

    def test_log_lines_of_others_are_left_out(self) -> None:
        log = (
            "INFO  jepsen.core - Worker 0 starting\n"
            "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n"
            "2024-05-01T10:00:00,123{GMT}\tWARN\t[main] jepsen.db: tearing down 0 :ok :read 1\n"
            "INFO  jepsen.util - 0\t:ok\t:read\t3\n"
        )
        assert rows(text_of(log.encode())) == [
            (0, "invoke", "read", None, None),
            (0, "ok", "read", 3, None),
        ]


LINE = '{"process":0,"type":"invoke","f":"r"}\n'
FORM = "{:type :invoke, :f :read, :process 0}\n"
ROW = "0\t:invoke\t:read\tnil\n"


class TestReadHistory:
    @pytest.mark.parametrize(
        ("text", "format"),
        [
            ('{"type":"invoke"}', "jsonl"),
            ('\n# comment\n { "type" : "invoke"}', "jsonl"),
            ('[{"type":"invoke"}]', "jsonl"),
            ("{:type :invoke}", "edn"),
            ('{"type" "invoke"}', "edn"),
            ("; comment\n[{:type :invoke}]", "edn"),
            ("({:type :invoke})", "edn"),
            ("#jepsen.history.Op{:type :invoke}", "edn"),
            ("#_ x {:type :invoke}", "edn"),
            ("0\t:invoke\t:read\tnil", "text"),
            (":nemesis\t:info\t:start\tnil", "text"),
            ("INFO  jepsen.util - 0\t:invoke\t:read\tnil", "text"),
            ("2024-05-01T10:00:00,123{GMT}\tINFO\t[x] jepsen.util: 0\t:ok\t:read\t1", "text"),
        ],
    )
    def test_sniffing(self, text: str, format: str) -> None:
        assert sniff(text) == format

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("h.jsonl", LINE),
            ("h.ndjson", LINE),
            ("h.json", f"[{LINE}]"),
            ("h.EDN", FORM),
            ("h.txt", ROW),
            ("h.txt", FORM),  # as Knossos and Porcupine name such files
            ("h.log", LINE),
            ("history", FORM),
        ],
    )
    @pytest.mark.parametrize("packed", [False, True])
    def test_extension_or_content(self, tmp_path: Path, name: str, text: str, packed: bool) -> None:
        data = text.encode()
        path = tmp_path / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)
        operation = read_history(path)[0]
        assert (operation.process, operation.type) == (0, "invoke")

    def test_gzip_is_known_by_its_content(self, tmp_path: Path) -> None:
        path = tmp_path / "h.jsonl"
        path.write_bytes(gzip.compress(LINE.encode()))
        assert len(read_history(path)) == 1

    def test_a_format_can_be_given(self, tmp_path: Path) -> None:
        path = tmp_path / "h.jsonl"
        path.write_text(FORM, "utf-8")
        assert len(read_history(path, format="edn")) == 1
        with pytest.raises(MalformedHistory, match=r"h.jsonl, line 1, column 2: found"):
            read_history(path)

    def test_an_unknown_format_is_answered_with_the_known_ones(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no history format called 'json'") as caught:
            read_history(tmp_path / "h", format="json")
        assert "Available: edn, jsonl, text." in str(caught.value)

    def test_a_missing_file_is_answered_with_its_neighbours(self, tmp_path: Path) -> None:
        (tmp_path / "other.jsonl").write_text(LINE, "utf-8")
        with pytest.raises(UsageError, match=r"no file .*h.jsonl.\nAvailable in .*: other.jsonl"):
            read_history(tmp_path / "h.jsonl")
        with pytest.raises(UsageError, match="Nor is there a folder"):
            read_history(tmp_path / "nowhere" / "h.jsonl")
        with pytest.raises(UsageError, match="is a folder, and a history is one file"):
            read_history(tmp_path)

    @pytest.mark.parametrize("name", ["h.jsonl", "h.edn", "h"])
    def test_an_empty_file_is_no_history(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"\n")
        with pytest.raises(MalformedHistory, match="is empty: it holds no operation"):
            read_history(tmp_path / name)

    def test_damaged_gzip_is_named(self, tmp_path: Path) -> None:
        packed = gzip.compress((LINE * 100).encode())
        for name, data in (("cut", packed[:-9]), ("changed", packed[:-8] + b"\0" * 8)):
            path = tmp_path / f"{name}.jsonl.gz"
            path.write_bytes(data)
            with pytest.raises(MalformedHistory, match="damaged gzip data"):
                read_history(path)
