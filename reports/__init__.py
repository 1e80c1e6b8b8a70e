"""A finished run as one HTML file that can be mailed, grepped, printed and read without a network.

    history + verdicts + facts
            │
            ▼
    model      calls, faults, witness   what is said: plain data        (no checker logic)
            │
            ▼
    drawing    fault_drawing, witness_drawing, plots    how it looks: geometry and SVG
            │
            ▼
    page       templates/               one document, escaped once

It answers four questions in this order: Is it broken? What exactly is wrong? What led to it? Can I
see it happen again? The same run gives the same bytes. Sizes are bounded whatever the length of
the run, and whatever is left out is said where it is missing.

>>> from harness.history import Recorder
>>> from harness.verdict import Verdict
>>> recorder = Recorder()
>>> for time_ns, type in [(0, "invoke"), (2_000_000, "ok")]:
...     _ = recorder.append(time_ns=time_ns, process=0, type=type, f="read", value=None)
>>> html = render_report(title="demo", history=recorder.history(), facts={"seed": "7"},
...     verdicts=[Verdict(checker="stats", outcome="pass", reason="all functions succeeded")],
...     replay_command="splitbrain replay plan.json")
>>> "all functions succeeded" in html and "splitbrain replay plan.json" in html
True
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path

from harness.history import History
from harness.simulation.recording import Recording
from harness.verdict import Verdict

# A run that was kept: `reports.loading.load_run(folder)` gives the data of its report and
# `reports.loading.write_report_of_folder(folder, path)` writes the same report again. Style sheet,
# scripts and policy of all pages: `reports.design`.
__all__ = ["render_report", "write_report"]


def write_report(
    path: str | PathLike[str],
    *,
    title: str,
    history: History,
    verdicts: Sequence[Verdict],
    facts: Mapping[str, str],
    replay_command: str,
    recording: Recording | None = None,
    broken_off: Mapping[str, str] | None = None,
    idle_rows: Collection[int] = (),
) -> None:
    """Writes the report of a run to `path`, as UTF-8; see `render_report` for the arguments."""
    html = render_report(
        title=title,
        history=history,
        verdicts=verdicts,
        facts=facts,
        replay_command=replay_command,
        recording=recording,
        broken_off=broken_off,
        idle_rows=idle_rows,
    )
    # Bytes, so that the file is the same on systems with other line ends.
    Path(path).write_bytes(html.encode())


def render_report(
    *,
    title: str,
    history: History,
    verdicts: Sequence[Verdict],
    facts: Mapping[str, str],
    replay_command: str,
    recording: Recording | None = None,
    broken_off: Mapping[str, str] | None = None,
    idle_rows: Collection[int] = (),
) -> str:
    """The report of a run as an HTML document.

    The worst of `verdicts` speaks for the run; every failing one with a witness shows it.
    `facts` (system, workload, nemesis, seed, digest ...) are listed in their order; one called
    "concurrency" or "clients" tells how many threads the clients were. `recording` brings messages
    and nodes. `broken_off` says of a run that was not judged how it ended and what was recorded.
    `idle_rows` are those in which a nemesis began what changed nothing: that is no fault. Raises
    PairingError if the history's operations contradict each other.
    """
    # Imported here: a run without a report need not load templates and drawings.
    from reports.model import build_report
    from reports.page import page

    return page(
        build_report(
            title=title,
            history=history,
            verdicts=verdicts,
            facts=facts,
            replay_command=replay_command,
            broken_off=broken_off,
            idle_rows=idle_rows,
            recording=recording,
        ),
        recording,
    )
