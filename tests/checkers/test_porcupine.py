"""Porcupine as an oracle: it agrees with the native engine, and its processes are kept in order."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkers.kit import check_checker
from checkers.linearizability import Linearizability
from checkers.linearizability.models import MODELS
from checkers.notation import parse, unparse
from checkers.porcupine import MODELS as PORCUPINE_MODELS
from checkers.porcupine import Porcupine, available, build, process
from checkers.porcupine.library import LIBRARY, LIBRARY_NAME, SOURCES
from checkers.porcupine.process import Worker, close_all
from harness.errors import UsageError
from harness.formats import read_history
from harness.history import History, Recorder

HISTORIES = Path(__file__).resolve().parents[2].parent / "shared" / "histories"
EXPECTED = HISTORIES / "expected.json"

STATUS = available()
needs_library = pytest.mark.skipif(not STATUS, reason=str(STATUS))
needs_pidfd = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="only Linux lets one wait for any process to end"
)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Worker]]:
    """All workers that are started meanwhile, first to last; none is idle at the beginning."""
    close_all()
    started: list[Worker] = []

    class Seen(Worker):
        def __init__(self, library: Path) -> None:
            super().__init__(library)
            started.append(self)

    monkeypatch.setattr(process, "Worker", Seen)
    yield started
    close_all()
    assert not any(worker.is_alive() for worker in started)


def hard_history(edges: int = 60, values: int = 7) -> History:
    """Compare-and-sets at the same time that all succeeded; hardly any order of them does."""
    rng = random.Random(3)
    recorder = Recorder()
    for kind in ("invoke", "ok"):
        recorder.append(time_ns=0, process=0, type=kind, f="write", value=0)
    pairs = [[rng.randrange(values), rng.randrange(values)] for _ in range(edges)]
    pairs[:3] = [[0, 1], [0, 2], [0, 3]]
    for kind in ("invoke", "ok"):
        for number, pair in enumerate(pairs):
            recorder.append(time_ns=1, process=number + 1, type=kind, f="cas", value=pair)
    return recorder.history()


# ---- agreement -------------------------------------------------------------------------------


def draw_history(rng: random.Random, model: str) -> History:
    """A few clients on one or two objects. Most answers are right when they are given; some are
    made up, and some never come."""
    functions = tuple(MODELS[model].functions)
    is_text = model == "kv-append"
    values: tuple[Any, ...] = ("", "a", "ab") if is_text else (1, 2, 3)
    keys = rng.choice([(None,), (None,), ("x", "y")])
    state = dict.fromkeys(keys, MODELS[model].initial)
    lost, made_up = rng.choice((0.0, 0.2, 0.5)), rng.choice((0.0, 0.0, 0.2))
    recorder = Recorder()
    pending: dict[int, tuple[str, Any, Any]] = {}
    clients, left = list(range(rng.randint(2, 4))), rng.randint(3, 10)

    def record(who: int, kind: str, f: str, key: Any, value: Any) -> None:
        recorder.append(time_ns=0, process=who, type=kind, f=f, key=key, value=value)

    while left or pending:
        slot = rng.randrange(len(clients))
        who = clients[slot]
        if who not in pending:
            if left:
                left -= 1
                f, key, value = rng.choice(functions), rng.choice(keys), rng.choice(values)
                value = {"cas": [value, rng.choice(values)], "read": None, "get": None}.get(
                    f, value
                )
                value = None if model == "mutex" else value
                pending[who] = (f, key, value)
                record(who, "invoke", f, key, value)
            continue
        f, key, value = pending.pop(who)
        if rng.random() < lost:
            clients[slot] += 10
            if rng.random() < 0.5:
                state[key], _ = effect(f, value, state[key])
            if rng.random() < 0.5:
                record(who, "info", f, key, value)
            continue
        state[key], answer = effect(f, value, state[key])
        kind = "fail" if answer is False else "ok"
        if f in ("read", "get"):
            value = rng.choice(values) if rng.random() < made_up else answer
        elif rng.random() < made_up:
            kind = rng.choice(("ok", "fail"))
        record(who, kind, f, key, value)
    return recorder.history()


def effect(f: str, value: Any, state: Any) -> tuple[Any, Any]:
    """The state that `f` leaves behind, and its answer; False if it is refused."""
    match f:
        case "read" | "get":
            return state, state
        case "write" | "put":
            return value, True
        case "append":
            return state + value, True
        case "cas":
            return (value[1], True) if state == value[0] else (state, False)
    wanted, result = ("free", "held") if f == "acquire" else ("held", "free")
    return (result, True) if state == wanted else (state, False)


@needs_library
@pytest.mark.parametrize("model", PORCUPINE_MODELS)
def test_it_agrees_with_the_native_engine(model: str) -> None:
    pytest.importorskip("checkers.linearizability._kernel", reason="the kernel was not built")
    rng = random.Random(f"porcupine {model}")
    porcupine, native = Porcupine(model), Linearizability(model, engine="native")
    outcomes, compared = [], 0
    for _ in range(600):
        history = draw_history(rng, model)
        mine, theirs = native.check(history), porcupine.check(history)
        assert mine.outcome == theirs.outcome, unparse(history)
        outcomes.append(mine.outcome)
        if theirs.witness is None or mine.witness is None:
            continue
        rows = theirs.witness["rows"]
        assert theirs.witness["shortest"]
        assert native.check(history.select(rows)).outcome == "fail", unparse(history)
        row = theirs.witness["illegal_row"]
        without = history.select([r for r in rows if r != row])
        assert native.check(without).outcome == "pass", unparse(history)
        if mine.witness["key"] == theirs.witness["key"] and mine.witness["shortest"]:
            assert mine.witness["illegal_row"] == row, unparse(history)
            compared += 1
    assert 20 < outcomes.count("fail") < 580, "both verdicts occur often"
    assert compared >= 10, "and the first illegal returns were often compared"


@cache
def expected() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return table


@needs_library
@pytest.mark.skipif(
    not EXPECTED.exists(), reason="the published histories are not beside the project"
)
@pytest.mark.parametrize("group", ["etcd-cas-register", "kv-append", "etcd-live"])
def test_published_verdicts(group: str, workers: list[Worker]) -> None:
    names = [name for name in expected() if name.startswith(group)]
    assert names
    for name in names:
        about = expected()[name]
        history = read_history(HISTORIES / name)
        history = history.independent() if about.get("independent") else history
        outcome, milliseconds = Porcupine(about["model"]).check_timed(history)
        assert outcome == ("pass" if about["valid"] else "fail"), name
        assert milliseconds > 0
    assert len(workers) == 1, "one worker did it all"


@needs_library
@pytest.mark.parametrize(
    ("options", "text", "outcome"),
    [
        ({"model": "register"}, "0r=nil", "pass"),
        ({"model": "register", "initial": 5}, "0r=5", "pass"),
        ({"model": "register", "initial": 5}, "0r=nil", "fail"),
        ({"model": "register"}, "0w1? 1r=nil 2r=1", "pass"),
        ({"model": "register"}, "0w1? 1r=1 2r=nil", "fail"),
        ({"model": "register"}, "0w1 1r=2 0.", "fail"),
        ({"model": "register"}, "0w1! 1r=1", "fail"),
        ({"model": "cas-register"}, "0w1. 0c1,2! 1r=1", "fail"),
        ({"model": "cas-register"}, "0w1. 0c2,3! 1r=1", "pass"),
        ({"model": "cas-register", "failed_cas": "no-effect"}, "0w1. 0c1,2! 1r=1", "pass"),
        ({"model": "cas-register"}, "0w1. 1c1,2? 2r=1 2r=2", "pass"),
        ({"model": "cas-register"}, "0w1. 1c3,2? 2r=1 2r=2", "fail"),
        ({"model": "kv-append"}, "0g= 0aä. 0a€. 1g=ä€ 1pz. 1g=z", "pass"),
        ({"model": "kv-append"}, "0aä. 0a€. 1g=€ä", "fail"),
        ({"model": "kv-append", "initial": "q"}, "0ab. 0g=qb", "pass"),
        ({"model": "kv-append"}, "0aa? 1ab. 1g=b 1g=ba", "pass"),
        ({"model": "kv-append"}, "0aa? 1ab. 1g=ba 1g=b", "fail"),
        ({"model": "mutex"}, "0t. 1t? 0l. 2l.", "pass"),
        ({"model": "mutex"}, "0t. 1t.", "fail"),
    ],
)
def test_small_histories(options: dict[str, Any], text: str, outcome: str) -> None:
    verdict = Porcupine(**options).check(parse(text))
    assert verdict.outcome == outcome
    assert Linearizability(**options).check(parse(text)).outcome == outcome


@needs_library
def test_it_keeps_the_contract_of_checkers() -> None:
    texts = ("0w1. 1r=1", "0w1. 1r=2", "0w1@x. 1r@x=1 2r@y=3", "0w1? 1r=1 2r=nil")
    check_checker(lambda: Porcupine("register"), [parse(text) for text in texts])


@needs_library
def test_a_failure_names_key_row_and_operation() -> None:
    text = "0w1@x. 0w2@y. 1r@x=1 1w4@y 2r@y=3 3r@y=9 1. 0w7@x."
    verdict = Porcupine("register").check(parse(text))
    assert verdict.reason == (
        "Not linearizable: no order explains the 3 operations of key 'y' up to row 8, in which "
        "process 2's read ends as ok with 3."
    )
    assert verdict.witness == {
        "key": "y",
        "rows": [2, 3, 6, 7, 8],
        "illegal_row": 8,
        "shortest": True,
        "operation": {"process": 2, "f": "read", "value": 3, "type": "ok", "rows": [7, 8]},
    }
    assert verdict.details["porcupine"].startswith("v1.")
    assert verdict.details["go"].startswith("go1.")


# ---- the engine of Linearizability ------------------------------------------------------------


@needs_library
def test_it_is_an_engine_of_linearizability() -> None:
    checker = Linearizability("register", engine="porcupine", initial=4)
    verdict = checker.check(parse("0r=4 1w2@x. 1r@x=3"))
    assert (verdict.checker, verdict.outcome) == ("linearizability", "fail")
    assert verdict.details["engine"] == "porcupine"
    assert verdict.witness is not None
    assert verdict.witness["key"] == "x"
    check_checker(lambda: Linearizability(engine="porcupine"), [parse("0w1. 1r=1")])


@needs_library
def test_as_an_engine_it_takes_a_deadline_and_no_budget() -> None:
    verdict = Linearizability(engine="porcupine", deadline_s=0.05).check(hard_history())
    assert verdict.outcome == "unknown"
    with pytest.raises(UsageError, match="counts no configurations"):
        Linearizability(engine="porcupine", budget=1000)


# ---- workers ---------------------------------------------------------------------------------


@needs_library
def test_a_timeout_is_unknown_and_the_worker_goes_on(workers: list[Worker]) -> None:
    checker = Porcupine(timeout_s=0.05)
    for _ in range(3):
        verdict = checker.check(hard_history())
        assert verdict.outcome == "unknown"
        assert "more than 0.05 s (option `timeout_s`)" in verdict.reason
        assert Porcupine().check(parse("0w1. 1r=1")).outcome == "pass"
    assert len(workers) == 1
    assert checker.check_timed(hard_history())[1] >= 50


@needs_library
def test_many_checks_take_one_worker(workers: list[Worker]) -> None:
    legal, illegal = parse("0w1. 1r=1"), parse("0w1. 1r=2")
    for _ in range(200):
        assert Porcupine().check_timed(legal)[0] == "pass"
        assert Porcupine().check(illegal).outcome == "fail"
    assert len(workers) == 1


@needs_library
def test_a_worker_that_was_killed_is_replaced(workers: list[Worker]) -> None:
    for count in (1, 2, 3):
        assert Porcupine().check(parse("0w1. 1r=1")).outcome == "pass"
        assert len(workers) == count
        os.kill(workers[-1].pid, signal.SIGKILL)


@needs_library
def test_a_worker_that_dies_at_work_leaves_the_question_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Worker.ask

    def ask_and_kill(worker: Worker, *arguments: Any, **options: Any) -> dict[str, Any]:
        threading.Timer(0.1, worker._process.kill).start()
        return asked(worker, *arguments, **options)

    monkeypatch.setattr(Worker, "ask", ask_and_kill)
    verdict = Porcupine().check(hard_history())
    assert verdict.outcome == "unknown"
    assert "its process ended with signal 9" in verdict.reason


@needs_library
def test_a_worker_that_does_not_answer_is_killed(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    Porcupine().check(parse("0w1. 1r=1"))
    monkeypatch.setattr(process, "_GRACE_S", 0.05)
    os.kill(workers[0].pid, signal.SIGSTOP)
    assert Porcupine(timeout_s=0.05).check(parse("0w1. 1r=1")).outcome == "unknown"
    assert not workers[0].is_alive()
    monkeypatch.undo()
    assert Porcupine().check(parse("0w1. 1r=1")).outcome == "pass"


@needs_library
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory cannot be watched here")
def test_too_much_memory_is_unknown(workers: list[Worker]) -> None:
    verdict = Porcupine(memory_bytes=100 << 20).check(hard_history())
    assert verdict.outcome == "unknown"
    assert "more than 104,857,600 bytes (option `memory_bytes`)" in verdict.reason
    assert not workers[0].is_alive()


@needs_library
def test_ctrl_c_gets_through_and_ends_the_worker(workers: list[Worker]) -> None:
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.4, lambda: signal.pthread_kill(main, signal.SIGINT))

    def interrupted() -> None:
        timer.start()
        Porcupine(timeout_s=600).check(hard_history())

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    timer.join()
    assert not any(worker.is_alive() for worker in workers)
    assert Porcupine().check(parse("0w1. 1r=1")).outcome == "pass"


@needs_library
def test_parallel_threads_take_a_worker_each(workers: list[Worker]) -> None:
    texts = ["0w1. 1r=1", "0w1. 1r=2"] * 10
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda text: Porcupine().check(parse(text)).outcome, texts))
    assert outcomes == ["pass", "fail"] * 10
    assert sum(worker.is_alive() for worker in workers) == 1, "the spare ones are gone"


@needs_library
def test_large_requests_go_through(workers: list[Worker]) -> None:
    recorder = Recorder()
    for number in range(20_000):
        for kind in ("invoke", "ok"):
            key, value = number % 1000, "x" * 100 + str(number)
            recorder.append(time_ns=0, process=0, type=kind, f="put", key=key, value=value)
    assert Porcupine("kv-append").check(recorder.history()).outcome == "pass"


# ---- the life of a whole program --------------------------------------------------------------

PROGRAM = """
import os, random, sys
from checkers.notation import parse
from checkers.porcupine import Porcupine, process
from harness.history import Recorder
easy, pairs = parse("0w1. 1r=1"), [[n % 7, n * n % 5] for n in range(60)]
recorder = Recorder()
for kind in ("invoke", "ok"):
    for n, pair in enumerate(pairs):
        recorder.append(time_ns=0, process=n, type=kind, f="cas", value=pair)
