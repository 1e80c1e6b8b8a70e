"""Looks at a replica after each of its events, and wakes those invariants that have to look too.

    event of a node ─▶ Watch: what is different from last time?
                         │ role, term or vote        ─▶ invariants of the aspect "role"
                         │ log                       ─▶ "log"
                         │ committed, applied        ─▶ "commit"
                         │ nothing, for REST_NS      ─▶ "rest", once
                         │ it is a candidate         ─▶ "candidate"
                         └ whatever                  ─▶ "every-event"

Most events of a busy cluster change one thing or none, so that a dozen invariants cost little more
than one. Each invariant is whole by itself and may as well be called after every event.

What a replica must offer, as plain attributes:

| attribute               | meaning                                                             |
|-------------------------|---------------------------------------------------------------------|
| `role`, `term`          | "leader" for whoever leads; the term or ballot number it is in      |
| `voted_for`             | who has this node's vote in `term`, 0 for nobody                    |
| `log`                   | `last_index`, `base_index` (compacted up to here), `entries`,       |
|                         | `at(index)`; where entries have terms also `term_at(index)`         |
| `committed`, `applied`  | indices, counted from 1                                             |

Further attributes that only some invariants read are named with these.

>>> from types import SimpleNamespace
>>> class Loud(NodeInvariant):
...     name, aspects = "loud", ("commit",)
...     def observe(self, world, node, replica):
...         print(f"n{node} has committed {replica.committed}")
>>> log, world = SimpleNamespace(last_index=0, entries=[]), SimpleNamespace(now_ns=0)
>>> replica = SimpleNamespace(
...     role="follower", term=1, voted_for=0, log=log, committed=0, applied=0)
>>> watch = Watch([Loud()])
>>> watch.observe(world, 1, replica)
n1 has committed 0
>>> watch.observe(world, 1, replica)
>>> replica.committed = 3
>>> watch.observe(world, 1, replica)
n1 has committed 3
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from harness.errors import UsageError
from harness.invariant import Invariant, Observed, Sighting
from harness.node import NodeId

ASPECTS = ("role", "log", "commit", "rest", "candidate", "every-event")

#: A node rests when nothing has changed for so long.
REST_NS = 100_000_000

_NEVER = 1 << 62

_Observe = Callable[[Observed, NodeId, Any], None]


class NodeInvariant(Invariant):
    """An invariant that says which changes concern it; it is called after the first event of a
    node's life as well, whatever its aspects are."""

    aspects: ClassVar[tuple[str, ...]] = ASPECTS

    def seen(self, world: Observed, node: NodeId, what: str) -> Sighting:
        """Something that is seen now."""
        return Sighting(time_ns=world.now_ns, node=node, what=what)


class _Seen:
    """A node as it was after its last event."""

    __slots__ = (
        *("applied", "base_index", "candidate", "committed", "last_index", "replica", "rest_ns"),
        *("role", "tail", "term", "voted_for"),
    )

    def __init__(self) -> None:
        self.replica: Any = None
        self.role = ""
        self.term = self.voted_for = -1
        self.committed = self.applied = self.last_index = self.base_index = -1
        self.tail: Any = None
        self.candidate = False
        self.rest_ns = 0


class Watch(Invariant):
    """Stands before several invariants and calls those that a change concerns."""

    name = "watch"

    def __init__(self, invariants: Sequence[NodeInvariant]) -> None:
        for invariant in invariants:
            unknown = [aspect for aspect in invariant.aspects if aspect not in ASPECTS]
            if unknown:
                raise UsageError(
                    f"The invariant {invariant.name} has the unknown aspect {unknown[0]!r}; "
                    f"there are {', '.join(ASPECTS)}."
                )
        self._invariants = tuple(invariants)
        self._all = self._of(*ASPECTS)
        self._always = self._of("every-event")
        self._candidates = self._of("candidate", "every-event")
        self._rest = self._of("rest", "every-event")
        # by what has changed: 1 for the role, 2 for the log, 4 for what is committed
        self._changed = [
            self._of(
                "every-event",
                *(aspect for bit, aspect in enumerate(ASPECTS[:3]) if changes >> bit & 1),
            )
            for changes in range(8)
        ]
        self._seen: dict[NodeId, _Seen] = {}

    def _of(self, *aspects: str) -> tuple[_Observe, ...]:
        """What to call for any of these aspects, each once."""
        return tuple(
            invariant.observe
            for invariant in self._invariants
            if any(aspect in invariant.aspects for aspect in aspects)
        )

    def observe(self, world: Observed, node: NodeId, replica: Any) -> None:
        seen = self._seen.get(node)
        if seen is None:
            seen = self._seen[node] = _Seen()
        log = replica.log
        entries = log.entries
        # the usual case first, and in it what changes most often
        if (
            seen.last_index == log.last_index
            and seen.committed == replica.committed
            and seen.applied == replica.applied
            and seen.role == replica.role
            and seen.term == replica.term
            and seen.voted_for == replica.voted_for
            and seen.tail is (entries[-1] if entries else None)
            and seen.replica is replica
        ):
            if seen.rest_ns < world.now_ns:
                seen.rest_ns = _NEVER
                calls = self._rest
            elif seen.candidate:
                calls = self._candidates
            else:
                calls = self._always
        else:
            calls = self._changes(seen, replica, log, entries)
            seen.rest_ns = world.now_ns + REST_NS
        for observe in calls:
            observe(world, node, replica)

    def _changes(
        self, seen: _Seen, replica: Any, log: Any, entries: Sequence[Any]
    ) -> tuple[_Observe, ...]:
        """Whom it concerns that a node is no longer as it was seen; it is seen as it is now."""
        changes = 0
        role = replica.role
        if seen.term != replica.term or seen.role != role or seen.voted_for != replica.voted_for:
            changes = 1
            seen.term, seen.role, seen.voted_for = replica.term, role, replica.voted_for
            seen.candidate = role == "candidate"
        tail = entries[-1] if entries else None
        base_index = getattr(log, "base_index", 0)
        if (
            seen.tail is not tail
            or seen.last_index != log.last_index
            or seen.base_index != base_index
        ):
            changes |= 2
            seen.tail, seen.last_index, seen.base_index = tail, log.last_index, base_index
        if seen.committed != replica.committed or seen.applied != replica.applied:
            changes |= 4
            seen.committed, seen.applied = replica.committed, replica.applied
        if seen.replica is not replica:
            seen.replica = replica  # a new life: everything is news
            return self._all
        return self._changed[changes]
