"""What a node can do wrong: each ends as a verdict on the node that says what it usually means."""

from __future__ import annotations

import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Experiment, carry_out, seconds
from harness.errors import UsageError
from harness.node import ClientReply, ClientRequest, Context, Message, NodeStatus, StateMachine
from harness.pipeline import Result, carry_out_again
from harness.simulation import watchdog
from harness.simulation.failure import NodeFailure
from harness.simulation.world import SimulatedWorld
from harness.system import Connection, System
from harness.world import Port
from systems.connection import SessionConnection
from systems.kit import check_system

#: A module that only these tests know.
NAME = "nodes_with_mistakes"


class Text(Message, frozen=True, gc=False, array_like=True, tag=True):
    text: str


class Obedient:
    """A node that answers with what it was asked, after it did what `mistake` says."""

    mistake: Callable[[Any], object] = staticmethod(lambda node: None)
    when = "request"
    told: Any = NodeStatus(role="obedient")

    def __init__(self, context: Context, machine: StateMachine) -> None:
        self.context = context
        self.machine = machine
        self.err("birth")

    def err(self, when: str) -> None:
        if when == self.when:
            self.mistake(self)

    def on_start(self, recovered: Any) -> None:
        self.err("start")

    def on_message(self, source: int, message: Any) -> None:
        self.err("message")

    def on_timer(self, name: str) -> None:
        self.err("timer")

    def on_durable(self, token: Any) -> None:
        self.err("durable")

    def on_request(self, request: ClientRequest) -> None:
        self.request = request
        self.err("request")
        answer = ClientReply(request.id, True, self.machine.apply(request.command))
        self.context.reply(request, answer)

    def status(self) -> Any:
        return self.told


class Mistaken(System):
    name = "mistaken"
    summary = "does what no node may"
    messages = (Text,)
    node_class: type[Any] = Obedient

    def node(self, context: Context, machine: StateMachine) -> Any:
        return self.node_class(context, machine)

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        return SessionConnection(port, session=process, nodes=nodes, home=home)


@pytest.fixture(autouse=True)
def module() -> Iterator[None]:
    sys.modules[NAME] = sys.modules[__name__]
    yield
    del sys.modules[NAME]


