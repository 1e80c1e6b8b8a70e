"""The conformance kit of systems: Raft passes it, a small sound system too, broken ones do not."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import catalog
from harness.system import System
from systems.kit import check_system

SOUND = '''
"""One node does all the work: it answers after its disk has synced. The others point to it."""

from typing import Any

import msgspec

from harness.node import ClientReply, Message, NodeStatus
from harness.system import Flaw, System
from systems.connection import RetryPolicy, SessionConnection


class Gossip(Message, frozen=True, gc=False, array_like=True, tag=True):
    """The others hear how many commands there were."""

    count: int
    extra: Any = None


class PrimaryNode:
    def __init__(self, context, machine):
        self.context = context
        self.machine = machine
        self.count = 0

    def on_start(self, recovered):
        for record in recovered.records:
            self.machine.apply(msgspec.msgpack.decode(record))

    def on_message(self, source, message):
        self.count = message.count

    def on_timer(self, name):
        pass

    def on_request(self, request):
        if self.context.id != 1:
            self.context.reply(request, ClientReply(request.id, False, None, "not me", 1))
        elif request.read_only:
            self.answer(request, self.machine.apply(request.command))
        else:
            self.context.disk.append(msgspec.msgpack.encode(request.command))
            self.context.disk.sync(request)

    def on_durable(self, request):
        self.count += 1
        for peer in self.context.peers:
            self.context.send(peer, self.gossip())
        self.answer(request, self.machine.apply(request.command))

    def gossip(self):
        return Gossip(self.count)

    def answer(self, request, value):
        self.context.reply(request, ClientReply(request.id, True, value))

    def status(self):
        role = "leader" if self.context.id == 1 else "follower"
        return NodeStatus(role=role, term=1, leader=1)


class Primary(System):
    name = "primary"
    summary = "one node does all the work"
    messages = (Gossip,)
    node_class = PrimaryNode
    flaws = {"lazy": Flaw(name="lazy", change="it sleeps", breaks="nothing gets done")}

    def node(self, context, machine):
        return self.node_class(context, machine)

    def connect(self, port, *, process, nodes, home):
        return SessionConnection(port, session=process, nodes=nodes, home=home)


'''

Load = Callable[[str], type[Any]]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Makes the sound system with some lines after it a module, and gives its `Tested`."""
    names = []

    def loaded(lines: str) -> type[Any]:
        name = f"kit_specimen_{len(names)}"
        path = tmp_path / f"{name}.py"
        path.write_text(SOUND + lines)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        names.append(name)
        spec.loader.exec_module(module)
        tested: type[Any] = module.Tested
        return tested

    yield loaded
    for name in names:
        del sys.modules[name]


@pytest.mark.parametrize("name", catalog.names("system"))
def test_every_system_of_the_catalog_keeps_the_contract(
    name: str, obtained: Callable[[str], type[System]]
) -> None:
    check_system(obtained(name))


@pytest.mark.parametrize("nodes", [1, 5])
def test_clusters_of_other_sizes_keep_it_too(nodes: int) -> None:
    check_system(catalog.load("system", "raft"), nodes=nodes, seeds=[2])


def test_a_small_sound_system_passes(load: Load) -> None:
    check_system(load("Tested = Primary"), seeds=[1, 2, 3])


def test_what_is_linearizable_converges_as_well(load: Load) -> None:
    check_system(load("class Tested(Primary):\n    promise = 'convergent'\n"), seeds=[1, 2])


def node_with(body: str) -> str:
    """A system whose node differs from the sound one by `body`."""
    return (
        f"class Broken(PrimaryNode):\n{body}\n"
        "class Tested(Primary):\n    node_class = Broken\n    messages = (Gossip,)\n"
    )


def system_with(body: str) -> str:
    return f"class Tested(Primary):\n{body}\n"


#: Everybody answers for itself and tells nobody.
LONERS = """
    def on_request(self, request):
        if request.read_only:
            self.answer(request, self.machine.apply(request.command))
        else:
            self.context.disk.append(msgspec.msgpack.encode(request.command))
            self.context.disk.sync(request)
"""

