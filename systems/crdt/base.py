"""What all CRDTs have in common: states that merge, and updates that are small states themselves.

    update ─▶ delta ──merge──▶ own state            delta-based: send the delta
                  ╲                                 state-based: send the whole state
                   ──merge──▶ everybody else's      either may be lost, doubled, reordered

A state is a point of a join semilattice: `merge` is the least upper bound, hence commutative,
associative and idempotent. `delta` changes nothing; it returns the smallest state whose merge does
the update ("delta-mutators", Almeida, Shoker, Baquero, "Delta state replicated data types", 2018).
So a state is the merge of all deltas that it has seen, in whatever order and however often.

Elements and values are plain data: they are kept in their encoding, in which 1, True, 1.0 and "1"
are four different things and a list may be an element of a set.

>>> from systems.crdt import GCounter
>>> here, there = GCounter(), GCounter()
>>> sent = here.update("add", [3], replica="a")
>>> there.merge(sent), there.merge(sent), there.value()
(None, None, 3)
>>> there == here
True
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import msgspec

from harness.errors import UsageError


class Timestamp(NamedTuple):
    """A hybrid logical timestamp; the order of tuples is the order of events.

    `wall_ms` is physical time, `counter` tells apart what happens within a millisecond, and
    `node` what different nodes do at once, so that no two timestamps are equal.
    """

    wall_ms: int
    counter: int
    node: int

    def __str__(self) -> str:
        return f"{self.wall_ms}.{self.counter} n{self.node}"


#: Before everything.
ZERO = Timestamp(0, 0, 0)

#: Who updates: unique for every disk that ever held a replica, since its counters live there.
Replica = str

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder().decode


def pack(value: Any) -> bytes:
    """Plain data as bytes: equal data, equal bytes."""
    return _encode(value)


def unpack(packed: bytes) -> Any:
    """What `pack` packed."""
    return _decode(packed)


class Crdt(ABC):
    """The base of all replicated data types. Subclasses say their updates, and how to merge."""

    #: As it appears in commands and options, such as "pn-counter".
    kind: ClassVar[str]
    #: The methods that `delta` knows, as they are called in commands.
    methods: ClassVar[tuple[str, ...]]

    @abstractmethod
    def delta(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        """The small state whose merge does the update; this one stays as it is.

        `stamp` must be greater than every timestamp that this state has merged; only those types
        use it whose last writer wins. Raises `UsageError` for a method or arguments that the type
        does not have.
        """

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Become the least upper bound of both states."""

    @abstractmethod
    def value(self) -> Any:
        """What a reader sees, as plain data."""

    @abstractmethod
    def to_data(self) -> Any:
        """The whole state as plain data; equal states give equal data."""

    @classmethod
    @abstractmethod
    def from_data(cls, data: Any) -> Self:
        """The state that `to_data` described."""

    def latest(self) -> Timestamp:
        """The greatest timestamp that it has merged; updates must be stamped above it."""
        return ZERO

    def update(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        """Do an update here, and return the delta that does it elsewhere."""
        change = self.delta(method, arguments, replica=replica, stamp=stamp)
        self.merge(change)
        return change

    def copy(self) -> Self:
        """An independent copy."""
        return self.from_data(unpack(pack(self.to_data())))

    def unknown(self, method: str, arguments: Sequence[Any]) -> UsageError:
        """The error for an update that this type does not have."""
        return UsageError(
            f"A {self.kind} has no update {method!r} with {list(arguments)!r}; it has "
            f"{', '.join(self.methods)}. See systems/crdt for their arguments."
        )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_data() == other.to_data()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_data()!r})"
