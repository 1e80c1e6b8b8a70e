"""How fast gossip spreads, and how fast it is simulated.

    python benchmarks/gossip.py              both figures, and the plot docs/gossip-spread.png
    python benchmarks/gossip.py --nodes 64   spread up to that many nodes, no plot
    python benchmarks/gossip.py --profile    where the time of the big cluster goes

The first figure: 100 nodes gossip for 60 simulated seconds, with the default timings and with the
published ones (a round a second). The second: some node says something new of itself, and a clock
runs until every node knows. Each round a node tells a few others, who tell a few others, so that
the time should grow like the logarithm of the number of nodes.
"""

from __future__ import annotations

import argparse
import cProfile
import math
import pstats
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np

from harness.simulation.driver import simulate
from harness.simulation.world import SimulatedWorld
from harness.units import MILLISECOND_NS, SECOND_NS
from systems.crdt import Objects
from systems.gossip import PUBLISHED, Gossip, GossipOptions
from systems.gossip.node import GossipNode

SIZES = (8, 16, 32, 64, 128, 256)
NEWS = 5  # so many times in each cluster
PLOT = Path(__file__).parents[1] / "docs" / "gossip-spread.png"


def make_world(nodes: int, options: GossipOptions, *, seed: int = 1) -> SimulatedWorld:
    """A cluster that does nothing but gossip and look for something to repair."""
    system = Gossip(options=options)
    return SimulatedWorld(
        seed=seed,
        nodes=nodes,
        clients=1,
        trace_capacity=1000,
        factory=lambda context: system.node(context, Objects()),
    )


def replicas(world: SimulatedWorld) -> list[GossipNode]:
    """The node objects."""
    found = [world.node_object(node) for node in world.nodes]
    return [node for node in found if isinstance(node, GossipNode)]


def acquainted(world: SimulatedWorld) -> bool:
    """Whether everybody sees everybody live."""
    return all(len(node.gossiper.live) == len(world.nodes) - 1 for node in replicas(world))


def simulate_seconds(
    nodes: int, duration_s: int, options: GossipOptions
) -> tuple[float, int, bool]:
    """CPU seconds that it took, messages delivered, and whether all saw all at the end."""
    world = make_world(nodes, options)

    async def main() -> None:
        await world.tasks.sleep_ns(duration_s * SECOND_NS)

    begin_s = time.process_time()
    simulate(world, main)
    return time.process_time() - begin_s, world.delivered, acquainted(world)


def spread_times_s(nodes: int, options: GossipOptions) -> list[float]:
    """How long it took each of `NEWS` facts, told by a node each, to reach all nodes."""
    world = make_world(nodes, options)
    times_s: list[float] = []

    async def main() -> None:
        while not acquainted(world):
            await world.tasks.sleep_ns(100 * MILLISECOND_NS)
        draws = world.stream("benchmark")
        for number in range(NEWS):
            await world.tasks.sleep_ns(draws.randrange(options.gossip_ns))
            teller = draws.choice(world.nodes)
            replicas(world)[teller - 1].gossiper.membership.set("news", number)
            begin_ns = world.now_ns
            while any(
                node.gossiper.membership.fact(teller, "news") != number for node in replicas(world)
            ):
                await world.tasks.sleep_ns(5 * MILLISECOND_NS)
            times_s.append((world.now_ns - begin_ns) / SECOND_NS)

    simulate(world, main)
    return times_s


def draw_plot(path: Path, sizes: list[int], times_s: list[list[float]], line: list[float]) -> None:
    """Every time as a dot, their means, and the fitted line."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=120)
    for size, found in zip(sizes, times_s, strict=True):
        axes.plot([size] * len(found), found, "o", color="#9bb8d3", markersize=4)
    means = [fmean(found) for found in times_s]
    axes.plot(sizes, means, "o-", color="#1f5f99", label="mean of the clusters")
    axes.plot(sizes, line, "--", color="#b0413e", label="a + b · log₂ n, fitted")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("nodes")
    axes.set_ylabel("simulated seconds until all know")
    axes.set_title("How long news takes to reach every node by gossip", loc="left", fontsize=11)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    arguments.add_argument("--nodes", type=int, default=SIZES[-1], help="of the largest cluster")
    arguments.add_argument("--profile", action="store_true")
    given = arguments.parse_args()
    options = GossipOptions()
    if given.profile:
        profile = cProfile.Profile()
        profile.runcall(simulate_seconds, 100, 5, options)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    for name, timings in (("default timings", options), ("published timings", PUBLISHED)):
        cpu_s, delivered, complete = simulate_seconds(100, 60, timings)
        print(
            f"100 nodes, 60 simulated seconds, {name} (a round every "
            f"{timings.gossip_ns / SECOND_NS:g} s): {cpu_s:.1f} CPU seconds, "
            f"{delivered:,} messages, {'all see all' if complete else 'not all see all'}"
        )
    sizes = [size for size in SIZES if size <= given.nodes]
    # repair has nothing to do here, and who only gossips can be simulated in greater numbers
    quiet = replace(options, repair_ns=3600 * SECOND_NS, purge_ns=3600 * SECOND_NS)
    times_s = []
    for size in sizes:
        times_s.append(spread_times_s(size, quiet))
        rounds = fmean(times_s[-1]) * SECOND_NS / options.gossip_ns
        print(
            f"{size:4} nodes: news reaches all in {fmean(times_s[-1]):.2f} s on average, "
            f"{max(times_s[-1]):.2f} s at most ({rounds:.1f} rounds)",
            flush=True,
        )
    logs = [math.log2(size) for size in sizes]
    slope, start = np.polyfit(logs, [fmean(found) for found in times_s], 1)
    line = [float(start + slope * log) for log in logs]
    print(f"fitted: {start:.2f} s + {slope:.3f} s for each doubling of the cluster")
    if given.nodes == SIZES[-1]:
        draw_plot(PLOT, sizes, times_s, line)
        print(f"plot  {PLOT.relative_to(Path.cwd()) if PLOT.is_relative_to(Path.cwd()) else PLOT}")


if __name__ == "__main__":
    main()
