"""Each nemesis breaks what it says and mends exactly that; bad ones do not get past the kit."""

from __future__ import annotations

import random as global_random
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from harness import Experiment, carry_out, catalog
from harness.errors import UsageError
from harness.generators import (
    Generator,
    flip_flop,
    invocations_of,
    nemesis,
    perfect,
    repeat,
    time_limit,
    to_generator,
)
from harness.making import make_nemesis
from harness.nemesis import Composed, Fault, Nemesis, node_names
from harness.node import NodeStatus
from harness.pipeline import carry_out_again
from harness.simulation import SimulatedWorld
from harness.world import World
from nemeses.delay import DELAYS_MS, LINKS, LOSSES, Delay
from nemeses.kill import MODES, Kill
from nemeses.kit import check_nemesis
from nemeses.membership import LAST_ORDERS, ORDERS, PAUSE_NS, Membership
from nemeses.none import NoFault
from nemeses.partition import KINDS, Partition
from nemeses.pause import Pause
from nemeses.targets import TARGETS, pick
from systems.raft import Raft

SECOND = 1_000_000_000
FAMILIES = ("partition", "kill", "pause", "delay")


class Dummy:
    """A node that does nothing; node 2 leads."""

    def __init__(self, context: Any) -> None:
        self.role = "leader" if context.id == 2 else "follower"

    def on_start(self, recovered: Any) -> None:
        pass

    def status(self) -> NodeStatus:
        return NodeStatus(role=self.role, term=1)


def make_world(nodes: int = 5) -> SimulatedWorld:
    return SimulatedWorld(seed=1, nodes=nodes, clients=1, factory=Dummy)  # type: ignore[arg-type]


def broken(world: SimulatedWorld) -> dict[str, Any]:
    """All that is not as it was in the beginning, by what it is."""
    network, stride = world.network, world.network.stride

    def links(values: list[Any], usual: Any) -> dict[tuple[int, int], Any]:
        return {divmod(i, stride): value for i, value in enumerate(values) if value != usual}

    found = {
        "cut": links(network.cuts, 0),
        "slow": links(network.extra_ns, 0),
        "lossy": links(network.loss, 0),
        "not running": sorted(set(world.nodes) - set(world.running)),
    }
    return {what: where for what, where in found.items() if where}


def act(world: SimulatedWorld, fault: Fault) -> None:
    for action in fault.actions:
        world.act(action)


# ---- all of them


@pytest.mark.parametrize("name", catalog.names("nemesis"))
def test_every_nemesis_keeps_the_contract(name: str) -> None:
    check_nemesis(catalog.load("nemesis", name))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_partition_alone_keeps_the_contract(kind: str) -> None:
    check_nemesis(lambda: Partition([kind]), nodes=(4, 5), seeds=[1])


def test_all_of_them_at_once_keep_the_contract() -> None:
    check_nemesis(lambda: make_nemesis(",".join((*FAMILIES, "clock"))), seeds=[1, 2])


@pytest.mark.parametrize("name", FAMILIES)
def test_start_breaks_something_and_stop_undoes_exactly_that(name: str) -> None:
    """Something else is broken before, and stays so."""
    world = make_world()
    for action in (["cut", 1, 2], ["crash", 5, "clean"]):
        world.act(action)
    before = broken(world)
    for seed in range(30):
        made = make_nemesis(name)
        for fault in made.faults:
            started = made.resolve(f"start-{fault}", world, Random(seed))
            assert broken(world) == before, "deciding does nothing yet"
            act(world, started)
            assert broken(world) != before or seed, "the first draw hits something new"
            stopped = made.resolve(f"stop-{fault}", world, Random(seed))
            act(world, stopped)
            after = broken(world)
            # a restart brings n5 back as well, if the nemesis crashed it once more
            if ["restart", 5] in stopped.actions:
                world.act(["crash", 5, "clean"])
                after = broken(world)
            assert after == before, (seed, started, stopped)
            assert made.resolve(f"stop-{fault}", world, Random(seed)).actions == []


def test_a_nemesis_starts_and_stops_in_turns() -> None:
    generator = time_limit(60 * SECOND, nemesis(Kill().generator(SECOND)))
    history = perfect(generator, nemesis=True)
    functions = [invocation.f for invocation in invocations_of(history, clients=2)]
    assert 30 < len(functions) < 120, "about one a second"
    assert functions[::2] == ["start-kill"] * len(functions[::2])
    assert functions[1::2] == ["stop-kill"] * len(functions[1::2])


