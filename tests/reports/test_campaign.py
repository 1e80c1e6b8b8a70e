"""Campaigns: what is counted, what the score says, and that every cell leads to its runs."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from harness.experiment import Experiment, seconds
from harness.verdict import Outcome
from reports.campaign import campaign_of
from reports.campaign_page import DRILLED_MAX, BesideStore, render_campaign
from reports.runs import RunSummary, State

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"
SOUND, FLAWED = Experiment(nemesis="kill"), Experiment(nemesis="kill", flaw="stale-read")


def kept(
    experiment: Experiment | None,
    seed: int,
    result: Outcome | State,
    *,
    reason: str = "because",
    at: int = 0,
) -> RunSummary:
    judged = result in ("pass", "fail", "unknown", "skipped")
    slug = "unreadable" if experiment is None else experiment.slug
    return RunSummary(
        name=f"{slug}/seed-{seed}",
        state="finished" if judged else result,  # type: ignore[arg-type]
        changed_ns=at or seed * 10**9,
        experiment=experiment,
        seed=None if experiment is None else seed,
        outcome=result if judged else None,  # type: ignore[arg-type]
        reason=reason,
        digest="0123456789abcdef" if judged else "",
    )


def runs(experiment: Experiment, *results: Any, first: int = 1) -> list[RunSummary]:
    return [kept(experiment, seed, result) for seed, result in enumerate(results, start=first)]


@pytest.mark.parametrize(
    ("results", "to_find"),
    [
        (["fail"], 1),
        (["pass", "pass", "fail", "fail"], 3),
        (["pass", "unknown", "fail"], 3),
        # what was never judged told nothing about its seed
        (["running", "cut short", "pass", "fail"], 2),
        (["pass", "pass"], None),
        (["crashed"], None),
    ],
)
def test_seeds_to_find_counts_judged_seeds_up_to_the_first_failure(
    results: list[str], to_find: int | None
) -> None:
    (score,) = campaign_of(runs(FLAWED, *results)).flaws
    assert score.seeds_to_find == to_find
    assert score.failed == results.count("fail")


def test_a_seed_that_was_run_twice_counts_once() -> None:
    twice = [*runs(FLAWED, "pass", "pass", "fail"), *runs(FLAWED, "pass", "pass", "fail")]
    (score,) = campaign_of(twice).flaws
    assert (score.seeds_to_find, score.failed, score.runs) == (3, 2, 6)


def test_the_experiment_that_needs_the_fewest_seeds_speaks_for_a_flaw() -> None:
    other = replace_of(FLAWED, nemesis="pause")
    found = [*runs(FLAWED, "pass", "pass", "fail"), *runs(other, "pass", "fail")]
    (score,) = campaign_of(found).flaws
    assert score.best is not None
    assert (score.best.experiment.nemesis, score.seeds_to_find) == ("pause", 2)


def replace_of(experiment: Experiment, **changes: Any) -> Experiment:
    fields = {name: getattr(experiment, name) for name in Experiment.__struct_fields__}
    return Experiment(**(fields | changes))


@pytest.mark.parametrize(
    ("sound", "flawed", "headline", "outcome"),
    [
        (["pass"] * 3, ["fail"], "1 of 1 planted flaw found; no failure in 3 runs", "pass"),
        (["pass"], ["pass"], "0 of 1 planted flaw found", "unknown"),
        (["pass", "fail"], ["fail"], "found; 1 of 2 runs without one failed: raft.", "fail"),
        (["pass"] * 39 + ["fail"], [], "1 of 40 runs without a planted flaw failed: raft.", "fail"),
        (["pass", "interrupted"], ["fail"], "no failure in 1 run without one; ", "unknown"),
        (
            ["pass", "skipped"],
            ["fail"],
            "no failure in 1 run without one; 1 run undecided",
            "unknown",
        ),
        (["interrupted", "unknown"], [], "2 runs undecided or unfinished.", "unknown"),
    ],
)
def test_the_headline_and_what_it_comes_to(
    sound: list[str], flawed: list[str], headline: str, outcome: str
) -> None:
    campaign = campaign_of([*runs(SOUND, *sound), *runs(FLAWED, *flawed)])
    assert headline in campaign.headline
    assert campaign.outcome == outcome


def test_nothing_is_lost_between_the_runs_and_the_tables() -> None:
    results = ["pass", "fail", "unknown", "skipped", "running", "crashed", "cut short"]
    found = [*runs(SOUND, *results), *runs(FLAWED, *results), kept(None, 1, "unreadable")]
    campaign = campaign_of(reversed(found))
    known = [run for run in found if run.experiment is not None]
    assert sum(len(line.runs) for line in campaign.lines) == len(known)
    assert sum(len(cell.runs) for cell in campaign.cells.values()) == len(known)
    assert sum(campaign.whole.counts.values()) == len(found)
    assert [run.name for run in campaign.unreadable] == ["unreadable/seed-1"]
    assert campaign.lines[0].counts == {
        "pass": 1, "skipped": 1, "unknown": 1, "fail": 1, "unfinished": 3,
    }  # fmt: skip


def test_experiments_with_one_title_say_in_what_they_differ() -> None:
    longer = replace_of(SOUND, time_limit_ns=seconds(10), nodes=3)
    lines = campaign_of([*runs(SOUND, "pass"), *runs(longer, "pass")]).lines
    assert {line.apart for line in lines} == {
        "nodes 5, time limit 60 s",
        "nodes 3, time limit 10 s",
    }


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        if "id" in found:
            assert found["id"] not in self.ids, f"two are called {found['id']}"
            self.ids.add(found["id"])
        if tag == "a":
            self.links.append(found["href"])


def page_of(found: list[RunSummary], store: Path) -> str:
    links = BesideStore(store, store / "campaign.html")
    return render_campaign(campaign_of(found), links=links, command="again")


def test_every_cell_leads_to_its_runs_and_every_link_to_something(tmp_path: Path) -> None:
    found = [*runs(SOUND, "pass", "fail"), *runs(FLAWED, *["fail"] * 30)]
    for run in found[1:5]:
        (tmp_path / run.name).mkdir(parents=True)
        (tmp_path / run.name / "report.html").write_text("x")
    page = Page(page_of(found, tmp_path))
    inside = [unquote(link[1:]) for link in page.links if link.startswith("#")]
    assert {"raft//kill", "raft/stale-read/kill"} <= set(inside)
    assert set(inside) <= page.ids
    outside = [unquote(link) for link in page.links if not link.startswith("#")]
    assert outside
    assert all((tmp_path / link).is_file() for link in outside)
    assert set(outside) == {f"{run.name}/report.html" for run in found[1:5]}


def test_of_many_runs_the_worst_are_listed_and_the_rest_is_counted(tmp_path: Path) -> None:
    found = runs(FLAWED, *["pass"] * 40, *["fail"] * 3)
    html = page_of(found, tmp_path)
    listed = re.findall(r'class="number">seed (\d+)</td>', html)
    assert listed[:3] == ["41", "42", "43"]
    assert len(listed) == DRILLED_MAX
    assert f"and {43 - DRILLED_MAX} further runs" in html


def test_the_page_is_one_harmless_file_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    found = [
        kept(replace_of(SOUND, system=HOSTILE, nemesis=HOSTILE), 1, "fail", reason=HOSTILE),
        replace(kept(None, 2, "unreadable", reason=HOSTILE), name=HOSTILE),
        *runs(SOUND, "pass", "pass"),
    ]
    html = page_of(found, tmp_path)
    assert html == page_of(list(reversed(found)), tmp_path)
    page = Page(html)
    assert "img" not in page.tags
    assert page.tags.count("script") == 1
    assert "\u202e" not in html
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", html)
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html


def test_the_strip_shows_each_run_when_it_was_kept(tmp_path: Path) -> None:
    found = [kept(SOUND, seed, "pass", at=seed * 10**9) for seed in range(1, 50)]
    found.append(kept(SOUND, 50, "fail", at=25 * 10**9))
    html = page_of(found, tmp_path)
    marks = [int(x) for x in re.findall(r'class="s-(?:pass|fail)" x="(\d+)"', html)]
    assert len(marks) == 49, "one at the same moment is under the worse one"
    assert marks == sorted(marks)
    (failed,) = re.findall(r'class="s-fail" x="(\d+)"', html)
    assert abs((int(failed) - marks[0]) / (marks[-1] - marks[0]) - 0.5) < 0.01
    alone = page_of([kept(SOUND, 1, "pass")], tmp_path)
    assert "Seeds over time" not in alone, "one moment is no course of time"


def test_no_runs_are_a_page_too(tmp_path: Path) -> None:
    assert "There are no runs." in page_of([], tmp_path)


def test_a_page_elsewhere_leads_back_to_the_store(tmp_path: Path) -> None:
    run = kept(SOUND, 1, "fail")
    (tmp_path / "store" / run.name).mkdir(parents=True)
    (tmp_path / "store" / run.name / "report.html").write_text("x")
    (tmp_path / "out").mkdir()
    links = BesideStore(tmp_path / "store", tmp_path / "out" / "page.html")
    assert os.path.samefile(
        tmp_path / "out" / unquote(links.run(run)), tmp_path / "store" / run.name / "report.html"
    )
