"""How long a report takes: to be written, to open in a browser, to move under the reader's hand.

    python benchmarks/report.py [--operations 200000] [--messages 100000]

Bars: a default run in half a second; 200,000 operations with 100,000 messages in one file of 6 MB
that is written in five seconds, opens in two, and then moves at thirty frames a second. Without
Chromium on the PATH, or Playwright, only the writing is measured.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from histories import registers

from harness import Experiment
from harness.history import History
from harness.runner import run
from harness.simulation.recording import Facts, Log, Recording
from harness.simulation.trace import MESSAGE
from harness.verdict import Verdict
from reports import write_report

_MS = 1_000_000
_NODES = 5

#: Zooms in and out with the keyboard and takes the time of every frame, fastest first.
FRAMES_MS = """async () => {
  const canvas = document.getElementById("stage-canvas"), took = [];
  for (let round = 0; round < 60; round++) {
    const begun = performance.now(), key = round % 2 ? "+" : "-";
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    took.push(performance.now() - begun);
  }
  return took.sort((a, b) => a - b);
}"""


def main() -> None:
    """The benchmark's command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--operations", type=int, default=200_000, help="of the long run")
    parser.add_argument("--messages", type=int, default=100_000, help="of the long run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finished = run(Experiment(nemesis="partition,kill"), 1)
        default = Path(folder, "default.html")
        for name in ("default run, the first of a process", "default run, after that"):
            written(name, default, finished.history, finished.recording())
        long = Path(folder, "long.html")
        history = registers(operations=options.operations, seed=1, clients=20)
        recording = made_up(history, options.messages)
        written(f"{options.operations:,} operations", long, history, recording)
        for path in (default, long):
            looked_at(path)


def made_up(history: History, messages: int) -> Recording:
    """The recording of a run with that history in which five nodes told each other things."""
    draw = random.Random(7)
    end_ns = max(op.time_ns for op in history)
    events: list[Any] = []
    for number in range(messages):
        sent_ns = draw.randrange(end_ns)
        source, destination = draw.sample(range(1, _NODES + 1), 2)
        ended_ns = sent_ns + draw.randrange(_MS, 5 * _MS)
        told = ("append", number)
        events.append((ended_ns, 0, MESSAGE, destination, source, told, sent_ns))
    log = Log(nodes=_NODES, capacity=messages)
    for event in sorted(events, key=lambda event: event[0]):
        log.record(event)
    clients = 1 + max(op.process for op in history if isinstance(op.process, int))
    return Recording.of(log, clients=clients, facts=Facts(delivered=messages))


def written(name: str, path: Path, history: History, recording: Recording | None) -> None:
    """Writes a report that names one operation as the culprit, and says how long that took."""
    rows = [op.index for op in history if op.type == "ok"][len(history) // 4 :][:3]
    failed = Verdict(checker="c", outcome="fail", reason="r", witness={"rows": rows})
    begin_s = time.process_time()
    write_report(
        path, title=name, history=history, verdicts=[failed], facts={},
        replay_command="x", recording=recording,
    )  # fmt: skip
    took_s = time.process_time() - begin_s
    print(f"{name:40} written in {took_s:5.2f} CPU s, {path.stat().st_size / 1e6:5.2f} MB")


def looked_at(path: Path) -> None:
    """Opens a report in Chromium and zooms it; prints how long both took."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        begin_s = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        opened_s = time.perf_counter() - begin_s
        page.keyboard.press("Escape")
        page.keyboard.press("0")
        page.locator("#stage-canvas").focus()
        took_ms = page.evaluate(FRAMES_MS)
        middle, slowest = took_ms[len(took_ms) // 2], took_ms[-1]
        print(
            f"{path.name:40} opens in {opened_s:5.2f} s, {1000 / middle:3.0f} frames a second"
            f" (slowest {slowest:.0f} ms)"
        )
        browser.close()


if __name__ == "__main__":
    main()
