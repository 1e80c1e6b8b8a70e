"""The parts that `docs/plug-ins.md` writes work, from a folder that nobody has installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "plug-ins.md"


def test_what_the_page_writes_runs_and_keeps_the_contracts(tmp_path: Path) -> None:
    parts, *kits = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "my_parts.py").write_text(parts)
    (tmp_path / "kits.py").write_text("\n".join(["from my_parts import *", *kits]))

    def python(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    checked = python("kits.py")
    assert checked.returncode == 0, checked.stderr
    shown = re.findall(
        r"^ {4}splitbrain (run raft .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    # as the console command does it, which unlike `python -m` does not look into the folder
    program = "import sys; sys.path.remove(''); from harness.commands import main; main()"
    ran = python("-c", program, *shown[0].split(), "--time-limit", "10")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "✓ pass  linearizability" in ran.stdout
    assert re.search(r"✓ pass  grows: \d+ processes read", ran.stdout)
    again = python("-c", program, "replay", "store/latest")
    assert "Replayed exactly" in again.stdout, again.stderr
