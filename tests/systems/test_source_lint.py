"""The lint of node sources: a table of lines that it must find, and of lines that it must not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from systems.machines import KeyValue
from systems.raft import RaftNode
from systems.source_lint import lint, lint_modules, modules_of

FOUND = {
    "import time": "imports time",
    "import time as clock": "imports time",
    "from time import monotonic": "imports time",
    "import os, threading": "imports threading",
    "import asyncio": "imports asyncio",
    "import trio.lowlevel": "imports trio",
    "from uuid import uuid4": "imports uuid",
    "import secrets": "imports secrets",
    "import concurrent.futures": "imports concurrent",
    "def f():\n    import time": "imports time",
    "import os\nos.urandom(8)": "uses os.urandom",
    "from os import urandom": "uses os.urandom",
    "import random\nrandom.random()": "uses random.random",
    "import random as r\nr.choice([1])": "uses random.choice",
    "from random import shuffle": "uses random.shuffle",
    "from random import SystemRandom": "uses random.SystemRandom",
    "import random\nrandom.Random()": "without a seed",
    "from random import Random\nRandom()": "without a seed",
    "import datetime\ndatetime.datetime.now()": "uses datetime.datetime.now",
    "from datetime import datetime\ndatetime.utcnow()": "uses datetime.datetime.utcnow",
    "from datetime import datetime as dt\ndt.now()": "uses datetime.datetime.now",
    "import datetime as d\nd.date.today()": "uses datetime.date.today",
    "for x in {1, 2}: pass": "goes through a set",
    "for x in set(y): pass": "goes through a set",
    "for x in frozenset(y): pass": "goes through a set",
    "for x in {y for y in z}: pass": "goes through a set",
    "for x in {1} | y: pass": "goes through a set",
    "[x for x in {1, 2}]": "goes through a set",
    "{x: 1 for x in {1, 2}}": "goes through a set",
    "f(x for x in {1, 2})": "goes through a set",
    "list({1, 2})": "goes through a set",
    "tuple(set(y))": "goes through a set",
    "enumerate({1, 2})": "goes through a set",
    "','.join({'a', 'b'})": "goes through a set",
    "y.extend({1, 2})": "goes through a set",
    "[*{1, 2}]": "goes through a set",
    "f(*{1, 2})": "goes through a set",
}

SOUND = [
    "import os\nos.path.join('a', 'b')",
    "import random\nrandom.Random(7)",
    "from random import Random\nRandom('seed').random()",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import time",
    "import typing\nif typing.TYPE_CHECKING:\n    from time import monotonic",
    "from datetime import timedelta\ntimedelta(1)",
    "self.time.time()",
    "random = self.random\nrandom.choice([1])",
    "clock.now()",
    "from .time import Something",
    "for x in sorted({1, 2}): pass",
    "for x in [1, 2]: pass",
    "for x in {1: 2}: pass",
    "sorted(x for x in {1, 2})",
    "any(x > 1 for x in {1, 2})",
    "max(set(y))",
    "{x + 1 for x in {1, 2}}",
    "3 in {1, 2}",
    "len({1, 2})",
    "sorted(list({1, 2}))",
    "votes = {1, 2}\nvotes.add(3)",
]


@pytest.mark.parametrize("source", FOUND)
def test_what_makes_runs_unrepeatable_is_found_once_with_its_line(source: str) -> None:
    complaints = lint(source, "node.py")
    assert len(complaints) == 1
    assert complaints[0].startswith(f"node.py:{source.count(chr(10)) + 1}: it ")
    assert FOUND[source] in complaints[0]


@pytest.mark.parametrize("source", SOUND)
def test_what_is_harmless_is_left_alone(source: str) -> None:
    assert lint(source, "node.py") == []


def test_an_else_beside_type_checking_runs_and_is_read() -> None:
    source = "if TYPE_CHECKING:\n    import trio\nelse:\n    import time"
    assert [complaint.split(";")[0] for complaint in lint(source, "m")] == ["m:4: it imports time"]


def test_complaints_come_in_the_order_of_the_lines() -> None:
    source = "import secrets\nimport time\nfor x in {1}: pass\nimport uuid"
    assert [int(line.split(":")[1]) for line in lint(source, "m")] == [1, 2, 3, 4]


def test_the_modules_of_a_node_are_its_own_and_what_they_import_of_their_package() -> None:
    names = [module.__name__ for module in modules_of(RaftNode, KeyValue)]
    expected = {"node", "leadership", "log", "messages"}
    assert {f"systems.raft.{name}" for name in expected} <= set(names)
    assert {"systems.machines.kv", "systems.machines.sessions"} <= set(names)
    assert not [name for name in names if not name.startswith("systems.")]
    assert names == sorted(names)


def test_an_import_is_followed_to_the_module_that_reads_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lintable"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "node.py").write_text("from . import helper\nclass Node: pass\n")
    (package / "helper.py").write_text("from lintable.deep import now\n")
    (package / "deep.py").write_text("import time\nnow = time.time\n")
    (package / "beside.py").write_text("import threading\n")
    monkeypatch.syspath_prepend(tmp_path)
    node = importlib.import_module("lintable.node")
    importlib.import_module("lintable.beside")
    try:
        assert lint_modules(node.Node) == (
            "lintable.deep:1: it imports time; nodes use context.clock and context.set_timer",
        )
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "lintable"]:
            del sys.modules[name]


def test_a_module_without_source_is_passed_over() -> None:
    spec = importlib.util.spec_from_loader("sourceless", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec("class Node: pass", vars(module))
    sys.modules["sourceless"] = module
    try:
        assert modules_of(module.Node) == [module]
        assert lint_modules(module.Node) == ()
    finally:
        del sys.modules["sourceless"]
