"""The published histories of Jepsen's and Porcupine's tests read, pair and survive copying.

They are no part of the project: where they are not beside it, these tests are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.formats import read_history, write_edn, write_jsonl
from harness.history import INVOKE

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "histories"
EXPECTED = PUBLISHED / "expected.json"
NAMES = sorted(json.loads(EXPECTED.read_text("utf-8"))) if EXPECTED.exists() else []
LOGS = sorted(path.relative_to(PUBLISHED).as_posix() for path in PUBLISHED.glob("*/*.*"))


@pytest.mark.skipif(not LOGS, reason=f"the published histories are not at {PUBLISHED}")
class TestPublished:
    @pytest.mark.parametrize("name", LOGS or ["none"])
    def test_every_published_history_reads_pairs_and_survives(
        self, name: str, tmp_path: Path
    ) -> None:
        history = read_history(PUBLISHED / name)
        calls = history.type[history.client_rows] == INVOKE
        assert len(history.partner) == len(history) > 10
        assert calls.any()
        write_jsonl(history, tmp_path / "copy.jsonl")
        assert read_history(tmp_path / "copy.jsonl") == history
        write_edn(history, tmp_path / "copy.edn")
        copy = read_history(tmp_path / "copy.edn")
        assert (copy.independent() if history.key.any() else copy) == history

    def test_all_that_have_a_verdict_are_there(self) -> None:
        assert set(NAMES) <= set(LOGS)

    def test_logs_of_2014_tell_timeouts_from_values(self) -> None:
        timeouts = 0
        for name in LOGS:
            if name.startswith("etcd-cas-register/"):
                for operation in read_history(PUBLISHED / name):
                    assert operation.value != "timed-out"
                    timeouts += operation.error == "timed-out"
        lines = sum(
            (PUBLISHED / name).read_text("utf-8").count(":timed-out")
            for name in LOGS
            if name.startswith("etcd-cas-register/")
        )
        assert timeouts == lines > 0

    def test_key_value_histories_bring_their_keys(self) -> None:
        history = read_history(PUBLISHED / "kv-append/c10-bad.txt")
        assert [history.keys[key] for key in sorted(history.by_key())] == list(history.keys[1:])
        assert set(history.functions) == {"get", "put", "append"}

    def test_live_histories_split_into_registers(self) -> None:
        history = read_history(PUBLISHED / "etcd-live/linearizable-reads.jsonl.gz").independent()
        assert sorted(history.keys[key] for key in history.by_key()) == ["x", "y", "z"]
        assert (history.time_ns > 0).all()
        assert set(history.process_names) == {"nemesis"}
