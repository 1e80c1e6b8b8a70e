"""What consistency costs, as a table: systems that promise different things beside each other.

>>> from harness.grid import Comparison
>>> price_table(Comparison(systems=[], scenarios=[], seeds=[], cells=[])).row_count
0
"""

from __future__ import annotations

from rich.table import Table

from harness.grid import Comparison

_COLUMNS = (
    "promises",
    "latency",
    "p99",
    "messages",
    "answered",
    "worst",
    "stale",
    "p99 age",
    "oldest",
)


def price_table(comparison: Comparison) -> Table:
    """A line for each system, over all scenarios and seeds."""
    table = Table(title="what it costs", title_justify="left")
    table.add_column("system", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column == "promises" else "right")
    for system in comparison.systems:
        price = comparison.price(system)
        table.add_row(
            system,
            price.promise,
            _milliseconds(price.latency_median_ns),
            _milliseconds(price.latency_p99_ns),
            f"{price.messages_per_operation:.1f}",
            f"{price.answered_ratio:.0%}",
            f"{price.answered_least_ratio:.0%}",
            f"{price.stale_ratio:.1%}",
            _milliseconds(price.age_p99_ns),
            _milliseconds(price.age_max_ns),
        )
    return table


def _milliseconds(duration_ns: float) -> str:
    return f"{duration_ns / 1e6:.1f} ms" if duration_ns < 1e9 else f"{duration_ns / 1e9:.1f} s"
