"""Who is alive: a phi-accrual failure detector with a linear phi.

    phi = time since the last heartbeat / mean interval between heartbeats
    mean = (sum of the intervals + prior weight × prior) / (their number + prior weight)

A node is alive while phi stays at or below the threshold. The detector suspects more and more
instead of deciding at once, and learns what is usual: a node that sends every second is suspected
after eight, one that sends every minute after eight minutes. A death empties the window, so that
what follows is learnt anew.

Source: chitchat's detector; after Hayashibara et al., "The φ accrual failure detector", 2004, which
estimates a probability where this one divides.

>>> from systems.gossip.options import GossipOptions
>>> detector = FailureDetector(GossipOptions(phi_prior_ns=1000, phi_threshold=8.0))
>>> detector.heartbeat(7, 0); detector.is_alive(7, 0)
False
>>> detector.heartbeat(7, 1000); detector.is_alive(7, 1000), detector.phi(7, 5000)
(True, 4.0)
>>> detector.is_alive(7, 9000), detector.is_alive(7, 9001)
(True, False)
"""

from __future__ import annotations

from collections import deque

from harness.node import Nanoseconds, NodeId
from systems.gossip.options import GossipOptions


class _Window:
    """The heartbeats of one node."""

    __slots__ = ("intervals", "last_ns", "total_ns")

    def __init__(self, now_ns: Nanoseconds, capacity: int) -> None:
        self.intervals: deque[int] = deque(maxlen=capacity)
        self.total_ns = 0
        self.last_ns = now_ns

    def add(self, interval_ns: int) -> None:
        if len(self.intervals) == self.intervals.maxlen:
            self.total_ns -= self.intervals[0]
        self.intervals.append(interval_ns)
        self.total_ns += interval_ns


class FailureDetector:
    """Counts heartbeats; times are the observer's own monotonic time."""

    def __init__(self, options: GossipOptions) -> None:
        self._options = options
        self._windows: dict[NodeId, _Window] = {}

    def heartbeat(self, node: NodeId, now_ns: Nanoseconds) -> None:
        """`node` was alive a moment ago."""
        window = self._windows.get(node)
        if window is None:
            self._windows[node] = _Window(now_ns, self._options.phi_window)
            return
        interval_ns = now_ns - window.last_ns
        window.last_ns = now_ns
        if interval_ns <= self._options.phi_longest_ns:
            window.add(interval_ns)

    def phi(self, node: NodeId, now_ns: Nanoseconds) -> float | None:
        """How much there is to be said for its death; None before its second heartbeat."""
        window = self._windows.get(node)
        if window is None or not window.intervals:
            return None
        options = self._options
        prior_ns = options.phi_prior_weight * options.phi_prior_ns
        count = len(window.intervals) + options.phi_prior_weight
        return (now_ns - window.last_ns) * count / (window.total_ns + prior_ns)

    def is_alive(self, node: NodeId, now_ns: Nanoseconds) -> bool:
        """Whether to believe that `node` lives; one that is found dead has to begin anew."""
        phi = self.phi(node, now_ns)
        if phi is None:
            return False
        if phi > self._options.phi_threshold:
            self.died(node)
            return False
        return True

    def died(self, node: NodeId) -> None:
        """`node` was found dead: learn its heartbeats anew."""
        self._windows.pop(node, None)

    def forget(self, node: NodeId) -> None:
        """`node` is another one now, or gone for good."""
        self._windows.pop(node, None)
