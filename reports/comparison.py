"""The page that compares systems: who gets through which scenario, and why not.

    Comparison ─▶ score, one row a system    heat map, scenarios × systems    one section a scenario

Every cell of the heat map leads to its section: a drawing of the links, and for each system its
answers over time, its measures, the command that repeats a run and, where it did not recover, one
sentence why. The same comparison gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from statistics import median
from typing import Any

from markupsafe import Markup

from harness.grid import Cell, Comparison, ScenarioFacts, SeedResult
from harness.measures import BUCKET_NS
from reports.design import policy, script, style_sheet, templates
from reports.frame import relative_address
from reports.wording import count_text, duration_text, visible

#: The size of the drawing of a time line, and of the links, in pixels.
LINE_WIDTH, LINE_HEIGHT = 520, 44
GRAPH_SIZE, GRAPH_RADIUS = 150, 54

_STATES = {
    "steady": "recovered in every run and stayed available",
    "shaky": "recovered in every run, but was unavailable again and again",
    "partly": "recovered in some runs only",
    "never": "answered no change, such as a write, until the links healed",
    "fail": "broke its promise: a safety violation",
    "unknown": "the check of the history ran out of budget",
    "skipped": "nothing was checked",
}
_SIGNS = {"steady": "✓", "shaky": "~", "partly": "◐", "never": "✗", "fail": "⚠"}


@dataclass(frozen=True, kw_only=True)
class _Score:
    """How a system did over all scenarios; `down_times` is in units of its patience."""

    system: str
    patience: str
    steady: int
    recovered: int
    unsafe: int
    down_times: float | None
    messages: float
    bytes: float
    latency: str
    goodput: float


def write_comparison(path: str | PathLike[str], comparison: Comparison, *, command: str) -> None:
    """Writes the page to `path`, as UTF-8. `command` is what makes it again."""
    html = render_comparison(comparison, command=command, beside=Path(path).parent)
    Path(path).write_bytes(html.encode())


def render_comparison(comparison: Comparison, *, command: str, beside: Path | None = None) -> str:
    """The page as an HTML document; where runs were kept, it links to them from `beside`."""
    environment = templates()
    own = ("heat.css", "comparison.css")
    style = style_sheet("".join(environment.get_template(name).render() for name in own))
    scripts = script("copy.js")
    return environment.get_template("comparison.html.j2").render(
        comparison=comparison,
        headline=_headline(comparison),
        command=visible(command),
        scores=[_score(comparison, system) for system in comparison.systems],
        states=[(state, words) for state, words in _STATES.items() if _occurs(comparison, state)],
        sign=lambda state: _SIGNS.get(state, "?"),
        figure=_figure,
        why=_why,
        full_reason=_full_reason,
        facts=_facts,
        graph=_graph,
        timeline=_timeline,
        kept=lambda result: _kept(result, beside),
        style=Markup(style),
        script=Markup(scripts),
        policy=policy(style, scripts),
    )


def _kept(result: SeedResult, beside: Path | None) -> str:
    """The address of the report of a run, from the folder of the page; empty if it has none."""
    if not result.folder or beside is None:
        return ""
    report = Path(result.folder) / "report.html"
    return relative_address(report, beside) if report.is_file() else ""


def _occurs(comparison: Comparison, state: str) -> bool:
    return any(cell.state == state for cell in comparison.cells)


def _headline(comparison: Comparison) -> str:
    """The result in one sentence."""
    unsafe = sorted({cell.system for cell in comparison.cells if cell.state == "fail"})
    if unsafe:
        return f"Unsafe: {', '.join(unsafe)} broke the promise in at least one run."
    count = len(comparison.scenarios)
    best: list[str] = []
    most = -1
    for system in comparison.systems:
        steady = sum(
            comparison.cell(system, scenario.name).state == "steady"
            for scenario in comparison.scenarios
        )
        if steady > most:
            best, most = [], steady
        if steady == most:
            best.append(system)
    names = " and ".join([", ".join(best[:-1]), best[-1]] if len(best) > 1 else best)
    return f"{names} stayed available in {most} of {count_text(count, 'scenario')}."


def _score(comparison: Comparison, system: str) -> _Score:
    cells = [comparison.cell(system, scenario.name) for scenario in comparison.scenarios]
    down = [cell.down_times for cell in cells if cell.down_times is not None]
    latency_ns = median(cell.typical("latency_median_ns") for cell in cells)
    return _Score(
        system=system,
        patience=duration_text(cells[0].patience_ns),
        steady=sum(cell.state == "steady" for cell in cells),
        recovered=sum(cell.recovered == len(cell.results) for cell in cells),
        unsafe=sum(cell.state == "fail" for cell in cells),
        down_times=median(down) if down else None,
        messages=median(cell.typical("messages_per_operation") for cell in cells),
        bytes=median(cell.typical("bytes_per_operation") for cell in cells),
        latency=duration_text(round(latency_ns)),
        goodput=median(cell.typical("goodput_per_s") for cell in cells),
    )


def _figure(cell: Cell) -> str:
    """What stands in a cell of the heat map: the time to the first answered change, if any."""
    return "never" if cell.down_times is None else f"{cell.down_times:.1f} T"


def _facts(cell: Cell) -> list[tuple[str, str]]:
    """The measures of a cell, medians over its runs."""
    recovery = [r.measures.recovery_ns for r in cell.results if r.measures.recovery_ns is not None]
    return [
        ("recovered", f"{cell.recovered} of {count_text(len(cell.results), 'run')}"),
        (
            "first change answered after the cut",
            "never" if cell.down_ns is None else f"{duration_text(cell.down_ns)} ({_figure(cell)})",
        ),
        ("without an answered change, second half", f"{cell.typical('unavailable_ratio'):.0%}"),
        (
            "answers a second, before and during",
            f"{cell.typical('goodput_before_per_s'):.0f} → {cell.typical('goodput_per_s'):.0f}",
        ),
        ("elections won while cut", f"{cell.typical('leader_changes'):.0f}"),
        (
            "latency while cut, median and 99 %",
            f"{duration_text(round(cell.typical('latency_median_ns')))}, "
            f"{duration_text(round(cell.typical('latency_p99_ns')))}",
        ),
        (
            "messages and bytes an operation",
            f"{cell.typical('messages_per_operation'):.1f}, "
            f"{cell.typical('bytes_per_operation'):,.0f}",
        ),
        (
            "first change answered after the heal",
            duration_text(round(median(recovery))) if recovery else "none until the end",
        ),
    ]


def _why(cell: Cell) -> str:
    """One sentence on how a system failed to get through; empty if it did."""
    elections = round(cell.typical("leader_changes"))
    won = "1 election was won" if elections == 1 else f"{elections} elections were won"
    match cell.state:
        case "steady":
            return ""
        case "never":
            meanwhile = f"although {won} meanwhile" if elections else "and nobody was elected"
            return f"No change was answered until the links healed, {meanwhile}."
        case "shaky":
            share = cell.typical("unavailable_ratio")
            return f"No change was answered in {share:.0%} of the second half, while {won}."
        case "partly":
            runs = count_text(len(cell.results), "run")
            return f"Only {cell.recovered} of {runs} recovered before the links healed."
    bad = next(result for result in cell.results if result.outcome == cell.outcome)
    return f"Seed {bad.seed}: {visible(bad.reason)}"


def _full_reason(cell: Cell, scenario: ScenarioFacts) -> str:
    """The same, and what it would have taken."""
    why = _why(cell)
    return f"{why} {scenario.lesson}" if why else _STATES["steady"].capitalize() + "."


def _graph(scenario: ScenarioFacts) -> dict[str, Any]:
    """Where roles stand, which links work in both directions and which in one."""
    middle = GRAPH_SIZE / 2
    places = {}
    for number, role in enumerate(scenario.roles):
        angle = 2 * math.pi * number / len(scenario.roles) - math.pi / 2
        x, y = middle + GRAPH_RADIUS * math.cos(angle), middle + GRAPH_RADIUS * math.sin(angle)
        places[role] = (round(x, 1), round(y, 1))
    cuts = {(a, b) for a, b in scenario.cuts}
    both, one_way, gone = [], [], []
    for i, a in enumerate(scenario.roles):
        for b in scenario.roles[i + 1 :]:
            line = (*places[a], *places[b])
            if (a, b) not in cuts and (b, a) not in cuts:
                both.append(line)
            elif (a, b) in cuts and (b, a) in cuts:
                gone.append(line)
            else:
                source, target = (b, a) if (a, b) in cuts else (a, b)
                one_way.append((*places[source], *_short_of(places[source], places[target])))
    return {"size": GRAPH_SIZE, "places": places, "both": both, "one_way": one_way, "gone": gone}


def _short_of(source: tuple[float, float], target: tuple[float, float]) -> tuple[float, float]:
    """The point just before `target`, where an arrow ends."""
    length = math.dist(source, target)
    ratio = (length - 17) / length
    return (
        round(source[0] + ratio * (target[0] - source[0]), 1),
        round(source[1] + ratio * (target[1] - source[1]), 1),
    )


def _timeline(cell: Cell) -> dict[str, Any]:
    """Answers per half second of the first run, as one path, and the time of the cut."""
    measures = cell.results[0].measures
    counts: Sequence[int] = measures.timeline
    slots = max(len(counts), math.ceil(measures.heal_ns / BUCKET_NS) + 1)
    scale = LINE_WIDTH / (slots * BUCKET_NS)
    step, top = LINE_WIDTH / slots, max(1, *counts, 1)
    path = []
    for slot, count in enumerate(counts):
        if count:
            height = max(1.5, count / top * (LINE_HEIGHT - 2))
            x, y = slot * step, LINE_HEIGHT - height
            path.append(f"M{x:.1f} {LINE_HEIGHT}V{y:.1f}h{step * 0.86:.1f}V{LINE_HEIGHT}z")
    return {
        "seed": cell.results[0].seed,
        "width": LINE_WIDTH,
        "height": LINE_HEIGHT,
        "path": "".join(path),
        "cut": round(measures.cut_ns * scale, 1),
        "cut_width": round((measures.heal_ns - measures.cut_ns) * scale, 1),
        "most": top * 1_000_000_000 // BUCKET_NS,
    }
