"""docs/histories.md: its examples are judged as it says, and its rules are those of the reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.operation import Operation

PAGE = (Path(__file__).parents[2] / "docs" / "histories.md").read_text(encoding="utf-8")
JSON_LINES, EDN = (
    re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[0] for kind in ("jsonl", "edn")
)

Splitbrain = Callable[..., Any]


def test_the_example_passes_and_the_change_that_the_page_names_makes_it_fail(
    splitbrain_command: Splitbrain,
) -> None:
    Path("history.jsonl").write_text(JSON_LINES)
    ended = splitbrain_command("check", "history.jsonl", "--model", "cas-register")
    assert (ended.code, ended.errors) == (0, "")
    assert "all 4 operations" in ended.output, "that which failed is not among them"
    *rows, last = JSON_LINES.splitlines()
    changed = json.dumps({**json.loads(last), "value": None})
    Path("history.jsonl").write_text("\n".join([*rows, changed]))
    assert splitbrain_command("check", "history.jsonl").code == 1


def test_pairs_are_keys_if_it_is_said(splitbrain_command: Splitbrain) -> None:
    Path("history.edn").write_text(EDN)
    assert splitbrain_command("check", "history.edn", "--independent").code == 0
    ended = splitbrain_command("check", "history.edn")
    assert (ended.code, "say --independent" in ended.output) == (1, True)


def test_all_fields_are_told_and_those_that_must_be_there() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*?) \|$", PAGE, re.MULTILINE))
    for type_ in ("ok", "fail", "info"):
        told.pop(type_)
    assert set(told) == set(Operation.__struct_fields__)
    assert {name for name in told if told[name] == "must be there"} == {"process", "type", "f"}


#: What is put in place of the first field that is so in the example, and what the reader says.
WRONG = [
    ('"process": 0', '"process": -1', "-1"),
    ('"type": "ok"', '"type": "done"', "done"),
    ('"process": 5', '"process": 0', "process 0"),  # which has ended with info
    ('"process": 1, "type": "ok"', '"process": 2, "type": "ok"', "process 2"),
]


@pytest.mark.parametrize(("is_", "becomes", "text"), WRONG)
def test_the_rules_of_the_page_are_kept(
    is_: str, becomes: str, text: str, splitbrain_command: Splitbrain
) -> None:
    assert is_ in JSON_LINES
    Path("history.jsonl").write_text(JSON_LINES.replace(is_, becomes, 1))
    ended = splitbrain_command("check", "history.jsonl")
    assert ended.code == 254
    assert text in ended.errors


@pytest.mark.parametrize(
    "row",
    [
        '{"process": 9, "type": "invoke", "f": "read"}',  # without all that may be left out
        '{"f": "read", "process": 9, "time": 5, "type": "invoke", "colour": "red"}',
        "# a remark",
        "",
    ],
)
def test_what_the_page_allows_is_read(row: str, splitbrain_command: Splitbrain) -> None:
    Path("history.jsonl").write_text(f"{JSON_LINES}{row}\n")
    assert splitbrain_command("check", "history.jsonl").code == 0
