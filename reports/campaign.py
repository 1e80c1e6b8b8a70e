"""What many runs say together: which flaws were found after how many seeds, and what else failed.

    runs ─▶ experiments, one a line      outcomes counted, the seed of the first failure
         ─▶ systems × nemeses            the heat map
         ─▶ planted flaws, sound systems the score: found or not, false alarms
         ─▶ the strip                    every run when it was kept, in the colour of its outcome

No run is judged here: what a run's verdict says is counted, and a run without one is counted as
what it is (`reports.runs.STATES`), never as a pass.

Limits: only runs that were kept count. Where passing runs are not kept (the pytest plugin forgets
them), "seeds to find" is the place among those that are there.

>>> from reports.runs import RunSummary
>>> runs = [RunSummary(name=f"r/{seed}", state="finished", changed_ns=seed, seed=seed,
...                    outcome="fail" if seed == 3 else "pass",
...                    experiment=Experiment(flaw="stale-read")) for seed in range(1, 6)]
>>> campaign = campaign_of(runs)
>>> [(score.system, score.flaw, score.failed, score.seeds_to_find) for score in campaign.flaws]
[('raft', 'stale-read', 1, 3)]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.experiment import Experiment
from harness.verdict import SEVERITY
from reports.experiments import differing
from reports.runs import RunSummary
from reports.wording import count_text, visible

#: Results from the best to the worst, as the colours of cells tell them.
_WORST = {"pass": 0, "skipped": 1, "unfinished": 2, "unknown": 3, "fail": 4}


@dataclass(frozen=True)
class Group:
    """Runs that belong together, in the order of their seeds."""

    runs: tuple[RunSummary, ...]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many runs came out how: verdicts, and "unfinished" for those without one."""
        found: Counter[str] = Counter(run.outcome or "unfinished" for run in self.runs)
        return {result: found[result] for result in (*SEVERITY, "unfinished")}

    @property
    def failed(self) -> int:
        return self.counts["fail"]

    @property
    def worst(self) -> str:
        """The worst result of all."""
        return max((run.outcome or "unfinished" for run in self.runs), key=_WORST.__getitem__)

    @cached_property
    def first_failure(self) -> RunSummary | None:
        """The failing run with the lowest seed."""
        return next((run for run in self.runs if run.outcome == "fail"), None)

    @cached_property
    def to_look_at(self) -> tuple[RunSummary, ...]:
        """All runs, the worst first."""
        rank = _WORST.__getitem__
        return tuple(sorted(self.runs, key=lambda run: -rank(run.outcome or "unfinished")))


@dataclass(frozen=True)
class Line(Group):
    """All runs of one experiment, whatever their seeds.

    `apart` says in what it differs from other experiments with the same title.
    """

    experiment: Experiment
    apart: str = ""

    @cached_property
    def seeds_to_find(self) -> int | None:
        """How many judged seeds, in ascending order, it takes to the first failure."""
        seeds = dict.fromkeys(run.seed for run in self.runs if run.outcome is not None)
        if self.first_failure is None:
            return None
        return list(seeds).index(self.first_failure.seed) + 1