@pytest.mark.parametrize(
    ("f", "message"),
    [
        ("heal", r"start-<fault>, shift-<fault> or stop-<fault>, not 'heal'\.\n.* nemesis 'kill'"),
        ("heal-kill", "shift-<fault> or stop-<fault>, not 'heal-kill'"),
        ("shift-kill", "The nemesis 'kill' cannot do 'shift-kill': it has no `shift`"),
    ],
)
def test_a_nemesis_knows_only_starts_shifts_and_stops(f: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Kill().resolve(f, make_world(), Random(1))


@pytest.mark.parametrize("kind", ["start", "shift", "stop"])
@pytest.mark.parametrize("answer", [None, [["crash", 1, "clean"]]])
def test_a_nemesis_that_answers_no_fault_is_named(kind: str, answer: Any) -> None:
    forgetful = type("Forgetful", (Kill,), {kind: lambda *_: answer})
    message = rf"nemesis 'kill' answered .* to '{kind}-kill': `{kind}` must return a .*\.Fault\.\n"
    for made in (forgetful(), Composed([Pause(), forgetful()])):
        with pytest.raises(UsageError, match=message):
            made.resolve(f"{kind}-kill", make_world(), Random(1))


def test_no_fault_has_nothing_to_do() -> None:
    assert NoFault().generator(SECOND) is None
    assert NoFault().final() is None
    assert NoFault.faults == ()


# ---- one by one


class TestPartition:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_value_names_the_kind_and_every_cut(self, kind: str) -> None:
        world = make_world()
        fault = Partition([kind]).start("partition", world, Random(3))
        act(world, fault)
        assert fault.value["kind"] == kind
        named = [(int(a[1:]), int(b[1:])) for a, b in fault.value["cut"]]
        assert named == sorted(broken(world)["cut"])
        assert set(broken(world)["cut"].values()) == {1}

    def test_clients_are_never_cut_off(self) -> None:
        for seed in range(50):
            fault = Partition().start("partition", make_world(), Random(seed))
            assert all(1 <= node <= 5 for _, *link in fault.actions for node in link)

    def test_the_leader_is_isolated_if_there_is_one(self) -> None:
        world = make_world()
        for seed in range(10):
            fault = Partition(["isolate-leader"]).start("partition", world, Random(seed))
            assert fault.value["alone"] == ["n2"]
        world.act(["crash", 2, "clean"])
        alone = {
            Partition(["isolate-leader"]).start("partition", world, Random(seed)).value["alone"][0]
            for seed in range(60)
        }
        assert alone == {"n1", "n2", "n3", "n4", "n5"}, "somebody, then"

    def test_who_stands_alone_is_named_for_isolations_only(self) -> None:
        for kind in KINDS:
            fault = Partition([kind]).start("partition", make_world(), Random(1))
            assert ("alone" in fault.value) == kind.startswith("isolate"), kind

    def test_all_kinds_are_drawn(self) -> None:
        world = make_world()
        kinds = {Partition().start("partition", world, Random(s)).value["kind"] for s in range(99)}
        assert kinds == set(KINDS)

    @pytest.mark.parametrize(
        ("nodes", "without"),
        [(2, {"majorities-ring", "bridge"}), (3, {"majorities-ring"}), (4, set()), (5, set())],
    )
    def test_only_what_cuts_something_is_drawn(self, nodes: int, without: set[str]) -> None:
        world = make_world(nodes)
        faults = [Partition().start("partition", world, Random(seed)) for seed in range(99)]
        assert all(fault.actions for fault in faults)
        assert {fault.value["kind"] for fault in faults} == set(KINDS) - without
        for kind in without:  # asked for by name, it is done all the same
            fault = Partition([kind]).start("partition", world, Random(1))
            assert (fault.value["kind"], fault.actions) == (kind, [])

    def test_an_unknown_kind_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(UsageError, match="kind of partition called 'half'.*'halves'"):
            Partition(["half"])


class TestKill:
    def test_it_crashes_whom_it_names_and_restarts_them(self) -> None:
        world = make_world()
        made = Kill()
        fault = made.start("kill", world, Random(2))
        act(world, fault)
        down = fault.value["crash"]
        assert node_names(broken(world)["not running"]) == down
        assert {mode for _, _, mode in fault.actions} == {fault.value["mode"]}
        assert made.stop("kill", world).value == {"restart": down}

    def test_all_targets_and_modes_are_drawn(self) -> None:
        world = make_world()
        values = [Kill().start("kill", world, Random(seed)).value for seed in range(99)]
        drawn = {(value["target"], value["mode"]) for value in values}
        assert drawn == {(target, mode) for target in TARGETS for mode in MODES}


class TestPause:
    def test_it_freezes_whom_it_names_and_lets_them_go_on(self) -> None:
        world = make_world()
        made = Pause()
        fault = made.start("pause", world, Random(2))
        act(world, fault)
        assert node_names(broken(world)["not running"]) == fault.value["pause"]
        assert "down" not in world.describe_nodes()
        assert made.stop("pause", world).value == {"resume": fault.value["pause"]}


class TestDelay:
    @pytest.mark.parametrize("seed", range(20))
    def test_the_links_that_it_names_become_slow_and_lossy(self, seed: int) -> None:
        world = make_world()
        fault = Delay().start("delay", world, Random(seed))
        act(world, fault)
        value, found = fault.value, broken(world)
        everything = {(a, b) for a in world.nodes for b in world.nodes if a != b}
        node = int(value.get("node", "n0")[1:])
        expected = {
            "all": everything,
            "of-one": {link for link in everything if node in link},
            "towards-one": {link for link in everything if link[1] == node},
            "of-leader": {link for link in everything if 2 in link},
        }[value["links"]]
        assert found["slow"] == dict.fromkeys(expected, value["delay_ms"] * 1_000_000)
        assert set(found.get("lossy", {})) == (expected if value["loss_ratio"] else set())

    def test_all_that_the_table_lists_is_drawn(self) -> None:
        world = make_world()
        values = [Delay().start("delay", world, Random(seed)).value for seed in range(99)]
        assert {value["links"] for value in values} == set(LINKS)
        assert {value["delay_ms"] for value in values} == set(DELAYS_MS)
        assert {value["loss_ratio"] for value in values} == set(LOSSES)


class TestMembership:
    def test_all_are_ordered_to_vote_again_once_anything_was_changed(self) -> None:
        """Whether an order was followed cannot be seen, so no later stop takes it for granted."""
        world, random, made = make_world(), Random(9), Membership()
        orders = []
        for _ in range(20):
            orders.append(made.start("membership", world, random).value["order"])
            stopped = made.stop("membership", world).actions
            changed = set(orders) - {"transfer"}
            assert stopped == ([["order", 2, ["reconfigure", [1, 2, 3, 4, 5]]]] if changed else [])
        assert orders[0] == "transfer"
        assert set(orders) == set(ORDERS)

    def test_the_last_orders_come_when_all_else_is_healed_and_leave_time(self) -> None:
        final = nemesis(make_nemesis("membership,kill,partition").final())
        begun = list(invocations_of(perfect(final, nemesis=True), clients=1))
        assert [row.f for row in begun[:3]] == ["stop-kill", "stop-partition", "stop-membership"]
        times_ns = [row.time_ns for row in begun if row.f == "stop-membership"]
        assert len(times_ns) == LAST_ORDERS == len(begun) - 2
        assert times_ns[-1] - times_ns[0] >= (LAST_ORDERS - 1) * PAUSE_NS

    @pytest.mark.parametrize("seed", [3, 10, 11])
    def test_a_run_ends_with_all_voters(self, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        """The order at the end comes to a cluster without a leader, or one that is changing."""
        nodes: dict[int, Any] = {}
        make_node = Raft.node

        def remembered(system: Raft, context: Any, machine: Any) -> Any:
            nodes[context.id] = make_node(system, context, machine)
            return nodes[context.id]

        monkeypatch.setattr(Raft, "node", remembered)
        experiment = Experiment(
            system="raft", nemesis="membership,kill", nodes=5, rate_per_s=5.0,
            time_limit_ns=6 * SECOND, interval_ns=SECOND, recovery_ns=SECOND,
        )  # fmt: skip
        run = carry_out(experiment, seed).run
        assert {node.configuration.voters for node in nodes.values()} == {(1, 2, 3, 4, 5)}
        assert carry_out_again(run.plan).run.digest == run.digest


@pytest.mark.parametrize(
    ("target", "nodes", "count"),
    [
        ("one", 1, 1), ("one", 5, 1), ("leader", 5, 1),
        ("minority", 1, 1), ("minority", 2, 1), ("minority", 3, 1), ("minority", 4, 1),
        ("minority", 5, 2), ("minority", 7, 3),
        ("majority", 1, 1), ("majority", 2, 2), ("majority", 3, 2), ("majority", 4, 3),
        ("majority", 5, 3), ("majority", 7, 4),
        ("all", 1, 1), ("all", 5, 5),
    ],
)  # fmt: skip
def test_targets(target: str, nodes: int, count: int) -> None:
    cluster = list(range(1, nodes + 1))
    picked = [pick(target, cluster, leader=None, random=Random(seed)) for seed in range(40)]
    assert {len(victims) for victims in picked} == {count}
    assert all(victims == sorted(set(victims)) for victims in picked)
    assert {node for victims in picked for node in victims} == set(cluster)


def test_the_leader_is_a_target_and_an_unknown_one_is_none() -> None:
    assert pick("leader", [1, 2, 3], leader=3, random=Random(1)) == [3]
    with pytest.raises(UsageError, match="no target called 'leeder'.*'leader'"):
        pick("leeder", [1, 2, 3], leader=None, random=Random(1))


# ---- several at once


class TestComposed:
    def test_it_has_the_faults_of_all_parts(self) -> None:
        made = make_nemesis("partition, kill,none")
        assert isinstance(made, Composed)
        assert made.faults == ("partition", "kill")

    def test_each_part_decides_about_its_own(self) -> None:
        world = make_world()
        made = Composed([Kill(), Pause()])
        killed = made.resolve("start-kill", world, Random(5))
        paused = made.resolve("start-pause", world, Random(5))
        assert killed.value == Kill().start("kill", world, Random(5)).value
        assert paused.value == Pause().start("pause", world, Random(5)).value
        assert made.resolve("stop-kill", world, Random(5)).value == {
            "restart": killed.value["crash"]
        }

    def test_one_that_goes_on_in_steps_can_be_among_them(self) -> None:
        """A scenario and figure 8 shift what they break, between start and stop."""
        for names in ("partition,flapping", "pause,figure-8"):
            check_nemesis(lambda names=names: make_nemesis(names), nodes=(3, 5), seeds=(1,))

    def test_its_final_stops_every_part(self) -> None:
        final = nemesis(make_nemesis("kill,none,pause,delay").final())
        functions = {row.f for row in perfect(final, nemesis=True)}
        assert functions == {"stop-kill", "stop-pause", "stop-delay"}

    def test_nothing_but_none_has_nothing_to_do(self) -> None:
        made = Composed([NoFault(), NoFault()])
        assert made.generator(SECOND) is None
        assert made.final() is None

    def test_the_same_fault_twice_is_refused(self) -> None:
        with pytest.raises(UsageError, match="names kill, pause twice"):
            make_nemesis("kill,pause,partition,pause,kill")

    @pytest.mark.parametrize("names", ["", "kill,", "kil", "kill,,pause"])
    def test_unknown_and_empty_names_are_refused(self, names: str) -> None:
        with pytest.raises(UsageError, match="There is no nemesis called '.*\nAvailable: .*kill"):
            make_nemesis(names)


# ---- what the kit is for: small nemeses, each with one thing wrong


class NeverAgain(Kill):
    def generator(self, interval_ns: int) -> Generator | None:
        return None


class Impatient(Kill):
    def generator(self, interval_ns: int) -> Generator | None:
        return flip_flop(repeat({"f": "start-kill"}), repeat({"f": "start-kill"}))


class ShiftsNothing(Kill):
    def generator(self, interval_ns: int) -> Generator | None:
        return repeat({"f": "shift-kill"})


class Unfinished(Kill):
    def final(self) -> Generator | None:
        return None


class Endless(Kill):
    def final(self) -> Generator | None:
        return repeat({"f": "stop-kill"})


class Misnamed(Kill):
    def final(self) -> Generator | None:
        return to_generator({"f": "heal-kill"})


class ForgetsOne(Pause):
    def stop(self, fault: str, world: World) -> Fault:
        return Fault(value=None, actions=list(super().stop(fault, world).actions)[1:])


class RestartsAll(Kill):
    def stop(self, fault: str, world: World) -> Fault:
        return Fault(value=None, actions=[["restart", node] for node in world.nodes])


class MendsTooMuch(Partition):
    def stop(self, fault: str, world: World) -> Fault:
        mended = super().stop(fault, world).actions
        return Fault(value=None, actions=[*mended, *mended])


class Gambles(Kill):
    def start(self, fault: str, world: World, random: Random) -> Fault:
        return super().start(fault, world, Random(global_random.random()))


class Jumps(Kill):
    """Does the deed at once instead of saying what to do."""

    def start(self, fault: str, world: World, random: Random) -> Fault:
        decided = super().start(fault, world, random)
        for action in decided.actions:
            world.act(action)  # type: ignore[attr-defined]
        return decided


def altered(change: Callable[[Fault], Fault]) -> type[Nemesis]:
    """A `Kill` whose starts are changed."""

    class Altered(Kill):
        def start(self, fault: str, world: World, random: Random) -> Fault:
            return change(super().start(fault, world, random))

    return Altered


def with_value(value: Any) -> type[Nemesis]:
    return altered(lambda fault: Fault(value=value, actions=fault.actions))


def with_actions(*actions: Any) -> type[Nemesis]:
    return altered(lambda fault: Fault(value=fault.value, actions=actions))


class Idle(NoFault):
    faults = ("kill",)
    generator = Kill.generator
    final = Kill.final

    def start(self, fault: str, world: World, random: Random) -> Fault:
        return Fault(value=None, actions=[])

    def stop(self, fault: str, world: World) -> Fault:
        return Fault(value=None, actions=[])


class Fragile(Kill):
    """Takes it for granted that there are two nodes."""

    def start(self, fault: str, world: World, random: Random) -> Fault:
        _ = world.nodes[1]
        return super().start(fault, world, random)


def described(**attributes: Any) -> type[Nemesis]:
    return type("Described", (Kill,), attributes)


BAD = {
    "it never starts": (NeverAgain, "its generator never starts kill"),
    "it starts twice": (Impatient, "start-kill comes twice without a stop"),
    "it shifts what does not go on": (ShiftsNothing, "shift-kill comes although kill does not go"),
    "it leaves things broken at the end": (Unfinished, r"final\(\) does not stop kill"),
    "it never ends": (Endless, "it does not come to an end"),
    "its functions have other names": (Misnamed, "'heal-kill' is not the start or stop"),
    "its stop forgets one": (ForgetsOne, r"stop-pause.*it leaves broken: pause n\d"),
    "its stop restarts all": (RestartsAll, "stop-kill does something before any start"),
    "its stop mends twice": (MendsTooMuch, r"\['mend'.*undoes what this fault has not done"),
    "it draws elsewhere": (Gambles, "its twin decides otherwise"),
    "it acts by itself": (Jumps, "resolve itself changes the world"),
    "it cannot do with one node": (Fragile, r"with 1 node.*resolve\('start-kill'\) raised IndexE"),
    "its value is a tuple": (with_value(("n1",)), "no plain JSON"),
    "its value is a set": (with_value({"crash": {"n1"}}), "no plain JSON"),
    "its value is not a number": (with_value(float("nan")), "no plain JSON"),
    "its value numbers the nodes": (with_value({"crash": [1]}), r"by name \(n1\), not 1"),
    "its value names a stranger": (with_value({"crash": ["n9"]}), "not 'n9'"),
    "its action is unknown": (with_actions(["explode", 1]), r"\['explode', 1\] is no action"),
    "its action is a tuple": (with_actions(("crash", 1)), "is no action"),
    "its action hits a stranger": (with_actions(["crash", 77]), "there is no node 77"),
    "its action hits a client": (
        with_actions(["cut", 1, 2], ["cut", 2, 1]),
        "is no node|no node 2",
    ),
    "its action lacks an argument": (
        with_actions(["slow", 1, 1]),
        "cannot be done: It has too few arguments",
    ),
    "its action has a bad mode": (with_actions(["crash", 1, "soft"]), "crash mode called 'soft'"),
    "it does nothing": (Idle, "start-kill never does anything"),
    "it has no summary": (described(summary=" "), "it has no summary"),
    "its name is none": (described(name="Kill all"), "'Kill all' is no name for a command line"),
    "its faults are a list": (described(faults=["kill"]), "faults is no tuple"),
    "its faults are doubled": (described(faults=("kill", "kill")), "names a fault twice"),
}


@pytest.mark.parametrize("why", BAD)
def test_the_kit_finds_what_is_wrong_with_a_nemesis(why: str) -> None:
    make, complaint = BAD[why]
    with pytest.raises(AssertionError, match=complaint):
        check_nemesis(make, nodes=(1, 5), seeds=[1, 2], duration_ns=20 * SECOND)
