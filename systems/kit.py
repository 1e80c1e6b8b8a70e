"""The contract of every replicated system, as a test that can be run on any of them.

    def test_my_system_keeps_the_contract():
        check_system(MySystem)

What it goes through, on a key-value map in the simulated world, every message on the wire:

    declaration   name, summary, promise, message types, flaws; an unknown flaw is refused
    source        nothing in the text of the nodes makes runs unrepeatable (systems.source_lint)
    calm          without faults, all operations of several clients succeed, and are linearizable,
                  or are soon agreed upon at all nodes, as the system promises
    restarts      what was acknowledged survives the restart of each node and of all at once
    repetition    the same seed gives the same digest, and the wire changes nothing

`systems.kit_stories` has what happens in calm and restarts.

>>> from systems.raft import Raft
>>> check_system(Raft)
>>> class Undeclared(Raft):
...     messages = Raft.messages[:3]
>>> check_system(Undeclared)
Traceback (most recent call last):
    ...
AssertionError: raft, calm, seed 1: A node sends Appended, which is not among the messages that...

Limits: it has no faults but restarts. Whether the system keeps its promise under nemeses is what
experiments are for; whether another process gives the same digest, what tests/harness asks.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, get_args

from harness.errors import SplitbrainError, UsageError
from harness.node import ClientReply, ClientRequest, Message, NodeStatus
from harness.places import calls
from harness.simulation.driver import simulate
from harness.simulation.failure import NodeFailure
from harness.simulation.network import LinkModel
from harness.simulation.trace import first_difference, trace_lines
from harness.simulation.wire import Wire
from harness.system import LANGUAGES, Promise, System
from harness.units import SECOND_NS
from systems.kit_stories import CLIENTS, PATIENCE_NS, KitClient, calm, idle, restarts
from systems.machines import KeyValue
from systems.scenario import Stage
from systems.source_lint import lint_modules

#: Makes a system, with `flaw=name` a flawed one; the class itself will do.
MakeSystem = Callable[..., System]

_RUN_NS = 20 * PATIENCE_NS

#: A slow disk: what was acknowledged before it was synced is still unsynced when the client hears.
_FLUSH_NS = (20_000_000, 40_000_000)

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def check_system(make: MakeSystem, *, nodes: int = 3, seeds: Iterable[int] = (1,)) -> None:
    """Raises AssertionError if the systems that `make` makes break the contract of `System`.

    `make()` makes a sound system, `make(flaw=name)` one with that flaw. Everything is run with
    `nodes` nodes, once for each of `seeds`.
    """
    _check_declaration(make)
    for seed in seeds:
        for name, story in (("calm", calm), ("restarts", restarts)):
            first = KitStage(make(), name, seed, nodes).tell(story)
            again = KitStage(make(), name, seed, nodes).tell(story)
            first.compare(again, "a second run of the same seed")
            bare = KitStage(make(), name, seed, nodes, wire=False).tell(story)
            first.demand(
                bare.history == first.history,
                "without the wire the same seed gives another history. Usually nodes share an "
                "object that one of them changes.",
            )
    for flaw in make().flaws:
        KitStage(make(flaw=flaw), f"idle with the flaw {flaw}", 1, nodes).tell(idle)


@contextmanager
def _blaming(where: str) -> Iterator[None]:
    """Whatever goes wrong in here is a complaint about the system, which says `where`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, AssertionError) and str(error).startswith(f"{where}: "):
            raise
        told = (
            str(error) if isinstance(error, SplitbrainError) else f"{type(error).__name__}: {error}"
        )
        places = error.calls if isinstance(error, NodeFailure) else calls(error)
        if places and not isinstance(error, UsageError):
            told += f"\n  {places[-1]}"
        raise AssertionError(f"{where}: {told}") from error


# ---- what it says of itself


def _check_declaration(make: MakeSystem) -> None:
    with _blaming(f"{getattr(make, '__name__', 'the system')} cannot be made"):
        system = make()
    where = getattr(system, "name", "") or type(system).__name__
    with _blaming(where):
        _check_what_it_says(make, system, where)


