"""A counter on several computers: type a number at any of them, and it adds it up.

python examples/counter.py 1 localhost:7001 localhost:7002 localhost:7003
python examples/counter.py 2 localhost:7001 localhost:7002 localhost:7003
python examples/counter.py 3 localhost:7001 localhost:7002 localhost:7003
"""

import sys

import trio

from systems.replicated import Raft


class Counter:
    total = 0

    def apply(self, number):
        self.total += number
        return self.total

    def snapshot(self):
        return b"%d" % self.total

    def restore(self, snapshot):
        self.total = int(snapshot)


async def main(node, *addresses):
    cluster = dict(enumerate(addresses, 1))
    async with Raft(Counter(), node=int(node), cluster=cluster, folder=f"counter-{node}") as raft:
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            print(await raft.apply(int(line)), flush=True)


if len(sys.argv) < 3:
    sys.exit("counter.py NODE ADDRESS ADDRESS ...")
trio.run(main, *sys.argv[1:])