recorder.append(time_ns=0, process=99, type="invoke", f="write", value=0)
hard = recorder.history()
assert Porcupine().check(easy).passed
worker, = process._idle.values()
print(worker.pid, flush=True)
input()
"""


def start(rest: str) -> tuple[subprocess.Popen[str], int]:
    """A program with an idle worker that goes on with `rest`, and a handle to that worker."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + textwrap.dedent(rest)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    handle = os.pidfd_open(int(program.stdout.readline()))
    program.stdin.write("\n")  # the worker lives until somebody watches it
    program.stdin.flush()
    return program, handle


def ends(handle: int, *, within_s: float = 60) -> bool:
    """Whether the process behind `handle` ends."""
    try:
        return bool(select.select([handle], [], [], within_s)[0])
    finally:
        os.close(handle)


@needs_library
@needs_pidfd
@pytest.mark.parametrize("rest", ["", "raise ZeroDivisionError", "os._exit(3)"])
def test_no_worker_outlives_its_program(rest: str) -> None:
    program, handle = start(rest)
    program.communicate(timeout=60)
    assert ends(handle)


@needs_library
@needs_pidfd
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_a_program_that_is_stopped_in_a_check(number: signal.Signals) -> None:
    """SIGINT goes to the whole group, as it does from a terminal; SIGKILL to the program only."""
    program, handle = start('print("go", flush=True); Porcupine(timeout_s=600).check(hard)')
    assert program.stdout is not None
    assert program.stdout.readline() == "go\n"
    (os.killpg if number == signal.SIGINT else os.kill)(program.pid, number)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == -number
    assert ends(handle)
    assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)