@dataclass(frozen=True)
class Score:
    """A system, as it should be or with one planted flaw, over all of its experiments."""

    system: str
    flaw: str | None
    lines: tuple[Line, ...]

    @property
    def runs(self) -> int:
        return sum(len(line.runs) for line in self.lines)

    @property
    def judged(self) -> int:
        """Runs that a checker said pass or fail of."""
        return sum(line.counts["pass"] + line.failed for line in self.lines)

    @property
    def failed(self) -> int:
        return sum(line.failed for line in self.lines)

    @property
    def best(self) -> Line | None:
        """The experiment that took the fewest seeds to fail."""
        found = [line for line in self.lines if line.seeds_to_find is not None]
        return min(found, key=lambda line: line.seeds_to_find or 0, default=None)

    @property
    def seeds_to_find(self) -> int | None:
        return None if self.best is None else self.best.seeds_to_find


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Everything about a set of runs; rows and columns in the order of the alphabet."""

    whole: Group
    lines: tuple[Line, ...]
    rows: tuple[tuple[str, str | None], ...]  # system and flaw
    columns: tuple[str, ...]  # nemeses
    cells: dict[tuple[str, str | None, str], Group]
    flaws: tuple[Score, ...]
    sound: tuple[Score, ...]
    unreadable: tuple[RunSummary, ...]

    @property
    def headline(self) -> str:
        """The result in one sentence or two."""
        if not self.whole.runs:
            return "There are no runs."
        found = sum(score.failed > 0 for score in self.flaws)
        parts = []
        if self.flaws:
            parts.append(f"{found} of {count_text(len(self.flaws), 'planted flaw')} found")
        judged = sum(score.judged for score in self.sound)
        if judged:
            failed = sum(score.failed for score in self.sound)
            flaw = "one" if self.flaws else "a planted flaw"
            runs = f"{count_text(judged, 'run')} without {flaw}"
            names = ", ".join(visible(score.system, 80) for score in self.sound if score.failed)
            parts.append(
                f"{failed:,} of {runs} failed: {names}" if failed else f"no failure in {runs}"
            )
        odd = sum(score.runs - score.judged for score in (*self.flaws, *self.sound))
        if odd:
            parts.append(f"{count_text(odd, 'run')} undecided or unfinished")
        text = "; ".join(parts)
        return f"{text[:1].upper()}{text[1:]}." if text else "No run can be read."

    @property
    def outcome(self) -> str:
        """What the campaign comes to: a failure where none was planted, or a flaw not found."""
        if any(score.failed for score in self.sound):
            return "fail"
        missed = any(not score.failed for score in self.flaws)
        odd = any(run.outcome not in ("pass", "fail") for run in self.whole.runs)
        return "unknown" if missed or odd or not self.whole.runs else "pass"


def campaign_of(runs: Iterable[RunSummary]) -> Campaign:
    """The campaign that `runs` are, in whatever order they come."""
    ordered = sorted(runs, key=lambda run: (run.seed or 0, run.name))
    known = [(run.experiment, run) for run in ordered if run.experiment is not None]
    by_experiment = _grouped(known, lambda experiment: _identity(experiment))
    lines = [Line(tuple(run for _, run in group), group[0][0]) for group in by_experiment]
    lines = _told_apart(lines)
    cells = {
        (one.system, one.flaw, one.nemesis): Group(tuple(run for _, run in group))
        for group in _grouped(known, lambda one: (one.system, one.flaw or "", one.nemesis))
        for one in [group[0][0]]
    }
    rows = sorted({(system, flaw) for system, flaw, _ in cells}, key=_row)
    scores = [
        Score(
            system=system,
            flaw=flaw,
            lines=tuple(
                line
                for line in lines
                if (line.experiment.system, line.experiment.flaw) == (system, flaw)
            ),
        )
        for system, flaw in rows
    ]
    return Campaign(
        whole=Group(tuple(ordered)),
        lines=tuple(lines),
        rows=tuple(rows),
        columns=tuple(sorted({nemesis for *_, nemesis in cells})),
        cells=cells,
        flaws=tuple(score for score in scores if score.flaw is not None),
        sound=tuple(score for score in scores if score.flaw is None),
        unreadable=tuple(run for run in ordered if run.experiment is None),
    )


def _told_apart(lines: Sequence[Line]) -> list[Line]:
    """`lines` by title; those with the same title say in what they differ."""
    by_title: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: (line.experiment.title, _identity(line.experiment))):
        by_title.setdefault(line.experiment.title, []).append(line)
    told = []
    for alike in by_title.values():
        fields = differing([line.experiment for line in alike])
        for place, line in enumerate(alike):
            apart = ", ".join(f"{name} {texts[place]}" for name, texts in fields.items())
            told.append(replace(line, apart=apart))
    return told


_Known = tuple[Experiment, RunSummary]


def _grouped(runs: Sequence[_Known], key: Callable[[Experiment], object]) -> list[list[_Known]]:
    groups: dict[object, list[_Known]] = {}
    for experiment, run in runs:
        groups.setdefault(key(experiment), []).append((experiment, run))
    return list(groups.values())


def _identity(experiment: Experiment) -> str:
    """Two experiments with the same text are the same experiment."""
    return repr(experiment)


def _row(row: tuple[str, str | None]) -> tuple[str, str]:
    return row[0], row[1] or ""
