"""Two runs side by side: what is said of them, and the first difference of their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiment import Experiment, seconds
from harness.pipeline import carry_out
from reports.pair import BEFORE, Pair, difference, pair_of
from reports.runs import Store

LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n"]), max_size=12)


@given(LINES, LINES)
def test_the_first_difference_is_the_first(left: list[bytes], right: list[bytes]) -> None:
    found = difference(left, right)
    if left == right:
        assert found is None
        return
    assert found is not None
    place = found.line - 1
    assert left[:place] == right[:place]
    assert left[place : place + 1] != right[place : place + 1]
    assert found.before == tuple(line.decode().strip() for line in left[:place][-BEFORE:])
    assert found.left == tuple(line.decode().strip() for line in left[place : place + 3])
    assert found.right == tuple(line.decode().strip() for line in right[place : place + 3])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two alike, one with another seed, one of another experiment."""
    path = tmp_path_factory.mktemp("runs") / "store"
    small = Experiment(nemesis="kill", nodes=3, clients=2, time_limit_ns=seconds(2))
    for experiment, seed in [(small, 1), (small, 1), (small, 2)]:
        carry_out(experiment, seed, store=path, report_passes=False)
    other = Experiment(nemesis="pause", nodes=3, clients=2, time_limit_ns=seconds(2))
    carry_out(other, 1, store=path, report_passes=False)
    return path


def pair(store: Path, one: str, other: str) -> Pair:
    runs = Store(store)
    found = runs.run(one), runs.run(other)
    assert found[0] is not None
    assert found[1] is not None
    return pair_of(store, found[0], found[1])


def texts(found: Pair) -> str:
    return "\n".join(part.text for part in found.parts)


def test_the_same_run_twice_is_the_same(store: Path) -> None:
    found = pair(store, "raft-register-kill/seed-1", "raft-register-kill/seed-1.2")
    assert found.headline.startswith("The same experiment with the same digest")
    assert not any(fact.differs for fact in found.facts)
    assert [part.difference for part in found.parts] == [None, None, None]
    assert texts(found).count("They are the same.") == 2


def test_another_seed_differs_where_it_first_does(store: Path) -> None:
    found = pair(store, "raft-register-kill/seed-1", "raft-register-kill/seed-2")
    assert found.headline == "One experiment with the seeds 1 and 2."
    assert {fact.name for fact in found.facts if fact.differs} >= {"seed", "digest"}
    assert not any(fact.differs for fact in found.facts if fact.name in ("system", "nodes"))
    rows = [
        (store / f"raft-register-kill/seed-{seed}" / "history.jsonl").read_bytes().splitlines()
        for seed in (1, 2)
    ]
    first = next(n for n, (a, b) in enumerate(zip(*rows, strict=False), start=1) if a != b)
    histories = found.parts[1].difference
    assert histories is not None
    assert histories.line == first
    assert histories.left[0] == rows[0][first - 1].decode()
    assert f"in row {first}" in texts(found)


def test_another_experiment_says_in_what(store: Path) -> None:
    found = pair(store, "raft-register-kill/seed-1", "raft-register-pause/seed-1")
    assert found.headline == "Two experiments, different in nemesis."


def test_a_trace_that_begins_later_is_compared_from_there(store: Path, tmp_path: Path) -> None:
    folders = [store / "raft-register-kill" / name for name in ("seed-1", "seed-1.2")]
    whole = folders[1].joinpath("trace.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    try:
        folders[1].joinpath("trace.jsonl").write_bytes(b"".join(lines[50:]))
        same = pair(store, "raft-register-kill/seed-1", "raft-register-kill/seed-1.2").parts[2]
        assert same.text.startswith("They are the same, counted from ")
        changed = [*lines[50:60], b'[1,"fault"]\n', *lines[61:]]
        folders[1].joinpath("trace.jsonl").write_bytes(b"".join(changed))
        other = pair(store, "raft-register-kill/seed-1", "raft-register-kill/seed-1.2").parts[2]
        assert other.difference is not None
        assert other.difference.line == 11
        assert other.difference.right[0] == '[1,"fault"]'
    finally:
        folders[1].joinpath("trace.jsonl").write_bytes(whole)


def test_a_file_that_is_missing_or_leads_elsewhere_is_not_read(store: Path, tmp_path: Path) -> None:
    folder = store / "raft-register-pause" / "seed-1"
    trace, secret = folder / "trace.jsonl", tmp_path / "secret"
    secret.write_text('["secret"]\n')
    kept = trace.read_bytes()
    trace.unlink()
    try:
        part = pair(store, "raft-register-kill/seed-1", "raft-register-pause/seed-1").parts[2]
        assert part.text == "The run on the right has none."
        trace.symlink_to(secret)
        part = pair(store, "raft-register-pause/seed-1", "raft-register-kill/seed-1").parts[2]
        assert part.text == "The run on the left has none."
    finally:
        trace.unlink(missing_ok=True)
        trace.write_bytes(kept)
