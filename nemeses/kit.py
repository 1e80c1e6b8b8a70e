"""The contract of every nemesis, as a test that can be run on any of them.

    def test_my_nemesis_keeps_the_contract():
        check_nemesis(lambda: MyNemesis(kinds=["worst"]))

The nemesis is rehearsed: it breaks simulated worlds of several sizes, whose nodes do nothing, at
the times that its own generator gives. A second one made alike goes beside it and must always
decide the same. What each fault breaks is kept in a book of its own:

    start-kill  ["crash", 3, "torn"]  ──▶  n3 is down
    stop-kill   ["restart", 3]        ──▶  nothing left: stop has undone exactly what start did

>>> from nemeses.kill import Kill
>>> check_nemesis(Kill)
>>> class Forgetful(Kill):
...     def stop(self, fault, world):
...         self._down = self._down[:-1]
...         return super().stop(fault, world)
>>> check_nemesis(Forgetful)
Traceback (most recent call last):
    ...
AssertionError: kill with 1 node, seed 1, stop-kill at ... s: it leaves broken: crash n1

Limits: whether a fault is a useful one it cannot know. Clogs end by themselves and clocks are
nobody's to set right, so that the books say nothing of `clog` and `skew`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any

from harness.errors import UsageError
from harness.generators import Invocation, nemesis, phases, time_limit
from harness.interpreter import Interpreter
from harness.nemesis import Fault, Nemesis
from harness.node import ClientReply, ClientRequest, Context, NodeStatus, Recovered
from harness.simulation.driver import simulate
from harness.simulation.faults import VERBS
from harness.simulation.world import SimulatedWorld
from harness.units import SECOND_NS
from harness.world import Action

MakeNemesis = Callable[[], Nemesis]

#: What undoes what; a cut is undone once for each time that it was made.
_UNDOES = {"mend": "cut", "fast": "slow", "restart": "crash", "resume": "pause"}
_OF_LINKS = ("cut", "mend", "slow", "fast", "clog")
_BOOKED = ("cut", "slow", "crash", "pause")

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NODE_NAME = re.compile(r"n(\d+)")

#: A nemesis that does that many times more than its interval suggests does not come to its end.
_HASTE_MAX = 20


def check_nemesis(
    make: MakeNemesis,
    *,
    nodes: Sequence[int] = (1, 2, 3, 5),
    seeds: Iterable[int] = range(1, 4),
    duration_ns: int = 40 * SECOND_NS,
    interval_ns: int = SECOND_NS,
) -> None:
    """Raises AssertionError if the nemeses that `make` makes break the contract of `Nemesis`.

    It is rehearsed once for each size of `nodes` and each of `seeds`, for `duration_ns` of
    simulated time. The contract:

    - name, summary and the names of its faults are there and well-formed;
    - its generator starts each fault and stops it, in turns; in between it may `shift-<fault>`,
      which changes what is broken; `final()` stops what goes on;
    - stopping undoes exactly what starting did, and nothing if nothing goes on;
    - `resolve` decides by its arguments alone: the same draws give the same fault, and the world
      changes only by actions;
    - actions are those that `harness.world` lists, for nodes that exist;
    - values are plain JSON data, and call nodes by their names;
    - at the end all is as it was before.
    """
    described = make()
    _check_description(described)
    used: set[str] = set()
    for count in nodes:
        for seed in seeds:
            used |= _Rehearsal(make, count, seed).play(duration_ns, interval_ns)
    useless = [fault for fault in described.faults if fault not in used]
    _demand(not useless, described.name, f"start-{', start-'.join(useless)} never does anything")


def _demand(kept: bool, where: str, complaint: str) -> None:
    if not kept:
        raise AssertionError(f"{where}: {complaint}")


def _check_description(described: Nemesis) -> None:
    name = getattr(described, "name", "")
    where = name or type(described).__name__
    _demand(bool(_NAME.fullmatch(name)), where, f"{name!r} is no name for a command line")
    _demand(bool(getattr(described, "summary", "").strip()), where, "it has no summary")
    faults = described.faults
    _demand(isinstance(faults, tuple), where, f"faults is no tuple but {faults!r}")
    _demand(len(set(faults)) == len(faults), where, f"it names a fault twice: {faults}")
    for fault in faults:
        _demand(bool(_NAME.fullmatch(fault)), where, f"{fault!r} is no name of a fault")


class _Idle:
    """A node that does nothing; one of them says that it leads, and answers clients."""

    def __init__(self, context: Context, leader: int) -> None:
        self.context = context
        self.role = "leader" if context.id == leader else "follower"

    def on_start(self, recovered: Recovered) -> None:
        pass

    def on_message(self, source: int, message: Any) -> None:
        pass

    def on_timer(self, name: str) -> None:
        pass

    def on_durable(self, token: Any) -> None:
        pass

    def on_request(self, request: ClientRequest) -> None:
        self.context.reply(request, ClientReply(request.id, self.role == "leader"))

    def status(self) -> NodeStatus:
        return NodeStatus(role=self.role, term=1)


class _Book:
    """What one fault has broken and not yet mended."""

    def __init__(self) -> None:
        self.broken: Counter[tuple[Any, ...]] = Counter()

    def enter(self, action: Action) -> str | None:
        """Write `action` down; a complaint if it mends what this fault has not broken."""
        verb, *arguments = action
        target = tuple(arguments[: 2 if verb in _OF_LINKS else 1])
        if verb in _UNDOES:
            entry = (_UNDOES[verb], *target)
            if not self.broken[entry]:
                return f"{action} undoes what this fault has not done"
            self.broken[entry] -= 1
            if not self.broken[entry]:
                del self.broken[entry]
        elif verb == "cut":
            self.broken[(verb, *target)] += 1
        elif verb in _BOOKED:
            self.broken[(verb, *target)] = 1
        return None

    def __str__(self) -> str:
        names = [f"{verb} {' to '.join(f'n{n}' for n in on)}" for verb, *on in sorted(self.broken)]
        return ", ".join(names) or "nothing"


class _Rehearsal:
    """One nemesis, and its twin, in one world."""

    def __init__(self, make: MakeNemesis, nodes: int, seed: int) -> None:
        self.nemesis, self.twin, self.unused = make(), make(), make()
        self.where = f"{self.nemesis.name} with {nodes} node{'s' * (nodes > 1)}, seed {seed}"
        leader = seed % (nodes + 1)  # now and then there is none
        self.world, self.trial = (
            SimulatedWorld(
                seed=seed, nodes=nodes, clients=1, factory=lambda context: _Idle(context, leader)
            )
            for _ in range(2)
        )
        self.random, self.twins_random = self.world.stream("kit"), self.world.stream("kit")
        self.books = {fault: _Book() for fault in self.nemesis.faults}
        self.going_on: set[str] = set()
        self.used: set[str] = set()
        self.started: set[str] = set()
        self.resolves = self.resolves_max = 0

    def play(self, duration_ns: int, interval_ns: int) -> set[str]:
        """Let the nemesis do its work to the end; the faults that did something."""
        for fault in self.nemesis.faults:
            early = self._ask(self.unused, f"stop-{fault}", Random(1), "")
            self.demand(not early.actions, f"stop-{fault} does something before any start")
        healthy = _state(self.world)
        starts = 1 + duration_ns // interval_ns
        self.resolves_max = _HASTE_MAX * (1 + len(self.nemesis.faults)) * starts
        script = phases(
            time_limit(duration_ns, nemesis(self.nemesis.generator(interval_ns))),
            nemesis(self.nemesis.final()),
        )
        interpreter = Interpreter(
            self.world,
            script,
            clients=1,
            carriers=lambda thread, process: self.carry,
            nemesis=self.carry,
            journal=lambda operation: None,
            dispatched=lambda invocation: None,
            horizon_ns=1000 * duration_ns,
        )
        simulate(self.world, interpreter.run)
        missing = [fault for fault in self.nemesis.faults if fault not in self.started]
        self.demand(not missing, f"its generator never starts {', '.join(missing)}")
        left = sorted(self.going_on)
        self.demand(not left, f"final() does not stop {', '.join(left)}")
        self.demand(_state(self.world) == healthy, "the world is not as it was before")
        return self.used

    async def carry(self, invocation: Invocation) -> Any:
        """Stands where the runner carries out the operations of a nemesis."""
        f = invocation.f
        self.resolves += 1
        self.demand(self.resolves <= self.resolves_max, "it does not come to an end")
        kind, _, name = f.partition("-")
        self.demand(
            kind in ("start", "shift", "stop") and name in self.books,
            f"{f!r} is not the start or stop of one of its faults {self.nemesis.faults}",
        )
        goes_on = name in self.going_on
        self.demand(goes_on or kind != "shift", f"{f} comes although {name} does not go on")
        self.demand(not (goes_on and kind == "start"), f"{f} comes twice without a stop")
        where = f", {f} at {self.world.now_ns / SECOND_NS:.3f} s"
        fault = self.resolve(f, where)
        for complaint in _complaints(fault, self.world, self.trial, self.books[name]):
            self.demand(False, complaint, where)
        self.used |= {name} if fault.actions and kind != "stop" else set()
        if kind == "start":
            self.started.add(name)
            self.going_on.add(name)
        elif kind == "stop":
            self.going_on.discard(name)
            left = self.books[name]
            self.demand(not left.broken, f"it leaves broken: {left}", where)
        await self.world.perform(fault.actions)
        return fault.value

    def resolve(self, f: str, where: str) -> Fault:
        """What the nemesis decides; its twin must decide the same, and neither may act."""
        before = _state(self.world)
        fault = self._ask(self.nemesis, f, self.random, where)
        other = self._ask(self.twin, f, self.twins_random, where)
        self.demand(_state(self.world) == before, "resolve itself changes the world", where)
        same = (fault.value, list(fault.actions)) == (other.value, list(other.actions))
        self.demand(same, "its twin decides otherwise, with the same draws", where)
        return fault

    def _ask(self, whom: Nemesis, f: str, random: Random, where: str) -> Fault:
        try:
            return whom.resolve(f, self.world, random)
        except Exception as error:
            message = f"resolve({f!r}) raised {type(error).__name__}: {error}"
            raise AssertionError(f"{self.where}{where}: {message}") from error

    def demand(self, kept: bool, complaint: str, where: str = "") -> None:
        _demand(kept, self.where + where, complaint)


def _state(world: SimulatedWorld) -> tuple[Any, ...]:
    """All that a fault may change and must restore; messages and clocks aside."""
    network = world.network
    links = (network.cuts, network.extra_ns, network.loss, network.duplicate, network.tables)
    return (*(tuple(link) for link in links), world.running, world.describe_nodes())


def _complaints(
    fault: Fault, world: SimulatedWorld, trial: SimulatedWorld, book: _Book
) -> Iterator[str]:
    """What is wrong with `fault`; enters its actions into the book."""
    if not _is_plain(fault.value):
        yield f"its value {fault.value!r} is no plain JSON data"
    if (wrong := _wrong_name(fault.value, world)) is not None:
        yield f"its value {fault.value!r} should call nodes by name (n1), not {wrong!r}"
    for action in fault.actions:
        if not isinstance(action, list) or not action or action[0] not in VERBS:
            yield f"{action!r} is no action; they are lists that begin with {', '.join(VERBS)}"
        elif not _is_plain(action):
            yield f"the action {action!r} is no plain JSON data"
        elif (trouble := _trial(action, world, trial)) is not None:
            yield f"the action {action!r} cannot be done: {trouble}"
        elif (complaint := book.enter(action)) is not None:
            yield complaint


def _trial(action: Action, world: SimulatedWorld, trial: SimulatedWorld) -> str | None:
    """Do the action to a world of the same size; why that failed, if it did."""
    targets = action[1 : 3 if action[0] in _OF_LINKS else 2]
    if strangers := [node for node in targets if node not in world.nodes]:
        return f"there is no node {strangers[0]!r}"
    try:
        trial.act(action)
    except UsageError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _is_plain(data: Any) -> bool:
    """Whether JSON gives back exactly what it was given: no tuples, sets or int keys."""
    try:
        return bool(json.loads(json.dumps(data, allow_nan=False)) == data)
    except (TypeError, ValueError):
        return False


def _wrong_name(value: Any, world: SimulatedWorld) -> Any:
    """A number in a list, which should be a name, or the name of a node that does not exist."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        if isinstance(value, list) and isinstance(part, int):
            return part
        if (wrong := _wrong_name(part, world)) is not None:
            return wrong
    if isinstance(value, str) and (named := _NODE_NAME.fullmatch(value)):
        return None if int(named[1]) in world.nodes else value
    return None
