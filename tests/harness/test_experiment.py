"""What an experiment refuses: fields of another type, and durations in seconds instead of ns."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from systems.raft import Raft


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"nodes": "3"}, "nodes is '3'; a whole number is needed"),
        ({"nodes": True}, "nodes is True; a whole number is needed"),
        ({"time_limit_ns": 3.0}, "a whole number of nanoseconds, such as seconds(30), is needed"),
        ({"time_limit_ns": 30}, "less than a millisecond. It counts nanoseconds: 30 seconds"),
        ({"interval_ns": 2}, "seconds(2)"),
        ({"recovery_ns": 5}, "seconds(5)"),
        ({"rate_per_s": "3"}, "rate_per_s is '3'; a number is needed"),
        ({"system": Raft}, "the name of it, 'raft', is needed"),
        ({"system": Raft()}, "a name is needed"),
        ({"nemesis": ["kill", "pause"]}, "a text with commas, 'kill,pause', is needed"),
        ({"flaw": 3}, "flaw is 3; a name or None is needed"),
        ({"checkers": "stats"}, "checkers is 'stats'; several names, such as"),
        ({"options": [1]}, "a dict of names and values is needed"),
        ({"wire": "yes"}, "wire is 'yes'; True or False is needed"),
        ({"drift_ppm": 1_000_000}, "at most 500,000"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Experiment(**fields)
    assert text in str(caught.value)


def test_what_is_as_good_is_taken() -> None:
    assert Experiment(rate_per_s=3, loss_ratio=0, recovery_ns=0).rate_per_s == 3
    assert Experiment(time_limit_ns=seconds(0.001)).time_limit_ns == 1_000_000
