"""The data block of a page, and what runs record for it."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from harness.columns import pack, unpack
from harness.errors import UsageError
from harness.experiment import Experiment, seconds
from harness.history import History, Recorder
from harness.node import NodeStatus
from harness.runner import run
from harness.simulation.recording import BODY_CHARACTERS, LOOK_NS, Facts, Log, Recording
from harness.simulation.trace import LOST, MESSAGE, TIMER
from harness.verdict import Verdict
from reports import design, payload
from reports.model import Report, build_report
from reports.page import SCRIPTS

MS = 1_000_000
SCRIPT_FOLDER = Path(design.__file__).parent / "scripts"
NODE = shutil.which("node")


# ---- columns


@given(st.lists(st.integers(-(2**61), 2**61)))
def test_columns_are_unpacked_as_they_were_packed(numbers: list[int]) -> None:
    assert unpack(pack(numbers)).tolist() == numbers


@pytest.mark.parametrize("broken", [b"\x80", b"\x01\xff", b"\x80" * 11 + b"\x00"])
def test_broken_columns_are_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="column"):
        unpack(broken)


# ---- recordings


def message(end_ms: int, sent_ms: int, *, lost: bool = False, payload: Any = "hello") -> Any:
    return (end_ms * MS, 0, LOST if lost else MESSAGE, 2, 1, payload, sent_ms * MS)


def test_a_recording_has_what_was_delivered_and_what_was_lost() -> None:
    log = Log(nodes=2)
    log.record(message(3, 1))
    log.record((4 * MS, 0, TIMER, 1, 1, "tick", 0))
    log.record(message(5, 5, lost=True, payload=7))
    found = Recording.of(log, clients=1, facts=Facts(delivered=1, dropped=1))
    assert found.kinds == ("str", "int")
    assert found.bodies == ("'hello'", "7")
    assert found.forgotten == 0
    assert {name: column.tolist() for name, column in found.messages.items()} == {
        "sent_ns": [1 * MS, 5 * MS], "end_ns": [3 * MS, 5 * MS], "source": [1, 1],
        "destination": [2, 2], "kind": [0, 1], "body": [0, 1], "lost": [0, 1],
    }  # fmt: skip
    # The trace knows nothing of what was lost.
    assert [event[1] for event in log.trace(10)] == [MESSAGE, TIMER]
    assert [event[1] for event in log.trace(1)] == [TIMER]


def test_a_full_ring_forgets_the_oldest_and_says_how_many() -> None:
    log = Log(nodes=2, capacity=3)
    for number in range(10):
        log.record(message(number, number))
    found = Recording.of(log, clients=0, facts=Facts(delivered=10))
    assert found.messages["end_ns"].tolist() == [7 * MS, 8 * MS, 9 * MS]
    assert found.forgotten == 7


def test_only_changes_of_a_node_are_kept() -> None:
    log = Log(nodes=1)
    follower, leader = NodeStatus(role="follower"), NodeStatus(role="leader", term=1)
    log.became(0, 1, "up")
    for time_ms, status in enumerate([follower, follower, leader, leader, follower]):
        log.look(time_ms * MS, 1, status)
    assert [(time_ns // MS, said.role) for time_ns, _, said in log.sightings] == [
        (0, "follower"), (2, "leader"), (4, "follower"),
    ]  # fmt: skip
    assert log.look_at_ns[1] == 4 * MS + LOOK_NS


def test_addresses_and_length_of_bodies_are_cut() -> None:
    log = Log(nodes=2)
    log.record(message(1, 1, payload=object()))
    log.record(message(2, 2, payload="x" * 9_999))
    bodies = Recording.of(log, clients=0, facts=Facts()).bodies
    assert bodies[0] == "<object object>"
    assert len(bodies[1]) == BODY_CHARACTERS


class Told(Struct):
    what: object


class Twice(Struct, frozen=True):
    first: object
    second: object = None


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    several = st.lists(inner, max_size=12)
    return several | several.map(tuple) | st.builds(Twice, first=inner, second=inner)


@given(st.recursive(st.integers() | st.text(max_size=290) | st.none(), nested, max_leaves=40))
@example([[["x" * 290], 1], 2])
def test_what_long_messages_begin_with_is_what_their_whole_text_begins_with(what: object) -> None:
    log = Log(nodes=1)
    log.record(message(1, 1, payload=Told([1] * 9_999)))
    log.record(message(2, 1, payload=Told(what)))
    whole = repr(Told(what))
    expected = whole if len(whole) <= BODY_CHARACTERS else whole[: BODY_CHARACTERS - 1] + "…"
    assert Recording.of(log, clients=0, facts=Facts()).bodies[-1] == expected


@pytest.mark.parametrize("content", [b"", b"nothing", gzip.compress(b"nothing", mtime=0)])
def test_what_is_no_recording_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match="no recording of a run"):
        Recording.decode(content)


@pytest.mark.parametrize("wire", [False, True])
def test_a_run_is_recorded_and_read_back(wire: bool) -> None:
    experiment = Experiment(
        nodes=3, clients=2, nemesis="partition,kill", time_limit_ns=seconds(4), wire=wire,
        interval_ns=seconds(0.5),
    )  # fmt: skip
    done = run(experiment, seed=1)
    found = done.recording()
    assert found == Recording.decode(found.encode())
    assert len(found.messages["end_ns"]) == done.delivered + done.dropped
    assert int(found.messages["lost"].sum()) == done.dropped
    assert (found.messages["sent_ns"] <= found.messages["end_ns"]).all()
    assert (np.diff(found.messages["end_ns"]) >= 0).all()
    assert {"ClientRequest", "ClientReply"} <= set(found.kinds)
    assert any(body.startswith("ClientRequest(client=") for body in found.bodies)
    roles = {found.words[word] for word in found.sightings["role"].tolist()}
    assert {"leader", "follower"} <= roles
    lives = [found.words[word] for word in found.lives["word"].tolist()]
    downs = sum(len(fault.value.get("crash", ())) for fault in done.plan.faults
                if fault.f == "start-kill" and isinstance(fault.value, dict))  # fmt: skip
    assert lives[:3] == ["up", "up", "up"]
    assert lives.count("down") == downs > 0


def test_a_leader_is_seen_the_moment_it_says_so() -> None:
    done = run(Experiment(nodes=3, clients=1, time_limit_ns=seconds(2)), seed=1)
    found = done.recording()
    [elected] = [(time_ns, node) for time_ns, node, event in done.probes if event == "elected"]
    leading = found.sightings["role"] == found.words.index("leader")
    first = int(np.flatnonzero(leading)[0])
    seen = (int(found.sightings["time_ns"][first]), int(found.sightings["node"][first]))
    assert seen == elected


# ---- the data block


def decoded(text: str) -> tuple[dict[str, Any], Callable[[str], list[int]], Any]:
    """Header, columns and texts of a data block: the other way round than reports.payload."""
    raw = gzip.decompress(base64.b64decode(text))
    size = int.from_bytes(raw[:4], "little")
    header, body = json.loads(raw[4 : 4 + size]), raw[4 + size :]

    def column(name: str) -> list[int]:
        offset, length, count = header["columns"][name]
        numbers = unpack(body[offset : offset + length]).tolist()
        assert len(numbers) == count
        return list(numbers)

    def lines(name: str) -> list[str]:
        offset, length = header["texts"][name]
        return body[offset : offset + length].decode().split("\n")

    return header, column, lines


def report_of(history: History, *verdicts: Verdict, clients: int = 0) -> Report:
    return build_report(
        title="t", history=history, verdicts=verdicts, replay_command="x",
        facts={"clients": str(clients)} if clients else {},
    )  # fmt: skip


def test_the_data_block_holds_the_history(long_run: Callable[[int, int], History]) -> None:
    history = long_run(800, 4)
    header, column, lines = decoded(payload.payload(report_of(history), None).text)
    assert column("time") == history.time_ns.tolist()
    assert column("type") == history.type.tolist()
    assert column("value") == history.value.tolist()
    assert [json.loads(text) for text in lines("keys")] == list(history.keys)
    assert header["functions"] == list(history.functions)
    # Threads tell processes, and completions repeat function and key.
    processes = list(range(header["concurrency"]))
    expected = []
    for thread, kind in zip(column("thread"), column("type"), strict=True):
        expected.append(thread if thread < 0 else processes[thread])
        if thread >= 0 and kind == 3:
            processes[thread] += header["concurrency"]
    assert expected == history.process.tolist()
    assert "info" in [op.type for op in history if isinstance(op.process, int)]
    begins = [row for row, op in enumerate(history) if op.type == "invoke" or not op.is_client]
    assert column("key") == history.key[begins].tolist()


def test_completions_that_do_not_repeat_their_call_are_told_in_full() -> None:
    recorder = Recorder()
    rows = [(5, "invoke", "read", "x"), (5, "info", "read", None), (17, "invoke", "read", "x")]
    for time_ns, (process, kind, f, key) in enumerate(rows):
        recorder.append(time_ns=time_ns, process=process, type=kind, f=f, key=key)
    history = recorder.history()
    _, column, _ = decoded(payload.payload(report_of(history), None).text)
    assert column("thread") == [5, 5, 5], "12 threads explain all three"
    assert column("f") == history.f.tolist()
    assert column("key") == history.key.tolist()


def test_a_history_that_is_too_long_is_kept_around_the_witness(
    monkeypatch: pytest.MonkeyPatch, long_run: Callable[[int, int], History]
) -> None:
    monkeypatch.setattr(payload, "CALLS_MAX", 200)
    monkeypatch.setattr(payload, "AROUND_NS", 20 * MS)
    history = long_run(2_000, 4)
    row = 1_500
    failed = Verdict(checker="c", outcome="fail", reason="r", witness={"rows": [row]})
    report = report_of(history, failed, clients=4)
    made = payload.payload(report, None)
    _, column, _ = decoded(made.text)
    rows = column("row")
    kept = set(rows)
    assert [note for note in made.notes if "of 2,000 operations are in this page" in note]
    assert np.count_nonzero(np.isin(report.calls.row, rows)) <= 200
    around = report.witnesses[0].around
    near = (report.calls.start_ns <= around.end_ns) & (report.calls.end_ns >= around.start_ns)
    assert set(report.calls.row[near].tolist()) <= kept
    assert set(np.flatnonzero(~history.client_rows).tolist()) <= kept
    partners = history.partner[rows]
    assert set(partners[partners >= 0].tolist()) <= kept


def test_too_many_messages_and_bodies_are_kept_around_the_witness(
    monkeypatch: pytest.MonkeyPatch, stale_read: dict[str, Any]
) -> None:
    monkeypatch.setattr(payload, "MESSAGES_MAX", 10)
    monkeypatch.setattr(payload, "BODIES_CHARACTERS", 10)
    log = Log(nodes=2)
    for at_ms in range(40):
        log.record(message(at_ms, at_ms, payload=at_ms))
    recording = Recording.of(log, clients=1, facts=Facts(delivered=45))
    report = build_report(**stale_read)
    made = payload.payload(report, recording)
    _, column, lines = decoded(made.text)
    ends = column("m.end")
    around = report.witnesses[0].around
    centre = (around.start_ns + around.end_ns) // 2 // MS
    assert ends[0] // MS <= centre <= ends[-1] // MS
    assert len(ends) == 10
    assert any("10 of 45 messages are in this page" in note for note in made.notes)
    assert any("The contents of" in note for note in made.notes)
    told = [body for body in column("m.body") if body >= 0]
    assert [lines("bodies")[body] for body in told] == [
        str(end // MS) for end, body in zip(ends, column("m.body"), strict=True) if body >= 0
    ]
    assert 0 < len(told) < 10


def test_wall_clock_times_survive(told: Callable[..., History]) -> None:
    start_ms = 1_700_000_000_000
    history = told([(start_ms, 0, "invoke", "f"), (start_ms + 7, 0, "ok", "f")])
    header, column, _ = decoded(payload.payload(report_of(history), None).text)
    assert header["origin"] == str(start_ms * MS)
    assert column("time") == [0, 7 * MS]


# ---- scripts


@pytest.mark.skipif(NODE is None, reason="there is no node on the PATH")
def test_scripts_are_well_formed() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in SCRIPT_FOLDER.glob("*.js"))
    program = "new (require('vm').Script)(require('fs').readFileSync(0, 'utf8'))"
    whole = design.script(*SCRIPTS)
    subprocess.run([NODE, "-e", program], input=whole.encode(), check=True)
    assert "</" not in whole, "this would end the element that the script stands in"
    for path in SCRIPT_FOLDER.glob("*.js"):
        for line in path.read_text("utf-8").splitlines():
            assert len(line) <= 110
            assert line == line.rstrip()
            assert "innerHTML" not in line, "text of a run must never be read as markup"


@pytest.mark.skipif(NODE is None, reason="there is no node on the PATH")
def test_the_script_reads_what_python_wrote(long_run: Callable[[int, int], History]) -> None:
    history = long_run(500, 4)
    report = report_of(history, clients=4)
    program = """
      const run = makeRun(openContainer(require("zlib").gunzipSync(
        Buffer.from(require("fs").readFileSync(0, "utf8"), "base64"))));
      console.log(JSON.stringify({
        process: [...run.rows.process], f: [...run.rows.f], key: [...run.rows.key],
        outcome: [...run.calls.outcome], thread: [...run.calls.thread],
        lines: Array.from(run.rows.time, (_, place) => jsonLine(run, place)),
        filtered: [...filterRows(run, "process:1 f:read type:ok")],
        edn: edn('[["append", 1, [null, -12345678901234567890]], {"a": "x:y,\\\\\\"z"}]', true),
      }));
    """
    files = [SCRIPT_FOLDER / name for name in ("data.js", "words.js", "history.js")]
    source = "".join(path.read_text("utf-8") for path in files) + program
    done = subprocess.run(
        [NODE, "-e", source], input=payload.payload(report, None).text.encode(),
        check=True, capture_output=True,
    )  # fmt: skip
    read = json.loads(done.stdout)
    assert read["process"] == history.process.tolist()
    assert read["f"] == history.f.tolist()
    assert read["key"] == history.key.tolist()
    assert read["outcome"] == report.calls.outcome.tolist()
    assert read["thread"] == report.calls.thread.tolist()
    assert [json.loads(line)["value"] for line in read["lines"]] == [op.value for op in history]
    assert read["filtered"] == [
        row for row, op in enumerate(history)
        if op.process == 1 and op.f == "read" and op.type == "ok"
    ]  # fmt: skip
    assert read["edn"] == '[[:append 1 [nil -12345678901234567890N]] {"a" "x:y,\\"z"}]'


#: What the inspector says, without a page around it.
INSPECT = """
  const run = makeRun(openContainer(require("zlib").gunzipSync(
    Buffer.from(require("fs").readFileSync(0, "utf8"), "base64"))));
  make = (tag, properties, ...children) => children.flat().join("|");
  const at = (time) => stateText(run, stateAt(run, 1, time * 1e6));
  const witnesses = [0, 1, 2].map((call) => ({ call, number: call + 1, witness: 0 }));
  console.log(JSON.stringify({
    states: [at(0), at(2), at(4), at(6)],
    reached: [1, 2].map((call) => reached({ run, view: { cone: true }, witnesses }, call)),
  }));
