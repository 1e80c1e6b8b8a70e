"""What checks could not have detected: nothing is lost, and a long list is folded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import History
from harness.verdict import Verdict
from reports import render_report
from reports.blind_spots import SHOWN, SPARED, BlindSpots
from reports.model import build_report
from reports.text import render_text

Tell = Callable[[list[tuple[Any, ...]]], History]

CHECKS = {
    "convergence": ["between probes", "silent nodes", "tombstones"],
    "levels": ["refused reads", "<b>data centres</b>"],
    "lww": ["silent nodes", "unanswered writes"],
    "stats": ["slow calls"],
}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 20).map(str), max_size=8)),
        max_size=5,
    )
)
def test_every_sentence_is_there_once_with_all_who_say_it(
    checks: list[tuple[str, list[str]]],
) -> None:
    spots = BlindSpots.of(checks)
    every = [*spots.shown, *spots.folded]
    said = {spot.sentence: set(spot.checks.split(", ")) for spot in every}
    assert len(said) == len(every)
    assert said == {
        sentence: {name for name, sentences in checks if sentence in sentences}
        for _, sentences in checks
        for sentence in sentences
    }
    assert len(spots.folded) == (len(every) - SHOWN if len(every) > SHOWN + SPARED else 0)
    told = [int(count) for count in re.findall(r"\w (\d+)", spots.summary.partition(":")[2])]
    assert sum(told) == len(spots.folded)
    assert spots.summary.startswith(f"{len(spots.folded)} more: ") == bool(spots.folded)


def test_the_first_of_each_check_come_first() -> None:
    spots = BlindSpots.of(CHECKS.items())
    assert [spot.sentence for spot in spots.shown] == [
        "between probes", "refused reads", "silent nodes", "slow calls",
    ]  # fmt: skip
    assert spots.shown[2].checks == "lww, convergence"
    assert spots.summary == "3 more: convergence 1, levels 1, lww 1"


@pytest.fixture
def arguments(told: Tell) -> dict[str, Any]:
    return {
        "title": "t",
        "history": told([(1, 0, "invoke", "read"), (2, 0, "ok", "read", None, 1)]),
        "facts": {},
        "replay_command": "again",
        "verdicts": [
            Verdict(checker=name, outcome="pass", reason="r", could_not_detect=tuple(sentences))
            for name, sentences in CHECKS.items()
        ],
    }


def test_the_page_folds_what_is_too_long(arguments: dict[str, Any]) -> None:
    page = render_report(**arguments)
    part = page.partition('<h2 id="blind">')[2].partition("</section>")[0]
    open_part, _, folded = part.partition("<details")
    assert open_part.count("<li>") == SHOWN
    assert "<summary><bdi>3 more: convergence 1, levels 1, lww 1</bdi></summary>" in folded
    assert folded.count("<li>") == 3
    assert "<bdi>&lt;b&gt;data centres&lt;/b&gt;</bdi>" in folded
    few = render_report(**arguments | {"verdicts": arguments["verdicts"][2:]})
    assert "<details" not in few.partition('<h2 id="blind">')[2].partition("</section>")[0]


def test_the_text_says_how_many_more_there_are(arguments: dict[str, Any]) -> None:
    text = render_text(build_report(**arguments), None)
    part = text.partition("What this could not have detected:\n")[2].partition("\n\n")[0]
    assert part.splitlines() == [
        "- between probes",
        "- refused reads",
        "- silent nodes",
        "- slow calls",
        "- and 3 more: convergence 1, levels 1, lww 1 (all of them are in the HTML report)",
    ]
