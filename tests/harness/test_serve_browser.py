"""The pages of `splitbrain serve` in a real browser: nothing is refused, nothing is empty.

Chromium is run as it is, without a driver: it draws a page, and writes what its console says.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.experiment import Experiment, seconds
from harness.pipeline import carry_out
from reports.serve import make_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

FAILING = Experiment(nemesis="partition,kill", flaw="stale-read", time_limit_ns=seconds(6))
PASSING = Experiment(nemesis="kill", nodes=3, clients=2, time_limit_ns=seconds(2))


@dataclass(frozen=True)
class Shown:
    """A page as the browser has it when it has come to rest."""

    html: str
    complaints: list[str]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = tmp_path_factory.mktemp("browser") / "store"
    carry_out(FAILING, 1, store=store)
    carry_out(PASSING, 1, store=store, report_passes=False)
    carry_out(PASSING, 2, store=store, report_passes=False)
    with make_server(store, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.address.rstrip("/")
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profile")


def browse(address: str, profile: Path, *more: str) -> Shown:
    assert CHROMIUM is not None
    options = [
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *("--enable-logging=stderr", f"--user-data-dir={profile}", "--window-size=1280,1000"),
        *("--virtual-time-budget=3000", *more),
    ]
    done = subprocess.run(
        [CHROMIUM, *options, "--dump-dom", address], capture_output=True, timeout=90, check=True
    )
    said = done.stderr.decode(errors="replace").splitlines()
    return Shown(done.stdout.decode(), [line for line in said if ":CONSOLE" in line])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "3 runs"),
        ("/?result=fail", "1 run of 3"),
        ("/campaign", "1 of 1 planted flaw found"),
        ("/run/raft-register-kill/seed-1", "See it happen again"),
        ("/pair?run=raft-register-kill/seed-1&run=raft-register-kill/seed-2", "first difference"),
        ("/nothing", "Nothing here"),
    ],
)
def test_a_page_is_drawn_and_its_policy_refuses_nothing(
    path: str, text: str, address: str, profile: Path
) -> None:
    shown = browse(address + path, profile)
    assert text in shown.html
    # that a page is not there is the only thing to complain of, and that a site has no icon
    odd = [c for c in shown.complaints if "favicon" not in c and "404" not in c]
    assert odd == []


def test_a_report_works_in_its_sandbox(address: str, profile: Path) -> None:
    slug = FAILING.slug
    shown = browse(f"{address}/files/{slug}/seed-1/report.html", profile)
    assert "Not linearizable" in shown.html
    assert [c for c in shown.complaints if "favicon" not in c] == []
    (button,) = re.findall(
        r'<button type="button" data-copies="command"( hidden[^>]*)?>', shown.html
    )
    assert not button, "the script of the page has run: it shows the button"


def test_a_forged_report_reaches_nothing_of_the_store(
    address: str, profile: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = next(tmp_path_factory.getbasetemp().glob("browser*/store"))
    forged = store / FAILING.slug / "seed-1" / "forged.html"
    forged.write_text(
        "<!DOCTYPE html><p id=told>nothing yet<script>"
        "const told = document.getElementById('told');"
        "fetch('/').then(r => r.text()).then(t => told.textContent = 'got ' + t.length)"
        ".catch(e => told.textContent = 'refused');"
        "try { document.cookie = 'a=b' } catch { told.title = 'nobody' }"
        "</script>"
    )
    shown = browse(f"{address}/files/{FAILING.slug}/seed-1/forged.html", profile)
    assert ">refused" in shown.html
    assert 'title="nobody"' in shown.html


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_drawn_in_both_themes(
    theme: str, address: str, profile: Path, tmp_path: Path
) -> None:
    from matplotlib.image import imread

    picture = tmp_path / "list.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    browse(f"{address}/", profile, f"--screenshot={picture}", *dark)
    pixels = imread(picture)
    assert pixels.shape[1] == 1280
    ground = float(pixels[5, 5, :3].mean())
    assert (ground > 0.9) == (theme == "light")
    assert (
        len({tuple(pixel) for pixel in (pixels[::7, ::7, :3] * 15).astype(int).reshape(-1, 3)}) > 8
    )
