"""What all tests share: property tests draw the same examples in every run, however slow it is.

`pytest --hypothesis-profile explore` draws new ones.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile("repeatable")