@needs_library
@needs_pidfd
def test_a_forked_child_starts_a_worker_of_its_own() -> None:
    program, handle = start(
        """
        child = os.fork()
        if child == 0:
            good = Porcupine().check(easy).passed and len(process._idle) == 1
            process.close_all()
            os._exit(0 if good else 1)
        print(os.waitpid(child, 0)[1], worker.is_alive(), Porcupine().check(easy).outcome)
        print(list(process._idle.values()) == [worker])
        """
    )
    output, errors = program.communicate(timeout=60)
    assert output.split()[:3] == ["0", "True", "pass"], errors
    assert ends(handle)


# ---- not built, built wrongly ------------------------------------------------------------------


def test_without_the_library_it_says_how_to_get_it(tmp_path: Path) -> None:
    library = tmp_path / LIBRARY_NAME
    status = available(library)
    assert not status
    assert "`make porcupine`" in str(status)
    assert "splitbrain[porcupine]" in str(status)
    with pytest.raises(UsageError, match="has not been built.*\n.*`make porcupine`"):
        Porcupine(library=library).check(parse("0w1. 1r=1"))


@needs_library
def test_a_library_that_cannot_be_loaded_is_refused(tmp_path: Path, workers: list[Worker]) -> None:
    library = tmp_path / LIBRARY_NAME
    library.write_bytes(b"no library")
    with pytest.raises(UsageError, match="cannot be used: .*\nUsually it was built on another"):
        Porcupine(library=library).check(parse("0w1. 1r=1"))
    assert not workers


