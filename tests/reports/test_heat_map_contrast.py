"""Cells of heat maps: what stands in them can be read, in both themes, and their tints differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

import reports
from reports.palette import DARK, LIGHT, blend, contrast

TEMPLATES = Path(reports.__file__).parent / "templates"
RULE = re.compile(
    r"([^{}]+)\{ background: color-mix\(in srgb, var\(--([\w-]+)\) (\d+)%, var\(--([\w-]+)\)\); \}"
)


def tints(theme: Mapping[str, str]) -> dict[str, str]:
    """The colour of each kind of cell, as the browser mixes it."""
    return {
        selector.strip(): blend(theme[colour], int(share) / 100, theme[ground])
        for name in ("heat.css", "comparison.css")
        for selector, colour, share, ground in RULE.findall(
            (TEMPLATES / name).read_text(encoding="utf-8")
        )
    }


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_in_a_cell_can_be_read(theme: Mapping[str, str]) -> None:
    found = tints(theme)
    assert len(found) >= 10
    assert any(".most" in selector for selector in found)
    low = {s: round(contrast(theme["ink"], tint), 2) for s, tint in found.items()
           if contrast(theme["ink"], tint) < 4.5}  # fmt: skip
    assert low == {}
    assert contrast(theme["on-mark"], theme["fail"]) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_each_step_of_the_share_of_failures_is_seen(theme: Mapping[str, str]) -> None:
    found = tints(theme)
    steps = [
        next(tint for selector, tint in found.items() if f".cell.{name}" in selector)
        for name in ("some", "half", "most")
    ]
    from_paper = [contrast(theme["paper"], tint) for tint in steps]
    assert from_paper == sorted(from_paper)
    assert from_paper[0] > 1.1
    assert all(later / earlier > 1.08 for earlier, later in pairwise(from_paper))
