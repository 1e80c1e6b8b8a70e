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
from collections.abc import Iterable

from harness.node import Nanoseconds, NodeId
from systems.gossip.options import GossipOptions


class _Window:
    """The heartbeats of one node."""

    __slots__ = ("intervals", "last_ns", "total_ns")

    def __init__(self, now_ns: Nanoseconds, capacity: int) -> None:
        self.intervals: deque[int] = deque(maxlen=capacity)
        self.total_ns = 0
        self.last_ns = now_ns


class FailureDetector:
    """Counts heartbeats; times are the observer's own monotonic time."""

    def __init__(self, options: GossipOptions) -> None:
        self._windows: dict[NodeId, _Window] = {}
        # at hand, since every node asks about every other in every round
        self._threshold = options.phi_threshold
        self._longest_ns = options.phi_longest_ns
        self._capacity = options.phi_window
        self._weight = options.phi_prior_weight
        self._prior_ns = options.phi_prior_weight * options.phi_prior_ns

    def heartbeat(self, node: NodeId, now_ns: Nanoseconds) -> None:
        """`node` was alive a moment ago."""
        window = self._windows.get(node)
        if window is None:
            self._windows[node] = _Window(now_ns, self._capacity)
            return
        interval_ns = now_ns - window.last_ns
        window.last_ns = now_ns
        if interval_ns <= self._longest_ns:
            intervals = window.intervals
            if len(intervals) == self._capacity:
                window.total_ns -= intervals[0]
            intervals.append(interval_ns)
            window.total_ns += interval_ns

    def phi(self, node: NodeId, now_ns: Nanoseconds) -> float | None:
        """How much there is to be said for its death; None before its second heartbeat."""
        window = self._windows.get(node)
        if window is None or not window.intervals:
            return None
        count = len(window.intervals) + self._weight
        return (now_ns - window.last_ns) * count / (window.total_ns + self._prior_ns)

    def is_alive(self, node: NodeId, now_ns: Nanoseconds) -> bool:
        """Whether to believe that `node` lives; one that is found dead has to begin anew."""
        return bool(self.living([node], now_ns))

    def living(self, nodes: Iterable[NodeId], now_ns: Nanoseconds) -> list[NodeId]:
        """Those of `nodes` that are alive, in their order; as `is_alive` has it, of all at once."""
        windows, weight, threshold = self._windows, self._weight, self._threshold
        prior_ns = self._prior_ns
        alive = []
        for node in nodes:
            window = windows.get(node)
            if window is None or not window.intervals:
                continue
            silence_ns = now_ns - window.last_ns
            count = len(window.intervals) + weight
            if silence_ns * count / (window.total_ns + prior_ns) > threshold:
                self.died(node)
            else:
                alive.append(node)
        return alive

    def died(self, node: NodeId) -> None:
        """`node` was found dead: learn its heartbeats anew."""
        self._windows.pop(node, None)

    def forget(self, node: NodeId) -> None:
        """`node` is another one now, or gone for good."""
        self._windows.pop(node, None)
