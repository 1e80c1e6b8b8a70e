"""What the checks could not have detected: the first few, and the rest in one line.

Each check names its blind spots, the most important first. So the first of every check come before
the second of any. Where that makes a long list, all but `SHOWN` of it are folded.

>>> spots = BlindSpots.of([("levels", ["refused reads", "lost writes"]), ("stats", ["slow calls"])])
>>> [f"{spot.sentence} ({spot.checks})" for spot in spots.shown]
['refused reads (levels)', 'slow calls (stats)', 'lost writes (levels)']
>>> many = BlindSpots.of([("levels", [f"blind to {n}" for n in range(8)]), ("lww", ["ties"])])
>>> [spot.sentence for spot in many.shown], many.summary
(['blind to 0', 'ties', 'blind to 1', 'blind to 2'], '5 more: levels 5')
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

#: So many are seen at once; a list that is a little longer is not worth folding.
SHOWN = 4
SPARED = 2


@dataclass(frozen=True, kw_only=True)
class BlindSpot:
    """One sentence, and which checks say it, joined by commas."""

    sentence: str
    checks: str


@dataclass(frozen=True, kw_only=True)
class BlindSpots:
    """What is shown, and what is folded below the line `summary`."""

    shown: tuple[BlindSpot, ...]
    folded: tuple[BlindSpot, ...]
    summary: str

    @staticmethod
    def of(checks: Iterable[tuple[str, Sequence[str]]]) -> BlindSpots:
        """Those of `checks`, each with its name and its sentences; equal ones become one."""
        named = list(checks)
        said: dict[str, list[str]] = {}
        for turn in zip_longest(*(sentences for _, sentences in named)):
            for (name, _), sentence in zip(named, turn, strict=True):
                if sentence is not None and name not in said.setdefault(sentence, []):
                    said[sentence].append(name)
        spots = [
            BlindSpot(sentence=sentence, checks=", ".join(names))
            for sentence, names in said.items()
        ]
        shown = len(spots) if len(spots) <= SHOWN + SPARED else SHOWN
        folded = spots[shown:]
        kinds = Counter(said[spot.sentence][0] for spot in folded)
        told = ", ".join(f"{name} {kinds[name]}" for name in dict(named) if kinds[name])
        return BlindSpots(
            shown=tuple(spots[:shown]),
            folded=tuple(folded),
            summary=f"{len(folded)} more: {told}" if folded else "",
        )