"""


def inspected(report: Report, recording: Recording) -> Any:
    names = ("data.js", "words.js", "causes.js", "stage.js", "stage_nodes.js", "inspector.js")
    source = "".join((SCRIPT_FOLDER / name).read_text("utf-8") for name in names) + INSPECT
    done = subprocess.run(
        [NODE or "node", "-e", source], input=payload.payload(report, recording).text.encode(),
        check=True, capture_output=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.skipif(NODE is None, reason="there is no node on the PATH")
@pytest.mark.parametrize("commits", [True, False])
def test_that_a_node_has_committed_nothing_is_shown_where_nodes_commit(
    commits: bool, told: Callable[..., History]
) -> None:
    log = Log(nodes=2)
    log.became(0, 1, "up")
    for time_ms, committed in ((1, 0), (3, 7), (5, 0)):  # it started again, and knows nothing
        status = NodeStatus(role="follower", term=1, committed=committed if commits else 0)
        log.look(time_ms * MS, 1, status)
    report = report_of(told([(0, 0, "invoke", "read"), (9, 0, "ok", "read")]))
    said = inspected(report, Recording.of(log, clients=1, facts=Facts()))["states"]
    assert [text.rpartition("committed ")[2] for text in said[1:] if "committed" in text] == (
        ["0", "7", "0"] if commits else []
    )
    assert "committed" not in said[0], "it has not said anything yet"


@pytest.mark.skipif(NODE is None, reason="there is no node on the PATH")
def test_of_itself_a_node_is_not_said_to_have_been_able_to_know(
    told: Callable[..., History],
) -> None:
    log = Log(nodes=2)
    rows = []
    for number, node in enumerate((1, 1, 2)):  # each of three clients is answered by that node
        start_ms = 1 + 4 * number
        rows += [(start_ms, number, "invoke", "read")]
        rows += [(start_ms + 3, number, "ok", "read")]
        sent_ns = (start_ms + 1) * MS
        log.record(((start_ms + 2) * MS, 0, MESSAGE, 3 + number, node, "answer", sent_ns))
    recording = Recording.of(log, clients=3, facts=Facts())
    second, third = inspected(report_of(told(rows), clients=3), recording)["reached"]
    assert second == "n1 itself had answered operation 1 before."
    assert third.startswith("n2 could not know that n1 had answered operation 1: ")


class Part(Struct):
    name: str
    data: list[Any]


class Whole(Struct):
    number: int
    parts: tuple[Part, ...]
    rest: Any = None


def test_of_a_long_message_only_the_beginning_is_put_into_words() -> None:
    sizes = (3, 2_000, 0, 299, 300, 301, 900)
    messages = [
        Whole(number, (Part("'", [b"'x"] * 2), Part('"', list(range(size)))), {"a": [number]})
        for number, size in enumerate(sizes)
    ]
    log = Log(nodes=2)
    for number, message in enumerate(messages):
        log.record((number, number, MESSAGE, 1, 2, message, number))
    found = Recording.of(log, clients=0, facts=Facts())
    texts = [repr(message) for message in messages]
    told = [text if len(text) <= 300 else f"{text[:299]}…" for text in texts]
    assert [found.bodies[number] for number in found.messages["body"].tolist()] == told
