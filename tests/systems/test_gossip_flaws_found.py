"""Flaws that a client can see are found by the checkers of a workload, in random runs without
invariants; the same runs of the sound system pass. docs/systems/gossip.md has the table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import Experiment, carry_out, seconds
from systems.gossip import Gossip

PAGE = Path(__file__).parents[2] / "docs" / "systems" / "gossip.md"
FAULTS = "partition,kill,pause,delay,clock"
OFTEN = {"nemesis": "kill,clock", "interval_ns": seconds(1)}
LONG = {
    "nemesis": "kill", "time_limit_ns": seconds(120), "interval_ns": seconds(15), "rate_per_s": 10.0
}  # fmt: skip
RARE = {"nemesis": "partition,pause", "time_limit_ns": seconds(40), "interval_ns": seconds(8)}

#: flaw: (workload, its options, what else is special, seed, checkers that fail)
FOUND: dict[str, tuple[str, dict[str, Any], dict[str, Any], int, set[str]]] = {
    "older-overwrites": ("kv-levels", {}, {}, 1, {"levels", "lww"}),
    "overtaken-delete-buries": ("kv-levels", {}, {}, 1, {"levels", "lww"}),
    "silent-drop": ("lww-register", {"level": "None", "keys": 3}, OFTEN, 2, {"lww"}),
    "repair-below-max": ("kv-levels", {}, {}, 4, {"repair-quiet"}),
    "left-never-leave": ("crdt-set", {}, {}, 1, {"convergence", "set-full"}),
    "draw-by-arrival": ("lww-register", {}, {}, 4, {"levels", "lww", "no-resurrection"}),
    "early-purge": (
        "lww-register",
        {"keys": 20, "delete_ratio": 0.4, "read_ratio": 0.2},
        RARE,
        3,
        {"convergence", "levels", "lww", "no-resurrection"},
    ),
    "absent-means-deleted": (
        "lww-register", {"keys": 100}, {}, 1, {"convergence", "levels", "lww"}
    ),
    "counts-itself-twice": ("kv-levels", {}, {}, 1, {"levels"}),
    "quorum-of-the-living": ("kv-levels", {}, {}, 1, {"levels"}),
    "digest-without-generation": ("membership", {}, LONG, 5, {"membership"}),
    "generation-reused": ("membership", {}, LONG, 5, {"membership"}),
    "never-forgives": ("membership", {}, {}, 1, {"membership"}),
    "removal-claims-all": ("crdt-set", {}, {}, 1, {"convergence", "set-full"}),
    "doubled-update-counts": (
        "crdt-counter",
        {},
        {"nemesis": "none", "duplicate_ratio": 0.05, "loss_ratio": 0.0},
        1,
        {"convergence", "counter"},
    ),
}  # fmt: skip


def experiment(flaw: str) -> Experiment:
    """As in the campaign, but for what is special; `stats` may fail in any storm."""
    workload, options, special, _, _ = FOUND[flaw]
    usual = Experiment(
        system="gossip",
        workload=workload,
        nemesis=FAULTS,
        options=options,
        time_limit_ns=seconds(20),
        interval_ns=seconds(2),
        rate_per_s=60,
        loss_ratio=0.01,
        duplicate_ratio=0.01,
        buggify=True,
        invariants=False,
    )
    return msgspec.structs.replace(usual, **special)


def failing(run: Experiment, seed: int) -> set[str]:
    verdicts = carry_out(run, seed).verdicts
    return {one.checker for one in verdicts if one.outcome == "fail"} - {"stats"}


@pytest.mark.slow
@pytest.mark.parametrize("flaw", FOUND)
def test_the_checkers_find_it_and_accuse_nobody_else(flaw: str) -> None:
    *_, seed, checkers = FOUND[flaw]
    sound = experiment(flaw)
    assert failing(msgspec.structs.replace(sound, flaw=flaw), seed) == checkers
    assert failing(sound, seed) == set()


def test_the_table_of_the_page_says_the_same() -> None:
    rows = re.findall(
        r"^\| ([a-z-]+) \| .* \| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {name: found for name, found in rows if name in Gossip.flaws}
    assert told.keys() == Gossip.flaws.keys()
    for flaw, found in told.items():
        if flaw in FOUND:
            workload, _, _, seed, checkers = FOUND[flaw]
            assert set(re.findall(r"[a-z][a-z-]+", found)) == {workload, *checkers}
            assert f"{workload} {seed}" in found
        else:
            assert found in ("–", "a node crashes")
