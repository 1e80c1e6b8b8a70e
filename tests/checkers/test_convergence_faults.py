"""Which fault a missing write is put down to."""

from __future__ import annotations

from typing import Any

import pytest

from checkers.convergence.faults import Faults
from harness.history import History, Recorder
from harness.units import SECOND_NS

RING = {"kind": "halves", "cut": [["n1", "n4"], ["n4", "n1"], ["n2", "n5"], ["n5", "n2"]]}
ALONE = {"kind": "isolate-one", "cut": [["n1", "n3"], ["n3", "n1"], ["n2", "n3"]], "alone": ["n3"]}


def history_of(*actions: tuple[int, str, Any]) -> History:
    """Each action is asked for and done at once; times are seconds."""
    recorder = Recorder()
    for time_s, f, value in actions:
        for said in (None, value):
            recorder.append(
                time_ns=time_s * SECOND_NS, process="nemesis", type="info", f=f, value=said
            )
    return recorder.history()


CASES: dict[str, tuple[list[tuple[int, str, Any]], int, Any, Any, str | None]] = {
    "the one that goes on": (
        [(2, "start-kill", {"crash": ["n3"]}), (5, "stop-kill", {"restart": ["n3"]})],
        3,
        3,
        1,
        "the kill of n3 (2.000 s to 5.000 s)",
    ),
    "the one that cut the two off, not the one that cut others": (
        [
            (2, "start-partition", RING),
            (3, "start-pause", {"pause": ["n2"]}),
            (6, "stop-pause", {"resume": ["n2"]}),
            (7, "stop-partition", None),
        ],
        4,
        4,
        1,
        "the partition between n1 and n4 (2.000 s to 7.000 s)",
    ),
    "a link that is whole is not to blame": (
        [
            (2, "start-pause", {"pause": ["n5"]}),
            (3, "start-partition", RING),
            (6, "stop-partition", None),
            (7, "stop-pause", None),
        ],
        4,
        5,
        1,
        "the pause of n5 (2.000 s to 7.000 s)",
    ),
    "who was cut off is named": (
        [(2, "start-partition", ALONE), (5, "stop-partition", None)],
        3,
        3,
        1,
        "the partition of n3 (2.000 s to 5.000 s)",
    ),
    "the death of whoever wrote it": (
        [
            (2, "start-kill", {"crash": ["n1"]}),
            (3, "start-pause", {"pause": ["n2"]}),
            (4, "stop-kill", None),
            (4, "stop-pause", None),
        ],
        3,
        5,
        1,
        "the kill of n1 (2.000 s to 4.000 s)",
    ),
    "one that began while it spread, as it concerns the node": (
        [
            (2, "start-pause", {"pause": ["n2"]}),
            (5, "start-kill", {"crash": ["n3"]}),
            (8, "stop-kill", None),
            (9, "stop-pause", None),
        ],
        4,
        3,
        1,
        "the kill of n3 (5.000 s to 8.000 s)",
    ),
    "the next, if there was none": (
        [(7, "start-kill", {"crash": ["n3"]}), (8, "stop-kill", None)],
        3,
        2,
        1,
        "the kill of n3 (7.000 s to 8.000 s)",
    ),
    "none, if all was over": (
        [(1, "start-kill", {"crash": ["n3"]}), (2, "stop-kill", None)],
        3,
        2,
        1,
        None,
    ),
    "one that never healed": (
        [(1, "start-clock", {"step_ms": {"n4": 5}})],
        3,
        4,
        None,
        "the clock of n4 (1.000 s never healed)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_blame(name: str) -> None:
    actions, moment_s, node, origin, words = CASES[name]
    fault = Faults.of(history_of(*actions)).blamed(moment_s * SECOND_NS, node, origin)
    assert (fault.words(node, origin) if fault is not None else None) == words


def test_the_last_stop_heals_even_if_nothing_had_begun() -> None:
    faults = Faults.of(history_of((3, "stop-kill", {"restart": []})))
    assert (faults.all, faults.healed_ns, faults.healed_row) == ([], 3 * SECOND_NS, 1)
