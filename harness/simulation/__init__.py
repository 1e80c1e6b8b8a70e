"""The simulated world: virtual time, one event heap, and everything that can break.

clients and nemeses (trio tasks)          driver.py   wakes one task at a time
          │        ▲
          ▼        │
        World: one heap of events         world.py    (time, order, kind, ...)
          │   │   │   │
     network disk clock trace             one room each
          │
        nodes, called directly            guard.py    catches wall clock and entropy
                                          watchdog.py ends loops that have no end
                                          failure.py  a node's mistake is a verdict
"""

from harness.simulation.driver import Deadlock, simulate
from harness.simulation.network import LinkModel
from harness.simulation.world import SimulatedWorld

__all__ = ["Deadlock", "LinkModel", "SimulatedWorld", "simulate"]
