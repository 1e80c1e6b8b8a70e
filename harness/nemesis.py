"""What breaks things: a nemesis decides *when* by a generator and *what* by `resolve`.

    generator ──▶ {"f": "start-partition"} ──▶ resolve ──▶ Fault(value, actions) ──▶ World.perform
                                                  │
                                        looks at the world, draws

`resolve` turns a wish ("cut somebody off") into concrete actions ("cut n3 → n1, ..."), which are
what the plan keeps: a replay needs no nemesis. Functions are named so that reports can shade the
time in which a fault goes on:

    start-<fault>   begins it                                   `start`
    shift-<fault>   changes what is broken while it goes on     `shift`, for faults that have steps
    stop-<fault>    undoes all that                             `stop`

Whatever was started is stopped before the run ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from harness.errors import UsageError
from harness.generators import Generator, any_of, concat, flip_flop, repeat, stagger
from harness.world import Action, World


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a nemesis does: `value` says it for the history, `actions` do it to the world."""

    value: Any
    actions: Sequence[Action]


class Nemesis:
    """The base of all nemeses. One instance serves one run: it may remember what it broke."""

    name: ClassVar[str]
    #: One line for `splitbrain list`.
    summary: ClassVar[str]
    #: Whether it can undo what it did only when nothing else is broken.
    heals_last: ClassVar[bool] = False
    #: The faults that it starts and stops; for most, just its own name.
    faults: tuple[str, ...] = ()

    def generator(self, interval_ns: int) -> Generator | None:
        """When to start and stop: alternately, `interval_ns` apart on average."""
        return any_of(
            *(
                stagger(
                    interval_ns,
                    flip_flop(repeat({"f": f"start-{fault}"}), repeat({"f": f"stop-{fault}"})),
                )
                for fault in self.faults
            )
        )

    def final(self) -> Generator | None:
        """Stop everything, at the end of the run."""
        return concat(*({"f": f"stop-{fault}"} for fault in self.faults))

    def resolve(self, f: str, world: World, random: Random) -> Fault:
        """Decide what `f` means now. Stopping what is not going on gives no actions.

        Raises UsageError if `f` is no such function, or if what it means is no `Fault`.
        """
        kind, _, fault = f.partition("-")
        if kind == "start":
            decided = self.start(fault, world, random)
        elif kind == "shift":
            decided = self.shift(fault, world, random)
        elif kind == "stop":
            decided = self.stop(fault, world)
        else:
            raise UsageError(
                "A nemesis function is start-<fault>, shift-<fault> or stop-<fault>, not "
                f"{f!r}.\nUsually the generator of the nemesis {self.name!r} calls it otherwise."
            )
        if not isinstance(decided, Fault):
            raise UsageError(
                f"The nemesis {self.name!r} answered {decided!r} to {f!r}: `{kind}` must return a "
                "harness.nemesis.Fault.\nUsually a `return` is missing. If there is nothing to do, "
                "return Fault(value=None, actions=[])."
            )
        return decided

    def start(self, fault: str, world: World, random: Random) -> Fault:
        """Begin to break something."""
        raise NotImplementedError

    def shift(self, fault: str, world: World, random: Random) -> Fault:
        """Change what is broken, while the fault goes on; for a `generator` that asks for it."""
        raise UsageError(
            f"The nemesis {self.name!r} cannot do 'shift-{fault}': it has no `shift`.\n"
            "Usually its generator has steps that it was not given."
        )

    def stop(self, fault: str, world: World) -> Fault:
        """Undo what `start` and `shift` did."""
        raise NotImplementedError


class Composed(Nemesis):
    """Several nemeses at once, each at its own times."""

    name = "composed"
    summary = "several nemeses at once"

    def __init__(self, parts: Sequence[Nemesis]) -> None:
        self.parts = tuple(parts)
        self.faults = tuple(fault for part in parts for fault in part.faults)
        doubled = sorted({fault for fault in self.faults if self.faults.count(fault) > 1})
        if doubled:
            raise UsageError(f"The nemesis names {', '.join(doubled)} twice; once is enough.")
        self._owner = {fault: part for part in parts for fault in part.faults}

    def generator(self, interval_ns: int) -> Generator | None:
        generators = [part.generator(interval_ns) for part in self.parts]
        present = [generator for generator in generators if generator is not None]
        return any_of(*present) if present else None

    def final(self) -> Generator | None:
        parts = sorted(self.parts, key=lambda part: part.heals_last)
        generators = [part.final() for part in parts]
        present = [generator for generator in generators if generator is not None]
        return concat(*present) if present else None

    def resolve(self, f: str, world: World, random: Random) -> Fault:
        """As the nemesis decides whose fault it is."""
        owner = self._owner.get(f.partition("-")[2])
        if owner is None:
            raise UsageError(f"No nemesis of this run has the fault of {f!r}.")
        return owner.resolve(f, world, random)


def node_names(nodes: Sequence[int]) -> list[str]:
    """How nodes are called in histories.

    >>> node_names([1, 3])
    ['n1', 'n3']
    """
    return [f"n{node}" for node in nodes]
