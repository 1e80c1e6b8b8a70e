"""The page of a comparison: its headline, map, drawings, and that it is one harmless file."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from harness.grid import Cell, Comparison, ScenarioFacts, SeedResult
from harness.measures import Measures
from harness.units import SECOND_NS
from reports.comparison import render_comparison

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"


def result(outcome: str = "pass", **changes: Any) -> SeedResult:
    values: dict[str, Any] = {
        "cut_ns": 5 * SECOND_NS,
        "heal_ns": 15 * SECOND_NS,
        "down_ns": SECOND_NS,
        "unavailable_ratio": 0.0,
        "goodput_per_s": 99.0,
        "goodput_before_per_s": 100.0,
        "leader_changes": 1,
        "messages_per_operation": 12.5,
        "bytes_per_operation": 2500.0,
        "latency_median_ns": 4_000_000,
        "latency_p99_ns": 9_000_000,
        "recovery_ns": 1_000_000,
        "timeline": [50] * 30,
    }
    return SeedResult(
        seed=7,
        outcome=outcome,  # type: ignore[arg-type]
        reason=f"read the past {HOSTILE}",
        digest="0123456789abcdef",
        command="splitbrain run good --seed 7",
        measures=Measures(**values | changes),
    )


FACTS = ScenarioFacts(
    name="deaf-leader",
    identifier="P8",
    summary="P8: nothing reaches the leader",
    lesson="Needs acknowledgements as the proof of life.",
    roles="ABC",
    cuts=[("A", "C"), ("A", "B"), ("B", "A")],
    slow=False,
)


def grid(**results: SeedResult) -> Comparison:
    return Comparison(
        systems=list(results),
        scenarios=[FACTS],
        seeds=[7],
        cells=[
            Cell(system=name, scenario=FACTS.name, patience_ns=500_000_000, results=[one])
            for name, one in results.items()
        ],
    )


def text_of(html: str) -> str:
    """What a reader sees, without style and script."""
    parts: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            if self.get_starttag_text() is None or self.lasttag not in ("style", "script"):
                parts.append(data)

    Reader().feed(html)
    return re.sub(r"\s+", " ", " ".join(parts))


@pytest.mark.parametrize(
    ("results", "headline"),
    [
        (
            {"good": result(), "bad": result(down_ns=None)},
            "good stayed available in 1 of 1 scenario.",
        ),
        ({"a": result(), "b": result()}, "a and b stayed available in 1 of 1 scenario."),
        ({"good": result(), "bad": result("fail")}, "Unsafe: bad broke the promise"),
    ],
)
def test_the_headline_is_the_result(results: dict[str, SeedResult], headline: str) -> None:
    assert headline in text_of(render_comparison(grid(**results), command="again"))


def test_each_cell_leads_to_its_runs_and_a_failed_one_says_why() -> None:
    html = render_comparison(grid(good=result(), bad=result(down_ns=None)), command="again")
    assert 'href="#deaf-leader/bad"' in html
    assert 'id="deaf-leader/bad"' in html
    seen = text_of(html)
    assert "✓ 2.0 T" in seen
    assert "No change was answered until the links healed, although 1 election was won" in seen
    assert "Needs acknowledgements as the proof of life." in seen
    assert "splitbrain run good --seed 7" in seen


def test_a_system_that_answered_reads_alone_is_not_said_to_have_answered_nothing() -> None:
    """A leader that was cut off may answer reads all the time; it is changes that count."""
    reads_only = result(down_ns=None, goodput_per_s=50.0, leader_changes=0)
    seen = text_of(render_comparison(grid(bad=reads_only), command="again"))
    assert "answered nothing" not in seen
    assert "No change was answered until the links healed, and nobody was elected." in seen
    assert "answered no change, such as a write, until the links healed" in seen
    assert "Reads do not count" in seen
    assert "first change answered after the cut never" in seen
    assert "answers a second, before and during 100 → 50" in seen


def test_the_drawing_shows_which_links_work_in_both_directions_in_one_and_not() -> None:
    html = render_comparison(grid(good=result()), command="again")
    assert html.count('class="link" d=') == 1  # B-C
    assert html.count("marker-end") == 1  # C to A
    assert html.count('class="gone" d=') == 1  # A-B


def test_hostile_text_is_harmless_and_nothing_is_loaded_from_outside() -> None:
    html = render_comparison(grid(bad=result("fail")), command=HOSTILE)
    assert "<img" not in html
    assert "\u202e" not in html
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert not re.search(r'(src|href)="(?!#)', html)


def test_the_same_comparison_gives_the_same_bytes() -> None:
    pages = {render_comparison(grid(good=result()), command="again") for _ in range(2)}
    assert len(pages) == 1


def test_what_a_promise_costs_is_told_where_systems_promise_different_things() -> None:
    alike = grid(a=result(), b=result())
    assert "What the promise costs" not in render_comparison(alike, command="again")
    lacking = result(stale_ratio=0.125, age_max_ns=3 * SECOND_NS, answered_ratio=0.5)
    mixed = grid(a=result(answered_ratio=0.75), b=lacking)
    mixed = msgspec.structs.replace(mixed, promises={"a": "linearizable", "b": "convergent"})
    seen = text_of(render_comparison(mixed, command="again"))
    assert "What the promise costs" in seen
    assert "linearizable 4 ms 9 ms 75% 75% 0.0%" in seen
    assert "convergent 4 ms 9 ms 50% 50% 12.5% 0 ns 3 s 12.5" in seen
