"""The page of findings says what the lists say, and what it says can be seen."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from systems.findings import Finding
from systems.findings.page import check, collect, render

PROJECT = Path(__file__).parents[2]

EXAMPLE = Finding(
    name="example",
    system="Example",
    version="1.0",
    seen_in="seed 1",
    what="It breaks.",
    command="python -c 'print(\"it breaks\"); exit(1)'",
    shows="it breaks",
)


def test_the_page_is_up_to_date() -> None:
    page = (PROJECT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert page == render(collect()), "`python -m systems.findings` writes it"


def test_names_are_given_once() -> None:
    names = [finding.name for finding in collect()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("field", [field.name for field in fields(Finding)])
def test_nothing_may_be_left_empty(field: str) -> None:
    with pytest.raises(UsageError, match=f"has no `{field}`"):
        replace(EXAMPLE, **{field: ""})


OUTCOMES = {
    "as it says": ("print('it breaks'); exit(1)", "seen"),
    "it passes": ("print('it breaks')", "not seen"),
    "it fails otherwise": ("exit(1)", "not seen"),
    "it crashes": ("print('it breaks'); exit(255)", "not seen"),
    "something is not installed": ("print('it breaks'); exit(254)", "cannot run here"),
}


@pytest.mark.parametrize(("body", "outcome"), OUTCOMES.values(), ids=OUTCOMES)
def test_what_comes_of_a_command(body: str, outcome: str) -> None:
    checked = check(replace(EXAMPLE, command=f'python -c "{body}"'))
    assert checked.outcome == outcome


@pytest.mark.slow
@pytest.mark.parametrize("finding", collect(), ids=lambda finding: finding.name)
def test_each_finding_is_still_seen(finding: Finding) -> None:
    checked = check(finding)
    if checked.outcome == "cannot run here":
        pytest.skip(checked.output)
    assert checked.outcome == "seen", checked.output
