"""Two runs side by side: their facts, their verdicts, and where they first went different ways.

    plans, verdicts      ─▶ facts, the same or not
    histories, traces    ─▶ the first line in which they differ, with what stood before it

Histories are compared from their beginning. Of traces only the last events are kept: where one
begins later than the other, the comparison begins there. Files are read line by line; a line is
shown to `LINE_CHARACTERS`.

>>> difference([b"a\\n", b"b\\n", b"c\\n"], [b"a\\n", b"b\\n", b"d\\n"])
Difference(line=3, before=('a', 'b'), left=('c',), right=('d',))
>>> difference([b"a\\n"], [b"a\\n"]) is None
True
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

import msgspec

from harness.simulation.trace import since
from harness.units import SECOND_NS
from harness.verdict import Outcome
from reports.experiments import differing, experiment_facts
from reports.runs import RunSummary, open_own, read_own
from reports.wording import visible

BEFORE, AFTER = 3, 3
LINE_CHARACTERS = 400


class CheckTold(msgspec.Struct, frozen=True):
    """One entry of a verdict.json."""

    checker: str
    outcome: Outcome
    reason: str


class _Checks(msgspec.Struct, frozen=True):
    checks: list[CheckTold] = []


@dataclass(frozen=True)
class Difference:
    """Where two files differ first: line number from 1, some lines before, and those of each."""

    line: int
    before: tuple[str, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """The same thing of both runs."""

    name: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        return self.left != self.right


@dataclass(frozen=True)
class Part:
    """What the comparison of one kind of file says."""

    title: str
    text: str
    difference: Difference | None = None


@dataclass(frozen=True)
class Pair:
    """Two runs and all that was compared."""

    runs: tuple[RunSummary, RunSummary]
    facts: tuple[Fact, ...]
    parts: tuple[Part, ...]

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        one, other = self.runs
        same = [one.digest == other.digest != "", one.experiment == other.experiment]
        if all(same):
            return "The same experiment with the same digest: everything happened alike."
        if same[0]:
            return "Different experiments with the same digest."
        if one.experiment == other.experiment and one.seed == other.seed:
            return "The same experiment and seed, and yet not the same run."
        if one.experiment == other.experiment:
            return f"One experiment with the seeds {one.seed} and {other.seed}."
        names = list(differing([run.experiment for run in self.runs if run.experiment]))
        return f"Two experiments, different in {', '.join(names) or 'their plans'}."


def pair_of(store: Path, one: RunSummary, other: RunSummary) -> Pair:
    """Compares two runs of `store`."""
    folders = store / one.name, store / other.name
    checks = [{check.checker: check for check in checks_of(folder)} for folder in folders]
    facts = [Fact(name, *values) for name, values in _facts(one, other)]
    for name in dict.fromkeys([*checks[0], *checks[1]]):
        told = [_told(found.get(name)) for found in checks]
        facts.append(Fact(f"check: {visible(name, 80)}", told[0], told[1]))
    return Pair(
        runs=(one, other),
        facts=tuple(facts),
        parts=(
            Part("Digests", _digests(one, other)),
            _part("Histories", folders, "history.jsonl", "row"),
            _part("Traces of nodes and network", folders, "trace.jsonl", "event", aligned=True),
        ),
    )


def checks_of(folder: Path) -> Sequence[CheckTold]:
    """What each checker said of the run; nothing if there is no verdict that can be read."""
    try:
        return msgspec.json.decode(read_own(folder / "verdict.json"), type=_Checks).checks
    except (OSError, msgspec.DecodeError):
        return ()


def difference(left: Iterable[bytes], right: Iterable[bytes]) -> Difference | None:
    """The first line in which `left` and `right` differ; None if they are the same."""
    before: deque[bytes] = deque(maxlen=BEFORE)
    lefts, rights = iter(left), iter(right)
    for number, (one, other) in enumerate(zip_longest(lefts, rights), start=1):
        if one != other:
            return Difference(
                line=number,
                before=tuple(map(_shown, before)),
                left=_from(one, lefts),
                right=_from(other, rights),
            )
        before.append(one)
    return None


def _from(first: bytes | None, rest: Iterator[bytes]) -> tuple[str, ...]:
    if first is None:
        return ()
    return (_shown(first), *map(_shown, islice(rest, AFTER - 1)))


def _shown(line: bytes) -> str:
    return visible(line[: 8 * LINE_CHARACTERS].decode("utf-8", "replace").strip(), LINE_CHARACTERS)


def _facts(one: RunSummary, other: RunSummary) -> Iterator[tuple[str, tuple[str, str]]]:
    yield "reason", (one.reason, other.reason)
    yield "seed", (str(one.seed), str(other.seed))
    yield "digest", (one.digest or "none", other.digest or "none")
    if one.experiment is not None and other.experiment is not None:
        sides = experiment_facts(one.experiment), experiment_facts(other.experiment)
        for (name, left), (_, right) in zip(*sides, strict=True):
            yield name, (left, right)


def _told(check: CheckTold | None) -> str:
    return "was not asked" if check is None else f"{check.outcome}: {visible(check.reason, 500)}"


def _digests(one: RunSummary, other: RunSummary) -> str:
    if not one.digest or not other.digest:
        return "A run that was not judged has no digest to compare."
    if one.digest == other.digest:
        return f"Both are {one.digest}: every delivery and every row of the history is the same."
    return f"{one.digest} and {other.digest} are different: so is something that happened."


def _part(
    title: str, folders: tuple[Path, Path], name: str, noun: str, *, aligned: bool = False
) -> Part:
    paths = [folder / name for folder in folders]
    missing = [side for side, path in zip(("left", "right"), paths, strict=True)
               if path.is_symlink() or not path.is_file()]  # fmt: skip
    if missing:
        return Part(title, f"The run on the {' and the '.join(missing)} has none.")
    note = ""
    with open_own(paths[0]) as left, open_own(paths[1]) as right:
        if aligned:
            lines, note = _aligned(list(left), list(right))
            found = difference(*lines)
        else:
            found = difference(left, right)
    if found is None:
        return Part(title, f"They are the same{note}.")
    return Part(title, f"The first difference is in {noun} {found.line:,}{note}.", found)


def _aligned(left: list[bytes], right: list[bytes]) -> tuple[tuple[Sequence[bytes], ...], str]:
    """Both traces from the later one of their beginnings on."""
    if not left or not right:
        return (left, right), ""
    begins = [msgspec.json.decode(lines[0])[0] for lines in (left, right)]
    if begins[0] == begins[1]:
        return (left, right), ""
    note = f", counted from {max(begins) / SECOND_NS:.6f} s, where the later one begins"
    if begins[0] > begins[1]:
        return (left, since(left[0], right)), note
    return (since(right[0], left), right), note
