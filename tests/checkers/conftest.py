"""What several tests of checkers share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkers.convergence.notation import parse
from harness.verdict import Checker


@pytest.fixture
def verdict_is_as_told() -> Callable[[Callable[[], Checker], str, str, str], None]:
    """Demands that a checker finds an outcome in a history, with these words in its reason."""

    def check(make: Callable[[], Checker], text: str, outcome: str, reason: str) -> None:
        verdict = make().check(parse(text))
        assert (verdict.outcome, verdict.reason) == (outcome, verdict.reason)  # tells the reason
        assert reason in verdict.reason

    return check
