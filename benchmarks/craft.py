"""How fast the C library runs in the simulator: simulated seconds per CPU second.

Three nodes, with invariants, trace and digest on, for 45 simulated seconds of work and 10 of quiet.
The default profile is links that are cut, slow and lossy, nodes that crash, and one client that
wants sixteen operations a second. Most of what further clients cost is theirs, not the library's:
each waits, asks again and follows hints as a task of its own. Of each seed the fastest of several
rounds counts, since other work on the machine only ever adds.

    python benchmarks/craft.py [--seeds 6] [--rounds 8]
"""

from __future__ import annotations

import argparse
import gc
import time

from harness import Experiment, seconds
from harness.runner import run
from systems.craft import Craft

FAULTS = "partition,kill,delay"

#: What is run, by name: clients, operations a second, nemesis.
PROFILES = {
    "default profile": (1, 16, FAULTS),
    "the same, two clients": (2, 16, FAULTS),
    "the same, five clients": (5, 16, FAULTS),
    "no faults, one client, 1 a second": (1, 1, "none"),
    "no faults, one client, 5 a second": (1, 5, "none"),
    "no faults, five clients, 16 a second": (5, 16, "none"),
    "no faults, ten clients, 100 a second": (10, 100, "none"),
}


def measured(clients: int, rate_per_s: float, nemesis: str, seeds: int, rounds: int) -> float:
    """Simulated seconds per CPU second."""
    experiment = Experiment(
        system="craft", nodes=3, clients=clients, rate_per_s=rate_per_s, nemesis=nemesis,
        time_limit_ns=seconds(45), recovery_ns=seconds(10),
    )  # fmt: skip
    simulated_ns = cpu_ns = 0
    for seed in range(1, seeds + 1):
        fastest_ns = 0
        for _ in range(rounds):
            gc.collect()
            begin_ns = time.process_time_ns()
            done = run(experiment, seed)
            took_ns = time.process_time_ns() - begin_ns
            fastest_ns = min(fastest_ns or took_ns, took_ns)
        simulated_ns += done.duration_ns
        cpu_ns += fastest_ns
    return simulated_ns / cpu_ns


def main() -> None:
    """The benchmark's command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    if (missing := Craft.unavailable()) is not None:
        raise SystemExit(missing)
    run(Experiment(system="craft", nodes=3, time_limit_ns=seconds(5)), 1)  # compiles, imports
    for name, profile in PROFILES.items():
        print(f"{name:40} {measured(*profile, options.seeds, options.rounds):6.0f} x real time")


if __name__ == "__main__":
    main()
