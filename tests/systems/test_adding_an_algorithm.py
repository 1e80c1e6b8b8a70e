"""The guides for users: their code runs, and quotes what is there."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from systems.kit import check_system

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    path = ROOT / "examples" / "primary_backup.py"
    spec = importlib.util.spec_from_file_location("primary_backup_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def blocks(name: str) -> list[str]:
    """The Python blocks of a guide."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_the_example_is_small_and_keeps_the_contract(example: Any) -> None:
    source = Path(example.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 150
    check_system(example.PrimaryBackup)


def test_the_guide_quotes_the_example(example: Any) -> None:
    source = Path(example.__file__).read_text(encoding="utf-8")
    quoted = [block for block in blocks("adding-an-algorithm.md") if "check_" not in block]
    assert len(quoted) == 5
    for block in quoted:
        assert block.rstrip() in source, block


def test_the_guides_checks_run(example: Any) -> None:
    names = dict(vars(example))  # and nothing else but what the guide imports
    checks = [block for block in blocks("adding-an-algorithm.md") if "check_" in block]
    assert len(checks) == 2
    for block in checks:
        exec(block, names)


def test_a_machine_of_ones_own_is_replicated_by_any_system() -> None:
    (block,) = blocks("state-machines.md")
    body = block[block.index("class Queue") :]
    machine, use = body.split("async def work")
    assert len(machine.splitlines()) <= 22
    assert len(use.splitlines()) <= 20
    exec(block, {"__name__": "guide"})