def system(monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> type[Mistaken]:
    """A system whose nodes have these attributes; `mistake` is done `when` it says."""
    if "mistake" in attributes:
        attributes["mistake"] = staticmethod(attributes["mistake"])
    node = type("Node", (Obedient,), {"__module__": __name__, **attributes})
    made = type("Tested", (Mistaken,), {"node_class": node, "__module__": __name__})
    monkeypatch.setattr(sys.modules[__name__], "Tested", made, raising=False)
    return made


def experiment(**more: Any) -> Experiment:
    return Experiment(
        system=f"{NAME}:Tested", nodes=3, clients=2, time_limit_ns=seconds(2),
        recovery_ns=seconds(1), interval_ns=seconds(0.3), **more,
    )  # fmt: skip


def failed(result: Result) -> str:
    """Why the node failed, all in all."""
    verdict = result.verdict
    assert (verdict.outcome, verdict.checker) == ("fail", "survival"), verdict.reason
    return verdict.reason


def zero_delay(node: Any) -> None:
    node.context.set_timer("again", 0)
    node.when = "timer"


def send_nonsense(node: Any) -> None:
    node.context.send(2, Text(5))  # type: ignore[arg-type]


def answer_twice(node: Any) -> None:
    node.context.send(node.request.client, Text("not for you"))


MISTAKES: dict[str, tuple[Callable[[Any], object], str]] = {
    "it counts back": (
        lambda node: node.context.set_timer("t", -5),
        "A node set its timer 't' to ring in -5 ns. A delay is a whole number of nanoseconds, 0 or "
        "more. Usually it was meant in seconds",
    ),
    "it counts in seconds": (lambda node: node.context.set_timer("t", 0.5), "to ring in 0.5 ns"),
    "its seconds are whole": (lambda node: node.context.set_timer("t", 2.0), "to ring in 2.0 ns"),
    "it sends to nobody": (
        lambda node: node.context.send(99, Text("hello")),
        "A node sent Text(text='hello') to 99, which is nobody: nodes are 1 to 3, clients 4 to 5.",
    ),
    "it sends to 0": (lambda node: node.context.send(0, Text("hello")), "to 0, which is nobody"),
    "it sends to -1": (lambda node: node.context.send(-1, Text("hello")), "to -1, which is nobody"),
    "it sends to a name": (lambda node: node.context.send("n2", Text("")), "to 'n2', which is no"),
    "it sends to a list": (lambda node: node.context.send([1, 2], Text("")), "to [1, 2], which is"),
    "it sends to 2.0": (lambda node: node.context.send(2.0, Text("")), "to 2.0, which is nobody"),
    "it answers with a value": (
        lambda node: node.context.reply(node.request, 5),
        "A node answered a request with 5, which is no ClientReply. Answer with context.reply(",
    ),
    "it hints at nobody": (
        lambda node: node.context.reply(node.request, ClientReply(1, False, hint=42)),
        "hint=42), whose hint is nobody: nodes are 1 to 3, clients",
    ),
    "it sends a client a message": (
        answer_twice,
        "A node sent a client Text(text='not for you'), which is no ClientReply.",
    ),
    "it notes a number": (lambda node: node.context.probe(5), "A node noted 5; what a node notes"),
    "its record is a text": (
        lambda node: node.context.disk.append("record"),
        "A node called disk.append('record'). A disk keeps bytes and nothing else",
    ),
    "its metadata are numbers": (lambda node: node.context.disk.put_meta(5), "disk.put_meta(5)"),
    "its snapshot is a list": (lambda node: node.context.disk.put_snapshot([]), "put_snapshot([])"),
    "its timers ring for ever": (
        zero_delay,
        "Timers rang 100,000 times at 0.",
    ),
    "it looks at the clock": (
        lambda node: time.time(),
        "A node called time.time() while it was being simulated. That makes runs unrepeatable",
    ),
    "it throws dice": (lambda node: random.random(), "Instead, use context.rng"),
    "it leaves": (lambda node: sys.exit(3), "raised SystemExit: 3"),
}


@pytest.mark.parametrize("why", MISTAKES)
def test_a_mistake_of_a_node_is_a_verdict_on_it(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake, text = MISTAKES[why]
    system(monkeypatch, mistake=mistake)
    result = carry_out(experiment(), 1)
    told = failed(result)
    assert text in told
    assert re.search(r"n[123]( raised|,) ?.* at 0\.\d+ s, while ", told), told
    # ours are none of the calls that are told
    for said in result.verdict.witness["sentences"]:  # type: ignore[index]
        assert re.match(r"(test_node_mistakes|machines).py:", said["text"])
    again = carry_out_again(result.run.plan)
    assert (again.run.digest, again.verdict) == (result.run.digest, result.verdict)


@pytest.mark.parametrize("why", MISTAKES)
def test_the_kit_of_systems_fails_it_and_names_the_story(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake, text = MISTAKES[why]
    made = system(monkeypatch, mistake=mistake)
    monkeypatch.setattr("systems.kit.lint_modules", lambda *classes: ())  # it reads this file
    with pytest.raises(AssertionError) as caught:
        check_system(made)
    assert str(caught.value).startswith("mistaken, calm, seed 1: ")
    assert text.partition(" clients")[0] in str(caught.value)  # there it has more of them


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (None, "returned None, which is no NodeStatus"),
        ({"role": "leader"}, "returned {'role': 'leader'}, which is no NodeStatus"),
        (NodeStatus(role="x", term="five"), "term, leader and committed are integers"),  # type: ignore[arg-type]
        (NodeStatus(role=None), "The role is a string"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_a_status_that_is_none(
    told: Any, text: str, later: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(node: Any) -> None:
        node.told = told

    how = {"mistake": change} if later else {"told": told}
    system(monkeypatch, **how)
    assert text in failed(carry_out(experiment(), 1))


@pytest.mark.parametrize("when", ["birth", "start"])
def test_a_node_that_cannot_start_has_the_verdict_and_all_there_is_of_the_run(
    when: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system(monkeypatch, mistake=lambda node: 1 / 0, when=when)
    result = carry_out(experiment(), 1, store=tmp_path)
    reason = failed(result)
    assert "Node n1 raised ZeroDivisionError: division by zero, at 0.000000 s, while" in reason
    assert result.folder is not None
    for path in (result.folder.verdict, result.folder.recorded, result.folder.trace):
        assert path.exists()
    assert "ZeroDivisionError" in result.folder.report.read_text(encoding="utf-8")
    again = carry_out_again(result.run.plan)
    assert (again.run.digest, again.verdict) == (result.run.digest, result.verdict)


@pytest.mark.parametrize(
    "mistake", [lambda node: random.random(), lambda node: node.context.send(77, Text(""))]
)
@pytest.mark.parametrize("when", ["birth", "start"])
def test_what_is_forbidden_is_so_from_the_beginning(
    mistake: Callable[[Any], object], when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system(monkeypatch, mistake=mistake, when=when)
    assert "It was n1, at 0.000000 s, while it started" in failed(carry_out(experiment(), 1))


def test_a_node_that_cannot_start_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def again(node: Any) -> None:
        assert not node.context.probe("begun")
        assert node.context.incarnation == 1, "once was enough"

    system(monkeypatch, mistake=again, when="start")
    reason = failed(carry_out(experiment(nemesis="kill"), 1))
    assert "raised AssertionError: once was enough" in reason
    assert "while it started (test_node_mistakes.py" in reason


def test_a_replay_comes_to_a_death_after_the_last_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = system(monkeypatch, mistake=lambda node: 1 / 0, when="timer")

    class Doomed(made.node_class):  # type: ignore[name-defined, misc]
        def on_start(self, recovered: Any) -> None:
            self.context.set_timer("doom", seconds(2.5))  # while all rest

    made.node_class = Doomed
    result = carry_out(experiment(), 1)
    assert "while it handled its timer 'doom'" in failed(result)
    again = carry_out_again(result.run.plan)
    assert (again.run.digest, again.verdict) == (result.run.digest, result.verdict)
    assert again.run.plan == result.run.plan
    assert result.run.plan.fault_changes == 0


@pytest.mark.parametrize("wire", [False, True])
def test_a_message_is_told_in_words_whether_it_is_on_the_wire_or_not(
    wire: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shout(node: Any) -> None:
        if node.context.id == 1:
            node.context.send(2, Text("shout"))

    class Deaf(Obedient):
        def on_message(self, source: int, message: Any) -> None:
            raise LookupError("deaf")

    made = system(monkeypatch, mistake=shout, when="start")
    made.node_class = type("Node", (made.node_class, Deaf), {"__module__": __name__})
    made.node_class.on_message = Deaf.on_message
    reason = failed(carry_out(experiment(wire=wire), 1))
    assert "n2 raised LookupError: deaf" in reason
    assert "while it handled the message Text(text='shout') from n1" in reason


def test_a_message_that_lies_about_its_types_is_its_senders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system(monkeypatch, mistake=send_nonsense)
    reason = failed(carry_out(experiment(wire=True), 1))
    assert "A message does not survive the wire: Expected `str`, got `int`" in reason
    assert re.search(r"It was n\d, at 0\.\d+ s, while its message to n2 arrived", reason)


def test_a_number_of_numpys_is_a_whole_number_too() -> None:
    import numpy as np

    world = SimulatedWorld(
        seed=1,
        nodes=1,
        clients=0,
        factory=lambda context: Obedient(context, None),  # type: ignore[arg-type]
    )
    node = world.node_object(1)
    assert isinstance(node, Obedient)
    node.context.set_timer("t", np.int64(5))  # type: ignore[arg-type]
    assert world.run(10) is False
    assert type(world.now_ns) is int


# ---- what never ends


def test_ctrl_c_says_which_node_was_at_what(monkeypatch: pytest.MonkeyPatch) -> None:
    def loop(node: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    system(monkeypatch, mistake=loop)
    with pytest.raises(KeyboardInterrupt) as caught:
        carry_out(experiment(), 1)
    (note,) = caught.value.__notes__
    assert re.match(
        r"It was at 0\.\d+ s of simulated time, in n\d while it handled the message "
        r"ClientRequest\(.*\) from c\d \(test_node_mistakes.py:\d+ in loop: signal.raise_signal",
        note,
    )


def test_ctrl_c_says_which_node_did_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, mistake=lambda node: signal.raise_signal(signal.SIGINT), when="start")
    with pytest.raises(KeyboardInterrupt) as caught:
        carry_out(experiment(), 1)
    assert caught.value.__notes__ == ["It was in n1 while it started."]


@pytest.mark.parametrize("errand", [False, True])
def test_ctrl_c_says_which_client_was_at_what(
    errand: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(self: Any, port: Port, **more: Any) -> Any:
        class Loops:
            async def execute(self, command: Any, *, read_only: bool = False) -> Any:
                return await port.errand(self.loop()) if errand else await self.loop()

            async def loop(self) -> Any:
                await port.sleep_ns(5)
                signal.raise_signal(signal.SIGINT)

        return Loops()

    made = system(monkeypatch)
    made.connect = connect  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt) as caught:
        carry_out(experiment(), 1)
    (note,) = caught.value.__notes__
    assert re.match(
        r"It was in client c\d, at its operation (read|write|cas) .*"
        r"\(test_node_mistakes.py:\d+ in loop: signal.raise_signal",
        note,
    )


needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")


def waste(node: Any) -> None:
    """An endless loop, in which as much processor time passes as somebody can look at."""
    while True:
        signal.raise_signal(signal.SIGVTALRM)


@needs_timers
@pytest.mark.parametrize("when", ["request", "start"])
def test_a_node_that_never_comes_back_is_a_verdict(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loop(node: Any) -> None:
        try:
            waste(node)
        except Exception:
            raise AssertionError("a node can catch it") from None

    system(monkeypatch, mistake=loop, when=when)
    before = signal.getsignal(signal.SIGVTALRM)
    reason = failed(carry_out(experiment(), 1))
    assert reason.startswith("A node did not come back from one event within 20 s of processor ")
    assert re.search(
        r"It was n\d, at 0\.\d+ s, while .*\(test_node_mistakes.py:\d+ in waste", reason
    )
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@needs_timers
def test_many_events_that_take_long_are_no_endless_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looks_max = watchdog.LIMIT_S // watchdog.LOOK_S

    def long(node: Any) -> None:
        for _ in range(looks_max):
            signal.raise_signal(signal.SIGVTALRM)

    system(monkeypatch, mistake=long)
    result = carry_out(experiment(checkers=("stats",)), 1)
    assert result.run.death is None
    assert result.run.delivered > 20


# ---- nemeses


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (["crash", 77], "There is no node 77; nodes are 1 to 3, clients 4 to 5."),
        (["restart", 0], "There is no node 0; nodes are 1 to 3"),
        (["pause", "n3"], "There is no node 'n3'; nodes are 1 to 3"),
        (["resume", -1], "There is no node -1"),
        (["skew", 4, 0, 0], "There is no node 4"),
        (["order", 9, ["remove", 3]], "There is no node 9"),
        (["crash"], "It has too few arguments.\nThe action was ['crash'], and its form is "
         '["crash", node, [mode]].'),
        (["cut", 1, 6], "There is no endpoint 6; nodes are 1 to 3, clients 4 to 5."),
        (["cut", 1, 2, 3], "It has too many arguments."),
        (["cut", 1], 'its form is ["cut", source, destination].'),
        (["clog", 1, 2, 0.5], "duration_ns is 0.5; it must be a whole number."),
        (["crush", 1], "There is no action called 'crush'. Did you mean 'crash'"),
        ([], "There is no action called ''"),
    ],
)  # fmt: skip
def test_an_action_on_what_does_not_exist_is_refused(action: list[Any], text: str) -> None:
    world = SimulatedWorld(
        seed=1,
        nodes=3,
        clients=2,
        factory=lambda context: Obedient(context, None),  # type: ignore[arg-type]
    )
    with pytest.raises(UsageError) as caught:
        world.act(action)
    assert text in str(caught.value)
    with pytest.raises(UsageError, match="There is no node 77"):
        world.status(77)


def test_who_makes_a_world_alone_is_told_at_once() -> None:
    class Stillborn(Obedient):
        def on_start(self, recovered: Any) -> None:
            raise LookupError("no life")

    def world(**more: Any) -> SimulatedWorld:
        return SimulatedWorld(
            seed=1,
            nodes=1,
            clients=0,
            factory=lambda context: Stillborn(context, None),
            **more,  # type: ignore[arg-type]
        )

    with pytest.raises(NodeFailure, match="n1 raised LookupError: no life"):
        world()
    later = world(started=False)
    with pytest.raises(NodeFailure, match="n1 raised LookupError: no life"):
        later.start()
