"""The command line, as a user meets it: what it prints, what it leaves on disk, how it ends."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from harness import catalog, commands, runner
from harness.errors import SplitbrainError
from harness.experiment import Experiment, seconds
from harness.formats import read_history
from harness.node import Context, Node, StateMachine
from harness.pipeline import run_command
from harness.plan import Plan
from harness.simulation import trace
from harness.system import Connection
from harness.world import Port
from systems.raft import Raft, RaftNode

SHORT = ("--nodes", "3", "--clients", "3", "--time-limit", "2", "--recovery", "0")
#: A run that finds the planted flaw stale-read.
FLAWED = (
    *("run", "raft", "--flaw", "stale-read", "--nemesis", "partition", "--interval", "1"),
    *("--nodes", "3", "--clients", "4", "--time-limit", "5", "--option", "keys=2"),
)


#: Calls the command with arguments; gives code, output and errors. See conftest.py.
Splitbrain = Callable[..., Any]


# ---- run and replay


def test_a_pass_ends_with_0_and_leaves_a_whole_run(
    splitbrain_command: Splitbrain, tmp_path: Path
) -> None:
    ended = splitbrain_command("run", "raft", *SHORT, "--seed", "7")
    assert (ended.code, ended.errors) == (0, "")
    assert "raft register none, seed 7" in ended.output
    assert "✓ pass  linearizability" in ended.output
    folder = Path("store/raft-register-none/seed-7")
    assert f"report  {folder}/report.html" in ended.output
    assert f"replay  splitbrain replay {folder}" in ended.output
    names = ["history.jsonl", "plan.json", "recording.msgpack.gz", "report.html"]
    names += ["trace.jsonl", "verdict.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert Path("store/latest").resolve() == (tmp_path / folder).resolve()


def test_a_replay_is_the_same_run_and_says_so(splitbrain_command: Splitbrain) -> None:
    first = splitbrain_command(*FLAWED, "--seed", "3")
    again = splitbrain_command("replay", "store/latest/history.jsonl")
    assert (first.code, again.code) == (1, 1)
    assert "✗ fail  linearizability: Not linearizable: key 'k" in first.output
    plan = Plan.decode(Path("store/latest/plan.json").read_bytes())
    assert f"Replayed exactly: digest {plan.digest}." in again.output
    assert [line for line in again.output.splitlines() if "linearizability" in line] == [
        line for line in first.output.splitlines() if "linearizability" in line
    ]
    assert "seed-3.2" in again.output, "the first run keeps its folder"


@pytest.mark.parametrize("ring_events", [trace.RING_EVENTS, 100])
def test_a_replay_that_differs_is_a_crash_and_names_the_first_event(
    ring_events: int, splitbrain_command: Splitbrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the ring of the first run had lost its oldest events."""
    monkeypatch.setattr(trace, "RING_EVENTS", ring_events)
    monkeypatch.setattr(runner, "RING_EVENTS", ring_events)
    splitbrain_command("run", "raft", *SHORT)
    folder = Path("store/latest").resolve()
    plan = Plan.decode((folder / "plan.json").read_bytes())
    lost = [operation for operation in plan.operations if operation.f == "read"][-1]
    rest = tuple(operation for operation in plan.operations if operation is not lost)
    (folder / "plan.json").write_bytes(msgspec.structs.replace(plan, operations=rest).encode())
    ended = splitbrain_command("replay", folder)
    assert ended.code == commands.CRASH
    assert f"recorded was {plan.digest}" in ended.errors
    said = re.search(r"events, event \d+ is (\[.*\]) in one run and", ended.errors)
    assert said is not None
    time_ns, kind, _, _, request = json.loads(said[1])
    assert kind == "message"
    assert request[5] == ["read", lost.key]
    assert 0 <= time_ns - lost.time_ns < seconds(0.1)


def cut_short(folder: Path) -> None:
    plan = Plan.decode((folder / "plan.json").read_bytes())
    (folder / "plan.json").write_bytes(msgspec.structs.replace(plan, digest="").encode())


def of_the_future(folder: Path) -> None:
    plan = Plan.decode((folder / "plan.json").read_bytes())
    (folder / "plan.json").write_bytes(msgspec.structs.replace(plan, format=99).encode())


def no_plan(folder: Path) -> None:
    (folder / "plan.json").unlink()


def no_json(folder: Path) -> None:
    (folder / "plan.json").write_text("{")


