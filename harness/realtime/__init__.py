"""Nodes outside the simulation: real clocks, real disks, real sockets, on trio.

    Host ──────── calls one node, one event at a time, exactly as the simulated world does
     ├─ Clock      time.monotonic_ns                        clock.py
     ├─ Timers     named, one pending instance each         timers.py
     ├─ FileDisk   one journal file, fsync in a thread      disk.py
     └─ links      TCP, framed messages of the system       links.py
    TcpPort ────── a client's way to the nodes              port.py

The same node class runs here and in simulation: what was tested is what is deployed.
"""

from harness.realtime.disk import FileDisk
from harness.realtime.host import Host
from harness.realtime.links import Address
from harness.realtime.port import TcpPort

__all__ = ["Address", "FileDisk", "Host", "TcpPort"]
