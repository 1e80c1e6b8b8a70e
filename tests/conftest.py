"""What all tests share: property tests draw the same examples in every run, however slow it is.

`pytest --hypothesis-profile explore` draws new ones.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from harness import catalog
from harness.system import System, Unavailable

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile("repeatable")


@pytest.fixture
def obtained() -> Callable[[str], type[System]]:
    """The class of the system of that name; the test is skipped where it cannot be had."""

    def get(name: str) -> type[System]:
        system: type[System] = catalog.load("system", name)
        reason = system.unavailable()
        if reason is not None:
            pytest.skip(reason)
        try:
            system()
        except Unavailable as error:
            pytest.skip(str(error))
        return system

    return get
