"""The partial-connectivity scenarios P1 to P13: scripts over the links between five nodes.

Fault model: links named by a topology are cut (or, in the slow form, delayed by half an election
timeout and lossy by a fifth) while the script runs; nothing else breaks, clients reach every node.
When a script begins, roles are given out: C is the leader, A and the others are drawn. At its end
everything heals.

| id  | name               | at the start                            | later                      |
|-----|--------------------|-----------------------------------------|----------------------------|
| P1  | quorum-loss        | only the hub A is linked, to all        |                            |
| P2  | constrained        | A-C cut, so that A falls behind         | at T/2: only A-B, A-D, A-E |
| P3  | chained            | A-C cut                                 |                            |
| P4  | line-middle        | A-B, B-C, C-D, D-E: leader in the middle|                            |
| P5  | line-end           | C-A, A-B, B-D, D-E: leader at the end   |                            |
| P6  | two-tails          | A, B, C in full; D-B, E-C               |                            |
| P7  | leader-by-a-thread | A, B, D in full; C-B; E alone           |                            |
| P8  | deaf-leader        | nothing reaches C                       |                            |
| P9  | mute-leader        | nothing leaves C                        |                            |
| P10 | isolated-leader    | C alone: the control                    |                            |
| P11 | half-switch        | of C, A, B only C-A is cut; others alone|                            |
| P12 | flapping           | A-C cut                                 | mended and cut every T     |
| P13 | rotating-star      | as P1                                   | the hub moves on every 3 T |

Sources: Ng, Haridi, Carbone, "Omni-Paxos", EuroSys 2023 (P1-P3); Howard and Abraham, "Raft does
not guarantee liveness in the face of network faults", 2020 (P6, P7); the Cloudflare outage of
2 November 2020 (P11).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import ClassVar

from harness.generators import Generator, concat, sleep
from harness.nemesis import Fault, Nemesis
from harness.units import MILLISECOND_NS, SECOND_NS
from harness.world import Action, World
from nemeses.topologies import Graph, Link, alone, cut_links, full, line, only, star, without

#: T, the election timeout that scripts count in.
ELECTION_NS = 500 * MILLISECOND_NS
#: How long the cluster works before the script begins, and how long the script lasts.
WARM_UP_NS = 5 * SECOND_NS
DURATION_NS = 30 * SECOND_NS

#: The slow form of a cut.
SLOW_NS = ELECTION_NS // 2
SLOW_LOSS_RATIO = 0.2

#: The leader and the hub come first: they are the roles that every cluster has.
ROLES = "CABDEFGHI"


class Scenario(Nemesis):
    """A script: steps of (time after the start, links cut from then on), then heal.

    Subclasses give `steps`. Time is in nanoseconds; links are pairs of roles.
    """

    #: P1 to P13.
    identifier: ClassVar[str]
    #: What a system needs to go on under it, for reports: "Needs ...".
    lesson: ClassVar[str]
    #: Whether links are made slow and lossy instead of cutting them.
    slow: ClassVar[bool] = False

    def __init__(self) -> None:
        self.faults = (self.name,)
        self._roles: dict[str, int] = {}
        self._cut: list[tuple[int, int]] = []
        self._step = 0

    def steps(self, roles: str) -> Sequence[tuple[int, Iterable[Link]]]:
        """When which links are cut, for a cluster with these roles."""
        raise NotImplementedError

    def opening(self, nodes: int) -> tuple[str, list[Link]]:
        """The roles in a cluster of so many nodes, and the links that are cut at the beginning."""
        roles = "".join(sorted(ROLES[:nodes]))
        return roles, list(self.steps(ROLES[:nodes])[0][1])

    def generator(self, interval_ns: int) -> Generator:
        """Warm up, begin, go through the steps, heal; `interval_ns` plays no part."""
        times = [time_ns for time_ns, _ in self.steps(ROLES[:5])]
        parts: list[object] = [sleep(WARM_UP_NS), {"f": f"start-{self.name}"}]
        for before_ns, time_ns in pairwise(times):
            parts += [sleep(time_ns - before_ns), {"f": f"shift-{self.name}"}]
        parts += [sleep(DURATION_NS - times[-1]), {"f": f"stop-{self.name}"}]
        return concat(*parts)  # type: ignore[arg-type]

    def start(self, fault: str, world: World, random: Random) -> Fault:
        leader = world.leader() or random.choice(world.nodes)
        others = [node for node in world.nodes if node != leader]
        random.shuffle(others)
        self._roles = dict(zip(ROLES, [leader, *others], strict=False))
        self._step = 0
        return self._change_to(0)

    def shift(self, fault: str, world: World, random: Random) -> Fault:
        self._step += 1
        return self._change_to(self._step)

    def stop(self, fault: str, world: World) -> Fault:
        healed = self._undo()
        self._cut = []
        return Fault(value=None, actions=healed)

    def _change_to(self, step: int) -> Fault:
        """Undo the links of the step before, and cut those of this one."""
        steps = self.steps("".join(self._roles))
        actions = self._undo()
        links = sorted(steps[min(step, len(steps) - 1)][1])
        self._cut = [(self._roles[a], self._roles[b]) for a, b in links]
        if self.slow:
            actions += [["slow", *link, SLOW_NS, SLOW_LOSS_RATIO] for link in self._cut]
        else:
            actions += [["cut", *link] for link in self._cut]
        value = {
            "scenario": self.identifier,
            "roles": {role: f"n{node}" for role, node in sorted(self._roles.items())},
            "slow" if self.slow else "cut": [f"{a}→{b}" for a, b in links],
        }
        return Fault(value=value, actions=actions)

    def _undo(self) -> list[Action]:
        verb = "fast" if self.slow else "mend"
        return [[verb, *link] for link in self._cut]


class _OneStep(Scenario):
    """A scenario whose links stay as they are from its start to its end."""

    def cuts(self, roles: str) -> Iterable[Link]:
        raise NotImplementedError

    def steps(self, roles: str) -> Sequence[tuple[int, Iterable[Link]]]:
        return [(0, self.cuts(roles))]


class QuorumLoss(_OneStep):
    name, identifier = "quorum-loss", "P1"
    summary = "P1: everybody hears the hub only, the leader too"
    lesson = (
        "Needs a leader that notices that it has lost its quorum (CheckQuorum, a lease, a "
        "quorum flag in the heartbeats), or anybody who raises the term."
    )

    def cuts(self, roles: str) -> Iterable[Link]:
        return cut_links(star("A", roles))


class Constrained(Scenario):
    name, identifier = "constrained", "P2"
    summary = "P2: the only node that hears a quorum lacks the newest log"
    lesson = (
        "Needs a leader that may lack the newest log and fetches it with its votes, as in "
        "Paxos: the only node that hears a quorum lags behind."
    )

    def steps(self, roles: str) -> Sequence[tuple[int, Iterable[Link]]]:
        others = [role for role in roles if role not in "AC"]
        hub = only(roles, *("A" + role for role in others))
        return [(0, cut_links(without(roles, "AC"))), (ELECTION_NS // 2, cut_links(hub))]


class Chained(_OneStep):
    name, identifier = "chained", "P3"
    summary = "P3: one node does not hear the leader"
    lesson = (
        "Needs that a node which cannot hear the leader does not topple it: PreVote, "
        "leases, or ballots that count who hears a quorum."
    )

    def cuts(self, roles: str) -> Iterable[Link]:
        return cut_links(without(roles, "AC"))


class LineMiddle(_OneStep):
    name, identifier = "line-middle", "P4"
    summary = "P4: a line with the leader in its middle"
    lesson = (
        "Needs that the ends of the line, which cannot hear the leader, do not topple it: "
        "nobody else can lead as well."
    )

    def cuts(self, roles: str) -> Iterable[Link]:
        order = [role for role in roles if role != "C"]
        middle = len(order) // 2
        return cut_links(line(*order[:middle], "C", *order[middle:]))


class LineEnd(_OneStep):
    name, identifier = "line-end", "P5"
    summary = "P5: a line with the leader at its end"
    lesson = (
        "Needs that the leader, which hears one node only, is replaced, and its successor "
        "in the middle is then left in peace."
    )

    def cuts(self, roles: str) -> Iterable[Link]:
        return cut_links(line("C", *(role for role in roles if role != "C")))


class TwoTails(_OneStep):
    name, identifier = "two-tails", "P6"
    summary = "P6: a triangle around the leader, and two nodes with one link each"
    lesson = (
        "Needs that the two tails, which hear one node each, do not topple a leader that "
        "has its quorum."
    )

    def cuts(self, roles: str) -> Iterable[Link]:
        tails = [role for role in roles if role not in "ABC"]
        links = [("CB"[i % 2]) + role for i, role in enumerate(reversed(tails))]
        return cut_links(only(roles, "AB", "AC", "BC", *links))


class LeaderByAThread(_OneStep):
    name, identifier = "leader-by-a-thread", "P7"
    summary = "P7: the leader hears one node, which hears a quorum without it"
    lesson = (
        "Needs CheckQuorum besides PreVote: the leader must step down, for while somebody "
        "still hears it nobody else may run."
    )

    def cuts(self, roles: str) -> Iterable[Link]:
        return cut_links(only(roles, "AB", "AD", "BD", "BC"))


class DeafLeader(_OneStep):
    name, identifier = "deaf-leader", "P8"
    summary = "P8: nothing reaches the leader, but it is heard"
    lesson = (
        "Needs acknowledgements as the proof of life, not heartbeats: the leader is heard "
        "by all and hears nobody."
    )

    def cuts(self, roles: str) -> Iterable[Link]:
        return [(role, "C") for role in roles if role != "C"]


class MuteLeader(_OneStep):
    name, identifier = "mute-leader", "P9"
    summary = "P9: nothing leaves the leader, but it hears"
    lesson = "Needs an election timeout: followers hear nothing any more."

    def cuts(self, roles: str) -> Iterable[Link]:
        return [("C", role) for role in roles if role != "C"]


class IsolatedLeader(_OneStep):
    name, identifier = "isolated-leader", "P10"
    summary = "P10: the leader is cut off: the control"
    lesson = "Needs an election timeout; this is the control."

    def cuts(self, roles: str) -> Iterable[Link]:
        return cut_links(alone("C", roles))


class HalfSwitch(_OneStep):
    name, identifier = "half-switch", "P11"
    summary = "P11: a switch that lost the link between the leader and one of two others"
    lesson = (
        "Needs that the leader gives way to the one node that hears a quorum, as in the "
        "outage at Cloudflare in 2020."
    )

    def cuts(self, roles: str) -> Iterable[Link]:
        # three nodes in the outage; of more, the rest are alone
        return cut_links(only(roles, "CB", "AB"))


class Flapping(Scenario):
    name, identifier = "flapping", "P12"
    summary = "P12: one link of the leader comes and goes, an election timeout each"
    lesson = (
        "Needs that a node which loses and finds the leader again and again does not disturb it."
    )

    def steps(self, roles: str) -> Sequence[tuple[int, Iterable[Link]]]:
        graphs: tuple[Graph, Graph] = (without(roles, "AC"), full(roles))
        count = DURATION_NS // ELECTION_NS
        return [(i * ELECTION_NS, cut_links(graphs[i % 2])) for i in range(count)]


class RotatingStar(Scenario):
    name, identifier = "rotating-star", "P13"
    summary = "P13: everybody hears the hub only, and the hub moves"
    lesson = (
        "Needs that leadership follows the hub within three election timeouts, again and again."
    )

    def steps(self, roles: str) -> Sequence[tuple[int, Iterable[Link]]]:
        stay_ns = 3 * ELECTION_NS
        hubs = [roles[(1 + i) % len(roles)] for i in range(DURATION_NS // stay_ns)]
        return [(i * stay_ns, cut_links(star(hub, roles))) for i, hub in enumerate(hubs)]


def _slow(scenario: type[Scenario]) -> type[Scenario]:
    """The same script with slow and lossy links instead of cut ones."""
    form = {
        "name": f"{scenario.name}-slow",
        "summary": f"{scenario.summary}; slow links instead of cut ones",
        "slow": True,
        "__module__": __name__,
    }
    return type(f"{scenario.__name__}Slow", (scenario,), form)


QuorumLossSlow = _slow(QuorumLoss)
ConstrainedSlow = _slow(Constrained)
ChainedSlow = _slow(Chained)
LineMiddleSlow = _slow(LineMiddle)
LineEndSlow = _slow(LineEnd)
TwoTailsSlow = _slow(TwoTails)
LeaderByAThreadSlow = _slow(LeaderByAThread)
DeafLeaderSlow = _slow(DeafLeader)
MuteLeaderSlow = _slow(MuteLeader)
IsolatedLeaderSlow = _slow(IsolatedLeader)
HalfSwitchSlow = _slow(HalfSwitch)
FlappingSlow = _slow(Flapping)
RotatingStarSlow = _slow(RotatingStar)

#: P1 to P13, in order.
SCENARIOS: tuple[type[Scenario], ...] = (
    QuorumLoss,
    Constrained,
    Chained,
    LineMiddle,
    LineEnd,
    TwoTails,
    LeaderByAThread,
    DeafLeader,
    MuteLeader,
    IsolatedLeader,
    HalfSwitch,
    Flapping,
    RotatingStar,
)