def strange(folder: Path) -> None:
    text = (folder / "plan.json").read_text(encoding="utf-8")
    (folder / "plan.json").write_text(text.replace('"nodes":3', '"nodes":"three"'))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run."""
    store = tmp_path_factory.mktemp("store")
    CliRunner().invoke(commands.cli, ["run", "raft", *SHORT, "--store", str(store)])
    return (store / "latest").resolve()


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (cut_short, "was cut short before its plan was complete. Run its seed again"),
        (of_the_future, "has format 99; this version reads format 1"),
        (no_plan, "There is no plan.json in"),
        (no_json, "This is no plan"),
        (strange, "This is no plan: Expected `int`, got `str` - at `$.experiment.nodes`"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    damage: Callable[[Path], None], text: str, finished: Path, splitbrain_command: Splitbrain
) -> None:
    shutil.copytree(finished, "copy")
    damage(Path("copy"))
    ended = splitbrain_command("replay", "copy")
    assert (ended.code, ended.output) == (commands.BAD_ARGUMENTS, "")
    assert text in ended.errors


# ---- bad arguments


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("run rafft", "no system called 'rafft'. Did you mean 'raft'"),
        ("run raft -w registre", "no workload called 'registre'. Did you mean 'register'"),
        ("run raft -n partition,kil", "no nemesis called 'kil'. Did you mean 'kill'"),
        ("run raft --flaw stale-reads", "Did you mean 'stale-read'"),
        ("run raft --option keys", "--option takes name=value, such as keys=3; it was 'keys'"),
        ("run raft --option kees=3", "no option of the workload register called 'kees'. Did you"),
        ("run raft --option cas=no", "is true or false, such as cas=true; it was 'no'"),
        ("run raft --option keys=2.5", "is a whole number, such as keys=5; it was 2.5"),
        ("run raft-plain --flaw x", "no flaw of raft-plain called 'x'.\nAvailable: none."),
        ("run pathlib:Path", "'pathlib:Path' is no system: a system is a class with"),
        ("run raft -n pathlib:Path", "'pathlib:Path' is no nemesis"),
        ("run raft -w pathlib:Path", "'pathlib:Path' is no workload"),
        ("run raft -c pathlib:Path", "'pathlib:Path' is no checker"),
        ("list pathlib:Paht", "no attribute 'Paht'"),
        ("run raft --option keys=0", "needs at least 1 key"),
        ("run raft --time-limit soon", "'soon' is no duration; write seconds (60) or 200ms"),
        ("run raft --time-limit 0", "time_limit_ns is 0; at least 1 is needed"),
        ("run raft --nodes 0", "nodes is 0; at least 1 is needed"),
        ("run raft --drift-ppm 1000000", "drift_ppm is 1000000, and at most 500,000 can be"),
        ("run raft --rate 0", "rate_per_s is 0.0"),
        ("run raft --loss 2", "loss_ratio"),
        ("run raft --sed 1", "--seed"),
        ("run", "Missing argument 'SYSTEM'"),
        ("rnu raft", "No such command 'rnu'"),
        ("run raft --store file", "cannot be kept in 'file'"),
        ("replay nowhere", "'nowhere' does not exist"),
        ("check nowhere.edn", "nowhere.edn"),
        ("check good.jsonl --model cas-registr", "Did you mean 'cas-register'"),
        ("check good.jsonl --engine nativ", "Did you mean 'native'"),
        ("check good.jsonl --budget 0", "budget of 0"),
        ("check good.jsonl --independent", "pair"),
        ("check bad.jsonl", "bad.jsonl"),
        ("check bad.jsonl", "line 2, column 12"),
        ("check good.jsonl bad.edn", "line 1, column 15"),
        ("check", "Missing argument 'FILE...'"),
        ("run raft --store=", "--store is empty. Usually a variable of the shell is not set"),
        ("replay . --store=", "--store is empty"),
        ("serve --store=", "--store is empty"),
        ("compare raft --store=", "--store is empty"),
        ("compare raft --output=", "--output is empty"),
        ("compare raft --scenarios foo", "There is no scenario called 'foo'"),
        ("report . --export=", "--export is empty"),
    ],
)
def test_bad_arguments_end_with_254_and_say_how_to_go_on(
    arguments: str, text: str, splitbrain_command: Splitbrain
) -> None:
    Path("file").touch()
    Path("good.jsonl").write_text('{"process":0,"type":"invoke","f":"read","value":null}\n')
    Path("bad.jsonl").write_text('{"process":0,"type":"invoke","f":"read"}\n{"process":1.5}\n')
    Path("bad.edn").write_text("{:type :invoke")
    ended = splitbrain_command(*arguments.split())
    assert ended.code == commands.BAD_ARGUMENTS
    assert text in ended.errors
    assert "Traceback" not in ended.errors
    assert not Path("store").exists()


# ---- crashes


class _Stumbles(RaftNode):
    def on_timer(self, name: str) -> None:
        raise LookupError("nothing [bold] found")


class Stumbling(Raft):
    def node(self, context: Context, machine: StateMachine) -> Node:
        return _Stumbles(context, machine)


class StumblingClient(Raft):
    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        class Stumbles:
            async def execute(self, command: Any, *, read_only: bool = False) -> Any:
                await port.sleep_ns(1)
                raise LookupError("nothing [bold] found")

        return Stumbles()


class Unmakeable(Raft):
    def __init__(self, *, flaw: str | None = None) -> None:
        raise LookupError("nothing [bold] found")


def test_a_node_that_raises_fails_its_run(splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("run", f"{__name__}:Stumbling", *SHORT, "--seed", "3")
    assert ended.code == 1
    told = " ".join(ended.output.split())
    assert "survival: Node n" in told
    assert "raised LookupError: nothing [bold] found, at 0." in told
    assert "while it handled its timer 'election' (test_commands.py:" in told
    assert Path("store/latest/report.html").exists()


def test_a_client_that_raises_ends_with_255_and_says_where_the_history_is(
    splitbrain_command: Splitbrain,
) -> None:
    ended = splitbrain_command("run", f"{__name__}:StumblingClient", *SHORT, "--seed", "3")
    assert ended.code == commands.CRASH
    assert "LookupError: nothing [bold] found" in ended.errors
    kept = re.search(r"What was recorded until then is kept: (.*)", ended.errors)
    assert kept is not None
    assert len(read_history(Path(kept[1]))) > 0


def test_an_error_that_nobody_expected_ends_with_255_and_a_traceback(
    splitbrain_command: Splitbrain,
) -> None:
    ended = splitbrain_command("run", f"{__name__}:Unmakeable")
    assert ended.code == commands.CRASH
    assert "Traceback" in ended.errors
    assert "LookupError: nothing [bold] found" in ended.errors


# ---- what there is


def test_list_names_everything(splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("list")
    assert ended.code == 0
    words = set(re.findall(r"[\w-]+", ended.output))
    for kind in ("system", "workload", "nemesis", "checker"):
        assert {n for n in catalog.names(kind) if not n.endswith("-slow")} <= words
    assert {"cas-register", "mutex"} <= words


def test_list_of_a_name_shows_its_flaws_and_options(splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command("list", "raft", "register", "chained-slow")
    assert ended.code == 0
    words = set(re.findall(r"[\w-]+", ended.output))
    assert {"stale-read", "read_ratio", "P3"} <= words
    ended = splitbrain_command("list", "rafft")
    assert ended.code == commands.BAD_ARGUMENTS
    assert "'raft'" in ended.errors


@pytest.mark.parametrize("command", ["", "run", "replay", "check", "list"])
def test_help_is_help_and_no_error(command: str, splitbrain_command: Splitbrain) -> None:
    ended = splitbrain_command(*command.split(), "--help")
    assert ended.code == 0
    assert ended.output.startswith(f"Usage: splitbrain {command}".strip())


EXPERIMENTS = [
    {"system": "raft", "nemesis": "kill, pause", "flaw": "stale-read"},
    {"nodes": 3, "clients": 7, "rate_per_s": 0.1, "drift_ppm": 0},
    {"time_limit_ns": 1_000_001, "recovery_ns": 0, "interval_ns": 12_345_678_901},
    {"time_limit_ns": seconds(7200) + 1, "interval_ns": 10_000_000_000},
    {"loss_ratio": 1e-05, "duplicate_ratio": 0.25, "buggify": True, "wire": True},
    {"options": {"keys": 2, "values": "reused", "read_ratio": 0.25}},
    {"options": {"b": True, "t": "true", "n": "1", "s": "it's", "e": "", "f": 1.0}},
]


@pytest.mark.parametrize("fields", EXPERIMENTS)
def test_the_command_for_an_experiment_carries_out_just_that(
    fields: dict[str, Any], splitbrain_command: Splitbrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Experiment, int]] = []

    def carry_out(experiment: Experiment, seed: int, **others: Any) -> None:
        asked.append((experiment, seed))
        raise SplitbrainError("that will do")

    monkeypatch.setattr(commands, "carry_out", carry_out)
    experiment = Experiment(**fields)
    name, *arguments = shlex.split(run_command(experiment, 17))
    assert name == "splitbrain"
    assert splitbrain_command(*arguments).errors == "crash: that will do\n"
    (told,) = asked
    exactly = partial(msgspec.json.encode, order="sorted")  # 1, 1.0 and True are different
    assert exactly(told) == exactly((experiment, 17))
