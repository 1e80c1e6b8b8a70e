"""Schedules, step by step, that show what the library does wrong; each can be run by itself.

    python -m systems.craft.scenarios two-leaders

It ends with exit code 1 if the schedule raises its alarm, which it says, and with 0 if not.

>>> sorted(SCENARIOS)
['commit-by-counting', 'false-acknowledgement', 'two-leaders']
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from harness.child import apart
from harness.errors import unknown_name
from systems.craft import Craft, CraftAsInDqlite
from systems.craft.messages import Append, Appended
from systems.scenario import Scenario, Stage, play


async def two_leaders(stage: Stage) -> None:
    """Two voters, of whom the leader makes itself a standby. The other one has stored that, and
    the link breaks before the leader hears of it. So the leader leads on, for it counts itself,
    though no voter any more, as a majority of the one voter; and the other one, now the only
    voter, makes itself the leader of the same term, without a new one."""
    old = await stage.leader()
    (other,) = stage.others(old)
    await stage.client(old).write("x", 1)
    stage.order(old, "assign", old, "standby")
    await stage.until(
        lambda: (
            stage.node(old).log.last_index
            == stage.node(other).log.last_index
            == stage.node(other).durable
            and stage.node(other).members().get(old) == 0
        ),
        "the other node to store the new members",
    )
    stage.isolate(old)
    await stage.until(lambda: stage.node(other).role == "leader", "the other node to lead")


async def false_acknowledgement(stage: Stage) -> None:
    """A write is acknowledged that one node alone has, and it is lost with that node.

    A has two entries of its own from when it was cut off. B, which leads now, sends it a heartbeat
    that names the entry before those, and A answers that it has stored everything up to the second
    of them. Meanwhile B has appended a write. It takes A's answer for an acknowledgement of that,
    though A has never seen it, and tells the client that it is done.
    """
    a = await stage.leader()
    await stage.client(a).write("x", 1)
    stage.isolate(a)
    last = stage.node(a).log.last_index
    for value in (1, 2):
        stage.begin(stage.pinned(a).write, "y", value)
    await stage.until(lambda: stage.node(a).durable == last + 2, "A to store two entries")
    stage.crash(a)
    stage.heal()
    b = await _elected(stage, stage.others(a))
    (c,) = stage.others(a, b)
    stage.crash(c)
    answers = stage.hold(Appended, source=a, destination=b)
    entries = stage.drop(Append, source=b, destination=a, when=lambda message: message.entries)
    stage.restart(a)
    await stage.until(lambda: answers.held, "A to answer a heartbeat")
    writing = stage.begin(stage.client(b).write, "x", 5)
    await stage.until(lambda: stage.node(b).durable == last + 1, "B to store the write")
    answers.release()
    await writing.end()
    stage.crash(b)
    entries.end()
    stage.restart(c)
    await _elected(stage, [a, c])
    await stage.client(a).read("x")


async def commit_by_counting(stage: Stage) -> None:
    """Figure 8: a client reads what was decided by counting, and later what was before it.

    A has an entry of its own from when it was cut off, and B another one of a later term. A leads
    again, and takes its old entry for decided when C has stored it too, with no entry of its new
    term behind it. All that A knows of is applied now, so that it answers a read at once. Then A
    falls, and B, whose last entry is of a later term than C's, is elected and replaces A's.
    """
    a = await stage.leader()
    await stage.client(a).write("x", 1)
    await _keep_to_itself(stage, a, "x", 2)
    b = await _elected(stage, stage.others(a))
    (c,) = stage.others(a, b)
    await _keep_to_itself(stage, b, "y", 3)
    stage.restart(a)
    await _elected(stage, [a])
    await stage.until(
        lambda: stage.node(a).applied == stage.node(a).log.last_index, "A to decide its old entry"
    )
    await stage.client(a).read("x")
    stage.crash(a)
    stage.restart(b)
    await _elected(stage, [b, c])
    await stage.client(b).read("x")


async def _keep_to_itself(stage: Stage, leader: int, key: str, value: int) -> None:
    """`leader` stores a write that nobody else hears of, and falls."""
    stage.isolate(leader)
    last = stage.node(leader).log.last_index
    stage.begin(stage.pinned(leader).write, key, value)
    await stage.until(lambda: stage.node(leader).durable == last + 1, "a leader to store a write")
    stage.crash(leader)
    stage.heal()


async def _elected(stage: Stage, nodes: Sequence[int]) -> int:
    """Wait until one of `nodes` leads, and return it."""

    def leading() -> list[int]:
        return [node for node in nodes if stage.node(node).role == "leader"]

    await stage.until(leading, "one of them to lead")
    return leading()[0]


#: By name: the schedule, its system, in how many nodes it plays, and whether invariants look on.
SCENARIOS: Mapping[str, tuple[Scenario, type[Craft], int, bool]] = {
    "commit-by-counting": (commit_by_counting, CraftAsInDqlite, 3, False),
    "false-acknowledgement": (false_acknowledgement, Craft, 3, False),
    "two-leaders": (two_leaders, Craft, 2, True),
}


def found(name: str) -> str:
    """What `name` shows, "" if nothing. It is played in a child process: the library may crash."""
    if name not in SCENARIOS:
        raise unknown_name("scenario of craft", name, SCENARIOS)
    scenario, system, nodes, invariants = SCENARIOS[name]

    def work() -> str:
        outcome = play(system(), scenario, nodes=nodes, invariants=invariants)
        return outcome.reason if outcome.alarm else ""

    return apart(work)


def main(arguments: Sequence[str]) -> int:
    """The module's command line."""
    names = list(arguments) or sorted(SCENARIOS)
    reasons = {name: found(name) for name in names}
    for name, reason in reasons.items():
        print(f"{name}: {reason or 'nothing is wrong'}")
    return int(any(reasons.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
