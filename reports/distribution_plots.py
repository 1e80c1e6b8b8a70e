"""Distributions that checks measured (times to converge, ages of reads) as cumulative curves.

    details["distributions"]  {name: {"unit", "values", ...}}  ─▶  one drawing a distribution

Upwards stands the share of values that are at most what stands across. For papers; the page of a
report has the same as small curves beside their quantiles (reports.findings).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.verdict import Verdict
from reports.figures import Drawing
from reports.findings import DISTRIBUTIONS_MAX
from reports.palette import LIGHT
from reports.wording import count_text, visible

#: Fewer values than this are read more easily as numbers than as a curve.
VALUES_MIN = 5
#: Values that reach over more than so many times their median are shown on a logarithmic axis.
SPREAD = 50
#: Whole numbers over no more than so many are counts of something: no ticks between them.
COUNTED = 20


def distribution_drawings(verdicts: Sequence[Verdict]) -> Iterator[Drawing]:
    """A drawing for each distribution with enough values, in the order of the checks."""
    found = [
        (verdict.checker, str(name), item)
        for verdict in verdicts
        for name, item in _items(verdict.details.get("distributions"))
    ]
    for checker, name, item in found[:DISTRIBUTIONS_MAX]:
        values = item.get("values")
        numbers = [
            float(value)
            for value in (values if isinstance(values, list | tuple) else ())
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if len(numbers) >= VALUES_MIN:
            unit = visible(str(item.get("unit", "")), 20)
            told = f" ({unit})" if unit and unit != name else ""
            yield Drawing(
                name=f"distribution-{_slug(checker)}-{_slug(name)}",
                label="share of values",
                inner=170,
                paint=_curve(np.sort(np.array(numbers))),
                notes=(count_text(len(numbers), "value"),),
                across=visible(name, 80) + told,
            )


def _items(found: Any) -> list[tuple[Any, Mapping[str, Any]]]:
    if not isinstance(found, Mapping):
        return []
    return [(name, item) for name, item in found.items() if isinstance(item, Mapping)]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "x"


def _curve(values: NDArray[np.float64]) -> Callable[[Any], None]:
    shares = np.arange(1, len(values) + 1) / len(values)
    middle = float(values[(len(values) - 1) // 2])
    logarithmic = bool(values[0] > 0 and values[-1] > SPREAD * middle)

    def paint(axes: Any) -> None:
        if logarithmic:
            axes.set_xscale("log")
        elif values[-1] - values[0] <= COUNTED and bool((values == np.rint(values)).all()):
            axes.set_xticks(range(int(values[0]), int(values[-1]) + 1))
        axes.step(
            np.concatenate([values[:1], values]),
            np.concatenate([[0.0], shares]),
            where="post",
            color=LIGHT["ok"],
            linewidth=1.6,
        )
        axes.set_ylim(0, 1.03)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 0.9, 1], ["0", "25%", "50%", "75%", "90%", "100%"])
        for share in (0.5, 0.9, 0.99):
            value = float(values[min(len(values) - 1, int(share * len(values)))])
            axes.plot([value], [share], "o", color=LIGHT["ink"], markersize=3)
            # a rising curve leaves room above on the left and below on the right
            left = value - values[0] < 0.25 * (values[-1] - values[0])
            axes.annotate(
                f"{share:.0%}: {value:,.4g}",
                (value, share),
                xytext=(5, -9) if left else (-5, 2),
                textcoords="offset points",
                horizontalalignment="left" if left else "right",
                fontsize=7,
                color=LIGHT["ink"],
            )

    return paint
