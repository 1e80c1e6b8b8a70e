"""Histories in one line."""

from __future__ import annotations

import pytest

from checkers.notation import parse, unparse
from harness.errors import PairingError, UsageError


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0w1.",
        "0w1 1r=2 0.",
        "0w1? 1c1,2! 2cnil,3. 3r",
        "0w-4@x. 10r@x=-4",
        "0pab. 1acd 2g=abcd 2g= 1.",
        "0t. 0l? 1t!",
        "0r=nil 1wword. 1r=word",
        "0r 1r 0=1 1=2",
    ],
)
def test_round_trip(text: str) -> None:
    assert unparse(parse(text)) == text
    assert parse(unparse(parse(text))) == parse(text)


@pytest.mark.parametrize("token", ["w1", "0z", "0w1..", "x", "0w1=="])
def test_nonsense_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="is none of the notation"):
        parse(token)


def test_contradictions_are_left_to_the_history() -> None:
    with pytest.raises(PairingError):
        _ = parse("0w1 0w2").partner


def test_other_functions_have_no_letter() -> None:
    history = parse("0w1.")
    renamed = type(history)(
        **{name: getattr(history, name) for name in ("index", "time_ns", "process", "type", "f")},
        **{name: getattr(history, name) for name in ("key", "value", "process_names")},
        **{name: getattr(history, name) for name in ("keys", "values", "errors")},
        functions=("enqueue",),
    )
    with pytest.raises(UsageError, match="no letter for 'enqueue'"):
        unparse(renamed)
