"""What the command does where its output, or what it wants to keep, cannot go as usual."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.experiment import Experiment
from harness.making import make_system
from harness.store import new_folder
from harness.system import Unavailable
from systems.craft import native
from systems.pysyncobj import releases

COMMAND = [sys.executable, "-c", "from harness.commands import main; main()"]
PASSING = """
{"type":"invoke","f":"write","value":1,"process":0}
{"type":"ok","f":"write","value":1,"process":0}
"""


def test_whoever_reads_our_output_may_leave() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, "list"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (255, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_sign_that_the_terminal_does_not_know_ends_nothing(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "h.jsonl").write_text(PASSING)
    done = subprocess.run(
        [*COMMAND, "check", str(tmp_path / "h.jsonl")],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"? pass" in done.stdout


def test_an_empty_folder_that_others_tidy_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, removed = Path.mkdir, []

    def mkdir(path: Path, *arguments: int, **options: bool) -> None:
        if path.name == "seed-1" and len(removed) < 3:  # as other workers of pytest do
            removed.append(path)
            path.parent.rmdir()
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert new_folder(tmp_path / "store", "raft-register", 1).path.is_dir()
    assert len(removed) == 3


@pytest.mark.skipif(native.missing() is not None, reason=str(native.missing()))
def test_a_cache_that_cannot_be_written_is_nobodys_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("SPLITBRAIN_CACHE", str(tmp_path / "a-file" / "below"))
    native.module.cache_clear()
    with pytest.raises(UsageError, match="SPLITBRAIN_CACHE"):
        make_system(Experiment(system="craft", nodes=3))
    with pytest.raises(Unavailable, match="SPLITBRAIN_CACHE"):
        releases.folder_of("0.3.17")
