"""Directed links between endpoints: latency, loss, duplication, cuts and clogs.

    source ──▶ cut? lost? ──▶ latency (+ clog) ──▶ cut? ──▶ destination
               checked at send                      checked again at delivery

Fault model: a link may drop, duplicate, delay and (by unequal delays) reorder messages; it never
alters or invents one. A cut is one-way and stacks: a link works again when each of its cuts has
been mended. Whether a message is cut is decided by the endpoint that emits it, never by a field
of the message. All draws are keyed by (seed, link, send time), see `harness.randomness`.

>>> model = LinkModel(minimum_ns=300_000, mean_extra_ns=700_000)
>>> table = latency_table(model)
>>> len(table), min(table) >= 300_000, max(table) <= model.slow_maximum_ns
(4096, True, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log

from harness.errors import UsageError
from harness.units import MILLISECOND_NS

TABLE_SIZE = 4096


@dataclass(frozen=True, kw_only=True)
class LinkModel:
    """How a link behaves while nothing is wrong with it; the defaults are a local network.

    Most messages take `minimum_ns` plus an exponential extra of mean `mean_extra_ns`; the share
    `slow_ratio` of them takes a uniform time between `slow_minimum_ns` and `slow_maximum_ns`
    instead. `loss_ratio` and `duplicate_ratio` are probabilities per message.
    """

    minimum_ns: int = 300_000
    mean_extra_ns: int = 700_000
    slow_ratio: float = 0.01
    slow_minimum_ns: int = 5 * MILLISECOND_NS
    slow_maximum_ns: int = 100 * MILLISECOND_NS
    loss_ratio: float = 0.0
    duplicate_ratio: float = 0.0

    def __post_init__(self) -> None:
        for name in ("slow_ratio", "loss_ratio", "duplicate_ratio"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(
                    f"LinkModel.{name} is {getattr(self, name)!r}; a ratio lies between 0 and 1."
                )
        for name in ("minimum_ns", "mean_extra_ns", "slow_minimum_ns"):
            if getattr(self, name) < 0:
                raise UsageError(
                    f"LinkModel.{name} is {getattr(self, name)!r}; a duration is not negative."
                )
        if self.slow_maximum_ns < self.slow_minimum_ns:
            raise UsageError("LinkModel.slow_maximum_ns lies below slow_minimum_ns.")


@lru_cache(maxsize=64)
def latency_table(model: LinkModel) -> tuple[int, ...]:
    """4,096 equally likely latencies in nanoseconds: the inverse distribution function.

    A draw is then one list look-up by twelve random bits.
    """
    slow = round(model.slow_ratio * TABLE_SIZE)
    usual = TABLE_SIZE - slow
    table = [
        model.minimum_ns + int(-log(1.0 - (i + 0.5) / usual) * model.mean_extra_ns)
        for i in range(usual)
    ]
    spread = model.slow_maximum_ns - model.slow_minimum_ns
    table += [model.slow_minimum_ns + int((i + 0.5) / slow * spread) for i in range(slow)]
    return tuple(table)


class Network:
    """The state of every directed link among `endpoints`, kept in flat lists.

    Link (source, destination) has the number `source * stride + destination`. The world reads
    these lists directly on its hottest path.
    """

    def __init__(self, endpoints: int, model: LinkModel) -> None:
        self.stride = endpoints + 1
        size = self.stride * self.stride
        #: By source and destination, the number of each link; nobody else is an endpoint.
        self.links = [
            {
                destination: source * self.stride + destination
                for destination in range(1, self.stride)
            }
            for source in range(self.stride)
        ]
        self.model = model
        self.cuts = [0] * size
        self.tables: list[tuple[int, ...]] = [latency_table(model)] * size
        self.extra_ns = [0] * size
        self.loss = [int(model.loss_ratio * (1 << 24))] * size
        self.duplicate = [int(model.duplicate_ratio * (1 << 24))] * size
        self.held_until_ns = [0] * size

    def link(self, source: int, destination: int) -> int:
        """The number of the link from `source` to `destination`. Raises UsageError if one of them
        is nobody."""
        for endpoint in (source, destination):
            if not 0 < endpoint < self.stride:
                raise UsageError(
                    f"There is no endpoint {endpoint}; endpoints are 1 to {self.stride - 1}."
                )
        return source * self.stride + destination

    def cut(self, source: int, destination: int) -> None:
        """Stop everything from `source` to `destination`; one more cut if there is one."""
        self.cuts[self.link(source, destination)] += 1

    def mend(self, source: int, destination: int) -> None:
        """Take one cut of the link away; nothing happens if there is none."""
        link = self.link(source, destination)
        self.cuts[link] = max(0, self.cuts[link] - 1)

    def slow(
        self, source: int, destination: int, *, extra_ns: int = 0, loss_ratio: float = 0.0
    ) -> None:
        """Add `extra_ns` to each latency of the link and lose the share `loss_ratio`."""
        link = self.link(source, destination)
        self.extra_ns[link] = extra_ns
        self.loss[link] = int(max(loss_ratio, self.model.loss_ratio) * (1 << 24))

    def fast(self, source: int, destination: int) -> None:
        """Undo `slow`."""
        self.slow(source, destination)

    def shape(self, source: int, destination: int, model: LinkModel) -> None:
        """Give the link a model of its own, for good."""
        link = self.link(source, destination)
        self.tables[link] = latency_table(model)
        self.loss[link] = int(model.loss_ratio * (1 << 24))
        self.duplicate[link] = int(model.duplicate_ratio * (1 << 24))

    def clog(self, source: int, destination: int, until_ns: int) -> None:
        """Hold (do not lose) everything sent on the link until the given time."""
        link = self.link(source, destination)
        self.held_until_ns[link] = max(self.held_until_ns[link], until_ns)