BAD = {
    "it reads the wall clock": (
        "import time\n"
        + node_with("    def status(self): return NodeStatus(role='x', term=int(time.time()))"),
        r"calm, seed 1: A node called time\.time\(\).*It was n1.*while it started.*in status:",
    ),
    "it reads the wall clock behind the lint's back": (
        node_with("    def gossip(self): return Gossip(int(__import__('time').time()))"),
        r"calm, seed 1: A node called time\.time\(\) while it was being simulated",
    ),
    "it asks the time of day": (
        "from datetime import datetime\n"
        + node_with("    def gossip(self): return Gossip(datetime.now().second)"),
        r"it uses datetime\.datetime\.now; nodes use context\.clock",
    ),
    "it goes through a set": (
        node_with("    def gossip(self): return Gossip(0, ','.join({'a', 'b'}))"),
        "it goes through a set, whose order differs",
    ),
    "it forgets everything in a restart": (
        node_with("    def on_start(self, recovered): pass"),
        "restarts, seed 1: 0 was written to k0; after the restart of n1 it holds None",
    ),
    "it answers before it has synced": (
        node_with(
            "    def on_request(self, request):\n"
            "        if self.context.id != 1 or request.read_only:\n"
            "            return super().on_request(request)\n"
            "        self.context.disk.append(msgspec.msgpack.encode(request.command))\n"
            "        self.context.disk.sync(None)\n"
            "        self.answer(request, self.machine.apply(request.command))\n"
            "    def on_durable(self, token): pass"
        ),
        "0 was written to k0; after the restart of n1 it holds None",
    ),
    "it writes nothing down": (
        node_with(
            "    def on_request(self, request):\n"
            "        if self.context.id != 1 or request.read_only:\n"
            "            return super().on_request(request)\n"
            "        self.on_durable(request)"
        ),
        "restarts, seed 1: 0 was written to k0; after the restart of n1 it holds None",
    ),
    "it reads what it read before": (
        node_with(
            "    def answer(self, request, value):\n"
            "        self.seen = getattr(self, 'seen', {})\n"
            "        if request.read_only:\n"
            "            value = self.seen.setdefault(request.command[1], value)\n"
            "        super().answer(request, value)"
        ),
        "calm, seed 1: Not linearizable",
    ),
    "its message cannot be encoded": (
        node_with("    def gossip(self): return Gossip(1, {print})"),
        r"Gossip\(count=1, extra=\{<built-in function print>\}\) cannot be encoded",
    ),
    "its message arrives as another one": (
        node_with("    def gossip(self): return Gossip(1, (1, 2))"),
        r"extra=\(1, 2\)\) arrives as Gossip\(count=1, extra=\[1, 2\]\)",
    ),
    "its message lies about its types": (
        node_with("    def gossip(self): return Gossip('one')"),
        "A message does not survive the wire: Expected `int`, got `str`",
    ),
    "its message is not declared": (
        "class Rumour(Message, frozen=True, gc=False, array_like=True, tag=True):\n    count: int\n"
        + node_with("    def gossip(self): return Rumour(1)"),
        "A node sends Rumour, which is not among the messages that the system declares",
    ),
    "its messages have the same tag": (
        "class Same(Message, frozen=True, gc=False, array_like=True, tag='Gossip'):\n    n: int\n"
        + system_with("    messages = (Gossip, Same)"),
        "cannot be told apart on the wire: .*the same tag",
    ),
    "its message is no message": (
        system_with("    messages = (Gossip, int)"),
        "<class 'int'> is no subclass of Message",
    ),
    "its answer is no data": (
        node_with(
            "    def answer(self, request, value): super().answer(request, (value,))"
        ),
        r"arrives as ClientReply",
    ),
    "it remembers an earlier run": (
        node_with(
            "    runs = 0\n"
            "    def on_start(self, recovered):\n"
            "        Broken.runs += 1\n"
            "        super().on_start(recovered)\n"
            "    def gossip(self): return Gossip(self.runs)"
        ),
        r"a second run of the same seed went otherwise: event \d+ is .*Gossip.* in one run",
    ),
    "it shares an object": (
        # what the peers add to the list that they get, node 1 sees only where there is no wire
        node_with(
            "    def __init__(self, context, machine):\n"
            "        super().__init__(context, machine)\n"
            "        self.shared = []\n"
            "    def gossip(self): return Gossip(1, self.shared)\n"
            "    def on_message(self, source, message): message.extra.append(0)\n"
            "    def on_timer(self, name): self.answer(*self.late)\n"
            "    def answer(self, request, value):\n"
            "        if self.shared and not request.read_only:\n"
            "            self.shared.clear()\n"
            "            self.late = request, value\n"
            "            self.context.set_timer('late', 1_000_000)\n"
            "        else:\n"
            "            super().answer(request, value)"
        ),
        "without the wire the same seed gives another history. Usually nodes share an object",
    ),
    "its node raises": (
        node_with("    def gossip(self): return 1 / 0"),
        "calm, seed 1: Node n1 raised ZeroDivisionError",
    ),
    "its connection takes other arguments": (
        system_with("    def connect(self, port, process, nodes): return None"),
        r"calm, seed 1: TypeError: Tested.connect\(\) got an unexpected keyword argument 'home'",
    ),
    "its connection is none": (
        system_with("    def connect(self, port, **more): return None"),
        r"calm, seed 1: AttributeError: 'NoneType' object has no attribute 'execute'",
    ),
    "its client's own assertion fails": (
        system_with("    def connect(self, port, **more): assert not more, 'nothing more'"),
        r"calm, seed 1: AssertionError: nothing more\n  kit_specimen_0.py:\d+ in connect",
    ),
    "it cannot be made": (
        system_with("    def __init__(self, must, *, flaw=None): pass"),
        r"Tested cannot be made: TypeError: Tested.__init__\(\) missing 1 required positional",
    ),
    "it knows of no flaws": (
        system_with("    def __init__(self): super().__init__()"),
        r"primary: .*Tested.__init__\(\) got an unexpected keyword argument 'flaw'",
    ),
    "its node leaves": (
        node_with("    def gossip(self): raise SystemExit(3)"),
        r"calm, seed 1: Node n1 raised SystemExit: 3\n.*kit_specimen_0.py:\d+ in gossip",
    ),
    "its node leaves as it starts": (
        node_with("    def on_start(self, recovered): raise SystemExit(3)"),
        r"calm, seed 1: Node n1 raised SystemExit: 3\n.*while it started",
    ),
    "its client leaves": (
        system_with("    def connect(self, port, **more): raise SystemExit(3)"),
        r"calm, seed 1: SystemExit: 3\n  kit_specimen_0.py:\d+ in connect",
    ),
    "its node does not take a message": (
        node_with("    def on_message(self, source, message): raise LookupError('deaf')"),
        r"LookupError: deaf\n .*while it handled the message Gossip\(count=1, extra=None\) from n1",
    ),
    "it never answers": (
        node_with("    def answer(self, request, value): pass"),
        r"client c0 has had no answer for 60 s although all nodes are up \(n1 up, n2 up, n3 up\)",
    ),
    "its connection waits for ever": (
        node_with(
            "    def answer(self, request, value): pass\n"
            "    def on_start(self, recovered): self.context.set_timer('tick', 10**9)\n"
            "    def on_timer(self, name): self.context.set_timer('tick', 10**9)"
        )
        + "    def connect(self, port, *, process, nodes, home):\n"
        "        policy = RetryPolicy(attempt_timeout_ns=10**18, deadline_ns=10**18)\n"
        "        return SessionConnection(\n"
        "            port, session=process, nodes=nodes, home=home, policy=policy\n"
        "        )\n",
        r"somebody still waits:\n\s*main waits for the answer of n1 to its request \d",
    ),
    "it refuses some commands": (
        node_with(
            "    def on_request(self, request):\n"
            "        if request.command[0] != 'cas':\n"
            "            return super().on_request(request)\n"
            "        self.context.reply(request, ClientReply(request.id, False, None, 'busy'))"
        ),
        r"without any fault going on, \('cas', .* was refused: busy",
    ),
    "it leaves some commands unanswered": (
        node_with(
            "    def answer(self, request, value):\n"
            "        if request.command[0] != 'cas':\n"
            "            super().answer(request, value)"
        ),
        r"without any fault going on, \('cas', .* was not answered: timed out",
    ),
    "its status is a dict": (
        node_with("    def status(self): return {'role': 'leader'}"),
        r"status\(\) and returned \{'role': 'leader'\}, which is no NodeStatus.*It was n1",
    ),
    "its status changes something": (
        node_with(
            "    def status(self):\n"
            "        self.count += 1\n"
            "        return NodeStatus(role='x', term=self.count)"
        ),
        r"status\(\) of n1 is not pure",
    ),
    "its leader does not exist": (
        node_with("    def status(self): return NodeStatus(role='x', leader=9)"),
        "n1 says that 9 leads, which is no node",
    ),
    "it has no name": (system_with("    name = ''"), "'' is no name for a command line"),
    "it has no summary": (system_with("    summary = ''"), "it has no summary"),
    "its flaw has two names": (
        system_with("    flaws = {'tired': Primary.flaws['lazy']}"),
        "the flaw 'tired' calls itself 'lazy'",
    ),
    "its flaw says nothing": (
        system_with("    flaws = {'lazy': Flaw(name='lazy', change='', breaks='')}"),
        "must say what it changes and what it breaks",
    ),
    "its flaw is not planted": (
        system_with("    def __init__(self, *, flaw=None): super().__init__()"),
        "with the flaw 'lazy' it says it has another",
    ),
    "its flaw cannot be made": (
        system_with(
            "    def __init__(self, *, flaw=None):\n"
            "        super().__init__(flaw=flaw and 'very-' + flaw)"
        ),
        "it cannot be made with its flaw 'lazy': There is no flaw of primary called 'very-lazy'",
    ),
    "it takes any flaw": (
        system_with("    def __init__(self, *, flaw=None): self.flaw = flaw"),
        "it takes the unknown flaw 'no-such-flaw' without an error",
    ),
    "its flawed node cannot start": (
        node_with("    def on_start(self, recovered): 1 / 0")
        + "    def node(self, context, machine):\n"
        "        made = Broken if self.flaw else PrimaryNode\n"
        "        return made(context, machine)\n",
        "idle with the flaw lazy, seed 1: Node n1 raised ZeroDivisionError.*while it started",
    ),
    "it promises what nobody knows": (
        system_with('    promise = "eventual"'),
        "it promises 'eventual', and not linearizable or convergent",
    ),
    "it speaks no known language": (
        system_with('    speaks = ("registers", "esperanto")'),
        r"it speaks \['esperanto'\]; there are machine, registers, store",
    ),
    "its nodes never agree although it promises to converge": (
        node_with(LONERS) + '    promise = "convergent"\n',
        r"calm, seed 1: something was written to x; 60 s after all writes the clients read \[",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", BAD)
def test_the_kit_finds_what_is_wrong_with_a_system(why: str, load: Load) -> None:
    lines, complaint = BAD[why]
    with pytest.raises(AssertionError, match=f"(?s){complaint}"):
        check_system(load(lines))
