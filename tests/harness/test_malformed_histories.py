"""What is malformed in a history file is named, with its line and column."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.errors import MalformedHistory
from harness.formats.edn import read_edn
from harness.formats.jsonl import read_jsonl
from harness.formats.source import Source
from harness.formats.text import read_text
from harness.history import History

Reader = Callable[[Source], History]

LINE = '{"process":0,"type":"invoke","f":"r"}\n'
FORM = "{:type :invoke, :f :read, :process 0}\n"
ROW = "0\t:invoke\t:read\tnil\n"

EOF, EOL = "the end of the file", "the end of the line"

#: The text of a file, then line:column, what was found there and what was expected.
MALFORMED_JSON = [
    ('{"process" 0}', "1:12", "'0}'", "':'"),
    (LINE + '{"process":0,,}', "2:14", "',}'", "JSON"),
    (LINE + '{"process":0', "2:13", EOF, "the rest"),
    (LINE + '{"process":1,\n"f":"x"}', "2:14", EOL, "the rest"),
    (LINE + LINE.strip() + LINE, "2:38", '\'{"process"', "trailing"),
    (LINE + "hello", "2:1", "'hello'", "JSON"),
    (LINE + "[1]", "2:1", "[1]", "a JSON object"),
    (LINE + "17", "2:1", "17", "a JSON object"),
    (LINE + '{"type":"ok","f":"r"}', "2:1", "{", "field 'process'"),
    (LINE + '{"process":1,"f":"r"}', "2:1", "{", "field 'type'"),
    (LINE + '{"process":1,"type":"ok"}', "2:1", "{", "field 'f'"),
    (LINE + ' {"process":-1,"type":"ok","f":"r"}', "2:13", "-1", "a process"),
    (LINE + '{"process":1.5,"type":"ok","f":"r"}', "2:12", "1.5", "a process"),
    (LINE + '{"process":true,"type":"ok","f":"r"}', "2:12", "true", "a process"),
    (LINE + '{"process":9e99,"type":"ok","f":"r"}', "2:12", "9e99", "a process"),
    (LINE + '{"process":0,"type":"okay","f":"r"}', "2:21", '"okay"', "info"),
    (LINE + '{"process":0,"type":"ok","f":null}', "2:30", "null", "a function"),
    ('{"process":0,"type":"ok","f":"é","index":-1}', "1:42", "-1", "an index"),
    ('{"process":0,"type":"ok","f":"é","time":1.5}', "1:41", "1.5", "a time"),
    ('{"process":0,"type":"ok","f":"r","time_ns":"0"}', "1:44", '"0"', "a time"),
    ('{"process":0,"type":"ok","f":"r","value":[1,}', "1:45", "'}'", "JSON"),
    ('{"process":0,"type":"ok","f":"r","value":NaN}', "1:42", "NaN", "64 bits"),
    ('{"process":0,"type":"ok","f":"r","value":1e999}', "1:42", "1e999", "64 bits"),
    ('{"process":0,"type":"ok","f":"r","key":"\\ud800"}', "1:40", "", "whole characters"),
    ("[" + LINE, "1:39", EOF, "the rest"),
    ('{"process":0,"type":"ok","f":"r","key":"a\tb"}', "1:40", "\"a b\"", "whole"),
    ("[" * 100_000 + "]" * 100_000, "1:1", "'[[", "recursion"),
    (f"[{LINE}] x", "2:3", "'x'", "trailing"),
    (f"[{LINE}, 7]", "2:3", "7", "a JSON object"),
    (f'[{LINE},\n{{"process":[ ],"type":"ok"}}]', "3:12", "[ ]", "a process"),
    (f'[{LINE},{{"process":1,"type":"ok","f":"r",\n"value": 1e999}}]', "3:10", "1e999", "64 bits"),
]  # fmt: skip

MALFORMED_EDN = [
    (FORM + "{:type :ok", "2:11", EOF, "'}' for the '{' at line 2, column 1"),
    (FORM + "{:type :ok :value [1 2}", "2:23", "'}'", "']' for the '[' at line 2, column 19"),
    (FORM + "{:type}", "2:7", "'}'", "a value for the last key"),
    (FORM + "{:type :ok :type :ok}", "2:1", "the key 'type' twice", "keys differ"),
    (FORM + "{:type :ok :value {1 2 \"1\" 3}}", "2:19", "the key '1' twice", "keys differ"),
    (FORM + "}", "2:1", "'}'", "another operation"),
    (FORM + "[1 2]", "2:1", "'[1 2]'", "an operation: a map"),
    (FORM + "7 {}", "2:1", "'7 {}'", "an operation: a map"),
    (FORM + "{:f :read}", "2:1", "'{:f :read}'", "has a :type"),
    (FORM + "{:type :okay}", "2:8", ":okay", "types :invoke, :ok, :fail, :info"),
    (FORM + "{:type [1]}", "2:8", "[1]", "types :invoke"),
    (FORM + "{:f :x, :type :ok :process 1.5}", "2:28", "1.5", "a process"),
    (FORM + "{:type :ok :process -1}", "2:21", "-1", "a process"),
    (FORM + "{:type :ok :process true}", "2:21", "true", "a process"),
    (FORM + "#my.Op {:type :ok :f 7}", "2:22", "7", "a function"),
    (FORM + "{:type :ok :f [:a 1]}", "2:15", "[:a 1]", "a function"),
    (FORM + "{:type :ok :time 1.5}", "2:18", "1.5", "a time"),
    (FORM + "{:type :ok :index -1}", "2:19", "-1", "an index"),
    (FORM + '{:value "abc', "2:9", "'\"abc'", "a string that ends"),
    (FORM + '{:value "é\\qc"}', "2:10", "", "an escape"),
    (FORM + '{:value "\\ud800"}', "2:9", "", "surrogate"),
    (FORM + "{:value 007}", "2:9", "'007}'", "a number"),
    (FORM + "{:value -012}", "2:9", "'-012}'", "a number"),
    (FORM + "{:value 0x1F}", "2:9", "'0x1F}'", "a number"),
    (FORM + "{:value 1e999}", "2:9", "'1e999}'", "64 bits"),
    (FORM + "{:value " + "1" * 5000 + "}", "2:9", "'1", "4000 digits"),
    (FORM + "{:value ##Foo}", "2:9", "'##Foo}'", "##NaN"),
    (FORM + "{:value ^meta x}", "2:9", "'^meta x}'", "an EDN form"),
    (FORM + "{:value \\foo}", "2:9", "'\\\\foo}'", "a character"),
    (FORM + "{:value #}", "2:9", "'#}'", "an EDN form"),
    (FORM + "{:value [#foo]}", "2:14", "']}'", "a form after the '#foo'"),
    (FORM + "#_", "2:3", EOF, "a form after the '#_'"),
    (FORM + "{:type :ok :value " + "[" * 5000, "2:274", "'[[", "256 levels"),
    ("[" + FORM, "1:39", EOF, "']' for the '[' at line 1, column 1"),
    ("[" + FORM + ")", "2:1", "')'", "an operation or ']'"),
    ("[" + FORM + "] {}", "2:3", "'{}'", "the end of the file"),
    ("(" + FORM + "7)", "2:1", "'7)'", "an operation: a map"),
]  # fmt: skip

MALFORMED_TEXT = [
    (ROW + "0\t:ok\t:read", "2:12", EOF, "a value, or nil"),
    (ROW + "0\t:ok\t:read\n" + ROW, "2:12", EOL, "a value, or nil"),
    (ROW + "0\t:okay\t:read\t1", "2:3", ":okay", "one of the types"),
    (ROW + "0\tok\t:read\t1", "2:3", "ok", "one of the types"),
    (ROW + "-1\t:ok\t:read\t1", "2:1", "-1", "a process"),
    (ROW + "0\t:ok\t7\t1", "2:7", "7", "a function"),
    (ROW + "0\t:ok\t:read\t[1 2\n" + ROW, "2:17", EOL, "']' for the '['"),
    (ROW + "0\t:ok\t:read\t]", "2:13", "']'", "a value, or nil"),
    (ROW + "\tat java.lang.Thread.run", "2:2", "at", "a process"),
    (ROW + "INFO  jepsen.util - hello", "2:21", "hello", "a process"),
    (ROW + "INFO  jepsen.util - 0\t:ok", "2:26", EOF, "a function"),
]  # fmt: skip


class TestMalformed:
    @pytest.mark.parametrize(
        ("reader", "text", "place", "found", "expected"),
        [(read_jsonl, *case) for case in MALFORMED_JSON]
        + [(read_edn, *case) for case in MALFORMED_EDN]
        + [(read_text, *case) for case in MALFORMED_TEXT],
    )
    def test_place_finding_and_expectation(
        self, reader: Reader, text: str, place: str, found: str, expected: str
    ) -> None:
        with pytest.raises(MalformedHistory) as caught:
            reader(Source("my.file", text.encode()))
        line, column = place.split(":")
        message = str(caught.value)
        assert message.startswith(f"my.file, line {line}, column {column}: found {found}")
        assert expected in message.partition(", expected ")[2]
        assert len(message) < 500

    @pytest.mark.parametrize(
        ("reader", "good"), [(read_jsonl, LINE), (read_edn, FORM), (read_text, ROW)]
    )
    def test_bytes_that_are_no_text(self, reader: Reader, good: str) -> None:
        with pytest.raises(MalformedHistory, match=r"x, line 2, column 3: found the byte 0xff"):
            reader(Source("x", good.encode() + "é ".encode() + b"\xff"))

    def test_bytes_that_are_no_text_in_a_field_that_nobody_reads(self) -> None:
        line = b'{"process":0,"type":"ok","f":"r","extra":"\xff"}'
        for data in (line, b"[" + line + b"]"):
            with pytest.raises(MalformedHistory, match="found the byte 0xff"):
                read_jsonl(Source("x", data))

    @pytest.mark.parametrize(
        ("reader", "text"),
        [
            (read_jsonl, ""),
            (read_jsonl, "\n# only a comment\n"),
            (read_jsonl, "[]"),
            (read_edn, ""),
            (read_edn, "; only a comment"),
            (read_edn, "[ ]"),
            (read_text, "\n\n"),
            (read_text, "INFO  jepsen.core - nothing happened\n"),
        ],
    )
    def test_an_empty_file_says_so(self, reader: Reader, text: str) -> None:
        with pytest.raises(MalformedHistory, match="h is empty: it holds no operation"):
            reader(Source("h", text.encode()))
