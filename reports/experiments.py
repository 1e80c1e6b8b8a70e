"""The fields of experiments in words, and in which of them several experiments differ.

>>> one, other = Experiment(nemesis="kill"), Experiment(nodes=3)
>>> differing([one, other])
{'nemesis': ('kill', 'none'), 'nodes': ('5', '3')}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.experiment import Experiment
from harness.units import SECOND_NS
from reports.wording import visible


def experiment_facts(experiment: Experiment) -> list[tuple[str, str]]:
    """Every field of an experiment by a readable name, durations in seconds."""
    names = Experiment.__struct_fields__
    return [(_name(name), _text(name, getattr(experiment, name))) for name in names]


def differing(experiments: Sequence[Experiment]) -> dict[str, tuple[str, ...]]:
    """The fields in which they are not all the same, with the value of each."""
    columns = zip(*map(experiment_facts, experiments), strict=True)
    facts = {column[0][0]: tuple(text for _, text in column) for column in columns}
    return {name: texts for name, texts in facts.items() if len(set(texts)) > 1}


def _name(field: str) -> str:
    return field.removesuffix("_ns").replace("_", " ")


def _text(name: str, value: Any) -> str:
    if name.endswith("_ns"):
        text = f"{value / SECOND_NS:g} s"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, tuple):
        text = ", ".join(value) or "the workload's own"
    elif isinstance(value, dict):
        text = ", ".join(f"{key}={item}" for key, item in sorted(value.items())) or "none"
    else:
        text = "none" if value is None else str(value)
    return visible(text, 400)
