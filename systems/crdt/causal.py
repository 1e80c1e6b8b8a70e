"""Types that know what they have seen: the observed-remove set and the multi-value register.

| kind        | updates            | value                                              |
|-------------|--------------------|----------------------------------------------------|
| or-set      | add(e), remove(e)  | the elements, in the order of their encodings      |
| mv-register | write(value)       | all values that no other has replaced, sorted      |

Every addition gets a *dot*, the number of an event of one replica. The state holds the dots of what
is there, and a context of all dots that it has ever seen. A dot that is in the context but no
longer there was taken away; one that is not in the context is news. Hence no tombstones, and an
addition that a removal has not seen survives it (Bieniusa et al., "An optimized conflict-free
replicated set", 2012; deltas after Almeida, Shoker, Baquero, 2018).

A context is a version vector and, for dots that came before their predecessors, a cloud.

>>> here, there = ORSet(), ORSet()
>>> there.merge(here.update("add", ["x"], replica="a"))
>>> removal = there.update("remove", ["x"], replica="b")
>>> _ = here.update("add", ["x"], replica="a")      # an addition that the removal has not seen
>>> here.merge(removal); here.value()
['x']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from systems.crdt.base import ZERO, Crdt, Replica, Timestamp, pack, unpack

#: Event number n, counted from 1, of one replica.
Dot = tuple[Replica, int]


class Context:
    """A set of dots, of which those without gaps are kept as one number a replica."""

    def __init__(self, dots: Iterable[Dot] = ()) -> None:
        self.vector: dict[Replica, int] = {}
        self.cloud: dict[Dot, None] = {}
        self.add(dots)

    def __contains__(self, dot: Dot) -> bool:
        return dot[1] <= self.vector.get(dot[0], 0) or dot in self.cloud

    def add(self, dots: Iterable[Dot]) -> None:
        """Take these dots in."""
        self.cloud.update((dot, None) for dot in dots)
        for dot in sorted(self.cloud):
            replica, number = dot
            known = self.vector.get(replica, 0)
            if number == known + 1:
                self.vector[replica] = number
            if number <= known + 1:
                del self.cloud[dot]

    def merge(self, other: Context) -> None:
        """Take all dots of `other` in."""
        for replica, number in other.vector.items():
            self.vector[replica] = max(number, self.vector.get(replica, 0))
        self.add(other.cloud)

    def includes(self, other: Context) -> bool:
        """Whether all dots of `other` are here."""
        return all(
            number <= self.vector.get(replica, 0) for replica, number in other.vector.items()
        ) and all(dot in self for dot in other.cloud)

    def covered(self, dots: Mapping[Dot, object]) -> list[Dot]:
        """Those of `dots` that are here, in some order that hangs on nothing but both."""
        if sum(self.vector.values()) + len(self.cloud) > len(dots):
            return [dot for dot in dots if dot in self]
        listed = [
            (replica, number)
            for replica, upto in self.vector.items()
            for number in range(1, upto + 1)
        ]
        return [dot for dot in (*listed, *self.cloud) if dot in dots]

    def next(self, replica: Replica) -> Dot:
        """A dot of `replica` that is greater than all of its that are here."""
        above = [number for owner, number in self.cloud if owner == replica]
        return replica, max([self.vector.get(replica, 0), *above]) + 1

    def to_data(self) -> Any:
        return [
            [[replica, number] for replica, number in sorted(self.vector.items())],
            [list(dot) for dot in sorted(self.cloud)],
        ]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        made = cls()
        made.vector = dict(data[0])
        made.cloud = {(replica, number): None for replica, number in data[1]}  # noqa: C420
        return made


class _Dotted(Crdt):
    """Values with the dots that brought them, and a context: what both types are made of."""

    def __init__(self) -> None:
        self.dots: dict[Dot, bytes] = {}
        self.context = Context()

    def _replace(self, replaced: Iterable[Dot], packed: bytes | None, replica: Replica) -> Self:
        """The delta that takes dots away and, if `packed` is not None, brings a new one."""
        change = type(self)()
        seen = list(replaced)
        if packed is not None:
            dot = self.context.next(replica)
            change.dots[dot] = packed
            seen.append(dot)
        change.context = Context(seen)
        return change

    def merge(self, other: Self) -> None:
        # in place, and by the smaller of the two: most of what is merged is a small delta
        for dot in other.context.covered(self.dots):
            if dot not in other.dots:
                del self.dots[dot]
        for dot, packed in other.dots.items():
            if dot not in self.context:
                self.dots[dot] = packed
        self.context.merge(other.context)

    def value(self) -> Any:
        return [unpack(packed) for packed in sorted(set(self.dots.values()))]

    def to_data(self) -> Any:
        dots = [
            [replica, number, packed] for (replica, number), packed in sorted(self.dots.items())
        ]
        return [dots, self.context.to_data()]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        made = cls()
        made.dots = {(replica, number): packed for replica, number, packed in data[0]}
        made.context = Context.from_data(data[1])
        return made


class ORSet(_Dotted):
    """A set in which a removal takes away what it has seen, and an addition beside it wins."""

    kind: ClassVar[str] = "or-set"
    methods: ClassVar[tuple[str, ...]] = ("add", "remove")

    def delta(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        match method, *arguments:
            case [("add" | "remove"), element]:
                packed = pack(element)
                seen = [dot for dot, there in self.dots.items() if there == packed]
                return self._replace(seen, packed if method == "add" else None, replica)
        raise self.unknown(method, arguments)


class MVRegister(_Dotted):
    """A register that keeps all values that were written beside each other."""

    kind: ClassVar[str] = "mv-register"
    methods: ClassVar[tuple[str, ...]] = ("write",)

    def delta(
        self, method: str, arguments: Sequence[Any], *, replica: Replica, stamp: Timestamp = ZERO
    ) -> Self:
        match method, *arguments:
            case ["write", value]:
                return self._replace(self.dots, pack(value), replica)
        raise self.unknown(method, arguments)
