"""How fast the simulator is: delivered messages per CPU second, beside plain trio tasks.

Five Raft nodes and ten clients that write and read as fast as they are answered, with trace and
digest on. Beside it, in the same run, the same pattern of messages the way one would first write
it: a trio task for every message under trio's MockClock, which sleeps for the latency and calls
the receiver. Its nodes do almost nothing, so the comparison flatters trio.

    python benchmarks/simulation.py [--operations 2000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from random import Random

import trio
import trio.testing

from harness.simulation import SimulatedWorld, simulate
from systems.machines import KeyValue
from systems.raft import Raft

NODES = 5
CLIENTS = 10


def simulated(operations: int, seed: int) -> tuple[int, int, str]:
    """Messages delivered, operations done and the digest of one run of our simulator."""
    raft = Raft()
    world = SimulatedWorld(
        seed=seed,
        nodes=NODES,
        clients=CLIENTS,
        factory=lambda context: raft.node(context, KeyValue()),
    )

    async def client(number: int) -> None:
        home = number % NODES + 1
        port = world.port(number)
        connection = raft.connect(port, process=number, nodes=world.nodes, home=home)
        for count in range(operations // CLIENTS):
            if count % 2:
                await connection.execute(("write", f"k{number % 5}", count))
            else:
                await connection.execute(("read", f"k{number % 5}"), read_only=True)

    async def main() -> None:
        for number in range(CLIENTS):
            world.tasks.spawn(client, number)

    simulate(world, main)
    return world.delivered, operations, world.digest


class Leader:
    """The leader's part of one operation: append to all, answer when two have answered."""

    def __init__(self, send: Callable[[Callable[[], object]], None], done: trio.Event) -> None:
        self.send = send
        self.done = done
        self.acknowledged = 0

    def receive(self) -> None:
        for _ in range(NODES - 1):
            self.send(self.append)

    def append(self) -> None:
        self.send(self.appended)

    def appended(self) -> None:
        self.acknowledged += 1
        if self.acknowledged == NODES // 2:
            self.send(self.done.set)


def tasks(operations: int, seed: int) -> tuple[int, int, str]:
    """The same pattern as trio tasks: request, append to four, four answers, reply."""
    delivered = 0
    random = Random(seed)

    async def main() -> None:
        nonlocal delivered
        async with trio.open_nursery() as nursery:

            async def message(receive: Callable[[], object]) -> None:
                nonlocal delivered
                await trio.sleep(0.0003 + random.expovariate(1 / 0.0007))
                delivered += 1
                receive()

            def send(receive: Callable[[], object]) -> None:
                nursery.start_soon(message, receive)

            async def client() -> None:
                for _ in range(operations // CLIENTS):
                    done = trio.Event()
                    send(Leader(send, done).receive)
                    await done.wait()

            async with trio.open_nursery() as clients:
                for _ in range(CLIENTS):
                    clients.start_soon(client)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return delivered, operations, ""


def measure(
    what: Callable[[int, int], tuple[int, int, str]], operations: int, rounds: int
) -> tuple[float, float]:
    """The best of `rounds`: messages and operations per CPU second."""
    best_messages = best_operations = 0.0
    for _ in range(rounds):
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        begun_s = time.process_time()
        messages, done, _ = what(operations, 1)
        took_s = time.process_time() - begun_s
        gc.set_threshold(700, 10, 10)
        gc.unfreeze()
        best_messages = max(best_messages, messages / took_s)
        best_operations = max(best_operations, done / took_s)
    return best_messages, best_operations


def main() -> None:
    """Print both figures and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    ours = measure(simulated, arguments.operations, arguments.rounds)
    plain = measure(tasks, arguments.operations // 5, arguments.rounds)
    print(f"{'':34}{'messages/CPU s':>16}{'operations/CPU s':>18}")
    print(f"{'simulator, 5-node Raft, 10 clients':34}{ours[0]:>16,.0f}{ours[1]:>18,.0f}")
    print(f"{'trio tasks under MockClock':34}{plain[0]:>16,.0f}{plain[1]:>18,.0f}")
    print(f"{'ratio':34}{ours[0] / plain[0]:>15.1f}x{ours[1] / plain[1]:>17.1f}x")


if __name__ == "__main__":
    main()