def _check_what_it_says(make: MakeSystem, system: System, where: str) -> None:
    name = getattr(system, "name", "")

    def demand(kept: bool, complaint: str) -> None:
        if not kept:
            raise AssertionError(f"{where}: {complaint}")

    demand(bool(_NAME.fullmatch(name)), f"{name!r} is no name for a command line")
    demand(bool(getattr(system, "summary", "").strip()), "it has no summary")
    promised = system.promise in get_args(Promise)
    demand(promised, f"it promises {system.promise!r}, and not {' or '.join(get_args(Promise))}")
    strange = [language for language in system.speaks if language not in LANGUAGES]
    demand(not strange, f"it speaks {strange}; there are {', '.join(LANGUAGES)}")
    for message in system.messages:
        known = isinstance(message, type) and issubclass(message, Message)
        demand(known, f"{message!r} is no subclass of Message")
        frozen = message.__struct_config__.frozen
        demand(frozen, f"{message.__name__} is not frozen, so that nodes could share a change")
    try:
        Wire(system.messages)
    except UsageError as error:
        demand(False, str(error))
    for key, flaw in system.flaws.items():
        demand(bool(_NAME.fullmatch(key)), f"{key!r} is no name of a flaw")
        demand(flaw.name == key, f"the flaw {key!r} calls itself {flaw.name!r}")
        told = flaw.change.strip() and flaw.breaks.strip()
        demand(bool(told), f"the flaw {key!r} must say what it changes and what it breaks")
        try:
            demand(make(flaw=key).flaw == key, f"with the flaw {key!r} it says it has another")
        except SplitbrainError as error:
            demand(False, f"it cannot be made with its flaw {key!r}: {error}")
    try:
        make(flaw="no-such-flaw")
    except UsageError as error:
        demand("no-such-flaw" in str(error), "its error about an unknown flaw does not name it")
    else:
        demand(False, "it takes the unknown flaw 'no-such-flaw' without an error")


# ---- where it is run


class _CheckedWire(Wire):
    """The wire, which also refuses what is not declared or does not arrive as it was sent."""

    def __init__(self, messages: Sequence[type[Message]]) -> None:
        super().__init__(messages)
        self._declared = {*messages, ClientRequest, ClientReply}

    def encode(self, message: Any) -> bytes:
        if type(message) not in self._declared:
            raise UsageError(
                f"A node sends {type(message).__name__}, which is not among the messages that the "
                "system declares. Add it to System.messages."
            )
        try:
            encoded = super().encode(message)
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"{message!r} cannot be encoded: {error}") from error
        arrived = self.decode(encoded)
        if arrived != message:
            raise UsageError(
                f"{message!r} arrives as {arrived!r}. Usually a field holds a tuple where its "
                "annotation says Any; on the wire it becomes a list."
            )
        return encoded


class KitStage(Stage):
    """A stage with usual links and clocks, on which every error is a complaint about the system."""

    def __init__(
        self, system: System, story: str, seed: int, nodes: int, *, wire: bool = True
    ) -> None:
        self.where = f"{system.name}, {story}, seed {seed}"
        with _blaming(self.where):
            super().__init__(
                system,
                seed=seed,
                nodes=nodes,
                clients=CLIENTS,
                link=LinkModel(),
                drift_ppm=100,
                flush_ns=_FLUSH_NS,
                wire=_CheckedWire(system.messages) if wire else None,
                invariants=False,
            )
        classes: list[Any] = [type(self.world.node_object(node)) for node in self.world.nodes]
        complaints = lint_modules(*classes, KeyValue)
        self.demand(not complaints, "\n".join(["the source of its nodes:", *complaints]))

    def tell(self, story: Callable[[KitStage], Awaitable[None]]) -> KitStage:
        """Run `story` to its end; every error becomes an AssertionError that says where."""

        async def main() -> None:
            await story(self)

        self.world.call_at(_RUN_NS, self._give_up)
        with _blaming(self.where):
            simulate(self.world, main)
            self._check_statuses()
        return self

    def demand(self, kept: bool, complaint: str) -> None:
        if not kept:
            raise AssertionError(f"{self.where}: {complaint}")

    def compare(self, other: KitStage, what: str) -> None:
        """Demand that the other run went exactly as this one."""
        same = self.world.digest == other.world.digest and self.history == other.history
        if not same:
            lines = (trace_lines(stage.world.trace, stage.world.name) for stage in (self, other))
            difference = first_difference(*lines) or "the traces do not show where"
            self.demand(False, f"{what} went otherwise: {difference}")

    def worker(self, number: int) -> KitClient:
        """A new client process on the port `number`."""
        self.processes += 1
        return KitClient(self, number, self.processes)

    def _give_up(self) -> None:
        waiting = self.world.tasks.describe_waiting()
        self.demand(False, f"after {_RUN_NS // SECOND_NS} s somebody still waits:\n{waiting}")

    def _check_statuses(self) -> None:
        for number in self.world.running:
            digest = self.world.digest
            status, again = self.world.status(number), self.world.status(number)
            self.demand(isinstance(status, NodeStatus), f"status() of n{number} is {status!r}")
            pure = status == again and self.world.digest == digest
            self.demand(pure, f"status() of n{number} is not pure: {status!r}, then {again!r}")
            assert status is not None
            named = status.leader in (0, *self.world.nodes)
            self.demand(named, f"n{number} says that {status.leader} leads, which is no node")
