"""CRDTs by name: the machine that a gossip system replicates for the CRDT workloads.

| command                            | result                                      |
|------------------------------------|---------------------------------------------|
| `["update", name, method, *args]`  | None                                        |
| `["read", name]`                   | the value of the object, as its kind has it |

`Objects("or-set")` makes an or-set of every name that is asked for; `Objects({"likes":
"g-counter", "tags": "or-set"})` has these two and no others. A new name needs no creation: an
object that nobody has updated is the same empty state everywhere.

As a `StateMachine` of its own it plays one replica, which is what tests without a network use.

>>> counter = Objects("pn-counter")
>>> counter.apply(["update", "likes", "add", 2]), counter.apply(["read", "likes"])
(None, 2)
>>> copy = Objects("pn-counter"); copy.restore(counter.snapshot()); copy.apply(["read", "likes"])
2
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import UsageError, unknown_name
from harness.node import Command
from systems.crdt.base import ZERO, Crdt, Replica, Timestamp, pack, unpack
from systems.crdt.causal import MVRegister, ORSet
from systems.crdt.counters import GCounter, PNCounter
from systems.crdt.registers import LWWMap, LWWRegister
from systems.crdt.sets import GSet

#: All replicated data types, by kind.
KINDS: Mapping[str, type[Crdt]] = {
    crdt.kind: crdt for crdt in (GCounter, PNCounter, GSet, ORSet, LWWRegister, LWWMap, MVRegister)
}


class Objects:
    """Replicated objects by name; `kinds` says of which kind they are."""

    def __init__(
        self,
        kinds: str | Mapping[str, str] | None = None,
        *,
        known: Mapping[str, type[Crdt]] = KINDS,
        counts_hops: bool = False,
    ) -> None:
        for kind in (kinds,) if isinstance(kinds, str) else (kinds or {}).values():
            if kind not in known:
                raise unknown_name("kind of CRDT", kind, known)
        self.kinds = kinds
        self.known = known
        #: Whether a gossip system is to count over how many nodes an element of a g-set came.
        self.counts_hops = counts_hops
        self.states: dict[str, Crdt] = {}
        self._checksums: dict[str, int] = {}
        self._applied = 0  # only as a state machine of its own

    def get(self, name: str) -> Crdt:
        """The object called `name`. Raises UsageError if there is none of that name."""
        found = self.states.get(name)
        if found is None:
            found = self.states[name] = self.empty(name)
        return found

    def empty(self, name: str) -> Crdt:
        """The state in which `name` begins. Raises UsageError if there is none of that name."""
        kind = self.kinds if isinstance(self.kinds, str) else (self.kinds or {}).get(name)
        if kind is None:
            available = sorted(self.kinds or ())
            raise unknown_name("object", name, available)
        return self.known[kind]()

    def delta(
        self,
        name: str,
        method: str,
        arguments: Sequence[Any],
        *,
        replica: Replica,
        stamp: Timestamp = ZERO,
    ) -> Crdt:
        """What would do the update; nothing is changed yet."""
        return self.get(name).delta(method, arguments, replica=replica, stamp=stamp)

    def merge(self, name: str, change: Any) -> None:
        """Merge a state or delta, given as plain data, into the object called `name`."""
        state = self.get(name)
        state.merge(state.from_data(change))
        self._checksums.pop(name, None)

    def checksum(self, name: str) -> int:
        """A number that two states of one object share if, but for bad luck, they are equal."""
        found = self._checksums.get(name)
        if found is None:
            packed = pack(self.get(name).to_data())
            found = self._checksums[name] = zlib.crc32(packed) << 32 | zlib.adler32(packed)
        return found

    def checksums(self) -> list[tuple[str, int]]:
        """The names of all objects with their checksums, in order."""
        return [(name, self.checksum(name)) for name in sorted(self.states)]

    # ---- as a state machine

    def apply(self, command: Command) -> Any:
        match command:
            case ["update", str(name), str(method), *arguments]:
                self._applied += 1
                stamp = Timestamp(self._applied, 0, 0)
                change = self.delta(name, method, arguments, replica="0", stamp=stamp)
                self.merge(name, change.to_data())
                return None
            case ["read", str(name)]:
                return self.get(name).value()
        raise UsageError(f"Objects know update and read; they were given {command!r}.")

    def snapshot(self) -> bytes:
        states = [[name, self.states[name].to_data()] for name in sorted(self.states)]
        return pack([self._applied, states])

    def restore(self, snapshot: bytes) -> None:
        self.states = {}
        self._checksums = {}
        self._applied, states = unpack(snapshot)
        for name, data in states:
            self.merge(name, data)
