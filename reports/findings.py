"""What the checks found and measured, at a glance: anomalies by class, and distributions.

    witness["anomalies"] or ["kinds"]   {class: count}       one line a class
    witness["invariant"] or ["kind"]    class                one line
    details["distributions"]            {name: {"unit", "count", "values", "quantiles"}}

>>> wrong = Verdict(checker="levels", outcome="fail", reason="r",
...                 witness={"anomalies": {"stale-read": 10, "own-write-missed": 4}})
>>> [(line.name, line.count) for line in anomalies([wrong])]
[('stale-read', 10), ('own-write-missed', 4)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.verdict import Verdict
from reports.axis import pixels
from reports.wording import visible

CLASSES_MAX = 40
DISTRIBUTIONS_MAX = 12
#: The size of the curve beside a distribution, in pixels.
CURVE_WIDTH, CURVE_HEIGHT = 180, 26
_POINTS = 60
_QUANTILES = ("0.5", "0.9", "0.99", "1")


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """One class of what is wrong; `count` is None where the check does not count."""

    checker: str
    name: str
    count: int | None


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Quantiles with their unit, and the share of values (upwards) by value (to the right)."""

    checker: str
    name: str
    count: int
    quantiles: tuple[str, ...]
    curve: str


def anomalies(verdicts: Sequence[Verdict]) -> tuple[Anomaly, ...]:
    """A line for each class of each failed check, the most frequent first."""
    found = []
    for verdict in verdicts:
        if verdict.outcome == "fail":
            classes = sorted(_classes(verdict.witness or {}).items(), key=_most_first)
            found += [
                Anomaly(
                    checker=visible(verdict.checker, 80),
                    name=visible(name, 80),
                    count=count or None,
                )
                for name, count in classes[:CLASSES_MAX]
            ]
    return tuple(found)


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _classes(witness: Mapping[str, Any]) -> dict[str, int]:
    for name in ("anomalies", "kinds"):
        counts = witness.get(name)
        if isinstance(counts, Mapping):
            kept = {str(key): n for key, n in counts.items() if isinstance(n, int) and n > 0}
            if kept:
                return kept
    for name in ("kind", "invariant", "anomaly"):
        if isinstance(witness.get(name), str):
            return {witness[name]: 0}
    return {"violated": 0}


def distributions(verdicts: Sequence[Verdict]) -> tuple[Distribution, ...]:
    """The distributions of all checks that have some with values in them."""
    found = []
    for verdict in verdicts:
        told = verdict.details.get("distributions")
        for name, item in told.items() if isinstance(told, Mapping) else ():
            made = _distribution(visible(verdict.checker, 80), str(name), item)
            if made is not None:
                found.append(made)
    return tuple(found[:DISTRIBUTIONS_MAX])


def _distribution(checker: str, name: str, item: Any) -> Distribution | None:
    if not isinstance(item, Mapping):
        return None
    values, quantiles = item.get("values"), item.get("quantiles")
    if not isinstance(values, list | tuple) or not isinstance(quantiles, Mapping):
        return None
    numbers = sorted(float(value) for value in values if isinstance(value, int | float))
    if not numbers:
        return None
    unit = visible(str(item.get("unit", "")), 20)
    count = item.get("count")
    return Distribution(
        checker=checker,
        name=visible(name, 80),
        count=count if isinstance(count, int) else len(numbers),
        quantiles=tuple(_figure(quantiles.get(part), unit) for part in _QUANTILES),
        curve=_curve(numbers),
    )


def _figure(value: Any, unit: str) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,.4g} {unit}" if abs(value) < 10_000 else f"{value:,.0f} {unit}"


def _curve(numbers: Sequence[float]) -> str:
    """The cumulative curve as an SVG path."""
    low, high = numbers[0], numbers[-1]
    span = high - low or 1.0
    last = len(numbers) - 1
    places = sorted({round(n * last / _POINTS) for n in range(_POINTS + 1)})
    steps = [
        f"L{pixels(1 + (CURVE_WIDTH - 2) * (numbers[place] - low) / span)} "
        f"{pixels(CURVE_HEIGHT - 2 - (CURVE_HEIGHT - 4) * (place + 1) / (last + 1))}"
        for place in places
    ]
    return f"M1 {CURVE_HEIGHT - 2}{''.join(steps)}H{CURVE_WIDTH - 1}"
