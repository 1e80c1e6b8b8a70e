"""What `make demo` shows: sound Raft under partitions passes, a planted flaw is caught."""

from __future__ import annotations

import sys
from pathlib import Path

from harness import Experiment, Result, carry_out

STORE = Path("store")
FAULTS = Experiment(system="raft", nemesis="partition,kill")
FLAWED = Experiment(system="raft", nemesis="partition", flaw="stale-read")
SEEDS = range(1, 51)


def show(what: str, result: Result) -> None:
    """The verdict of a run, and where to look at it."""
    run = result.run
    assert result.folder is not None
    print(f"\n{what}")
    print(
        f"  {len(run.plan.operations):,} operations, {run.plan.fault_changes} fault changes, "
        f"{run.delivered:,} messages in {run.duration_ns / 1e9:.0f} simulated seconds"
    )
    print(f"  {result.verdict.outcome.upper()}: {result.verdict.reason}")
    print(f"  report  {result.folder.report}")
    print(f"  replay  .venv/bin/{result.replay_command}")


def main() -> int:
    """Run both experiments; 0 if the sound one passes and the flaw is found."""
    sound = carry_out(FAULTS, seed=1, store=STORE)
    show("Raft on five nodes, partitions and crashes:", sound)
    for seed in SEEDS:
        flawed = carry_out(FLAWED, seed, store=STORE, report_passes=False)
        if not flawed.verdict.passed:
            show(f"The same with the planted flaw stale-read, found by seed {seed}:", flawed)
            return 0 if sound.verdict.passed else 1
    print(f"\nThe planted flaw was not found in {len(SEEDS)} seeds.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