@needs_library
def test_a_library_with_another_interface_is_refused(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(process.CONSTANTS, "PORCUPINE_INTERFACE", 0)
    with pytest.raises(UsageError, match="built from another version of splitbrain"):
        Porcupine().check(parse("0w1. 1r=1"))
    assert not workers


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "registre"}, "no model called 'registre'"),
        ({"timeout_s": 0}, "must be more than 0"),
        ({"memory_bytes": 5}, "too little to begin with"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Porcupine(**options)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to look for programs in; no Go beside this Python either."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_building_says_what_is_missing(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tools / LIBRARY_NAME
    with pytest.raises(build.NotBuilt, match=r"There is no Go here.*\n.*splitbrain\[porcupine\]"):
        build.build(library, search=str(tools))
    put(tools, "go", "echo no route to the proxy; exit 1")
    with pytest.raises(build.NotBuilt, match=r"no C compiler here \(looked for cc, gcc, clang\)"):
        build.build(library, search=str(tools))
    put(tools, "cc", "")
    words = "(?s)`go mod download` ended with code 1.*proxy cannot be reached.*no route to the"
    with pytest.raises(build.NotBuilt, match=words):
        build.build(library, search=str(tools))
    put(tools, "go", "case $1 in mod) ;; *) echo is too old; exit 2;; esac")
    with pytest.raises(build.NotBuilt, match="(?s)`go build -buildmode=c-shared` .*is too old"):
        build.build(library, search=str(tools))
    monkeypatch.setattr(build, "DOWNLOAD_TIMEOUT_S", 0.05)
    put(tools, "go", "/bin/sleep 60 & wait")
    with pytest.raises(build.NotBuilt, match="took more than 0.05 s"):
        build.build(library, search=str(tools))
    assert sorted(path.name for path in tools.iterdir()) == ["cc", "go"], "nothing is left behind"


def test_building_puts_the_library_in_its_place(tools: Path) -> None:
    library = tools / LIBRARY_NAME
    library.write_text("old")
    put(tools, "cc", "")
    put(tools, "go", 'test $1 = mod || echo new >"$7"')
    assert build.build(library, search=str(tools)) == library
    assert library.read_text(encoding="utf-8") == "new\n"
    assert sorted(path.name for path in tools.iterdir()) == ["cc", "go", LIBRARY_NAME]


@pytest.mark.skipif(shutil.which("gofmt") is None, reason="there is no gofmt here")
def test_the_go_code_is_formatted() -> None:
    done = subprocess.run(
        ["gofmt", "-l", "."], cwd=SOURCES, capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout == ""
    assert list(SOURCES.glob("*.go"))


def test_the_library_lies_in_the_package() -> None:
    assert LIBRARY.parent == Path(build.__file__).parent
    assert np.all([(SOURCES / name).exists() for name in ("go.mod", "go.sum", "wrapper.h")])
