"""Published logs of real systems, with the verdicts that were published with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from checkers.linearizability import Linearizability
from harness.formats import read_history
from harness.history import History

HISTORIES = Path(__file__).resolve().parents[2].parent / "shared" / "histories"
EXPECTED = HISTORIES / "expected.json"

pytestmark = pytest.mark.skipif(
    not EXPECTED.exists(), reason="the published histories are not beside the project"
)


@cache
def expected() -> Mapping[str, Mapping[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return table


def group(name: str) -> list[str]:
    return [path for path in expected() if path.startswith(name)]


@cache
def history_of(path: str) -> History:
    history = read_history(HISTORIES / path)
    return history.independent() if expected()[path].get("independent") else history


def test_all_groups_are_there() -> None:
    assert all(group(name) for name in ("etcd-cas-register", "kv-append", "etcd-live"))


@pytest.mark.parametrize("name", ["etcd-cas-register", "kv-append", "etcd-live"])
def test_native_verdicts(name: str) -> None:
    pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")
    for path in group(name):
        about = expected()[path]
        checker = Linearizability(about["model"], engine="native")
        verdict = checker.check(history_of(path))
        assert verdict.outcome == ("pass" if about["valid"] else "fail"), path
        if verdict.outcome == "fail" and verdict.witness is not None:
            again = history_of(path).select(verdict.witness["rows"])
            assert checker.check(again).outcome == "fail", path


@pytest.mark.parametrize("name", ["etcd-cas-register", "kv-append"])
def test_reference_verdicts(name: str) -> None:
    """What the reference engine decides within a small budget, it decides right."""
    decided = 0
    for path in group(name):
        about = expected()[path]
        checker = Linearizability(about["model"], engine="reference", budget=2000)
        verdict = checker.check(history_of(path))
        if verdict.outcome != "unknown":
            assert verdict.outcome == ("pass" if about["valid"] else "fail"), path
            decided += 1
    assert decided > len(group(name)) * 3 / 4
