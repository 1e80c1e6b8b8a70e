"""docs/workloads.md says of every workload what the code says: options, checkers, commands."""

from __future__ import annotations

import inspect
import random
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from harness import catalog
from harness.experiment import Experiment
from harness.fitting import fits
from harness.generators import limit, perfect
from harness.making import make_nemesis, make_workload

PAGE = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
SHARED = {"bound_s", "settle_s"}


def options_of(name: str) -> dict[str, str]:
    parameters = inspect.signature(catalog.load("workload", name)).parameters.values()
    return {parameter.name: str(parameter.default) for parameter in parameters}


def table(text: str) -> dict[str, str]:
    """Options and their defaults as a table has them."""
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", text, re.MULTILINE))


def test_every_workload_has_its_section() -> None:
    assert set(catalog.names("workload")) == set(SECTIONS)


@pytest.mark.parametrize("name", catalog.names("workload"))
def test_the_section_has_all_options_checkers_and_commands_that_work(name: str) -> None:
    text = SECTIONS[name]
    told = options_of(name)
    assert table(text) == {option: told[option] for option in told if option not in SHARED}
    commands = re.findall(r"^    (splitbrain run .*)$", text, re.MULTILINE)
    assert commands
    named = set(re.findall(r"[\w-]+", text[text.index("Checked:") :]))
    for command in commands:
        _, _, system, *words = shlex.split(command)
        given = dict(zip(words[::2], words[1::2], strict=True))
        assert given.pop("--workload") == name
        assert fits(catalog.load("workload", name), catalog.load("system", system))
        make_nemesis(given.pop("--nemesis"))
        options = dict([given.pop("--option").split("=")]) if "--option" in given else {}
        assert not given
        made = make_workload(Experiment(system=system, workload=name, options=options))
        assert {checker.name for checker in made.checkers()} <= named


def test_the_options_of_the_probes_are_those_of_all_that_probe() -> None:
    beginning = table(PAGE[: PAGE.index("## register")])
    found = [options_of(name) for name in SECTIONS if "bound_s" in options_of(name)]
    assert len(found) == 6
    assert all({option: one[option] for option in SHARED} == beginning for one in found)


def test_the_draws_of_the_example_are_the_seeds() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)

    def drawn(seed: int) -> list[tuple[str, Any, Any]]:
        rows = perfect(limit(40, names["work"]), seed=seed)
        return [(row.f, row.key, row.value) for row in rows if row.type == "invoke"]

    first = drawn(7)
    random.seed(3)
    assert drawn(7) == first
    assert drawn(8) != first
    assert {key for _, key, _ in first} == set("xyz")
    written = [value for f, _, value in first if f == "write"]
    assert written == list(range(len(written)))
